"""The hooks around one send: exactly one of *after* and *failed* follows each *before*. No I/O.

What is known of a text is written down before the hooks are told of it, and comes out also where the send is interrupted,
dropped, or broken by a fault of a hook or of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

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
from .errors import SendError
from .http import Flow
from .messages import Message, Result, SentMessage, Verification
from .plugins import Plugins
from .privacy import own
from .provider import SmsProvider
from .told import Told

T = TypeVar("T")


def deliver(plugins: Plugins, provider: SmsProvider, message: Message) -> Flow[SentMessage]:
    """One attempt with the hooks around it. ``message`` is prepared."""
    return _deliver(provider, attempt, Told(plugins, provider, message))


def deliver_verification(plugins: Plugins, provider: SmsProvider, message: Message) -> Flow[Verification]:
    """One attempt to have a code sent, with the hooks around it. ``message`` is prepared."""
    return _deliver(provider, attempt_verification, Told(plugins, provider, message))


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
        told = Told(plugins, provider, rows[0].message)
        try:
            yield from _deliver(provider, attempt, told)
        except SendError:
            pass
        finally:
            end = told.end or own(cancelled(left=True), provider, rows[0].message)
            if isinstance(end, SentMessage):
                landed.append(replace(rows[0], sent=end))
            else:
                landed.append(replace(rows[0], error=cast("SendError", end)))
        return
    results: dict[int, Result] = {}
    try:
        yield from _deliver_batch(plugins, provider, [row.message for row in rows], results)
    finally:
        landed += [
            Result(index=row.index, message=row.message, sent=known.sent, error=known.error)
            for place, row in enumerate(rows)
            for known in [results.get(place) or _unknown(provider, row)]
        ]


# --- inside ---------------------------------------------------------------------------------------------------------------


def _deliver(provider: SmsProvider, attempt_once: Callable[[SmsProvider, Message], Flow[T]], told: Told) -> Flow[T]:
    stop: BaseException | None = None
    try:
        try:
            told.end = told.begin()
            if told.end is None:
                told.left = True
                told.end = cast("Any", (yield from attempt_once(provider, told.message)))
        except SendError as failure:
            told.end = failure
        except BaseException as other:  # noqa: BLE001  # interrupted or dropped, or a fault of a hook or of ours
            told.end, stop = (
                _sent_of(other) or _known_of(provider, told.message, other, left=told.left),
                _stop_of(other),
            )
        finally:
            told.finish()
    finally:
        told.finish()
    if stop is not None:
        raise stop
    if isinstance(told.end, SendError):
        raise told.end
    return cast("T", told.end)


def _deliver_batch(
    plugins: Plugins, provider: SmsProvider, messages: Sequence[Message], results: dict[int, Result]
) -> Flow[None]:
    """``results`` gets what becomes of each message."""
    rows = [Told(plugins, provider, message) for message in messages]
    stop: BaseException | None = None
    try:
        try:
            for index, told in enumerate(rows):
                veto = told.begin()
                if veto is not None:
                    results[index] = Result(index=index, message=told.message, error=veto)
            for told in rows:
                told.left = True
            yield from attempt_rest(provider, messages, results)
        except BaseException as other:  # noqa: BLE001  # as above
            stop = _stop_of(other)
            for index in without(results, messages):
                error = _known_of(provider, messages[index], other, left=rows[index].left)
                results[index] = Result(index=index, message=messages[index], error=error)
        finally:
            _finish(rows, results)
    finally:
        _finish(rows, results)
    if stop is not None:
        raise stop


def _finish(rows: Sequence[Told], results: dict[int, Result]) -> None:
    """Tell the hooks of all, also if they raise what ends a program, which is raised in the end."""
    stop: BaseException | None = None
    for index, told in enumerate(rows):
        if index in results and told.end is None:
            told.end = results[index].sent or results[index].error
        try:
            told.finish()
        except BaseException as interrupt:  # noqa: BLE001
            stop = stop or interrupt
        if index not in results:
            results[index] = Result(index=index, message=told.message, error=cast("SendError", told.end))
    if stop is not None:
        raise stop


def _unknown(provider: SmsProvider, row: Result) -> Result:
    return replace(row, error=own(cancelled(left=True), provider, row.message))


def _sent_of(broken: BaseException) -> SentMessage | None:
    """What was sent all the same, of one text."""
    results = broken.results if isinstance(broken, Interrupted) else ()
    return results[0].sent if len(results) == 1 else None


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
