"""One attempt, classified. No I/O.

``attempt`` is the only place that decides between *accepted*, *refused* and *uncertain*. It drives a provider's flow and
notices when a step that ``sends`` goes out: from then on, whatever the vendor does not explain is uncertain.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from .deadline import Stopped
from .errors import (
    AuthenticationError,
    ConfigurationError,
    ContentError,
    NoAnswer,
    NotAllowed,
    ProviderBugError,
    QueryError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SendError,
    TransportError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
    VetoedError,
    _RecipientTypeError,
    _TextTypeError,
    nothing_left,
)
from .http import Flow
from .messages import Dlt, Foresight, Message, Result, SentMessage, Verification
from .phone import to_e164
from .plain import kind_of
from .privacy import bare, own, private_of, safe_name, scrub, with_trace
from .provider import Capability, SmsProvider
from .quoting import Private
from .rehearsal import rendered, standing_in

T = TypeVar("T")
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
"""For references without digits, which logs would take for a phone number, and mask."""
_NO_DLT = Dlt()


def utc_now() -> datetime:
    """The time, by which texts expire."""
    return datetime.now(UTC)


class Interrupted(BaseException):
    """An attempt was cancelled from outside: ``error`` says what is known of the text, ``cause`` is what to raise.

    Of a batch, ``results`` says what is known of each message, in order; ``error`` is only of those in flight.
    """

    def __init__(self, error: SendError, cause: BaseException, results: Sequence[Result] = ()) -> None:
        super().__init__(type(cause).__name__)
        self.error = error
        self.cause = cause
        self.results = results


def prepare(message: Message, region: str | None) -> Message:
    """``message`` with its number in E.164 and a reference. Raises RecipientError, or ContentError for a text that is none."""
    reference = message.reference or secrets.token_hex(16).translate(_LETTERS)
    problem: RefusedError
    try:
        _refuse_no_text(message)
        return replace(message, to=to_e164(message.to, region), reference=reference)
    except (RecipientError, ContentError) as error:
        problem = copy.copy(error)
    problem.reference = reference
    raise problem  # here, because the frames below hold the number


def _refuse_no_text(message: Message) -> None:
    """Raise RecipientError or ContentError, each of them a TypeError as well, if the number or the text is no string."""
    if not isinstance(message.to, str):
        words = f"to has to be a string with a phone number, not {kind_of(message.to)}"
        raise _RecipientTypeError(words, reason="not-a-number")
    if not isinstance(message.text, str):
        raise _TextTypeError(f"text has to be a string, not {kind_of(message.text)}", reason="not-text")


def attempt(provider: SmsProvider, message: Message) -> Flow[SentMessage]:
    """Send ``message`` once.

    Returns the SentMessage, or raises RefusedError (certainly not sent) or UncertainError.
    """
    provider = standing_in(provider)
    return _attempt(provider, message, provider.send, SentMessage)


def attempt_verification(provider: SmsProvider, message: Message) -> Flow[Verification]:
    """Have a one-time code sent once; raises what :func:`attempt` raises."""
    provider = standing_in(provider)
    return _attempt(provider, message, provider.start_verification, Verification)


def attempt_batch(provider: SmsProvider, messages: Sequence[Message]) -> Flow[list[Result]]:
    """Send ``messages`` in as few requests as the provider allows; one Result each, in order. Raises nothing of its own.

    A batch that was refused for the fault of a message certainly went nowhere, so it is halved until the guilty message
    stands alone: one bad number must not fail the others. A refusal that follows an answer to another part of the batch
    leaves all of it uncertain.
    """
    results: dict[int, Result] = {}
    try:
        yield from attempt_rest(provider, messages, results)
    except Interrupted as interrupted:
        interrupted.results = in_order(results)
        raise
    return in_order(results)


def attempt_all(provider: SmsProvider, messages: Sequence[Message]) -> Flow[list[Result]]:
    """Send ``messages`` in such batches as ``provider`` takes, or one by one; one Result each, in order.

    For providers that hold providers: whoever made these into one batch did not ask this one. Raises nothing of its own.
    """
    if len(messages) == 1:
        return [(yield from _attempt_one(provider, messages[0]))]
    results: dict[int, Result] = {}
    for rows in _batches(provider, messages):
        try:
            answers = yield from attempt_batch(provider, [messages[row] for row in rows])
        except Interrupted as interrupted:
            answers = list(interrupted.results)
            for index in (one for one in range(len(messages)) if one not in results and one not in rows):
                error = own(cancelled(left=False, stop=interrupted.cause), provider, messages[index])
                results[index] = Result(index=index, message=messages[index], error=error)
            results.update(placed(rows, answers))
            interrupted.results = in_order(results)
            raise
        results.update(placed(rows, answers))
    return in_order(results)


def foresee(provider: SmsProvider, message: Message, *, now: datetime) -> Foresight:
    """What :func:`attempt` would do with ``message`` at the time ``now``, as far as anybody can know here. Sends nothing."""
    problem = _problem(provider, message, now=now)
    if problem is None:
        try:
            return provider.foresee(message, now=now)
        except Exception as bug:  # noqa: BLE001  # a provider's bug; its text may quote anything
            problem = own(bug_of(bug), provider, message)
    return refusal(provider, problem)


def refusal(provider: SmsProvider, error: SendError, *inside: Foresight) -> Foresight:
    """The Foresight of a ``provider`` that would raise ``error``, which is its own copy (see :func:`own`)."""
    name, words = type(provider).name, str(error)
    return Foresight(
        account=provider.account, provider=name, verdict="would refuse", words=words, error=error, inside=inside
    )


def query(provider: SmsProvider, start: Callable[[], Flow[T]], *, hide: Private | None = None) -> Flow[T]:
    """An operation that sends nothing. Raises QueryError or ConfigurationError; ``hide`` is kept out of their texts."""
    failure: QueryError | ConfigurationError
    try:
        return (yield from _drive(start))
    except QueryError as error:
        failure = error
    except ConfigurationError as error:  # such as which one of several accounts is meant
        failure = ConfigurationError(str(error))
    except UnsupportedError as error:
        failure = QueryError(str(error.args[0]), reason="unsupported", detail=error.detail)
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
        failure = QueryError(detail=str(error), retryable=not isinstance(error, NotAllowed))
    except Exception as error:  # noqa: BLE001  # a provider's bug; its text may quote anything
        failure = with_trace(QueryError("the provider plugin failed"), error)
    private = (hide or Private([])).beside(provider.secrets())
    if isinstance(failure, ConfigurationError):
        scrub(failure, private)
    else:
        failure = own(failure, provider, None, vendors=private)
    raise failure


# --- inside ---------------------------------------------------------------------------------------------------------------


def in_order(results: Mapping[int, Result]) -> list[Result]:
    """``results`` as a list, in the order of the messages."""
    return [results[index] for index in range(len(results))]


def without(results: Mapping[int, Result], messages: Sequence[Message]) -> list[int]:
    return [index for index in range(len(messages)) if index not in results]


def attempt_rest(provider: SmsProvider, messages: Sequence[Message], results: dict[int, Result]) -> Flow[None]:
    """Send those of ``messages`` that have no result yet, and give each its own, also if this is interrupted."""
    provider = standing_in(provider)
    for index in without(results, messages):
        problem = _problem(provider, messages[index])
        if problem is not None:
            results[index] = Result(index=index, message=messages[index], error=problem)
    pending = without(results, messages)
    todo = [pending] if pending else []
    while todo:
        rows = todo.pop()
        try:
            answers = yield from _attempt_rows(provider, messages, rows)
        except Interrupted as interrupted:
            for index, known_of in zip(rows, interrupted.results, strict=False):  # none, or one for each of these rows
                message, error = messages[index], known_of.error
                error = None if error is None else own(error, provider, message)
                results[index] = Result(index=index, message=message, sent=known_of.sent, error=error)
            for index in without(results, messages):
                known = interrupted.error if index in rows else cancelled(left=False, stop=interrupted.cause)
                error = own(known, provider, messages[index])
                results[index] = Result(index=index, message=messages[index], error=error)
            raise
        if answers is None:
            half = len(rows) // 2
            todo += [rows[half:], rows[:half]]
        else:
            results.update(zip(rows, answers, strict=True))


def _attempt_one(provider: SmsProvider, message: Message) -> Flow[Result]:
    try:
        return Result(index=0, message=message, sent=(yield from attempt(provider, message)))
    except SendError as error:
        return Result(index=0, message=message, error=error)


def _batches(provider: SmsProvider, messages: Sequence[Message]) -> list[list[int]]:
    """The places of ``messages``, as they may share a batch."""
    if Capability.BATCH not in provider.capabilities:
        return [[row] for row in range(len(messages))]
    groups: dict[Hashable, list[int]] = {}
    for row, message in enumerate(messages):
        try:
            key = provider.batch_key(message)
        except Exception:  # noqa: BLE001  # sent alone, the same fault gets its own, classified error
            key = object()
        groups.setdefault(key, []).append(row)
    size = provider.batch_size
    return [rows[start : start + size] for rows in groups.values() for start in range(0, len(rows), size)]


def placed(rows: Sequence[int], answers: Sequence[Result]) -> dict[int, Result]:
    """``answers`` by the places of their messages, ``rows``."""
    return {
        row: one if one.index == row else Result(index=row, message=one.message, sent=one.sent, error=one.error)
        for row, one in zip(rows, answers, strict=True)
    }


def _attempt_rows(provider: SmsProvider, messages: Sequence[Message], rows: Sequence[int]) -> Flow[list[Result] | None]:
    """Send ``rows`` of ``messages`` once; one Result each, or None if they were refused for the fault of one among them."""
    batch = [messages[row] for row in rows]
    try:
        if len(batch) == 1:
            sent = yield from attempt(provider, batch[0])
            return [Result(index=rows[0], message=batch[0], sent=sent)]
        answers: list[Any] = yield from _guard(provider, lambda: provider.send_batch(batch), batch, list)
    except SendError as error:
        if len(batch) > 1 and isinstance(error, RefusedError) and error.fault == "message":
            return None
        return [
            Result(index=row, message=one, error=own(error, provider, one))
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


def _problem(
    provider: SmsProvider, message: Message, *, verification: bool = False, now: datetime | None = None
) -> SendError | None:
    """What is wrong with ``message`` before anybody is asked."""
    if provider.attempts_inside:
        return None
    error: SendError
    if not message.text and not verification:
        return own(ContentError("the text is empty", reason="empty"), provider, message)
    try:
        dlt = message.dlt or _NO_DLT
        f"{message.text}{message.sender}{message.reference}{dlt.entity_id}{dlt.template_id}".encode()
        provider.check(message, verification=verification)
        if message.valid_until is not None:
            refuse_expired(message, now or utc_now())
    except UnicodeEncodeError:
        error = ContentError("the text has half a character (a lone surrogate) in it", reason="not-unicode")
    except RefusedError as refusal:
        error = refusal
    except Exception as bug:  # noqa: BLE001  # a provider's bug; its text may quote anything
        error = bug_of(bug)
    else:
        return None
    return own(error, provider, message)


def refuse_expired(message: Message, now: datetime) -> None:
    """Raise RefusedError if ``message`` is of no use at the time ``now``, or will be when it is to be sent."""
    if message.valid_until is None:
        return
    if message.valid_until <= now:
        raise RefusedError("the text is of no use any more", reason="expired")
    if message.send_at is not None and message.valid_until <= message.send_at:
        raise RefusedError("the text would be of no use when it is to be sent", reason="expired")


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
            if sends:
                trail.unanswered = True  # until more is known, whatever comes between
            try:
                answer = yield step
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  # it belongs to the flow, which may know what to do
                if sends and _unbegun(error):
                    trail.unanswered = False
                step = flow.throw(error)
            else:
                if sends:
                    trail.answered, trail.unanswered = trail.answered + 1, False
                step = flow.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        flow.close()


def _guard(provider: SmsProvider, start: Callable[[], Flow[T]], messages: Sequence[Message], kind: type[T]) -> Flow[T]:
    """Drive a flow that sends, and turn whatever goes wrong into one of the outcomes."""
    trail = _Trail()
    error: SendError
    start = rendered(provider, start, messages, kind)
    try:
        if provider.attempts_inside:  # they keep track; what comes from around them unexplained may follow on anything
            trail.unanswered = True
            value = yield from start()
        else:
            value = yield from _drive(start, trail)
        if isinstance(value, kind) and (isinstance(value, list) or _is_of(value, messages[0])):
            return value
        del value  # it may be anything, and this frame will be part of a traceback
        error = unexplained(TypeError(), left=trail.left)
    except GeneratorExit:
        raise
    except UnsupportedError as unsupported:
        certain = unsupported._settled or provider.attempts_inside or not trail.left  # noqa: SLF001
        error = unsupported if certain else unexplained(unsupported, left=trail.left)
    except SendError as explained:
        error = _settle(trail, explained, batch=len(messages) > 1)
    except TransportError as transport:
        error = UncertainError(detail=str(transport)) if trail.left else _not_sent(transport)
    except Exception as bug:  # noqa: BLE001  # a provider's bug; its text may quote anything
        error = unexplained(bug, left=trail.left)
    except BaseException as stop:  # noqa: BLE001  # cancelled, interrupted from the keyboard, shutting down
        if isinstance(stop, Interrupted):  # from an attempt inside this one, which knows more
            error, cause, results = stop.error, stop.cause, stop.results
        else:
            error, cause, results = cancelled(left=trail.left, stop=stop), stop, ()
        raise Interrupted(own(error, provider, messages[0]), bare(cause), results) from None
    # In the place of the other, which a traceback would show as a variable of this frame.
    error = own(error, provider, messages[0], vendors=private_of(provider, *messages) if trail.asked else None)
    raise error


def _not_sent(transport: TransportError) -> RefusedError:
    words = str(transport)
    return VetoedError(words, reason="in-test") if isinstance(transport, NotAllowed) else UnavailableError(detail=words)


def _unbegun(error: BaseException) -> bool:
    """Whether a step that ended with ``error`` was certainly not begun."""
    return nothing_left(error) or (isinstance(error, Stopped) and not error.begun)


def cancelled(*, left: bool, stop: BaseException | None = None) -> SendError:
    """What is known of a text whose sending was interrupted by ``stop``: uncertain once something may have ``left``."""
    if not isinstance(stop, Stopped):
        words, reason, wait = "cancelled", "cancelled", None
    else:
        words, reason, wait = stop.words, stop.reason, stop.wait
    if left:
        return UncertainError(f"{words} while it was being sent", reason=reason, fault="local")
    kind = UnavailableError if reason == "closed" else RefusedError
    return kind(f"{words} before it was sent", reason=reason, fault="local", retry_after=wait)


def _settle(trail: _Trail, error: SendError, *, batch: bool) -> SendError:
    """The vendor explained, or the provider did; only what left decides whether that can be certain."""
    if error._settled:  # noqa: SLF001  # by an attempt inside this one
        return error
    if batch and trail.answered > 1:
        return _as(UncertainError, error)  # what refused one part of a batch says nothing of the parts before
    if isinstance(error, UncertainError) and trail.asked and not trail.left:
        return _as(UnavailableError, error)  # the answer to a request before the one that sends
    if isinstance(error, RefusedError | UncertainError):
        return error
    return _as(UncertainError if trail.left else RefusedError, error)


def _as(kind: type[SendError], error: SendError) -> SendError:
    return kind(
        code=error.code,
        reason=error.reason,
        detail=error.detail,
        retry_after=error.retry_after,
        attempts=error.attempts,
    )


def unexplained(cause: Exception, *, left: bool) -> SendError:
    """The error of a text that failed for a fault of ours: uncertain once something may have ``left``."""
    if not left:
        return bug_of(cause)
    return with_trace(
        UncertainError(detail=f"the provider plugin could not read the answer ({safe_name(cause)})"), cause
    )


def bug_of(cause: Exception) -> ProviderBugError:
    """The error of our own code that failed before anything was sent."""
    return with_trace(ProviderBugError(detail=safe_name(cause)), cause)


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
    sent_all = private_of(provider, *batch)  # a row may quote its neighbours
    for place, (row, message) in enumerate(zip(rows, batch, strict=True)):
        error: SendError
        match given.get(place):
            case [Result(sent=SentMessage() as sent, error=None)] if _is_of(sent, message):
                results.append(Result(index=row, message=message, sent=sent))
                continue
            case [Result(sent=None, error=RefusedError() | UncertainError() as known)]:
                error = known
            case [Result(sent=None, error=SendError() as vague)]:
                error = _as(UncertainError, vague)
            case None:
                error = UncertainError(detail="the answer has no row for this message")
            case _:
                error = UncertainError(detail="the answer is ambiguous")
        results.append(Result(index=row, message=message, error=own(error, provider, message, vendors=sent_all)))
    return results
