"""The head of an answer, tidied before it is parsed. No I/O.

httpcore's parser gives up an answer for one odd byte in a header that nothing needs, and with it an acceptance that was
read whole. So a head is brought into the form that the parser wants: what frames the body stays as it came, odd bytes in
other headers become question marks, and lines that are no headers go.
"""

from __future__ import annotations

import re

_LONGEST = 100 * 1024  # as h11; a head that is longer goes on as it is, and is refused there
_BLANK = re.compile(rb"\n\r?\n")
_STATUS = re.compile(rb"HTTP/(\d)(?:\.(\d))?[ \t]+(\d{3})(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_ODD = re.compile(rb"[\0\n\r\x0b\x0c]")
_TIDY = re.compile(
    rb"HTTP/1\.[01] \d{3}(?: [^\0\r\n\x0b\x0c]*)?\r\n"
    rb"(?i:(?!transfer-)[-!#$%&'*+.^_`|~0-9A-Z]+:[^\0\r\n\x0b\x0c]*\r\n)*\r\n"
)


class Head:
    """Feed it what arrives: the head of an answer is held back until it is whole; all else passes as it is."""

    __slots__ = ("_held", "_searched", "passed", "surplus")

    def __init__(self) -> None:
        self._held = bytearray()
        self._searched = 0
        self.passed = False
        """Whether the head was whole and has gone on."""
        self.surplus = False
        """Whether anything came right behind it."""

    def feed(self, data: bytes) -> bytes:
        """What may go on of ``data`` and of what was held back."""
        if self.passed:
            return data
        self._held += data
        done = b""
        while not self.passed:
            _drop_blank_lines(self._held)
            head = self._whole()
            if head is None:
                return done
            done += head
        rest = self.rest()
        self.surplus = bool(rest)
        return done + rest

    def rest(self) -> bytes:
        """What is held back still, once no more comes."""
        held, self._held = bytes(self._held), bytearray()
        return held

    def _whole(self) -> bytes | None:
        if not _may_begin_an_answer(self._held) or len(self._held) > _LONGEST:
            self.passed = True
            return b""
        end = _BLANK.search(self._held, self._searched)
        if end is None:
            self._searched = max(0, len(self._held) - 2)
            return None
        head = bytes(self._held[: end.end()])
        del self._held[: end.end()]
        self._searched = 0
        self.passed = not _is_informational(head)
        return tidy(head)


def tidy(head: bytes) -> bytes:
    """``head``, which ends with an empty line, in the form that h11 reads."""
    if _TIDY.fullmatch(head):
        return head
    first, *lines = head.split(b"\n")
    status = _STATUS.fullmatch(first.rstrip(b"\r"))
    if status is None:
        return head
    major, minor, code, reason = status.groups()
    version = b"1.0" if (major, minor) in ((b"1", b"0"), (b"0", b"9")) else b"1.1"
    headers = _headers(lines)
    coded = _transfer_coding([value for name, value in headers if name.lower() == b"transfer-encoding"])
    kept = [(name, value) for name, value in headers if name.lower() != b"transfer-encoding"]
    kept += [(b"transfer-encoding", coded)] if coded else []
    words = _ODD.sub(b"?", (reason or b"").strip())
    tidied = [b"HTTP/%b %b %b" % (version, code, words), *(b"%b: %b" % header for header in kept)]
    return b"\r\n".join(tidied) + b"\r\n\r\n"


def begins_an_answer(data: bytes) -> bool:
    """Whether a final answer begins in ``data``, or anything else that is not an informational one (1xx)."""
    rest = bytearray(data)
    while True:
        _drop_blank_lines(rest)
        end = _BLANK.search(rest)
        if not _may_begin_an_answer(rest):
            return True
        if end is None:
            return len(rest) > len("HTTP/1.1 100") and not _is_informational(rest)
        if not _is_informational(rest):
            return True
        del rest[: end.end()]


def _drop_blank_lines(data: bytearray) -> None:
    """Padding of the answer before this one, or of a sloppy script."""
    if data.startswith((b"\r", b"\n")):
        data[:] = data.lstrip(b"\r\n")


def _may_begin_an_answer(data: bytes | bytearray) -> bool:
    return b"HTTP/".startswith(data[:5].upper())


def _is_informational(head: bytes | bytearray) -> bool:
    """Whether this is a 1xx that another head follows; 101 would change the protocol."""
    status = _STATUS.match(head)
    return status is not None and status[3].startswith(b"1") and status[3] != b"101"


def _headers(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):  # a value that goes on (obs-fold)
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
    """What the Transfer-Encoding headers come to: ``identity`` is none, and ``chunked`` said twice is chunked."""
    codings = [coding.strip() for value in values for coding in value.lower().split(b",")]
    codings = [coding for coding in codings if coding not in (b"", b"identity")]
    return b"chunked" if codings and set(codings) == {b"chunked"} else b", ".join(codings)
