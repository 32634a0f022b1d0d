"""A connection: what is written, read and waited for, decided once for both clients.

A ``Channel`` does what there is to do on a socket that does not block, and says what to wait for. These things hold
directly and through proxies, with TLS and without:

- a request leaves at one go, and only where nothing came before it: what is there already is no answer to it;
- an answer that begins before its request is written whole ends the writing, also behind others that only inform (1xx);
- each wait ends at the deadline of the exchange: a time-out for each read alone would let a server drip for ever.
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
"""Yields what to wait for, READ or WRITE or both, and returns a ``T``."""

_CHUNK = 64 * 1024
_TOO_EARLY = "the server spoke before it was asked"
_PRELIMINARY = re.compile(rb"CONNECT |[\x01\x05]")  # what asks a proxy for a tunnel, with HTTP or SOCKS


class OutOfTurnError(httpcore.ConnectError):
    """Something came before the request was sent, so that it was not."""


class Exchange:
    """The request that a connection carries now: how much time there is, and how far it came."""

    __slots__ = ("_at", "_end", "begun", "early", "left", "tunnelled")

    def __init__(self) -> None:
        self.begin(math.inf)

    def begin(self, end: float) -> None:
        """The next request, which has to be over at ``end``, on the clock of ``time.monotonic``."""
        self._at = self._end = end
        self.begun = False
        """Whether a socket was asked for anything; not so where a test's tool answers."""
        self.left = False
        """Whether a byte of the request may have left."""
        self.early = False
        """Whether the request is not written whole, so that an answer which begins is early."""
        self.tunnelled = False
        """Whether a proxy opened the way, so that what follows is between the server and us."""

    def allow(self, seconds: float) -> None:
        """The next part of the exchange may take ``seconds``."""
        self._at = min(monotonic() + seconds, self._end)

    def until(self, timeout: float | None) -> Callable[[], float]:
        """How long each wait may take of what is to be over in ``timeout``; raises TimeoutError if there is no time."""
        end = self._at if timeout is None else min(self._at, monotonic() + timeout)

        def left() -> float:
            seconds = end - monotonic()
            if seconds <= 0:
                raise TimeoutError
            return seconds

        return left


class _Tls:
    """TLS, from bytes to bytes."""

    def __init__(self, context: ssl.SSLContext, host: str | None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def shake(self) -> bool:
        """Go on with the handshake; false if the other side has to say something first."""
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def seal(self, data: bytes) -> bytes:
        """``data`` as it goes over the wire, after what is to be said of TLS itself."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._ssl.write(rest) :]
        return self._outgoing.read()

    def hear(self, data: bytes, *, ended: bool) -> None:
        """Take ``data`` of the other side, and that it is its last."""
        if data:
            self._incoming.write(data)
        if ended:
            self._incoming.write_eof()

    def unseal(self, data: bytes, *, ended: bool) -> tuple[bytes, bool]:
        """What the other side says with ``data``, and whether it has ended, with a farewell or without."""
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
    """A connected socket with what is on top of it: TLS, once or twice, and the order in which things may come."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self.socket = sock
        self.exchange = exchange
        self._layers: list[_Tls] = []
        self._held = b""  # of a request, until it is whole: httpcore writes its head and its body one after the other
        self._said = b""  # by the server, and not read yet
        self._ended = False
        self._head = Head()

    def hold(self, data: bytes) -> bool:
        """Hold ``data`` of a request until it is whole; true where it is: httpcore writes nothing at its end."""
        self.exchange.begun = True
        self._held += data
        return not data

    def flush(self) -> Waits[None]:
        """Send what is held."""
        held, self._held = self._held, b""
        if held:
            self._refuse_what_is_said()
            self._head = Head()
            if not _PRELIMINARY.match(held):
                self.exchange.left = True
            self.exchange.early = True
            self.exchange.early = not (yield from self._push(self._sealed(held), READ | WRITE))

    def read(self) -> Waits[bytes]:
        """What the server says next; empty at the end."""
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
        """Shake hands, also inside the TLS that there is."""
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
            with contextlib.suppress(OSError):  # tell the other side why
                self.socket.send(self._sealed(tls.seal(b"")))
            raise
        yield from self._push(self._sealed(tls.seal(b"")), WRITE)
        self._layers.append(tls)
        self._said, self._ended = tls.unseal(b"", ended=False)

    def speaks(self) -> bool:
        """Whether the server said something that was not read yet, or hung up."""
        while not self._said and not self._ended and self._take():
            pass
        return bool(self._said) or self._ended

    def close(self) -> None:
        self.socket.close()

    def _refuse_what_is_said(self) -> None:
        """What came before the request is no answer to it."""
        if self.speaks():
            raise OutOfTurnError(_TOO_EARLY if self._said else "the server hung up")

    def _sealed(self, data: bytes) -> bytes:
        for layer in reversed(self._layers):
            data = layer.seal(data)
        return data

    def _push(self, data: bytes, events: int) -> Waits[bool]:
        """Write ``data``, and with READ listen in between: a server may refuse a request that it has not got whole.

        False if an answer began, or the end came, before the last byte.
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
        """Hold back what was said until it is the head of an answer."""
        self._said = self._head.feed(self._said)

    def _take(self) -> bool:
        """Take in what is there, without waiting; false if nothing is."""
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
