"""Read the content of webhooks within limits: anyone can send one, and it is read before its signature is checked.

No function here needs more memory than a few times the size of the webhook.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from .errors import PayloadError, TooLargeError

LONGEST_BODY = 1 << 20
"""The most bytes of a webhook's body: far more than any vendor sends, also with many reports together."""

LONGEST_HEAD = 1 << 16
"""The most characters of a webhook's URL and headers together; most servers accept less."""

MOST_FIELDS = 1000
"""The most fields of a form or a query."""

MOST_MARKS = 100_000
"""The most commas, colons and opening brackets of a JSON body: each may cause a value of many bytes in memory."""

_CHUNK = 1 << 16
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2}){1,256}")

Asgi = Callable[[], Awaitable[Mapping[str, Any]]]
"""The ``receive`` of an ASGI application."""


class Readable(Protocol):
    """A stream of bytes to read from, such as ``wsgi.input``."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; empty at the end of the stream."""
        ...


# --- size -------------------------------------------------------------------------------------------------------------


def within_bounds(body: bytes) -> bytes:
    """Return ``body`` unchanged. Raises TooLargeError if it is larger than the body of a webhook may be, 1 MiB."""
    if len(body) > LONGEST_BODY:
        raise TooLargeError(f"the webhook's body is larger than {LONGEST_BODY} bytes, so it is not read")
    return body


def check_head(url: str, headers: Mapping[str, str]) -> None:
    """Raise TooLargeError if ``url`` and ``headers`` together are larger than those of a webhook may be, 64 KiB."""
    if len(url) + sum(len(name) + len(value) for name, value in headers.items()) > LONGEST_HEAD:
        raise TooLargeError(f"the webhook's URL and headers are larger than {LONGEST_HEAD} characters")


def announced(length: str) -> int:
    """Return ``length``, the value of a header ``Content-Length``, as a number.

    Raises PayloadError if it is not a number, and TooLargeError if a body may not be so large: then nothing of it is
    read.
    """
    if not (length.isascii() and length.isdigit()):
        raise PayloadError("the Content-Length of the webhook is not a number")
    if len(length.lstrip("0")) > len(str(LONGEST_BODY)) or int(length) > LONGEST_BODY:
        raise TooLargeError(f"the webhook's body is larger than {LONGEST_BODY} bytes, so it is not read")
    return int(length)


def whole(body: bytes, length: str) -> bytes:
    """Return ``body`` unchanged. Raises PayloadError if it is shorter than the length that was announced.

    ``length`` is the header ``Content-Length`` that came with the body, or empty.
    """
    expected = announced(length) if length else 0
    if len(body) >= expected:
        return body
    if not body:
        raise PayloadError(
            f"of the webhook's body, which has {expected} bytes, none is left: "
            "something in this application has read it before, or the connection broke off"
        )
    raise PayloadError(f"the webhook was broken off: {len(body)} of {expected} bytes of its body came")


def read_wsgi(environ: Mapping[str, Any]) -> bytes:
    """Read the body of a webhook from ``wsgi.input`` in ``environ``.

    The body has the announced length, or (chunked) ends where the server ends the stream. Raises TooLargeError or
    PayloadError.
    """
    stream: Readable = environ["wsgi.input"]
    if environ.get("CONTENT_LENGTH"):
        left = announced(environ["CONTENT_LENGTH"])
    elif environ.get("wsgi.input_terminated"):
        left = LONGEST_BODY + 1
    elif environ.get("HTTP_TRANSFER_ENCODING"):
        raise PayloadError(
            "the webhook's body came in chunks, which this server does not hand over: "
            "use a server that sets wsgi.input_terminated"
        )
    else:
        return b""
    body = bytearray()
    while left and (part := stream.read(min(left, _CHUNK))):
        body += part
        left -= len(part)
    return whole(within_bounds(bytes(body)), environ.get("CONTENT_LENGTH", ""))


async def read_asgi(length: str, receive: Asgi) -> bytes:
    """Read the body of a webhook from the ASGI function ``receive``.

    ``length`` is the header ``Content-Length``, or empty. Raises TooLargeError as soon as too much data has come, and
    PayloadError if the client disconnects, or if less data has come than ``length`` says.
    """
    if length:
        announced(length)
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            whole(bytes(body), length)
            raise PayloadError("the webhook was interrupted before its end: its sender closed the connection")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LONGEST_BODY:
            raise TooLargeError(f"the webhook's body is larger than {LONGEST_BODY} bytes, so it is not read")
    return whole(bytes(body), length)


# --- forms and queries ------------------------------------------------------------------------------------------------


def pairs(encoded: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Split ``encoded``, a form or the query of a URL, into fields, in order and percent-decoded.

    Raises PayloadError if there are too many fields.
    """
    if encoded.count(b"&") >= MOST_FIELDS:
        raise PayloadError(f"the webhook has more than {MOST_FIELDS} parameters")
    parts = (part.partition(b"=") for part in encoded.split(b"&") if part)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in parts)


def text_pairs(fields: tuple[tuple[bytes, bytes], ...]) -> list[tuple[str, str]]:
    """Decode ``fields`` from UTF-8. Raises PayloadError if they are not UTF-8."""
    try:
        return [(name.decode(), value.decode()) for name, value in fields]
    except UnicodeDecodeError:
        raise PayloadError("the webhook's parameters are not UTF-8") from None


def _decoded(encoded: bytes) -> bytes:
    """Decode the escapes of ``encoded``, a run at a time: splitting at each escape takes two hundred times its size."""
    spaced = encoded.replace(b"+", b" ")
    if b"%" not in spaced:
        return spaced
    found, end = bytearray(), 0
    for escapes in _ESCAPES.finditer(spaced):
        found += spaced[end : escapes.start()]
        found += bytes.fromhex(escapes[0].replace(b"%", b"").decode())
        end = escapes.end()
    return bytes(found + spaced[end:])


# --- JSON -------------------------------------------------------------------------------------------------------------


def loads(body: bytes, *, most_marks: int = MOST_MARKS, **options: Any) -> Any:
    """Parse the ``body`` of a webhook as JSON in UTF-8, with or without a byte order mark.

    Raises PayloadError if the body is not JSON, or has more than ``most_marks`` commas, colons and opening brackets,
    which would take too much memory. ``options`` are those of ``json.loads``.
    """
    if sum(body.count(mark) for mark in (b",", b":", b"[", b"{")) > most_marks:
        raise PayloadError(
            f"the webhook's JSON has too many values: more than {most_marks} commas, colons and opening brackets"
        )
    try:
        return json.loads(body.decode("utf-8-sig"), **options)
    except (ValueError, RecursionError):
        raise PayloadError("the webhook's body is not JSON") from None
