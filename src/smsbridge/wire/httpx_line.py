"""Use httpx and httpcore. This is the only file that imports httpx, or uses private parts of either.

A *line* is a transport of httpx for one request at a time. Only this file uses their private parts, where httpx has no
parameter and httpcore gives no answer:

- ``httpx._main`` is not imported: it is a command line, which doubles the time of an import; - ``_pool`` of a transport
gets our sockets (``_network_backend``): httpx has no parameter for them; - ``_h11_state`` of a connection, which is
h11's parser, shows the data after an answer, which would be taken for the next answer; - ``_reader._reading_trailer``
of that parser shows that a body is complete, although the data after it is broken.

So ``pyproject.toml`` limits the versions of both and of h11, and the tests of this file detect a change.
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
from .outgoing import NO_PROXY_TO_USE, Wire


@contextlib.contextmanager
def _without_command_line() -> Iterator[None]:
    """Keep httpx from importing its command line, with click and rich: it works without, if that import fails."""
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

_KEEP = 4.0
"""Seconds to keep an idle connection: common servers close after 5, and a request sent at that moment is uncertain."""


@functools.cache
def tls() -> ssl.SSLContext:
    """Return the TLS context that all connections of this process share.

    It is made only once, since that takes long.
    """
    return httpx.create_ssl_context()


class Line(httpx.HTTPTransport):
    """A blocking transport of httpx that uses the sockets of ``smsbridge.wire``, for one request at a time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.network = BlockingBackend()
        self._pool._network_backend = self.network  # noqa: SLF001


class AsyncLine(httpx.AsyncHTTPTransport):
    """An async transport of httpx that uses the sockets of ``smsbridge.wire``, for one request at a time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.network = AsyncioBackend()
        self._pool._network_backend = self.network  # noqa: SLF001


L = TypeVar("L", Line, AsyncLine)


def _parser(line: Line | AsyncLine) -> Any:
    """Return the parser of the answers of ``line``, inside the nested connections of httpcore."""
    for connection in line._pool.connections:  # noqa: SLF001  # the same for both kinds of pool
        inner: Any = connection
        while inner is not None:
            if (state := getattr(inner, "_h11_state", None)) is not None:
                return state
            inner = getattr(inner, "_connection", None)
    return None


def is_spent(line: Line | AsyncLine) -> bool:
    """Return whether ``line`` cannot be used for another request.

    There are two reasons. Data may have come besides the answer: httpcore would take it for the answer to the next
    request. Or the connection is not idle, such as a tunnel in which no handshake succeeded: the next request would
    wait for it.
    """
    parser = _parser(line)
    surplus = line.network.exchange.early or (parser is not None and bool(parser.trailing_data[0]))
    return surplus or not all(connection.is_idle() for connection in line._pool.connections)  # noqa: SLF001


def open_line(kind: type[L], proxy: str | None) -> L:
    """Make a transport of the class ``kind``, Line or AsyncLine, for one request at a time.

    It connects to the proxy with the URL ``proxy``, or (None) to the host of each request. Raises NotConnected if the
    TLS certificates cannot be loaded, or the proxy cannot be used.
    """
    problem = "the TLS certificates cannot be loaded: check SSL_CERT_FILE and SSL_CERT_DIR"
    with contextlib.suppress(Exception):
        certificates = tls()
        # It is no proxy URL, or SOCKS without its package.
        problem = NO_PROXY_TO_USE
        secure = proxy is not None and proxy.lower().startswith("https:")
        through = proxy and httpx.Proxy(proxy, ssl_context=certificates if secure else None)
        limits = httpx.Limits(max_connections=1, keepalive_expiry=_KEEP)
        return kind(verify=certificates, limits=limits, proxy=through)
    raise NotConnected(problem)


def request_of(wire: Wire, timeout: float) -> httpx.Request:
    """Make a request of httpx from ``wire``. ``timeout``, in seconds, is the limit for each connect, read and write.

    The extension ``target`` of the request keeps httpx from changing the URL, since signatures cover bytes.
    """
    times = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
    headers, body = httpx.Headers(wire.headers, "latin-1"), httpx.ByteStream(wire.body)
    extensions = {"timeout": times, "target": wire.target}
    # A query may hold a number and a text, so it is not cached.
    url = httpx.URL(wire.url) if "?" in wire.url else _url(wire.url)
    return httpx.Request(wire.method, url, headers=headers, stream=body, extensions=extensions)


@functools.lru_cache(64)
def _url(url: str) -> httpx.URL:
    """Parse a URL. Cached: parsing takes a tenth of a send, and most texts go to the same URL."""
    return httpx.URL(url)


class Reading:
    """The reading of an answer whose status line and headers have arrived, while the body arrives."""

    def __init__(self, line: Line | AsyncLine, response: httpx.Response) -> None:
        self._body = Body(response.status_code, response.headers.raw)
        self._early = line.network.exchange.early and response.is_success
        self._chunks = getattr(_parser(line), "_reader", None)
        self.feed = self._body.feed

    def broken(self) -> None:
        """Note that reading the body failed.

        The body counts as cut off, unless the last chunk of it has already arrived.
        """
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
    """Return the TransportError for ``error``, which ended the request ``wire``.

    This is NotConnected if certainly no byte of the request left, and NoAnswer otherwise. ``timeout``, in seconds, is
    for the words of the error.
    """
    # If no socket was used, the failure came before, or a tool of tests replaces the network.
    certain = not exchange.left if exchange.begun else not _acts_a_failure(error)
    if certain and wire.proxy is not None and not exchange.tunnelled:
        where = wire.proxy_place
    else:
        where = wire.place if wire.proxy is None else f"{wire.place} through the {wire.proxy_place}"
    words = f"{_words(error, certain=certain, timeout=timeout)} ({where})"
    return NotConnected(words) if certain else NoAnswer(words)


def _acts_a_failure(error: Exception) -> bool:
    """Return whether a tool of tests simulates a failure after the request left; a guard raises other errors."""
    # An error of pytest-httpx.
    if str(error).startswith("No response can be found for"):
        return False
    return isinstance(error, httpx.HTTPError | ConnectionError | TimeoutError) and not isinstance(error, _CERTAIN)


def _words(error: Exception, *, certain: bool, timeout: float) -> str:
    """Return ``error`` in words without an address: the deepest cause is the clearest."""
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
