"""Make one attempt to send a message, and classify its outcome as accepted, refused or uncertain. No I/O.

``attempt`` is the only way to a provider's methods that send; ``verdicts`` has the rules of the classification.
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
"""For references without digits: logs would take digits for a phone number, and mask them."""
_texts = attrgetter("text", *(field.name for field in FIELDS if field.kind is str))
_PARTS = [(field.name, tuple(field.parts)) for field in FIELDS if field.parts]


class _RecipientTypeError(RecipientError, TypeError):
    """Raised if the recipient of a message is not a string.

    It is a RecipientError for code that handles the outcomes of texts, and a TypeError for code that looks for
    mistakes.
    """


class _TextTypeError(ContentError, TypeError):
    """Raised if the text of a message is not a string. It is both a ContentError and a TypeError."""


def utc_now() -> datetime:
    """Return the current time in UTC. A message has expired if its ``valid_until`` is not later than this time."""
    return datetime.now(UTC)


def new_reference() -> str:
    """Return a random reference, for a text to which the application gave no reference."""
    return secrets.token_hex(16).translate(_LETTERS)


def prepare(message: Message, region: str | None) -> Message:
    """Return a copy of ``message`` with the number in E.164 and with a reference: a random one if it has none.

    ``region`` is the country (such as ``IN``) of a number without a country code. Raises RecipientError for a number
    that cannot be read, and ContentError if the text is not a string.
    """
    reference = message.reference or new_reference()
    problem: RefusedError
    try:
        _refuse_no_text(message)
        number = to_e164(message.to, region)
        return message if (number, reference) == (message.to, message.reference) else _named(message, number, reference)
    except (RecipientError, ContentError) as error:
        problem = copy.copy(error)
    problem.reference = reference
    # Raised here, because the frames below hold the number.
    raise problem


def _named(message: Message, number: str, reference: str) -> Message:
    """Return ``message`` with this number and reference, without checking all fields as ``replace`` would."""
    named = object.__new__(type(message))
    for attribute in fields(message):
        object.__setattr__(named, attribute.name, getattr(message, attribute.name))
    object.__setattr__(named, "to", number)
    object.__setattr__(named, "reference", reference)
    return named


def _refuse_no_text(message: Message) -> None:
    """Raise RecipientError or ContentError, which are also TypeErrors, if the number or the text is no string."""
    if not isinstance(message.to, str):
        words = f"to has to be a string with a phone number, not {kind_of(message.to)}"
        raise _RecipientTypeError(words, reason="not-a-number")
    if not isinstance(message.text, str):
        raise _TextTypeError(f"text has to be a string, not {kind_of(message.text)}", reason="not-text")


def attempt(provider: SmsProvider, message: Message) -> Flow[SentMessage]:
    """Send ``message`` through ``provider`` once, and return the SentMessage.

    Raises RefusedError (certainly not sent), UncertainError (may have been sent), or an interruption such as a
    cancellation, unchanged.
    """
    (result,), stop = yield from attempt_each(provider, [message])
    return sent_of(result, stop)


def attempt_verification(provider: SmsProvider, message: Message) -> Flow[Verification]:
    """Have ``provider`` send a one-time code once, and return the Verification.

    Raises the same errors as :func:`attempt`.
    """
    (result,), stop = yield from attempt_each(provider, [message], verification=True)
    return cast("Verification", sent_of(result, stop))


def attempt_batch(provider: SmsProvider, messages: Sequence[Message]) -> Flow[list[Result]]:
    """Send ``messages`` through ``provider`` in as few requests as the provider allows.

    Returns one Result for each message, in the same order. The Result of a message that was not accepted holds the
    error. Raises only interruptions, such as a cancellation.
    """
    results, stop = yield from attempt_each(provider, messages)
    if stop is not None:
        raise stop
    return results


def attempt_each(
    provider: SmsProvider, messages: Sequence[Message], *, verification: bool = False, around: Around | None = None
) -> Flow[Answers]:
    """Send each of ``messages`` once.

    Returns the Results in the order of ``messages``, and the interruption that stopped the work, or None. A single
    message is sent by a call of ``send``; several messages are sent by as few calls of ``send_batch`` as the provider
    allows. A batch that the vendor refused because of one message was certainly not sent. It is halved until the faulty
    message is alone: a bad number must not fail the other messages. If the vendor refuses after it has answered another
    part of the batch, the whole batch is uncertain. With ``verification``, the provider sends one-time codes.
    ``around`` is a function that wraps each flow in which the provider sends.
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
    # A single message is never halved.
    ((sent, error),) = (yield from call.made()) or call.cancelled(None)
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
    """Return what :func:`attempt` would do with ``message`` at the time ``now``, as far as smsbridge can know.

    Sends nothing, and does not ask the vendor.
    """
    problem = None if isinstance(provider, Composite) else _problem(provider, message, now=now)
    if problem is None:
        try:
            return _foreseen(provider, message, now)
        # A bug of the provider, whose words may quote anything.
        except Exception as bug:  # noqa: BLE001
            policy = provider.name if isinstance(provider, Composite) else None
            problem = own(bug_of(bug, policy), provider, message)
    return refusal(provider, problem)


