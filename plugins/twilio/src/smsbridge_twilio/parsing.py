"""Reading what Twilio answers: success or not, and the values inside. Numbers may be strings, dates are RFC 2822."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from smsbridge import reading
from smsbridge.errors import SendError, UncertainError
from smsbridge.http import HttpResponse
from smsbridge.messages import Money
from smsbridge.reading import decimal, error_of, object_or_empty, text

from . import vocabulary

_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}", re.ASCII)


def sid(value: Any) -> str:
    """One of Twilio's ids; empty for what is none."""
    written = text(value)
    return written if _SID.fullmatch(written) else ""


def whole(value: Any) -> int | None:
    """A whole number above zero: in error codes and counts, zero says that there is nothing to say."""
    return reading.whole(value) or None


def error_code(value: Any) -> str:
    """An error code as a string; empty where there is none."""
    return str(whole(value) or "")


def price(data: Mapping[str, Any]) -> Money | None:
    """What was charged, once Twilio knows; it writes what it takes as a negative amount."""
    amount, unit = decimal(data.get("price")), text(data.get("price_unit"))
    return Money(amount=abs(amount), unit=unit.upper()) if amount is not None and unit else None


def moment(value: Any) -> datetime | None:
    """``Thu, 24 Aug 2023 05:01:45 +0000`` in UTC; None for what is no time."""
    try:
        when = parsedate_to_datetime(text(value))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def answer(response: HttpResponse) -> dict[str, Any]:
    """The JSON object of a 2xx; raises what any other answer amounts to."""
    if not response.ok:
        raise refusal(response)
    return response.json_object()


def refusal(response: HttpResponse) -> SendError:
    """What an answer that is no 2xx amounts to: ``code`` says it where we know it, else the HTTP status does.

    A status that leaves it open whether anything was done (5xx above all) stays uncertain, whatever the code.
    """
    data = object_or_empty(response)
    code, said = error_code(data.get("code")), text(data.get("message")) or None
    by_status = response.error(code=code, detail=said)
    meaning = vocabulary.CODES.get(code)
    if meaning is None or isinstance(by_status, UncertainError):
        return by_status
    return error_of(response, meaning, code=code, detail=said)
