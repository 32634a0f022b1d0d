"""What is kept of texts, as values: the row of a text, and its row with its reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypedDict

from .messages import DeliveryReport, Money
from .values import Purpose, State, Status, Value, number


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TextRecord(Value):
    """What a ledger keeps of one text: everything about its sending, and how far it came.

    ``state`` is the outcome of the sending; ``status`` and ``final`` say how far an accepted text has come. ``account``
    was asked, ``carried_by`` took the text, and ``id`` is the vendor's. ``to`` is masked and ``text`` None unless
    ``SMSBRIDGE_LEDGER_KEEP_NUMBERS`` and ``SMSBRIDGE_LEDGER_KEEP_TEXTS`` keep them. ``code`` and ``reason`` explain a
    failure. ``disputed``: reports name two different failures, of which the first one stays. All times are in UTC.
    """

    reference: str
    state: State
    status: Status = Status.UNKNOWN
    final: bool = False
    disputed: bool = False
    account: str
    carried_by: str = ""
    provider: str = ""
    id: str = ""
    to: str = number()
    text: str | None = field(default=None, repr=False)
    purpose: Purpose
    is_code: bool = False
    context: Mapping[str, str] = field(default_factory=dict, repr=False)
    segments: int | None = None
    price: Money | None = None
    error: str | None = None
    code: str | None = None
    reason: str | None = None
    claimed_at: datetime
    accepted_at: datetime | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A text and the delivery reports that came for it, the oldest first."""

    text: TextRecord
    reports: tuple[DeliveryReport, ...] = ()


class TextFilters(TypedDict, total=False):
    """What ``texts()`` takes; a text has to match everything that is given.

    ``final``: whether no more reports of an accepted text are to come. ``since`` and ``until`` are times, or how long
    ago. ``account`` is the one that was asked, ``to`` a phone number.
    """

    status: Status | Collection[Status]
    state: State | Collection[State]
    final: bool
    since: datetime | timedelta
    until: datetime | timedelta
    account: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The same as a ledger is asked: all texts that match everything that is given.

    ``to`` is a number in E.164. The texts were begun ``within`` so many seconds, and ``beyond`` so many seconds ago.
    """

    states: Collection[State] = ()
    statuses: Collection[Status] = ()
    final: bool | None = None
    account: str | None = None
    to: str | None = field(default=None, repr=False)
    within: float | None = None
    beyond: float | None = None