def _foreseen(provider: SmsProvider, message: Message, now: datetime) -> Foresight:
    if isinstance(provider, Composite):
        return provider.foresee(message, now=now)
    words = "ends here, and reaches no phone" if provider.stub else "takes it"
    return Foresight(account=provider.account, provider=provider.name, verdict="would send", words=words)


def refusal(provider: SmsProvider, error: SendError, *inside: Foresight) -> Foresight:
    """Return a Foresight which says that ``provider`` would refuse a message with ``error``.

    ``error`` is a copy without private data, made by :func:`own`. ``inside`` holds the Foresights of the providers
    inside ``provider``.
    """
    name, words = provider.name, str(error)
    return Foresight(
        account=provider.account, provider=name, verdict="would refuse", words=words, error=error, inside=inside
    )


def query(provider: SmsProvider, start: Callable[[], Flow[T]], *, hide: Private | None = None) -> Flow[T]:
    """Run an operation of ``provider`` that sends nothing, such as asking for a status, and return the answer.

    ``start`` begins the operation. Raises QueryError or ConfigurationError. The private data in ``hide`` never appears
    in the words of these errors.
    """
    failure: QueryError | ConfigurationError
    try:
        return (yield from drive(start))
    except QueryError as error:
        failure = error
    # For example, several accounts match.
    except ConfigurationError as error:
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
    # A bug of the provider, whose words may quote anything.
    except Exception as error:  # noqa: BLE001
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
    """Return ``rows`` in two parts, the second part first, without messages that are refused now, as expired."""
    for row in rows:
        if (problem := _problem(provider, messages[row])) is not None:
            results[row] = Result(index=row, message=messages[row], error=problem)
    left = [row for row in rows if results[row] is None]
    half = len(left) // 2
    return [part for part in (left[half:], left[:half]) if part]


def batches(provider: SmsProvider, messages: Sequence[Message], pending: Iterable[int]) -> list[list[int]]:
    """Group messages into batches, each of which ``provider`` can send in a single request.

    ``pending`` holds the positions in ``messages`` that are to be grouped; each returned list is a batch of such
    positions.
    """
    if Capability.BATCH not in provider.capabilities:
        return [[row] for row in pending]
    groups: dict[Hashable, list[int]] = {}
    for row in pending:
        try:
            key = provider.batch_key(messages[row])
        # Sent alone, the message gets a classified error for the same fault.
        except Exception:  # noqa: BLE001
            key = object()
        groups.setdefault(key, []).append(row)
    size = provider.batch_size
    return [rows[start : start + size] for rows in groups.values() for start in range(0, len(rows), size)]


def _problem(
    provider: SmsProvider, message: Message, *, verification: bool = False, now: datetime | None = None
) -> SendError | None:
    """Return what is wrong with ``message`` before the vendor is asked; None if it may be sent."""
    error: SendError
    if not message.text and not verification:
        return own(ContentError("the text is empty", reason="empty"), provider, message)
    try:
        _refuse_half_characters(message)
        provider.check(message, verification=verification)
        if message.valid_until is not None:
            refuse_expired(message, now or utc_now())
    except UnicodeEncodeError:
        error = ContentError(
            "the text has half a character (a lone surrogate) in it: it was cut or decoded wrongly",
            reason="not-unicode",
        )
    except RefusedError as refusal:
        error = refusal
    # A bug of the provider, whose words may quote anything.
    except Exception as bug:  # noqa: BLE001
        error = bug_of(bug)
    else:
        return None
    return own(error, provider, message)


def _refuse_half_characters(message: Message) -> None:
    """Raise UnicodeEncodeError if a field of ``message`` that a vendor would get is not valid Unicode."""
    texts = [*_texts(message)]
    for name, parts in _PARTS:
        if (value := getattr(message, name)) is not None:
            texts += [getattr(value, part) for part in parts]
    "".join(map(str, texts)).encode()


def refuse_expired(message: Message, now: datetime) -> None:
    """Raise RefusedError if ``message`` has expired at the time ``now``, or will have expired when it is due.

    It is due at its ``send_at``, if that is set.
    """
    if message.valid_until is None:
        return
    if message.valid_until <= now:
        raise RefusedError("the text expired: valid_until is in the past", reason="expired")
    if message.send_at is not None and message.valid_until <= message.send_at:
        raise RefusedError("the text would expire before it is sent: send_at is after valid_until", reason="expired")
