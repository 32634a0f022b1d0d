"""Reading Twincle's answers: success or failure, rows, numbers, dates.

The documented shape of answers changed twice, and Twincle does not say which shape its servers use, so this module
reads all: ``status`` is 200, "200" or "OK"; rows are in ``data``, in a paginator inside ``data``, or in ``rows``;
numbers are numbers or strings; our reference is ``customid``, ``custom``, ``cid`` or ``foreign_id``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from smsbridge import reading
from smsbridge.errors import AuthenticationError, RefusedError, SendError, UncertainError
from smsbridge.http import HttpResponse
from smsbridge.messages import Money
from smsbridge.reading import Outcome, digits, money, text, whole

from . import vocabulary

SUCCESS = frozenset({"200", "OK"})
"""The ``status`` of a success; "rest everything is failed", says Twincle's page under *Attributes*."""

_FAILURE = frozenset({"ERROR", "FAILED", "FAILURE"})
_FIRST_FAILING_CODE = 400
_UNIX_SECONDS = re.compile(r"\d{9,11}", re.ASCII)


# --- values -----------------------------------------------------------------------------------------------------------


def moment(value: Any, zone: tzinfo) -> datetime | None:
    """Read a time: Unix seconds, ISO 8601, or ``yyyy-mm-dd hh:mm:ss`` in ``zone``.

    Returns it in UTC, or None if it is not a time.
    """
    written = text(value)
    if _UNIX_SECONDS.fullmatch(written):
        return datetime.fromtimestamp(int(written), UTC)
    return reading.moment(written, zone)


def local_time(when: datetime, zone: tzinfo) -> str:
    """Write the time ``when`` in Twincle's format and in ``zone``, without fractions of a second."""
    return when.astimezone(zone).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


# --- answers ----------------------------------------------------------------------------------------------------------


def answer(response: HttpResponse, success: Collection[str] | None = SUCCESS) -> dict[str, Any]:
    """Return the JSON object of an answer.

    Raises the error that fits unless the HTTP status, ``code`` and ``status`` all say success.

    ``success`` has the words of ``status`` that mean success; None means that any word does.
    """
    data = _object(response)
    word = text(data.get("status")).upper()
    if response.ok and _code(data) is None and (word in success if success is not None else word):
        return data
    raise _failure(response, data)


def listing(response: HttpResponse) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows of a query's answer, and whether more pages follow.

    Raises the error that fits if the answer is not a success.
    """
    data = _object(response)
    if not (response.ok and "status" not in data and "rows" in data and _code(data) is None):
        data = answer(response)
    found = rows(data)
    if found is None:
        raise response.error(UncertainError, detail="the answer has no list of rows")
    pages = (data, data.get("data"), data.get("rows"), data.get("links"))
    more = any(page.get("next_page_url") or page.get("next") for page in pages if isinstance(page, dict))
    return found, more


def rows(data: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Find the list of rows in an answer, in any of its documented shapes. Returns None if there is no such list."""
    for found in (data.get("data"), data.get("rows")):
        inside = reading.parts(found.get("data", found.get("rows")) if isinstance(found, dict) else found)
        if inside is not None:
            return inside
        if isinstance(found, dict) and "id" in found:
            return [found]
    return None


def _object(response: HttpResponse) -> dict[str, Any]:
    if _leads_to_login(response):
        raise response.error(
            AuthenticationError,
            reason="login-page",
            detail="the answer leads to a login page: check the access token",
            documented=True,  # 302 above all
        )
    if not response.ok and response.status < _FIRST_FAILING_CODE:
        raise response.error()
    return response.json_object()


def _leads_to_login(response: HttpResponse) -> bool:
    """Whether the answer leads to a login page, which a wrong token gets.

    Published plugins of the platform (mobtexting-odoo) recognise it by the login URL. A page without the word *login*
    is something else, such as a PHP notice before the real answer.
    """
    if 300 <= response.status < _FIRST_FAILING_CODE:
        try:
            return urlsplit(response.headers.get("location", "")).path.rstrip("/").endswith("/login")
        except ValueError:
            return False
    return (
        response.ok
        and response.complete
        and response.body.lstrip()[:1] == b"<"
        and any(word in response.body.lower() for word in (b"login", b"log in", b"sign in"))
    )


def _code(data: Mapping[str, Any]) -> int | None:
    """``code``, if it means a failure. A few failures have ``"status":"OK"`` beside it."""
    code = whole(data.get("code"))
    return code if code is not None and code >= _FIRST_FAILING_CODE else None


