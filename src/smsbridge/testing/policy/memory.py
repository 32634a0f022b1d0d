"""Test a policy's memory: it refuses a text because of an earlier text, if the earlier text may have arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from smsbridge.attempts import foresee, utc_now
from smsbridge.errors import ProviderBugError, RefusedError
from smsbridge.messages import Message
from smsbridge.policies.gate import Gate
from smsbridge.testing.contract.kit import describe

from .kit import Kit
from .vendor import STATUSES, Async, Blocking, Preparing, Strike
from .world import Shape, World, is_refused, verdict

_HOOKS = ("settle", "give_back", "forget")
"""The methods that a policy with a memory of texts overrides."""
_COUNTS = "Check the comparison in `admit`, and check `settle`: it must give back after a RefusedError, and only then"
_MAY_HAVE_ARRIVED = (
    "Check `settle`: after an UncertainError the text may have arrived, so give back after a RefusedError only"
)
_NEVER_ARRIVED = "Check `settle`: after a RefusedError, give back what `admit` took for the text"
_NEVER_LEFT = (
    "Check `settle`, which gets a RefusedError if the text was admitted already, and `give_back`, which is called if "
    "it was not: both must give back what `admit` took for the text"
)


class Memory(Kit):
    """Test a policy that remembers texts with the sample pairs ``refuses_after``: the second text of a pair is refused.

    The texts are sent in both clients, one after the other and in a batch.
    """

    def test_what_it_remembers_is_reached_by_a_sample(self) -> None:
        """A policy that remembers texts needs sample texts that it refuses because of what it remembers.

        Give them in ``refuses_after`` or ``refuses``. A policy remembers texts if it overrides ``settle``,
        ``give_back`` or ``forget``. Without these samples, the tests of rehearsals and interruptions prove little.
        """
        kind = type(self.policy())
        own = [base for base in kind.__mro__ if base not in Gate.__mro__]
        found = [name for name in _HOOKS if any(name in vars(base) for base in own)]
        assert not found or self.refuses or self.refuses_after, (
            f"{kind.__name__} remembers texts, because it overrides {', '.join(found)}, but no sample reaches its memory. "
            "Fill `refuses_after` with pairs, of which the policy refuses the second because of the first: "
            '{"too soon": (Message(to=..., text=...), Message(to=..., text=...))}; or fill `refuses`. If the memory never '
            "leads to a refusal, say why in expected_failures"
        )

    def test_the_second_text_alone_goes_through(self, after: str) -> None:
        for kind in (Blocking, Async):
            world = self.world(kind)
            _, second = self._pair(world, after)
            (end,) = world.send("text", [second])
            world.close()
            assert verdict(end) == "accepted", (
                f"{after}: the second text ended as {describe(end)}, though no text came before it. Supply a pair of which "
                "the second is refused because of the first; a text that is always refused belongs in `refuses`"
            )

    def test_after_a_text_that_was_accepted_the_second_is_refused(self, after: str) -> None:
        self._refuses_after(after, ["ok"], "was accepted", _COUNTS)

    def test_after_a_text_that_may_have_arrived_the_second_is_refused(self, after: str) -> None:
        self._refuses_after(after, ["lost", "unanswered"], "may have arrived", _MAY_HAVE_ARRIVED)

    def test_after_a_text_that_the_vendor_refused_the_second_goes_through(self, after: str) -> None:
        for kind in (Blocking, Async):
            for words in STATUSES:
                for count in self._counts(after):
                    world = self.world(kind, words)
                    first, second = self._pair(world, after)
                    world.send(_shape(count), [first, second][:count])
                    what = f"after a text that the vendor refused ({words!r}, {_how(count)}, {kind.__name__})"
                    self._goes_through(world, second, f"{after}: {what}", _NEVER_ARRIVED)

    def test_after_a_text_that_was_interrupted_before_it_left_the_second_goes_through(self, after: str) -> None:
        for kind, stop in ((Blocking, KeyboardInterrupt), (Async, asyncio.CancelledError)):
            for count in self._counts(after):
                steps = Strike()
                self._struck(kind, after, count, steps)[0].close()
                for at in range(1, steps.steps + 1):
                    world, first, second = self._struck(kind, after, count, Strike(stop(), at))
                    what = (
                        f"after a text that was interrupted before it left (step {at}, {_how(count)}, {kind.__name__})"
                    )
                    told = dict(world.hooks.begun_and_ended()[1])
                    if is_refused(told.get(first.reference or "")):
                        self._goes_through(world, second, f"{after}: {what}", _NEVER_LEFT)
                    else:
                        world.close()

    def test_what_is_foreseen_after_another_text_is_what_comes(self, after: str) -> None:
        for words in ("ok", "lost", *STATUSES):
            world = self.world(words=words)
            first, second = self._pair(world, after)
            world.send("text", [first])
            seen = foresee(world.provider, second, now=utc_now())
            world.wire.words = ["ok"]
            (end,) = world.send("text", [second])
            world.close()
            expected = "accepted" if seen.error is None else verdict(seen.error)
            assert expected == verdict(end), (
                f"{after}: after the first text (the vendor: {words!r}) foresee() predicts {expected} for the second "
                f"({seen.verdict}: {seen.words}), but sending it ended as {verdict(end)}. Let foresee() read what `admit` "
                "remembers, without taking a place"
            )

    # --- inside -------------------------------------------------------------------------------------------------------

    def _pair(self, world: World, after: str) -> tuple[Message, Message]:
        """The two texts, as a client prepares them."""
        first, second = self.refuses_after[after]
        return world.sms._prepare(first), world.sms._prepare(second)  # noqa: SLF001  # of either client

    def _counts(self, after: str) -> tuple[int, ...]:
        """How many texts to send at a time; a batch cannot tell apart the outcomes of texts with the same reference."""
        first, second = self.refuses_after[after]
        return (1, 2) if first.reference is None or first.reference != second.reference else (1,)

    def _refuses_after(self, after: str, answers: Sequence[str], what: str, advice: str) -> None:
        """Require a refusal of the second text after each of the vendor's ``answers`` to the first."""
        for kind in (Blocking, Async):
            for words in answers:
                for count in self._counts(after):
                    world = self.world(kind, words)
                    first, end, left = self._sent(world, *self._pair(world, after), count=count)
                    world.close()
                    assert not is_refused(first), (
                        f"{after}: the first text ended as {describe(first)} (the vendor: {words!r}). Supply a pair of "
                        "which the policy lets the first through"
                    )
                    where = f"{after}: the first text {what} ({words!r}, {_how(count)}, {kind.__name__})"
                    assert isinstance(end, RefusedError), (
                        f"{where}, so the second must be refused, but it ended as {verdict(end)}. {advice}"
                    )
                    assert not isinstance(end, ProviderBugError), (
                        f"{where}, and then the policy failed: {describe(end)}"
                    )
                    assert not left, f"{where}, and the second ended as refused, but was sent"

    def _sent(self, world: World, first: Message, second: Message, *, count: int) -> tuple[Any, Any, bool]:
        """Send both texts, ``count`` at a time; return both outcomes and whether the second left."""
        if count == 2:
            first_end, second_end = world.send("batch", [first, second])
            return first_end, second_end, (second.reference or "") in world.wire.asked
        (first_end,) = world.send("text", [first])
        world.wire.words = ["ok"]
        requests = world.wire.requests
        (second_end,) = world.send("text", [second])
        return first_end, second_end, world.wire.requests > requests

    def _struck(
        self, kind: type[Blocking | Async], after: str, count: int, strike: Strike
    ) -> tuple[World, Message, Message]:
        """A world in which ``strike`` hit the first text, or the batch of both, before or during sending."""
        world = World(lambda _inner: self.make(Preparing(account="kit")), kind, elsewhere=self.answers)
        first, second = self._pair(world, after)
        world.run(world.flow(_shape(count), [first, second][:count]), strike)
        return world, first, second

    def _goes_through(self, world: World, second: Message, what: str, advice: str) -> None:
        world.wire.words = ["ok"]
        (end,) = world.send("text", [second])
        world.close()
        assert verdict(end) == "accepted", (
            f"{what}, the second ended as {describe(end)}; it must go through, because no text arrived before it. {advice}"
        )


def _shape(count: int) -> Shape:
    return "text" if count == 1 else "batch"


def _how(count: int) -> str:
    return "one after the other" if count == 1 else "both in a batch"
