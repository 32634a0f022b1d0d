"""Limit: no faster than the vendor allows, evenly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, TypeVar

from pydantic import Field, PrivateAttr

from smsbridge.attempts import refuse_expired, utc_now
from smsbridge.deadline import time_left
from smsbridge.errors import RateLimitedError
from smsbridge.forks import fresh_lock
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Flow, HttpRequest, HttpResponse, Wait
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Foresight,
    Message,
    Result,
    SentMessage,
    Verification,
    VerificationCheck,
)
from smsbridge.provider import SmsProvider
from smsbridge.rehearsal import Rehearsal

from .gcra import Gcra, Limiter, Rate
from .pauses import kept
from .policy import Named, Policy, state

T = TypeVar("T")
_TOO_MANY = 429
_shared: dict[tuple[str, str, Rate], Gcra] = {}
_lock = fresh_lock()


class LimitPolicy(Policy):
    """Keeps the account's requests below its vendor's limits, evenly spread: each waits for its place, in any thread or task.

    ``sends`` bounds texts, ``queries`` all requests that send nothing. A request that would have to wait for more than
    ``longest_wait`` seconds, or past the text's ``valid_until``, is refused with RateLimitedError. Where the vendor answers 429
    with a time to wait, nothing of that kind leaves before. Limits of accounts from the environment are shared by all clients of
    the process.

    With ``local_validity``, a text with ``valid_until`` is also sent where the provider has no such field: without it, and only
    as long as it is of use, which is looked at before each attempt and each request. Late on its way it may still arrive late.
    """

    name: ClassVar[Any] = Named("limit")
    attempts_inside = False

    sends: Rate | None = Field(default=None, description="Texts, such as 10/s or 1000/1m.")
    queries: Rate | None = Field(default=None, description="Requests that send nothing, such as 1000/1m.")
    longest_wait: float = Field(default=60, ge=0, description="Seconds that a request waits for its turn at most.")

    local_validity: bool = Field(
        default=False, description="Keep to valid_until ourselves, up to the request, where the provider cannot."
    )

    _limiters: dict[bool, Limiter] = PrivateAttr(default_factory=dict)
    _clock: Callable[[], float] = PrivateAttr(default=time.monotonic)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._limiters = {kind: Gcra(rate) for kind, rate in self._rates().items()}

    def _rates(self) -> dict[bool, Rate]:
        """The limits that are set, by whether they are of what sends."""
        rates = {True: self.sends, False: self.queries}
        return {kind: rate for kind, rate in rates.items() if rate is not None}

    @classmethod
    def around(cls, inner: SmsProvider, *accounts: str, **given: Any) -> LimitPolicy:
        return super().around(inner, *accounts, **given).shared()

    def shared(self) -> LimitPolicy:
        """Return the same limit, counted together with all others of the same account and rate in this process."""
        with _lock:
            for kind, rate in self._rates().items():
                self._limiters[kind] = _shared.setdefault((self.inner.account, f"{kind}", rate), Gcra(rate))
        return self

    def forget(self, rehearsal: Rehearsal) -> None:
        new = {kind: partial(Gcra, rate) for kind, rate in self._rates().items()}
        self._limiters = {kind: rehearsal.instead_of(self._limiters[kind], new[kind]) for kind in new}

    @property
    def supports(self) -> frozenset[str]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # a constant of most providers
        fields: frozenset[str] = self.inner.supports
        return fields | {"valid_until"} if self.local_validity else fields

    def send(self, message: Message) -> Flow[SentMessage]:
        return self._paced(self.inner.send(self._as_sent(message)), [message])

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        return self._paced(self.inner.send_batch([self._as_sent(one) for one in messages]), messages)

    def batch_key(self, message: Message) -> Hashable:
        return self.inner.batch_key(self._as_sent(message))

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        return self._paced(self.inner.status(sent))

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        return self._paced(self.inner.lookup(reference))

    def balance(self) -> Flow[list[Balance]]:
        return self._paced(self.inner.balance())

    def start_verification(self, message: Message) -> Flow[Verification]:
        return self._paced(self.inner.start_verification(message), [message])

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        return self._paced(self.inner.check_verification(verification, code))

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        return self._paced(self.inner.cancel_verification(verification))

    def check(self, message: Message, *, verification: bool = False) -> None:
        if not verification:
            message = self._as_sent(message)
        self.inner.check(message, verification=verification)  # there is no attempt inside that would

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        limiter = self._limiters.get(True)
        wait = limiter.reserve(1, self._clock(), -1)[1] if limiter is not None else 0.0
        if wait > self._longest([message], now):
            return self._would_refuse(_too_many(wait), message)
        words = f"would wait {wait:.1f} s for its turn" if wait else "it is its turn"
        if limiter is None:
            words = "limits no texts"
        sent = self._as_sent(message)
        if sent is not message:
            words += "; looks after valid_until itself, which the provider cannot"
        return self._would_pass(sent, words, now=now)

    def _as_sent(self, message: Message) -> Message:
        """``message`` as the provider inside gets it: a validity that we look after ourselves it need not know."""
        ours = self.local_validity and message.valid_until is not None and "valid_until" not in self.inner.supports
        return replace(message, valid_until=None) if ours else message

    def _paced(self, flow: Flow[T], messages: Sequence[Message] = ()) -> Flow[T]:
        """``flow`` with a wait before each request that has to."""
        limiters: dict[bool, Limiter] = state(self, "_limiters")
        clock: Callable[[], float] = state(self, "_clock")
        left = False
        try:
            step = next(flow)
            while True:
                try:
                    limiter = limiters.get(step.sends) if isinstance(step, HttpRequest) else None
                    if self.local_validity and getattr(step, "sends", False):
                        for one in messages:
                            refuse_expired(one, utc_now())
                    if limiter is not None:
                        begun = clock()
                        while (wait := self._take_place(limiter, step, messages, begun, left=left)) > 0:
                            yield Wait(wait)
                            if not limiter.held(clock()):
                                break  # else the vendor asked for a pause meanwhile, and all who waited line up again
                        left = left or bool(getattr(step, "sends", False))
                    answer = yield step
                    if limiter is not None and isinstance(answer, HttpResponse) and answer.status == _TOO_MANY:
                        limiter.hold(clock() + kept(answer.retry_after, self.account))
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001  # it belongs to the flow
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            flow.close()

    def _take_place(
        self, limiter: Limiter, step: Any, messages: Sequence[Message], begun: float, *, left: bool
    ) -> float:
        """Reserve the place of ``step``; returns after how many seconds it comes. Raises RateLimitedError.

        Once a part of what is sent has ``left``, it waits as long as it takes: a refusal would be taken for one of all.
        """
        count = max(1, len(messages)) if step.sends else 1
        now: float = state(self, "_clock")()
        longest = math.inf if left else self._longest(messages, utc_now()) - (now - begun)
        kept, wait = limiter.reserve(count, now, longest)
        if not kept:
            raise _too_many(wait)
        return wait

    def _longest(self, messages: Sequence[Message], now: datetime) -> float:
        """How many seconds a request with ``messages`` may wait: to wait in vain would take a place from others."""
        ends = [(one.valid_until - now).total_seconds() for one in messages if one.valid_until is not None]
        return min([self.longest_wait, time_left(), *ends])


def _too_many(wait: float) -> RateLimitedError:
    words = "our own limit for this account is reached"
    return RateLimitedError(words, reason="limit", retry_after=wait, fault="account")


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [LimitPolicy]
