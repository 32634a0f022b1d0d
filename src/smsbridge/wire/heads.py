"""Clean the head of an answer (status line and headers) before httpcore parses it. No I/O.

httpcore's parser refuses an answer for an invalid byte in an unimportant header, and so loses a complete acceptance. So
a head is brought into the form that the parser needs: headers that frame the body are unchanged, invalid bytes in other
headers become question marks, and lines that are no headers are removed. So are 1xx heads, which the parser skips.
"""

from __future__ import annotations

import re

_LONGEST = 100 * 1024
"""The limit of h11: a longer head passes unchanged, and is refused there."""
_BLANK = re.compile(rb"\n\r?\n")
_STATUS = re.compile(rb"HTTP/(\d)(?:\.(\d))?[ \t]+(\d{3})(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_ODD = re.compile(rb"[\0\n\r\x0b\x0c]")
_TIDY = re.compile(
    rb"HTTP/1\.[01] \d{3}(?: [^\0\r\n\x0b\x0c]*)?\r\n"
    rb"(?i:(?!transfer-)[-!#$%&'*+.^_`|~0-9A-Z]+:[^\0\r\n\x0b\x0c]*\r\n)*\r\n"
)


class Head:
    """A filter for the data of an answer, which corrects the HTTP status line and headers for the parser.

    It holds these back until they are complete, and then passes them on corrected. Data after the headers passes
    unchanged.
    """

    __slots__ = ("_held", "passed", "surplus")

    def __init__(self) -> None:
        self._held = bytearray()
        self.passed = False
        """Whether the head was complete and has passed."""
        self.surplus = False
        """Whether data came directly after the head."""

    @property
    def begun(self) -> bool:
        """Whether the answer has begun.

        An informational status line (1xx) does not count, but any other data does.
        """
        if self.passed:
            return True
        status = _status(self._held)
        return b"\n" in self._held if status is None else not _is_informational(status)

    def feed(self, data: bytes) -> bytes:
        """Take the next ``data`` of the server, and return the data that may pass to the parser now.

        The return value is empty until the status line and the headers are complete.
        """
        if self.passed:
            return data
        new = len(self._held)
        self._held += data
        head = self._whole(new)
        if head is None:
            return b""
        self.passed = True
        rest = self.rest()
        self.surplus = bool(rest)
        return head + rest

    def rest(self) -> bytes:
        """Return the data that the filter still holds back. Call this when no more data comes."""
        held, self._held = bytes(self._held), bytearray()
        return held

    def _whole(self, new: int) -> bytes | None:
        """Return the head if it is complete with the ``new`` data, else None; empty if this is no head."""
        while True:
            # Padding of the last answer, or of a careless script.
            if self._held.startswith((b"\r", b"\n")):
                self._held = self._held.lstrip(b"\r\n")
            if not b"HTTP/".startswith(self._held[:5].upper()) or len(self._held) > _LONGEST:
                return b""
            end = _BLANK.search(self._held, new - 2)
            if end is None:
                return None
            head = bytes(self._held[: end.end()])
            del self._held[: end.end()]
            new = 0
            status = _status(head)
            if status is None or not _is_informational(status):
                return tidy(head)


def tidy(head: bytes) -> bytes:
    """Return ``head``, the HTTP status line and headers of an answer, in the form that the parser h11 accepts.

    ``head`` ends with an empty line.
    """
    if _TIDY.fullmatch(head):
        return head
    status = _status(head)
    if status is None:
        return head
    major, minor, code, reason = status.groups()
    version = b"1.0" if (major, minor) in ((b"1", b"0"), (b"0", b"9")) else b"1.1"
    headers = _headers(head.split(b"\n")[1:])
    coded = _transfer_coding([value for name, value in headers if name.lower() == b"transfer-encoding"])
    kept = [(name, value) for name, value in headers if name.lower() != b"transfer-encoding"]
    kept += [(b"transfer-encoding", coded)] if coded else []
    words = _ODD.sub(b"?", (reason or b"").strip())
    tidied = [b"HTTP/%b %b %b" % (version, code, words), *(b"%b: %b" % header for header in kept)]
    return b"\r\n".join(tidied) + b"\r\n\r\n"


def _status(head: bytes | bytearray) -> re.Match[bytes] | None:
    return _STATUS.fullmatch(head.partition(b"\n")[0].rstrip(b"\r"))


def _is_informational(status: re.Match[bytes]) -> bool:
    """Return whether this is a 1xx status, which another head follows; 101 would change the protocol."""
    return status[3].startswith(b"1") and status[3] != b"101"


def _headers(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    for line in lines:
        # The value of the last header continues (obs-fold).
        if line[:1] in (b" ", b"\t"):
            if headers and line.strip():
                name, value = headers[-1]
                headers[-1] = name, b"%b %b" % (value, _ODD.sub(b"?", line.strip()))
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        if colon and _NAME.fullmatch(name):
            headers.append((name, _ODD.sub(b"?", value.strip(b" \t\r\n"))))
    return headers


def _transfer_coding(values: list[bytes]) -> bytes:
    """Combine the Transfer-Encoding headers: ``identity`` is no coding, and a repeated ``chunked`` is ``chunked``."""
    codings = [coding.strip() for value in values for coding in value.lower().split(b",")]
    codings = [coding for coding in codings if coding not in (b"", b"identity")]
    return b"chunked" if set(codings) == {b"chunked"} else b", ".join(codings)
