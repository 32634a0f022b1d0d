"""Decide the outcome of a text after several attempts, and the pauses that vendors ask for. No I/O."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from smsbridge.durations import in_words, pause
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
    settle,
)
from smsbridge.logs import logger
from smsbridge.messages import Message
from smsbridge.privacy import own
from smsbridge.provider import SmsProvider

_log = logger("smsbridge")

History = list[SendError]
"""The errors of a text's attempts so far. Uncertain errors that were proven to be refusals are replaced."""


def elsewhere(error: SendError) -> bool:
    """Return whether another account may succeed after ``error``: nothing was sent, and the text is not at fault.

    This is so for a fault of the account or its provider, also for a bug in the provider's code.
    """
    if isinstance(error, UnsupportedError | ProviderBugError):
        return True
    refused = isinstance(error, RefusedError) and not isinstance(error, OptedOutError)
    return refused and error.fault in ("account", "provider")


def final(error: SendError) -> bool:
    """Return whether the text must not be tried again: ``error`` holds a refusal for a fault of the text itself."""
    return any(isinstance(attempt, RefusedError) and not elsewhere(attempt) for attempt in (error, *error.attempts))


def fault_of(error: SendError | None) -> Fault | None:
    """Return what was at fault in the last attempt of ``error`` that may have reached a provider.

    ``error`` sums up the attempts for a text. None if there is no error; ``local`` if no attempt reached a provider.
    """
    if error is None:
        return None
    asked = [
        attempt
        for attempt in error.attempts or (error,)
        if attempt.reason not in OURS and not isinstance(attempt, UnsupportedError)
    ]
    return asked[-1].fault if asked else "local"


def asked_pause(error: SendError | None) -> float:
    """Return the seconds without requests that the vendor asked for in ``error``; 0 if it asked for no pause."""
    if not isinstance(error, RateLimitedError) or all(attempt.reason in OURS for attempt in error.attempts or (error,)):
        return 0.0
    return error.retry_after or 0.0


def conclude(history: Sequence[SendError]) -> SendError:
    """Return the error that sums up all attempts for a text: the last uncertain error or, without any, the last error.

    ``history`` has the error of each attempt. They are in ``attempts`` of the returned error.
    """
    uncertain = [failure for failure in history if isinstance(failure, UncertainError)]
    error = copy.copy((uncertain or history)[-1])
    if len(history) > 1:
        error.attempts = _flat(history)
    return error


def conclude_all(history: Sequence[SendError], provider: SmsProvider, message: Message) -> SendError:
    """Return the error that sums up the failed attempts for ``message`` through several accounts of ``provider``.

    ``history`` has the error of each attempt. If one of the errors forbids trying another account, the error is that of
    :func:`conclude`. Otherwise it is the first error, if all errors are of the same class, or else an error that names
    all of them, with the reason of the first.
    """
    if len(history) == 1 or not all(map(elsewhere, history)):
        return conclude(history)
    error = copy.copy(history[0])
    if any(type(failure) is not type(error) for failure in history):
        words = "; ".join(str(failure) for failure in history)
        error = RefusedError("no account could send the message", reason=error.reason, detail=words)
        error = own(error, provider, message)
    error.fault = _fault_of_all(history)
    error.attempts = _flat(history)
    error.retry_after = min(
        (failure.retry_after for failure in history if failure.retry_after is not None), default=None
    )
    return error


def _fault_of_all(history: Sequence[SendError]) -> Fault:
    """Return ``provider`` if a failure may pass without action, so that another attempt is worthwhile.

    A lack of credit, for example, does not pass.
    """
    faults = {failure.fault for failure in history}
    if len(faults) == 1 and len({type(failure) for failure in history}) == 1:
        return history[0].fault
    passing = any(isinstance(failure, RateLimitedError) or failure.fault == "provider" for failure in history)
    return "provider" if passing else "account"


def not_sent(error: SendError) -> SendError:
    """Return the refusal that replaces ``error`` once it is proven that nothing was sent.

    If an attempt in ``error`` was a refusal for a fault of the message, that refusal is returned.
    """
    attempts = tuple(not_sent(attempt) for attempt in error.attempts)
    refused = next((copy.copy(attempt) for attempt in attempts if not elsewhere(attempt)), None)
    if refused is None and not isinstance(error, UncertainError):
        refused = copy.copy(error)
    if refused is None:
        words = "no answer came, and the provider is known not to have taken the text"
        refused = UnavailableError(detail=words, reason="absent")
        refused.account, refused.provider, refused.reference = error.account, error.provider, error.reference
        settle(refused)
    refused.attempts = attempts
    return refused


def _flat(history: Sequence[SendError]) -> tuple[SendError, ...]:
    """Return the errors of all attempts, with those inside combined errors."""
    return tuple(attempt for error in history for attempt in (error.attempts or (error,)))


def kept(asked: float | None, account: str) -> float:
    """Return the seconds for which to pause ``account``, if its vendor asks for a pause of ``asked`` seconds.

    A very long pause is shortened, and a warning is logged.
    """
    seconds = pause(asked)
    if asked is not None and asked > seconds > 0:
        words = "account %s: the vendor asks for a pause of %s; it is asked again after %s"
        _log.warning(words, account, in_words(asked), in_words(seconds))
    return seconds
