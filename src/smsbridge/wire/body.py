"""Read the body of an answer as it arrives: decompress it, with a limit on its size. No I/O."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from ..http import Headers, HttpResponse

MAX_BODY = 4 * 1024 * 1024
"""The most bytes of an answer that are kept, after decoding (and the most that are read, before)."""

ACCEPTED = "gzip, deflate"
_GZIP, _ZLIB, _BARE = 31, 15, -15
"""The window bits of zlib."""
_BITS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_MAGIC = b"\x1f\x8b"
"""The beginning of each member of a gzip file."""
_UNREADABLE = re.compile(
    r"(x-)?(aes128gcm|br|brotli|bzip2?|compress|dcb|dcz|exi|lz4|lzma|pack200-gzip|peerdist|sdch|snappy|xpress|xz|zstd)"
)
"""Compressing codings, registered with IANA or in use, that are not decoded here."""
_ODD = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f]")


class Body:
    """The body of an answer that is still arriving. Pass the data to :meth:`feed`, then call :meth:`answer`.

    Set ``complete`` to false if the body was cut off before its end.
    """

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
        # The data after a complete gzip member, if it is too short to tell whether another member begins.
        self._over = b""
        self._parts: list[bytes] = []
        self._room = self._wire = MAX_BODY
        self.complete = self._coding == "" or self._coding in _BITS

    def feed(self, chunk: bytes) -> bool:
        """Take the next data of the body. Returns false if no more data is needed.

        This is so if the body is too large, or cannot be decoded.
        """
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
        # Some servers leave out the header of deflate.
        bare = self._coding == "deflate" and chunk[0] & 0x0F != zlib.DEFLATED
        return _BARE if bare else _BITS[self._coding]

    def answer(self) -> HttpResponse:
        """Return the answer with its whole body. Call this when no more data comes."""
        body = b"".join(self._parts)
        if (self._inflater is not None and not self._inflater.eof) or (self._unknown and _BINARY.search(body)):
            self.complete = False
        return HttpResponse(status=self._status, headers=self._headers, body=body, complete=self.complete)


def _coding(header: str) -> tuple[str, bool]:
    """Return the coding in ``header`` (Content-Encoding), empty if none, and whether it names an unknown coding.

    Some servers name a charset there (``UTF-8``), or ``none`` or ``binary``: a word without compression is no coding.
    """
    words = [word.partition(";")[0].strip(" \t'\"").lower() for word in header.split(",")]
    codings = [word for word in words if word in _BITS or _UNREADABLE.fullmatch(word)]
    unknown = any(word not in ("", "identity", *codings) for word in words)
    return " ".join(codings), unknown
