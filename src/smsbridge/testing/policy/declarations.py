"""What a policy says of itself, and what ``smsbridge doctor`` and the environment ask it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from smsbridge.builtin.console import ConsoleProvider
from smsbridge.plugins import BUILTIN
from smsbridge.policies.known import BUILT_IN
from smsbridge.policies.policy import LEVELS, Finding, Place
from smsbridge.testing.contract.kit import describe
from smsbridge.unread import WORDS

from .kit import Kit
from .vendor import Vendor

_NAME = re.compile("[a-z0-9]{1,100}", re.ASCII)


class Declarations(Kit):
    """Name, place, settings, ``applies`` and ``findings``."""

    def test_its_name_is_one_that_an_entry_point_can_have(self) -> None:
        kind = type(self.policy())
        name: object = getattr(kind, "name", None)
        assert isinstance(name, str), "give the class a `name`"
        assert _NAME.fullmatch(name), f"the name {name!r} may have lower-case letters and digits only"
        assert name not in WORDS, f"the name {name!r} is taken: settings of smsbridge begin with it"
        ours = kind.__module__.partition(".")[0] == "smsbridge"
        assert ours or name not in {*BUILTIN, *BUILT_IN}, f"the name {name!r} is taken by smsbridge itself"

    def test_its_place_is_a_place_or_none(self) -> None:
        place: object = type(self.policy()).place
        assert place is None or isinstance(place, Place), (
            f"`place` is {place!r}: name a smsbridge.policies.policy.Place, or None for a policy that is only composed"
        )

    def test_its_settings_are_frozen_and_known(self) -> None:
        config = type(self.policy()).model_config
        assert config.get("frozen"), "the settings of a policy do not change: leave `frozen` in model_config"
        assert config.get("extra") == "forbid", "an unknown setting is refused: leave `extra` in model_config"
        assert config.get("hide_input_in_errors"), (
            "a wrong setting is not shown, as it may be a secret: leave `hide_input_in_errors` in model_config"
        )

    def test_its_advice_is_words_by_reason(self) -> None:
        advice: object = type(self.policy()).advice
        assert isinstance(advice, Mapping), "`advice` is a mapping: what to do next, by the `reason` of an error"
        for reason, words in advice.items():
            assert isinstance(reason, str), f"{reason!r} in `advice` is no reason of an error"
            assert isinstance(words, str), f"the advice on {reason} has to be words"
            assert words.strip(), f"the advice on {reason} has no words"
            assert words.isprintable(), f"the advice on {reason} is one line: {words!a}"

    def test_it_says_whether_it_applies(self) -> None:
        kind = type(self.policy())
        for inner in (Vendor(account="kit"), ConsoleProvider()):
            for is_set in (True, False):
                try:
                    answer: object = kind.applies(inner, is_set=is_set)
                except Exception as error:  # noqa: BLE001  # the test says what it was
                    answer = error
                assert isinstance(answer, bool), (
                    f"applies(inner, is_set={is_set}) must return True or False, not raise: {describe(answer)}"
                )

    def test_its_findings_are_findings(self) -> None:
        """As ``smsbridge doctor`` asks for them, before and after a text."""
        world = self.world()
        for moment in ("before any text", "after a text"):
            try:
                found: list[object] = list(self.findings_of(world.provider))
            except Exception as error:  # noqa: BLE001
                found = [error]
            for one in found:
                assert isinstance(one, Finding), f"findings() {moment} must yield Findings: {describe(one)}"
                assert one.level in LEVELS, f"the level {one.level!r} of a finding is none of {', '.join(LEVELS)}"
                assert one.message.strip(), "a finding needs a message"
                for words in (one.message, one.advice):
                    assert words.isprintable(), f"a finding is one line: {words!a}"
            world.send("text", self.messages("text"))
        world.close()
