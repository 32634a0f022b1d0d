"""The values that applications, providers and hooks exchange, such as Message and DeliveryReport.

All are frozen and keyword-only. They hold usable numbers and texts; their ``repr`` shows neither. Datetimes are aware,
and in UTC where a provider reports them.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from functools import wraps
from types import NoneType
from typing import Any, Literal, TypedDict, get_args, get_origin, get_type_hints

from . import plain
from .errors import RefusedError, SendError
from .http import HttpResponse
from .shown import Shown
from .values import READERS, Cost, Dlt, Money, Purpose, Status, Value, number

__all__ = [
    "KINDS",
    "Balance",
    "Cost",
    "DeliveryReport",
    "Dlt",
    "Event",
    "Foresight",
    "InboundMessage",
    "Message",
    "MessageFields",
    "Money",
    "Purpose",
    "Received",
    "Result",
    "SentMessage",
    "Status",
    "Verification",
    "VerificationCheck",
    "utc_from_timestamp",
]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Message(Value):
    """A text to a single recipient.

    ``to`` is a phone number; the client turns it into E.164. ``sender`` is the sender id shown on the phone (default:
    the provider's setting). ``reference`` is your own id for the message: unique, kept by every result, error and
    report; the client makes a reference if you give none. ``send_at`` schedules the text; after ``valid_until`` it is
    useless. ``options`` holds options of a single provider, by the provider's name: ``{"twincle": {"flash": True}}``;
    options of other providers are ignored, so that you can switch providers. A field that the chosen provider cannot
    express is refused (UnsupportedError), never dropped. ``context`` holds your own strings, such as the id of a
    customer: it is never sent, and comes back in reports, hooks and the rows of the ledger.

    Lazy strings, and phone numbers of Django and phonenumbers, become plain strings. Other values in ``to`` or ``text``
    (None or NaN from a table) are kept: when such a message is sent, it alone is refused, also among many.
    """

    # The metadata of an optional field is described by smsbridge.message_fields.MessageField. A field without metadata
    # is honoured by the providers whose ``supports`` names it, is an option of the command, and enters the ledger's
    # digest where it is set.
    to: str = number()
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
            "help": "The text is useless after this.",
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
            "help": "An option of the chosen provider; may be repeated.",
        },
    )
    context: Mapping[str, str] = field(
        default_factory=dict,
        repr=False,
        metadata={
            "declared": False,
            "distinguishes": False,
            "metavar": "KEY=VALUE",
            "help": "A string of your own, kept beside the text and never sent; may be repeated.",
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
    """Wrap ``init`` of a Message, so that its errors come without its frames, which hold the number and the text."""

    @wraps(init)
    def checked(self: Message, **given: Any) -> None:
        try:
            return init(self, **given)
        except Exception as error:  # noqa: BLE001  # raised below
            # An error of a lazy text: a note with lines of code shows where it happened, without values.
            if not isinstance(error, TypeError | ValueError):
                error.add_note("".join(traceback.format_tb(error.__traceback__)).rstrip())
            problem = error.with_traceback(None)
            problem.__cause__ = problem.__context__ = None
        given.clear()
        # It is incomplete, and has no repr.
        del self
        raise problem

    return checked


Message.__init__ = _without_frames(Message.__init__)  # type: ignore[method-assign]  # a dataclass writes its own


def _kind(hint: Any) -> type:
    """Return the type of a field's values, apart from None."""
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if NoneType in get_args(hint) else [hint]
    if get_args(kinds[0]) == (str, str):  # context: its values are strings, those of options are mappings
        return dict
    kind: type = get_origin(kinds[0]) or kinds[0]
    return kind


KINDS: Mapping[str, type] = {name: _kind(hint) for name, hint in get_type_hints(Message).items()}
"""The type of each field of a Message, apart from None."""

_CHECKS = tuple(
    (attribute.name, (*fine, NoneType) if attribute.default is None else fine, read)
    for kind, (read, fine) in READERS.items()
    for attribute in fields(Message)
    if KINDS[attribute.name] is kind and attribute.name not in ("to", "text")
)


class MessageFields(TypedDict, total=False):
    """The optional fields of a Message, as keyword arguments of ``send``. :class:`Message` explains each of them."""

    sender: str | None
    purpose: Purpose
    reference: str | None
    send_at: datetime | None
    valid_until: datetime | None
    dlt: Dlt | None
    options: Mapping[str, Mapping[str, Any]]
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SentMessage(Value):
    """A text that a provider accepted; it may not be delivered yet.

    ``id`` is the vendor's id for the text; ``account`` and ``provider`` took the text. ``segments`` and ``price`` are
    the vendor's own figures, None if the vendor gives none. ``at`` is the time of acceptance, in UTC. ``raw`` is the
    vendor's answer. ``repeated`` means that the ledger gave this result: the text was accepted earlier under the same
    reference, and nothing was sent now.
    """

    account: str
    provider: str
    id: str
    to: str = number(default="")
    reference: str = ""
    status: Status = Status.UNKNOWN
    segments: int | None = None
    price: Money | None = None
    at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    repeated: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeliveryReport(Value):
    """A report of how far a text has come. ``final`` means that no more reports will come, whatever ``status`` is.

    ``code`` and ``reason`` explain a failure: the vendor's code, and a short word of smsbridge. ``key`` is the same
    each time the same report comes, so that a repeated webhook can be recognised. ``at`` is in UTC. ``part`` means that
    the report is about a single part of a long text, and ``id`` is the id of that part. ``context`` is the context of
    the message, if a ledger kept it.
    """

    account: str
    provider: str
    id: str
    to: str = number(default="")
    reference: str = ""
    status: Status
    final: bool
    code: str | None = None
    reason: str | None = None
    at: datetime | None = None
    segments: int | None = None
    price: Money | None = None
    key: str = field(default="", repr=False)
    part: bool = False
    context: Mapping[str, str] = field(default_factory=dict, repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InboundMessage(Value):
    """A text that came in from a phone. ``key`` is the same each time the same text comes; ``at`` is in UTC.

    ``taken_as`` says whether the text counts as an opt-out, an opt-in or a call for help. The vendor may have decided
    this, in any language. Otherwise the opt-out policy sets ``stop`` or ``start`` for a text after which it has changed
    its list. ``taken_as`` is None if neither has done so. A person may also opt out in another way, such as by a link;
    then ``text`` is empty.
    """

    account: str
    provider: str
    id: str
    sender: str = number()
    to: str = number()
    text: str = field(repr=False)
    taken_as: Literal["stop", "start", "help"] | None = None
    at: datetime | None = None
    key: str = field(default="", repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


Event = DeliveryReport | InboundMessage
"""An event that a webhook can bring."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Balance(Value):
    """The balance that is left on an account at a vendor, for a single service of this vendor."""

    service: str
    amount: Decimal
    unit: str
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verification(Value):
    """A one-time code that a provider agreed to send. ``expires_at`` is in UTC, None if the vendor does not say.

    ``repeated`` means that the ledger gave this result: the code was accepted earlier under the same reference, and
    nothing was sent now.
    """

    account: str
    provider: str
    id: str
    to: str = number(default="")
    reference: str = ""
    expires_at: datetime | None = None
    repeated: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationCheck(metaclass=Shown):
    """The vendor's answer to the question whether a one-time code is right: ``approved`` is true if the code is right.

    Otherwise ``reason`` is ``wrong-code``, ``expired``, ``unknown``, ``used`` or the vendor's word.
    """

    approved: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(metaclass=Shown):
    """The outcome of one message: either ``sent`` or ``error`` is set.

    ``index`` is the place of the message among all messages that were given, counted from 0.
    """

    index: int
    message: Message
    sent: SentMessage | None = None
    error: SendError | None = None

    @property
    def may_have_arrived(self) -> bool:
        """Whether the text was accepted, or may have been accepted.

        If this is true, look the text up before you send it again.
        """
        return self.sent is not None or (self.error is not None and not isinstance(self.error, RefusedError))


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight(metaclass=Shown):
    """The expected outcome of sending a message through a provider, as far as it is known without asking the vendor.

    ``error`` is the expected refusal; ``words`` explain it or the next step, and hold no message text and no full
    number. ``inside`` are the Foresights of the providers inside, in the order in which they would be tried. ``would
    skip`` means that the provider would not be reached. ``cost`` is the expected cost, if a policy knows it.
    """

    account: str
    provider: str
    verdict: Literal["would send", "would skip", "would refuse"]
    words: str = ""
    error: SendError | None = None
    inside: tuple[Foresight, ...] = ()
    cost: Money | None = None

    @property
    def taker(self) -> Foresight | None:
        """The Foresight of the provider that would finally send the text; None if no provider would send it."""
        view = self
        while view.verdict == "would send" and view.inside:
            view = next(foresight for foresight in view.inside if foresight.verdict == "would send")
        return view if view.verdict == "would send" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(metaclass=Shown):
    """The result of processing a webhook: the events in the webhook, and the response to send back to the vendor."""

    events: tuple[Event, ...]
    response: HttpResponse


def utc_from_timestamp(seconds: float) -> datetime:
    """Return a vendor's Unix timestamp as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
