"""HTTP requests and responses as values: the steps that flows ask for most. No I/O.

``HttpRequest`` and ``HttpResponse`` serve both directions: requests of a provider, and webhooks. URL and body are
exactly as on the wire, because signatures cover bytes. Their ``repr`` shows no path, header or body: any of these can
hold a token, a number or a code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

from .errors import Fault, PayloadError, RefusedError, SendError, UncertainError
from .flow import Await as Await  # noqa: PLC0414
from .flow import Call as Call  # noqa: PLC0414
from .flow import Flow as Flow  # noqa: PLC0414
from .flow import Step as Step  # noqa: PLC0414
from .flow import Wait as Wait  # noqa: PLC0414
from .http_status import Meaning, meaning_of, phrase
from .http_status import can_refuse as can_refuse  # noqa: PLC0414
from .shown import Shown
from .webhook_body import Asgi, check_head, loads, pairs, read_asgi, read_wsgi, text_pairs, whole, within_bounds

Params = Mapping[str, Any] | Iterable[tuple[str, Any]]

_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_ORIGIN = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*")
_PADDING = "\0\t\n\x0b\x0c\r\x1a \xa0\ufeff"
_IN_PATHS = "/:@!$&'()*+,;="
"""The characters that a path may hold unescaped, besides letters, digits and ``-._~`` (RFC 3986)."""


class Headers(Mapping[str, str]):
    """HTTP headers, whose names match in upper and lower case. A header given several times is joined with commas."""

    __slots__ = ("_values",)

    def __init__(self, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        values: dict[str, str] = {}
        for name, value in _pairs(headers) if headers else ():
            if not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"the value of header {name} has a character that HTTP does not allow")
            key = name.lower()
            values[key] = f"{values[key]}, {value}" if key in values else value
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._values)})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HttpRequest(Step["HttpResponse"]):
    """An HTTP request: either a request that a provider makes, or an incoming webhook.

    ``sends`` means that this request may cause a text to be sent. After such a request has left, a failure that the
    provider does not explain is *uncertain* rather than *refused*.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=Headers)
    body: bytes = b""
    sends: bool = False
    _form: tuple[tuple[bytes, bytes], ...] | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        # isinstance takes ten times as long, since Headers has an abstract base class.
        if type(self.headers) is not Headers:
            object.__setattr__(self, "headers", Headers(self.headers))

    def __repr__(self) -> str:
        return f"<HttpRequest {self.method} {_origin(self.url)}, body of {len(self.body)} bytes>"

    @classmethod
    def get(
        cls, url: str, params: Params = (), *, headers: Mapping[str, str] | None = None, sends: bool = False
    ) -> HttpRequest:
        """Make a GET request. ``params`` are percent-encoded and added to the query of ``url``."""
        return cls(method="GET", url=with_query(url, params), headers=Headers(headers or {}), sends=sends)

    @classmethod
    def post_json(
        cls, url: str, data: Any, *, headers: Mapping[str, str] | None = None, sends: bool = False
    ) -> HttpRequest:
        """Make a POST request whose body is ``data`` as JSON in UTF-8."""
        body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        return cls._post(url, "application/json", body, headers, sends)

    @classmethod
    def post_form(
        cls, url: str, fields: Params, *, headers: Mapping[str, str] | None = None, sends: bool = False
    ) -> HttpRequest:
        """Make a POST request whose body is ``fields`` as ``application/x-www-form-urlencoded`` in UTF-8."""
        body = urlencode(_pairs(fields), encoding="utf-8").encode()
        return cls._post(url, "application/x-www-form-urlencoded", body, headers, sends)

    @classmethod
    def _post(
        cls,
        url: str,
        content_type: str,
        body: bytes,
        headers: Mapping[str, str] | None,
        sends: bool,  # noqa: FBT001
    ) -> HttpRequest:
        return cls(
            method="POST",
            url=url,
            headers=Headers({"content-type": content_type, **(headers or {})}),
            body=body,
            sends=sends,
        )

    @classmethod
    async def read_asgi(cls, scope: Mapping[str, Any], receive: Asgi) -> HttpRequest:
        """Read a webhook in an ASGI application (Starlette, FastAPI, ...). ``receive`` brings the body.

        Raises TooLargeError (answer with its ``status``, which is 413) as soon as more data has come than a webhook may
        have, and PayloadError if less data has come than the header ``Content-Length`` says.
        """
        request = cls._from_asgi(scope, b"")
        return replace(request, body=await read_asgi(request.headers.get("content-length", ""), receive))

    @classmethod
    def from_asgi(cls, scope: Mapping[str, Any], body: bytes) -> HttpRequest:
        """Make a webhook from an ASGI scope and the ``body``, which the application has already read.

        Raises TooLargeError (answer with its ``status``, which is 413) if the body is larger than a webhook's may be,
        and PayloadError if it is shorter than the header ``Content-Length`` says.
        """
        request = cls._from_asgi(scope, within_bounds(body))
        whole(body, request.headers.get("content-length", ""))
        return request

    @classmethod
    def _from_asgi(cls, scope: Mapping[str, Any], body: bytes) -> HttpRequest:
        headers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        server = scope.get("server") or ("localhost", None)
        host = headers.get("host") or (f"{server[0]}:{server[1]}" if server[1] else server[0])
        path = (
            (scope.get("raw_path") or quote(scope["path"], safe=_IN_PATHS).encode())
            .partition(b"?")[0]
            .decode("latin-1")
        )
        query = scope.get("query_string", b"").decode("latin-1")
        url = f"{scope.get('scheme', 'http')}://{host}{path}{'?' if query else ''}{query}"
        return cls(method=scope["method"], url=url, headers=headers, body=body)

    @classmethod
    def from_wsgi(cls, environ: Mapping[str, Any], body: bytes | None = None) -> HttpRequest:
        """Read a webhook in a WSGI application (Flask, Django) from ``environ``.

        ``body`` is the body if the application has already read it. Raises TooLargeError (answer with its ``status``,
        which is 413) before it reads more than a webhook may have, and PayloadError if less data has come than the
        header ``Content-Length`` says.
        """
        headers = {
            name.removeprefix("HTTP_").replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
        }
        # Some servers keep the URL exactly as it was sent.
        target = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
        if not target.startswith("/"):
            # Decoded as Latin-1, see PEP 3333.
            path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
            query = environ.get("QUERY_STRING", "")
            target = f"{quote(path.encode('latin-1'), safe=_IN_PATHS)}{'?' if query else ''}{query}"
        host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        url = f"{environ['wsgi.url_scheme']}://{host}{target}"
        if body is None:
            body = read_wsgi(environ)
        else:
            whole(within_bounds(body), environ.get("CONTENT_LENGTH", ""))
        return cls(method=environ["REQUEST_METHOD"], url=url, headers=headers, body=body)

    def seen_at(self, public_url: str) -> HttpRequest:
        """Return the webhook with the URL that the vendor called: ``public_url``, then path and query unchanged.

        This is needed because signatures cover the URL that was called. A proxy may have changed scheme and host, or
        cut off the beginning of the path; then ``public_url`` must contain that beginning.
        """
        target = _ORIGIN.sub("", self.url, count=1)
        return replace(self, url=f"{public_url.rstrip('/')}{'' if target.startswith('/') else '/'}{target}")

    @property
    def content_type(self) -> str:
        """The media type of the body, in lower case and without parameters; empty if no header gives it."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded parameters of the URL, in order, as pairs of name and value.

        Raises PayloadError if the parameters cannot be read.
        """
        return text_pairs(pairs(self._query))

    @property
    def query_bytes(self) -> list[tuple[bytes, bytes]]:
        """The parameters of the URL in order, percent-decoded to bytes, since signatures cover bytes.

        Raises PayloadError if there are too many parameters.
        """
        return list(pairs(self._query))

    @property
    def _query(self) -> bytes:
        return urlsplit(self.url).query.encode("utf-8", "surrogatepass")

    def form(self) -> list[tuple[str, str]]:
        """Return the decoded fields of a form body, in order, as pairs of name and value.

        Raises PayloadError if the fields cannot be read.
        """
        if not self.body.isascii():
            raise PayloadError("the webhook's form is not percent-encoded")
        return text_pairs(self._fields())

    def form_bytes(self) -> list[tuple[bytes, bytes]]:
        """Return the fields of a form body in order, percent-decoded to bytes, for the method ``verify`` of a provider.

        Signatures cover bytes, which need not be UTF-8. Raises PayloadError if there are too many fields.
        """
        return list(self._fields())

    def _fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the decoded fields, cached: several accounts may check the same webhook."""
        if self._form is None:
            object.__setattr__(self, "_form", pairs(self.body))
        return self._form or ()

    def json(self) -> Any:
        """Parse the body as JSON. Raises PayloadError if it is not JSON in UTF-8, with or without a byte order mark."""
        return loads(self.body)

    def check_size(self) -> None:
        """Raise TooLargeError if the request is larger than a webhook may be."""
        check_head(self.url, self.headers)
        within_bounds(self.body)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HttpResponse(metaclass=Shown):
    """The answer to a request or to a webhook. ``complete`` is false if the body was cut off or was too large.

    A body that is not complete is never read as JSON.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=Headers)
    body: bytes = b""
    complete: bool = True

    def __post_init__(self) -> None:
        if type(self.headers) is not Headers:
            object.__setattr__(self, "headers", Headers(self.headers))

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status}, body of {len(self.body)} bytes{'' if self.complete else ', cut'}>"

    @classmethod
    def of_json(cls, data: Any, *, status: int = 200) -> HttpResponse:
        """Make an HttpResponse whose body is ``data`` as JSON in UTF-8."""
        body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(status=status, headers={"content-type": "application/json"}, body=body)

    @property
    def ok(self) -> bool:
        """Whether the HTTP status is in the 200 range. The body may still report a failure: read it."""
        return 200 <= self.status < 300

    @property
    def content_type(self) -> str:
        """The media type of the body, in lower case and without parameters; empty if no header gives it."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def retry_after(self) -> float | None:
        """The seconds to wait before the next request, from the header ``Retry-After``.

        The header may hold a number of seconds or a date. None if the header is absent or invalid.
        """
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
            return float(value)
        try:
            when = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())

    def json(self) -> Any:
        """Parse the body as JSON. Faults that :func:`read_json` accepts do no harm.

        If the body is incomplete or not JSON, raises the SendError that :meth:`error` makes of this answer.
        """
        if not self.complete:
            raise self.error(detail="the answer was cut off or too large")
        try:
            return read_json(self.body)
        except ValueError:
            raise self.error(detail="the answer is not JSON") from None

    def json_object(self) -> dict[str, Any]:
        """Parse the body as a JSON object.

        If the body is incomplete or not a JSON object, raises the SendError that :meth:`error` makes of this answer.
        """
        data = self.json()
        if not isinstance(data, dict):
            raise self.error(detail="the answer is JSON but not an object")
        return data

    def error(
        self,
        kind: type[SendError] | None = None,
        *,
        code: str | None = None,
        reason: str | None = None,
        detail: str | None = None,
        fault: Fault | None = None,
        retry_after: float | None = None,
        documented: bool = False,
    ) -> SendError:
        """Return the error to ``raise`` for this answer.

        ``code`` and ``detail`` are the vendor's code and words, ``reason`` a short word of smsbridge. ``retry_after``
        is for how many seconds such a refusal lasts, if the vendor documents it; a ``Retry-After`` header of the answer
        replaces it.

        Without ``kind`` the HTTP status decides: 401 and 403 are AuthenticationError, 402 FundsError, 413 and 414
        ContentError, 429 RateLimitedError, permanent redirects and all other 4xx but 408 and 499 RefusedError; all
        other answers, 5xx and an unreadable 2xx included, are UncertainError. A ``kind`` that is a refusal becomes
        UncertainError too if the status does not prove a refusal, see :func:`can_refuse`; ``documented`` means that the
        vendor documents this status as a refusal. For an operation that sends nothing, the client turns any of these
        errors into a QueryError.
        """
        meaning = meaning_of(self.status)
        words = f"HTTP {phrase(self.status)}" if detail is None else detail
        if kind is not None and issubclass(kind, RefusedError) and not can_refuse(self.status, documented=documented):
            kind, fault = UncertainError, None
        if kind is None or kind is meaning.kind:
            kind, reason, fault = meaning.kind, reason or meaning.reason, fault or meaning.fault
            words = f"{words} {self._hint(meaning)}".rstrip()
        said = self.retry_after
        return kind(
            code=code or str(self.status),
            reason=reason,
            detail=words,
            fault=fault,
            retry_after=retry_after if said is None else said,
        )

    def _hint(self, meaning: Meaning) -> str:
        """Return a hint what to check. It is empty for a 404 with JSON, which comes from the vendor's API itself."""
        return "" if self.status == HTTPStatus.NOT_FOUND and _is_json(self.body) else meaning.hint


def with_query(url: str, params: Params) -> str:
    """Return ``url`` with ``params`` added to its query, before a ``#fragment``. They are percent-encoded in UTF-8."""
    query = urlencode(_pairs(params), encoding="utf-8")
    if not query:
        return url
    address, mark, fragment = url.partition("#")
    return f"{address}{'&' if '?' in address else '?'}{query}{mark}{fragment}"


def _pairs(params: Params) -> list[tuple[str, Any]]:
    mapping = type(params) is dict or isinstance(params, Mapping)
    return list(cast("Iterable[tuple[str, Any]]", cast("Mapping[str, Any]", params).items() if mapping else params))


def read_json(body: bytes) -> Any:
    """Parse the ``body`` of an answer as JSON. Raises ValueError if it is not JSON.

    Harmless faults are accepted: padding around the JSON, line ends within its texts, and a body that is not Unicode,
    which is read as ISO 8859-1.
    """
    try:
        text = body.decode(json.detect_encoding(body))
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    try:
        return json.loads(text.strip(_PADDING), strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _is_json(body: bytes) -> bool:
    try:
        return isinstance(read_json(body), dict | list)
    except ValueError:
        return False


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an unreadable URL"
    return f"{parts.scheme}://{host}{port}/…"
