"""HTTP for the clients, imported with the first request.

Requests go to httpx's transports directly, below ``httpx.Client``: no redirects, no cookies, no logged URLs. They are
spread over as many of them as are in flight, one connection each, because httpcore's pool looks at all its connections
for every request, which makes a large pool collapse.

The one promise that matters: ``NotConnected`` is raised only where the request certainly did not leave.
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
    """httpx transports for one request at a time each; a request takes one that is idle, or a new one.

    No lock is held, which a fork or an exception out of a signal handler could leave locked: taking from a list and
    adding to it are atomic.
    """

    def __init__(self, kind: type[L]) -> None:
        self._kind: type[L] = kind
        self._idle: dict[str | None, list[L]] = {}
        self._closed = False
        self.end: AsyncGenerator[None] | None = None

    def anew(self) -> _Lines[L]:
        """For another process: none of these connections, which are closed here."""
        lines = _Lines(self._kind)
        lines._closed = self._closed
        self.close()
        return lines

    def take(self, proxy: str | None) -> L:
        """One for this request; :meth:`give_back` it."""
        if self._closed:
            raise NotConnected("the client is closed")
        with contextlib.suppress(IndexError):
            return self._idle.setdefault(proxy, []).pop()
        return open_line(self._kind, proxy)

    def give_back(self, proxy: str | None, line: L) -> None:
        """The request is over."""
        if is_spent(line):
            line.network.hang_up()
            return
        self._idle.setdefault(proxy, []).append(line)
        if self._closed:
            self.close()

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
        self._lines = _Lines(Line)
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

    def _begin(self, request: HttpRequest, within: float | None) -> tuple[_Times, Wire, _Lines[Line], Line]:
        """What an exchange needs. Whatever goes wrong here, nothing was sent."""
        try:
            times, wire = _Times.of(self._timeout, within), Wire(request, self._proxies)
            if self._process != os.getpid():  # a fork: these connections are our parent's
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
        except Exception as error:  # noqa: BLE001  # whatever it is, it may quote the request
            return failure(error, wire, exchange, times.each)
        exchange.allow(times.each)
        body = Reading(line, response)
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
        self._loops: dict[asyncio.AbstractEventLoop, _Lines[AsyncLine]] = {}
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
    ) -> tuple[_Times, Wire, _Lines[AsyncLine], AsyncLine]:
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

    async def _start(self, loop: asyncio.AbstractEventLoop) -> _Lines[AsyncLine]:
        """Connections for ``loop``. What loops left behind that are over is closed."""
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
        """A generator that closes ``lines`` at its end.

        A loop ends those that were begun in it: ``asyncio.run`` sees to that.
        """
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
        except Exception as error:  # noqa: BLE001  # whatever it is, it may quote the request
            return failure(error, wire, exchange, times.each)
        exchange.allow(times.each)
        body = Reading(line, response)
        try:
            async with contextlib.aclosing(response.stream) as stream:  # type: ignore[type-var]  # they close
                async for chunk in stream:  # type: ignore[union-attr]
                    if not body.feed(chunk):
                        break
        except Exception:  # noqa: BLE001  # the status was received, which may be all that the provider needs
            body.broken()
        return body.answer(wire)


# --- inside -----------------------------------------------------------------------------------------------------------


def _interrupted(error: BaseException, line: Line | AsyncLine) -> BaseException:
    """``error``, such as a cancellation, without the frames below, which hold the token and the text."""
    exchange = line.network.exchange
    error = error.with_traceback(None)
    return with_left(error, left=exchange.left or not exchange.begun)


class _Times(NamedTuple):
    """How long an exchange may take: ``each`` of its parts, in seconds, and to its ``end`` on the monotonic clock."""

    each: float
    end: float

    @classmethod
    def of(cls, timeout: float, within: float | None) -> _Times:
        if within is None:
            return cls(timeout, math.inf)
        if within <= 0:
            raise NotConnected("no time is left for a request")
        return cls(min(timeout, within), monotonic() + within)
