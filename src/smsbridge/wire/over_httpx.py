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
import socket
import ssl
import sys
from collections.abc import AsyncGenerator, Iterator
from contextvars import ContextVar
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

from ..errors import NoAnswer, NotConnected, TransportError, unsent, with_left
from ..http import HttpRequest, HttpResponse
from .body import Body
from .channel import Exchange, OutOfTurnError
from .network import AsyncioBackend, BlockingBackend
from .outgoing import Wire


@contextlib.contextmanager
def _without_command_line() -> Iterator[None]:
    """Importing httpx brings in its command line, and with it click and rich, which doubles the time to import it."""
    absent = "httpx" not in sys.modules
    if absent:
        sys.modules["httpx._main"] = None  # type: ignore[assignment]  # makes the import fail, as if click were missing
    try:
        yield
    finally:
        if absent:
            del sys.modules["httpx._main"]


with _without_command_line():
    import httpx

_CANNOT_BE_SENT = "the request cannot be sent"
_KEEP = 4.0  # seconds; common servers hang up after 5, and a request sent into that moment is uncertain

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


class _Line(httpx.HTTPTransport):
    """httpx's transport over our own sockets, which it has no parameter for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.network = BlockingBackend()
        self._pool._network_backend = self.network  # noqa: SLF001


class _AsyncLine(httpx.AsyncHTTPTransport):
    """As ``_Line``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.network = AsyncioBackend()
        self._pool._network_backend = self.network  # noqa: SLF001


def _parser(line: _Line | _AsyncLine) -> Any:
    """What reads the answers of ``line``, under the one or more connections that httpcore puts around each other."""
    for connection in line._pool.connections:  # noqa: SLF001  # of either kind of pool
        inner: Any = connection
        while inner is not None:
            if (state := getattr(inner, "_h11_state", None)) is not None:
                return state
            inner = getattr(inner, "_connection", None)
    return None


def _is_spent(line: _Line | _AsyncLine) -> bool:
    """Whether ``line`` is of no more use.

    Something came besides the answer, which httpcore would take for the answer to the next request; or its connection is not
    idle, such as a tunnel in which no handshake succeeded: the next request would wait for it.
    """
    parser = _parser(line)
    surplus = line.network.exchange.early or (parser is not None and bool(parser.trailing_data[0]))
    return surplus or not all(connection.is_idle() for connection in line._pool.connections)  # noqa: SLF001


P = TypeVar("P", _Line, _AsyncLine)


class _Lines(Generic[P]):
    """httpx transports for one request at a time each; a request takes one that is idle, or a new one.

    No lock is held, which a fork or an exception out of a signal handler could leave locked: taking from a list and adding
    to it are atomic.
    """

    def __init__(self, kind: type[P]) -> None:
        self._kind: type[P] = kind
        self._idle: dict[str | None, list[P]] = {}
        self._closed = False
        self.end: AsyncGenerator[None] | None = None

    def anew(self) -> _Lines[P]:
        """For another process: none of these connections, which are closed here."""
        lines = _Lines(self._kind)
        lines._closed = self._closed
        self.close()
        return lines

    def take(self, proxy: str | None) -> P:
        """One for this request; :meth:`give_back` it."""
        if self._closed:
            raise NotConnected("the client is closed")
        with contextlib.suppress(IndexError):
            return self._idle.setdefault(proxy, []).pop()
        return self._new(proxy)

    def give_back(self, proxy: str | None, line: P) -> None:
        """The request is over."""
        if _is_spent(line):
            line.network.hang_up()
            return
        self._idle.setdefault(proxy, []).append(line)
        if self._closed:
            self.close()

    def _new(self, proxy: str | None) -> P:
        problem = "the certificates of TLS cannot be loaded"
        with contextlib.suppress(Exception):
            certificates = _tls()
            problem = "the proxy of the environment cannot be used"  # it is none, or SOCKS without its package
            secure = proxy is not None and proxy.lower().startswith("https:")
            through = proxy and httpx.Proxy(proxy, ssl_context=certificates if secure else None)
            limits = httpx.Limits(max_connections=1, keepalive_expiry=_KEEP)
            return self._kind(verify=certificates, limits=limits, proxy=through)
        raise NotConnected(problem)

    def close(self) -> None:
        """Close what is idle now, and what is in flight once it is given back."""
        self._closed = True
        for idle in list(self._idle.values()):
            with contextlib.suppress(IndexError):
                while True:
                    idle.pop().network.hang_up()


