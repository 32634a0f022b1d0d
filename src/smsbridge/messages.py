"""The values that applications, providers and hooks exchange.

All are frozen and keyword-only. They hold usable numbers and texts; their ``repr`` shows neither. Datetimes are aware;
what providers report is in UTC.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import wraps
from types import NoneType
from typing import Any, Literal, TypedDict, get_args, get_origin, get_type_hints

from . import plain
from .errors import RefusedError, SendError
from .http import HttpResponse
from .phone import mask


class Purpose(StrEnum):
    """Why a text is sent. Providers turn it into their own route, category or priority."""

    OTP = "otp"
    TRANSACTIONAL = "transactional"
    SERVICE = "service"
    PROMOTIONAL = "promotional"


class Status(StrEnum):
    """How far a text has come. *Accepted* is not *delivered*: only ``DELIVERED`` is.

    ``REJECTED``: refused before a network saw it (policy, DLT, sender, credit). ``UNDELIVERED``: the network said no.
    ``FAILED``: broke inside the provider. ``EXPIRED``: validity ran out. ``UNKNOWN``: the vendor does not know, or used
    a word that we do not.
    """

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    EXPIRED = "expired"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether nothing more is to come. A report may know better, see ``DeliveryReport.final``."""
        return self not in _PENDING


_WORD = re.compile(r"[a-z]{1,20}", re.ASCII | re.IGNORECASE)
_PURPOSES = {one.value: one for one in Purpose}
_PENDING = frozenset({Status.SCHEDULED, Status.QUEUED, Status.SENT, Status.UNKNOWN})


