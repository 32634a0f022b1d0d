"""Values as vendors write them; settings and checks that most providers share.

For authors of providers. A function that reads a value never raises: what cannot be read is None, or empty, and the
provider decides what that means. What only one vendor does (its own dates, its own ids) stays with its provider.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, SecretStr

from .errors import Fault, RefusedError, SendError, UncertainError
from .http import HttpRequest, HttpResponse
from .messages import Dlt, Message, Money, Result, SentMessage, Status

_Row = TypeVar("_Row")
_NO_IDS = Dlt()
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,20})?", re.ASCII)
_WHOLE = re.compile(r"\+?(\d{1,15})(?:\.0{1,20})?", re.ASCII)
_NOT_DIGITS = re.compile(r"\D", re.ASCII)
_PHONE = re.compile(r"\+?([1-9]\d{7,14})", re.ASCII)


# --- settings ---------------------------------------------------------------------------------------------------------


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
"""The type of a setting that holds a token, key or password: printable ASCII without spaces, not empty, and never
shown.

Any other value is a ConfigurationError that names the setting: as part of a header it could end it, or be cut.
"""

BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
"""The type of a setting that says where an API is; it loses the slashes at its end: ``f"{self.base_url}/messages"``.

An http:// or https:// URL in printable ASCII with a host, without credentials, backslash, query or fragment; anything
else is a ConfigurationError that names the setting and not its value. A default is taken as it is: write it without a
slash at its end.
"""

CallbackUrl = Annotated[str, AfterValidator(_check_callback_url)]
"""The type of a setting that says where a vendor sends webhooks; it stays as it is, with its query and fragment.

An http:// or https:// URL in printable ASCII with a host, without credentials and backslash; anything else is a
ConfigurationError that names the setting and not its value.
"""


# --- requests ---------------------------------------------------------------------------------------------------------


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The ``fields`` of a request without None and without empty texts, lists and mappings. 0 and False stay."""
    return {name: value for name, value in fields.items() if value or value not in (None, "", [], (), {})}


def basic(username: str, password: SecretStr) -> str:
    """The header ``Authorization`` of HTTP Basic authentication, in UTF-8 (RFC 7617).

    ``username`` may hold no colon.
    """
    return f"Basic {b64encode(f'{username}:{password.get_secret_value()}'.encode()).decode()}"


def segment(id: str) -> str:
    """``id`` percent-encoded, as one segment of a path.

    Empty where none can be made of it: ``..`` leads to another path.
    """
    return quote(id, safe="", errors="surrogatepass") if id.strip(".") else ""


def dlt_ids(message: Message, entity_id: str | None, template_id: str | None) -> Dlt:
    """The DLT ids of ``message``; the ids given here, which are those of the settings, where it has none of its own."""
    own = message.dlt or _NO_IDS
    if own is _NO_IDS and entity_id is None and template_id is None:
        return _NO_IDS  # as most texts have none, and a Dlt takes microseconds to make
    return Dlt(entity_id=own.entity_id or entity_id, template_id=own.template_id or template_id)


def seconds_left(message: Message, since: datetime | None = None) -> float | None:
    """For how many seconds from now ``message`` is of use, or from ``since`` if that is later. None where nothing
    limits it.

    Raises RefusedError (``expired``) for less than a second. Cut a fraction off where the vendor takes none: rounded
    up, a text could arrive too late.
    """
    if message.valid_until is None:
        return None
    left = (message.valid_until - max(now(), since or now())).total_seconds()
    if left < 1:
        raise RefusedError("the text would have expired before it was sent", reason="expired")
    return left


# --- values -----------------------------------------------------------------------------------------------------------


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
    """A number, given as such or as a string; None for what is none, or has more than 15 digits before its point."""
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


def money(amount: Any, unit: str) -> Money | None:
    """A price in ``unit``. None where ``amount`` is no number, or ``unit`` is empty."""
    number = decimal(amount)
    return None if number is None or not unit else Money(amount=number, unit=unit)


def moment(value: Any, zone: tzinfo | None = None) -> datetime | None:
    """A time of ISO 8601, in UTC. One that names no zone is in ``zone``; None if that is not known either."""
    try:
        when = datetime.fromisoformat(text(value))
        when = when if when.tzinfo else when.replace(tzinfo=zone)
        return when.astimezone(UTC) if when.tzinfo else None
    except (ValueError, OverflowError):
        return None


