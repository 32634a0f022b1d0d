"""One attempt, classified; and the hooks around one send. No I/O.

``attempt`` is the only place that decides between *accepted*, *refused* and *uncertain*. It drives a provider's flow and
notices when a step that ``sends`` goes out: from then on, whatever the vendor does not explain is uncertain.
"""

from __future__ import annotations

import copy
import secrets
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TypeVar

from .errors import (
    AuthenticationError,
    ContentError,
    NoAnswer,
    NotConnected,
    ProviderBugError,
    QueryError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SendError,
    SmsBridgeError,
    TransportError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
    VetoedError,
)
from .http import Flow
from .messages import Message, Result, SentMessage, Verification
from .phone import mask_numbers, to_e164
from .plugins import Plugins
from .provider import SmsProvider

T = TypeVar("T")
Failure = SendError | UnsupportedError
_SHORTEST_SECRET = 4
_LONGEST_DETAIL = 500


class Interrupted(BaseException):
    """An attempt was cancelled from outside: ``error`` says what is known of the text, ``cause`` is what to raise."""

    def __init__(self, error: SendError, cause: BaseException) -> None:
        super().__init__(type(cause).__name__)
        self.error = error
        self.cause = cause


def prepare(message: Message, region: str | None) -> Message:
    """``message`` with its number in E.164 and a reference. Raises RecipientError."""
    reference = message.reference or secrets.token_hex(16)
    try:
        return replace(message, to=to_e164(message.to, region), reference=reference)
    except RecipientError as error:
        error.reference = reference
        raise


def attempt(provider: SmsProvider, message: Message) -> Flow[SentMessage]:
    """Send ``message`` once.

    Returns the SentMessage, or raises UnsupportedError, RefusedError (certainly not sent) or UncertainError.
    """
    return _attempt(provider, message, provider.send, SentMessage)


def attempt_verification(provider: SmsProvider, message: Message) -> Flow[Verification]:
    """Have a one-time code sent once; raises what :func:`attempt` raises."""
    return _attempt(provider, message, provider.start_verification, Verification)


def attempt_batch(provider: SmsProvider, messages: Sequence[Message]) -> Flow[list[Result]]:
    """Send ``messages`` in as few requests as the provider allows; one Result each, in order. Raises nothing of its own.

    A batch that was refused for the fault of a message certainly went nowhere, so it is halved until the guilty message
    stands alone: one bad number must not fail the others.
    """
    results: dict[int, Result] = {}
    pending: list[int] = []
    for index, message in enumerate(messages):
        problem = _problem(provider, message)
        if problem is None:
            pending.append(index)
        else:
            results[index] = Result(index=index, message=message, error=problem)
    todo = [pending] if pending else []
    while todo:
        rows = todo.pop()
        if len(rows) == 1:
            message = messages[rows[0]]
            try:
                sent = yield from attempt(provider, message)
            except (SendError, UnsupportedError) as error:
                results[rows[0]] = Result(index=rows[0], message=message, error=error)
            else:
                results[rows[0]] = Result(index=rows[0], message=message, sent=sent)
            continue
        batch = [messages[row] for row in rows]
        try:
            answers = yield from _guard(provider, lambda batch=batch: provider.send_batch(batch), batch, list)  # type: ignore[misc]
        except (SendError, UnsupportedError) as error:
            if isinstance(error, RefusedError) and error.fault == "message":
                half = len(rows) // 2
                todo += [rows[half:], rows[:half]]
                continue
            for row in rows:
                own = _with_context(copy.copy(error), provider, messages[row])
                own.reference = messages[row].reference
                results[row] = Result(index=row, message=messages[row], error=own)
        else:
            for row, result in zip(rows, _one_each(provider, batch, answers), strict=True):
                results[row] = replace(result, index=row, message=messages[row])
    return [results[index] for index in range(len(messages))]


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
    allowed: list[int] = []
    for index, message in enumerate(messages):
        veto = plugins.before_send(account, name, message)
        if veto is None:
            allowed.append(index)
        else:
            results[index] = Result(index=index, message=message, error=_veto(provider, message, veto))
    try:
        answers = yield from attempt_batch(provider, [messages[index] for index in allowed])
    except Interrupted as interrupted:
        for index, message in enumerate(messages):
            known = results[index].error if index in results else interrupted.error
            own = copy.copy(known or interrupted.error)
            own.reference = message.reference
            plugins.send_failed(account, name, message, own)
        raise interrupted.cause from None
    for index, result in zip(allowed, answers, strict=True):
        results[index] = replace(result, index=index)
    for index, message in enumerate(messages):
        result = results[index]
        if result.sent is not None:
            plugins.after_send(account, name, message, result.sent)
        elif result.error is not None:
            plugins.send_failed(account, name, message, result.error)
    return [results[index] for index in range(len(messages))]


