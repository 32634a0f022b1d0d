"""Reading Twilio's answers: success or failure, and their values. Numbers may be strings, dates are RFC 2822."""

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
    """A SID of Twilio; empty if ``value`` is not a SID."""
    written = text(value)
    return written if _SID.fullmatch(written) else ""


def whole(value: Any) -> int | None:
    """A whole number above zero, or None: in error codes and counts, zero means *none*."""
    return reading.whole(value) or None


def error_code(value: Any) -> str:
    """An error code as a string; empty if there is no error."""
    return str(whole(value) or "")


def price(data: Mapping[str, Any]) -> Money | None:
    """The price, once Twilio knows it; Twilio writes a charge as a negative amount."""
    amount, unit = decimal(data.get("price")), text(data.get("price_unit"))
    return Money(amount=abs(amount), unit=unit.upper()) if amount is not None and unit else None


def moment(value: Any) -> datetime | None:
    """``Thu, 24 Aug 2023 05:01:45 +0000`` in UTC; None if ``value`` is not a time."""
    try:
        when = parsedate_to_datetime(text(value))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def answer(response: HttpResponse) -> dict[str, Any]:
    """The JSON object of a 2xx; raises the error for any other answer."""
    if not response.ok:
        raise refusal(response)
    return response.json_object()


def refusal(response: HttpResponse) -> SendError:
    """The error for an answer that is not 2xx: by its ``code`` if we know it, or else by the HTTP status.

    A status after which the outcome is open (above all 5xx) stays uncertain, whatever the code.
    """
    data = object_or_empty(response)
    code, said = error_code(data.get("code")), text(data.get("message")) or None
    by_status = response.error(code=code, detail=said)
    meaning = vocabulary.CODES.get(code)
    if meaning is None or isinstance(by_status, UncertainError):
        return by_status
    return error_of(response, meaning, code=code, detail=said)
