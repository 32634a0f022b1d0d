"""Limit: no faster than the vendor allows, evenly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import Field, PrivateAttr

from smsbridge.attempts import utc_now
from smsbridge.errors import RateLimitedError
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Flow, HttpRequest, HttpResponse, Wait
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Message,
    Result,
    SentMessage,
    Verification,
    VerificationCheck,
)
from smsbridge.provider import SmsProvider

from .gcra import Gcra, Limiter, Rate
from .policy import Named, Policy, state

T = TypeVar("T")
_TOO_MANY = 429
_shared: dict[tuple[str, str, Rate], Gcra] = {}
_lock = threading.Lock()


class LimitPolicy(Policy):
    """Keeps the account's requests below its vendor's limits, evenly spread: each waits for its place, in any thread or task.

    ``sends`` bounds texts, ``queries`` all requests that send nothing. A request that would have to wait for more than
    ``longest_wait`` seconds, or past the text's ``valid_until``, is refused with RateLimitedError. Where the vendor answers 429
    with a time to wait, nothing of that kind leaves before. Limits of accounts from the environment are shared by all clients of
    the process.
    """

    name: ClassVar[Any] = Named("limit")
    attempts_inside = False

    sends: Rate | None = Field(default=None, description="Texts, such as 10/s or 1000/1m.")
    queries: Rate | None = Field(default=None, description="Requests that send nothing, such as 1000/1m.")
    longest_wait: float = Field(default=60, ge=0, description="Seconds that a request waits for its turn at most.")

    _limiters: dict[bool, Limiter] = PrivateAttr(default_factory=dict)
    _clock: Callable[[], float] = PrivateAttr(default=time.monotonic)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        for kind, rate in ((True, self.sends), (False, self.queries)):
            if rate is not None:
                self._limiters[kind] = Gcra(rate)

    @classmethod
    def around(cls, inner: SmsProvider, *accounts: str, **given: Any) -> LimitPolicy:
        return super().around(inner, *accounts, **given).shared()

    def shared(self) -> LimitPolicy:
        """Return the same limit, counted together with all others of the same account and rate in this process."""
        with _lock:
            for kind, rate in ((True, self.sends), (False, self.queries)):
                if rate is not None:
                    self._limiters[kind] = _shared.setdefault((self.inner.account, f"{kind}", rate), Gcra(rate))
        return self

    def send(self, message: Message) -> Flow[SentMessage]:
        return self._paced(self.inner.send(message), [message])

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        return self._paced(self.inner.send_batch(messages), messages)

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

    def _paced(self, flow: Flow[T], messages: Sequence[Message] = ()) -> Flow[T]:
        """``flow`` with a wait before each request that has to."""
        limiters: dict[bool, Limiter] = state(self, "_limiters")
        try:
            step = next(flow)
            while True:
                try:
                    limiter = limiters.get(step.sends) if isinstance(step, HttpRequest) else None
                    if limiter is not None and (wait := self._take_place(limiter, step, messages)) > 0:
                        yield Wait(wait)
                    answer = yield step
                    if limiter is not None and isinstance(answer, HttpResponse) and answer.status == _TOO_MANY:
                        limiter.hold(self._clock() + (answer.retry_after or 0.0))
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

    def _take_place(self, limiter: Limiter, step: Any, messages: Sequence[Message]) -> float:
        """Reserve the place of ``step``; returns after how many seconds it comes. Raises RateLimitedError."""
        longest = self.longest_wait
        ends = [one.valid_until for one in messages if one.valid_until is not None]
        if ends:
            longest = min(longest, (min(ends) - utc_now()).total_seconds())
        count = max(1, len(messages)) if step.sends else 1
        kept, wait = limiter.reserve(count, state(self, "_clock")(), longest)
        if not kept:
            raise RateLimitedError(
                "our own limit for this account is reached", reason="limit", retry_after=wait, fault="account"
            )
        return wait


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [LimitPolicy]