def query(provider: SmsProvider, start: Callable[[], Flow[T]], *, hide: Sequence[str] = ()) -> Flow[T]:
    """An operation that sends nothing. Raises QueryError or UnsupportedError; ``hide`` is kept out of their texts."""
    try:
        return (yield from _drive(start))
    except (QueryError, UnsupportedError) as error:
        failure: QueryError | UnsupportedError = error
    except SendError as error:
        failure = QueryError(
            code=error.code,
            reason=error.reason,
            detail=error.detail,
            retry_after=error.retry_after,
            retryable=isinstance(error, RateLimitedError | UnavailableError | UncertainError),
            authentication=isinstance(error, AuthenticationError),
            rate_limited=isinstance(error, RateLimitedError),
        )
    except TransportError as error:
        failure = QueryError(detail=str(error), retryable=True)
    except Exception as error:  # noqa: BLE001  # a provider's bug; its text may quote anything
        failure = _with_trace(QueryError("the provider plugin failed"), error)
    _scrub(failure, provider, hide)
    raise _bare(_with_context(failure, provider, None))


# --- inside ---------------------------------------------------------------------------------------------------------------


def _deliver(
    plugins: Plugins,
    provider: SmsProvider,
    message: Message,
    attempt_once: Callable[[SmsProvider, Message], Flow[T]],
) -> Flow[T]:
    account, name = provider.account, provider.name
    veto = plugins.before_send(account, name, message)
    error: Failure
    if veto is None:
        try:
            sent = yield from attempt_once(provider, message)
        except Interrupted as interrupted:
            plugins.send_failed(account, name, message, interrupted.error)
            raise interrupted.cause from None
        except (SendError, UnsupportedError) as failure:
            error = failure
        else:
            plugins.after_send(account, name, message, sent)  # type: ignore[arg-type]  # T is either of the two
            return sent
    else:
        error = _veto(provider, message, veto)
    plugins.send_failed(account, name, message, error)
    raise error


def _veto(provider: SmsProvider, message: Message, cause: Exception) -> SendError:
    error = cause if isinstance(cause, SendError) else VetoedError(detail=f"{type(cause).__name__}: {cause}")
    _scrub(error, provider, [message.text])
    return _bare(_with_context(error, provider, message))


def _attempt(
    provider: SmsProvider, message: Message, operation: Callable[[Message], Flow[T]], kind: type[T]
) -> Flow[T]:
    problem = _problem(provider, message, verification=kind is Verification)
    if problem is not None:
        raise problem
    return (yield from _guard(provider, lambda: operation(message), [message], kind))


def _problem(provider: SmsProvider, message: Message, *, verification: bool = False) -> Failure | None:
    """What is wrong with ``message`` before anybody is asked."""
    error: Failure
    if not message.text and not verification:
        error = ContentError("the text is empty", reason="empty")
        return _with_context(error, provider, message)
    try:
        f"{message.text}{message.sender or ''}{message.reference or ''}".encode()
    except UnicodeEncodeError:
        error = ContentError("the text has half a character (a lone surrogate) in it", reason="not-unicode")
        return _with_context(error, provider, message)
    try:
        provider.check(message, verification=verification)
    except UnsupportedError as unsupported:
        return _bare(_with_context(unsupported, provider, message))
    except Exception as bug:  # noqa: BLE001  # a provider's bug; its text may quote anything
        return _bare(_with_context(_unexplained(_Trail(), bug), provider, message))
    return None


class _Trail:
    """What has left so far."""

    __slots__ = ("left", "unanswered")

    def __init__(self) -> None:
        self.left = False
        self.unanswered = False


def _drive(start: Callable[[], Flow[T]], trail: _Trail | None = None) -> Flow[T]:
    """Pass a flow's steps on to whoever drives us, keeping track of those that send."""
    trail = trail or _Trail()
    flow = start()
    if not isinstance(flow, Generator):
        raise ProviderBugError(
            detail="the provider's method is not a flow; a method without steps needs 'yield from ()'"
        )
    try:
        step = next(flow)
        while True:
            sends = getattr(step, "sends", False)
            if sends and trail.unanswered:
                raise NoAnswer("the provider plugin wanted to send again after a request without an answer")
            try:
                answer = yield step
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  # it belongs to the flow, which may know what to do
                if sends and not isinstance(error, NotConnected):
                    trail.left = trail.unanswered = True
                step = flow.throw(error)
            else:
                trail.left = trail.left or sends
                step = flow.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        flow.close()


