"""One attempt, classified; and the hooks around one send. No I/O.

``attempt`` is the only place that decides between *accepted*, *refused* and *uncertain*. It drives a provider's flow and
notices when a step that ``sends`` goes out: from then on, whatever the vendor does not explain is uncertain.
"""

from __future__ import annotations

import copy
import json
import secrets
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from .environment import SHORTEST_SECRET
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
from .messages import Dlt, Message, Result, SentMessage, Verification
from .phone import mask_numbers, to_e164
from .plugins import Plugins
from .provider import SmsProvider

T = TypeVar("T")
Failure = SendError | UnsupportedError
_NO_DLT = Dlt()
_LONGEST_DETAIL = 500
_NATIONAL_DIGITS = 8  # the last digits of a number, which vendors quote without its country too


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
        problem = copy.copy(error)
    problem.reference = reference
    raise problem  # here, because the frames below hold the number


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
    stands alone: one bad number must not fail the others. A refusal that follows an answer to another part of the batch
    leaves all of it uncertain.
    """
    results: dict[int, Result] = {}
    yield from _attempt_rest(provider, messages, results)
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
    for index, message in enumerate(messages):
        veto = _veto(plugins, provider, message)
        if veto is not None:
            results[index] = Result(index=index, message=message, error=veto)
    stop: BaseException | None = None
    try:
        yield from _attempt_rest(provider, messages, results)
    except Interrupted as interrupted:
        stop = interrupted.cause
    except GeneratorExit as dropped:
        stop = dropped
        for index in _without(results, messages):
            error = _own(_cancelled(left=True), provider, messages[index])
            results[index] = Result(index=index, message=messages[index], error=error)
    for index, message in enumerate(messages):
        result = results[index]
        if result.sent is not None:
            plugins.after_send(account, name, message, result.sent)
        elif result.error is not None:
            plugins.send_failed(account, name, message, result.error)
    if stop is not None:
        raise stop
    return [results[index] for index in range(len(messages))]


def query(provider: SmsProvider, start: Callable[[], Flow[T]], *, hide: Sequence[SecretStr] = ()) -> Flow[T]:
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
    failure = _own(failure, provider, None)
    _scrub(failure, [one.get_secret_value() for one in hide])
    raise failure


# --- inside ---------------------------------------------------------------------------------------------------------------


def _deliver(
    plugins: Plugins,
    provider: SmsProvider,
    message: Message,
    attempt_once: Callable[[SmsProvider, Message], Flow[T]],
) -> Flow[T]:
    account, name = provider.account, provider.name
    error: Failure | None = _veto(plugins, provider, message)
    stop: BaseException | None = None
    if error is None:
        try:
            sent = yield from attempt_once(provider, message)
        except Interrupted as interrupted:
            error, stop = interrupted.error, interrupted.cause
        except GeneratorExit as dropped:
            error, stop = _own(_cancelled(left=True), provider, message), dropped
        except (SendError, UnsupportedError) as failure:
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
    return _own(error, provider, message)


def _without(results: Mapping[int, Result], messages: Sequence[Message]) -> list[int]:
    return [index for index in range(len(messages)) if index not in results]


def _attempt_rest(provider: SmsProvider, messages: Sequence[Message], results: dict[int, Result]) -> Flow[None]:
    """Send those of ``messages`` that have no result yet, and give each its own, also if this is interrupted."""
    for index in _without(results, messages):
        problem = _problem(provider, messages[index])
        if problem is not None:
            results[index] = Result(index=index, message=messages[index], error=problem)
    pending = _without(results, messages)
    todo = [pending] if pending else []
    while todo:
        rows = todo.pop()
        try:
            answers = yield from _attempt_rows(provider, messages, rows)
        except Interrupted as interrupted:
            for index in _without(results, messages):
                known = interrupted.error if index in rows else _cancelled(left=False)
                error = _own(known, provider, messages[index])
                results[index] = Result(index=index, message=messages[index], error=error)
            raise
        if answers is None:
            half = len(rows) // 2
            todo += [rows[half:], rows[:half]]
        else:
            results.update(zip(rows, answers, strict=True))


def _attempt_rows(provider: SmsProvider, messages: Sequence[Message], rows: Sequence[int]) -> Flow[list[Result] | None]:
    """Send ``rows`` of ``messages`` once; one Result each, or None if they were refused for the fault of one among them."""
    batch = [messages[row] for row in rows]
    try:
        if len(batch) == 1:
            sent = yield from attempt(provider, batch[0])
            return [Result(index=rows[0], message=batch[0], sent=sent)]
        answers: list[Any] = yield from _guard(provider, lambda: provider.send_batch(batch), batch, list)
    except (SendError, UnsupportedError) as error:
        if len(batch) > 1 and isinstance(error, RefusedError) and error.fault == "message":
            return None
        return [
            Result(index=row, message=one, error=_own(error, provider, one))
            for row, one in zip(rows, batch, strict=True)
        ]
    return _one_each(provider, batch, rows, answers)


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
        return _own(ContentError("the text is empty", reason="empty"), provider, message)
    try:
        dlt = message.dlt or _NO_DLT
        f"{message.text}{message.sender}{message.reference}{dlt.entity_id}{dlt.template_id}".encode()
        provider.check(message, verification=verification)
    except UnicodeEncodeError:
        error = ContentError("the text has half a character (a lone surrogate) in it", reason="not-unicode")
    except (UnsupportedError, RefusedError) as refusal:
        error = refusal
    except Exception as bug:  # noqa: BLE001  # a provider's bug; its text may quote anything
        error = _unexplained(_Trail(), bug)
    else:
        return None
    return _own(error, provider, message)


class _Trail:
    """What has left so far: whether anything was asked, and of what sends, how much was answered, and whether all was."""

    __slots__ = ("answered", "asked", "unanswered")

    def __init__(self) -> None:
        self.asked = False
        self.answered = 0
        self.unanswered = False

    @property
    def left(self) -> bool:
        return self.unanswered or self.answered > 0


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
            trail.asked = True
            try:
                answer = yield step
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  # it belongs to the flow, which may know what to do
                if sends and not isinstance(error, NotConnected):
                    trail.unanswered = True
                step = flow.throw(error)
            else:
                trail.answered += sends
                step = flow.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        flow.close()


def _guard(provider: SmsProvider, start: Callable[[], Flow[T]], messages: Sequence[Message], kind: type[T]) -> Flow[T]:
    """Drive a flow that sends, and turn whatever goes wrong into one of the outcomes."""
    trail = _Trail()
    error: Failure
    try:
        value = yield from _drive(start, trail)
        if isinstance(value, kind) and (isinstance(value, list) or _is_of(value, messages[0])):
            return value
        del value  # it may be anything, and this frame will be part of a traceback
        error = _unexplained(trail, TypeError())
    except GeneratorExit:
        raise
    except UnsupportedError as unsupported:
        error = _unexplained(trail, unsupported) if trail.left else unsupported
    except SendError as explained:
        error = _settle(trail, explained, batch=len(messages) > 1)
    except TransportError as transport:
        words = str(transport)
        error = UncertainError(detail=words) if trail.left else UnavailableError(detail=words)
    except Exception as bug:  # noqa: BLE001  # a provider's bug; its text may quote anything
        error = _unexplained(trail, bug)
    except BaseException as stop:  # noqa: BLE001  # cancelled, interrupted from the keyboard, shutting down
        cause = stop.cause if isinstance(stop, Interrupted) else stop  # the former from an attempt inside this one
        raise Interrupted(_own(_cancelled(left=trail.left), provider, messages[0]), _bare(cause)) from None
    error = _own(error, provider, messages[0])
    for other in messages[1:]:
        _scrub(error, _private(other))
    raise error


def _cancelled(*, left: bool) -> SendError:
    if left:
        return UncertainError("cancelled while it was being sent", reason="cancelled", fault="local")
    return RefusedError("cancelled before it was sent", reason="cancelled", fault="local")


def _settle(trail: _Trail, error: SendError, *, batch: bool) -> SendError:
    """The vendor explained, or the provider did; only what left decides whether that can be certain."""
    if batch and trail.answered > 1:
        return _as(UncertainError, error)  # what refused one part of a batch says nothing of the parts before
    if isinstance(error, UncertainError) and trail.asked and not trail.left:
        return _as(UnavailableError, error)  # the answer to a request before the one that sends
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


class _Note(str):
    """A note of ours. Others, added by a plugin or a library, may hold anything."""

    __slots__ = ()


def _with_trace(error: E_, cause: Exception) -> E_:
    """Keep where ``cause`` came from, as lines of code without values; its text and its frames may hold secrets."""
    for line in traceback.format_tb(cause.__traceback__):
        error.add_note(_Note(line.rstrip()))
    error.add_note(_Note(type(cause).__name__))
    return error


F_ = TypeVar("F_", SendError, UnsupportedError, QueryError, Failure, QueryError | UnsupportedError)


def _own(error: F_, provider: SmsProvider, message: Message | None) -> F_:
    """A copy of ``error`` for ``message`` alone, with nothing private in it.

    Being a copy it has no frames and no causes: those hold the request with its token and text.
    """
    own = copy.copy(error)
    own.__notes__ = [note for note in getattr(error, "__notes__", []) if isinstance(note, _Note)]
    own.account = error.account or provider.account
    own.provider = error.provider or provider.name
    private = provider.secrets()
    if message is not None:
        own.reference = message.reference
        private += _private(message)
    _scrub(own, private)
    return own


def _bare(error: E_) -> E_:
    """``error`` without the frames and causes below: they hold the request with its token and text."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _private(message: Message) -> list[str]:
    return [message.text, message.to, message.to.lstrip("+"), message.to[-_NATIONAL_DIGITS:]]


