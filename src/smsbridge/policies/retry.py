"""The retry policy: it sends texts again that were certainly not sent, and looks up texts that may have been sent."""

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
from .known import STANDS_UNSET
from .outcomes import elsewhere, final, not_sent
from .policy import Place, Policy
from .records import record, wanted


class RetryPolicy(Policy):
    """Tries a text again that was certainly not sent, if the reason may pass.

    Such reasons are: no connection, too many requests, a fault of the vendor. The waits double from ``first_wait`` to
    ``longest_wait`` seconds; a random part of each is waited, and at least as long as the vendor asks. ``attempts`` and
    ``seconds`` limit the attempts.

    A text that may have been sent is looked up by its reference ``lookups`` times, if the provider can do that. If it
    is found, it is settled as accepted. If it is not found, that proves nothing, unless the provider declares by
    ``absence_proven_after`` how long after sending it is a proof. Without proof, such a text is sent again only if its
    purpose is among ``duplicates``: purposes for which two texts are better than none.
    """

    name = "retry"
    place = Place.REPEAT
    records_attempts = True

    @classmethod
    def applies(cls, inner: SmsProvider, *, is_set: bool) -> bool:
        """Return whether a client from the environment should put the retry policy around ``inner``.

        A provider that only imitates a vendor (``stub``) needs no second attempt: then retry applies only if one of its
        settings is set.
        """
        return is_set or STANDS_UNSET["retry"](inner)

    attempts: int = Field(default=3, ge=1, le=100, description="The most attempts for a text.")
    seconds: float = Field(
        default=15, ge=0, description="No attempt begins later than this many seconds after the first."
    )
    first_wait: float = Field(
        default=0.5, ge=0, description="Seconds before the second attempt; each later wait is twice as long."
    )
    longest_wait: float = Field(default=8, ge=0, description="The most seconds between two attempts.")
    lookups: int = Field(default=2, ge=0, le=20, description="How often a text that may have been sent is looked up.")
    duplicates: frozenset[Purpose] = Field(
        default=frozenset(), description="Purposes of which a text is better sent twice than never, such as otp."
    )

    # A factory, since a function as default would become a bound method.
    _jitter: Callable[[float], float] = PrivateAttr(default_factory=lambda: full_jitter)

    @cached_property
    def _clock(self) -> Callable[[], float]:
        """The clock. Not a private attribute, which takes pydantic microseconds to find."""
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
            # No vendor finds a one-time code by its reference.
            if not batch.verification:
                yield from self._look_up(batch, todo)
            waits = self._waits(batch, todo, attempts, begun)
            longest = max(waits.values(), default=0.0)
            decisions = [
                _decision(answer, answer.index in batch.results, answer.index in waits, longest) for answer in answers
            ]
            self._record(answers, decisions, seconds)
            # Before the wait, which may be interrupted.
            batch.give_up(row for row in todo if row not in waits)
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
        """Return the texts of ``todo`` to try again after ``attempts`` attempts, each with its seconds to wait."""
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
        """Look up the texts that may have been sent, and settle those with a clear answer."""
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
        """Return the seconds before each look-up; the last comes when *not found* is proof, if that is soon enough."""
        pauses = [min(self.longest_wait, 2.0**n) for n in range(self.lookups)]
        if proof is not None and pauses and proof.total_seconds() <= self.seconds:
            pauses.append(max(0.0, proof.total_seconds() - sum(pauses)))
        return pauses


def full_jitter(longest: float) -> float:
    """Return a random number of seconds up to ``longest``, so that clients that fail together do not retry together."""
    return random.uniform(0, longest)  # noqa: S311  # no secret


def _decision(answer: Result, settled: bool, again: bool, wait: float) -> str:  # noqa: FBT001
    if answer.error is None:
        return "done"
    if settled:
        return "found by its reference, so it was accepted"
    return f"again in {wait:.1f} s" if again else "given up"