def _guard(provider: SmsProvider, start: Callable[[], Flow[T]], messages: Sequence[Message], kind: type[T]) -> Flow[T]:
    """Drive a flow that sends, and turn whatever goes wrong into one of the outcomes."""
    trail = _Trail()
    try:
        value = yield from _drive(start, trail)
        if isinstance(value, kind):
            return value
        error = _unexplained(trail, TypeError(f"the provider returned no {kind.__name__}"))
    except GeneratorExit:
        raise
    except UnsupportedError as unsupported:
        if not trail.left:
            raise _bare(_with_context(unsupported, provider, messages[0])) from None
        error = _unexplained(trail, unsupported)
    except SendError as explained:
        error = _settle(trail, explained)
    except TransportError as transport:
        words = str(transport)
        error = UncertainError(detail=words) if trail.left else UnavailableError(detail=words)
    except Exception as bug:  # noqa: BLE001  # a provider's bug; its text may quote anything
        error = _unexplained(trail, bug)
    except BaseException as cause:  # noqa: BLE001  # cancelled, interrupted from the keyboard, shutting down
        if trail.left:
            error = UncertainError("cancelled while it was being sent", reason="cancelled", fault="local")
        else:
            error = RefusedError("cancelled before it was sent", reason="cancelled", fault="local")
        raise Interrupted(_with_context(error, provider, messages[0]), cause) from None
    for message in messages:
        _scrub(error, provider, [message.text, message.to.lstrip("+")])
    raise _bare(_with_context(error, provider, messages[0]))


def _settle(trail: _Trail, error: SendError) -> SendError:
    """The vendor explained, or the provider did; only what left decides whether that can be certain."""
    if isinstance(error, UncertainError) and not trail.left:
        return _as(UnavailableError, error)
    if isinstance(error, RefusedError | UncertainError):
        return error
    return _as(UncertainError if trail.left else RefusedError, error)


def _as(kind: type[SendError], error: SendError) -> SendError:
    return kind(code=error.code, reason=error.reason, detail=error.detail, retry_after=error.retry_after)


def _unexplained(trail: _Trail, cause: Exception) -> SendError:
    if not trail.left:
        return _with_trace(ProviderBugError(detail=_safe_name(cause)), cause)
    return _with_trace(
        UncertainError(detail=f"the provider plugin could not read the answer ({_safe_name(cause)})"), cause
    )


def _safe_name(cause: Exception) -> str:
    """Our own errors are safe to quote; others may hold what they choked on."""
    return str(cause) if isinstance(cause, SmsBridgeError) else type(cause).__name__


E_ = TypeVar("E_", bound=BaseException)


def _with_trace(error: E_, cause: Exception) -> E_:
    """Keep where ``cause`` came from, as lines of code without values; its text and its frames may hold secrets."""
    for line in traceback.format_tb(cause.__traceback__):
        error.add_note(line.rstrip())
    error.add_note(type(cause).__name__)
    return error


F_ = TypeVar("F_", SendError, UnsupportedError, QueryError, Failure, QueryError | UnsupportedError)


def _with_context(error: F_, provider: SmsProvider, message: Message | None) -> F_:
    error.account = error.account or provider.account
    error.provider = error.provider or provider.name
    error.reference = error.reference or (message.reference if message else None)
    return error


def _bare(error: E_) -> E_:
    """``error`` without the frames and causes below: they hold the request with its token and text."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _scrub(error: SmsBridgeError, provider: SmsProvider, private: Sequence[str]) -> None:
    """Vendors quote what they were sent: keep texts, numbers and secrets out of the error's words."""
    detail = getattr(error, "detail", None)
    if not detail:
        return
    for word in (*provider.secrets(), *private):
        if len(word) >= _SHORTEST_SECRET:
            detail = detail.replace(word, "***")
    detail = mask_numbers(" ".join(detail.split()))
    error.detail = detail if len(detail) <= _LONGEST_DETAIL else f"{detail[:_LONGEST_DETAIL]}…"  # type: ignore[attr-defined]


def _one_each(provider: SmsProvider, batch: Sequence[Message], answers: Sequence[Result]) -> list[Result]:
    """The answer of each message; a missing or a doubled one is uncertain."""
    counts = Counter(answer.index for answer in answers)
    by_index = {answer.index: answer for answer in answers}
    results = []
    for index, message in enumerate(batch):
        answer = by_index.get(index)
        if answer is None or counts[index] != 1 or (answer.sent is None) == (answer.error is None):
            detail = "the answer has no row for this message" if answer is None else "the answer is ambiguous"
            error: Failure = UncertainError(detail=detail)
        elif answer.error is not None:
            error = answer.error
        else:
            results.append(answer)
            continue
        _scrub(error, provider, [message.text, message.to.lstrip("+")])
        results.append(Result(index=index, message=message, error=_bare(_with_context(error, provider, message))))
    return results
