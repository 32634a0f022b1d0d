"""Write, read and wait on a connection, by the same rules for both clients.

A ``Channel`` does the work on a non-blocking socket, and yields what to wait for. These rules hold directly and through
proxies, with TLS and without:

- a request leaves as a whole, and only if no data came before it, since such data is no answer to it; - an answer that
begins before its request is completely written ends the writing, also after 1xx answers; - each wait ends at the
deadline of the exchange: with a time-out only for each read, a server could drip forever.
"""

from __future__ import annotations

import contextlib
import math
import re
import socket
import ssl
from collections.abc import Callable, Generator
from time import monotonic
from typing import TypeVar

import httpcore

from .dialing import READ, WRITE
from .heads import Head

T = TypeVar("T")
Waits = Generator[int, None, T]
"""A generator that yields what to wait for, READ or WRITE or both, and returns a ``T``."""

_CHUNK = 64 * 1024
_TOO_EARLY = "the server sent data before the request"
_PRELIMINARY = re.compile(rb"CONNECT |[\x01\x05]")
"""The beginning of a request to a proxy for a tunnel, with HTTP or SOCKS."""


class OutOfTurnError(httpcore.ConnectError):
    """Raised if the server sent data before the request, so that the request was not sent."""


class Exchange:
    """The present request of a connection and its answer: their time limits, and how far they have come."""

    __slots__ = ("_at", "_end", "begun", "early", "left", "tunnelled")

    def __init__(self) -> None:
        self.begin(math.inf)

    def begin(self, end: float) -> None:
        """Begin the next request. It has to end at the time ``end``, on the clock of ``time.monotonic``."""
        self._at = self._end = end
        self.begun = False
        """Whether a socket was used; it is not if a tool of tests answers."""
        self.left = False
        """Whether a byte of the request may have left."""
        self.early = False
        """Whether the request is not completely written, so that an answer would be early."""
        self.tunnelled = False
        """Whether a proxy opened the tunnel, so that later data is between the server and us."""

    def allow(self, seconds: float) -> None:
        """Allow at most ``seconds`` for the next part of the exchange, such as reading the body."""
        self._at = min(monotonic() + seconds, self._end)

    def until(self, timeout: float | None) -> Callable[[], float]:
        """Return a function that gives the seconds left for a wait of at most ``timeout`` seconds.

        The function raises TimeoutError if no time is left. If ``timeout`` is None, only the limits of the exchange
        count.
        """
        end = self._at if timeout is None else min(self._at, monotonic() + timeout)

        def left() -> float:
            seconds = end - monotonic()
            if seconds <= 0:
                raise TimeoutError
            return seconds

        return left


