"""One attempt, classified. No I/O.

``attempt`` is the only way to a provider's methods that send; see ``verdicts`` for how it tells *accepted*, *refused*
and *uncertain* apart.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import TypeVar, cast

from .composite import Answers, Around, Composite, sent_of
from .errors import (
    AuthenticationError,
    ConfigurationError,
    ContentError,
    NotAllowed,
    QueryError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SendError,
    TransportError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
)
from .flow import Flow
from .message_fields import FIELDS
from .messages import Foresight, Message, Result, SentMessage, Verification
from .phone import to_e164
from .plain import kind_of
from .privacy import own, scrub, with_trace
from .provider import Capability, SmsProvider
from .quoting import Private
from .rehearsal import standing_in
from .verdicts import Sending, bug_of, drive

T = TypeVar("T")
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
"""For references without digits, which logs would take for a phone number, and mask."""
_texts = attrgetter("text", *(field.name for field in FIELDS if field.kind is str))
_PARTS = [(field.name, tuple(field.parts)) for field in FIELDS if field.parts]


class _RecipientTypeError(RecipientError, TypeError):
    """The recipient is no string.

    A RecipientError to those who handle outcomes, a TypeError to those who look for mistakes.
    """


class _TextTypeError(ContentError, TypeError):
    """The text is no string."""


def utc_now() -> datetime:
    """The time, by which texts expire."""
    return datetime.now(UTC)


def prepare(message: Message, region: str | None) -> Message:
    """``message`` with its number in E.164 and a reference.

    Raises RecipientError, or ContentError for a text that is none.
    """
    reference = message.reference or secrets.token_hex(16).translate(_LETTERS)
    problem: RefusedError
    try:
        _refuse_no_text(message)
        number = to_e164(message.to, region)
        return message if (number, reference) == (message.to, message.reference) else _named(message, number, reference)
    except (RecipientError, ContentError) as error:
        problem = copy.copy(error)
    problem.reference = reference
    raise problem  # here, because the frames below hold the number


def _named(message: Message, number: str, reference: str) -> Message:
    """``message`` with these two in it; its other fields are not read again, as ``dataclasses.replace`` would."""
    named = object.__new__(type(message))
    for one in fields(message):
        object.__setattr__(named, one.name, getattr(message, one.name))
    object.__setattr__(named, "to", number)
    object.__setattr__(named, "reference", reference)
    return named


def _refuse_no_text(message: Message) -> None:
    """Raise RecipientError or ContentError, each a TypeError as well, if the number or the text is no string."""
    if not isinstance(message.to, str):
        words = f"to has to be a string with a phone number, not {kind_of(message.to)}"
        raise _RecipientTypeError(words, reason="not-a-number")
    if not isinstance(message.text, str):
        raise _TextTypeError(f"text has to be a string, not {kind_of(message.text)}", reason="not-text")


def attempt(provider: SmsProvider, message: Message) -> Flow[SentMessage]:
    """Send ``message`` once.

    Returns the SentMessage, or raises RefusedError (certainly not sent), UncertainError, or what interrupted it,
    unchanged.
    """
    (result,), stop = yield from attempt_each(provider, [message])
    return sent_of(result, stop)


def attempt_verification(provider: SmsProvider, message: Message) -> Flow[Verification]:
    """Have a one-time code sent once; raises what :func:`attempt` raises."""
    (result,), stop = yield from attempt_each(provider, [message], verification=True)
    return cast("Verification", sent_of(result, stop))


def attempt_batch(provider: SmsProvider, messages: Sequence[Message]) -> Flow[list[Result]]:
    """Send ``messages`` in as few requests as the provider allows.

    One Result each, in order. Raises interruptions alone.
    """
    results, stop = yield from attempt_each(provider, messages)
    if stop is not None:
        raise stop
    return results


def attempt_each(
    provider: SmsProvider, messages: Sequence[Message], *, verification: bool = False, around: Around | None = None
) -> Flow[Answers]:
    """Send each of ``messages`` once. Returns one Result each, in order, and what interrupted the sending, if anything
    did.

    One message is a call of ``send``, several are as few calls of ``send_batch`` as the provider allows. A batch that
    was refused for the fault of a message certainly went nowhere, so it is halved until the guilty message stands
    alone: one bad number must not fail the others. A refusal that follows an answer to another part of the batch leaves
    all of it uncertain. ``around`` wraps each flow of the provider.
    """
    provider = standing_in(provider)
    if isinstance(provider, Composite):
        return provider.sent_through(messages, verification=verification, around=around)
    if len(messages) == 1:
        return _attempt_one(provider, messages[0], verification=verification, around=around)
    return _attempt_several(provider, messages, verification=verification, around=around)


def _attempt_one(
    provider: SmsProvider, message: Message, *, verification: bool, around: Around | None
) -> Flow[Answers]:
    problem = _problem(provider, message, verification=verification)
    if problem is not None:
        return [Result(index=0, message=message, error=problem)], None
    call = Sending(provider, (message,), verification=verification, around=around)
    ((sent, error),) = (yield from call.made()) or call.cancelled(None)  # one message is never halved
    return [Result(index=0, message=message, sent=sent, error=error)], call.stop


def _attempt_several(
    provider: SmsProvider, messages: Sequence[Message], *, verification: bool, around: Around | None
) -> Flow[Answers]:
    results: list[Result | None] = [None] * len(messages)
    for row, message in enumerate(messages):
        problem = _problem(provider, message, verification=verification)
        if problem is not None:
            results[row] = Result(index=row, message=message, error=problem)
    pending = [row for row, result in enumerate(results) if result is None]
    todo = [[row] for row in pending] if verification or len(pending) < 2 else batches(provider, messages, pending)
    todo.reverse()
    stop: BaseException | None = None
    while todo:
        rows = todo.pop()
        call = Sending(provider, [messages[row] for row in rows], verification=verification, around=around)
        answers = call.cancelled(stop) if stop is not None else (yield from call.made())
        stop = stop or call.stop
        if answers is None:
            todo += _halves(provider, messages, rows, results)
            continue
        for row, (sent, error) in zip(rows, answers, strict=True):
            results[row] = Result(index=row, message=messages[row], sent=sent, error=error)
    return cast("list[Result]", results), stop


def foresee(provider: SmsProvider, message: Message, *, now: datetime) -> Foresight:
    """What :func:`attempt` would do with ``message`` at the time ``now``, as far as anybody can know here.

    Sends nothing.
    """
    problem = None if isinstance(provider, Composite) else _problem(provider, message, now=now)
    if problem is None:
        try:
            return _foreseen(provider, message, now)
        except Exception as bug:  # noqa: BLE001  # a provider's bug; its text may quote anything
            policy = provider.name if isinstance(provider, Composite) else None
            problem = own(bug_of(bug, policy), provider, message)
    return refusal(provider, problem)


def _foreseen(provider: SmsProvider, message: Message, now: datetime) -> Foresight:
    if isinstance(provider, Composite):
        return provider.foresee(message, now=now)
    words = "ends here, and reaches no phone" if provider.stub else "takes it"
    return Foresight(account=provider.account, provider=provider.name, verdict="would send", words=words)


def refusal(provider: SmsProvider, error: SendError, *inside: Foresight) -> Foresight:
    """The Foresight of a ``provider`` that would raise ``error``, which is its own copy (see :func:`own`)."""
    name, words = provider.name, str(error)
    return Foresight(
        account=provider.account, provider=name, verdict="would refuse", words=words, error=error, inside=inside
    )


def query(provider: SmsProvider, start: Callable[[], Flow[T]], *, hide: Private | None = None) -> Flow[T]:
    """An operation that sends nothing. Raises QueryError or ConfigurationError; ``hide`` is kept out of their texts."""
    failure: QueryError | ConfigurationError
    try:
        return (yield from drive(start))
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


# --- inside -----------------------------------------------------------------------------------------------------------


def _halves(
    provider: SmsProvider, messages: Sequence[Message], rows: Sequence[int], results: list[Result | None]
) -> list[list[int]]:
    """``rows`` in two parts, the first one last, without those of which something is wrong by now, such as the time."""
    for row in rows:
        if (problem := _problem(provider, messages[row])) is not None:
            results[row] = Result(index=row, message=messages[row], error=problem)
    left = [row for row in rows if results[row] is None]
    half = len(left) // 2
    return [part for part in (left[half:], left[:half]) if part]


def batches(provider: SmsProvider, messages: Sequence[Message], pending: Iterable[int]) -> list[list[int]]:
    """The places of ``messages`` that are ``pending``, as they may share a batch."""
    if Capability.BATCH not in provider.capabilities:
        return [[row] for row in pending]
    groups: dict[Hashable, list[int]] = {}
    for row in pending:
        try:
            key = provider.batch_key(messages[row])
        except Exception:  # noqa: BLE001  # sent alone, the same fault gets its own, classified error
            key = object()
        groups.setdefault(key, []).append(row)
    size = provider.batch_size
    return [rows[start : start + size] for rows in groups.values() for start in range(0, len(rows), size)]


def _problem(
    provider: SmsProvider, message: Message, *, verification: bool = False, now: datetime | None = None
) -> SendError | None:
    """What is wrong with ``message`` before anybody is asked."""
    error: SendError
    if not message.text and not verification:
        return own(ContentError("the text is empty", reason="empty"), provider, message)
    try:
        _refuse_half_characters(message)
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


def _refuse_half_characters(message: Message) -> None:
    """Raise UnicodeEncodeError if a text of ``message`` that a vendor would get is no Unicode."""
    texts = [*_texts(message)]
    for name, parts in _PARTS:
        if (value := getattr(message, name)) is not None:
            texts += [getattr(value, part) for part in parts]
    "".join(map(str, texts)).encode()


def refuse_expired(message: Message, now: datetime) -> None:
    """Raise RefusedError if ``message`` is of no use at the time ``now``, or will be when it is to be sent."""
    if message.valid_until is None:
        return
    if message.valid_until <= now:
        raise RefusedError("the text is of no use any more", reason="expired")
    if message.send_at is not None and message.valid_until <= message.send_at:
        raise RefusedError("the text would be of no use when it is to be sent", reason="expired")
