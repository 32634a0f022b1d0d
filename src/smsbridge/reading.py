"""Read values as vendors write them; settings and checks that most providers share.

This is for authors of providers. A function that reads a value never raises: an unreadable value is None, or empty, and
the provider decides what that means. Formats of a single vendor (its own dates, its own ids) belong to its provider.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from .durations import duration
from .errors import Fault, RefusedError, SendError, UncertainError
from .http import HttpRequest, HttpResponse
from .messages import Dlt, Message, Money, Result, SentMessage, Status

_Row = TypeVar("_Row")
_NO_IDS = Dlt()
_LONGEST = timedelta(days=3650)
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
    # A bracket that does not close, or a port that is no number.
    except ValueError:
        return False
    return has_host and "@" not in parts.netloc and "\\" not in url and _PRINTABLE.fullmatch(url) is not None


def _as_duration(value: object) -> object:
    """``10m`` as a timedelta; pydantic reads ISO 8601. A bare number would be a guess."""
    if not isinstance(value, str) or value.strip().upper().startswith("P"):
        return value
    found = duration(value)
    if found is None:
        raise ValueError("write a time with its unit, such as 90s, 10m, 2h or 1d")
    return found


def _check_duration(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= _LONGEST:
        raise ValueError("the time must be longer than 0 and at most ten years")
    return value


Secret = Annotated[SecretStr, AfterValidator(_check_secret)]
"""The type of a setting that holds a token, key or password: printable ASCII without spaces, not empty, and never
shown.

Any other value is a ConfigurationError that names the setting: in a header, such a value could end the header, or be
cut.
"""

BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
"""The type of a setting for the URL of an API, without slashes at its end: ``f"{self.base_url}/messages"``.

It is an http:// or https:// URL in printable ASCII with a host, without credentials, backslash, query or fragment; any
other value is a ConfigurationError that names the setting and not its value. A default is used unchanged: write it
without a slash at its end.
"""

CallbackUrl = Annotated[str, AfterValidator(_check_callback_url)]
"""The type of a setting for the URL of a vendor's webhooks; it is unchanged, with its query and fragment.

It is an http:// or https:// URL in printable ASCII with a host, without credentials and backslash; any other value is a
ConfigurationError that names the setting and not its value.
"""

Duration = Annotated[timedelta, BeforeValidator(_as_duration), AfterValidator(_check_duration)]
"""The type of a setting that is a time, of a provider or a policy: a timedelta, which is written with its unit as
``90s``, ``10m``, ``2h`` or ``1d``.

It is longer than nothing, and ten years at most; anything else is a ConfigurationError that names the setting.
"""


# --- requests ---------------------------------------------------------------------------------------------------------


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``fields`` of a request that have a value: None and empty texts, lists and mappings are left out.

    The values 0 and False stay.
    """
    return {name: value for name, value in fields.items() if value or value not in (None, "", [], (), {})}


def basic(username: str, password: SecretStr) -> str:
    """Return the header ``Authorization`` of HTTP Basic authentication, in UTF-8 (RFC 7617).

    ``username`` may not contain a colon.
    """
    return f"Basic {b64encode(f'{username}:{password.get_secret_value()}'.encode()).decode()}"


def segment(id: str) -> str:
    """Percent-encode ``id`` for a single segment of a URL's path.

    Returns an empty string if ``id`` cannot be a segment: ``..`` would lead to another path.
    """
    return quote(id, safe="", errors="surrogatepass") if id.strip(".") else ""


def dlt_ids(message: Message, entity_id: str | None, template_id: str | None) -> Dlt:
    """Return the DLT ids (principal entity and template) for ``message``.

    If the message lacks an id, it is taken from ``entity_id`` or ``template_id``, which come from the settings.
    """
    own = message.dlt or _NO_IDS
    if own is _NO_IDS and entity_id is None and template_id is None:
        # Most texts have none, and making a Dlt takes microseconds.
        return _NO_IDS
    return Dlt(entity_id=own.entity_id or entity_id, template_id=own.template_id or template_id)


def seconds_left(message: Message, since: datetime | None = None) -> float | None:
    """Return for how many seconds ``message`` is valid, from now or from a later ``since``; None if it has no limit.

    Raises RefusedError (``expired``) for less than a second. If the vendor accepts no fraction of a second, cut it off:
    rounded up, a text could arrive too late.
    """
    if message.valid_until is None:
        return None
    left = (message.valid_until - max(now(), since or now())).total_seconds()
    if left < 1:
        raise RefusedError(
            "the text would have expired before it was sent: valid_until is less than a second away", reason="expired"
        )
    return left


# --- values -----------------------------------------------------------------------------------------------------------


def now() -> datetime:
    """Return the current time in UTC, to compare with vendors' times.

    A test can replace this function to stop the clock.
    """
    return datetime.now(UTC)


def text(value: Any) -> str:
    """Return a vendor's string or whole number as a trimmed string; an empty string for any other value."""
    if isinstance(value, str):
        return value.strip()
    try:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
    # Python does not write out a number of more than 4,300 digits.
    except ValueError:
        return ""


def decimal(value: Any) -> Decimal | None:
    """Return a vendor's number, or a string with a number, as a Decimal; None for any other value.

    Also returns None for a number with more than 15 digits before its point.
    """
    written = _figures(value)
    return Decimal(written) if _DECIMAL.fullmatch(written) else None


