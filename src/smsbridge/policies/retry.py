"""Retry: again what is certainly not sent, and look up what may have been."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pydantic import Field, PrivateAttr

from smsbridge.attempts import utc_now
from smsbridge.deadline import time_left
from smsbridge.durations import LONGEST_PAUSE
from smsbridge.errors import (
    RateLimitedError,
    SendError,
    UnavailableError,
    UncertainError,
)
from smsbridge.flow import Flow, Wait
from smsbridge.forks import cached_property
from smsbridge.messages import Foresight, Message, Purpose, Result
from smsbridge.provider import Capability, SmsProvider

from .asking import ask_for
from .batch import Batch
from .outcomes import elsewhere, final, not_sent
from .policy import Place, Policy
from .records import record, wanted


class RetryPolicy(Policy):
    """Tries again what is certainly not sent, for a reason that may pass: no connection, too many requests, the
    vendor's own fault.

    The waits double from ``first_wait`` to ``longest_wait`` seconds, with full jitter, and are no shorter than the
    vendor asks for; ``attempts`` and ``seconds`` bound them. A text that may have been sent is looked up by its
    reference where the provider can do that, ``lookups`` times. A find settles it as accepted. No find proves nothing,
    unless the provider declares ``absence_proven_after``. It is sent again only if its purpose is among ``duplicates``:
    where twice is better than never.
    """

    name = "retry"
    place = Place.REPEAT
    records_attempts = True

    @classmethod
    def applies(cls, inner: SmsProvider, *, is_set: bool) -> bool:
        """Texts that end in this process need no second attempt."""
        return is_set or not inner.stub

    attempts: int = Field(default=3, ge=1, le=100, description="Attempts at one text at most.")
    seconds: float = Field(default=15, ge=0, description="No new attempt later than this after the first one began.")
    first_wait: float = Field(
        default=0.5, ge=0, description="Seconds before the second attempt; then twice as long each."
    )
    longest_wait: float = Field(default=8, ge=0, description="Seconds between two attempts at most.")
    lookups: int = Field(default=2, ge=0, le=20, description="How often a text that may have been sent is looked up.")
    duplicates: frozenset[Purpose] = Field(
        default=frozenset(), description="Purposes of which a text is better sent twice than never, such as otp."
    )

    _jitter: Callable[[float], float] = PrivateAttr(
        default_factory=lambda: full_jitter
    )  # a plain default would be bound

    @cached_property
    def _clock(self) -> Callable[[], float]:
        """No private attribute: a model takes microseconds to find one of those."""
        return time.monotonic

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        if self.attempts == 1:
            return self._would_pass(message, "tries it once", now=now)
        return self._would_pass(message, f"tries it up to {self.attempts} times within {self.seconds:g} s", now=now)

    def carry(self, batch: Batch) -> Flow[None]:
        begun = self._clock()
        todo: Sequence[int] = range(len(batch.messages))
        for attempts in itertools.count(1):
            started = self._clock()
            answers = yield from batch.through(self.inner, todo)
            seconds = self._clock() - started
            failed = batch.take(answers)
            if not failed or batch.stop is not None:
                self._record(answers, ["done" if answer.error is None else "cancelled" for answer in answers], seconds)
                batch.give_up(todo)
                return
            if not batch.verification:  # no vendor finds a code by reference
                yield from self._look_up(batch, todo)
            waits = self._waits(batch, todo, attempts, begun)
            longest = max(waits.values(), default=0.0)
            decisions = [
                _decision(answer, answer.index in batch.results, answer.index in waits, longest) for answer in answers
            ]
            self._record(answers, decisions, seconds)
            batch.give_up(row for row in todo if row not in waits)  # before the wait, which may be interrupted
            if not waits:
                return
            todo = list(waits)
            if longest:
                yield from Wait(longest)

    def _record(self, answers: Sequence[Result], decisions: Sequence[str], seconds: float) -> None:
        if wanted(answers):
            for answer, decision in zip(answers, decisions, strict=True):
                record(answer, account=self.inner, candidates=[self.inner], decision=decision, seconds=seconds)

    def _waits(self, batch: Batch, todo: Sequence[int], attempts: int, begun: float) -> dict[int, float]:
        """Which of ``todo`` to try again after so many attempts, and how many seconds each wants to wait."""
        if attempts >= self.attempts:
            return {}
        jitter = self._jitter(min(self.longest_wait, self.first_wait * 2.0 ** (attempts - 1)))
        left = min(self.seconds - (self._clock() - begun), time_left())
        waits = {}
        for row in todo:
            if row in batch.results or not self._worth_it(batch.histories[row][-1], batch.messages[row]):
                continue
            asked = batch.histories[row][-1].retry_after or 0.0
            wait = max(jitter, asked)
            until = batch.messages[row].valid_until
            in_time = until is None or utc_now() + timedelta(seconds=wait) < until
            if wait <= left and asked <= LONGEST_PAUSE and in_time:
                waits[row] = wait
        return waits

    def _worth_it(self, error: SendError, message: Message) -> bool:
        if isinstance(error, UncertainError):
            return message.purpose in self.duplicates and not final(error)
        return isinstance(error, RateLimitedError | UnavailableError) or (
            error.fault == "provider" and elsewhere(error)
        )

    def _look_up(self, batch: Batch, todo: Sequence[int]) -> Flow[None]:
        """Settle what can be settled of the texts that may have been sent."""
        lost = [
            row for row in todo if row not in batch.results and isinstance(batch.histories[row][-1], UncertainError)
        ]
        if not lost or Capability.LOOKUP not in self.inner.capabilities:
            return
        since = self._clock()
        proof = self.inner.absence_proven_after
        for wait in self._pauses(proof):
            yield from Wait(wait)
            proven = proof is not None and self._clock() - since >= proof.total_seconds()
            for row in list(lost):
                found, absent = yield from ask_for(self.inner, batch.messages[row])
                if found is not None:
                    batch.accept(row, found)
                    lost.remove(row)
                elif absent and proven:
                    batch.histories[row][-1] = not_sent(batch.histories[row][-1])
                    lost.remove(row)
            if not lost:
                return

    def _pauses(self, proof: timedelta | None) -> list[float]:
        """The seconds before each look-up; the last one comes when no find would be proof, if that is soon enough."""
        pauses = [min(self.longest_wait, 2.0**n) for n in range(self.lookups)]
        if proof is not None and pauses and proof.total_seconds() <= self.seconds:
            pauses.append(max(0.0, proof.total_seconds() - sum(pauses)))
        return pauses


def full_jitter(longest: float) -> float:
    """Full jitter: clients that failed together do not come back together."""
    return random.uniform(0, longest)  # noqa: S311  # no secret


def _decision(answer: Result, settled: bool, again: bool, wait: float) -> str:  # noqa: FBT001
    if answer.error is None:
        return "done"
    if settled:
        return "found by its reference, so it was accepted"
    return f"again in {wait:.1f} s" if again else "given up"
