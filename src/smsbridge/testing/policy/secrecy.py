"""Test that no text, full number or secret appears in a policy's errors, logs, warnings and reprs."""

from __future__ import annotations

from smsbridge.attempts import foresee, utc_now
from smsbridge.errors import SendError
from smsbridge.testing.watching import owned_by, watched

from .kit import Kit
from .trials import ANSWERS
from .vendor import WORDS, Strike
from .world import SHAPES, World

_ADVICE = "Keep secrets in SecretStr, give settings with phone numbers `repr=False`, and quote no part of a message."
_SHORTEST = 4
"""Shorter words are not searched for: they match by chance."""


class Secrecy(Kit):
    """Test that a policy keeps private data secret: no log, error or warning may contain texts or numbers.

    All sample texts are sent through the policy, with logging at DEBUG, and the output is searched.
    """

    def test_nothing_private_is_shown(self) -> None:
        home = owned_by(type(self.policy()))
        with watched() as seen:
            for words in WORDS:
                for shape in SHAPES:
                    world = self.world(words=words)
                    for message in self.all_texts():
                        seen.add_value(foresee(world.provider, message, now=utc_now()), home)
                    for end in world.send(shape, self.messages(shape) if shape == "code" else self.all_texts()):
                        seen.add_value(end, home)
                    seen.add("repr(policy)", repr(world.provider))
                    seen.add("str(policy)", str(world.provider))
                    for finding in self.findings_of(world.provider):
                        seen.add("a finding", f"{finding!r} {finding}")
                    world.close()
        seen.refuse(self._private(), _ADVICE)

    def test_nothing_private_is_shown_of_what_is_interrupted(self) -> None:
        home = owned_by(type(self.policy()))
        with watched() as seen:
            for words in ANSWERS:
                count = Strike()
                self._interrupted(words, count)
                for at in range(1, count.steps + 1):
                    world = self._interrupted(words, Strike(KeyboardInterrupt(), at))
                    for _, end in world.hooks.begun_and_ended()[1]:
                        if isinstance(end, SendError):
                            seen.add_error(end, home)
        seen.refuse(self._private(), _ADVICE)

    def _interrupted(self, words: str, strike: Strike) -> World:
        world = self.world(words=words)
        world.run(world.flow("batch", self.messages("batch")), strike)
        world.close()
        return world

    def _private(self) -> dict[str, str]:
        """The words that must not appear, each with its meaning."""
        words = {word: "a secret of the settings" for word in self.policy().secrets() if len(word) >= _SHORTEST}
        words["do-not-leak"] = "a secret of the settings"
        for message in [*self.all_texts(), self.verification_message()]:
            words[message.to.lstrip("+")] = "the full number"
            if message.text:
                words[message.text] = "the text"
        return words
