"""Batch: texts on their way through a policy, and what is known of each. No I/O.

A policy sends by :meth:`Batch.through`, which always returns: what was accepted, an error and an interruption are all
results. So a policy does its bookkeeping once.
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
"""The reasons of errors that say that a text was interrupted."""


class Batch:
    """Some texts, or one; with ``verification``, one-time codes of the vendor's.

    ``stop`` is the interruption, once there is one: a cancellation, Ctrl-C, the end of the process. Nothing is sent
    after it. ``results`` holds what is settled, by the place of the text in ``messages``; ``histories`` the errors of
    attempts that were taken before.
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
        self._answers: dict[int, Result] = {}  # of the last attempt at each text, until they are taken
        self._flying: set[int] = set()  # the texts that an attempt has begun with, and not ended

    @property
    def open(self) -> list[int]:
        """The places of the texts of which nothing is settled."""
        return [row for row in range(len(self.messages)) if row not in self.results]

    def through(
        self,
        provider: SmsProvider,
        rows: Sequence[int],
        instead: Mapping[int, Message] | None = None,
        around: Around | None = None,
    ) -> Flow[list[Result]]:
        """Send the texts at ``rows`` through ``provider``, once. Returns one Result each, with its place as ``index``.

        ``instead`` has texts to send in the place of some. ``around`` wraps each flow of a provider that carries texts.
        After an interruption, which is in ``stop`` and in the results, asking again raises it.
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
        """What is known of the text at ``row``: how it was settled, or what came of the last attempt at it."""
        return self.results.get(row) or self._answers.get(row)

    def _send_apart(
        self, provider: SmsProvider, messages: Sequence[Message], around: Around | None
    ) -> Flow[list[Result]]:
        """Send ``messages`` in such batches as ``provider`` takes, which may be others than it was for this one."""
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
        """Settle what was accepted, and note the errors of the others; whether there are such."""
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
        """The text at ``row`` is accepted."""
        self.results[row] = Result(index=row, message=self.messages[row], sent=sent)

    def fail(self, row: int, error: SendError) -> None:
        """No more is tried for the text at ``row``, which ended with ``error``."""
        self.results[row] = Result(index=row, message=self.messages[row], error=error)

    def give_up(self, rows: Iterable[int]) -> None:
        """No more is tried for those of ``rows`` that are not settled.

        Their attempts so far say what became of them.
        """
        for row in rows:
            if row not in self.results:
                self.fail(row, self._concluded(row))

    def _concluded(self, row: int) -> SendError:
        """What the attempts at the text at ``row`` amount to.

        A refusal says more than that there was no time for another attempt.
        """
        history = self.histories[row]
        in_vain = len(history) > 1 and isinstance(history[-1], RefusedError) and history[-1].reason == "deadline"
        return conclude(history[:-1] if in_vain else history)

    def carried_by(self, provider: SmsProvider, carrying: Flow[None]) -> Flow[Answers]:
        """Drive ``carrying``, in which ``provider`` sends these texts. Returns a Result for each, whatever it does."""
        _, ended = yield from ending(carrying)
        problem = ended if isinstance(ended, Exception) else None  # a fault of the policy
        if ended is not None and problem is None:  # interrupted while the policy itself was at work
            self.stop = bare(ended)
        self._end(provider, problem)
        if problem is not None:
            _log.error("policy %s failed with %s", provider.name, type(problem).__name__)
        return [_checked(provider, self.results[row]) for row in range(len(self.messages))], self.stop

    def _end(self, provider: SmsProvider, problem: Exception | None) -> None:
        """Settle what the policy has left open; a text that may have been sent stays one."""
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
        """What is to be said of the text at ``row`` besides what its attempts said, if anything is."""
        history, flying = self.histories[row], row in self._flying
        if self.stop is not None:
            told = bool(history) and history[-1].reason in _INTERRUPTED
            return None if told else cancelled(left=flying, stop=self.stop)
        if problem is not None:
            if isinstance(problem, SendError) and not flying:
                return problem
            return unexplained(problem, left=flying, policy=policy)
        return None if history else ProviderBugError(f"policy {policy} gave no outcome, and sent nothing")


def _within(outer: Around | None, inner: Around | None) -> Around | None:
    """What wraps a flow in ``inner``, and that in ``outer``: of two limits each holds."""
    if outer is None or inner is None:
        return inner or outer
    return lambda flow, messages: outer(inner(flow, messages), messages)


def _checked(provider: SmsProvider, result: Result) -> Result:
    """``result``, which a policy may have made: its own error is scrubbed, and what is no outcome is uncertain."""
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