class Transport:
    """Sends requests from any thread."""

    def __init__(self, *, timeout: float) -> None:
        """``timeout`` in seconds: to connect, and again to answer."""
        self._timeout = timeout
        self._proxies: dict[str, str | None] = {}
        self._lines = _Lines(_Line)
        self._process = os.getpid()

    def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """The answer to ``request``; raises NotConnected or NoAnswer.

        All of it ends ``within`` so many seconds, or as the time-outs of this transport say, if that is sooner.
        """
        times, wire, lines, line = self._begin(request, within)
        token = _ours.set(True)
        try:
            answer = self._exchange(line, wire, times)
        except BaseException as error:  # noqa: BLE001
            raise _interrupted(error, line) from None
        finally:
            _ours.reset(token)
            lines.give_back(wire.proxy, line)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    def close(self) -> None:
        """Close what is idle now, and what is in flight once it is answered."""
        self._lines.close()

    def _begin(self, request: HttpRequest, within: float | None) -> tuple[_Times, Wire, _Lines[_Line], _Line]:
        """What an exchange needs. Whatever goes wrong here, nothing was sent."""
        try:
            times, wire = _Times.of(self._timeout, within), Wire(request, self._proxies)
            if self._process != os.getpid():  # a fork: these connections are our parent's
                self._process, self._lines = os.getpid(), self._lines.anew()
            return times, wire, self._lines, self._lines.take(wire.proxy)
        except BaseException as error:  # noqa: BLE001  # also an interruption
            problem = unsent(error, _CANNOT_BE_SENT)
        raise problem

    def _exchange(self, line: _Line, wire: Wire, times: _Times) -> HttpResponse | TransportError:
        exchange = line.network.exchange
        exchange.begin(times.end)
        exchange.allow(2 * times.each)
        try:
            response = line.handle_request(_request(wire, times.each))
        except Exception as error:  # noqa: BLE001  # whatever it is, it may quote the request
            return failure(error, wire, exchange, times.each)
        exchange.allow(times.each)
        body = _Reading(line, response)
        try:
            with contextlib.closing(response.stream) as stream:  # type: ignore[type-var]  # httpx's sync streams close
                for chunk in stream:  # type: ignore[union-attr]
                    if not body.feed(chunk):
                        break
        except Exception:  # noqa: BLE001  # the status was received, which may be all that the provider needs
            body.broken()
        return body.answer(wire)


