"""Policies with common mistakes, on purpose. The model has to catch each mistake."""

from __future__ import annotations

from contextlib import contextmanager
from unittest import mock

from smsbridge.errors import OptedOutError, RefusedError, SendError, UncertainError
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import Result
from smsbridge.policies import batch as batches
from smsbridge.policies import outcomes
from smsbridge.policies.breaker import Breaker
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.privacy import own
from smsbridge.stores.entries import State
from smsbridge.verdicts import cancelled


class RetriesTimeOuts(RetryPolicy):
    """Takes a lost answer for a failure, a very common mistake."""

    def _worth_it(self, error, message):
        return isinstance(error, UncertainError) or super()._worth_it(error, message)


class RetriesOptOuts(RetryPolicy):
    def _worth_it(self, error, message):
        return isinstance(error, OptedOutError) or super()._worth_it(error, message)


class IgnoresRetryAfter(RetryPolicy):
    def _waits(self, batch, todo, attempts, begun):
        return dict.fromkeys(super()._waits(batch, todo, attempts, begun), 0.0)


class NeverGivesUp(RetryPolicy):
    """Restarts the count of its attempts."""

    def carry(self, batch):
        yield from super().carry(batch)
        errors = [result.error for result in batch.results.values()]
        if batch.stop is None and any(
            isinstance(error, RefusedError) and error.fault == "provider" for error in errors
        ):
            batch.results.clear()
            yield from super().carry(batch)


class TrustsAbsence(RetryPolicy):
    """Takes *not found* for *not sent*."""

    def _look_up(self, batch, todo):
        yield from super()._look_up(batch, todo)
        for row in todo:
            if row not in batch.results and isinstance(batch.histories[row][-1], UncertainError):
                batch.histories[row][-1] = outcomes.not_sent(batch.histories[row][-1])


class FailsOverOnBadNumbers(FailoverPolicy):
    def _goes_on(self, error, message):
        return isinstance(error, RefusedError) or super()._goes_on(error, message)


class FailsOverOnUncertainty(FailoverPolicy):
    def _goes_on(self, error, message):
        return isinstance(error, UncertainError) or super()._goes_on(error, message)


class BlamesProviders(FailoverPolicy):
    """Stops using a provider because of a bad number."""

    def _judge(self, breaker: Breaker, account, answers, begun, now):
        if any(isinstance(answer.error, SendError) for answer in answers):
            breaker.failed(now)


@contextmanager
def forgets_uncertainty():
    """Reports a later refusal although an earlier attempt may have been sent."""
    with mock.patch.object(batches, "conclude", lambda history: history[-1]):
        yield


@contextmanager
def loses_rows():
    """Reports every row of an interrupted batch as not sent."""

    carried_by = batches.Batch.carried_by

    def losing(batch, provider, carrying):
        results, stop = yield from carried_by(batch, provider, carrying)
        if stop is not None:
            results = [
                Result(index=row, message=message, error=own(cancelled(left=False), provider, message))
                for row, message in enumerate(batch.messages)
            ]
        return results, stop

    with mock.patch.object(batches.Batch, "carried_by", losing):
        yield


class RecordsAfterwards(LedgerPolicy):
    """Forgets to record a text before it leaves."""

    def _send_rows(self, batch, rows):
        batch.take((yield from batch.through(self.inner, rows)))
        batch.give_up(rows)
        if batch.stop is None:
            claims, _ = yield from self._claim(batch, rows)
            self._record_results([batch.results[row] for row in rows], claims.values())


class ForgetsWhatIsOpen(LedgerPolicy):
    """Takes a text whose outcome was not recorded for one that was not sent."""

    def _answer(self, batch, row, entry, claim):
        if entry.state is not State.OPEN:
            return super()._answer(batch, row, entry, claim)
        batch.fail(row, own(RefusedError("it is open"), self, batch.messages[row]))
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
