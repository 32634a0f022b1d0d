"""Connecting: an address that leads nowhere, or a name server that is silent, does not use up the time of the others."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import gc
import socket
import threading
from time import monotonic

import pytest

from smsbridge.dialing import HEAD_START, READ, WRITE, dial, dial_async, wait, wait_async


def left(seconds=10.0):
    end = monotonic() + seconds

    def remaining():
        if end <= monotonic():
            raise TimeoutError
        return end - monotonic()

    return remaining


def blocking(host, port, seconds=10.0):
    return dial(host, port, left(seconds))


def in_a_loop(host, port, seconds=10.0):
    async def connect():
        async with asyncio.timeout(seconds):
            return await dial_async(host, port)

    return asyncio.run(connect())


@pytest.fixture(params=[blocking, in_a_loop], ids=["blocking", "async"])
def connect(request):
    yield request.param
    gc.collect()  # a socket that was not closed says so in this test


@pytest.fixture
def listen():
    """Servers that listen; a deaf one does not answer to a connection, as if the network led nowhere."""
    with contextlib.ExitStack() as opened:

        def start(host="127.0.0.1", *, deaf=False):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            server = opened.enter_context(socket.create_server((host, 0), family=family, backlog=0 if deaf else 10))
            for _ in range(4 if deaf else 0):  # fill its queue
                waiting = opened.enter_context(socket.socket(family))
                waiting.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    waiting.connect(server.getsockname())
            return server.getsockname()

        yield start


@pytest.fixture
def closed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()


@pytest.fixture
def resolve(monkeypatch):
    """The name ``sms.example`` has these addresses."""

    def have(*places):
        found = [
            (socket.AF_INET6 if len(place) > 2 else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place)
            for place in places
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return have


def test_an_address_is_connected_to(connect, listen):
    place = listen()
    with connect(*place) as sock:
        assert sock.getpeername() == place
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_of_ipv6_is_connected_to(connect, listen):
    place = listen("::1")
    with connect(*place[:2]) as sock:
        assert sock.getpeername() == place


def test_an_address_is_not_looked_up(connect, listen, monkeypatch):
    place = listen()
    monkeypatch.setattr(_thread, "start_new_thread", None)
    connect(*place).close()


@pytest.mark.parametrize("order", [1, -1], ids=["IPv6 first", "IPv4 first"])
def test_a_broken_family_falls_back_to_the_other(connect, listen, resolve, order):
    good, deaf = listen(), listen("::1", deaf=True)
    resolve(*[deaf, good][::order])
    began = monotonic()
    with connect("sms.example", 443) as sock:
        assert sock.getpeername() == good
    assert monotonic() - began < 4 * HEAD_START


def test_an_address_that_refuses_gives_way_at_once(connect, listen, resolve, closed):
    good = listen()
    resolve(closed, ("2001:db8::1", 443, 0, 0), closed, good)
    began = monotonic()
    with connect("sms.example", 443) as sock:
        assert sock.getpeername() == good
    assert monotonic() - began < HEAD_START


def test_the_families_take_turns(connect, listen, resolve):
    good, deaf = listen(), listen("::1", deaf=True)
    resolve(deaf, deaf, deaf, deaf, deaf, deaf, good)
    began = monotonic()
    connect("sms.example", 443).close()
    assert monotonic() - began < 3 * HEAD_START


def test_no_address_answers_in_time(connect, listen, resolve):
    resolve(listen(deaf=True), listen("::1", deaf=True))
    with pytest.raises(TimeoutError):
        connect("sms.example", 443, 2 * HEAD_START)


def test_what_the_last_address_said_is_raised(connect, resolve, closed):
    resolve(("2001:db8::1", 443, 0, 0), closed)
    with pytest.raises(ConnectionRefusedError):
        connect("sms.example", 443)


def test_a_name_without_address_is_an_error(connect, resolve):
    resolve()
    with pytest.raises(OSError, match="no address"):
        connect("sms.example", 443)


def test_a_name_that_is_unknown_is_an_error(connect, monkeypatch):
    def nowhere(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(socket.gaierror):
        connect("sms.example", 443)


def test_a_silent_name_server_does_not_use_up_more_than_the_time(connect, monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(10) and [])
    began = monotonic()
    with pytest.raises(TimeoutError):
        connect("sms.example", 443, 0.1)
    assert monotonic() - began < 2
    answered.set()


def test_without_threads_a_name_is_still_looked_up(connect, listen, resolve, monkeypatch):
    def ending(*_):
        raise RuntimeError("can't start new thread at interpreter shutdown")

    good = listen()
    resolve(good)
    monkeypatch.setattr(_thread, "start_new_thread", ending)
    connect("sms.example", 443).close()


def test_a_guard_that_forbids_sockets_is_heard(connect, listen, monkeypatch):
    place = listen()

    def forbidden(*_):
        raise RuntimeError("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    with pytest.raises(RuntimeError, match="no network"):
        connect(*place)


def test_a_connection_that_is_cancelled_leaves_nothing_open(listen, resolve):
    resolve(listen(deaf=True), listen("::1", deaf=True))

    async def cancel():
        task = asyncio.create_task(dial_async("sms.example", 443))
        await asyncio.sleep(1.5 * HEAD_START)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    gc.collect()


def test_loops_that_watch_no_sockets_are_asked_again_and_again(monkeypatch):
    def unable(*_):
        raise NotImplementedError

    for name in ("add_reader", "add_writer", "remove_reader", "remove_writer"):
        monkeypatch.setattr(asyncio.SelectorEventLoop, name, unable)
    ours, theirs = socket.socketpair()

    async def meet():
        async with asyncio.timeout(5):
            await wait_async([ours], WRITE)
            asyncio.get_running_loop().call_later(0.02, theirs.send, b"1")
            await wait_async([ours], READ)

    with ours, theirs:
        asyncio.run(meet())


def test_systems_without_poll_wait_too(monkeypatch):
    import select

    monkeypatch.delattr(select, "poll")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not wait([ours], READ, 0.01)
        assert wait([ours], READ | WRITE, 0.01)
        theirs.send(b"1")
        assert wait([ours], READ, 0.01)
