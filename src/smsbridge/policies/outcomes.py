"""What several attempts at one text amount to. No I/O."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

from smsbridge.attempts import Interrupted, cancelled
from smsbridge.errors import (
    OURS,
    Fault,
    OptedOutError,
    ProviderBugError,
    RateLimitedError,
    RefusedError,
    SendError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.messages import Message, Result, SentMessage
from smsbridge.privacy import own
from smsbridge.provider import SmsProvider

History = list[SendError]
"""The errors of the attempts at one text so far, without those uncertain ones that were proven to be refused."""


def elsewhere(error: SendError) -> bool:
    """Whether another account may do better, and nothing was sent: faults of the account or the provider, bugs included."""
    if isinstance(error, UnsupportedError | ProviderBugError):
        return True
    refused = isinstance(error, RefusedError) and not isinstance(error, OptedOutError)
    return refused and error.fault in ("account", "provider")


def final(error: SendError) -> bool:
    """Whether an attempt has refused the text for its own fault, so that nobody should be asked about it again."""
    return any(isinstance(one, RefusedError) and not elsewhere(one) for one in (error, *error.attempts))


def fault_of(error: SendError | None) -> Fault | None:
    """Whose fault the last attempt was that may have reached a provider; None if it went well, ``local`` if none did."""
    if error is None:
        return None
    asked = [
        one for one in error.attempts or (error,) if one.reason not in OURS and not isinstance(one, UnsupportedError)
    ]
    return asked[-1].fault if asked else "local"


def asked_pause(error: SendError | None) -> float:
    """The seconds for which the vendor wants no requests; 0 where no vendor said so."""
    if not isinstance(error, RateLimitedError) or all(one.reason in OURS for one in error.attempts or (error,)):
        return 0.0
    return error.retry_after or 0.0


def conclude(history: Sequence[SendError]) -> SendError:
    """The error of a text after several attempts: the last one, or one that may have been sent; it carries them all."""
    uncertain = [one for one in history if isinstance(one, UncertainError)]
    error = copy.copy((uncertain or history)[-1])
    if len(history) > 1:
        error.attempts = _flat(history)
    return error


def conclude_all(history: Sequence[SendError], provider: SmsProvider, message: Message) -> SendError:
    """The same after several accounts of ``provider``: the first one's error where all are of its kind, else one that names all.

    Its ``reason`` is the first one's, which is that of all where they agree.
    """
    if len(history) == 1 or not all(map(elsewhere, history)):
        return conclude(history)
    error = copy.copy(history[0])
    if any(type(one) is not type(error) for one in history):
        words = "; ".join(str(one) for one in history)
        error = RefusedError("no account could send the message", reason=error.reason, detail=words)
        error = own(error, provider, message)
    error.fault = _fault_of_all(history)
    error.attempts = _flat(history)
    error.retry_after = min((one.retry_after for one in history if one.retry_after is not None), default=None)
    return error


def _fault_of_all(history: Sequence[SendError]) -> Fault:
    """The provider's where one of the failures may pass by itself: that one is worth another attempt. Credit does not come back."""
    faults = {one.fault for one in history}
    if len(faults) == 1 and len({type(one) for one in history}) == 1:
        return history[0].fault
    passing = any(isinstance(one, RateLimitedError) or one.fault == "provider" for one in history)
    return "provider" if passing else "account"


def not_sent(error: SendError) -> SendError:
    """What is left of ``error`` once it is proven that nothing was sent: what another account said of the message stays."""
    attempts = tuple(not_sent(one) for one in error.attempts)
    refused = next((copy.copy(one) for one in attempts if not elsewhere(one)), None)
    if refused is None and not isinstance(error, UncertainError):
        refused = copy.copy(error)
    if refused is None:
        words = "no answer came, and the provider is known not to have taken the text"
        refused = UnavailableError(detail=words, reason="absent")
        refused.account, refused.provider, refused.reference = error.account, error.provider, error.reference
        refused._settled = True  # noqa: SLF001
    refused.attempts = attempts
    return refused


def sent_of(result: Result) -> SentMessage:
    """What was sent; raises the error if nothing was."""
    if result.sent is None:
        raise result.error or UncertainError
    return result.sent


def _flat(history: Sequence[SendError]) -> tuple[SendError, ...]:
    """Each attempt, also those that an error inside was made of."""
    return tuple(one for error in history for one in (error.attempts or (error,)))


class Tries:
    """What is known of some messages while a policy tries to send them: the ``results``, and what was tried before."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.results: dict[int, Result] = {}
        self.histories: list[History] = [[] for _ in messages]

    def note(self, rows: Sequence[int], answers: Sequence[Result]) -> bool:
        """Take in what an attempt brought for the messages at ``rows``; whether some failed."""
        failed = False
        for row, answer in zip(rows, answers, strict=True):
            if answer.error is None:
                self.accept(row, answer.sent)
            else:
                self.histories[row].append(answer.error)
                failed = True
        return failed

    def give_up(self, rows: Iterable[int]) -> None:
        """No more is tried for those of ``rows`` that were not accepted."""
        for row in rows:
            if row not in self.results:
                self.fail(row, conclude(self.histories[row]))

    def accept(self, row: int, sent: SentMessage | None) -> None:
        """Somebody has taken the message at ``row``."""
        self.results[row] = Result(index=row, message=self.messages[row], sent=sent)

    def fail(self, row: int, error: SendError) -> None:
        """No more is tried for the message at ``row``."""
        self.results[row] = Result(index=row, message=self.messages[row], error=error)

    def in_order(self) -> list[Result]:
        """One Result per message; all of them are known now."""
        return [self.results[row] for row in range(len(self.messages))]

    def interrupted(self, stop: BaseException, flying: Sequence[int] = ()) -> Interrupted:
        """``stop`` as it has to be raised on: what is known of each message, of which those at ``flying`` were on their way."""
        cause = stop.cause if isinstance(stop, Interrupted) else stop
        nothing = cancelled(left=False, stop=cause)
        last: SendError = stop.error if isinstance(stop, Interrupted) else cancelled(left=bool(flying), stop=cause)
        known = stop.results if isinstance(stop, Interrupted) else ()
        for place, row in enumerate(flying):
            one = known[place] if place < len(known) else None
            if one is not None and one.error is None:
                self.accept(row, one.sent)
            else:
                self._stop(row, one.error if one is not None and one.error is not None else last)
        for row in range(len(self.messages)):
            if row not in self.results:
                self._stop(row, nothing)
        only = self.results[0] if len(self.messages) == 1 else None
        if only is not None:  # what was accepted is told by the result; to an error alone, it may have been sent
            last = only.error or cancelled(left=True, stop=cause)
        return Interrupted(last, cause, self.in_order())

    def _stop(self, row: int, error: SendError) -> None:
        """Cancelled; but an attempt before may have sent the text, and then that decides.

        What refused it before says more than that there was no time for another attempt.
        """
        if error.reason == "deadline" and isinstance(error, RefusedError) and self.histories[row]:
            self.fail(row, conclude(self.histories[row]))
            return
        known = copy.copy(error)
        known.reference = known.reference or self.messages[row].reference
        self.fail(row, conclude([*self.histories[row], known]))
