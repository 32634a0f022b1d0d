"""The sockets that httpcore uses in place of its own, for both clients, which differ in how they wait.

httpcore's own sockets are not sufficient: their time-outs are only for each read, they lose time on unreachable
addresses, and for asyncio they use anyio.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import httpcore

from .channel import Channel, Exchange, Waits
from .dialing import dial, dial_async, wait, wait_async

T = TypeVar("T")


class BlockingBackend(httpcore.NetworkBackend):
    """The network functions that httpcore uses in the blocking client: connecting, reading and writing.

    It has one connection at a time, for the present ``exchange``.
    """

    def __init__(self) -> None:
        self.exchange = Exchange()
        self._channel: Channel | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        self.exchange.begun = True
        with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
            self._channel = _channel(dial(host, port, self.exchange.until(timeout)), self.exchange)
        return _BlockingStream(self._channel)

    def hang_up(self) -> None:
        """Close the connection at once, without telling the server (no TLS close_notify)."""
        if self._channel is not None:
            self._channel.close()


class _BlockingStream(httpcore.NetworkStream):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # Written out, since a context manager takes as long as the rest.
        try:
            return self._wait(self._channel.read(), timeout)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._channel.hold(buffer):
            with _as(httpcore.WriteTimeout, httpcore.WriteError):
                self._wait(self._channel.flush(), timeout)

    def close(self) -> None:
        self._channel.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._wait(self._channel.start_tls(ssl_context, server_hostname), timeout)
        except BaseException:
            self.close()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        return _info(self._channel, info)

    def _wait(self, waits: Waits[T], timeout: float | None) -> T:
        left = self._channel.exchange.until(timeout)
        try:
            while True:
                wait([self._channel.socket], next(waits), left())
        except StopIteration as stop:
            value: T = stop.value
            return value


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """The network functions that httpcore uses in the async client. It has one connection at a time, for ``exchange``.

    The network functions of httpcore itself use anyio, which takes longer.
    """

    def __init__(self) -> None:
        self.exchange = Exchange()
        self._channel: Channel | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature, here and below
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.exchange.begun = True
        with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(self.exchange.until(timeout)()):
                self._channel = _channel(await dial_async(host, port), self.exchange)
        return _AsyncioStream(self._channel)

    def hang_up(self) -> None:
        """Close the connection at once. This may be called from any event loop, or from none."""
        if self._channel is not None:
            self._channel.close()


class _AsyncioStream(httpcore.AsyncNetworkStream):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        with _as(httpcore.ReadTimeout, httpcore.ReadError):
            return await self._wait(self._channel.read(), timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if self._channel.hold(buffer):
            with _as(httpcore.WriteTimeout, httpcore.WriteError):
                await self._wait(self._channel.flush(), timeout)

    async def aclose(self) -> None:
        self._channel.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
                await self._wait(self._channel.start_tls(ssl_context, server_hostname), timeout)
        except BaseException:
            self._channel.close()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        return _info(self._channel, info)

    async def _wait(self, waits: Waits[T], timeout: float | None) -> T:  # noqa: ASYNC109
        left = self._channel.exchange.until(timeout)
        try:
            # Work that needs no wait needs no timer.
            events = next(waits)
            async with asyncio.timeout(left()):
                while True:
                    await wait_async([self._channel.socket], events)
                    events = next(waits)
        except StopIteration as stop:
            value: T = stop.value
            return value


def _channel(sock: socket.socket, exchange: Exchange) -> Channel:
    try:
        return Channel(sock, exchange)
    except BaseException:
        sock.close()
        raise


def _info(channel: Channel, info: str) -> Any:
    """Return whether the server of an idle connection hung up, or sent data out of turn.

    httpcore needs no other information.
    """
    if info != "is_readable":
        return None
    try:
        return channel.speaks()
    except OSError:
        return True


@contextlib.contextmanager
def _as(late: type[Exception], failed: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late from error
    except OSError as error:
        raise failed from error
