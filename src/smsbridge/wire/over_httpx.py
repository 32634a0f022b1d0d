"""The transports of the clients, over httpx. They are imported with the first request.

Requests go to httpx's transports directly, below ``httpx.Client``: no redirects, no cookies, no logged URLs. Each
request in flight has its own transport with a single connection, because httpcore's pool checks all its connections for
every request, which makes a large pool collapse.

The most important promise: ``NotConnected`` is raised only if the request certainly did not leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from time import monotonic
from typing import Generic, NamedTuple

from ..errors import NotConnected, TransportError, unsent, with_left
from ..http import HttpRequest, HttpResponse
from .httpx_line import AsyncLine, L, Line, Reading, failure, is_spent, open_line, request_of
from .outgoing import Wire

_CANNOT_BE_SENT = "the request cannot be sent"

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


class _Lines(Generic[L]):
    """The open httpx transports of a client, each for one request at a time.

    A request takes an idle transport, or a new one. There is no lock, which a fork or an exception of a signal handler
    could leave locked: taking from a list and adding to it are atomic.
    """

    def __init__(self, kind: type[L]) -> None:
        self._kind: type[L] = kind
        self._idle: dict[str | None, list[L]] = {}
        self._closed = False
        self.end: AsyncGenerator[None] | None = None

    def anew(self) -> _Lines[L]:
        """Close the connections of this object, and return a new object without connections, for another process."""
        lines = _Lines(self._kind)
        lines._closed = self._closed
        self.close()
        return lines

    def take(self, proxy: str | None) -> L:
        """Return a transport for a request through ``proxy``, or without a proxy.

        Give the transport back with :meth:`give_back` after the request.
        """
        if self._closed:
            raise NotConnected("the client is closed: make a new client")
        with contextlib.suppress(IndexError):
            return self._idle.setdefault(proxy, []).pop()
        return open_line(self._kind, proxy)

    def give_back(self, proxy: str | None, line: L) -> None:
        """Take back ``line``, the transport of a request that is over."""
        if is_spent(line):
            line.network.hang_up()
            return
        self._idle.setdefault(proxy, []).append(line)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close idle transports now, and each transport in use when it is given back."""
        self._closed = True
        for idle in list(self._idle.values()):
            with contextlib.suppress(IndexError):
                while True:
                    idle.pop().network.hang_up()


