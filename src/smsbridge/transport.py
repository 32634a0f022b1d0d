"""HTTP for the clients: the only file that imports httpx, imported with the first request.

Requests go to httpx's transports directly, below ``httpx.Client``: no redirects, no cookies, no logged URLs. They are
spread over as many of them as are in flight, one connection each, because httpcore's pool looks at all its connections
for every request, which makes a large pool collapse.

The one promise that matters: ``NotConnected`` is raised only where the request certainly did not leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import os
import re
import socket
import ssl
import string
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from importlib.metadata import version
from time import monotonic
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from .body import ACCEPTED, Body
from .errors import NoAnswer, NotConnected, TransportError
from .forks import fresh_lock
from .http import HttpRequest, HttpResponse
from .network import AsyncioBackend, BlockingBackend, Deadline


@contextlib.contextmanager
def _without_command_line() -> Iterator[None]:
    """Importing httpx brings in its command line, and with it click and rich, which doubles the time to import it."""
    absent = "httpx" not in sys.modules and "httpx._main" not in sys.modules
    if absent:
        sys.modules["httpx._main"] = None  # type: ignore[assignment]  # makes the import fail, as if click were missing
    try:
        yield
    finally:
        if absent:
            del sys.modules["httpx._main"]


with _without_command_line():
    import httpx

_KEEP = 4.0  # seconds; common servers hang up after 5, and a request sent into that moment is uncertain
_AGENT = f"smsbridge/{version('smsbridge')}"
_FRAMING = ("content-length", "transfer-encoding")  # where a request ends is not for a provider to say
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_ours: ContextVar[bool] = ContextVar("smsbridge_request", default=False)


def _not_ours(record: logging.LogRecord) -> bool:  # noqa: ARG001  # a filter's signature
    return not _ours.get()


# These log addresses and headers. A filter on a parent does not see its children's records, so each gets one; other
# users of httpx in the application keep their logs.
for _name in (
    "httpx",
    "asyncio",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
):
    logging.getLogger(_name).addFilter(_not_ours)


@functools.cache
def _tls() -> ssl.SSLContext:
    """The one TLS context of this process: it takes long to make."""
    return httpx.create_ssl_context()


class Wire:
    """A request, ready to go: where to, and what of it is on the wire. Raises NotConnected if it cannot be sent."""

    __slots__ = ("body", "headers", "method", "origin", "proxy", "target")

    def __init__(self, request: HttpRequest, proxies: dict[str, str | None]) -> None:
        """``proxies`` remembers, by origin, what the environment says of it; to ask it takes longer than all the rest."""
        try:
            parts = urlsplit(request.url)
            _ = parts.port, (parts.hostname or "").encode("idna")
        except (UnicodeError, ValueError):
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise NotConnected("the URL is not valid")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.target = request.url[len(self.origin) :].partition("#")[0]
        if not self.target.startswith("/"):
            self.target = f"/{self.target}"
        if not _VISIBLE.fullmatch(self.target):
            self.target = quote(self.target, safe=string.punctuation)
        self.method = request.method
        self.body = request.body
        given = {name: value for name, value in request.headers.items() if name not in _FRAMING}
        self.headers = {"host": parts.netloc, "accept-encoding": ACCEPTED, "user-agent": _AGENT, **given}
        if request.body or request.method not in ("GET", "HEAD", "DELETE"):
            self.headers["content-length"] = str(len(request.body))
        if not _TOKEN.fullmatch(self.method) or not all(map(_TOKEN.fullmatch, self.headers)):
            raise NotConnected("the request is not valid HTTP")
        if self.origin not in proxies:
            proxies[self.origin] = _proxy(parts.scheme, parts.netloc)
        self.proxy = proxies[self.origin]

    def request(self, timeout: float) -> httpx.Request:
        """For httpx; ``target`` keeps it from tidying the URL, because signatures cover bytes."""
        url = f"{self.origin}{self.target}"
        through_proxy = self.proxy is not None and url.startswith("http:")  # which is told the whole URL
        extensions = {
            "timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout),
            "target": (url if through_proxy else self.target).encode("ascii"),
        }
        return httpx.Request(
            self.method,
            url,
            headers=httpx.Headers(self.headers, "latin-1"),
            stream=httpx.ByteStream(self.body),
            extensions=extensions,
        )


def _end(within: float | None) -> float:
    """When a request has to be over, on the clock of ``time.monotonic``."""
    if within is None:
        return math.inf
    if within <= 0:
        raise NotConnected("no time is left for a request")
    return monotonic() + within


def _proxy(scheme: str, netloc: str) -> str | None:
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


class _Line(httpx.HTTPTransport):
    """httpx's transport over our own sockets, which it has no parameter for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.deadline = Deadline()
        self._pool._network_backend = BlockingBackend(self.deadline)  # noqa: SLF001


