"""Carry texts through a policy, and keep the outcome of each. No I/O.

A policy sends by :meth:`Batch.through`, which always returns: an accepted text, an error and an interruption are all
results. So a policy needs its bookkeeping only once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from smsbridge.attempts import attempt_each, batches
from smsbridge.composite import Answers, Around, Composite
from smsbridge.errors import ProviderBugError, RefusedError, SendError, UncertainError, is_settled
from smsbridge.flow import Flow, ending
from smsbridge.logs import logger
from smsbridge.messages import Message, Result, SentMessage, Verification
from smsbridge.privacy import bare, own
from smsbridge.provider import SmsProvider
from smsbridge.verdicts import cancelled, unexplained

from .outcomes import History, conclude

_log = logger("smsbridge")
_INTERRUPTED = frozenset({"cancelled", "deadline", "closed"})
"""The reasons of errors of interrupted texts."""


class Batch:
    """Hold one or more texts, or one-time codes that the vendor makes (``verification``), while a policy sends them.

    A text is identified by its place in ``messages``, from 0. ``results`` holds the final result of each settled text
    by that place, and ``histories`` the errors of the text's earlier attempts. ``stop`` is the exception that
    interrupted the send, if any (a cancellation, Ctrl-C, the end of the process): nothing is sent after it.
    """

    __slots__ = ("_answers", "_flying", "around", "histories", "messages", "results", "stop", "verification")

    def __init__(
        self, messages: Sequence[Message], *, verification: bool = False, around: Around | None = None
    ) -> None:
        self.messages = messages
        self.verification = verification
        self.around = around
        self.results: dict[int, Result] = {}
        self.histories: list[History] = [[] for _ in messages]
        self.stop: BaseException | None = None
        # The result of the last attempt for each text, until it is taken.
        self._answers: dict[int, Result] = {}
        # The texts with an attempt that has begun and not ended.
        self._flying: set[int] = set()

    @property
    def open(self) -> list[int]:
        """Return the places in ``messages`` of all texts that have no final result yet."""
        return [row for row in range(len(self.messages)) if row not in self.results]

    def through(
        self,
        provider: SmsProvider,
        rows: Sequence[int],
        instead: Mapping[int, Message] | None = None,
        around: Around | None = None,
    ) -> Flow[list[Result]]:
        """Send the texts at the places ``rows`` through ``provider``, once, and return a Result for each.

        The ``index`` of a Result is the place of its text in ``messages``. ``instead`` maps places to messages that are
        sent in place of the original texts. ``around`` wraps each flow of a provider that talks to a vendor. If the
        send is interrupted, the interruption is stored in ``stop`` and in the results; a further call raises it.
        """
        if self.stop is not None:
            raise self.stop
        if not rows:
            return []
        messages = [self.messages[row] for row in rows]
        sending = [instead.get(row, self.messages[row]) for row in rows] if instead else messages
        self._flying.update(rows)
        around = _within(self.around, around)
        if len(sending) == 1 or not isinstance(provider, Composite):
            answers, self.stop = yield from attempt_each(
                provider, sending, verification=self.verification, around=around
            )
        else:
            answers = yield from self._send_apart(provider, sending, around)
        answers = [
            answer
            if answer.index == row and not instead
            else Result(index=row, message=message, sent=answer.sent, error=answer.error)
            for row, message, answer in zip(rows, messages, answers, strict=True)
        ]
        self._answers.update(zip(rows, answers, strict=True))
        self._flying.clear()
        return answers

    def known(self, row: int) -> Result | None:
        """Return the final result of the text at the place ``row``; without it, the result of the last attempt.

        None if the text was not attempted.
        """
        return self.results.get(row) or self._answers.get(row)

    def _send_apart(
        self, provider: SmsProvider, messages: Sequence[Message], around: Around | None
    ) -> Flow[list[Result]]:
        """Send ``messages`` in the batches of ``provider``, which may differ from those of this policy."""
        found: dict[int, Result] = {}
        for rows in batches(provider, messages, range(len(messages))):
            if self.stop is None:
                part = [messages[row] for row in rows]
                answers, self.stop = yield from attempt_each(
                    provider, part, verification=self.verification, around=around
                )
                found.update(zip(rows, answers, strict=True))
            else:
                for row in rows:
                    error = own(cancelled(left=False, stop=self.stop), provider, messages[row])
                    found[row] = Result(index=row, message=messages[row], error=error)
        return [found[row] for row in range(len(messages))]

    def take(self, answers: Iterable[Result]) -> bool:
        """Settle each text that was accepted by ``answers``, the results of an attempt.

        Each error is added to the history of its text, for the next attempt. Returns whether there are errors.
        """
        failed = False
        for answer in answers:
            row = answer.index
            if answer.error is None:
                self.results[row] = answer
            else:
                self.histories[row].append(answer.error)
                failed = True
            self._answers.pop(row, None)
        return failed

    def accept(self, row: int, sent: SentMessage | None) -> None:
        """Settle the text at the place ``row`` as accepted, with ``sent`` as the final result."""
        self.results[row] = Result(index=row, message=self.messages[row], sent=sent)

    def fail(self, row: int, error: SendError) -> None:
        """Settle the text at the place ``row`` with ``error`` as the final result, so that it is not tried again."""
        self.results[row] = Result(index=row, message=self.messages[row], error=error)

    def give_up(self, rows: Iterable[int]) -> None:
        """Settle all texts at the places ``rows`` that have no final result yet.

        Each gets the outcome of its attempts so far.
        """
        for row in rows:
            if row not in self.results:
                self.fail(row, self._concluded(row))

    def _concluded(self, row: int) -> SendError:
        """Return the error that sums up the attempts for the text at ``row``.

        A refusal of an earlier attempt says more than that there was no time for another attempt.
        """
        history = self.histories[row]
        in_vain = len(history) > 1 and isinstance(history[-1], RefusedError) and history[-1].reason == "deadline"
        return conclude(history[:-1] if in_vain else history)

    def carried_by(self, provider: SmsProvider, carrying: Flow[None]) -> Flow[Answers]:
        """Run the flow ``carrying``, in which the policy ``provider`` sends these texts.

        Returns a Result for each text, also if the policy fails or is interrupted. Also returns the interruption; None
        if there was none.
        """
        _, ended = yield from ending(carrying)
        # An Exception here is a fault of the policy.
        problem = ended if isinstance(ended, Exception) else None
        # Otherwise the policy itself was interrupted at work.
        if ended is not None and problem is None:
            self.stop = bare(ended)
        self._end(provider, problem)
        if problem is not None:
            _log.error("policy %s failed with %s", provider.name, type(problem).__name__)
        return [_checked(provider, self.results[row]) for row in range(len(self.messages))], self.stop

    def _end(self, provider: SmsProvider, problem: Exception | None) -> None:
        """Settle the texts that the policy left open; a text that may have been sent stays uncertain."""
        for row in self.open:
            if (answer := self._answers.get(row)) is not None:
                self.take([answer])
            if row in self.results:
                continue
            history = self.histories[row]
            error = self._why_open(row, problem, provider.name)
            if error is not None:
                history.append(own(error, provider, self.messages[row]))
            self.fail(row, self._concluded(row))

    def _why_open(self, row: int, problem: Exception | None, policy: str) -> SendError | None:
        """Return the error to add to those of the attempts for the text at ``row``, if any."""
        history, flying = self.histories[row], row in self._flying
        if self.stop is not None:
            told = bool(history) and history[-1].reason in _INTERRUPTED
            return None if told else cancelled(left=flying, stop=self.stop)
        if problem is not None:
            if isinstance(problem, SendError) and not flying:
                return problem
            return unexplained(problem, left=flying, policy=policy)
        return (
            None if history else ProviderBugError(f"policy {policy} did not send the text, and gave no reason for it")
        )


def _within(outer: Around | None, inner: Around | None) -> Around | None:
    """Return a function that wraps a flow in ``inner``, and then in ``outer``: of two limits, both hold."""
    if outer is None or inner is None:
        return inner or outer
    return lambda flow, messages: outer(inner(flow, messages), messages)


def _checked(provider: SmsProvider, result: Result) -> Result:
    """Return a safe ``result``: a policy's own error is scrubbed, and an invalid outcome becomes uncertain."""
    error: SendError
    if result.error is None and isinstance(result.sent, SentMessage | Verification):
        return result
    if isinstance(result.error, SendError):
        if is_settled(result.error):
            return result
        error = result.error
    else:
        error = UncertainError(
            detail=f"policy {provider.name} settled it without a SentMessage or an error of smsbridge"
        )
    return Result(index=result.index, message=result.message, error=own(error, provider, result.message))
