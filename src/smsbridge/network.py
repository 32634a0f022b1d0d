"""One connection to a server, below httpx: it connects, sends each request in one piece, and keeps to a deadline.

A ``Connection`` stands in the place of httpcore's pool. A time-out for each read alone would let a server drip for ever,
so there is a deadline as well. The asynchronous one uses asyncio's own sockets, which cost half of what httpcore's
default, anyio, does.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import httpcore

if TYPE_CHECKING:
    import ssl

_WINDOW = 128 * 1024  # bytes that may wait to be read, or to be written
_SYNC = httpcore.SyncBackend()


class _Base:
    deadline = math.inf
    """When the answer must be there, on the clock of ``time.monotonic``."""

    def __init__(self, origin: httpcore.Origin, tls: ssl.SSLContext | None, keep_alive: float) -> None:
        self._origin = origin
        self._host = origin.host.decode("ascii")
        self._tls = tls
        self._keep_alive = keep_alive
        self._http: Any = None

    @property
    def spent(self) -> bool:
        """Whether no further request can go this way."""
        return self._http is not None and (self._http.is_closed() or self._http.has_expired())

    def left(self, timeout: float | None) -> float:
        """Seconds that the next step may take."""
        return max(0.0, min(self.deadline - monotonic(), math.inf if timeout is None else timeout))


class Connection(_Base):
    """Made with the first request. Whatever fails until then is a ConnectError or a ConnectTimeout."""

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        if self._http is None:
            stream = self._connect(request.extensions["timeout"]["connect"])
            self._http = httpcore.HTTP11Connection(self._origin, stream, self._keep_alive)
        response: httpcore.Response = self._http.handle_request(request)
        return response

    def close(self) -> None:
        if self._http is not None:
            self._http.close()

    def _connect(self, timeout: float) -> httpcore.NetworkStream:
        try:
            stream = _SYNC.connect_tcp(self._host, self._origin.port, timeout)
            if self._tls:
                stream = stream.start_tls(self._tls, self._host, timeout)
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            raise
        except Exception as error:  # such as a test's guard
            raise httpcore.ConnectError from error
        return _Stream(stream, self)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, connection: Connection) -> None:
        self._stream = stream
        self._connection = connection
        self._unsent = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            with contextlib.suppress(httpcore.WriteError):  # a server that hung up may have said why
                self._flush(timeout)
        left = self._connection.left(timeout)
        if not left:
            raise httpcore.ReadTimeout
        return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._unsent += buffer
        if len(self._unsent) > _WINDOW:
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        unsent, self._unsent = self._unsent, b""
        self._stream.write(unsent, timeout)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class AsyncConnection(_Base):
    """As ``Connection``, on the running event loop."""

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        if self._http is None:
            stream = await self._connect(request.extensions["timeout"]["connect"])
            self._http = httpcore.AsyncHTTP11Connection(self._origin, stream, self._keep_alive)
        response: httpcore.Response = await self._http.handle_async_request(request)
        return response

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def _connect(self, seconds: float) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        eyeballs: Any = (
            {"happy_eyeballs_delay": 0.25} if isinstance(loop, asyncio.BaseEventLoop) else {}
        )  # not in uvloop
        tls: Any = {"ssl": self._tls, "server_hostname": self._host} if self._tls else {}
        try:
            async with asyncio.timeout(seconds):
                _, stream = await loop.create_connection(
                    lambda: _AsyncStream(self, loop), self._host, self._origin.port, **tls, **eyeballs
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except Exception as error:
            raise httpcore.ConnectError from error
        return stream


class _AsyncStream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    _transport: asyncio.Transport

    def __init__(self, connection: AsyncConnection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self._unsent = b""
        self._unread = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._full = False  # towards the server
        self._paused = False  # from the server
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) > _WINDOW and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._error = error
        self._wake()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, seconds: float) -> None:
        """Until something happens, or ``seconds`` have passed."""
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  # httpcore's signature
        if self._unsent:
            await self._flush(timeout)
        if not self._unread and not self._ended:
            await self._wait(self._connection.left(timeout))
            if not self._unread and not self._ended:
                raise httpcore.ReadTimeout
        data = bytes(self._unread[:max_bytes])
        del self._unread[:max_bytes]
        if self._paused and len(self._unread) <= _WINDOW:
            self._paused = False
            self._transport.resume_reading()
        if not data and self._error is not None:
            raise httpcore.ReadError from self._error
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  # as above
        self._unsent += buffer
        if len(self._unsent) > _WINDOW:
            await self._flush(timeout)

    async def _flush(self, timeout: float | None) -> None:  # noqa: ASYNC109  # as above
        unsent, self._unsent = self._unsent, b""
        if not self._ended:  # else there may be something to read: why the server hung up
            self._transport.write(unsent)
        if self._full and not self._ended:
            await self._wait(self._connection.left(timeout))
            if self._full and not self._ended:
                raise httpcore.WriteTimeout

    async def aclose(self) -> None:
        self._transport.abort()  # close() would have TLS wait for the other side's farewell
        await asyncio.sleep(0)  # in which the socket is closed

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # of an idle connection: the server hung up, or talks out of turn
            return self._ended or bool(self._unread)
        return self._transport.get_extra_info(info)