class Transport:
    """The transport of SmsClient: sends HTTP requests over httpx, from any thread."""

    def __init__(self, *, timeout: float) -> None:
        """Make a transport that waits ``timeout`` seconds for a connection, and again for each part of an answer."""
        self._timeout = timeout
        self._proxies: dict[str, str | None] = {}
        self._lines = _Lines(Line)
        self._process = os.getpid()

    def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """Send ``request`` and return its answer. Raises NotConnected or NoAnswer.

        ``within`` is the time limit in seconds. The time-outs of this transport may end the request earlier.
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
        """Close idle connections now, and each other connection when its request is answered."""
        self._lines.close()

    def _begin(self, request: HttpRequest, within: float | None) -> tuple[_Times, Wire, _Lines[Line], Line]:
        """Return the parts of an exchange. After any error here, nothing was sent."""
        try:
            times, wire = _Times.of(self._timeout, within), Wire(request, self._proxies)
            # After a fork, these connections are the parent's.
            if self._process != os.getpid():
                self._process, self._lines = os.getpid(), self._lines.anew()
            return times, wire, self._lines, self._lines.take(wire.proxy)
        except BaseException as error:  # noqa: BLE001  # also an interruption
            problem = unsent(error, _CANNOT_BE_SENT)
        raise problem

    def _exchange(self, line: Line, wire: Wire, times: _Times) -> HttpResponse | TransportError:
        exchange = line.network.exchange
        exchange.begin(times.end)
        exchange.allow(2 * times.each)
        try:
            response = line.handle_request(request_of(wire, times.each))
        except Exception as error:  # noqa: BLE001  # any error may quote the request
            return failure(error, wire, exchange, times.each)
        exchange.allow(times.each)
        body = Reading(line, response)
        try:
            with contextlib.closing(response.stream) as stream:  # type: ignore[type-var]  # httpx's sync streams close
                for chunk in stream:  # type: ignore[union-attr]
                    if not body.feed(chunk):
                        break
        except Exception:  # noqa: BLE001  # the status was received, which may be enough for the provider
            body.broken()
        return body.answer(wire)


class AsyncTransport:
    """The transport of AsyncSmsClient: sends HTTP requests over httpx, from any event loop.

    Each event loop has separate connections, which are closed when the loop ends.
    """

    def __init__(self, *, timeout: float) -> None:
        """Make a transport that waits ``timeout`` seconds for a connection, and again for each part of an answer."""
        self._timeout = timeout
        self._proxies: dict[str, str | None] = {}
        self._loops: dict[asyncio.AbstractEventLoop, _Lines[AsyncLine]] = {}
        self._closed = False
        self._process = os.getpid()

    async def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """Send ``request`` and return its answer. Raises NotConnected or NoAnswer.

        ``within`` is the time limit in seconds. The time-outs of this transport may end the request earlier.
        """
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
        """Close idle connections now, and each other connection when its request is answered."""
        self._closed = True
        for lines in list(self._loops.values()):
            lines.close()
        ours = self._loops.get(asyncio.get_running_loop())
        if ours is not None and ours.end is not None:
            await ours.end.aclose()

    async def _begin(
        self, request: HttpRequest, within: float | None
    ) -> tuple[_Times, Wire, _Lines[AsyncLine], AsyncLine]:
        """See ``Transport``."""
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

    async def _start(self, loop: asyncio.AbstractEventLoop) -> _Lines[AsyncLine]:
        """Return connections for ``loop``. Closes the connections of ended loops."""
        forked = self._process != os.getpid()
        self._process = os.getpid()
        for other in [other for other in list(self._loops) if forked or other.is_closed()]:
            if (left_behind := self._loops.pop(other, None)) is not None:
                left_behind.close()
        lines = self._loops[loop] = _Lines(AsyncLine)
        lines.end = self._ends_with(loop, lines)
        await anext(lines.end)
        if self._closed:
            lines.close()
        return lines

    async def _ends_with(self, loop: asyncio.AbstractEventLoop, lines: _Lines[AsyncLine]) -> AsyncGenerator[None]:
        """Close ``lines`` at the end of this generator: ``asyncio.run`` ends all generators that began in its loop."""
        try:
            yield
        finally:
            lines.close()
            if self._loops.get(loop) is lines:
                del self._loops[loop]

    async def _exchange(self, line: AsyncLine, wire: Wire, times: _Times) -> HttpResponse | TransportError:
        exchange = line.network.exchange
        exchange.begin(times.end)
        exchange.allow(2 * times.each)
        try:
            response = await line.handle_async_request(request_of(wire, times.each))
        except Exception as error:  # noqa: BLE001  # any error may quote the request
            return failure(error, wire, exchange, times.each)
        exchange.allow(times.each)
        body = Reading(line, response)
        try:
            async with contextlib.aclosing(response.stream) as stream:  # type: ignore[type-var]  # they close
                async for chunk in stream:  # type: ignore[union-attr]
                    if not body.feed(chunk):
                        break
        except Exception:  # noqa: BLE001  # the status was received, which may be enough for the provider
            body.broken()
        return body.answer(wire)


# --- inside -----------------------------------------------------------------------------------------------------------


def _interrupted(error: BaseException, line: Line | AsyncLine) -> BaseException:
    """Return ``error``, such as a cancellation, without the frames below, which hold the token and the text."""
    exchange = line.network.exchange
    error = error.with_traceback(None)
    return with_left(error, left=exchange.left or not exchange.begun)


class _Times(NamedTuple):
    """The time limits of a request and its answer.

    ``each`` limits every part in seconds; ``end`` is the time on the monotonic clock at which the whole must be over.
    """

    each: float
    end: float

    @classmethod
    def of(cls, timeout: float, within: float | None) -> _Times:
        if within is None:
            return cls(timeout, math.inf)
        if within <= 0:
            raise NotConnected("no time is left for a request: the call has to end now")
        return cls(min(timeout, within), monotonic() + within)
