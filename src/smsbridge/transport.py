"""HTTP for the clients: the only file that imports httpx, itself imported with the first request.

Requests go to httpx's transports directly, below ``httpx.Client``: no redirects, no cookies, no logged URLs. Each holds
one connection, because httpcore's pool looks at all of its connections for every request, which at a hundred of them is
nearly all of the work. Tools that watch or replace httpx's transports (vcrpy, respx) see every request.

The promise that matters: NotConnected is raised only where the request certainly did not leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import re
import socket
import ssl
import string
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from importlib.metadata import version
from importlib.util import find_spec
from time import monotonic
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass

from .body import ACCEPTED, Body
from .errors import NoAnswer, NotConnected, TransportError
from .http import HttpRequest, HttpResponse
from .network import KEEP_ALIVE, AsyncConnection, Connection


@contextlib.contextmanager
def _without_command_line() -> Iterator[None]:
    """Importing httpx imports its command line, and with it click and rich, which doubles the time it takes."""
    absent = "httpx" not in sys.modules and "httpx._main" not in sys.modules
    if absent:
        sys.modules["httpx._main"] = None  # type: ignore[assignment]  # its import fails, as if click were missing
    try:
        yield
    finally:
        if absent:
            del sys.modules["httpx._main"]


with _without_command_line():
    import httpcore
    import httpx

_MIN_LIMIT = 100  # requests in flight, as in httpx
_AGENT = f"smsbridge/{version('smsbridge')}"
_URL = re.compile(r"(https?)://([^/?#@\\]+)([^#]*)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE = re.compile(r"[\x21-\x7e]*")

# Of these, a LocalProtocolError comes from making h11's Request, which is before the first byte.
_INVALID = (httpx.InvalidURL, httpx.LocalProtocolError, httpx.UnsupportedProtocol)
_CERTAIN = (*_INVALID, httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)

_ours: ContextVar[bool] = ContextVar("smsbridge_request", default=False)


def _not_ours(_: logging.LogRecord) -> bool:
    return not _ours.get()


# These log addresses and headers. A filter does not see what comes from a logger's children, so each has its own; what
# the application itself sends through httpx stays in its logs.
for _name in ("connection", "http11", "http2", "proxy", "socks"):
    logging.getLogger(f"httpcore.{_name}").addFilter(_not_ours)


class _Unsendable(Exception):
    """The request cannot leave; says why."""


@functools.cache
def _tls() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


L = TypeVar("L", bound="_Line | _AsyncLine")


class _Origin(Generic[L]):
    """Scheme, host and port: how to get there, and the idle lines, the least recently used first."""

    def __init__(self, address: str) -> None:
        try:
            self.url = httpx.URL(address)
            self.url.host.encode("idna")
        except (httpx.InvalidURL, ValueError):
            raise _Unsendable("the URL is not valid") from None
        try:
            self.tls = _tls() if self.url.scheme == "https" else None
        except OSError:
            raise _Unsendable("TLS: the certificates cannot be read") from None
        port = self.url.port or (443 if self.tls else 80)
        self.core = httpcore.Origin(self.url.raw_scheme, self.url.raw_host, port)
        self.headers = {"host": self.url.netloc.decode(), "accept-encoding": ACCEPTED, "user-agent": _AGENT}
        proxies = getproxies()
        proxy = proxies.get(self.url.scheme) or proxies.get("all")
        self.proxy = None if not proxy or proxy_bypass(self.headers["host"]) else _proxy(proxy)
        self.idle: deque[L] = deque()


def _proxy(address: str) -> httpx.Proxy:
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    except (httpx.InvalidURL, ValueError):
        raise _Unsendable("the proxy's address is not valid") from None
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise _Unsendable("a SOCKS proxy needs the package socksio")
    return proxy


class _Line(httpx.HTTPTransport):
    """httpx's transport with one connection in place of its pool. Test tools still find its ``handle_request``."""

    def __init__(self, origin: _Origin[_Line]) -> None:
        self.connection = Connection(origin.core, origin.tls)
        if origin.proxy:
            limits = httpx.Limits(max_connections=1, keepalive_expiry=KEEP_ALIVE)
            super().__init__(verify=_tls(), proxy=origin.proxy, limits=limits)
        else:
            self._pool = self.connection  # type: ignore[assignment]  # it answers the same calls


class _AsyncLine(httpx.AsyncHTTPTransport):
    """As ``_Line``."""

    def __init__(self, origin: _Origin[_AsyncLine]) -> None:
        self.connection = AsyncConnection(origin.core, origin.tls)
        if origin.proxy:
            limits = httpx.Limits(max_connections=1, keepalive_expiry=KEEP_ALIVE)
            super().__init__(verify=_tls(), proxy=origin.proxy, limits=limits)
        else:
            self._pool = self.connection  # type: ignore[assignment]  # it answers the same calls


