"""Reading Infobip's answers: errors, rows of texts, numbers, dates.

A row is a text in the answer to a send, in ``/sms/3/logs``, or in a webhook. The recipient is its ``destination`` or
``to``, the number of parts its ``details.messageCount``, ``messageCount`` or ``smsCount`` (reports of the older API).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from smsbridge import reading
from smsbridge.errors import SendError, UncertainError
from smsbridge.http import HttpResponse
from smsbridge.messages import Message, Money, Status
from smsbridge.reading import Outcome, digits, moment, object_or_empty, part

from . import vocabulary

# --- values -----------------------------------------------------------------------------------------------------------


def text(value: Any) -> str:
    """Return ``value`` without spaces around it if it is a string; otherwise return an empty string.

    Infobip's specification gives each field a single type, so a number in place of a string is not read.
    """
    return reading.text(value) if isinstance(value, str) else ""


def whole(value: Any) -> int | None:
    """Return ``value`` if it is a whole number that is not negative; otherwise return None."""
    return reading.whole(value) if isinstance(value, int) else None


def decimal(value: Any) -> Decimal | None:
    """Return ``value`` as a Decimal if it is a number; return None for anything else, also for a string."""
    return reading.decimal(value) if isinstance(value, int | float) else None


def written(when: datetime) -> str:
    """Write the time ``when`` in the format of Infobip's requests."""
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}+0000"


# --- answers ----------------------------------------------------------------------------------------------------------


def answer(response: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of Infobip's answer. Raises the error that fits if the HTTP status is not a success."""
    if not response.ok:
        raise failure(response)
    return response.json_object()


def rows(response: HttpResponse, name: str) -> list[Row]:
    """Read the list called ``name`` in Infobip's answer. Returns a Row for each text in the list.

    Raises UncertainError if there is no such list.
    """
    found = reading.parts(answer(response).get(name))
    if found is None:
        raise response.error(UncertainError, detail=_said(response)[1] or "the answer has no list of texts")
    return [Row.of(row) for row in found]


def failure(response: HttpResponse) -> SendError:
    """Return the error for an answer whose HTTP status is not a success.

    The class of the error follows from the HTTP status; the error text is Infobip's.
    """
    code, words = _said(response)
    return response.error(code=code or None, detail=words or None)


def said_by_vendor(response: HttpResponse) -> bool:
    """Return whether an error answer was written by Infobip's API itself, and not by a proxy on the way."""
    return bool(_said(response)[0])


def _said(response: HttpResponse) -> tuple[str, str]:
    """The code and the words of an error: ``{errorCode, description, violations}``, or the older ``requestError``."""
    data = object_or_empty(response)
    older = part(part(data.get("requestError")).get("serviceException"))
    words = [text(data.get("description")) or text(older.get("text"))]
    violations = data.get("violations")
    for violation in map(part, violations if isinstance(violations, list) else []):
        words += [": ".join(filter(None, (text(violation.get("property")), text(violation.get("violation")))))]
    for name, problems in part(older.get("validationErrors")).items():
        words += [f"{name}: {text(problem)}" for problem in (problems if isinstance(problems, list) else [])]
    return text(data.get("errorCode")) or text(older.get("messageId")), "; ".join(filter(None, words))


# --- rows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A text as Infobip describes it, in the answer to a send, in a log or in a delivery report."""

    id: str
    mobile: str = field(repr=False)
    group: int | None
    status_id: int | None
    word: str
    error_id: int
    error_word: str
    permanent: bool | None
    segments: int | None
    price: Money | None
    at: datetime | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Row:
        status, error = part(raw.get("status")), part(raw.get("error"))
        counts = (part(raw.get("details")).get("messageCount"), raw.get("messageCount"), raw.get("smsCount"))
        segments = next((count for count in map(whole, counts) if count is not None), None)
        permanent = error.get("permanent")
        return cls(
            id=text(raw.get("messageId")),
            mobile=digits(text(raw.get("destination")) or text(raw.get("to"))),
            group=whole(status.get("groupId")),
            status_id=whole(status.get("id")),
            word=text(status.get("name")) or text(status.get("groupName")),
            error_id=whole(error.get("id")) or 0,
            error_word=text(error.get("name")),
            permanent=permanent if isinstance(permanent, bool) else None,
            segments=segments,
            price=_price(part(raw.get("price")), segments),
            at=moment(raw.get("doneAt")) or moment(raw.get("sentAt")),
            raw=dict(raw),
        )

    @property
    def outcome(self) -> Outcome:
        """Return the status of this text in smsbridge, and the refusal if the text was refused."""
        return vocabulary.outcome(self.group, self.status_id)

    @property
    def code(self) -> str | None:
        """Return Infobip's code for the failure of this text; None if the text did not fail."""
        if self.outcome.status in (Status.QUEUED, Status.SENT, Status.DELIVERED):
            return None
        return (self.error_word if self.error_id else "") or self.word or None

    @property
    def reason(self) -> str | None:
        """Return the reason in smsbridge for the failure of this text; None if the text did not fail."""
        if self.code is None:
            return None
        if not self.error_id:
            return self.outcome.reason
        listed = vocabulary.ERRORS.get(self.error_id)
        return listed or (self.outcome.reason if self.permanent is None else vocabulary.PERMANENCE[self.permanent])


def _price(price: Mapping[str, Any], segments: int | None) -> Money | None:
    """The price of the whole text; ``pricePerMessage`` is the price of each part."""
    each, currency = decimal(price.get("pricePerMessage")), text(price.get("currency"))
    return None if each is None or segments is None or not currency else Money(amount=each * segments, unit=currency)


def correlate(messages: Sequence[Message], found: Sequence[Row]) -> dict[int, Row]:
    """Find the row of each message in an answer. Returns the rows by the index of their message in ``messages``.

    A row belongs to the message whose reference is the id in the row. If Infobip gave the text another id, the number
    of the recipient decides.
    """
    ours = {message.reference for message in messages}
    return reading.correlate(
        messages, found, lambda row: (row.id if row.id in ours or not row.mobile else "", row.mobile)
    )


def pick(found: Sequence[Row], id: str, to: str = "") -> Row | None:
    """Find, among ``found``, the row of the text with this id. Rows for another number than ``to`` do not count.

    Returns None if no row is left, or if the rows that are left are for several numbers.

    If a text was sent twice under the same id, one row only says that the second text is a duplicate; then the other
    row, which has the status of the text, is returned.
    """
    own = [row for row in found if row.id == id and (not to or row.mobile in ("", digits(to)))]
    if len({row.mobile for row in own}) != 1:
        return None
    return max(own, key=lambda row: ((row.group, row.status_id) != vocabulary.DUPLICATE, row.outcome.final))
