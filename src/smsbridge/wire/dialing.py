"""Connect a socket to a host: try its addresses in turn, each with a head start; the first that answers wins.

An unreachable address, such as one of an IPv6 network without a route, must not use up the time of the others.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import select
import selectors
import socket
from collections.abc import Callable, Generator, Sequence
from itertools import zip_longest
from time import monotonic
from typing import Any

HEAD_START = 0.25
"""Seconds after which the next address is tried as well (RFC 8305)."""
_LONGEST = 3600.0
"""The most seconds of a single wait: the system's own limit is in milliseconds."""
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

_Address = tuple[int, int, int, str, Any]
_Addresses = Sequence[_Address]
_Found = _Addresses | BaseException


def dial(host: str, port: int, left: Callable[[], float]) -> socket.socket:
    """Connect to ``host`` and return the non-blocking socket.

    ``left`` is a function that returns the seconds left, or raises TimeoutError. If none of the host's addresses
    answers, raises the error of the last address.
    """
    race = _race(_literal(host, port) or _resolve(host, port, left))
    try:
        while True:
            sockets, seconds = next(race)
            wait(sockets, WRITE, left() if seconds is None else min(left(), seconds))
    except StopIteration as stop:
        connected: socket.socket = stop.value
        return connected
    finally:
        race.close()


async def dial_async(host: str, port: int) -> socket.socket:
    """Connect to ``host`` in the running event loop, and return the non-blocking socket. There is no time limit.

    If none of the host's addresses answers, raises the error of the last address.
    """
    race = _race(_literal(host, port) or await _resolve_async(host, port))
    try:
        while True:
            sockets, seconds = next(race)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await wait_async(sockets, WRITE)
    except StopIteration as stop:
        connected: socket.socket = stop.value
        return connected
    finally:
        race.close()


def wait(sockets: Sequence[socket.socket], events: int, seconds: float) -> bool:
    """Wait until one of ``sockets`` is ready for ``events`` (READ, WRITE or both), for at most ``seconds``.

    Returns whether a socket is ready. The function may return false before the time is over.
    """
    if not hasattr(select, "poll"):
        read, write = sockets if events & READ else (), sockets if events & WRITE else ()
        return any(select.select(read, write, sockets, seconds))
    poll = select.poll()
    for sock in sockets:
        poll.register(sock, (select.POLLIN if events & READ else 0) | (select.POLLOUT if events & WRITE else 0))
    return bool(poll.poll(min(seconds, _LONGEST) * 1000))


async def wait_async(sockets: Sequence[socket.socket], events: int) -> None:
    """Wait in the event loop until one of ``sockets`` is ready for ``events`` (READ, WRITE or both)."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    # By number, since asyncio writes out the repr of an unknown socket, which takes time.
    watched = [sock.fileno() for sock in sockets]
    try:
        for number in watched:
            if events & READ:
                loop.add_reader(number, ready.set)
            if events & WRITE:
                loop.add_writer(number, ready.set)
        await ready.wait()
    # The default event loop of asyncio on Windows cannot watch sockets.
    except NotImplementedError:
        while not wait(sockets, events, 0):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    finally:
        with contextlib.suppress(NotImplementedError):
            for number in watched:
                if events & READ:
                    loop.remove_reader(number)
                if events & WRITE:
                    loop.remove_writer(number)


# --- inside -----------------------------------------------------------------------------------------------------------


def _literal(host: str, port: int) -> _Addresses:
    """Return the address of a ``host`` that is an IP address, without a look-up; empty for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return ()


def _resolve(host: str, port: int, left: Callable[[], float]) -> _Addresses:
    """Return the addresses of ``host``."""
    found: list[_Found] = []
    done = _thread.allocate_lock()
    done.acquire()

    def tell(addresses: _Found) -> None:
        found.append(addresses)
        done.release()

    _look_up(host, port, tell)
    if not done.acquire(timeout=min(left(), _LONGEST)):
        raise TimeoutError
    return _addresses(found[0])


async def _resolve_async(host: str, port: int) -> _Addresses:
    """Do the same as :func:`_resolve`, without the few threads of the loop, which it waits for at its end."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[_Found] = loop.create_future()

    def settle(addresses: _Found) -> None:
        if not found.done():
            found.set_result(addresses)

    def tell(addresses: _Found) -> None:
        # The loop has ended.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, addresses)

    _look_up(host, port, tell)
    return _addresses(await found)


def _look_up(host: str, port: int, tell: Callable[[_Found], None]) -> None:
    """``tell`` the addresses of ``host`` from a thread, since a look-up at a silent name server has no time-out."""

    def look_up() -> None:
        addresses: _Found
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # The error belongs to the caller.
        except BaseException as error:  # noqa: BLE001
            addresses = error
        tell(addresses)

    try:
        # Not Thread.start, which may hang after a signal.
        _thread.start_new_thread(look_up, ())
    # There are no more threads, since the interpreter is ending.
    except RuntimeError:
        look_up()


def _addresses(found: _Found) -> _Addresses:
    if isinstance(found, BaseException):
        raise found
    return found


def _race(addresses: _Addresses) -> Generator[tuple[list[socket.socket], float | None], None, socket.socket]:
    """Connect to ``addresses``. Yields the sockets to wait for, and the most seconds to wait."""
    waiting = _in_turns(addresses)
    pending: list[socket.socket] = []
    failure: Exception = OSError("the host has no address")
    due = 0.0
    try:
        while waiting or pending:
            if waiting and (not pending or monotonic() >= due):
                due = monotonic() + HEAD_START
                try:
                    pending.append(_begin(waiting.pop(0)))
                # This includes errors of guards in tests.
                except Exception as error:  # noqa: BLE001
                    failure = error
            for sock in [sock for sock in pending if wait([sock], WRITE, 0)]:
                pending.remove(sock)
                problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not problem:
                    return sock
                sock.close()
                failure = OSError(problem, "connection failed")
            if pending:
                yield pending, max(0.0, due - monotonic()) if waiting else None
        raise failure
    finally:
        for sock in pending:
            sock.close()


def _begin(address: _Address) -> socket.socket:
    family, kind, protocol, _, place = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BlockingIOError):
            sock.connect(place)
    except BaseException:
        sock.close()
        raise
    return sock


def _in_turns(addresses: _Addresses) -> list[_Address]:
    """Return ``addresses`` with alternating families, otherwise in order of preference."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for pair in zip_longest(first, others) for address in pair if address is not None]
