"""The hooks around one send: exactly one of *after* and *failed* follows each *before*. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from .attempts import Interrupted, attempt, attempt_rest, attempt_verification, cancelled, in_order, without
from .errors import RefusedError, SendError, VetoedError
from .http import Flow
from .messages import Message, Result, SentMessage, Verification
from .plugins import Plugins
from .privacy import own
from .provider import SmsProvider

T = TypeVar("T")


def deliver(plugins: Plugins, provider: SmsProvider, message: Message) -> Flow[SentMessage]:
    """One attempt with the hooks around it. ``message`` is prepared."""
    return _deliver(plugins, provider, message, attempt)


def deliver_verification(plugins: Plugins, provider: SmsProvider, message: Message) -> Flow[Verification]:
    """One attempt to have a code sent, with the hooks around it. ``message`` is prepared."""
    return _deliver(plugins, provider, message, attempt_verification)


def deliver_batch(plugins: Plugins, provider: SmsProvider, messages: Sequence[Message]) -> Flow[list[Result]]:
    """One batch with the hooks around each message; one Result each, in order."""
    account, name = provider.account, provider.name
    results: dict[int, Result] = {}
    for index, message in enumerate(messages):
        veto = _veto(plugins, provider, message)
        if veto is not None:
            results[index] = Result(index=index, message=message, error=veto)
    stop: BaseException | None = None
    try:
        yield from attempt_rest(provider, messages, results)
    except Interrupted as interrupted:
        stop = interrupted.cause
    except GeneratorExit as dropped:
        stop = dropped
        for index in without(results, messages):
            error = own(cancelled(left=True), provider, messages[index])
            results[index] = Result(index=index, message=messages[index], error=error)
    for index, message in enumerate(messages):
        result = results[index]
        if result.sent is not None:
            plugins.after_send(account, name, message, result.sent)
        elif result.error is not None:
            plugins.send_failed(account, name, message, result.error)
    if stop is not None:
        raise stop
    return in_order(results)


# --- inside ---------------------------------------------------------------------------------------------------------------


def _deliver(
    plugins: Plugins,
    provider: SmsProvider,
    message: Message,
    attempt_once: Callable[[SmsProvider, Message], Flow[T]],
) -> Flow[T]:
    account, name = provider.account, provider.name
    error: SendError | None = _veto(plugins, provider, message)
    stop: BaseException | None = None
    if error is None:
        try:
            sent = yield from attempt_once(provider, message)
        except Interrupted as interrupted:
            error, stop = interrupted.error, interrupted.cause
        except GeneratorExit as dropped:
            error, stop = own(cancelled(left=True), provider, message), dropped
        except SendError as failure:
            error = failure
        else:
            plugins.after_send(account, name, message, sent)  # type: ignore[arg-type]  # T is either of the two
            return sent
    plugins.send_failed(account, name, message, error)
    raise stop or error


def _veto(plugins: Plugins, provider: SmsProvider, message: Message) -> SendError | None:
    cause = plugins.before_send(provider.account, provider.name, message)
    if cause is None:
        return None
    error = cause if isinstance(cause, RefusedError) else VetoedError(detail=f"{type(cause).__name__}: {cause}")
    return own(error, provider, message)
