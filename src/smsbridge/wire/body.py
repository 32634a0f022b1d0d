"""The body of an answer as it comes in: inflated, and bounded while inflating. No I/O."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from ..http import Headers, HttpResponse

MAX_BODY = 4 * 1024 * 1024
"""The most that is kept of an answer, in bytes after decoding (and read of it, before)."""

ACCEPTED = "gzip, deflate"
_GZIP, _ZLIB, _BARE = 31, 15, -15  # zlib's window bits
_BITS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_MAGIC = b"\x1f\x8b"  # with which each member of a gzip file begins
_UNREADABLE = re.compile(
    r"(x-)?(aes128gcm|br|brotli|bzip2?|compress|dcb|dcz|exi|lz4|lzma|pack200-gzip|peerdist|sdch|snappy|xpress|xz|zstd)"
)
"""Codings that compress, registered with IANA or in use, which are not decoded here."""
_ODD = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f]")


class Body:
    """Feed it what arrives, then ask for the answer. Set ``complete`` to false where the body was cut."""

    __slots__ = (
        "_coding",
        "_headers",
        "_inflater",
        "_over",
        "_parts",
        "_room",
        "_status",
        "_unknown",
        "_wire",
        "complete",
    )

    def __init__(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        try:
            self._headers = Headers(pairs)
        except ValueError:
            self._headers = Headers([(name, _ODD.sub("?", value)) for name, value in pairs])
        self._status = status
        self._coding, self._unknown = _coding(self._headers.get("content-encoding", ""))
        self._inflater: zlib._Decompress | None = None
        self._over = b""  # what came behind a whole member of gzip, and is too short to tell whether another one begins
        self._parts: list[bytes] = []
        self._room = self._wire = MAX_BODY
        self.complete = self._coding == "" or self._coding in _BITS

    def feed(self, chunk: bytes) -> bool:
        """Take ``chunk``. False if no more is wanted: the body is too large or cannot be decoded."""
        self._wire -= len(chunk)
        if self._coding in _BITS:
            try:
                chunk = self._inflate(chunk)
            except zlib.error:
                self.complete = False
                return False
        self._parts.append(chunk[: self._room])
        self._room -= len(chunk)
        if self._room >= 0 and self._wire >= 0:
            return True
        self.complete = False
        return False

    def _inflate(self, chunk: bytes) -> bytes:
        inflated = b""
        chunk = self._over + chunk
        self._over = b""
        while chunk and len(inflated) <= self._room:
            if self._inflater is None:
                self._inflater = zlib.decompressobj(self._bits(chunk))
            elif self._inflater.eof:
                if self._coding == "deflate" or not _MAGIC.startswith(chunk[:2]):
                    break  # padding
                if len(chunk) < len(_MAGIC):
                    self._over = chunk
                    break
                self._inflater = zlib.decompressobj(_GZIP)
            inflated += self._inflater.decompress(chunk, self._room - len(inflated) + 1)
            chunk = self._inflater.unused_data
        return inflated

    def _bits(self, chunk: bytes) -> int:
        bare = self._coding == "deflate" and chunk[0] & 0x0F != zlib.DEFLATED  # some leave out its header
        return _BARE if bare else _BITS[self._coding]

    def answer(self) -> HttpResponse:
        """The answer, once no more of its body comes."""
        body = b"".join(self._parts)
        if (self._inflater is not None and not self._inflater.eof) or (self._unknown and _BINARY.search(body)):
            self.complete = False
        return HttpResponse(status=self._status, headers=self._headers, body=body, complete=self.complete)


def _coding(header: str) -> tuple[str, bool]:
    """The coding that ``header`` (Content-Encoding) means, empty if none, and whether it names anything unknown.

    Some servers name a charset there (``UTF-8``), or ``none`` or ``binary``: what compresses nothing is no coding.
    """
    words = [word.partition(";")[0].strip(" \t'\"").lower() for word in header.split(",")]
    codings = [word for word in words if word in _BITS or _UNREADABLE.fullmatch(word)]
    unknown = any(word not in ("", "identity", *codings) for word in words)
    return " ".join(codings), unknown
