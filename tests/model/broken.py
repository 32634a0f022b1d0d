"""Policies that are wrong on purpose, each in a way that others got wrong; the model has to catch every one of them."""

from __future__ import annotations

from contextlib import contextmanager
from unittest import mock

from smsbridge.attempts import Interrupted, cancelled
from smsbridge.errors import OptedOutError, RefusedError, SendError, UncertainError
from smsbridge.messages import Result
from smsbridge.policies import outcomes
from smsbridge.policies.breaker import Breaker
from smsbridge.policies.entries import State
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.ledger import LedgerPolicy
from smsbridge.policies.outcomes import sent_of
from smsbridge.policies.retry import RetryPolicy
from smsbridge.privacy import own


class RetriesTimeOuts(RetryPolicy):
    """Takes a lost answer for a failure, as most do."""

    def _worth_it(self, error, message):
        return isinstance(error, UncertainError) or super()._worth_it(error, message)


class RetriesOptOuts(RetryPolicy):
    def _worth_it(self, error, message):
        return isinstance(error, OptedOutError) or super()._worth_it(error, message)


class IgnoresRetryAfter(RetryPolicy):
    def _waits(self, tries, todo, attempts, begun):
        return dict.fromkeys(super()._waits(tries, todo, attempts, begun), 0.0)


class NeverGivesUp(RetryPolicy):
    """Counts its attempts from the beginning again and again."""

    def _persist(self, messages, send, begun, answers=None):
        results = yield from super()._persist(messages, send, begun, answers)
        if any(isinstance(one.error, RefusedError) and one.error.fault == "provider" for one in results):
            results = yield from super()._persist(messages, send, self._clock())
        return results


class TrustsAbsence(RetryPolicy):
    """Takes *not found* for *not sent*."""

    def _look_up(self, tries, todo):
        yield from super()._look_up(tries, todo)
        for row in todo:
            if row not in tries.results and isinstance(tries.histories[row][-1], UncertainError):
                tries.histories[row][-1] = outcomes.not_sent(tries.histories[row][-1])


class FailsOverOnBadNumbers(FailoverPolicy):
    def _goes_on(self, error, message):
        return isinstance(error, RefusedError) or super()._goes_on(error, message)


class FailsOverOnUncertainty(FailoverPolicy):
    def _goes_on(self, error, message):
        return isinstance(error, UncertainError) or super()._goes_on(error, message)


class BlamesProviders(FailoverPolicy):
    """Closes a provider because of a bad number."""

    def _judge(self, breaker: Breaker, answers, begun, now):
        if any(isinstance(one.error, SendError) for one in answers):
            breaker.failed(now)


@contextmanager
def forgets_uncertainty():
    """Lets a later refusal speak for an earlier attempt that may have been sent."""
    with mock.patch.object(outcomes, "conclude", lambda history: history[-1]):
        yield


@contextmanager
def loses_rows():
    """Says of every row of an interrupted batch that it was not sent."""

    def interrupted(tries, stop, flying=()):
        cause = stop.cause if isinstance(stop, Interrupted) else stop
        rows = [Result(index=n, message=one, error=cancelled(left=False)) for n, one in enumerate(tries.messages)]
        return Interrupted(cancelled(left=False), cause, rows)

    with mock.patch.object(outcomes.Tries, "interrupted", interrupted):
        yield


class RecordsAfterwards(LedgerPolicy):
    """Forgets to record a text before it leaves."""

    def send(self, message):
        (result,) = yield from self.send_batch([message])
        return sent_of(result)

    def _send_rows(self, tries, rows, send, kind):
        messages = [tries.messages[row] for row in rows]
        answers = yield from send(self.inner, messages)
        for row, answer in zip(rows, answers, strict=True):
            tries.results[row] = Result(index=row, message=answer.message, sent=answer.sent, error=answer.error)
        claims, _ = yield from self._claim(tries, rows, kind)
        self._record_results(answers, claims.values())


class ForgetsWhatIsOpen(LedgerPolicy):
    """Takes a text whose outcome was not recorded for one that was not sent."""

    def _answer(self, tries, row, entry, claim):
        if entry.state is not State.OPEN:
            return super()._answer(tries, row, entry, claim)
        tries.fail(row, own(RefusedError("it is open"), self, tries.messages[row]))
        return False


CLASSES = {
    "retries time-outs": {"retry": RetriesTimeOuts},
    "retries opt-outs": {"retry": RetriesOptOuts},
    "ignores Retry-After": {"retry": IgnoresRetryAfter},
    "never gives up": {"retry": NeverGivesUp},
    "takes not found for not sent": {"retry": TrustsAbsence},
    "fails over on a bad number": {"failover": FailsOverOnBadNumbers},
    "fails over on uncertainty": {"failover": FailsOverOnUncertainty},
    "records a text after it has left": {"ledger": RecordsAfterwards},
    "takes what is open for not sent": {"ledger": ForgetsWhatIsOpen},
    "closes a provider because of a bad number": {"failover": BlamesProviders},
}
PATCHES = {"forgets an earlier uncertainty": forgets_uncertainty, "loses rows of an interrupted batch": loses_rows}
