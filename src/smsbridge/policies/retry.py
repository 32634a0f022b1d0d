"""Retry: again what is certainly not sent, and look up what may have been."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from pydantic import Field, PrivateAttr

from smsbridge.attempts import Interrupted, attempt, attempt_all, cancelled, utc_now
from smsbridge.deadline import time_left
from smsbridge.durations import LONGEST_PAUSE
from smsbridge.errors import (
    RateLimitedError,
    SendError,
    UnavailableError,
    UncertainError,
)
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Flow, Wait
from smsbridge.messages import Foresight, Message, Purpose, Result, SentMessage, Verification
from smsbridge.provider import Capability, SmsProvider

from .asking import Send, ask_for, attempt_verifications
from .outcomes import Tries, elsewhere, final, not_sent, sent_of
from .policy import Named, Policy, state
from .records import record, wanted


class RetryPolicy(Policy):
    """Tries again what is certainly not sent, for a reason that may pass: no connection, too many requests, the vendor's own fault.

    The waits double from ``first_wait`` to ``longest_wait`` seconds, with full jitter, and are no shorter than the vendor asks
    for; ``attempts`` and ``seconds`` bound them. A text that may have been sent is looked up by its reference where the provider
    can do that, ``lookups`` times. A find settles it as accepted. No find proves nothing, unless the provider declares
    ``absence_proven_after``. It is sent again only if its purpose is among ``duplicates``: where twice is better than never.
    """

    name: ClassVar[Any] = Named("retry")
    records_attempts = True

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

    _clock: Callable[[], float] = PrivateAttr(default=time.monotonic)
    _jitter: Callable[[float], float] = PrivateAttr(
        default_factory=lambda: full_jitter
    )  # a plain default would be bound

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        if self.attempts == 1:
            return self._would_pass(message, "tries it once", now=now)
        return self._would_pass(message, f"tries it up to {self.attempts} times within {self.seconds:g} s", now=now)

    def send(self, message: Message) -> Flow[SentMessage]:
        begun: float = state(self, "_clock")()
        try:
            sent = yield from attempt(self.inner, message)
        except Interrupted as stop:
            self._record([Result(index=0, message=message, error=stop.error)], ["cancelled"], begun)
            raise
        except SendError as error:
            first = Result(index=0, message=message, error=error)
        else:
            if wanted():
                self._record([Result(index=0, message=message, sent=sent)], ["done"], begun)
            return sent
        return sent_of(*(yield from self._persist([message], attempt_all, begun, [first])))

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        return self._persist(messages, attempt_all, self._clock())

    def start_verification(self, message: Message) -> Flow[Verification]:
        results = yield from self._persist([message], attempt_verifications, self._clock())
        return cast("Verification", sent_of(*results))

    # --- inside -----------------------------------------------------------------------------------------------------------

    def _persist(
        self, messages: Sequence[Message], send: Send, begun: float, answers: Sequence[Result] | None = None
    ) -> Flow[list[Result]]:
        """Send ``messages`` as often as it takes; ``answers`` are those of a first attempt, if it was made already."""
        tries = Tries(messages)
        todo = list(range(len(messages)))
        started = begun
        for attempts in range(1, self.attempts + 1):
            if answers is None:
                started = self._clock()
                try:
                    answers = yield from send(self.inner, [messages[row] for row in todo])
                except Interrupted as stop:
                    interrupted = tries.interrupted(stop, todo)
                    known = [interrupted.results[row] for row in todo]
                    self._record(known, ["cancelled"] * len(known), started)
                    raise interrupted from None
            seconds, noted = self._clock() - started, False
            try:
                failed = tries.note(todo, answers)
                noted = True
                if failed and send is not attempt_verifications:  # no vendor finds a code by reference
                    yield from self._look_up(tries, todo)
                waits = self._waits(tries, todo, attempts, begun)
                longest = max(waits.values(), default=0.0)
                words = (
                    _decision(answer, row in tries.results, row in waits, longest)
                    for row, answer in zip(todo, answers, strict=True)
                )
                self._record(answers, words, started, seconds)
                if longest:
                    yield from Wait(longest)
            except (Exception, GeneratorExit):
                raise
            except BaseException as stop:  # noqa: BLE001  # cancelled while nothing was on its way
                if noted:
                    raise tries.interrupted(stop) from None
                raise tries.interrupted(Interrupted(cancelled(left=True), stop, answers), todo) from None
            tries.give_up(row for row in todo if row not in waits)
            todo, answers = list(waits), None
            if not todo:
                break
        return tries.in_order()

    def _record(
        self, answers: Sequence[Result], decisions: Iterable[str], begun: float, seconds: float | None = None
    ) -> None:
        seconds = self._clock() - begun if seconds is None else seconds
        for answer, decision in zip(answers, decisions, strict=True):
            record(answer, account=self.inner, candidates=[self.inner], decision=decision, seconds=seconds)

    def _waits(self, tries: Tries, todo: Sequence[int], attempts: int, begun: float) -> dict[int, float]:
        """Which of ``todo`` to try again after so many attempts, and how many seconds each wants to wait."""
        if attempts >= self.attempts:
            return {}
        jitter = self._jitter(min(self.longest_wait, self.first_wait * 2.0 ** (attempts - 1)))
        left = min(self.seconds - (self._clock() - begun), time_left())
        waits = {}
        for row in todo:
            if row in tries.results or not self._worth_it(tries.histories[row][-1], tries.messages[row]):
                continue
            asked = tries.histories[row][-1].retry_after or 0.0
            wait = max(jitter, asked)
            until = tries.messages[row].valid_until
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

    def _look_up(self, tries: Tries, todo: Sequence[int]) -> Flow[None]:
        """Settle what can be settled of the texts that may have been sent."""
        lost = [
            row for row in todo if row not in tries.results and isinstance(tries.histories[row][-1], UncertainError)
        ]
        if not lost or Capability.LOOKUP not in self.inner.capabilities:
            return
        since = self._clock()
        proof = self.inner.absence_proven_after
        for wait in self._pauses(proof):
            yield from Wait(wait)
            proven = proof is not None and self._clock() - since >= proof.total_seconds()
            for row in list(lost):
                found, absent = yield from ask_for(self.inner, tries.messages[row])
                if found is not None:
                    tries.accept(row, found)
                    lost.remove(row)
                elif absent and proven:
                    tries.histories[row][-1] = not_sent(tries.histories[row][-1])
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


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [RetryPolicy]
