"""HTTP/1.1 on the wire: a request as bytes, an answer from bytes. No I/O.

Nearly all answers are alike: they say how long they are, and nothing else that matters. Those are read here, which costs
a tenth of what h11 takes; every other one is handed to h11, from its first byte.
"""

from __future__ import annotations

import re
from typing import Any

import h11
import httpcore

_LONGEST_HEAD = 100 * 1024  # bytes, as in httpcore
_BLANK_LINE = re.compile(rb"\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
_FIELD = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[\t ]*"
)
_WITHOUT_BODY = (b"204", b"304")


def to_bytes(request: httpcore.Request) -> bytes:
    """The whole request. Raises httpcore.LocalProtocolError where a line would not stay one line."""
    stream: Any = request.stream
    lines = [b"%b %b HTTP/1.1" % (request.method, request.url.target), *map(b"%b: %b".__mod__, request.headers)]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(request.headers) or head.count(b"\r") != len(request.headers):
        raise httpcore.LocalProtocolError
    return b"%b\r\n\r\n%b" % (head, b"".join(stream))


class Answer:
    """The answer to ``request``. Feed it what arrives until it is ``done``. Raises httpcore.RemoteProtocolError."""

    __slots__ = ("_h11", "_left", "_request", "_unread", "cut", "done", "headers", "reason", "reusable", "status")

    def __init__(self, request: httpcore.Request) -> None:
        self._request = request
        self._unread = b""
        self._left = 0
        self._h11: h11.Connection | None = None
        self.status = 0
        """Zero until the head has arrived."""
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.done = False
        self.cut = False
        """Once done: whether something is wrong with the rest of the body."""
        self.reusable = False
        """Once done: whether the connection can take another request."""

    def feed(self, data: bytes) -> bytes:
        """Take what arrived, empty at the end of the connection; returns what there is of the body in it."""
        if self._h11 is not None:
            return self._feed_h11(self._h11, data)
        if not data and not self.status:
            raise httpcore.RemoteProtocolError("the server disconnected")
        if not data:
            self.done = self.cut = True
            return b""
        if not self.status:
            data = self._unread + data
            blank = _BLANK_LINE.search(data)
            if blank is None and len(data) <= _LONGEST_HEAD:
                self._unread = data
                return b""
            if blank is None or not self._read_head(data[: blank.end()]):
                self._h11 = self._start_h11()
                return self._feed_h11(self._h11, data)
            data = data[blank.end() :]
        if len(data) >= self._left:
            self.done = True
            self.reusable = len(data) == self._left
            data = data[: self._left]
        self._left -= len(data)
        return data

    def _read_head(self, head: bytes) -> bool:
        """Whether this is a plain answer, with a length."""
        first, *lines = head[:-4].split(b"\r\n")
        status = _STATUS.fullmatch(first)
        if status is None or status[1] in _WITHOUT_BODY or self._request.method in (b"HEAD", b"CONNECT"):
            return False
        headers = []
        length = b""
        for line in lines:
            field = _FIELD.fullmatch(line)
            if field is None:
                return False
            name, value = field.groups()
            headers.append((name, value))
            name = name.lower()
            if name == b"content-length":
                if length or not value.isdigit():
                    return False
                length = value
            elif name in (b"transfer-encoding", b"upgrade") or (
                name == b"connection" and value.lower() != b"keep-alive"
            ):
                return False
        if not length or len(length) > 18 or not head.endswith(b"\r\n\r\n"):
            return False
        self.status, self.reason, self.headers, self._left = int(status[1]), status[2] or b"", headers, int(length)
        return True

    def _start_h11(self) -> h11.Connection:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        headers = [(name, value.strip()) for name, value in self._request.headers]
        body: Any = self._request.stream
        connection.send(h11.Request(method=self._request.method, target=self._request.url.target, headers=headers))
        connection.send(h11.Data(data=b"".join(body)))
        connection.send(h11.EndOfMessage())
        return connection

    def _feed_h11(self, connection: h11.Connection, data: bytes) -> bytes:
        body = b""
        try:
            connection.receive_data(data)
            while (event := connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    self.status, self.reason = event.status_code, event.reason
                    self.headers = list(event.headers.raw_items())
                elif isinstance(event, h11.Data):
                    body += event.data
                elif not isinstance(event, h11.InformationalResponse):  # the end, of the body or of sense
                    self.done = True
                    over = connection.our_state is h11.DONE and connection.their_state is h11.DONE
                    self.reusable = over and not connection.trailing_data[0]
                    break
        except h11.RemoteProtocolError as error:
            if self.status:
                self.done = self.cut = True
                return body
            raise httpcore.RemoteProtocolError("the answer is not HTTP") from error
        if not self.status and (self.done or not data):
            raise httpcore.RemoteProtocolError("the server disconnected")
        return body
