"""What a policy remembers: a text that is refused because of the one before it, as far as that one may have arrived."""

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
"""What a policy overrides that remembers something of texts."""
_COUNTS = (
    "Look at what `admit` compares, and at `settle`: it gives back where the ending is a RefusedError, and only there"
)
_MAY_HAVE_ARRIVED = (
    "Look at `settle`: an UncertainError may have arrived, so give nothing back for it, but only for a RefusedError"
)
_NEVER_ARRIVED = "Look at `settle`: where the ending is a RefusedError, give back what `admit` took for the text"
_NEVER_LEFT = (
    "Look at `settle`, which gets a RefusedError if the text was admitted by then, and at `give_back`, which is called if "
    "it was not: both give back what `admit` took for the text"
)


class Memory(Kit):
    """The pairs of ``refuses_after``, in both clients, one by one and in a batch."""

    def test_what_it_remembers_is_reached_by_a_sample(self) -> None:
        """Else the tests of places that are taken and given back, and of rehearsals, prove little."""
        kind = type(self.policy())
        own = [base for base in kind.__mro__ if base not in Gate.__mro__]
        found = [name for name in _HOOKS if any(name in vars(base) for base in own)]
        assert not found or self.refuses or self.refuses_after, (
            f"{kind.__name__} remembers something of texts, as it has {', '.join(found)}, and no sample reaches that. "
            "Give `refuses_after`, texts that are refused because of the one before: "
            '{"too soon": (Message(to=..., text=...), Message(to=..., text=...))}, or `refuses`. If no text is ever refused '
            "for what it remembers, say why in expected_failures"
        )

    def test_the_second_text_alone_goes_through(self, after: str) -> None:
        for kind in (Blocking, Async):
            world = self.world(kind)
            _, second = self._pair(world, after)
            (end,) = world.send("text", [second])
            world.close()
            assert verdict(end) == "accepted", (
                f"{after}: the second text ended as {describe(end)}, though no text came before it. Give a pair of which the "
                "second is refused because of the first; what is always refused belongs in `refuses`"
            )

    def test_after_a_text_that_was_accepted_the_second_is_refused(self, after: str) -> None:
        self._refuses_after(after, ["ok"], "was accepted", _COUNTS)

    def test_after_a_text_that_may_have_arrived_the_second_is_refused(self, after: str) -> None:
        self._refuses_after(after, ["lost", "unanswered"], "may have arrived, as nobody knows", _MAY_HAVE_ARRIVED)

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
                f"{after}: after the first text (the vendor: {words!r}) foresee() says {expected} of the second "
                f"({seen.verdict}: {seen.words}), and sending it ended as {verdict(end)}. Let foresee() look at what `admit` "
                "remembers, and take nothing"
            )

    # --- how ----------------------------------------------------------------------------------------------------------

    def _pair(self, world: World, after: str) -> tuple[Message, Message]:
        """The two texts, as a client prepares them."""
        first, second = self.refuses_after[after]
        return world.sms._prepare(first), world.sms._prepare(second)  # noqa: SLF001  # of either client

    def _counts(self, after: str) -> tuple[int, ...]:
        """How many are sent at a time; those of one reference never in one batch, as their ends look the same there."""
        first, second = self.refuses_after[after]
        return (1, 2) if first.reference is None or first.reference != second.reference else (1,)

    def _refuses_after(self, after: str, answers: Sequence[str], what: str, advice: str) -> None:
        """The second text is refused where the vendor's answer to the first was one of ``answers``."""
        for kind in (Blocking, Async):
            for words in answers:
                for count in self._counts(after):
                    world = self.world(kind, words)
                    first, end, left = self._sent(world, *self._pair(world, after), count=count)
                    world.close()
                    assert not is_refused(first), (
                        f"{after}: the first text ended as {describe(first)} (the vendor: {words!r}). Give a pair of which "
                        "the first is let through"
                    )
                    where = f"{after}: the first text {what} ({words!r}, {_how(count)}, {kind.__name__})"
                    assert isinstance(end, RefusedError), (
                        f"{where}, and the second, which has to be refused, ended as {verdict(end)}. {advice}"
                    )
                    assert not isinstance(end, ProviderBugError), (
                        f"{where}, and then the policy failed: {describe(end)}"
                    )
                    assert not left, f"{where}, and the second is told as refused, and was sent"

    def _sent(self, world: World, first: Message, second: Message, *, count: int) -> tuple[Any, Any, bool]:
        """How both ended, sent so many at a time, and whether the second left."""
        if count == 2:
            one, other = world.send("batch", [first, second])
            return one, other, (second.reference or "") in world.wire.asked
        (one,) = world.send("text", [first])
        world.wire.words = ["ok"]
        requests = world.wire.requests
        (other,) = world.send("text", [second])
        return one, other, world.wire.requests > requests

    def _struck(
        self, kind: type[Blocking | Async], after: str, count: int, strike: Strike
    ) -> tuple[World, Message, Message]:
        """A world in which ``strike`` hit the first text, or the batch of both, before or while it was sent."""
        world = World(lambda _inner: self.make(Preparing(account="kit")), kind, elsewhere=self.answers)
        first, second = self._pair(world, after)
        world.run(world.flow(_shape(count), [first, second][:count]), strike)
        return world, first, second

    def _goes_through(self, world: World, second: Message, what: str, advice: str) -> None:
        world.wire.words = ["ok"]
        (end,) = world.send("text", [second])
        world.close()
        assert verdict(end) == "accepted", (
            f"{what}, the second ended as {describe(end)}; it has to go through, as none has arrived before it. {advice}"
        )


def _shape(count: int) -> Shape:
    return "text" if count == 1 else "batch"


def _how(count: int) -> str:
    return "one by one" if count == 1 else "both in one batch"