def _forms(word: str) -> Iterator[str]:
    """``word`` as it stands, and as JSON, URLs and JSON in URLs hold it."""
    for form in (word, json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]):
        data = form.encode("utf-8", "replace")
        yield from (form, quote(data), quote_plus(data))


def _scrub(error: SmsBridgeError, private: Sequence[str]) -> None:
    """Vendors quote what they were sent: keep texts, numbers and secrets out of the error's words."""
    forms = {form for word in private if len(word) >= SHORTEST_SECRET for form in _forms(word)}

    def clean(words: str) -> str:
        for form in sorted(forms, key=len, reverse=True):
            words = words.replace(form, "***")
        return words

    for name in ("code", "reason"):
        if value := getattr(error, name, None):
            setattr(error, name, clean(str(value)))
    if error.args and error.args[0] != getattr(error, "summary", None):
        error.args = (mask_numbers(clean(str(error.args[0]))), *error.args[1:])
    if detail := getattr(error, "detail", None):
        detail = mask_numbers(" ".join(clean(str(detail)).split()))
        error.detail = detail if len(detail) <= _LONGEST_DETAIL else f"{detail[:_LONGEST_DETAIL]}…"  # type: ignore[attr-defined]


def _is_of(sent: Any, message: Message) -> bool:
    """Whether ``sent`` has an id and does not say that it is of another message."""
    return isinstance(sent.id, str) and sent.id != "" and sent.reference in ("", message.reference)


def _one_each(
    provider: SmsProvider, batch: Sequence[Message], rows: Sequence[int], answers: Sequence[Any]
) -> list[Result]:
    """The answer of each message, under its row; a missing, doubled or senseless one is uncertain."""
    given: dict[int, list[Result]] = {}
    for answer in answers:
        if isinstance(answer, Result) and isinstance(answer.index, int):
            given.setdefault(answer.index, []).append(answer)
    results = []
    for place, (row, message) in enumerate(zip(rows, batch, strict=True)):
        error: Failure
        match given.get(place):
            case [Result(sent=SentMessage() as sent, error=None)] if _is_of(sent, message):
                results.append(Result(index=row, message=message, sent=sent))
                continue
            case [Result(sent=None, error=RefusedError() | UncertainError() | UnsupportedError() as known)]:
                error = known
            case [Result(sent=None, error=SendError() as vague)]:
                error = _as(UncertainError, vague)
            case None:
                error = UncertainError(detail="the answer has no row for this message")
            case _:
                error = UncertainError(detail="the answer is ambiguous")
        results.append(Result(index=row, message=message, error=_own(error, provider, message)))
    return results
