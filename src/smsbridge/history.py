"""The values that a ledger returns: the record of a text, and the record together with its delivery reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypedDict

from .messages import DeliveryReport, Money
from .values import Purpose, State, Status, Value, number


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TextRecord(Value):
    """The record of a text in the ledger: how it was sent, and how far it came.

    ``state`` is the outcome of the sending; ``status`` and ``final`` say how far an accepted text has come. ``account``
    is the account that was asked, ``carried_by`` the account that took the text, and ``id`` the vendor's id. ``to`` is
    masked and ``text`` None unless ``SMSBRIDGE_LEDGER_KEEP_NUMBERS`` and ``SMSBRIDGE_LEDGER_KEEP_TEXTS`` keep them.
    ``code`` and ``reason`` explain a failure. ``disputed`` means that reports name two different failures, of which the
    first one counts. All times are in UTC.
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
    """A text in the ledger, and the delivery reports that came for this text, the oldest first."""

    text: TextRecord
    reports: tuple[DeliveryReport, ...] = ()


class TextFilters(TypedDict, total=False):
    """The filters of ``texts()``: a text has to match all filters that are given.

    ``final`` is true for texts of which no more reports will come. ``since`` and ``until`` limit the time at which the
    sending began: an aware datetime, or a timedelta, which means *so long ago*. ``account`` is the account that was
    asked, ``to`` a phone number.
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
    """The filters of ``texts()`` in the form in which a ledger needs them: a text has to match all that are given.

    ``to`` is a number in E.164. ``within`` and ``beyond`` are in seconds: the sending of the text began at most
    ``within`` and at least ``beyond`` seconds ago.
    """

    states: Collection[State] = ()
    statuses: Collection[Status] = ()
    final: bool | None = None
    account: str | None = None
    to: str | None = field(default=None, repr=False)
    within: float | None = None
    beyond: float | None = None