def _failure(response: HttpResponse, data: Mapping[str, Any]) -> SendError:
    """The error for an unsuccessful answer. If its HTTP status and its body disagree, the outcome is uncertain."""
    said, word = _said(data), text(data.get("status")).upper()
    if not response.ok and word in SUCCESS and _code(data) is None and rows(data):
        return response.error(UncertainError, detail="the answer's HTTP status says failure and its body success")
    codes = [_code(data), response.status, whole(data.get("status"))]
    failing = [replace(response, status=code) for code in codes if code is not None and code >= _FIRST_FAILING_CODE]
    by_code = [failed.error(detail=said or None) for failed in failing]
    meaning = vocabulary.refusal(said)
    # A code about credentials, credit or rate says more than a text that only means "bad request".
    vague = meaning is None or meaning.error is RefusedError
    telling: list[SendError] = [error for error in by_code if isinstance(error, UncertainError)]
    telling += [error for error in by_code if vague and type(error) is not RefusedError]
    if telling:
        return telling[0]
    last = failing[0] if failing else response
    if meaning is not None:
        return reading.error_of(last, meaning, detail=said)
    if failing:
        return last.error(
            reason=vocabulary.NOT_FOUND if _code(data) == HTTPStatus.NOT_FOUND else None, detail=said or None
        )
    kind = RefusedError if word in _FAILURE else UncertainError
    return last.error(kind, detail=said or "the answer does not say success")


def _said(data: Mapping[str, Any]) -> str:
    """The words for people: ``message``, and the texts of Laravel's ``errors`` that differ from it."""
    said: list[str] = []
    for part in (data.get("message"), data.get("error"), data.get("errors")):
        values = part.values() if isinstance(part, dict) else [part]
        for value in values:
            for words in value if isinstance(value, list) else [value]:
                if isinstance(words, str) and words.strip() and words.strip() not in said:
                    said.append(words.strip())
    return "; ".join(said)


# --- rows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A text as Twincle describes it in an answer or a delivery report. ``word`` is Twincle's status in upper case."""

    id: str
    mobile: str = field(repr=False)
    reference: str
    word: str
    raw: Mapping[str, Any] = field(repr=False)
    zone: tzinfo

    @classmethod
    def of(cls, raw: Mapping[str, Any], zone: tzinfo) -> Row:
        """Make a Row of the fields in ``raw``, under any of their documented names.

        Times without a zone are in ``zone``.
        """
        return cls(
            id=text(_first(raw, "id", "message_id")),
            mobile=digits(_first(raw, "mobile", "to")),
            reference=text(_first(raw, "customid", "custom", "cid", "foreign_id")),
            word=text(raw.get("status")).upper(),
            raw=dict(raw),
            zone=zone,
        )

    # Read on demand: an answer may have thousands of rows, and few of them need these values.

    @property
    def units(self) -> int | None:
        """Return the number of segments of the text; None if the row does not give a number."""
        return whole(self.raw.get("units"))

    @property
    def price(self) -> Money | None:
        """Return the price of the text in credits; None if the row gives no price. Twincle names no currency."""
        return money(_first(self.raw, "charges", "credits"), "credits")

    @property
    def submitted_at(self) -> datetime | None:
        """Return the time at which Twincle accepted the text; None if the row gives no such time."""
        return self._time("submitted_at", "created_at")

    @property
    def delivered_at(self) -> datetime | None:
        """Return the time at which the text was delivered; None if the row gives no such time."""
        return self._time("delivered_at", "deliv_at", "deliv_time")

    @property
    def outcome(self) -> Outcome:
        """Return the status of this text in smsbridge, and the refusal if the text was refused."""
        return vocabulary.outcome(self.word)

    def _time(self, *names: str) -> datetime | None:
        return next(filter(None, (moment(self.raw[name], self.zone) for name in names if name in self.raw)), None)


def _first(raw: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        value = raw.get(name)
        if value or value not in (None, "", [], {}):
            return value
    return None


def pick(found: Sequence[Row], *, id: str = "", reference: str = "", to: str = "") -> Row | None:
    """Find the row of a text among ``found``: the row with its ``id``, or, without an id, with its ``reference``.

    Rows for another number than ``to`` do not count. Returns None if no row is left, or if the rows that are left are
    for several numbers.

    If several rows have the id, a row with the reference is preferred, then a row with a final status. If several rows
    have the reference, a row that was not refused is preferred.
    """
    number = digits(to)
    own = [
        row
        for row in found
        if (row.id == id if id else row.reference == reference) and (not number or row.mobile in ("", number))
    ]
    own = [row for row in own if reference and row.reference == reference] or own
    if len({row.mobile for row in own}) != 1:
        return None
    return max(own, key=lambda row: (not id and row.outcome.error is None, row.outcome.final))