class _ExactUrl(httpx.URL):
    """A URL with its path and query as they are; httpx would tidy them, and signatures cover bytes."""

    def __init__(self, origin: httpx.URL, target: str) -> None:
        path, mark, query = target.partition("?")
        self._uri_reference = origin._uri_reference._replace(path=path, query=query if mark else None)  # noqa: SLF001


def _failure(error: Exception, timeout: float, *, certain: bool) -> TransportError:
    """What ``error`` means, in words without any address, number or token."""
    words = type(error).__name__
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        words = f"no {'connection' if certain else 'answer'} within {timeout:g} s"
    elif isinstance(error, httpx.ProxyError):
        words = f"the proxy refused: {str(error)[:3]}"
    elif isinstance(error, _INVALID):
        words = "the request is not valid HTTP"
    elif isinstance(error, httpx.RemoteProtocolError):
        words = "the server hung up" if "disconnected" in str(error) else "the answer is not HTTP"
    else:
        cause: BaseException | None = error
        while cause is not None:  # the deepest says it best
            if isinstance(cause, ssl.SSLError):
                words = f"TLS: {(cause.reason or 'handshake failed').replace('_', ' ').lower()}"
            elif isinstance(cause, socket.gaierror):
                words = "name not found"
            elif isinstance(cause, OSError):
                number = cause.errno or next(map(int, re.findall(r"\[Errno (\d+)\]", str(cause))), None)
                words = os.strerror(number).lower() if number else "connection failed"
            cause = cause.__cause__
    return NotConnected(words) if certain else NoAnswer(words)


class _Sender(Generic[L]):
    """What the two have in common: where requests go, and what they are made of."""

    def __init__(self, *, timeout: float, concurrency: int) -> None:
        """``timeout`` in seconds, to connect, and again to answer; ``concurrency``: requests to expect at a time."""
        self._timeout = timeout
        self._limit = max(concurrency, _MIN_LIMIT)
        self._closed = False
        self._origins: dict[str, _Origin[L]] = {}
        self._extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)}

    def _prepare(self, request: HttpRequest) -> tuple[_Origin[L], str, dict[str, str]]:
        """Where to, the request's target, and its headers. Raises _Unsendable."""
        parts = _URL.fullmatch(request.url)
        if parts is None:
            raise _Unsendable("the URL is not valid")
        address = f"{parts[1]}://{parts[2]}"
        origin = self._origins.get(address)
        if origin is None:
            origin = self._origins.setdefault(address, _Origin(address))  # as another thread may be doing
        target = parts[3] if parts[3].startswith("/") else f"/{parts[3]}"
        if not _VISIBLE.fullmatch(target):
            target = quote(target, safe=string.punctuation)
        headers = {**origin.headers, **request.headers}
        headers.pop("transfer-encoding", None)
        headers.pop("content-length", None)
        if request.body or request.method not in ("GET", "HEAD", "DELETE"):
            headers["content-length"] = str(len(request.body))
        if not all(map(_TOKEN.fullmatch, (request.method, *headers))):
            raise _Unsendable("the request is not valid HTTP")
        return origin, target, headers

    def _wrap(self, request: HttpRequest, origin: _Origin[L], target: str, headers: dict[str, str]) -> httpx.Request:
        return httpx.Request(
            request.method,
            _ExactUrl(origin.url, target),
            headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()],
            stream=httpx.ByteStream(request.body),
            extensions=self._extensions,
        )

    def _check_open(self) -> None:
        if self._closed:
            raise _Unsendable("the client is closed")