class _AsyncLine(httpx.AsyncHTTPTransport):
    """As ``_Line``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.deadline = Deadline()
        self._pool._network_backend = AsyncioBackend(self.deadline)  # noqa: SLF001


def _has_surplus(line: _Line | _AsyncLine) -> bool:
    """Whether more came than the answer: httpcore would take it for the answer to the next request."""
    for connection in line._pool.connections:  # noqa: SLF001  # of either kind of pool
        state = getattr(getattr(connection, "_connection", None), "_h11_state", None)
        if state is not None and state.trailing_data[0]:
            return True
    return False


P = TypeVar("P", _Line, _AsyncLine)


class _Lines(Generic[P]):
    """httpx transports for one request at a time each; a request takes one that is idle, or a new one."""

    def __init__(self, kind: type[P]) -> None:
        self._kind: type[P] = kind
        self._idle: dict[str | None, list[P]] = {}

    def take(self, proxy: str | None) -> P:
        """One for this request; :meth:`give_back` it."""
        idle = self._idle.setdefault(proxy, [])
        if idle:
            return idle.pop()
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEP)
        with contextlib.suppress(ImportError, ValueError, httpx.InvalidURL):  # of a proxy that is none, or SOCKS
            return self._kind(verify=_tls(), limits=limits, proxy=proxy, trust_env=False)
        raise NotConnected("the proxy of the environment cannot be used")

    def give_back(self, proxy: str | None, line: P) -> None:
        """The request is answered."""
        self._idle.setdefault(proxy, []).append(line)

    def drain(self) -> list[P]:
        """All that are idle, which are forgotten here."""
        lines = [line for idle in self._idle.values() for line in idle]
        for idle in self._idle.values():
            idle.clear()
        return lines


class Transport:
    """Sends requests from any thread."""

    def __init__(self, *, timeout: float) -> None:
        """``timeout`` in seconds: to connect, and again to answer."""
        self._timeout = timeout
        self._proxies: dict[str, str | None] = {}
        self._lines = _Lines(_Line)
        self._lock = fresh_lock()
        self._closed = False
        self._process = os.getpid()

    def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """The answer to ``request``; raises NotConnected or NoAnswer.

        All of it ends ``within`` so many seconds, or as the time-outs of this transport say, if that is sooner.
        """
        end = _end(within)
        wire = Wire(request, self._proxies)
        if self._process != os.getpid():  # a fork: these connections are our parent's
            self._process, self._lines = os.getpid(), _Lines(_Line)
        with self._lock:
            if self._closed:
                raise NotConnected("the client is closed")
            line = self._lines.take(wire.proxy)
        token = _ours.set(True)
        try:
            answer = self._exchange(line, wire, end)
        except BaseException as error:  # noqa: BLE001
            raise error.with_traceback(None) from None  # the frames below hold the token and the text
        finally:
            _ours.reset(token)
            with self._lock:
                spent = self._closed or _has_surplus(line)
                if not spent:
                    self._lines.give_back(wire.proxy, line)
            if spent:
                line.close()
        if isinstance(answer, TransportError):
            raise answer
        return answer

    def close(self) -> None:
        """Close what is idle now, and what is in flight once it is answered."""
        with self._lock:
            self._closed = True
            lines = self._lines.drain()
        for line in lines:
            line.close()

    def _exchange(self, line: _Line, wire: Wire, end: float) -> HttpResponse | TransportError:
        began, timeout = monotonic(), self._timeout
        line.deadline.begin(end)
        line.deadline.set(2 * timeout)
        try:
            response = line.handle_request(wire.request(timeout))
        except Exception as error:  # noqa: BLE001  # whatever it is, it may quote the request
            return failure(error, min(timeout, end - began))
        line.deadline.set(timeout)
        body = Body(response.status_code, response.headers.raw)
        try:
            with contextlib.closing(response.stream) as stream:  # type: ignore[type-var]  # httpx's sync streams close
                for chunk in stream:  # type: ignore[union-attr]
                    if not body.feed(chunk):
                        break
        except Exception:  # noqa: BLE001  # the status was received, which may be all that the provider needs
            body.complete = False
        return body.answer()


class AsyncTransport:
    """Sends requests from one event loop."""

    def __init__(self, *, timeout: float) -> None:
        """As for ``Transport``."""
        self._timeout = timeout
        self._proxies: dict[str, str | None] = {}
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connections belong to their event loop: in another one, such as that of the next test, begin anew."""
        if self._closed:
            raise NotConnected("the client is closed")
        self._loop = loop
        self._lines = _Lines(_AsyncLine)

    async def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """The answer to ``request``; raises NotConnected or NoAnswer. ``within``: see ``Transport``."""
        end = _end(within)
        wire = Wire(request, self._proxies)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._start(loop)
        token = _ours.set(True)
        try:
            answer = await self._through_httpx(wire, end)
        except BaseException as error:  # noqa: BLE001
            raise error.with_traceback(None) from None  # the frames below hold the token and the text
        finally:
            _ours.reset(token)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Close what is idle now, and what is in flight once it is answered."""
        self._closed = True
        if self._loop is None:
            return
        self._loop = None
        for line in self._lines.drain():
            await line.aclose()

    async def _through_httpx(self, wire: Wire, end: float) -> HttpResponse | TransportError:
        lines = self._lines
        line = lines.take(wire.proxy)
        try:
            return await self._exchange(line, wire, end)
        finally:
            if self._closed or _has_surplus(line):
                await line.aclose()
            else:
                lines.give_back(wire.proxy, line)

    async def _exchange(self, line: _AsyncLine, wire: Wire, end: float) -> HttpResponse | TransportError:
        began, timeout = monotonic(), self._timeout
        line.deadline.begin(end)
        line.deadline.set(2 * timeout)
        try:
            response = await line.handle_async_request(wire.request(timeout))
        except Exception as error:  # noqa: BLE001  # whatever it is, it may quote the request
            return failure(error, min(timeout, end - began))
        line.deadline.set(timeout)
        body = Body(response.status_code, response.headers.raw)
        try:
            async with contextlib.aclosing(response.stream) as stream:  # type: ignore[type-var]  # they close
                async for chunk in stream:  # type: ignore[union-attr]
                    if not body.feed(chunk):
                        break
        except Exception:  # noqa: BLE001  # the status was received, which may be all that the provider needs
            body.complete = False
        return body.answer()


_CERTAIN = (
    # Of these, httpx.LocalProtocolError comes of making the request's first line and headers, before the first byte.
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


def failure(error: Exception, timeout: float) -> TransportError:
    """What ``error`` of httpx means, in words without any address."""
    if isinstance(error, httpx.ProxyError):
        return NotConnected(f"the proxy refused: {str(error)[:3]}")
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        return NotConnected("the request is not valid HTTP")
    if isinstance(error, httpx.RemoteProtocolError):
        return NoAnswer("the server hung up" if "disconnected" in str(error) else "the answer is not HTTP")
    return explain(
        error, certain=isinstance(error, _CERTAIN), late=isinstance(error, httpx.TimeoutException), timeout=timeout
    )


def explain(error: BaseException, *, certain: bool, late: bool, timeout: float) -> TransportError:
    """``error`` in words: NotConnected if it is ``certain`` that nothing left, else NoAnswer."""
    words = f"no {'connection' if certain else 'answer'} within {timeout:.3g} s" if late else type(error).__name__
    cause: BaseException | None = None if late else error
    while cause is not None:  # the deepest cause says it best
        if isinstance(cause, ssl.SSLError):
            words = f"TLS: {(getattr(cause, 'reason', None) or 'handshake failed').replace('_', ' ').lower()}"
        elif isinstance(cause, socket.gaierror):
            words = "name not found"
        elif isinstance(cause, OSError):
            number = cause.errno or next(map(int, re.findall(r"\[Errno (\d+)\]", str(cause))), None)
            words = os.strerror(number).lower() if number else "connection failed"
        cause = cause.__cause__ or cause.__context__
    return NotConnected(words) if certain else NoAnswer(words)