def part(value: Any) -> dict[str, Any]:
    """A JSON object that stands inside another one; empty where it is none."""
    return value if isinstance(value, dict) else {}


def parts(value: Any) -> list[dict[str, Any]] | None:
    """The objects of a JSON list, without all else that is in it. None where ``value`` is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else None


def digest(item: Mapping[str, Any]) -> str:
    """An id for what comes without one.

    The same for equal items, in whatever order their fields stand. ``item`` is JSON.
    """
    return hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()


# --- webhooks ---------------------------------------------------------------------------------------------------------


def credentials(webhook: HttpRequest, scheme: str) -> str | None:
    """What the header ``Authorization`` of a webhook says behind ``scheme``, such as ``bearer``.

    None for another scheme.
    """
    word, _, given = webhook.headers.get("authorization", "").partition(" ")
    return given if word.lower() == scheme else None


# --- answers ----------------------------------------------------------------------------------------------------------


def object_or_empty(response: HttpResponse) -> dict[str, Any]:
    """The JSON object of an answer, empty where there is none: for a failure, whose HTTP status says enough."""
    try:
        return response.json_object()
    except SendError:
        return {}


class Meaning(NamedTuple):
    """What a vendor's error code or error text means, for a table of them.

    ``error`` is that of a send, ``reason`` a short word for people and programs, ``fault`` whose fault it is if not
    that of the class, ``status`` what it makes of a text whose report carries it, ``retry_after`` how many seconds it
    lasts.
    """

    error: type[SendError]
    reason: str | None = None
    fault: Fault | None = None
    status: Status | None = None
    retry_after: float | None = None


class Outcome(NamedTuple):
    """What a vendor's word for the status of a text means, for a table of them.

    ``status`` and ``reason`` are those of a report. ``error`` and ``fault`` are those of a send whose answer already
    has this word; None for one that is accepted. ``closed`` says that no more reports come although the status is not a
    last one.
    """

    status: Status
    reason: str | None = None
    error: type[SendError] | None = None
    fault: Fault | None = None
    closed: bool = False

    @property
    def final(self) -> bool:
        """Whether no more reports are to come."""
        return self.closed or self.status.final


def error_of(
    response: HttpResponse, meaning: Meaning | Outcome | None, *, code: str | None = None, detail: str | None = None
) -> SendError:
    """The error that an answer amounts to, by what its code means; ``code`` and ``detail`` are the vendor's own.

    UncertainError for a ``meaning`` that is not known; by the HTTP status for an Outcome without an error. A status
    that leaves open what happened makes any refusal uncertain, see :meth:`HttpResponse.error`.
    """
    if meaning is None:
        return response.error(UncertainError, code=code, detail=detail)
    return response.error(
        meaning.error,
        code=code,
        reason=meaning.reason,
        fault=meaning.fault,
        detail=detail,
        retry_after=meaning.retry_after if isinstance(meaning, Meaning) else None,
    )


# --- batches ----------------------------------------------------------------------------------------------------------


def correlate(
    messages: Sequence[Message], rows: Iterable[_Row], named: Callable[[_Row], tuple[str, str]]
) -> dict[int, _Row]:
    """The row of each message, by the message's index.

    ``named`` tells the reference and the number (its digits) that a row names, each empty where it names none. A row
    belongs to the one message that has what it names, wherever it stands. Rows that fit no message or several are left
    out, and so are messages with no row or with several: what became of them is uncertain.
    """
    found = [(row, named(row)) for row in rows]
    shapes = {(bool(reference), bool(number)) for _, (reference, number) in found}
    owners: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, message in enumerate(messages):
        reference, number = message.reference or "", digits(message.to)
        for name in {
            (reference if by_reference else "", number if by_number else "") for by_reference, by_number in shapes
        }:
            owners[name].append(index)
    claims: defaultdict[int, list[_Row]] = defaultdict(list)
    for row, name in found:
        if len(owners[name]) == 1:
            claims[owners[name][0]].append(row)
    return {index: claimed[0] for index, claimed in claims.items() if len(claimed) == 1}


def result(index: int, message: Message, sent: Callable[[], SentMessage]) -> Result:
    """The Result of one message of a batch: what ``sent`` returns, or the SendError that it raises."""
    try:
        return Result(index=index, message=message, sent=sent())
    except SendError as error:
        return Result(index=index, message=message, error=error)
