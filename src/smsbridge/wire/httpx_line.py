"""httpx and httpcore, as far as they are used here: the only file that imports httpx, or reaches into either.

A *line* is a transport of httpx for one request at a time. What httpx has no parameter for, and what httpcore does not
tell, is taken from their private parts, here and nowhere else:

- ``httpx._main`` is kept from being imported: it is a command line, which doubles the time of an import;
- ``_pool`` of a transport gets our sockets (``_network_backend``): httpx has no parameter for them;
- ``_h11_state`` of a connection, which is h11's parser, tells what came behind an answer: it would be taken for the
  next one;
- ``_reader._reading_trailer`` of that parser tells that a body is whole, although what follows it is broken.

So ``pyproject.toml`` bounds the versions of both and of h11, and the tests of this file notice a change.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from typing import Any, TypeVar

from ..errors import NoAnswer, NotConnected, TransportError
from ..http import HttpResponse
from .body import Body
from .channel import Exchange, OutOfTurnError
from .network import AsyncioBackend, BlockingBackend
from .outgoing import Wire


@contextlib.contextmanager
def _without_command_line() -> Iterator[None]:
    """The package imports its command line, and with it click and rich, but does without where that fails."""
    absent = "httpx" not in sys.modules
    if absent:
        sys.modules["httpx._main"] = None  # type: ignore[assignment]  # as if click were missing
    try:
        yield
    finally:
        if absent:
            del sys.modules["httpx._main"]


with _without_command_line():
    import httpx

_KEEP = 4.0  # seconds; common servers hang up after 5, and a request sent into that moment is uncertain


@functools.cache
def tls() -> ssl.SSLContext:
    """The one TLS context of this process: it takes long to make."""
    return httpx.create_ssl_context()


class Line(httpx.HTTPTransport):
    """httpx's transport over our own sockets."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.network = BlockingBackend()
        self._pool._network_backend = self.network  # noqa: SLF001


class AsyncLine(httpx.AsyncHTTPTransport):
    """As ``Line``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.network = AsyncioBackend()
        self._pool._network_backend = self.network  # noqa: SLF001


L = TypeVar("L", Line, AsyncLine)


def _parser(line: Line | AsyncLine) -> Any:
    """What reads the answers of ``line``, under the one or more connections that httpcore puts around each other."""
    for connection in line._pool.connections:  # noqa: SLF001  # of either kind of pool
        inner: Any = connection
        while inner is not None:
            if (state := getattr(inner, "_h11_state", None)) is not None:
                return state
            inner = getattr(inner, "_connection", None)
    return None


def is_spent(line: Line | AsyncLine) -> bool:
    """Whether ``line`` is of no more use.

    Something came besides the answer, which httpcore would take for the answer to the next request; or its connection
    is not idle, such as a tunnel in which no handshake succeeded: the next request would wait for it.
    """
    parser = _parser(line)
    surplus = line.network.exchange.early or (parser is not None and bool(parser.trailing_data[0]))
    return surplus or not all(connection.is_idle() for connection in line._pool.connections)  # noqa: SLF001


def open_line(kind: type[L], proxy: str | None) -> L:
    """A line to ``proxy``, or to wherever a request goes. Raises NotConnected."""
    problem = "the certificates of TLS cannot be loaded"
    with contextlib.suppress(Exception):
        certificates = tls()
        problem = "the proxy of the environment cannot be used"  # it is none, or SOCKS without its package
        secure = proxy is not None and proxy.lower().startswith("https:")
        through = proxy and httpx.Proxy(proxy, ssl_context=certificates if secure else None)
        limits = httpx.Limits(max_connections=1, keepalive_expiry=_KEEP)
        return kind(verify=certificates, limits=limits, proxy=through)
    raise NotConnected(problem)


def request_of(wire: Wire, timeout: float) -> httpx.Request:
    """``wire`` for httpx; ``target`` keeps it from tidying the URL, because signatures cover bytes."""
    times = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
    headers, body = httpx.Headers(wire.headers, "latin-1"), httpx.ByteStream(wire.body)
    extensions = {"timeout": times, "target": wire.target}
    url = httpx.URL(wire.url) if "?" in wire.url else _url(wire.url)  # a query may hold a number and a text
    return httpx.Request(wire.method, url, headers=headers, stream=body, extensions=extensions)


@functools.lru_cache(64)
def _url(url: str) -> httpx.URL:
    """To take a URL apart takes as long as a tenth of a send, and most texts go to the same one."""
    return httpx.URL(url)


class Reading:
    """An answer whose head is there, while its body comes in."""

    def __init__(self, line: Line | AsyncLine, response: httpx.Response) -> None:
        self._body = Body(response.status_code, response.headers.raw)
        self._early = line.network.exchange.early and response.is_success
        self._chunks = getattr(_parser(line), "_reader", None)
        self.feed = self._body.feed

    def broken(self) -> None:
        """No more can be read. Behind the last chunk comes nothing that belongs to the body."""
        if not getattr(self._chunks, "_reading_trailer", False):
            self._body.complete = False

    def answer(self, wire: Wire) -> HttpResponse | TransportError:
        if self._early:
            return NoAnswer(f"the server accepted before it had the whole request ({wire.place})")
        return self._body.answer()


_CERTAIN = (
    ConnectionRefusedError,
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


def failure(error: Exception, wire: Wire, exchange: Exchange, timeout: float) -> TransportError:
    """What ``error`` means. What counts is what left, whatever went wrong."""
    # Where no socket was asked for anything, it went wrong before, or a tool of tests stands in for the network.
    certain = not exchange.left if exchange.begun else not _acts_a_failure(error)
    if certain and wire.proxy is not None and not exchange.tunnelled:
        where = wire.proxy_place
    else:
        where = wire.place if wire.proxy is None else f"{wire.place} through the {wire.proxy_place}"
    words = f"{_words(error, certain=certain, timeout=timeout)} ({where})"
    return NotConnected(words) if certain else NoAnswer(words)


def _acts_a_failure(error: Exception) -> bool:
    """Whether a tool of tests plays a failure after the request left; a guard without an answer raises others."""
    if str(error).startswith("No response can be found for"):
        return False  # pytest-httpx
    return isinstance(error, httpx.HTTPError | ConnectionError | TimeoutError) and not isinstance(error, _CERTAIN)


def _words(error: Exception, *, certain: bool, timeout: float) -> str:
    """``error`` in words without any address: the deepest cause says it best."""
    if isinstance(error, httpx.TimeoutException):
        return f"no {'connection' if certain else 'answer'} within {timeout:.3g} s"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refused: {str(error)[:3]}"
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        return "the request is not valid HTTP"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the server hung up" if "disconnected" in str(error) else "the answer is not HTTP"
    words = f"stopped by {type(error).__name__}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OutOfTurnError):
            words = str(cause)
        elif isinstance(cause, ssl.SSLError):
            words = f"TLS: {(cause.reason or 'handshake failed').replace('_', ' ').lower()}"
        elif isinstance(cause, socket.gaierror):
            words = "name not found"
        elif isinstance(cause, OSError):
            words = os.strerror(cause.errno).lower() if cause.errno else "connection failed"
        cause = cause.__context__
    return words