class AsyncTransport:
    """Sends requests from event loops, each with its own connections, which are closed when the loop ends."""

    def __init__(self, *, timeout: float) -> None:
        """As for ``Transport``."""
        self._timeout = timeout
        self._proxies: dict[str, str | None] = {}
        self._loops: dict[asyncio.AbstractEventLoop, _Lines[_AsyncLine]] = {}
        self._closed = False
        self._process = os.getpid()

    async def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """The answer to ``request``; raises NotConnected or NoAnswer. ``within``: see ``Transport``."""
        times, wire, lines, line = await self._begin(request, within)
        token = _ours.set(True)
        try:
            answer = await self._exchange(line, wire, times)
        except BaseException as error:  # noqa: BLE001
            raise _interrupted(error, line) from None
        finally:
            _ours.reset(token)
            lines.give_back(wire.proxy, line)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Close what is idle now, and what is in flight once it is answered."""
        self._closed = True
        for lines in list(self._loops.values()):
            lines.close()
        ours = self._loops.get(asyncio.get_running_loop())
        if ours is not None and ours.end is not None:
            await ours.end.aclose()

    async def _begin(
        self, request: HttpRequest, within: float | None
    ) -> tuple[_Times, Wire, _Lines[_AsyncLine], _AsyncLine]:
        """As that of ``Transport``."""
        try:
            times, wire, loop = (
                _Times.of(self._timeout, within),
                Wire(request, self._proxies),
                asyncio.get_running_loop(),
            )
            lines = self._loops.get(loop)
            if lines is None or self._process != os.getpid():
                lines = await self._start(loop)
            return times, wire, lines, lines.take(wire.proxy)
        except BaseException as error:  # noqa: BLE001  # also a cancellation
            problem = unsent(error, _CANNOT_BE_SENT)
        raise problem

    async def _start(self, loop: asyncio.AbstractEventLoop) -> _Lines[_AsyncLine]:
        """Connections for ``loop``. What loops left behind that are over is closed."""
        forked = self._process != os.getpid()
        self._process = os.getpid()
        for other in [other for other in list(self._loops) if forked or other.is_closed()]:
            if (left_behind := self._loops.pop(other, None)) is not None:
                left_behind.close()
        lines = self._loops[loop] = _Lines(_AsyncLine)
        lines.end = self._ends_with(loop, lines)
        await anext(lines.end)
        if self._closed:
            lines.close()
        return lines

    async def _ends_with(self, loop: asyncio.AbstractEventLoop, lines: _Lines[_AsyncLine]) -> AsyncGenerator[None]:
        """A generator that closes ``lines`` at its end. A loop ends those that were begun in it: ``asyncio.run`` sees to that."""
        try:
            yield
        finally:
            lines.close()
            if self._loops.get(loop) is lines:
                del self._loops[loop]

    async def _exchange(self, line: _AsyncLine, wire: Wire, times: _Times) -> HttpResponse | TransportError:
        exchange = line.network.exchange
        exchange.begin(times.end)
        exchange.allow(2 * times.each)
        try:
            response = await line.handle_async_request(_request(wire, times.each))
        except Exception as error:  # noqa: BLE001  # whatever it is, it may quote the request
            return failure(error, wire, exchange, times.each)
        exchange.allow(times.each)
        body = _Reading(line, response)
        try:
            async with contextlib.aclosing(response.stream) as stream:  # type: ignore[type-var]  # they close
                async for chunk in stream:  # type: ignore[union-attr]
                    if not body.feed(chunk):
                        break
        except Exception:  # noqa: BLE001  # the status was received, which may be all that the provider needs
            body.broken()
        return body.answer(wire)


# --- inside ---------------------------------------------------------------------------------------------------------------


def _interrupted(error: BaseException, line: _Line | _AsyncLine) -> BaseException:
    """``error``, such as a cancellation, without the frames below, which hold the token and the text."""
    exchange = line.network.exchange
    error = error.with_traceback(None)
    return with_left(error, left=exchange.left or not exchange.begun)


class _Times(NamedTuple):
    """How long an exchange may take: ``each`` of its parts, in seconds, and until its ``end`` on the monotonic clock."""

    each: float
    end: float

    @classmethod
    def of(cls, timeout: float, within: float | None) -> _Times:
        if within is None:
            return cls(timeout, math.inf)
        if within <= 0:
            raise NotConnected("no time is left for a request")
        return cls(min(timeout, within), monotonic() + within)


def _request(wire: Wire, timeout: float) -> httpx.Request:
    """``wire`` for httpx; ``target`` keeps it from tidying the URL, because signatures cover bytes."""
    times = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
    headers, body = httpx.Headers(wire.headers, "latin-1"), httpx.ByteStream(wire.body)
    extensions = {"timeout": times, "target": wire.target}
    return httpx.Request(wire.method, wire.url, headers=headers, stream=body, extensions=extensions)


class _Reading:
    """An answer whose head is there, while its body comes in."""

    def __init__(self, line: _Line | _AsyncLine, response: httpx.Response) -> None:
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
    """Whether a tool of tests plays a failure after the request left; a guard without an answer raises something else."""
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