def whole(value: Any) -> int | None:
    """Return a vendor's number, or a string with a number, as an int; None if it is negative or not a whole number."""
    written = _WHOLE.fullmatch(_figures(value))
    return int(written[1]) if written else None


def _figures(value: Any) -> str:
    return f"{Decimal(repr(value)):f}" if isinstance(value, float) else text(value)


def digits(value: Any) -> str:
    """Return only the digits of a vendor's phone number, as a string."""
    return _NOT_DIGITS.sub("", text(value))


def phone(value: Any) -> str:
    """Return a vendor's phone number in E.164 if it has 8 to 15 digits; return a short code or a name unchanged."""
    written = text(value)
    number = _PHONE.fullmatch(written)
    return f"+{number[1]}" if number else written


def money(amount: Any, unit: str) -> Money | None:
    """Return a vendor's price as Money in ``unit``; None if ``amount`` is not a number, or ``unit`` is empty."""
    number = decimal(amount)
    return None if number is None or not unit else Money(amount=number, unit=unit)


def moment(value: Any, zone: tzinfo | None = None) -> datetime | None:
    """Return a vendor's time, written in ISO 8601, as a datetime in UTC. None if it cannot be read.

    ``zone`` is the time zone to use for a time without a time zone; if ``zone`` is None, such a time gives None.
    """
    try:
        when = datetime.fromisoformat(text(value))
        when = when if when.tzinfo else when.replace(tzinfo=zone)
        return when.astimezone(UTC) if when.tzinfo else None
    except (ValueError, OverflowError):
        return None


def part(value: Any) -> dict[str, Any]:
    """Return ``value`` if it is a JSON object, such as a part of an answer; else an empty object."""
    return value if isinstance(value, dict) else {}


def parts(value: Any) -> list[dict[str, Any]] | None:
    """Return the objects in ``value``, a list from JSON, without other values in the list.

    None if ``value`` is not a list.
    """
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else None


def digest(item: Mapping[str, Any]) -> str:
    """Make an id for a report or text to which the vendor gives no id: a hash of ``item``, an object from JSON.

    Equal items have the same id, in any order of their fields.
    """
    return hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()


# --- webhooks ---------------------------------------------------------------------------------------------------------


def credentials(webhook: HttpRequest, scheme: str) -> str | None:
    """Return the part of a webhook's header ``Authorization`` that follows ``scheme``, such as ``bearer``.

    None if the header is missing or has another scheme.
    """
    word, _, given = webhook.headers.get("authorization", "").partition(" ")
    return given if word.lower() == scheme else None


# --- answers ----------------------------------------------------------------------------------------------------------


def object_or_empty(response: HttpResponse) -> dict[str, Any]:
    """Return the JSON object in an answer; an empty object if the body is not a JSON object.

    This is for failures, whose HTTP status says enough.
    """
    try:
        return response.json_object()
    except SendError:
        return {}


class Meaning(NamedTuple):
    """The meaning of a vendor's error code or error text, for use as a value in a table of codes.

    ``error`` is the error to raise if a send gets this code, and ``fault`` its fault if that is not the default of the
    class. ``reason`` is a short word for people and programs. ``status`` is the status of a text whose report has this
    code, and ``retry_after`` for how many seconds the error lasts.
    """

    error: type[SendError]
    reason: str | None = None
    fault: Fault | None = None
    status: Status | None = None
    retry_after: float | None = None


class Outcome(NamedTuple):
    """The meaning of a vendor's word for the status of a text, for use as a value in a table of words.

    ``status`` and ``reason`` are those of a report. ``error`` and ``fault`` are those of a send whose answer already
    has this word; None for an accepted text. ``closed`` means that no more reports come although usually ``status`` is
    followed by another status.
    """

    status: Status
    reason: str | None = None
    error: type[SendError] | None = None
    fault: Fault | None = None
    closed: bool = False

    @property
    def final(self) -> bool:
        """Whether no more reports of the text will come."""
        return self.closed or self.status.final


def error_of(
    response: HttpResponse, meaning: Meaning | Outcome | None, *, code: str | None = None, detail: str | None = None
) -> SendError:
    """Make the error to raise for an answer, from the ``meaning`` of the vendor's code.

    ``code`` and ``detail`` are the vendor's own code and words. For an unknown meaning (None), the error is an
    UncertainError; for an Outcome without an error, the HTTP status decides. If the HTTP status does not prove a
    refusal, any refusal becomes uncertain, see :meth:`HttpResponse.error`.
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
    """Find the row of a vendor's answer that belongs to each message of a batch. Returns rows by the message's index.

    ``named`` is a function that returns the reference and the digits of the number in a row, each empty if the row has
    none. A row belongs to the only message with that reference and number, in any order of the rows. Rows that fit no
    message or several messages are left out, and so are messages with no row or several rows: their outcome is
    uncertain.
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
    """Make the Result of a message in a batch: call ``sent``, and keep the text it returns, or the SendError it raises.

    ``index`` is the place of the message in the batch.
    """
    try:
        return Result(index=index, message=message, sent=sent())
    except SendError as error:
        return Result(index=index, message=message, error=error)
