"""A connection, driven by hand over a pair of sockets: its writes, waits and reads."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import threading

import pytest

from smsbridge.wire import channel as module
from smsbridge.wire.channel import Channel, Exchange, OutOfTurnError
from smsbridge.wire.dialing import READ, WRITE, wait
from torture.certificates import Certificates

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
LARGE = bytes(5_000_000)
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Line:
    """Our channel and the other end of it."""

    def __init__(self):
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs.settimeout(10)
        self.exchange = Exchange()
        self.channel = Channel(ours, self.exchange)

    def run(self, waits):
        """Drive ``waits`` to its end."""
        try:
            for _ in range(10_000):
                assert wait([self.channel.socket], next(waits), 10)
        except StopIteration as stop:
            return stop.value
        pytest.fail("it waits again and again")

    def ask(self, *parts):
        for part in (*parts, b""):
            if self.channel.hold(part):
                self.run(self.channel.flush())

    def left(self):
        """The bytes that left so far."""
        self.theirs.setblocking(False)
        try:
            return self.theirs.recv(10_000_000)
        except BlockingIOError:
            return b""
        finally:
            self.theirs.settimeout(10)


@pytest.fixture
def line():
    made = Line()
    yield made
    made.channel.close()
    made.theirs.close()


# --- time -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "allowed", "timeout", "left"),
    [
        (math.inf, None, None, math.inf),
        (math.inf, None, 3, 3),
        (108, None, None, 8),
        (108, None, 3, 3),
        (108, None, 30, 8),
        (108, 5, None, 5),
        (108, 5, 30, 5),
        (108, 5, 3, 3),
        (108, 50, None, 8),
        (math.inf, 5, None, 5),
    ],
)
def test_the_soonest_of_deadline_allowance_and_time_out_ends_a_wait(monkeypatch, end, allowed, timeout, left):
    now = 100.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    exchange = Exchange()
    exchange.begin(end)
    if allowed is not None:
        exchange.allow(allowed)
    remaining = exchange.until(timeout)
    assert remaining() == left
    now = 102.0
    assert remaining() == left - 2
    for now in (100.0 + left, 101.0 + left):
        if now < math.inf:
            with pytest.raises(TimeoutError):
                remaining()


def test_a_little_time_is_time(monkeypatch):
    monkeypatch.setattr(module, "monotonic", lambda: 100.0)
    assert Exchange().until(0.5)() == 0.5


def test_the_next_request_begins_anew():
    exchange = Exchange()
    for _ in range(2):
        assert (exchange.begun, exchange.left, exchange.early, exchange.tunnelled) == (False,) * 4
        exchange.allow(5)
        exchange.begun = exchange.left = exchange.early = exchange.tunnelled = True
        exchange.begin(math.inf)
        assert exchange.until(None)() == math.inf


# --- writes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flush", [Channel.flush, Channel.read])
def test_a_request_leaves_at_one_go(line, flush):
    line.channel.hold(b"head")
    line.channel.hold(b"body")
    assert line.left() == b""
    assert (line.exchange.begun, line.exchange.left) == (True, False)
    next(flush(line.channel), None)
    assert line.left() == b"headbody"
    assert (line.exchange.left, line.exchange.early) == (True, False)


@pytest.mark.parametrize(
    ("request_", "left"),
    [
        (b"POST / HTTP/1.1\r\n\r\n", True),
        (b"CONNECT sms.example:443 HTTP/1.1\r\n\r\n", False),
        (b"CONNECTED / HTTP/1.1\r\n\r\n", True),
        (b"\x05\x01\x00", False),
        (b"\x01\x01a\x01b", False),
        (b"\x16\x03\x01", True),
    ],
)
def test_what_asks_a_proxy_is_not_yet_the_request(line, request_, left):
    line.ask(request_)
    assert line.left() == request_
    assert line.exchange.left is left


@pytest.mark.parametrize("said", [b"x", CONTINUE, OK, b"\r\n"])
def test_what_came_before_the_request_keeps_it_here(line, said):
    line.theirs.sendall(said)
    with pytest.raises(OutOfTurnError, match="sent data before the request"):
        line.ask(b"request")
    assert (line.left(), line.exchange.left, line.exchange.begun) == (b"", False, True)


def test_an_end_before_the_request_keeps_it_here(line):
    line.theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(OutOfTurnError, match="hung up"):
        line.ask(b"request")
    assert (line.left(), line.exchange.left) == (b"", False)


def test_an_end_behind_what_was_said_is_told_as_what_was_said(line):
    line.theirs.sendall(b"x")
    line.theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(OutOfTurnError, match="sent data before the request"):
        line.ask(b"request")


# --- an answer before the request is written whole ------------------------------------------------------------------------


def speak_once_stuck(line, *parts, end=False):
    """Write a large request; each time that it is blocked, the server sends the next of ``parts``. Returns the bytes that left."""
    writing = line.channel.flush()
    line.channel.hold(LARGE)
    said = list(parts)
    try:
        while True:
            events = next(writing)
            assert events == READ | WRITE
            if said:
                line.theirs.sendall(said.pop(0))
            elif end:
                line.theirs.shutdown(socket.SHUT_WR)
            else:
                return None
    except StopIteration:
        assert not said
    return len(line.left())


@pytest.mark.parametrize(
    "parts",
    [
        (REFUSAL,),
        (CONTINUE, REFUSAL),
        (CONTINUE + REFUSAL,),
        (CONTINUE, CONTINUE, CONTINUE, REFUSAL),
        (CONTINUE, b"HTTP/1.1 4", b"13 Too Large", b"\r\nContent-Length: 0\r\n\r\n"),
        (CONTINUE, b"\r\n", REFUSAL),
    ],
)
def test_an_answer_ends_the_writing_whatever_informs_before_it(line, parts):
    stuck = [part for part in parts if b"413" not in b"".join(parts[: parts.index(part) + 1])]
    rest = parts[len(stuck) + 1 :]
    left = speak_once_stuck(line, *parts[: len(stuck) + 1])
    assert left is not None
    assert left < len(LARGE)
    assert line.exchange.early
    for part in rest:
        line.theirs.sendall(part)
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        read += line.run(line.channel.read())
    assert read == REFUSAL
    assert line.exchange.early


@pytest.mark.parametrize("parts", [(), (CONTINUE,), (CONTINUE, CONTINUE), (CONTINUE[:5], CONTINUE[5:])])
def test_what_informs_ends_nothing(line, parts):
    assert speak_once_stuck(line, *parts) is None


def test_an_end_ends_the_writing(line):
    assert speak_once_stuck(line, end=True) < len(LARGE)
    assert line.exchange.early
    assert line.run(line.channel.read()) == b""


def test_a_request_that_is_written_whole_has_no_early_answer(line):
    got = []

    def take():
        while sum(map(len, got)) < len(LARGE):
            got.append(line.theirs.recv(1_000_000))

    thread = threading.Thread(target=take)
    thread.start()
    line.ask(LARGE)
    thread.join(10)
    assert not line.exchange.early
    line.theirs.sendall(CONTINUE + OK)
    assert line.run(line.channel.read()) == OK


def test_a_request_whose_writing_failed_is_early(line):
    line.channel.hold(LARGE)
    writing = line.channel.flush()
    next(writing)
    line.theirs.shutdown(socket.SHUT_RD)
    with pytest.raises(BrokenPipeError):
        next(writing)
    assert (line.exchange.left, line.exchange.early) == (True, True)


# --- reads ----------------------------------------------------------------------------------------------------------------


def test_an_answer_is_read_until_its_end(line):
    line.ask(b"request")
    line.theirs.sendall(OK[:9])
    reading = line.channel.read()
    assert next(reading) == READ
    assert next(reading) == READ
    line.theirs.sendall(OK[9:] + b"more")
    with pytest.raises(StopIteration) as stop:
        next(reading)
    assert stop.value.value == OK + b"more"
    line.theirs.sendall(b"tail")
    assert line.run(line.channel.read()) == b"tail"
    line.theirs.shutdown(socket.SHUT_WR)
    assert [line.run(line.channel.read()) for _ in range(2)] == [b"", b""]


def test_what_is_held_back_comes_with_the_end(line):
    line.ask(b"request")
    line.theirs.sendall(OK[:9])
    line.theirs.shutdown(socket.SHUT_WR)
    assert [line.run(line.channel.read()) for _ in range(2)] == [OK[:9], b""]


def test_each_answer_has_a_head_of_its_own(line):
    for _ in range(2):
        line.ask(b"request")
        line.theirs.sendall(OK.replace(b"OK", b"\0"))
        assert line.run(line.channel.read()) == OK.replace(b"OK", b"?")


def test_a_server_that_said_nothing_does_not_speak(line):
    assert not line.channel.speaks()
    line.theirs.sendall(b"x")
    assert [line.channel.speaks() for _ in range(2)] == [True, True]
    line.theirs.shutdown(socket.SHUT_WR)
    assert line.channel.speaks()


def test_an_end_is_told(line):
    line.theirs.shutdown(socket.SHUT_WR)
    assert [line.channel.speaks() for _ in range(2)] == [True, True]


def test_a_closed_channel_has_no_socket(line):
    line.channel.close()
    assert line.channel.socket.fileno() == -1
    assert line.theirs.recv(1) == b""


# --- TLS ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def context(certificates):
    return ssl.create_default_context(cafile=certificates.trusted)


class Server:
    """TLS at the other end, once or twice, driven by hand as well."""

    def __init__(self, context, outer=None):
        self.outer = outer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def seal(self, data=b""):
        while data:
            data = data[self.tls.write(data) :]
        return self.pass_on(self.outgoing.read())

    def pass_on(self, data):
        return self.outer.seal(data) if self.outer is not None else data

    def take(self, data):
        self.incoming.write(self.outer.unseal(data) if self.outer is not None else data)

    def unseal(self, data):
        self.take(data)
        said = b""
        while True:
            try:
                said += self.tls.read(100_000)
            except ssl.SSLWantReadError:
                return said


def shake(line, server, context, host="127.0.0.1"):
    shaking = line.channel.start_tls(context, host)
    done = False
    for _ in range(10):
        try:
            assert next(shaking) == READ
        except StopIteration:
            break
        server.take(line.left())
        if not done:
            try:
                server.tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
        line.theirs.sendall(server.pass_on(server.outgoing.read()))
    if not done:
        server.take(line.left())
        server.tls.do_handshake()
        line.theirs.sendall(server.pass_on(server.outgoing.read()))  # tickets


@pytest.fixture(params=[1, 2], ids=["TLS", "TLS in TLS"])
def encrypted(line, certificates, context, request):
    """The innermost server."""
    server = None
    for _ in range(request.param):
        server = Server(certificates.contexts["sound"], server)
        shake(line, server, context)
    return server


def test_tls_carries_both_ways(line, encrypted):
    for size in (10, 100_000):
        line.ask(b"r" * size)
        assert encrypted.unseal(line.left()) == b"r" * size
        assert not line.exchange.early
        answer = OK + b"a" * size
        sending = threading.Thread(target=line.theirs.sendall, args=(encrypted.seal(answer),))
        sending.start()
        read = b""
        while len(read) < len(answer):
            read += line.run(line.channel.read())
        sending.join(10)
        assert read == answer


def test_a_part_of_a_record_says_nothing(line, encrypted):
    line.ask(b"request")
    sealed = encrypted.seal(b"x")
    line.theirs.sendall(sealed[:-1])
    assert not line.channel.speaks()
    line.theirs.sendall(sealed[-1:])
    assert line.channel.speaks()


def test_what_tls_says_of_itself_is_not_said_by_the_server(line, encrypted):
    assert not line.channel.speaks()
    line.ask(b"request")
    assert encrypted.unseal(line.left()) == b"request"


@pytest.mark.parametrize("farewell", [False, True])
def test_an_end_of_tls_is_an_end_with_or_without_farewell(line, encrypted, farewell):
    line.ask(b"request")
    line.theirs.sendall(encrypted.seal(OK))
    if farewell:
        with pytest.raises(ssl.SSLWantReadError):
            encrypted.tls.unwrap()
        line.theirs.sendall(encrypted.seal())
    else:
        line.theirs.shutdown(socket.SHUT_WR)
    assert [line.run(line.channel.read()) for _ in range(2)] == [OK, b""]
    with pytest.raises(OutOfTurnError, match="hung up"):
        line.ask(b"request")


def test_a_request_is_refused_early_inside_of_tls(line, encrypted):
    line.channel.hold(LARGE)
    writing = line.channel.flush()
    for part in (CONTINUE, REFUSAL[:20]):
        assert next(writing) == READ | WRITE
        line.theirs.sendall(encrypted.seal(part))
    with pytest.raises(StopIteration):
        next(writing)
    assert line.exchange.early
    line.theirs.sendall(encrypted.seal(REFUSAL[20:]))
    assert line.run(line.channel.read()) == REFUSAL


@pytest.mark.parametrize(
    ("said", "tunnelled", "words"),
    [
        (TUNNEL, True, None),
        (CONTINUE + TUNNEL, True, None),
        (TUNNEL + b"x", False, "sent data before the request"),
        (CONTINUE + TUNNEL + OK, False, "sent data before the request"),
    ],
)
def test_nothing_may_stand_between_the_answer_of_a_proxy_and_the_handshake(line, context, said, tunnelled, words):
    line.ask(b"CONNECT sms.example:443 HTTP/1.1\r\n\r\n")
    line.left()
    line.theirs.sendall(said)
    assert line.run(line.channel.read()).startswith(TUNNEL)
    shaking = line.channel.start_tls(context, "sms.example")
    if words is None:
        assert next(shaking) == READ
        assert line.left().startswith(b"\x16\x03")
    else:
        with pytest.raises(OutOfTurnError, match=words):
            next(shaking)
        assert line.left() == b""
    assert line.exchange.tunnelled is tunnelled
    assert not line.exchange.left


@pytest.mark.parametrize("late", [False, True])
def test_what_comes_before_the_handshake_begins_keeps_it_here(line, context, late):
    line.ask(b"CONNECT sms.example:443 HTTP/1.1\r\n\r\n")
    line.left()
    line.theirs.sendall(TUNNEL)
    line.run(line.channel.read())
    line.theirs.sendall(b"x") if late else line.theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(OutOfTurnError, match="sent data" if late else "hung up"):
        next(line.channel.start_tls(context, "sms.example"))
    assert line.left() == b""


def test_a_handshake_names_the_host_and_checks_its_certificate(line, certificates, context):
    server = Server(certificates.contexts["sound"])
    names = []
    sound = certificates.contexts["sound"]
    sound.sni_callback = lambda tls, name, _: names.append(name)
    try:
        with pytest.raises(ssl.SSLCertVerificationError):
            shake(line, server, context, "other.example")
    finally:
        sound.sni_callback = None
    assert names == ["other.example"]
    server.take(line.left())
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):  # the server is told
        server.tls.do_handshake()


def test_a_handshake_that_is_stuck_says_all_it_has_to_say(line, context):
    with contextlib.suppress(BlockingIOError):
        while True:
            line.channel.socket.send(bytes(65536))
    shaking = line.channel.start_tls(context, "sms.example")
    assert next(shaking) == WRITE
    line.theirs.sendall(b"\x16")  # with any words of the server meanwhile
    assert next(shaking) == WRITE
    while line.left():
        pass
    assert next(shaking) == READ
    hello = line.left()
    assert hello.startswith(b"\x16")
    assert len(hello) == 5 + int.from_bytes(hello[3:5])


def test_a_handshake_that_is_cut_ends(line, context):
    shaking = line.channel.start_tls(context, "sms.example")
    assert next(shaking) == READ
    line.theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ssl.SSLError):
        next(shaking)