class _Value:
    """A ``repr`` that masks numbers and leaves out what may be secret or private."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = []
        for one in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, one.name)
            number = one.metadata.get("number")
            if number and not isinstance(value, str):
                shown.append(f"{one.name}=<{plain.kind_of(value)}>")
            elif one.repr and value is not None and value is not False and value not in ("", {}):
                shown.append(f"{one.name}={mask(value) if number else repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _number(**options: Any) -> Any:
    return field(metadata={"number": True}, **options)


def _wrong(name: str, wanted: str, value: object) -> TypeError:
    """The error of a field of another type. It shows no value, as that may be a number or a text in the wrong place."""
    return TypeError(f"{name} has to be {wanted}, not {plain.kind_of(value)}")


def _as_text(name: str, value: Any) -> str | None:
    written = plain.text(value)
    if not (written is None or isinstance(written, str)):
        raise _wrong(name, "a string or None", value)
    return written


def _as_dlt(name: str, value: Any) -> Dlt:
    if isinstance(value, Dlt):
        return value
    if not isinstance(value, Mapping):
        raise _wrong(name, "a Dlt, or a mapping with entity_id and template_id", value)
    if not set(value) <= {"entity_id", "template_id"}:
        raise ValueError(f"{name} has entity_id and template_id, and nothing else")
    return Dlt(**value)


def _as_purpose(name: str, value: Any) -> Purpose:
    word = plain.text(value)
    if isinstance(word, str) and word in _PURPOSES:
        return _PURPOSES[word]
    shown = f", not {word}" if isinstance(word, str) and _WORD.fullmatch(word) else ""
    raise ValueError(f"{name} has to be one of {', '.join(Purpose)}{shown}")


def _as_options(name: str, options: Any) -> dict[str, Any]:
    """``options`` with plain dicts, which can be copied and pickled."""
    if type(options) is dict and not options:
        return options
    if not isinstance(options, Mapping) or not all(isinstance(value, Mapping) for value in options.values()):
        raise TypeError(f"{name} has to be a mapping of provider names to mappings")
    return {provider: value if type(value) is dict else dict(value) for provider, value in options.items()}


def _as_moment(name: str, value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise _wrong(name, "a datetime or None", value)
    if value.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: give an aware datetime, such as datetime.now(UTC)")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Dlt:
    """The ids under which an Indian text is registered on a DLT platform: principal entity and content template.

    Either may be None: the provider's settings can hold a default. Source: TRAI's TCCCPR rules, see the providers' pages.
    A Message also takes the mapping that ``dataclasses.asdict`` makes of it, which can go through JSON.
    """

    entity_id: str | None = field(default=None, metadata={"help": "DLT principal entity id (India)."})
    template_id: str | None = field(default=None, metadata={"help": "DLT content template id (India)."})

    def __post_init__(self) -> None:
        for name in ("entity_id", "template_id"):
            value = getattr(self, name)
            if type(value) is not str and value is not None:
                object.__setattr__(self, name, _as_text(name, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount and its unit: a currency (``INR``, ISO 4217) or ``credits``."""

    amount: Decimal
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a text should cost by our own count and rates. ``price`` is None where no rate fits."""

    segments: int
    price: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Message(_Value):
    """One text to one person.

    ``to`` is a phone number; the client turns it into E.164. ``sender`` is the sender id shown on the phone (default:
    the provider's setting). ``reference`` is your own id for the message: unique, kept by every result, error and report;
    the client makes one where you give none. ``send_at`` schedules; after ``valid_until`` the text is of no use.
    ``options`` holds what only one provider knows, by provider: ``{"twincle": {"flash": True}}``; the options of other
    providers are ignored, so that switching stays possible. A field that the chosen provider cannot express is refused
    (UnsupportedError), never dropped.

    Lazy strings, and phone numbers of Django and phonenumbers, become plain strings. What is no text at all in ``to`` or
    ``text`` (None or NaN out of a table) is kept: such a message is refused when it is to be sent, alone among many.
    """

    # The metadata of an optional field is what smsbridge.message_fields.MessageField says of it. A field without any is honoured
    # by the providers whose ``supports`` names it, is an option of the command, and enters the ledger's digest where it is set.
    to: str = _number()
    text: str = field(repr=False)
    sender: str | None = field(
        default=None,
        metadata={
            "option": "--from",
            "metavar": "SENDER",
            "help": "Sender id shown on the phone.",
            "ability": "sender ids",
        },
    )
    purpose: Purpose = field(
        default=Purpose.TRANSACTIONAL, metadata={"declared": False, "help": "Why the text is sent."}
    )
    reference: str | None = field(
        default=None,
        metadata={"declared": False, "metavar": "REF", "help": "Your own id for the message; default: a random one."},
    )
    send_at: datetime | None = field(
        default=None,
        metadata={
            "option": "--at",
            "metavar": "WHEN",
            "help": "Send later: ISO 8601 with zone.",
            "ability": "scheduling",
        },
    )
    valid_until: datetime | None = field(
        default=None,
        metadata={
            "metavar": "WHEN",
            "help": "The text is of no use after this.",
            "ability": "validity",
            "distinguishes": False,
        },
    )
    dlt: Dlt | None = field(default=None, metadata={"ability": "DLT ids"})
    options: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict,
        repr=False,
        metadata={
            "declared": False,
            "option": "--option",
            "metavar": "KEY=VALUE",
            "help": "An option of the chosen provider alone; may be repeated.",
        },
    )

    def __post_init__(self) -> None:
        assign = object.__setattr__
        if type(self.to) is not str:
            assign(self, "to", plain.number(self.to))
        if type(self.text) is not str:
            assign(self, "text", plain.text(self.text))
        for name, plain_types, read in _CHECKS:
            value = getattr(self, name)
            if type(value) not in plain_types:
                assign(self, name, read(name, value))


def _without_frames(init: Callable[..., None]) -> Callable[..., None]:
    """``init`` of a Message, whose errors come without its own frames: those hold the number and the text."""

    @wraps(init)
    def checked(self: Message, **given: Any) -> None:
        try:
            return init(self, **given)
        except Exception as error:  # noqa: BLE001  # raised below
            if not isinstance(
                error, TypeError | ValueError
            ):  # of a lazy text: lines of code show where, without values
                error.add_note("".join(traceback.format_tb(error.__traceback__)).rstrip())
            problem = error.with_traceback(None)
            problem.__cause__ = problem.__context__ = None
        given.clear()
        del self  # half made, it has no repr
        raise problem

    return checked


Message.__init__ = _without_frames(Message.__init__)  # type: ignore[method-assign]  # a dataclass writes its own


def _kind(hint: Any) -> type:
    """The type of a field's values that are not None."""
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if NoneType in get_args(hint) else [hint]
    kind: type = get_origin(kinds[0]) or kinds[0]
    return kind


KINDS: Mapping[str, type] = {name: _kind(hint) for name, hint in get_type_hints(Message).items()}
"""The type of each field of a Message, apart from None."""

_READERS: Mapping[type, tuple[Callable[[str, Any], Any], tuple[type, ...]]] = {
    str: (_as_text, (str,)),
    Purpose: (_as_purpose, (Purpose,)),
    Dlt: (_as_dlt, (Dlt,)),
    datetime: (_as_moment, ()),
    Mapping: (_as_options, ()),
}
"""How a value of each type is checked, and the types that need no look."""

_CHECKS = tuple(
    (one.name, (*fine, NoneType) if one.default is None else fine, read)
    for kind, (read, fine) in _READERS.items()
    for one in fields(Message)
    if KINDS[one.name] is kind and one.name not in ("to", "text")
)


class MessageFields(TypedDict, total=False):
    """The optional fields of a Message."""

    sender: str | None
    purpose: Purpose
    reference: str | None
    send_at: datetime | None
    valid_until: datetime | None
    dlt: Dlt | None
    options: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SentMessage(_Value):
    """A text that a provider accepted, which is not yet one that was delivered.

    ``id`` is the vendor's; ``account`` and ``provider`` say who took it. ``segments`` and ``price`` are the vendor's own
    figures, None where it gives none. ``at`` is when it was accepted, in UTC. ``raw`` is the vendor's answer. ``repeated`` says that a
    ledger answers: it was accepted before under this reference, and nothing was sent now.
    """

    account: str
    provider: str
    id: str
    to: str = _number(default="")
    reference: str = ""
    status: Status = Status.UNKNOWN
    segments: int | None = None
    price: Money | None = None
    at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    repeated: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeliveryReport(_Value):
    """What became of a text. ``final`` says that no more reports are to come, whatever ``status`` is.

    ``code`` and ``reason`` explain a failure: the vendor's code, and a short word of ours. ``key`` is the same each time
    the same report comes, so that a repeated webhook can be recognised. ``at`` is in UTC.
    """

    account: str
    provider: str
    id: str
    to: str = _number(default="")
    reference: str = ""
    status: Status
    final: bool
    code: str | None = None
    reason: str | None = None
    at: datetime | None = None
    segments: int | None = None
    price: Money | None = None
    key: str = field(default="", repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InboundMessage(_Value):
    """A text that came in from a phone. ``key`` is stable over repeated webhooks; ``at`` is in UTC.

    ``taken_as`` is set where the vendor itself says that it took the text for an opt-out or opt-in, or for a call for help, in
    whatever language. A person who told the vendor in another way, such as by a link, has sent no text: it is empty then.
    """

    account: str
    provider: str
    id: str
    sender: str = _number()
    to: str = _number()
    text: str = field(repr=False)
    taken_as: Literal["stop", "start", "help"] | None = None
    at: datetime | None = None
    key: str = field(default="", repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


Event = DeliveryReport | InboundMessage
"""What a webhook can bring."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Balance(_Value):
    """What is left on an account, for one of its services."""

    service: str
    amount: Decimal
    unit: str
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verification(_Value):
    """A one-time code that a provider took on to send. ``expires_at`` is in UTC, None where the vendor does not say.

    ``repeated`` is as of a SentMessage.
    """

    account: str
    provider: str
    id: str
    to: str = _number(default="")
    reference: str = ""
    expires_at: datetime | None = None
    repeated: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationCheck:
    """Whether a code was right; if not, ``reason`` is ``wrong-code``, ``expired``, ``unknown``, ``used`` or the vendor's word."""

    approved: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one message of many: either ``sent`` or ``error`` is set. ``index`` is its place in the input."""

    index: int
    message: Message
    sent: SentMessage | None = None
    error: SendError | None = None

    @property
    def may_have_arrived(self) -> bool:
        """Whether the text was accepted, or may have been: then it must not be sent again without looking it up."""
        return self.sent is not None or (self.error is not None and not isinstance(self.error, RefusedError))


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """What a provider would do with a message, as far as can be known without asking the vendor.

    ``error`` is what it would be refused with; ``words`` say why, or how it would go on, and hold no text and no full number.
    ``inside`` are those of the providers that it holds, in the order in which they would be tried. ``would skip`` is said of
    those that would not be reached.
    """

    account: str
    provider: str
    verdict: Literal["would send", "would skip", "would refuse"]
    words: str = ""
    error: SendError | None = None
    inside: tuple[Foresight, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What a webhook brought, and what to answer it with."""

    events: tuple[Event, ...]
    response: HttpResponse


def utc_from_timestamp(seconds: float) -> datetime:
    """A vendor's Unix timestamp as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
