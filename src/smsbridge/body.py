"""The body of an answer as it comes in: inflated, and bounded while inflating. No I/O."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from .http import Headers, HttpResponse

MAX_BODY = 4 * 1024 * 1024
"""The most that is kept of an answer, in bytes after decoding (and read of it, before)."""

ACCEPTED = "gzip, deflate"
_GZIP, _ZLIB, _BARE = 31, 15, -15  # zlib's window bits
_BITS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_ODD = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


class Body:
    """Feed it what arrives, then ask for the answer. Whoever sees the body cut sets ``complete`` to false."""

    __slots__ = ("_encoding", "_headers", "_inflater", "_parts", "_room", "_status", "_wire", "complete")

    def __init__(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        try:
            self._headers = Headers(pairs)
        except ValueError:
            self._headers = Headers([(name, _ODD.sub("?", value)) for name, value in pairs])
        self._status = status
        self._encoding = self._headers.get("content-encoding", "").strip().lower() or "identity"
        self._inflater: zlib._Decompress | None = None
        self._parts: list[bytes] = []
        self._room = self._wire = MAX_BODY
        self.complete = self._encoding == "identity" or self._encoding in _BITS

    def feed(self, chunk: bytes) -> bool:
        """Take ``chunk``. False if no more is wanted: the body is too large or cannot be decoded."""
        self._wire -= len(chunk)
        if self._encoding in _BITS:
            try:
                chunk = self._inflate(chunk)
            except zlib.error:
                self.complete = False
                return False
        self._parts.append(chunk if len(chunk) <= self._room else chunk[: self._room])
        self._room -= len(chunk)
        if self._room >= 0 and self._wire >= 0:
            return True
        self.complete = False
        return False

    def _inflate(self, chunk: bytes) -> bytes:
        inflated = b""
        while chunk and len(inflated) <= self._room:
            if self._inflater is None or self._inflater.eof:  # gzip may have several members
                bits = _BITS[self._encoding]
                bare = bits == _ZLIB and chunk[0] & 0x0F != zlib.DEFLATED  # some leave out the header of "deflate"
                self._inflater = zlib.decompressobj(_BARE if bare else bits)
            inflated += self._inflater.decompress(chunk, self._room - len(inflated) + 1)
            chunk = self._inflater.unconsumed_tail or self._inflater.unused_data
        return inflated

    def answer(self) -> HttpResponse:
        """The answer, once no more of its body comes."""
        if self._inflater is not None and not self._inflater.eof:
            self.complete = False
        body = b"".join(self._parts)
        return HttpResponse(status=self._status, headers=self._headers, body=body, complete=self.complete)
