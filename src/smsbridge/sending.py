"""The hooks around one send: exactly one of *after* and *failed* follows each *before*. No I/O.

What is known of a text is written down before the hooks are told of it, and comes out also where the send is interrupted,
dropped, or broken by a fault of a hook or of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .attempts import (
    Interrupted,
    attempt,
    attempt_rest,
    attempt_verification,
    cancelled,
    in_order,
    unexplained,
    without,
)
from .deadline import Stopped
from .errors import RefusedError, SendError, UncertainError, VetoedError
from .http import Flow
from .messages import Message, Result, SentMessage, Verification
from .plugins import Plugins
from .privacy import own, private_of
from .provider import SmsProvider

T = TypeVar("T")


def deliver(plugins: Plugins, provider: SmsProvider, message: Message) -> Flow[SentMessage]:
    """One attempt with the hooks around it. ``message`` is prepared."""
    return _deliver(plugins, provider, message, attempt, [])


def deliver_verification(plugins: Plugins, provider: SmsProvider, message: Message) -> Flow[Verification]:
    """One attempt to have a code sent, with the hooks around it. ``message`` is prepared."""
    return _deliver(plugins, provider, message, attempt_verification, [])


def deliver_batch(plugins: Plugins, provider: SmsProvider, messages: Sequence[Message]) -> Flow[list[Result]]:
    """One batch with the hooks around each message; one Result each, in order."""
    results: dict[int, Result] = {}
    yield from _deliver_batch(plugins, provider, messages, results)
    return in_order(results)


def deliver_rows(plugins: Plugins, provider: SmsProvider, rows: Sequence[Result], landed: list[Result]) -> Flow[None]:
    """Send the messages of ``rows``, which have no outcome yet: as ``deliver`` does one, and as ``deliver_batch`` several.

    ``landed`` gets one Result for each, also where this raises: an interruption, never a SendError.
    """
    if len(rows) == 1:
        known: list[Any] = []
        try:
            yield from _deliver(plugins, provider, rows[0].message, attempt, known)
        except SendError:
            pass
        finally:
            end = known[0] if known else own(cancelled(left=True), provider, rows[0].message)
            landed.append(replace(rows[0], sent=end) if isinstance(end, SentMessage) else replace(rows[0], error=end))
        return
    results: dict[int, Result] = {}
    try:
        yield from _deliver_batch(plugins, provider, [row.message for row in rows], results)
    finally:
        landed += [
            Result(index=row.index, message=row.message, sent=results[place].sent, error=results[place].error)
            for place, row in enumerate(rows)
        ]


# --- inside ---------------------------------------------------------------------------------------------------------------


def _deliver(
    plugins: Plugins,
    provider: SmsProvider,
    message: Message,
    attempt_once: Callable[[SmsProvider, Message], Flow[T]],
    known: list[Any],
) -> Flow[T]:
    """``known`` gets what becomes of the message: what was sent, or the error."""
    account, name = provider.account, provider.name
    sent: T | None = None
    error: SendError | None = None
    stop: BaseException | None = None
    left = False
    try:
        error = _veto(plugins, provider, message)
        if error is None:
            left = True
            sent = yield from attempt_once(provider, message)
    except SendError as failure:
        error = failure
    except BaseException as other:  # noqa: BLE001  # interrupted or dropped, or a fault of a hook or of ours
        error, stop = _known_of(provider, message, other, left=left), _stop_of(other)
    if sent is not None:
        known.append(sent)
        plugins.after_send(account, name, message, sent)  # type: ignore[arg-type]  # T is either of the two
        return sent
    error = error or own(UncertainError(), provider, message)  # there is one
    known.append(error)
    plugins.send_failed(account, name, message, error)
    raise stop or error


def _deliver_batch(
    plugins: Plugins, provider: SmsProvider, messages: Sequence[Message], results: dict[int, Result]
) -> Flow[None]:
    """``results`` gets what becomes of each message."""
    begun = 0  # of how many the hooks were told
    broken: BaseException | None = None
    try:
        for index, message in enumerate(messages):
            begun = index + 1
            veto = _veto(plugins, provider, message)
            if veto is not None:
                results[index] = Result(index=index, message=message, error=veto)
        yield from attempt_rest(provider, messages, results)
    except BaseException as other:  # noqa: BLE001  # as above
        broken = other
    if broken is not None:
        for index in without(results, messages):
            error = _known_of(provider, messages[index], broken, left=begun == len(messages))
            results[index] = Result(index=index, message=messages[index], error=error)
    stop = _stop_of(broken)
    for index, message in enumerate(messages[:begun]):
        try:
            _tell(plugins, provider, message, results[index])
        except BaseException as interrupt:  # noqa: BLE001  # raised once the hooks were told of all
            stop = stop or interrupt
    if stop is not None:
        raise stop


def _known_of(provider: SmsProvider, message: Message, broken: BaseException, *, left: bool) -> SendError:
    """What is known of a text whose sending ended with ``broken``, which is no error of ours; ``left``: it was begun."""
    if isinstance(broken, Interrupted):
        return broken.error
    if isinstance(broken, Exception):
        return own(unexplained(broken, left=left), provider, message)
    return own(cancelled(left=left, stop=broken), provider, message)


def _stop_of(broken: BaseException | None) -> BaseException | None:
    """What has to be raised on after ``broken``: what came from outside. Our own faults, and the end of the time, are errors of the text."""
    cause = broken.cause if isinstance(broken, Interrupted) else broken
    return None if isinstance(cause, Exception | Stopped) else cause


def _tell(plugins: Plugins, provider: SmsProvider, message: Message, result: Result) -> None:
    if result.sent is not None:
        plugins.after_send(provider.account, provider.name, message, result.sent)
    elif result.error is not None:
        plugins.send_failed(provider.account, provider.name, message, result.error)


def _veto(plugins: Plugins, provider: SmsProvider, message: Message) -> SendError | None:
    cause = plugins.before_send(provider.account, provider.name, message)
    if cause is None:
        return None
    if isinstance(cause, RefusedError):
        return own(cause, provider, message)
    # In words of anybody, like a vendor's.
    return own(VetoedError(detail=_words(cause)), provider, message, vendors=private_of(provider, message))


def _words(cause: Exception) -> str:
    try:
        return f"{type(cause).__name__}: {cause}"
    except Exception:  # noqa: BLE001  # it cannot say what it is
        return type(cause).__name__
