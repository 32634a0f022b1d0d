"""Values as vendors write them; settings and checks that most providers share.

For authors of providers. A function that reads a value never raises: what cannot be read is None, or empty, and the provider
decides what that means. What only one vendor does (its own dates, its own ids) stays with its provider.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from .errors import SendError
from .http import HttpResponse

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,20})?", re.ASCII)
_WHOLE = re.compile(r"\+?(\d{1,15})(?:\.0{1,20})?", re.ASCII)
_NOT_DIGITS = re.compile(r"\D", re.ASCII)
_PHONE = re.compile(r"\+?([1-9]\d{7,14})", re.ASCII)


# --- settings -------------------------------------------------------------------------------------------------------------


def _check_secret(value: SecretStr) -> SecretStr:
    if not _PRINTABLE.fullmatch(value.get_secret_value()):
        raise ValueError("must be printable ASCII without spaces, and not empty")
    return value


def _check_base_url(value: str) -> str:
    if not _is_web_address(value) or "?" in value or "#" in value:
        raise ValueError("must be an http:// or https:// URL in ASCII, without credentials, query or fragment")
    return value.rstrip("/")


def _check_callback_url(value: str) -> str:
    if not _is_web_address(value):
        raise ValueError("must be an http:// or https:// URL in ASCII, without credentials")
    return value


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket that does not close, or a port that is no number
        return False
    return has_host and "@" not in parts.netloc and "\\" not in url and _PRINTABLE.fullmatch(url) is not None


Secret = Annotated[SecretStr, AfterValidator(_check_secret)]
"""The type of a setting that holds a token, key or password: printable ASCII without spaces, not empty, and never shown.

Any other value is a ConfigurationError that names the setting: as part of a header it could end it, or be cut.
"""

BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
"""The type of a setting that says where an API is; it loses the slashes at its end: ``f"{self.base_url}/messages"``.

An http:// or https:// URL in printable ASCII with a host, without credentials, backslash, query or fragment; anything else is a
ConfigurationError that names the setting and not its value. A default is taken as it is: write it without a slash at its end.
"""

CallbackUrl = Annotated[str, AfterValidator(_check_callback_url)]
"""The type of a setting that says where a vendor sends webhooks; it stays as it is, with its query and fragment.

An http:// or https:// URL in printable ASCII with a host, without credentials and backslash; anything else is a
ConfigurationError that names the setting and not its value.
"""


# --- values ---------------------------------------------------------------------------------------------------------------


def now() -> datetime:
    """The time, in UTC. Not a vendor's, but compared with theirs; in one place, so that a test can stop the clock."""
    return datetime.now(UTC)


def text(value: Any) -> str:
    """A string or whole number as a trimmed string; anything else is empty."""
    if isinstance(value, str):
        return value.strip()
    try:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
    except ValueError:  # Python does not write out a number of more than 4,300 digits
        return ""


def decimal(value: Any) -> Decimal | None:
    """A number, written as a number or as a string; None for what is none, or has more than 15 digits before its point."""
    written = _figures(value)
    return Decimal(written) if _DECIMAL.fullmatch(written) else None


def whole(value: Any) -> int | None:
    """A whole number that is not negative, written as a number or as a string."""
    written = _WHOLE.fullmatch(_figures(value))
    return int(written[1]) if written else None


def _figures(value: Any) -> str:
    return f"{Decimal(repr(value)):f}" if isinstance(value, float) else text(value)


def digits(value: Any) -> str:
    """The digits of a phone number, and nothing else of it."""
    return _NOT_DIGITS.sub("", text(value))


def phone(value: Any) -> str:
    """A number of 8 to 15 digits as E.164, with or without a plus; a short code or a name as it is."""
    written = text(value)
    number = _PHONE.fullmatch(written)
    return f"+{number[1]}" if number else written


def moment(value: Any, zone: tzinfo | None = None) -> datetime | None:
    """A time of ISO 8601, in UTC. One that names no zone is in ``zone``; None if that is not known either."""
    try:
        when = datetime.fromisoformat(text(value))
        when = when if when.tzinfo else when.replace(tzinfo=zone)
        return when.astimezone(UTC) if when.tzinfo else None
    except (ValueError, OverflowError):
        return None


def object_or_empty(response: HttpResponse) -> dict[str, Any]:
    """The JSON object of an answer, empty where there is none: for a failure, whose HTTP status says enough."""
    try:
        return response.json_object()
    except SendError:
        return {}
