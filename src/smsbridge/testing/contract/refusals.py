"""The vendor says no, in its own words or by HTTP status; or says nothing at all."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from smsbridge.errors import (
    AuthenticationError,
    NoAnswer,
    NotConnected,
    QueryError,
    RateLimitedError,
    RefusedError,
    SmsBridgeError,
    UnavailableError,
    UncertainError,
)
from smsbridge.flow import Driven, Flow
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.testing.wire import Answer, FakeWire

from .kit import BY_NAME, Kit, Operation, describe, needs

Preliminary = Callable[[HttpRequest], HttpResponse | None]
SEND = BY_NAME["send"]
BODIES = {
    "nothing": b"",
    "html": b"<html><body>Sorry</body></html>",
    "object": b"{}",
    "message": b'{"message":"Sorry"}',
}
REFUSING = (400, 401, 402, 403, 404, 405, 409, 413, 422)
BROKEN = (500, 502, 503, 504)
UNSETTLED = (302, 408, 499, *BROKEN)
"""After which nothing is certain, unless the vendor documents that status as a refusal."""
TYPES = {b"<": "text/html", b"{": "application/json"}


def answer(status: int, body: bytes, **headers: str) -> HttpResponse:
    """An answer with the content type that ``body`` looks like."""
    return HttpResponse(
        status=status, headers={"content-type": TYPES.get(body[:1], "text/plain"), **headers}, body=body
    )


class Refusals(Kit):
    """Refused, and uncertain: which is which is what the contract is about."""

    # --- in the vendor's words ----------------------------------------------------------------------------------------

    @needs("http")
    def test_a_refusal_raises_its_class(self, refusal: str | None) -> None:
        sample = self.picked(self.refusals, refusal, "refusals", "`accepts`, an answer that says yes,")
        error = self.run(SEND, sample.answer).error
        assert error is not None, f"the refusal {refusal!r} was taken for an accepted text: read the body"
        assert type(error) is sample.error, f"should be {sample.error.__name__}, but is {describe(error)}"
        if sample.reason is not None:
            assert getattr(error, "reason", None) == sample.reason, f"error.reason should be {sample.reason!r}"
        if sample.code is not None:
            assert getattr(error, "code", None) == sample.code, f"error.code should be the vendor's {sample.code!r}"
        if sample.retry_after is not None:
            assert getattr(error, "retry_after", None) == sample.retry_after, (
                f"error.retry_after should be {sample.retry_after!r} seconds: raise response.error(..., retry_after=...)"
            )

    @needs("http")
    def test_a_refusal_inside_a_2xx_body_is_sampled(self) -> None:
        assert any(sample.answer.ok for sample in self.refusals.values()), (
            "none of `refusals` has an HTTP status in the 200 range: vendors love to say OK and mean no, so show one. If "
            "this vendor never does, list this test in `expected_failures` with the reason"
        )

    @needs("http")
    def test_a_refusal_has_the_context_of_its_message(self, refusal: str | None) -> None:
        sample = self.picked(self.refusals, refusal, "refusals", "`accepts`, an answer that says yes,")
        error = self.run(SEND, sample.answer).error
        found = {name: getattr(error, name, None) for name in ("account", "provider", "reference")}
        provider = self.make()
        assert found == {
            "account": provider.account,
            "provider": provider.name,
            "reference": self.message().reference,
        }, "an error carries the account, the provider and the reference of its message"

    # --- by HTTP status -----------------------------------------------------------------------------------------------

    @needs("http")
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    @pytest.mark.parametrize("status", REFUSING)
    def test_a_refusing_status_is_refused(self, sending: Operation, status: int, body: bytes) -> None:
        for one in self.run(sending, answer(status, body)).each():
            assert isinstance(one, RefusedError), (
                f"HTTP {status} means *certainly not sent*, whatever the body: raise response.error(); got {describe(one)}"
            )
            if status == 401:
                assert isinstance(one, AuthenticationError), f"HTTP 401 is about credentials; got {describe(one)}"

    @needs("http")
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    @pytest.mark.parametrize("status", [408, 499, *BROKEN])
    def test_a_server_error_is_uncertain(self, sending: Operation, status: int, body: bytes) -> None:
        for one in self.run(sending, answer(status, body)).each():
            assert isinstance(one, UncertainError), (
                f"after HTTP {status} the text may have been sent, so it is neither accepted nor refused; got {describe(one)}"
            )

    @needs("http")
    @pytest.mark.parametrize("status", UNSETTLED)
    def test_a_refusing_body_does_not_outweigh_the_status(self, refusal: str | None, status: int) -> None:
        """A proxy's time-out may carry any body, and a server may fail after the deed."""
        sample = self.picked(self.refusals, refusal, "refusals", "`accepts`, an answer that says yes,")
        if sample.answer.status == status:
            pytest.skip(f"the vendor documents HTTP {status} as a refusal")
        error = self.run(
            SEND, HttpResponse(status=status, headers=sample.answer.headers, body=sample.answer.body)
        ).error
        assert isinstance(error, UncertainError), (
            f"after HTTP {status} the text may have been sent, whatever the body says: raise response.error(...), which "
            f"knows; got {describe(error)}"
        )

    @needs("http")
    @pytest.mark.parametrize("status", [*REFUSING, 429, 499, *BROKEN, 300, 301, 302, 303, 307, 308])
    def test_an_accepting_body_does_not_outweigh_the_status(self, sending: Operation, status: int) -> None:
        good = sending.answer(self)
        bad = HttpResponse(status=status, headers=good.headers, body=good.body)
        for one in self.run(sending, bad).each():
            assert isinstance(one, RefusedError | UncertainError), (
                f"HTTP {status} was taken for accepted because the body looked good: check response.ok first"
            )
            if status in (499, *BROKEN):
                assert isinstance(one, UncertainError), f"HTTP {status} is uncertain; got {describe(one)}"

    @needs("http")
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_too_many_requests_is_rate_limited(self, sending: Operation, body: bytes) -> None:
        for one in self.run(sending, answer(429, body)).each():
            assert isinstance(one, RateLimitedError), f"HTTP 429 is RateLimitedError; got {describe(one)}"
            assert one.retry_after is None, "the vendor did not say when to try again, so retry_after is None"
        for one in self.run(sending, answer(429, body, **{"retry-after": "17"})).each():
            assert isinstance(one, RateLimitedError), f"HTTP 429 is RateLimitedError; got {describe(one)}"
            assert one.retry_after == 17, "Retry-After was lost: raise response.error(), which keeps it"
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
        for one in self.run(sending, answer(429, body, **{"retry-after": date})).each():
            assert isinstance(one, RateLimitedError), f"HTTP 429 is RateLimitedError; got {describe(one)}"
            assert 60 < (one.retry_after or 0) <= 90, (
                "Retry-After can be a date: raise response.error(), which reads it"
            )

    # --- no answer ----------------------------------------------------------------------------------------------------

    @needs("http")
    def test_no_connection_is_refused(self, sending: Operation) -> None:
        for one in self.run(sending, NotConnected("no route")).each():
            assert isinstance(one, UnavailableError), (
                f"without a connection nothing left: leave NotConnected alone; got {describe(one)}"
            )

    @needs("http")
    def test_a_time_out_is_uncertain(self, sending: Operation) -> None:
        for one in self.run(sending, NoAnswer("no answer in time")).each():
            assert isinstance(one, UncertainError), (
                f"the request left, so the text may have been sent: leave NoAnswer alone; got {describe(one)}"
            )

    @needs("http")
    def test_after_a_time_out_nothing_is_sent_again(self, sending: Operation) -> None:
        """Seen without the core, which would stop a second request."""
        flow = sending.raw(self, self.make())
        sent_again = _after_a_time_out(flow, self.preliminary, sending.answer(self))
        assert not sent_again, (
            f"{sending.name} sends again after a time-out, which doubles the text whenever only the answer was lost"
        )

    @needs("http")
    def test_a_time_out_before_anything_was_sent_is_refused(self, sending: Operation) -> None:
        """Where a request has to come first, such as one for a token, its time-out sends nothing."""
        seen = [request for request in self.run(sending).requests if not request.sends]
        if not seen:
            pytest.skip(f"{sending.name} has no request before the one that sends")
        wire = FakeWire(
            always=lambda request: sending.answer(self) if request.sends else NoAnswer("no answer in time"),
        )
        outcome = self.run(sending, wire=wire)
        assert not [request for request in wire.requests if request.sends], "sent although what it needed was not there"
        for one in outcome.each():
            assert isinstance(one, RefusedError), f"nothing that sends had left yet; got {describe(one)}"

    # --- queries ------------------------------------------------------------------------------------------------------

    @needs("http", "queries")
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_a_query_that_fails_says_whether_to_ask_again(self, asking: Operation, body: bytes) -> None:
        cases: list[tuple[Answer, dict[str, Any]]] = [
            (answer(401, body), {"authentication": True, "retryable": False}),
            (answer(400, body), {"authentication": False}),
            (answer(429, body, **{"retry-after": "17"}), {"rate_limited": True, "retryable": True, "retry_after": 17}),
            *((answer(status, body), {"retryable": True}) for status in BROKEN),
            (NoAnswer("no answer in time"), {"retryable": True}),
            (NotConnected("no route"), {"retryable": True}),
        ]
        for reply, expected in cases:
            what = f"HTTP {reply.status}" if isinstance(reply, HttpResponse) else type(reply).__name__
            error = self.run(asking, reply).error
            assert isinstance(error, QueryError), (
                f"{asking.name} after {what}: raise response.error(); got {describe(error)}"
            )
            found = {name: getattr(error, name) for name in expected}
            assert found == expected, f"{asking.name} after {what}: raise response.error(); got {describe(error)}"

    # --- errors as values ---------------------------------------------------------------------------------------------

    @needs("http")
    def test_errors_can_be_pickled_and_compared(self, answered: Operation) -> None:
        """Task queues pickle them; that sync equals async is proven by comparing them."""
        replies = [answer(status, body) for status in (400, 401, 429, 503) for body in BODIES.values()]
        if answered is SEND:
            replies += [sample.answer for sample in self.refusals.values()]
        for reply in replies:
            errors = [self.run(answered, reply).each() for _ in "12"]
            for one, two in zip(*errors, strict=True):
                assert isinstance(one, SmsBridgeError), f"HTTP {reply.status} raised {describe(one)}"
                for other in (two, pickle.loads(pickle.dumps(one)), copy.copy(one)):  # noqa: S301
                    assert other == one, f"{describe(one)} should equal {describe(other)}"


def _after_a_time_out(flow: Flow[Any], preliminary: Preliminary, good: HttpResponse) -> bool:
    """Whether ``flow`` asks to send once more after the answer to a request that sends was lost."""
    lost = False
    try:
        run = Driven(flow)
        for _ in range(50):
            if run.step is None:
                return False
            if not getattr(run.step, "sends", False):
                known = preliminary(run.step) if isinstance(run.step, HttpRequest) else None
                run.answer(known or (good if isinstance(run.step, HttpRequest) else None))
            elif lost:
                return True
            else:
                lost = True
                run.fail([NoAnswer("no answer in time")])
    except Exception:  # noqa: BLE001  # however it ends, it has ended
        return False
    finally:
        flow.close()
    return True
