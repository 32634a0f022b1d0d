"""Connecting: a dead address, or a silent name server, does not use up the time of the others."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import gc
import math
import select
import socket
import threading
from time import monotonic

import pytest

from smsbridge.wire import dialing
from smsbridge.wire.dialing import HEAD_START, READ, WRITE, dial, dial_async, wait, wait_async


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
    gc.collect()  # an unclosed socket warns in this test


@pytest.fixture
def listen():
    """Servers that listen; a deaf server does not answer connections, like a dead network."""
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


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_only_streams_are_tried(connect, closed, host):
    with pytest.raises(ConnectionRefusedError):
        connect(host, closed[1])


def test_what_is_given_up_is_closed_at_once(connect, listen, resolve, monkeypatch):
    begun = []
    begin = dialing._begin
    monkeypatch.setattr(dialing, "_begin", lambda address: begun.append(begin(address)) or begun[-1])
    good, deaf = listen(), listen("::1", deaf=True)
    resolve(deaf, deaf)
    with pytest.raises(TimeoutError) as caught:
        connect("sms.example", 443, 1.5 * HEAD_START)
    assert [sock.fileno() for sock in begun] == [-1, -1]  # also while the error is looked at
    assert caught.value.__traceback__
    begun.clear()
    resolve(deaf, good)
    with connect("sms.example", 443) as sock:
        assert [other.fileno() for other in begun] == [-1, sock.fileno()]


def test_the_families_take_turns_in_their_order():
    six, four = socket.AF_INET6, socket.AF_INET

    def in_turns(*addresses):
        return [
            (address[0], address[4])
            for address in dialing._in_turns([(address[0], 1, 6, "", address[1]) for address in addresses])
        ]

    assert in_turns((six, 1), (four, 2), (four, 3), (six, 4)) == [(six, 1), (four, 2), (six, 4), (four, 3)]
    assert in_turns((six, 1), (six, 2), (six, 3), (four, 4)) == [(six, 1), (four, 4), (six, 2), (six, 3)]
    assert in_turns((four, 1), (six, 2), (six, 3)) == [(four, 1), (six, 2), (six, 3)]
    assert in_turns((four, 1)) == [(four, 1)]
    assert in_turns() == []


def test_each_address_has_its_head_start_and_the_last_has_no_end(monkeypatch):
    now = 100.0
    begun = []
    monkeypatch.setattr(dialing, "monotonic", lambda: now)
    monkeypatch.setattr(dialing, "wait", lambda *_: False)
    monkeypatch.setattr(dialing, "_begin", lambda address: begun.append(address) or socket.socket())
    race = dialing._race([(socket.AF_INET, 1, 6, "", number) for number in range(3)])
    for number in range(2):
        for seconds in (HEAD_START, HEAD_START / 2):
            sockets, longest = next(race)
            assert len(sockets) == len(begun) == number + 1
            assert longest == pytest.approx(seconds)
            now += HEAD_START / 2
    assert [(len(sockets), longest) for sockets, longest in (next(race), next(race))] == [(3, None)] * 2
    race.close()


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


@pytest.fixture
def pairs():
    """Sockets by readiness."""
    with contextlib.ExitStack() as opened:
        found = {}
        for ready in (0, READ, WRITE, READ | WRITE):
            ours, theirs = map(opened.enter_context, socket.socketpair())
            ours.setblocking(False)
            if ready & READ:
                theirs.send(b"1")
            with contextlib.suppress(BlockingIOError):
                while not ready & WRITE:
                    ours.send(bytes(65536))
            found[ready] = ours
        yield found


WAITS = [(ready, events) for ready in (0, READ, WRITE, READ | WRITE) for events in (READ, WRITE, READ | WRITE)]


@pytest.mark.parametrize("poll", [True, False])
@pytest.mark.parametrize(("ready", "events"), WAITS)
def test_a_wait_ends_with_what_is_waited_for_and_nothing_else(pairs, monkeypatch, ready, events, poll):
    if not poll:
        monkeypatch.delattr(select, "poll")
    began = monotonic()
    assert wait([pairs[0], pairs[ready]], events, 20 if ready & events else 0.02) is bool(ready & events)
    assert monotonic() - began < 10


def test_a_wait_may_have_no_end(pairs):
    assert wait([pairs[READ]], READ, math.inf)


@pytest.mark.parametrize(("ready", "events"), WAITS)
def test_a_loop_waits_for_what_is_waited_for_and_nothing_else(pairs, ready, events):
    async def meet():
        loop, sockets = asyncio.get_running_loop(), [pairs[0], pairs[ready]]
        try:
            async with asyncio.timeout(20 if ready & events else 0.02):
                await wait_async(sockets, events)
        except TimeoutError:
            return False
        finally:
            assert not any(unwatch(sock) for sock in sockets for unwatch in (loop.remove_reader, loop.remove_writer))
        return True

    assert asyncio.run(meet()) is bool(ready & events)


def test_a_name_that_is_found_too_late_troubles_nothing(monkeypatch):
    looked_up, problems = threading.Event(), []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: looked_up.wait(10) and [])
    told = asyncio.BaseEventLoop.call_soon_threadsafe
    settled = threading.Event()

    def tell(loop, *arguments):
        told(loop, *arguments)
        settled.set()

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_soon_threadsafe", tell)

    async def give_up():
        asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await dial_async("sms.example", 443)
        settled.clear()
        looked_up.set()
        await asyncio.to_thread(settled.wait, 10)
        await asyncio.sleep(0.005)

    asyncio.run(give_up())
    assert not problems


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

    began = monotonic()
    with ours, theirs:
        asyncio.run(meet())
    assert monotonic() - began < 0.8  # the loop continues meanwhile
