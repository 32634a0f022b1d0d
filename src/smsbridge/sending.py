"""Send messages with the hooks around each. No I/O.

After the hook *before_send* of a message, exactly one of *after_send* and *send_failed* is called. The outcome of a
text is recorded before the hooks are told of it. It comes out even if the send is interrupted, dropped, or broken by a
fault of a hook or of our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from .attempts import attempt_each
from .composite import sent_of
from .deadline import Stopped
from .errors import SendError
from .flow import Flow, Tell, ending
from .messages import Message, Result, SentMessage, Verification
from .plugins import Plugins
from .privacy import bare, own
from .provider import SmsProvider
from .told import Told
from .verdicts import cancelled, unexplained


def deliver(plugins: Plugins, provider: SmsProvider, message: Message) -> Flow[SentMessage]:
    """Send ``message`` through ``provider``, and call the hooks before and after. Returns the accepted text.

    ``message`` comes from ``attempts.prepare``. Raises the SendError of a text that was not accepted, or an
    interruption.
    """
    results: dict[int, Result] = {}
    yield from _deliver(plugins, provider, [message], results)
    return sent_of(results[0])


def deliver_verification(plugins: Plugins, provider: SmsProvider, message: Message) -> Flow[Verification]:
    """Have ``provider`` send a one-time code, and call the hooks before and after. Returns the Verification.

    ``message`` comes from ``attempts.prepare``. Raises the SendError of a code that was not accepted, or an
    interruption.
    """
    results: dict[int, Result] = {}
    yield from _deliver(plugins, provider, [message], results, verification=True)
    return cast("Verification", sent_of(results[0]))


def deliver_batch(plugins: Plugins, provider: SmsProvider, messages: Sequence[Message]) -> Flow[list[Result]]:
    """Send ``messages`` through ``provider``, and call the hooks before and after each message.

    Returns a Result for each message, in order.
    """
    results: dict[int, Result] = {}
    yield from _deliver(plugins, provider, messages, results)
    return [results[row] for row in range(len(messages))]


def deliver_rows(plugins: Plugins, provider: SmsProvider, rows: Sequence[Result], landed: list[Result]) -> Flow[None]:
    """Send the messages of ``rows``, which are Results without an outcome.

    For each of them, a Result with the outcome is added to the list ``landed``, even if the sending is interrupted.
    Raises only interruptions, never a SendError.
    """
    results: dict[int, Result] = {}
    try:
        yield from _deliver(plugins, provider, [row.message for row in rows], results)
    finally:
        landed += [
            Result(index=row.index, message=row.message, sent=known.sent, error=known.error)
            for place, row in enumerate(rows)
            for known in [results.get(place) or _unknown(provider, row)]
        ]


# --- inside -----------------------------------------------------------------------------------------------------------


def _deliver(
    plugins: Plugins,
    provider: SmsProvider,
    messages: Sequence[Message],
    results: dict[int, Result],
    *,
    verification: bool = False,
) -> Flow[None]:
    """Send ``messages``; ``results`` gets the outcome of each.

    Raises an interruption after the hooks were told of all messages.
    """
    rows = [Told(plugins, provider, message) for message in messages] if plugins.are_told_of_sends else []
    stop: BaseException | None = None
    begun = False
    try:
        try:
            if rows:
                yield from Tell(_begin, rows, results)
            begun = True
            for told in rows:
                told.left = True
            stop = yield from _attempt(provider, messages, results, verification=verification)
        # The flow was dropped, or this is a fault of a hook or of ours.
        except BaseException as broken:  # noqa: BLE001
            stop = broken
            for index, message in enumerate(messages):
                if index not in results:
                    error = _known_of(provider, message, broken, left=begun)
                    results[index] = Result(index=index, message=message, error=error)
        if rows and not isinstance(stop, GeneratorExit):
            _, interruption = yield from ending(Tell(_finish, rows, results))
            stop = stop if interruption is None else interruption
    finally:
        try:
            # The rest, if the first call was interrupted.
            _finish(rows, results)
        finally:
            _finish(rows, results)
    # An Exception or Stopped is already an error of the text.
    if stop is not None and not isinstance(stop, Exception | Stopped):
        raise bare(stop)


def _attempt(
    provider: SmsProvider, messages: Sequence[Message], results: dict[int, Result], *, verification: bool
) -> Flow[BaseException | None]:
    """Send the ``messages`` that have no result yet. Returns the interruption, if any."""
    rows = [row for row in range(len(messages)) if row not in results]
    if not rows:
        return None
    sending = messages if len(rows) == len(messages) else [messages[row] for row in rows]
    answers, stop = yield from attempt_each(provider, sending, verification=verification)
    for row, answer in zip(rows, answers, strict=True):
        results[row] = answer if answer.index == row else replace(answer, index=row)
    return stop


def _begin(rows: Sequence[Told], results: dict[int, Result]) -> None:
    """Tell the hooks of all messages. A message that a hook stops gets its result."""
    for index, told in enumerate(rows):
        veto = told.begin()
        if veto is not None:
            results[index] = Result(index=index, message=told.message, error=veto)


def _finish(rows: Sequence[Told], results: dict[int, Result]) -> None:
    """Tell the hooks of all messages. If a hook raises an error that ends a program, that is raised at the end."""
    stop: BaseException | None = None
    for index, told in enumerate(rows):
        if index in results:
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


def _known_of(provider: SmsProvider, message: Message, broken: BaseException, *, left: bool) -> SendError:
    """Return the error of a text whose sending ended with ``broken``, no error of ours; ``left``: it had begun."""
    if isinstance(broken, Exception):
        return own(unexplained(broken, left=left), provider, message)
    return own(cancelled(left=left, stop=broken), provider, message)
