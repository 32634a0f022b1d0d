"""Test a policy's declarations, its findings for ``smsbridge doctor``, and its answer to whether it applies."""

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
    """Test the name, the place, the settings, ``applies`` and ``findings`` of a policy."""

    def test_its_name_can_be_the_name_of_an_entry_point(self) -> None:
        kind = type(self.policy())
        name: object = getattr(kind, "name", None)
        assert isinstance(name, str), "give the class a `name`"
        assert _NAME.fullmatch(name), f"the name {name!r} must have lower-case letters and digits only"
        assert name not in WORDS, f"the name {name!r} is taken: settings of smsbridge begin with it; choose another"
        ours = kind.__module__.partition(".")[0] == "smsbridge"
        assert ours or name not in {*BUILTIN, *BUILT_IN}, (
            f"the name {name!r} is taken by smsbridge itself; choose another"
        )

    def test_its_place_is_a_place_or_none(self) -> None:
        place: object = type(self.policy()).place
        assert place is None or isinstance(place, Place), (
            f"`place` is {place!r}: set a smsbridge.policies.policy.Place, or None for a policy that only code composes"
        )

    def test_its_settings_are_frozen_and_known(self) -> None:
        config = type(self.policy()).model_config
        assert config.get("frozen"), "the settings of a policy must not change: keep `frozen` in model_config"
        assert config.get("extra") == "forbid", "an unknown setting must be refused: keep `extra` in model_config"
        assert config.get("hide_input_in_errors"), (
            "errors must not show a wrong setting, which may be a secret: keep `hide_input_in_errors` in model_config"
        )

    def test_its_advice_is_words_by_reason(self) -> None:
        advice: object = type(self.policy()).advice
        assert isinstance(advice, Mapping), (
            "`advice` must be a mapping from the `reason` of an error to what to do next"
        )
        for reason, words in advice.items():
            assert isinstance(reason, str), f"the key {reason!r} in `advice` must be a string: the reason of an error"
            assert isinstance(words, str), f"the advice on {reason} must be a string"
            assert words.strip(), f"the advice on {reason} is empty"
            assert words.isprintable(), f"the advice on {reason} must be a single line: {words!a}"

    def test_it_says_whether_it_applies(self) -> None:
        kind = type(self.policy())
        for inner in (Vendor(account="kit"), ConsoleProvider()):
            for is_set in (True, False):
                try:
                    answer: object = kind.applies(inner, is_set=is_set)
                except Exception as error:  # noqa: BLE001  # the message describes it
                    answer = error
                assert isinstance(answer, bool), (
                    f"applies(inner, is_set={is_set}) must return True or False, not raise: {describe(answer)}"
                )

    def test_its_findings_are_findings(self) -> None:
        """``findings()`` must yield only Findings, and their words must be single lines.

        This must hold before and after the policy has seen a text.
        """
        world = self.world()
        for moment in ("before any text", "after a text"):
            try:
                found: list[object] = list(self.findings_of(world.provider))
            except Exception as error:  # noqa: BLE001
                found = [error]
            for finding in found:
                assert isinstance(finding, Finding), f"findings() {moment} must yield Findings: {describe(finding)}"
                assert finding.level in LEVELS, (
                    f"the level {finding.level!r} of a finding is not in {', '.join(LEVELS)}"
                )
                assert finding.message.strip(), "a finding needs a message"
                for words in (finding.message, finding.advice):
                    assert words.isprintable(), f"a finding must be a single line: {words!a}"
            world.send("text", self.messages("text"))
        world.close()