class Transport(_Sender[_Line]):
    """Sends requests from any thread."""

    def __init__(self, *, timeout: float, concurrency: int) -> None:
        super().__init__(timeout=timeout, concurrency=concurrency)
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(self._limit)

    def send(self, request: HttpRequest) -> HttpResponse:
        """The answer to ``request``. Raises NotConnected or NoAnswer."""
        token = _ours.set(True)
        try:
            answer = self._send(request)
        except BaseException as error:  # noqa: BLE001  # an interruption
            raise _without_frames(error) from None
        finally:
            _ours.reset(token)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    def close(self) -> None:
        """Close idle connections now and others once they have their answer. Later requests are refused."""
        with self._lock:
            self._closed = True
            lines = [line for origin in self._origins.values() for line in origin.idle]
            for origin in self._origins.values():
                origin.idle.clear()
        for line in lines:
            line.close()

    def _send(self, request: HttpRequest) -> HttpResponse | TransportError:
        try:
            self._check_open()
            origin, target, headers = self._prepare(request)
            if not self._turns.acquire(timeout=self._timeout):
                return NotConnected(f"no free connection within {self._timeout:g} s")
        except _Unsendable as error:
            return NotConnected(str(error))
        try:
            line = self._take(origin)
            try:
                return self._exchange(line, self._wrap(request, origin, target, headers))
            finally:
                self._give_back(origin, line)
        finally:
            self._turns.release()

    def _take(self, origin: _Origin[_Line]) -> _Line:
        while True:
            with self._lock:
                line = origin.idle.pop() if origin.idle else None
            if line is None:
                return _Line(origin)
            if not line.connection.spent:
                return line
            line.close()

    def _give_back(self, origin: _Origin[_Line], line: _Line) -> None:
        with self._lock:
            origin.idle.append(line)
            spent = origin.idle.popleft() if self._closed or origin.idle[0].connection.spent else None
        if spent is not None:
            spent.close()

    def _exchange(self, line: _Line, request: httpx.Request) -> HttpResponse | TransportError:
        line.connection.deadline = monotonic() + 2 * self._timeout
        try:
            response = line.handle_request(request)
        except Exception as error:  # noqa: BLE001  # whatever it is, it may quote the request
            return _failure(error, self._timeout, certain=isinstance(error, _CERTAIN))
        line.connection.deadline = monotonic() + self._timeout
        body = Body(response.status_code, response.headers.raw)
        stream: Any = response.stream
        try:
            with contextlib.closing(stream):
                for chunk in stream:
                    if not body.feed(chunk):
                        break
                    if monotonic() > line.connection.deadline:
                        raise TimeoutError
        except Exception:  # noqa: BLE001  # there is a status, which may be all that the provider needs
            body.complete = False
        return body.answer()


class AsyncTransport(_Sender[_AsyncLine]):
    """Sends requests from one event loop (and, once that is closed, from another)."""

    _loop: asyncio.AbstractEventLoop | None = None
    _turns: asyncio.Semaphore

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer to ``request``. Raises NotConnected or NoAnswer."""
        token = _ours.set(True)
        try:
            answer = await self._send(request)
        except BaseException as error:  # noqa: BLE001  # an interruption
            raise _without_frames(error) from None
        finally:
            _ours.reset(token)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Close idle connections now and others once they have their answer. Later requests are refused."""
        self._closed = True
        for origin in self._origins.values():
            while origin.idle:
                await origin.idle.pop().aclose()

    async def _send(self, request: HttpRequest) -> HttpResponse | TransportError:
        try:
            self._check_open()
            self._enter(asyncio.get_running_loop())
            origin, target, headers = self._prepare(request)
            if self._turns.locked():
                async with asyncio.timeout(self._timeout):
                    await self._turns.acquire()
            else:
                await self._turns.acquire()  # at once
        except _Unsendable as error:
            return NotConnected(str(error))
        except TimeoutError:
            return NotConnected(f"no free connection within {self._timeout:g} s")
        try:
            line = await self._take(origin)
            try:
                return await self._exchange(line, self._wrap(request, origin, target, headers))
            finally:
                await self._give_back(origin, line)
        finally:
            self._turns.release()

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is self._loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise _Unsendable("the client belongs to another event loop")
        # Connections of a closed loop would still send, but never hear an answer.
        self._loop, self._turns = loop, asyncio.Semaphore(self._limit)
        self._origins.clear()

    async def _take(self, origin: _Origin[_AsyncLine]) -> _AsyncLine:
        while origin.idle:
            line = origin.idle.pop()
            if not line.connection.spent:
                return line
            await line.aclose()
        return _AsyncLine(origin)

    async def _give_back(self, origin: _Origin[_AsyncLine], line: _AsyncLine) -> None:
        origin.idle.append(line)
        if self._closed or origin.idle[0].connection.spent:
            await origin.idle.popleft().aclose()

    async def _exchange(self, line: _AsyncLine, request: httpx.Request) -> HttpResponse | TransportError:
        line.connection.deadline = monotonic() + 2 * self._timeout
        try:
            response = await line.handle_async_request(request)
        except Exception as error:  # noqa: BLE001  # whatever it is, it may quote the request
            return _failure(error, self._timeout, certain=isinstance(error, _CERTAIN))
        line.connection.deadline = monotonic() + self._timeout
        body = Body(response.status_code, response.headers.raw)
        stream: Any = response.stream
        try:
            async with contextlib.aclosing(stream):
                async for chunk in stream:
                    if not body.feed(chunk):
                        break
                    if monotonic() > line.connection.deadline:
                        raise TimeoutError
        except Exception:  # noqa: BLE001  # there is a status, which may be all that the provider needs
            body.complete = False
        return body.answer()


def _without_frames(error: BaseException) -> BaseException:
    """``error`` (a cancellation, say) without the frames it went through: they hold the token and the text."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
