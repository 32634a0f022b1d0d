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
    """Return ``value`` if it is a SID (an id of Twilio); otherwise return an empty string."""
    written = text(value)
    return written if _SID.fullmatch(written) else ""


def whole(value: Any) -> int | None:
    """Return ``value`` as an integer if it is a whole number above zero; otherwise return None.

    In Twilio's error codes and counts, zero means *none*.
    """
    return reading.whole(value) or None


def error_code(value: Any) -> str:
    """Return the error code ``value`` of Twilio as a string; an empty string if there is no error."""
    return str(whole(value) or "")


def price(data: Mapping[str, Any]) -> Money | None:
    """Return the price of a text as a positive amount; None while Twilio does not know it.

    Twilio writes a charge as a negative amount.
    """
    amount, unit = decimal(data.get("price")), text(data.get("price_unit"))
    return Money(amount=abs(amount), unit=unit.upper()) if amount is not None and unit else None


def moment(value: Any) -> datetime | None:
    """Read a time such as ``Thu, 24 Aug 2023 05:01:45 +0000``.

    Returns it in UTC, or None if ``value`` is not a time.
    """
    try:
        when = parsedate_to_datetime(text(value))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def answer(response: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of an answer with an HTTP status of 2xx.

    Raises the error that fits for any other answer.
    """
    if not response.ok:
        raise refusal(response)
    return response.json_object()


def refusal(response: HttpResponse) -> SendError:
    """Return the error for an answer whose HTTP status is not 2xx.

    The class of the error follows from Twilio's ``code`` if that is known, or else from the HTTP status. After an HTTP
    status that leaves it open whether the text was sent (above all 5xx), the error is an UncertainError, whatever the
    code.
    """
    data = object_or_empty(response)
    code, said = error_code(data.get("code")), text(data.get("message")) or None
    by_status = response.error(code=code, detail=said)
    meaning = vocabulary.CODES.get(code)
    if meaning is None or isinstance(by_status, UncertainError):
        return by_status
    return error_of(response, meaning, code=code, detail=said)
