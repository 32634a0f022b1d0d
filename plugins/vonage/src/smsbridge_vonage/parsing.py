"""Reading what Vonage writes: numbers, amounts, dates, problem documents; and which texts fit the GSM alphabet."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from smsbridge.http import HttpResponse
from smsbridge.messages import Money

EUR = "EUR"
"""Prices and balances are in euros: https://developer.vonage.com/en/api/account (*balance in EUR*)."""

_DECIMAL = re.compile(r"-?\d{1,15}(\.\d{1,12})?", re.ASCII)
_PHONE = re.compile(r"\+?[1-9]\d{7,14}", re.ASCII)
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
    "\f^{}\\[~]|€"  # behind an escape, at the price of two characters
)


def is_gsm(words: str) -> bool:
    """Whether ``words`` fit the GSM 7-bit alphabet (3GPP TS 23.038) with its extension table."""
    return _GSM.issuperset(words)


def text(value: Any) -> str:
    """A string or whole number as a trimmed string; anything else is empty."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def digits(number: str) -> str:
    """A number as Vonage wants it: E.164 without the plus sign. A name is left as it is."""
    return number[1:] if _PHONE.fullmatch(number) and number.startswith("+") else number


def phone(value: Any) -> str:
    """A number of Vonage's as E.164; a short code or a name as it is."""
    written = text(value)
    return f"+{written.lstrip('+')}" if _PHONE.fullmatch(written) else written


def decimal(value: Any) -> Decimal | None:
    """A number, written as a number or as a string."""
    written = repr(value) if isinstance(value, float) and math.isfinite(value) else text(value)
    return Decimal(written) if _DECIMAL.fullmatch(written) else None


def whole(value: Any) -> int | None:
    """A whole number that is not negative."""
    number = decimal(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def money(amount: Any, currency: Any = EUR) -> Money | None:
    """A price, if ``amount`` is one."""
    number = decimal(amount)
    return None if number is None else Money(amount=number, unit=text(currency) or EUR)


def moment(value: Any) -> datetime | None:
    """A time in UTC: ISO 8601, or ``yyyy-mm-dd hh:mm:ss``, which is in UTC already. None for what is no time."""
    try:
        when = datetime.fromisoformat(text(value))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def problem(response: HttpResponse) -> Mapping[str, Any]:
    """The problem document (RFC 7807) that a refusing answer is; empty if it is none."""
    if not response.complete:
        return {}
    try:
        return response.json_object()
    except Exception:  # noqa: BLE001  # the HTTP status says enough
        return {}


def fragment(document: Mapping[str, Any]) -> str:
    """The word behind ``#`` in a problem's ``type``."""
    return text(document.get("type")).rpartition("#")[2] if "#" in text(document.get("type")) else ""


def said(document: Mapping[str, Any]) -> str | None:
    """A problem in the vendor's words."""
    parts = dict.fromkeys(filter(None, (text(document.get("title")), text(document.get("detail")))))
    return ": ".join(parts) or None
