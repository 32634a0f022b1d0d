"""Test the outcomes of texts that a policy lets through or refuses, alone and in a batch."""

from __future__ import annotations

from typing import Any

import pytest

from smsbridge.errors import ProviderBugError, RefusedError, SendError
from smsbridge.messages import SentMessage, Verification
from smsbridge.testing.contract.kit import describe

from .kit import Kit
from .vendor import Async, Blocking
from .world import Shape, World, verdict


class Outcomes(Kit):
    """Test accepted, refused and uncertain texts that go through a policy, in both clients, alone and in a batch."""

    def test_what_it_lets_through_is_accepted(self, shape: Shape) -> None:
        for kind in (Blocking, Async):
            world = self.world(kind)
            messages = self.messages(shape)
            first, *_ = world.send(shape, messages)
            world.close()
            assert not isinstance(first, SendError), (
                f"the sample ({shape}, {kind.__name__}) ended as {describe(first)}: override `sample` or "
                "`message(n)` with texts that your policy lets through"
            )
            assert world.wire.taken[messages[0].reference or ""] == 1, (
                "the text ended as accepted, but was not sent: do not settle a text that did not go through"
            )

    def test_what_it_refuses_does_not_leave(self, refused: str) -> None:
        message = self.refuses[refused]
        for kind in (Blocking, Async):
            world = self.world(kind)
            problem = world.run(world.sms._send(world.sms._prepare(message)))  # noqa: SLF001  # of either client
            world.close()
            assert isinstance(problem, RefusedError), f"{refused}: the text ended as {describe(problem)}, not refused"
            assert not isinstance(problem, ProviderBugError), f"{refused}: the policy failed: {describe(problem)}"
            assert not world.wire.requests, f"{refused}: the text ended as refused, but was sent"

    def test_what_the_vendor_says_is_passed_on(self, answer: str, shape: Shape) -> None:
        """A policy passes on each outcome of the provider inside it: accepted, refused for any reason, or uncertain."""
        for kind in (Blocking, Async):
            world, bare = self.world(kind, answer), World(lambda inner: inner, kind, answer)
            messages = self.messages(shape)
            ends = zip(messages, world.send(shape, messages), bare.send(shape, messages), strict=True)
            carried = [(end, plain) for message, end, plain in ends if message.reference in world.wire.asked]
            assert carried, f"no text of the sample was sent ({shape}): override `sample` or `message(n)`"
            for end, plain in carried:
                got, said = _gist(end), _gist(plain)
                assert got == said, (
                    f"{shape}, {answer!r}: the vendor's answer is {said}, but the policy returns {got}. If this is the "
                    "purpose of the policy, list this case in expected_failures"
                )
            world.close()

    def test_a_batch_is_judged_as_its_texts_are_alone(self) -> None:
        messages = self.all_texts()
        for kind in (Blocking, Async):
            together, alone = self.world(kind), self.world(kind)
            ends = [verdict(end) for end in together.send("batch", messages)]
            each = alone.send_each(messages)
            for n, (in_batch, by_itself) in enumerate(zip(ends, each, strict=True)):
                assert in_batch == by_itself, f"text {n} ends as {in_batch} in a batch, but alone as {by_itself}"
            for message in messages:
                asked = [world.wire.asked.get(message.reference or "") for world in (together, alone)]
                assert asked[0] == asked[1], f"a text leaves in another form in a batch: {_difference(*asked)}"
            together.close()
            alone.close()


def _gist(end: Any) -> tuple[Any, ...]:
    """The parts of an outcome that must be equal."""
    if isinstance(end, SendError):
        return type(end).__name__, end.reason, end.code, end.retry_after, end.account, end.provider
    if isinstance(end, SentMessage):
        return "accepted", end.id, end.account, end.provider, end.reference, end.status, end.segments
    if isinstance(end, Verification):
        return "started", end.id, end.account, end.provider
    return pytest.fail(f"a text ended as {end!r}, which is neither a result nor an error of smsbridge")


def _difference(together: Any, alone: Any) -> str:
    first, second = together or {}, alone or {}
    names = {name for name in {**first, **second} if first.get(name) != second.get(name)}
    return ", ".join(sorted(names)) or "it leaves either alone or in a batch, not both"
