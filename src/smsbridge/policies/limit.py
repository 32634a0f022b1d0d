"""The limit policy: it sends evenly, and no faster than the vendor allows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from pydantic import Field, SecretStr

from smsbridge import environment
from smsbridge.attempts import refuse_expired, utc_now
from smsbridge.deadline import time_left
from smsbridge.errors import RateLimitedError, RefusedError
from smsbridge.flow import Driven, Flow, Step, Wait
from smsbridge.forks import cached_property, fresh_lock
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Foresight,
    Message,
    SentMessage,
    Verification,
    VerificationCheck,
)
from smsbridge.privacy import own
from smsbridge.provider import SmsProvider
from smsbridge.rehearsal import Rehearsal
from smsbridge.stores.blocking import at_once
from smsbridge.stores.choice import SETTING, CountersAt, is_in_process, problem_of, store_of
from smsbridge.stores.gcra import Gcra, Rate

from .batch import Batch
from .known import STANDS_UNSET
from .outcomes import kept
from .policy import Finding, Place, Policy, Surroundings
from .turns import StoredTurns, is_paused, pause, reserve

T = TypeVar("T")
_TOO_MANY = 429
_shared: dict[tuple[str, str, Rate], Gcra] = {}
_lock = fresh_lock()


class LimitPolicy(Policy):
    """Keeps an account's requests below its vendor's limits, evenly spread: each request waits for its place.

    ``sends`` limits texts, and ``queries`` limits all requests that send nothing. A request is refused with
    RateLimitedError if it would have to wait for more than ``longest_wait`` seconds, or past the text's
    ``valid_until``. If the vendor answers 429 with a time to wait, no request of the same kind leaves before that time
    is over. In clients from the environment, all clients of the process count together for an account; with a
    ``store``, all processes with the same store do. While the store does not answer, requests leave without a limit,
    which is logged.

    If ``local_validity`` is set, a text with ``valid_until`` can also be sent through a provider that cannot tell its
    vendor when a text expires. The vendor then gets no expiry, and the time is checked before each attempt and each
    request. A text that the vendor or a network delays may still arrive late.
    """

    name = "limit"
    place = Place.LEAVING

    sends: Rate | None = Field(default=None, description="Limit of texts, such as 10/s or 1000/1m.")
    queries: Rate | None = Field(default=None, description="Limit of requests that send nothing, such as 1000/1m.")
    longest_wait: float = Field(
        default=60, ge=0, description="The most seconds that a request waits for its turn; 0: it never waits."
    )

    store: SecretStr | None = Field(
        default=None,
        description="URL of the store by which processes share the limits; on: SMSBRIDGE_STORE. Default: no store.",
    )
    local_validity: bool = Field(
        default=False, description="Check valid_until here, up to the request, if the provider cannot."
    )

    @cached_property
    def _clock(self) -> Callable[[], float]:
        """The clock. Not a private attribute, which takes pydantic microseconds to find."""
        return time.monotonic

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        # Made now, since two threads at first use would make two.
        _ = self._limiters

    @cached_property
    def _limiters(self) -> dict[bool, Gcra | StoredTurns]:
        rates = self._rates()
        if self.store is None or not rates:
            return {kind: Gcra(rate) for kind, rate in rates.items()}
        counters, account = CountersAt(self.store), self.inner.account
        return {kind: StoredTurns(counters, f"limit {account} {kind} {rate}", rate) for kind, rate in rates.items()}

    @classmethod
    def completed(cls, accounts: Sequence[str], given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**store_of(accounts, given, common=False), **given}

    def findings(self) -> Iterable[Finding]:
        """Yield a finding if the store cannot be used, and a finding if each process counts its requests for itself."""
        if not self._rates():
            return
        if is_in_process(self.store):
            words = f"the limits of {self.account} hold for each process alone: two processes send twice as fast"
            share = environment.variable(self.name, SETTING)
            yield Finding("note", words, f"to share them, set {share}, such as sqlite:///sms.db")
            return
        problem = problem_of(None, self.store, "counters")
        if problem is not None:
            words = f"the limits of {self.account} cannot be shared: {problem}"
            yield Finding("warning", words, "requests would leave without a limit: name another store")

    def _rates(self) -> dict[bool, Rate]:
        """Return the limits that are set: under True the limit of texts, under False that of queries."""
        rates = {True: self.sends, False: self.queries}
        return {kind: rate for kind, rate in rates.items() if rate is not None}

    @classmethod
    def around(cls, inner: SmsProvider, *accounts: str, **given: Any) -> LimitPolicy:
        return super().around(inner, *accounts, **given).shared()

    @classmethod
    def applies(cls, inner: SmsProvider, *, is_set: bool) -> bool:
        return is_set or STANDS_UNSET["limit"](inner)

    @classmethod
    def standing(cls, inner: SmsProvider, *accounts: str, around: Surroundings | None = None) -> LimitPolicy:
        """Put the policy around ``inner``, as a client from the environment does.

        A limit that no setting gives is the limit that ``inner`` declares for its vendor. ``accounts`` are the names
        under which settings are looked up in the environment.
        """
        set_here = {name for account in accounts for name in environment.read(account, cls.model_fields)}
        return cls.around(
            inner, *accounts, **{name: rate for name, rate in inner.rates.items() if name not in set_here}
        )

    def shared(self) -> LimitPolicy:
        """Count requests together with all other limits in this process for the same account and rate.

        Returns this policy. With a store, nothing changes: all limits in the store count together already.
        """
        with _lock:
            for kind, rate in self._rates().items():
                if isinstance(self._limiters[kind], Gcra):
                    self._limiters[kind] = _shared.setdefault((self.inner.account, f"{kind}", rate), Gcra(rate))
        return self

    def close(self) -> None:
        super().close()
        for limiter in self._limiters.values():
            if isinstance(limiter, StoredTurns):
                limiter.close()

    def forget(self, rehearsal: Rehearsal) -> None:
        new = {kind: partial(Gcra, rate) for kind, rate in self._rates().items()}
        self._limiters = {kind: rehearsal.instead_of(self._limiters[kind], new[kind]) for kind in new}

    @property
    def supports(self) -> frozenset[str]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # a constant of most providers
        fields: frozenset[str] = self.inner.supports
        return fields | {"valid_until"} if self.local_validity else fields

    def carry(self, batch: Batch) -> Flow[None]:
        rows: Sequence[int] = range(len(batch.messages))
        if not self.local_validity or batch.verification:
            batch.take((yield from batch.through(self.inner, rows, around=self._paced)))
            batch.give_up(rows)
            return
        now = utc_now()
        # The original text, by the id of the text that is sent instead.
        given: dict[int, Message] = {}
        instead: dict[int, Message] = {}
        for row, message in enumerate(batch.messages):
            try:
                refuse_expired(message, now)
            except RefusedError as error:
                batch.fail(row, own(error, self, message))
                continue
            instead[row] = self._as_sent(message)
            given[id(instead[row])] = message

        def paced(flow: Flow[T], messages: Sequence[Message]) -> Flow[T]:
            return self._paced(flow, [given.get(id(message), message) for message in messages])

        batch.take((yield from batch.through(self.inner, list(instead), instead, paced)))
        batch.give_up(instead)

    def batch_key(self, message: Message) -> Hashable:
        return self.inner.batch_key(self._as_sent(message))

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        return self._paced(self.inner.status(sent))

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        return self._paced(self.inner.lookup(reference))

    def balance(self) -> Flow[list[Balance]]:
        return self._paced(self.inner.balance())

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        return self._paced(self.inner.check_verification(verification, code))

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        return self._paced(self.inner.cancel_verification(verification))

    def check(self, message: Message, *, verification: bool = False) -> None:
        if not verification:
            message = self._as_sent(message)
        # No attempt inside would check it.
        self.inner.check(message, verification=verification)

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        try:
            refuse_expired(message, now)
        except RefusedError as error:
            return self._would_refuse(error, message)
        limiter = self._limiters.get(True)
        wait = at_once(reserve(limiter, 1, self._clock(), -1))[1] if limiter is not None else 0.0
        if wait > self._longest([message]):
            return self._would_refuse(_too_many(wait), message)
        words = f"would wait {wait:.1f} s for its turn" if wait else "it is its turn"
        if limiter is None:
            words = "limits no texts"
        sent = self._as_sent(message)
        if sent is not message:
            words += "; checks valid_until itself, since the provider cannot"
        return self._would_pass(sent, words, now=now)

    def _as_sent(self, message: Message) -> Message:
        """Return ``message`` for the provider inside: without a ``valid_until`` that this policy checks itself."""
        ours = self.local_validity and message.valid_until is not None and "valid_until" not in self.inner.supports
        return replace(message, valid_until=None) if ours else message

    def _paced(self, flow: Flow[T], messages: Sequence[Message] = ()) -> Flow[T]:
        """Return ``flow`` with a wait before each request that is too early."""
        left = False

        def paced(step: Step[Any]) -> Flow[Any]:
            nonlocal left
            sends = bool(getattr(step, "sends", False))
            if sends:
                self._refuse_expired(messages)
            limiter = self._limiters.get(sends) if isinstance(step, HttpRequest) else None
            if limiter is None:
                return (yield step)
            yield from self._wait_for_turn(limiter, max(1, len(messages)) if sends else 1, messages, left=left)
            left = left or sends
            answer = yield step
            if isinstance(answer, HttpResponse) and answer.status == _TOO_MANY:
                pause(limiter, self._clock(), kept(answer.retry_after, self.account))
            return answer

        try:
            self._refuse_expired(messages)
            run = Driven(flow)
            while run.step is not None:
                yield from run.pass_on(paced(run.step))
            return run.value
        finally:
            flow.close()

    def _refuse_expired(self, messages: Sequence[Message]) -> None:
        if self.local_validity:
            for message in messages:
                refuse_expired(message, utc_now())

    def _wait_for_turn(
        self, limiter: Gcra | StoredTurns, count: int, messages: Sequence[Message], *, left: bool
    ) -> Flow[None]:
        """Wait for ``count`` places, for a request on behalf of ``messages``. Raises RateLimitedError.

        Once a part of a send has ``left``, the rest waits without limit: a refusal would count for the whole send.
        """
        begun = self._clock()
        while True:
            now = self._clock()
            longest = math.inf if left else self._longest(messages, now - begun)
            place_kept, wait = yield from reserve(limiter, count, now, longest)
            if not place_kept:
                raise _too_many(wait)
            if wait <= 0:
                return
            yield Wait(wait)
            # If the vendor asked for a pause meanwhile, all waiting requests queue again.
            if not (yield from is_paused(limiter, self._clock())):
                return

    def _longest(self, messages: Sequence[Message], waited: float = 0.0) -> float:
        """Return the seconds that a request with ``messages`` may still wait: a useless wait would waste a place.

        A place that is free immediately needs no wait, however long the request has ``waited``.
        """
        longest = min(max(0.0, self.longest_wait - waited), time_left())
        for message in messages:
            if message.valid_until is not None:
                longest = min(longest, (message.valid_until - utc_now()).total_seconds())
        return longest


def _too_many(wait: float) -> RateLimitedError:
    words = "our own limit for this account is reached"
    return RateLimitedError(words, reason="limit", retry_after=wait)
