"""Test how a provider reads refusals, in the vendor's words or by HTTP status, and requests without an answer."""

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
"""Statuses after which the text is uncertain, unless the vendor documents the status as a refusal."""
TYPES = {b"<": "text/html", b"{": "application/json"}


def answer(status: int, body: bytes, **headers: str) -> HttpResponse:
    """Make a vendor's answer with this ``status``, ``body`` and ``headers``.

    The content type is that of the body: JSON, HTML or plain text.
    """
    return HttpResponse(
        status=status, headers={"content-type": TYPES.get(body[:1], "text/plain"), **headers}, body=body
    )


class Refusals(Kit):
    """Test that a provider tells two cases apart: a text that was certainly not sent is refused, another is uncertain.

    A text is uncertain if it may have been sent.
    """

    # --- in the vendor's words ----------------------------------------------------------------------------------------

    @needs("http")
    def test_a_refusal_raises_its_class(self, refusal: str | None) -> None:
        sample = self.picked(self.refusals, refusal, "refusals", "`accepts` (it sends by HTTP)")
        error = self.run(SEND, sample.answer).error
        assert error is not None, f"the refusal {refusal!r} ended as an accepted text: read the body"
        assert type(error) is sample.error, f"the error should be {sample.error.__name__}, but is {describe(error)}"
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
            "no sample in `refusals` has an HTTP status of 200 to 299: many vendors refuse in such an answer, so add a "
            "sample. If this vendor never does, list this test in `expected_failures` with the reason"
        )

    @needs("http")
    def test_a_refusal_has_the_context_of_its_message(self, refusal: str | None) -> None:
        sample = self.picked(self.refusals, refusal, "refusals", "`accepts` (it sends by HTTP)")
        error = self.run(SEND, sample.answer).error
        found = {name: getattr(error, name, None) for name in ("account", "provider", "reference")}
        provider = self.make()
        assert found == {
            "account": provider.account,
            "provider": provider.name,
            "reference": self.message().reference,
        }, "an error must carry the account, the provider and the reference of its message"

    # --- by HTTP status -----------------------------------------------------------------------------------------------

    @needs("http")
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    @pytest.mark.parametrize("status", REFUSING)
    def test_a_refusing_status_is_refused(self, sending: Operation, status: int, body: bytes) -> None:
        for result in self.run(sending, answer(status, body)).each():
            assert isinstance(result, RefusedError), (
                f"HTTP {status} means *certainly not sent*, whatever the body: raise response.error(); "
                f"got {describe(result)}"
            )
            if status == 401:
                assert isinstance(result, AuthenticationError), (
                    f"HTTP 401 must be AuthenticationError; got {describe(result)}"
                )

    @needs("http")
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    @pytest.mark.parametrize("status", [408, 499, *BROKEN])
    def test_a_server_error_is_uncertain(self, sending: Operation, status: int, body: bytes) -> None:
        for result in self.run(sending, answer(status, body)).each():
            assert isinstance(result, UncertainError), (
                f"after HTTP {status} the text may have been sent, so it is neither accepted nor refused; "
                f"got {describe(result)}"
            )

    @needs("http")
    @pytest.mark.parametrize("status", UNSETTLED)
    def test_a_refusing_body_does_not_outweigh_the_status(self, refusal: str | None, status: int) -> None:
        """After a status that proves nothing, such as 408 or 500, the text is uncertain, even if the body is a refusal.

        A proxy's time-out may carry any body, and a server may fail after it has sent the text.
        """
        sample = self.picked(self.refusals, refusal, "refusals", "`accepts` (it sends by HTTP)")
        if sample.answer.status == status:
            pytest.skip(f"the vendor documents HTTP {status} as a refusal")
        error = self.run(
            SEND, HttpResponse(status=status, headers=sample.answer.headers, body=sample.answer.body)
        ).error
        assert isinstance(error, UncertainError), (
            f"after HTTP {status} the text may have been sent, whatever the body says: raise response.error(...), which "
            f"decides by the status; got {describe(error)}"
        )

    @needs("http")
    @pytest.mark.parametrize("status", [*REFUSING, 429, 499, *BROKEN, 300, 301, 302, 303, 307, 308])
    def test_an_accepting_body_does_not_outweigh_the_status(self, sending: Operation, status: int) -> None:
        good = sending.answer(self)
        bad = HttpResponse(status=status, headers=good.headers, body=good.body)
        for result in self.run(sending, bad).each():
            assert isinstance(result, RefusedError | UncertainError), (
                f"HTTP {status} ended as accepted because the body looked good: check response.ok first"
            )
            if status in (499, *BROKEN):
                assert isinstance(result, UncertainError), f"HTTP {status} is uncertain; got {describe(result)}"

    @needs("http")
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_too_many_requests_is_rate_limited(self, sending: Operation, body: bytes) -> None:
        for result in self.run(sending, answer(429, body)).each():
            assert isinstance(result, RateLimitedError), f"HTTP 429 must be RateLimitedError; got {describe(result)}"
            assert result.retry_after is None, "the answer has no Retry-After, so retry_after must be None"
        for result in self.run(sending, answer(429, body, **{"retry-after": "17"})).each():
            assert isinstance(result, RateLimitedError), f"HTTP 429 must be RateLimitedError; got {describe(result)}"
            assert result.retry_after == 17, "Retry-After was lost: raise response.error(), which keeps it"
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
        for result in self.run(sending, answer(429, body, **{"retry-after": date})).each():
            assert isinstance(result, RateLimitedError), f"HTTP 429 must be RateLimitedError; got {describe(result)}"
            assert 60 < (result.retry_after or 0) <= 90, (
                "Retry-After can be a date: raise response.error(), which reads it"
            )

    # --- no answer ----------------------------------------------------------------------------------------------------

    @needs("http")
    def test_no_connection_is_refused(self, sending: Operation) -> None:
        for result in self.run(sending, NotConnected("no route")).each():
            assert isinstance(result, UnavailableError), (
                f"without a connection no request left: do not catch NotConnected; got {describe(result)}"
            )

    @needs("http")
    def test_a_time_out_is_uncertain(self, sending: Operation) -> None:
        for result in self.run(sending, NoAnswer("no answer in time")).each():
            assert isinstance(result, UncertainError), (
                f"the request left, so the text may have been sent: do not catch NoAnswer; got {describe(result)}"
            )

    @needs("http")
    def test_after_a_time_out_nothing_is_sent_again(self, sending: Operation) -> None:
        """A provider must not send a text again by itself after a request got no answer: the text may have been sent.

        The test runs the provider's flow without a client, because a client would stop a second request.
        """
        flow = sending.raw(self, self.make())
        sent_again = _after_a_time_out(flow, self.preliminary, sending.answer(self))
        assert not sent_again, (
            f"{sending.name} sends again after a time-out: if only the answer was lost, the text is sent twice"
        )

    @needs("http")
    def test_a_time_out_before_anything_was_sent_is_refused(self, sending: Operation) -> None:
        """A text is refused if a request before the request that sends it, such as for a token, times out."""
        seen = [request for request in self.run(sending).requests if not request.sends]
        if not seen:
            pytest.skip(f"{sending.name} has no request before the request that sends")
        wire = FakeWire(
            always=lambda request: sending.answer(self) if request.sends else NoAnswer("no answer in time"),
        )
        outcome = self.run(sending, wire=wire)
        assert not [request for request in wire.requests if request.sends], (
            f"{sending.name} sends although an earlier request had no answer"
        )
        for result in outcome.each():
            assert isinstance(result, RefusedError), (
                f"no request with sends=True had left, so the text is refused; got {describe(result)}"
            )

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
        """Errors of a provider must survive pickling, and equal errors must compare equal.

        Task queues pickle errors, and the tests of both clients compare them.
        """
        replies = [answer(status, body) for status in (400, 401, 429, 503) for body in BODIES.values()]
        if answered is SEND:
            replies += [sample.answer for sample in self.refusals.values()]
        for reply in replies:
            errors = [self.run(answered, reply).each() for _ in "12"]
            for error, again in zip(*errors, strict=True):
                assert isinstance(error, SmsBridgeError), f"HTTP {reply.status} raised {describe(error)}"
                for other in (again, pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
                    assert other == error, f"{describe(error)} should equal {describe(other)}"


def _after_a_time_out(flow: Flow[Any], preliminary: Preliminary, good: HttpResponse) -> bool:
    """Whether ``flow`` sends again after the answer to a request that sends was lost."""
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
