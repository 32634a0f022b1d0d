"""Reading what Plivo answers: success or not, ids, numbers, times."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from smsbridge.errors import RecipientError, RefusedError, SendError, UncertainError
from smsbridge.http import HttpResponse

from . import vocabulary

_DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,9})?", re.ASCII)
_NOT_DIGITS = re.compile(r"\D", re.ASCII)
_SHORTEST_NUMBER = 8


def now() -> datetime:
    """The one clock of this plugin."""
    return datetime.now(UTC)


# --- values ---------------------------------------------------------------------------------------------------------------


def text(value: Any) -> str:
    """A string or whole number as a trimmed string; anything else is empty."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def digits(value: Any) -> str:
    """A phone number's digits, which is how Plivo wants it."""
    return _NOT_DIGITS.sub("", text(value))


def phone(value: Any) -> str:
    """A number as E.164; a short code or a name as it is."""
    written = text(value)
    bare = written.removeprefix("+")
    return f"+{bare}" if re.fullmatch(r"[1-9]\d+", bare, re.ASCII) and len(bare) >= _SHORTEST_NUMBER else written


def decimal(value: Any) -> Decimal | None:
    """A number, written as a number or as a string."""
    written = repr(value) if isinstance(value, float) and math.isfinite(value) else text(value)
    return Decimal(written) if _DECIMAL.fullmatch(written) else None


def whole(value: Any) -> int | None:
    """A whole number that is not negative, written as a number or as a string."""
    number = decimal(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def moment(value: Any) -> datetime | None:
    """A time in UTC; None for what is no time, and for one without a zone: Plivo does not say which it would be in."""
    try:
        when = datetime.fromisoformat(text(value))
        return when.astimezone(UTC) if when.tzinfo else None
    except (ValueError, OverflowError):
        return None


def fits_a_path(id: str) -> bool:
    """Whether ``id`` can be a part of a path: ``..`` would lead elsewhere."""
    return id.strip(".") != ""


# --- answers --------------------------------------------------------------------------------------------------------------


def answer(response: HttpResponse, to: str = "") -> dict[str, Any]:
    """The answer's JSON object. Raises what an unsuccessful one amounts to, for a text to ``to``."""
    if not response.ok:
        raise _failure(response, digits(to))
    return response.json_object()


def message_uuid(response: HttpResponse, to: str) -> tuple[str, dict[str, Any]]:
    """The id of the one text that was asked for, and the answer. Raises if it was refused, or if the answer leaves that open.

    The number of a recipient that Plivo will not text stands in ``invalid_number``, inside a success
    (https://docs.plivo.com/docs/messaging/api/message/bulk-messaging).
    """
    data = answer(response, to)
    ids, invalid, said = _list(data.get("message_uuid")), _list(data.get("invalid_number")), _said(data)
    refused = digits(to) in [digits(one) for one in invalid]
    match ids:
        case [str(one)] if one.strip() and not refused and not said:
            return one.strip(), data
        case [] if refused:
            raise response.error(RecipientError, reason="invalid-number", detail="the number is among invalid_number")
        case []:
            meaning = vocabulary.refusal(said, digits(to))
            if meaning is not None:
                raise response.error(meaning.error, reason=meaning.reason, fault=meaning.fault, detail=said)
    raise response.error(UncertainError, detail=said or "the answer does not have exactly one id for this text")


def error_text(response: HttpResponse) -> str:
    """What Plivo says of a failure; empty where it says nothing, or where it was not Plivo who answered."""
    try:
        return _said(response.json_object())
    except SendError:
        return ""


def _failure(response: HttpResponse, to: str) -> SendError:
    said = error_text(response)
    meaning = vocabulary.refusal(said, to)
    certain = isinstance(response.error(), RefusedError) and response.status not in (401, 429)
    if meaning is not None and certain:
        return response.error(meaning.error, reason=meaning.reason, fault=meaning.fault, detail=said)
    if response.status == 403 and said and to:  # to the SDK, a 403 to a text or a code is one of geo permissions
        return response.error(RefusedError, reason="country-blocked", fault="account", detail=said)
    return response.error(detail=said or None)


def _said(data: dict[str, Any]) -> str:
    return text(data.get("error"))


def _list(value: Any) -> list[Any]:
    """A list as it is; nothing for nothing; anything else as a list that no case fits."""
    if value is None:
        return []
    return value if isinstance(value, list) else [None]
