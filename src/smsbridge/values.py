"""The small values in messages and results, such as Purpose and Money, and the checks of values from callers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from . import plain
from .phone import mask
from .shown import Shown


class Purpose(StrEnum):
    """The purpose of a text, such as a one-time code.

    Each provider turns it into the vendor's route, category or priority.
    """

    OTP = "otp"
    TRANSACTIONAL = "transactional"
    SERVICE = "service"
    PROMOTIONAL = "promotional"


class Status(StrEnum):
    """How far a text has come. *Accepted* is not *delivered*: only ``DELIVERED`` means that the phone has the text.

    ``REJECTED``: refused before it reached a network (policy, DLT, sender, credit). ``UNDELIVERED``: refused by the
    network. ``FAILED``: failed inside the provider. ``EXPIRED``: the validity ended. ``UNKNOWN``: the vendor does not
    know, or smsbridge does not know the vendor's word.
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
        """Whether usually no other status follows this status.

        A report may say otherwise, see ``DeliveryReport.final``.
        """
        return self not in _PENDING


class State(StrEnum):
    """The outcome of the sending of a text, as far as a ledger knows it.

    ``OPEN``: the sending has begun, and no outcome is recorded. Either the text is on its way, or the sending process
    has ended and the text may have been sent.
    """

    OPEN = "open"
    UNCERTAIN = "uncertain"
    ACCEPTED = "accepted"
    REFUSED = "refused"

    @property
    def settled(self) -> bool:
        """Whether it is certain that the text was accepted, or that it was not sent."""
        return self in (State.ACCEPTED, State.REFUSED)


_WORD = re.compile(r"[a-z]{1,20}", re.ASCII | re.IGNORECASE)
_PURPOSES = {purpose.value: purpose for purpose in Purpose}
_PENDING = frozenset({Status.SCHEDULED, Status.QUEUED, Status.SENT, Status.UNKNOWN})


class Value(metaclass=Shown):
    """The base class of values with private data, such as Message.

    The ``repr`` of such a value masks phone numbers, and leaves out secret and private fields.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        shown = []
        for attribute in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, attribute.name)
            number = attribute.metadata.get("number")
            if number and not isinstance(value, str):
                shown.append(f"{attribute.name}=<{plain.kind_of(value)}>")
            elif attribute.repr and value is not None and value is not False and value not in ("", {}):
                shown.append(f"{attribute.name}={mask(value) if number else repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


def number(**options: Any) -> Any:
    """Declare a dataclass field for a phone number, which ``repr`` masks.

    ``options`` are those of ``dataclasses.field``.
    """
    return field(metadata={"number": True}, **options)


def _wrong(name: str, wanted: str, value: object) -> TypeError:
    """Return the error for a field of a wrong type. It shows no value, which may be a misplaced number or text."""
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
        raise ValueError(f"{name} may have only entity_id and template_id")
    return Dlt(**value)


def _as_purpose(name: str, value: Any) -> Purpose:
    word = plain.text(value)
    if isinstance(word, str) and word in _PURPOSES:
        return _PURPOSES[word]
    shown = f", not {word}" if isinstance(word, str) and _WORD.fullmatch(word) else ""
    raise ValueError(f"{name} has to be one of {', '.join(Purpose)}{shown}")


def _as_options(name: str, options: Any) -> dict[str, Any]:
    """Return ``options`` with plain dicts, which can be copied and pickled."""
    if type(options) is dict and not options:
        return options
    if not isinstance(options, Mapping) or not all(isinstance(value, Mapping) for value in options.values()):
        raise TypeError(f"{name} has to be a mapping of provider names to mappings")
    return {provider: value if type(value) is dict else dict(value) for provider, value in options.items()}


MOST_CONTEXT = 4000
"""Characters of a context, names and values together."""


def _as_context(name: str, context: Any) -> dict[str, str]:
    """``context`` with plain strings."""
    if not isinstance(context, Mapping):
        raise _wrong(name, "a mapping of strings to strings", context)
    found = {plain.text(key): plain.text(value) for key, value in context.items()}
    if not all(isinstance(part, str) for pair in found.items() for part in pair):
        raise TypeError(f"{name} has to be a mapping of strings to strings: write numbers and the like as strings")
    if sum(len(key) + len(value) for key, value in found.items()) > MOST_CONTEXT:
        raise ValueError(f"{name} has more than {MOST_CONTEXT} characters: keep the id of a record of your own there")
    return found


def _as_moment(name: str, value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise _wrong(name, "a datetime or None", value)
    if value.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: give an aware datetime, such as datetime.now(UTC)")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Dlt(metaclass=Shown):
    """The ids under which an Indian text is registered on a DLT platform: principal entity and content template.

    Either id may be None: the provider's settings can hold a default. Source: TRAI's TCCCPR rules, see the providers'
    pages. A Message also accepts the mapping that ``dataclasses.asdict`` makes of a Dlt, since a mapping can be stored
    as JSON.
    """

    entity_id: str | None = field(default=None, metadata={"help": "DLT principal entity id (India)."})
    template_id: str | None = field(default=None, metadata={"help": "DLT content template id (India)."})

    def __post_init__(self) -> None:
        for name in ("entity_id", "template_id"):
            value = getattr(self, name)
            if type(value) is not str and value is not None:
                object.__setattr__(self, name, _as_text(name, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Money(metaclass=Shown):
    """An amount and its unit: a currency (``INR``, ISO 4217) or ``credits``."""

    amount: Decimal
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost(metaclass=Shown):
    """The expected cost of a text, by the segments that smsbridge counts and the configured rates.

    ``price`` is None if no rate fits the text.
    """

    segments: int
    price: Money | None = None


READERS: Mapping[type, tuple[Callable[[str, Any], Any], tuple[type, ...]]] = {
    str: (_as_text, (str,)),
    Purpose: (_as_purpose, (Purpose,)),
    Dlt: (_as_dlt, (Dlt,)),
    datetime: (_as_moment, ()),
    Mapping: (_as_options, ()),
    dict: (_as_context, ()),
}
"""The check for values of each type, and the types that need no check."""
