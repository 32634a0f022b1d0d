"""The sockets under httpcore: bounded by a deadline, and for asyncio its own streams.

A time-out for each read alone would let a server drip for ever, so there is a deadline for a whole answer. And httpcore
goes to asyncio through anyio, which costs more than asyncio's own streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any

import httpcore


@contextlib.contextmanager
def _as(late: type[Exception], failed: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late from error
    except OSError as error:
        raise failed from error


class Deadline:
    """When the answer must be there, on the clock of ``time.monotonic``; never later than ``end``."""

    at = math.inf
    end = math.inf

    def begin(self, end: float) -> None:
        """The next request, which has to be over at ``end``."""
        self.at = self.end = end

    def set(self, seconds: float) -> None:
        """The next part of the exchange may take ``seconds``."""
        self.at = min(monotonic() + seconds, self.end)

    def left(self, timeout: float | None) -> float:
        """Seconds that the next read or write may take; raises TimeoutError if there are none."""
        left = min(self.at - monotonic(), math.inf if timeout is None else timeout)
        if left <= 0:
            raise TimeoutError
        return left


class BlockingBackend(httpcore.SyncBackend):
    """As httpcore's own, within ``deadline``."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
            left = self._deadline.left(timeout)
        return _BlockingStream(super().connect_tcp(host, port, left, local_address, socket_options), self._deadline)


class _BlockingStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _as(httpcore.ReadTimeout, httpcore.ReadError):
            return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _as(httpcore.WriteTimeout, httpcore.WriteError):
            self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
            left = self._deadline.left(timeout)
        return _BlockingStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Connects by asyncio, within ``deadline``."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature, here and below
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(self._deadline.left(timeout)):
                return _AsyncioStream(
                    self._deadline, *await asyncio.open_connection(host, port, happy_eyeballs_delay=0.25)
                )

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _AsyncioStream(httpcore.AsyncNetworkStream):
    def __init__(self, deadline: Deadline, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._deadline = deadline
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        with _as(httpcore.ReadTimeout, httpcore.ReadError):
            async with asyncio.timeout(self._deadline.left(timeout)):
                return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        with _as(httpcore.WriteTimeout, httpcore.WriteError):
            self._writer.write(buffer)
            async with asyncio.timeout(self._deadline.left(timeout)):
                await self._writer.drain()

    async def aclose(self) -> None:
        self._writer.transport.abort()  # close() would have TLS wait for the other side's farewell
        await asyncio.sleep(0)  # in which the socket is closed

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
                async with asyncio.timeout(self._deadline.left(timeout)):
                    await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except BaseException:
            await self.aclose()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # of an idle connection: the server hung up, or talks out of turn
            return self._reader.at_eof() or bool(self._reader._buffer)  # type: ignore[attr-defined]  # noqa: SLF001
        return self._writer.get_extra_info(info)
