"""One connection to a server, in the place of httpcore's pool: it connects, sends, reads, and keeps to a deadline.

A time-out for each read alone would let a server drip for ever. Asynchronous connections use asyncio's own sockets;
httpcore's default, anyio, costs twice as much.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import select
import socket
from collections.abc import AsyncIterator, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import httpcore

from .http1 import Answer, to_bytes

if TYPE_CHECKING:
    import ssl

_PIECE = 64 * 1024  # bytes to read at once
_WINDOW = 128 * 1024  # bytes that may lie unread before the server is slowed down
KEEP_ALIVE = 4.0  # seconds; servers often hang up after 5, and a request sent into that moment is uncertain


class Response(NamedTuple):
    """What httpx reads of httpcore's Response, which takes longer to make."""

    status: int
    headers: list[tuple[bytes, bytes]]
    stream: Any
    extensions: dict[str, Any]


class _Base:
    deadline = math.inf
    """When the answer must be there, on the clock of ``time.monotonic``."""

    def __init__(self, origin: httpcore.Origin, tls: ssl.SSLContext | None) -> None:
        self._host = origin.host.decode("ascii")
        self._port = origin.port
        self._tls = tls
        self._used = 0.0
        self._closed = False

    def _left(self, timeout: float) -> float:
        """Seconds that the next step may take."""
        left = min(self.deadline - monotonic(), timeout)
        if left <= 0:
            raise httpcore.ReadTimeout
        return left


class Connection(_Base):
    """Made with the first request. Whatever fails until then is a ConnectError or a ConnectTimeout."""

    _socket: socket.socket | None = None

    @property
    def spent(self) -> bool:
        """Whether no further request can go this way; also if the server hung up, or talks out of turn."""
        return self._closed or (
            self._socket is not None and (monotonic() - self._used > KEEP_ALIVE or _readable(self._socket))
        )

    def handle_request(self, request: httpcore.Request) -> Response:
        timeouts = request.extensions["timeout"]
        unsent = to_bytes(request)
        wire = self._socket or self._connect(timeouts["connect"])
        answer = Answer(request)
        body = b""
        try:
            with contextlib.suppress(OSError):  # a server that hung up may have said why
                wire.settimeout(timeouts["write"])
                wire.sendall(unsent)
            while not answer.status:
                body = answer.feed(self.read(timeouts["read"]))
        except BaseException:
            self.close()
            raise
        stream = _Stream(self, answer, body, timeouts["read"])
        return Response(answer.status, answer.headers, stream, {"reason_phrase": answer.reason})

    def _connect(self, timeout: float) -> socket.socket:
        wire = None
        try:
            wire = socket.create_connection((self._host, self._port), timeout)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = self._tls.wrap_socket(wire, server_hostname=self._host) if self._tls else wire
        except BaseException as error:
            if wire is not None:
                wire.close()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout from error
            if isinstance(error, Exception):
                raise httpcore.ConnectError from error
            raise
        return self._socket

    def read(self, timeout: float) -> bytes:
        """What has arrived; empty at the end."""
        wire = cast("socket.socket", self._socket)
        wire.settimeout(self._left(timeout))
        try:
            return wire.recv(_PIECE)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError from error

    def release(self, *, reusable: bool) -> None:
        """The answer was read, or is not wanted any more."""
        self._used = monotonic()
        if not reusable:
            self.close()

    def close(self) -> None:
        self._closed = True
        if self._socket is not None:
            self._socket.close()


class _Stream:
    """The body of an answer."""

    def __init__(self, connection: Connection, answer: Answer, first: bytes, timeout: float) -> None:
        self._connection = connection
        self._answer = answer
        self._first = first
        self._timeout = timeout

    def __iter__(self) -> Iterator[bytes]:
        if self._first:
            yield self._first
        while not self._answer.done:
            chunk = self._answer.feed(self._connection.read(self._timeout))
            if chunk:
                yield chunk
        if self._answer.cut:
            raise httpcore.RemoteProtocolError

    def close(self) -> None:
        self._connection.release(reusable=self._answer.reusable)


