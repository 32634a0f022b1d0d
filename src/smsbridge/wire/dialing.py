"""Connecting a socket: the addresses of a host in turns, each with a head start, and the first that answers wins.

An address that leads nowhere, such as that of an IPv6 network without a way out, must not use up the time of the
others.
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
"""Seconds that an address has before the next is tried as well (RFC 8305)."""
_LONGEST = 3600.0  # that one wait takes; the system's own limit is in milliseconds
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

_Address = tuple[int, int, int, str, Any]
_Addresses = Sequence[_Address]
_Found = _Addresses | BaseException


def dial(host: str, port: int, left: Callable[[], float]) -> socket.socket:
    """A connected socket that does not block. ``left`` says how many seconds there are, or raises TimeoutError.

    Raises the error of the address that was tried last, if none answers.
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
    """As :func:`dial`, in the running event loop, without a limit of its own."""
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
    """Whether one of ``sockets`` got ready for one of ``events`` within ``seconds``; false may also come early."""
    if not hasattr(select, "poll"):
        read, write = sockets if events & READ else (), sockets if events & WRITE else ()
        return any(select.select(read, write, sockets, seconds))
    poll = select.poll()
    for sock in sockets:
        poll.register(sock, (select.POLLIN if events & READ else 0) | (select.POLLOUT if events & WRITE else 0))
    return bool(poll.poll(min(seconds, _LONGEST) * 1000))


async def wait_async(sockets: Sequence[socket.socket], events: int) -> None:
    """Let the event loop go on until one of ``sockets`` is ready for one of ``events``."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    watched = [sock.fileno() for sock in sockets]  # asyncio spells out a socket that it does not know yet, at a cost
    try:
        for one in watched:
            if events & READ:
                loop.add_reader(one, ready.set)
            if events & WRITE:
                loop.add_writer(one, ready.set)
        await ready.wait()
    except NotImplementedError:  # asyncio's usual loop on Windows watches no sockets of ours
        while not wait(sockets, events, 0):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    finally:
        with contextlib.suppress(NotImplementedError):
            for one in watched:
                if events & READ:
                    loop.remove_reader(one)
                if events & WRITE:
                    loop.remove_writer(one)


# --- inside -----------------------------------------------------------------------------------------------------------


def _literal(host: str, port: int) -> _Addresses:
    """The address of a ``host`` that is one, so that there is nothing to look up; else none."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return ()


def _resolve(host: str, port: int, left: Callable[[], float]) -> _Addresses:
    """The addresses of ``host``."""
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
    """As :func:`_resolve`. Not by the loop, whose threads are few, and which waits for them when it is closed."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[_Found] = loop.create_future()

    def settle(addresses: _Found) -> None:
        if not found.done():
            found.set_result(addresses)

    def tell(addresses: _Found) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is over
            loop.call_soon_threadsafe(settle, addresses)

    _look_up(host, port, tell)
    return _addresses(await found)


def _look_up(host: str, port: int, tell: Callable[[_Found], None]) -> None:
    """``tell`` the addresses of ``host``, in a thread: a name server that is silent knows no time-out of ours."""

    def look_up() -> None:
        addresses: _Found
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except BaseException as error:  # noqa: BLE001  # it belongs to the caller
            addresses = error
        tell(addresses)

    try:
        _thread.start_new_thread(look_up, ())  # not Thread.start, which a signal may leave hanging
    except RuntimeError:  # no threads any more: the interpreter is ending
        look_up()


def _addresses(found: _Found) -> _Addresses:
    if isinstance(found, BaseException):
        raise found
    return found


def _race(addresses: _Addresses) -> Generator[tuple[list[socket.socket], float | None], None, socket.socket]:
    """Connect to ``addresses``; yields the sockets to wait for, and for how many seconds at most."""
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
                except Exception as error:  # noqa: BLE001  # also what guards of tests raise
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
    """``addresses`` with their families in turns, in the order of preference otherwise."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for pair in zip_longest(first, others) for address in pair if address is not None]