class _Tls:
    """An end of a TLS session that works on bytes: the caller moves the bytes between this object and the socket."""

    def __init__(self, context: ssl.SSLContext, host: str | None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def shake(self) -> bool:
        """Continue the TLS handshake.

        Returns false if data of the server is needed first, true if the handshake is done.
        """
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def seal(self, data: bytes) -> bytes:
        """Encrypt ``data`` for the server.

        Pending data of TLS itself, such as of the handshake, comes first in the result.
        """
        rest = memoryview(data)
        while rest:
            rest = rest[self._ssl.write(rest) :]
        return self._outgoing.read()

    def hear(self, data: bytes, *, ended: bool) -> None:
        """Take encrypted ``data`` from the server; ``ended`` is true if no more data will come."""
        if data:
            self._incoming.write(data)
        if ended:
            self._incoming.write_eof()

    def unseal(self, data: bytes, *, ended: bool) -> tuple[bytes, bool]:
        """Decrypt ``data`` from the server; ``ended`` is true if no more data will come.

        Returns the decrypted data, and whether the session has ended, in any way.
        """
        self.hear(data, ended=ended)
        said = b""
        while True:
            try:
                part = self._ssl.read(_CHUNK)
            except ssl.SSLWantReadError:
                return said, False
            except ssl.SSLEOFError:
                return said, True
            if not part:
                return said, True
            said += part


class Channel:
    """A connected socket with its layers of TLS.

    It makes sure that a request leaves before the answer to it is read.
    """

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self.socket = sock
        self.exchange = exchange
        self._layers: list[_Tls] = []
        # Data of a request until it is complete: httpcore writes its head and its body separately.
        self._held = b""
        # Data of the server that is not read yet.
        self._said = b""
        self._ended = False
        self._head = Head()

    def hold(self, data: bytes) -> bool:
        """Keep ``data`` of a request until the request is complete.

        Returns whether the request is complete: httpcore writes ``b""`` at the end of a request.
        """
        self.exchange.begun = True
        self._held += data
        return not data

    def flush(self) -> Waits[None]:
        """Send the request that :meth:`hold` has collected.

        Raises OutOfTurnError if the server has sent data before the request.
        """
        held, self._held = self._held, b""
        if held:
            self._refuse_what_is_said()
            self._head = Head()
            if not _PRELIMINARY.match(held):
                self.exchange.left = True
            self.exchange.early = True
            self.exchange.early = not (yield from self._push(self._sealed(held), READ | WRITE))

    def read(self) -> Waits[bytes]:
        """Return the next data of the server; an empty value if the server has ended the connection."""
        yield from self.flush()
        while True:
            self._hear()
            if self._said:
                said, self._said = self._said, b""
                return said
            if self._ended:
                return self._head.rest()
            yield READ
            self._take()

    def start_tls(self, context: ssl.SSLContext, host: str | None) -> Waits[None]:
        """Do a TLS handshake with ``host``.

        If the connection already uses TLS, as with a proxy, the new layer is inside it.
        """
        if self._head.surplus:
            raise OutOfTurnError(_TOO_EARLY)
        self.exchange.tunnelled = self._head.passed
        self._refuse_what_is_said()
        tls = _Tls(context, host)
        try:
            while not tls.shake():
                yield from self._push(self._sealed(tls.seal(b"")), WRITE)
                while not self.speaks():
                    yield READ
                said, self._said = self._said, b""
                tls.hear(said, ended=self._ended)
        except ssl.SSLError:
            # Tell the other side why.
            with contextlib.suppress(OSError):
                self.socket.send(self._sealed(tls.seal(b"")))
            raise
        yield from self._push(self._sealed(tls.seal(b"")), WRITE)
        self._layers.append(tls)
        self._said, self._ended = tls.unseal(b"", ended=False)

    def speaks(self) -> bool:
        """Return whether the server has sent data that is not read yet, or has ended the connection."""
        while not self._said and not self._ended and self._take():
            pass
        return bool(self._said) or self._ended

    def close(self) -> None:
        self.socket.close()

    def _refuse_what_is_said(self) -> None:
        """Raise OutOfTurnError if data came before the request, since it is no answer to it."""
        if self.speaks():
            raise OutOfTurnError(_TOO_EARLY if self._said else "the server hung up")

    def _sealed(self, data: bytes) -> bytes:
        for layer in reversed(self._layers):
            data = layer.seal(data)
        return data

    def _push(self, data: bytes, events: int) -> Waits[bool]:
        """Write ``data``, and with READ also read in between: a server may refuse an incomplete request.

        Returns false if an answer began, or the connection ended, before the last byte.
        """
        rest = memoryview(data)
        while rest:
            with contextlib.suppress(BlockingIOError, InterruptedError):
                rest = rest[self.socket.send(rest) :]
            if rest:
                yield events
                if events & READ and self._take():
                    self._hear()
                    if self._ended or self._head.begun:
                        return False
        return True

    def _hear(self) -> None:
        """Hold back the server's data until the head of an answer is complete."""
        self._said = self._head.feed(self._said)

    def _take(self) -> bool:
        """Read the available data without waiting. Returns false if there is none."""
        try:
            data = self.socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        ended = not data
        for layer in self._layers:
            data, ended = layer.unseal(data, ended=ended)
        self._said += data
        self._ended = ended
        return True