def _readable(wire: Any) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([wire], [], [], 0)[0])
    poll = select.poll()
    poll.register(wire, select.POLLIN)
    return bool(poll.poll(0))


class AsyncConnection(_Base):
    """As ``Connection``, on the running event loop."""

    _wire: _Wire | None = None

    @property
    def spent(self) -> bool:
        """Whether no further request can go this way; also if the server hung up, or talks out of turn."""
        wire = self._wire
        if self._closed or wire is None:
            return self._closed
        stale = wire.ended or bool(wire.unread) or monotonic() - self._used > KEEP_ALIVE
        return stale or _readable(wire.transport.get_extra_info("socket"))  # what the event loop has not seen yet

    async def handle_async_request(self, request: httpcore.Request) -> Response:
        timeouts = request.extensions["timeout"]
        unsent = to_bytes(request)
        wire = self._wire or await self._connect(timeouts["connect"])
        answer = Answer(request)
        body = b""
        try:
            if not wire.ended:  # a server that hung up may have said why
                wire.transport.write(unsent)
            while not answer.status:
                body = answer.feed(await self.read(timeouts["read"]))
        except BaseException:
            self._abort()
            raise
        stream = _AsyncStream(self, answer, body, timeouts["read"])
        return Response(answer.status, answer.headers, stream, {"reason_phrase": answer.reason})

    async def _connect(self, seconds: float) -> _Wire:
        loop = asyncio.get_running_loop()
        options: Any = (
            {"happy_eyeballs_delay": 0.25} if isinstance(loop, asyncio.BaseEventLoop) else {}
        )  # not in uvloop
        if self._tls:
            options |= {"ssl": self._tls, "server_hostname": self._host}
        try:
            async with asyncio.timeout(seconds):
                _, self._wire = await loop.create_connection(lambda: _Wire(loop), self._host, self._port, **options)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except Exception as error:
            raise httpcore.ConnectError from error
        return self._wire

    async def read(self, seconds: float) -> bytes:
        """What has arrived; empty at the end."""
        wire = cast("_Wire", self._wire)
        if not wire.unread and not wire.ended:
            await wire.wait(self._left(seconds))
            if not wire.unread and not wire.ended:
                raise httpcore.ReadTimeout
        data = wire.take()
        if not data and wire.error is not None:
            raise httpcore.ReadError from wire.error
        return data

    async def release(self, *, reusable: bool) -> None:
        """The answer was read, or is not wanted any more."""
        self._used = monotonic()
        if not reusable:
            await self.aclose()

    async def aclose(self) -> None:
        self._abort()
        await asyncio.sleep(0)  # in which the socket is closed

    def _abort(self) -> None:
        self._closed = True
        if self._wire is not None:
            self._wire.transport.abort()  # close() would have TLS wait for the other side's farewell


class _AsyncStream:
    """The body of an answer."""

    def __init__(self, connection: AsyncConnection, answer: Answer, first: bytes, timeout: float) -> None:
        self._connection = connection
        self._answer = answer
        self._first = first
        self._timeout = timeout

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._first:
            yield self._first
        while not self._answer.done:
            chunk = self._answer.feed(await self._connection.read(self._timeout))
            if chunk:
                yield chunk
        if self._answer.cut:
            raise httpcore.RemoteProtocolError

    async def aclose(self) -> None:
        await self._connection.release(reusable=self._answer.reusable)


class _Wire(asyncio.Protocol):
    """A socket of asyncio, to be read from."""

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self.unread = bytearray()
        self.ended = False
        self.error: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        if len(self.unread) > _WINDOW and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self.ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self.error = exc
        self._wake()

    def take(self) -> bytes:
        data = bytes(self.unread)
        self.unread.clear()
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return data

    async def wait(self, seconds: float) -> None:
        """Until something happens, or ``seconds`` have passed."""
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
