"""The wire: requests, answers, and what is certain without an answer. Tested with sockets on 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import logging
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import traceback
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from time import monotonic

import h11
import httpcore
import httpx
import pytest
import vcr

from smsbridge.errors import NoAnswer, NotConnected, nothing_left
from smsbridge.http import Headers, HttpRequest
from smsbridge.wire import channel, dialing, httpx_line, network, outgoing
from smsbridge.wire import over_httpx as module
from smsbridge.wire.body import MAX_BODY
from smsbridge.wire.over_httpx import AsyncTransport, Transport

UNLESS_GREENLETS = pytest.mark.skipif(
    "gevent.monkey" in sys.modules,
    reason="the server's threads, and event loops of threads, are greenlets of one thread",
)
TOKEN = "dummy-token-in-a-header"
TEXT = "dummy text 4711"
PLACE = re.compile(r" \([^()]*:\d+\)$")
"""The end of an error's words: host and port."""
PAIR = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgsZoa0NiooTlSZGPD
nX+JAkp4e/7NzhAcgt24/m4DkcWhRANCAAS/8glWZiM17CmhVSZvVat5hmV1SlcW
H++XG6OcYyLbQmQSlKr01/LHw4AcZA0ndhXHNElx3FkECYGVQNat9VPL
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBcDCCARegAwIBAgIBATAKBggqhkjOPQQDAjAZMRcwFQYDVQQDDA5zbXNicmlk
Z2UgdGVzdDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowGTEXMBUG
A1UEAwwOc21zYnJpZGdlIHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS/
8glWZiM17CmhVSZvVat5hmV1SlcWH++XG6OcYyLbQmQSlKr01/LHw4AcZA0ndhXH
NElx3FkECYGVQNat9VPLo04wTDAPBgNVHRMBAf8EBTADAQH/MBoGA1UdEQQTMBGH
BH8AAAGCCWxvY2FsaG9zdDAdBgNVHQ4EFgQUZD0hJvIxkv7GZmT2b1Ta7xt5rkMw
CgYIKoZIzj0EAwIDRwAwRAIgKHUlXn1avwtFu3rjdgLCo60FSSj87sJwfw8fiV2Z
OiwCIDMmLgdyIWHv/hP6kdyZE5xElpfiHXKnjaP2FpaNVpVu
-----END CERTIFICATE-----
"""  # a self-signed certificate for 127.0.0.1


def answer(body=b"{}", *headers, status="200 OK", length=None):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Server:
    """Answers each request by ``respond(wire, request)``, which may write itself. True keeps the connection open."""

    def __init__(self, respond, tls=None):
        self._respond = respond
        self._tls = tls
        self._wires = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.requests = []
        self.connections = 0
        self.stopped = threading.Event()
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http{'s' if tls else ''}://{self.host}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._wires.append(wire)
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire):
        data = b""
        try:
            if self._tls:
                wire = self._tls.wrap_socket(wire, server_side=True)
                self._wires.append(wire)
            while chunk := wire.recv(65536):
                data += chunk
                head, blank, body = data.partition(b"\r\n\r\n")
                _, _, length = head.lower().partition(b"content-length: ")
                size = int(length.split(b"\r\n")[0] or b"0")
                if not blank or len(body) < size:
                    continue
                self.requests.append(data)
                data = b""
                if not self._respond(wire, self.requests[-1]):
                    break
        except OSError:
            pass
        finally:
            wire.close()

    def stop(self):
        self.stopped.set()
        with contextlib.suppress(OSError):  # stopped before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for wire in self._wires:
            wire.close()


@pytest.fixture
def serve():
    servers = []

    def start(respond, tls=None):
        if isinstance(respond, bytes):
            servers.append(Server(lambda wire, _: wire.sendall(respond) or True, tls))
        else:
            servers.append(Server(respond, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def hang(server_or_event):
    return lambda wire, request: server_or_event.wait(30) and False


class Sync:
    def __init__(self, **options):
        self.transport = Transport(**options)

    def send(self, request, **options):
        return self.transport.send(request, **options)

    def send_all(self, requests):
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(self.transport.send, requests))

    def idle(self):
        return [line for lines in self.transport._lines._idle.values() for line in lines]

    def close(self):
        self.transport.close()

    shut = shut_now = close


class Async:
    def __init__(self, **options):
        self.transport = AsyncTransport(**options)
        self.runner = asyncio.Runner()
        self.runner.get_loop()

    def send(self, request, **options):
        async def send():
            for _ in range(3):
                await asyncio.sleep(0)  # an event loop that runs notices when a server hangs up
            return await self.transport.send(request, **options)

        return self.runner.run(send())

    def send_all(self, requests):
        async def gather():
            return await asyncio.gather(*map(self.transport.send, requests))

        return self.runner.run(gather())

    def idle(self):
        return [line for lines in self.transport._loops.values() for idle in lines._idle.values() for line in idle]

    def shut(self):
        self.runner.run(self.transport.aclose())

    def shut_now(self):
        """From another thread, and so from another loop."""
        asyncio.run(self.transport.aclose())

    def close(self):
        self.shut()
        self.runner.close()


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def make(request):
    made = []

    def start(timeout=5.0):
        made.append(request.param(timeout=timeout))
        return made[-1]

    yield start
    for pool in made:
        pool.close()
    made.clear()
    gc.collect()  # an unclosed socket warns in this test


def post(url, **fields):
    return HttpRequest.post_json(
        url, {"text": TEXT}, headers={"Authorization": f"Bearer {TOKEN}"}, sends=True, **fields
    )


def frames(error):
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def failure(transport, request, kind, **options):
    with pytest.raises(kind) as caught:
        transport.send(request, **options)
    assert caught.value.__context__ is None
    assert TOKEN not in frames(caught.value)
    assert TEXT not in frames(caught.value)
    return PLACE.sub("", str(caught.value))


# --- requests -------------------------------------------------------------------------------------------------------------


def test_the_bytes_on_the_wire_are_these(serve, make):
    server = serve(answer(b'{"id": 1}', "X-Request-Id: a", "x-request-id: b"))
    response = make().send(
        HttpRequest(
            method="POST",
            url=f"{server.url}/a/../b%2F%7c|?to=%2B91+1&q=a%20b&e=%e2%82%ac&=#no",
            headers={"Content-Type": "text/plain", "X-Name": "\xe9"},
            body="€".encode(),
        )
    )
    assert server.requests == [
        b"POST /a/../b%2F%7c|?to=%2B91+1&q=a%20b&e=%e2%82%ac&= HTTP/1.1\r\n"
        b"host: " + server.host.encode() + b"\r\naccept-encoding: gzip, deflate\r\n"
        b"user-agent: smsbridge/" + version("smsbridge").encode() + b"\r\n"
        b"content-type: text/plain\r\nx-name: \xe9\r\ncontent-length: 3\r\n\r\n\xe2\x82\xac"
    ]
    assert (response.status, response.body, response.complete) == (200, b'{"id": 1}', True)
    assert response.headers["X-Request-ID"] == "a, b"


@pytest.mark.parametrize(
    ("path", "target"),
    [("", "/"), ("?a=1", "/?a=1"), ("/?", "/?"), ("/€ \n", "/%E2%82%AC%20%0A"), ("/a#b", "/a"), ("//x", "//x")],
)
def test_what_cannot_be_in_a_request_line_is_encoded_and_nothing_else(serve, make, path, target):
    server = serve(answer())
    make().send(HttpRequest.get(server.url + path))
    assert server.requests[0].startswith(f"GET {target} HTTP/1.1\r\n".encode())


def test_a_provider_may_set_headers_but_not_the_framing(serve, make):
    server = serve(answer())
    headers = {"User-Agent": "x", "Content-Length": "99", "Transfer-Encoding": "chunked"}
    make().send(HttpRequest(method="POST", url=server.url, headers=headers, body=b"1"))
    assert b"user-agent: x\r\ncontent-length: 1\r\n\r\n1" in server.requests[0]
    assert b"chunked" not in server.requests[0]


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1", "http://", "http://a..b/", "http://u:p@127.0.0.1/"])
def test_an_impossible_url_is_certainly_not_sent(make, url):
    assert (
        failure(make(), post(url), NotConnected)
        == "the URL is not valid: check the URL in the settings of the provider"
    )


def test_an_impossible_header_is_certainly_not_sent(serve, make):
    server = serve(answer())
    request = HttpRequest(method="GET", url=server.url, headers={"a\r\nb": "c"})
    assert (
        failure(make(), request, NotConnected)
        == "the request is not valid HTTP: check its method and the names of its headers"
    )
    assert not server.requests


class Odd:
    """Mistakes of a provider in a request."""

    def __init__(self, **fields):
        self.__dict__.update(
            {"method": "POST", "url": "http://127.0.0.1:9/", "headers": Headers(), "body": b"", **fields}
        )


@pytest.mark.parametrize(
    "fields",
    [
        {"url": None},
        {"url": 7},
        {"url": b"http://127.0.0.1:9/"},
        {"url": "http://[::1"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "http://127.0.0.1:x/"},
        {"url": "http://a b/"},
        {"url": "http://a\x1bb/"},
        {"url": "http://\u2488com/"},
        {"url": f"http://{'a' * 70}.example/"},
        {"url": ""},
        {"method": None},
        {"method": "GE T"},
        {"method": "CONNECT"},
        {"method": ""},
        {"headers": None},
        {"headers": {"X": None}},
        {"headers": {"X": "\u20ac"}},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"": "a"}},
        {"headers": {"X": "\x00"}},
        {"body": None},
        {"body": "text"},
        {"body": ["text"]},
    ],
    ids=repr,
)
def test_whatever_a_request_is_made_of_it_is_certainly_not_sent(make, fields):
    failure(make(), Odd(**fields), NotConnected)


def raiser(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize(
    "place",
    [
        (dialing, "_begin"),
        (socket, "getaddrinfo"),
        (socket.socket, "connect"),
        (socket.socket, "setsockopt"),
        (network, "Channel"),
        (channel.Channel, "hold"),
        (channel.Channel, "flush"),
        (channel, "Head"),
        (module, "request_of"),
        (outgoing, "getproxies"),
        (outgoing, "proxy_bypass"),
        (httpx, "Limits"),
        (httpcore.Request, "__init__"),
        (h11.Connection, "__init__"),
        (h11.Connection, "send"),
    ],
    ids=lambda place: f"{getattr(place[0], '__name__', place[0])}.{place[1]}",
)
def test_an_error_of_ours_before_the_first_byte_is_certain(serve, make, monkeypatch, place):
    server = serve(answer())
    monkeypatch.setenv("http_proxy", server.url)  # it gets nothing either
    for error in (TypeError("x"), RuntimeError("x"), AssertionError("x"), AttributeError("x"), OSError("x")):
        transport = make(timeout=1)
        with monkeypatch.context() as patch:
            patch.setattr(*place, raiser(error))
            failure(transport, post("http://sms.localhost/"), NotConnected)
    assert not server.requests


def test_outside_of_asyncio_it_is_certain():
    transport = AsyncTransport(timeout=1)
    with pytest.raises(NotConnected, match=r"the request cannot be sent .RuntimeError"):
        transport.send(post("http://127.0.0.1:9/")).send(None)


def test_certificates_that_cannot_be_loaded_are_certain(make, monkeypatch, tmp_path):
    for nonsense in (tmp_path / "absent.pem", tmp_path / "empty.pem", tmp_path):
        (tmp_path / "empty.pem").write_text("-----BEGIN CERTIFICATE-----")
        monkeypatch.setenv("SSL_CERT_FILE", str(nonsense))
        httpx_line.tls.cache_clear()
        failure(make(), post("https://127.0.0.1:9/"), NotConnected)
    monkeypatch.undo()
    httpx_line.tls.cache_clear()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "proxy",
    [
        "http://",
        "://",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:x",
        "http://a b",
        "\u20ac",
        "127.0.0.1",
        "  ",
        "http://\x7f",
        "https://127.0.0.1:9",
        "socks4://127.0.0.1:9",
        "file:///etc",
        "http:127.0.0.1",
        "//127.0.0.1:9",
        "http://u:p@127.0.0.1:9",
    ],
)
def test_a_proxy_that_makes_no_sense_is_certain_and_its_password_stays_here(make, monkeypatch, scheme, proxy):
    def no_name(host, *arguments, **options):
        if host in ("127.0.0.1", "::1"):
            return real(host, *arguments, **options)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    monkeypatch.setenv(f"{scheme}_proxy", proxy)
    transport = make(timeout=1)
    with pytest.raises(NotConnected) as caught:
        transport.send(post(f"{scheme}://sms.localhost/{TOKEN}?key={TOKEN}"))
    assert "u:p" not in str(caught.value)
    assert TOKEN not in str(caught.value)


# --- connections ----------------------------------------------------------------------------------------------------------


def test_one_connection_serves_request_after_request(serve, make):
    server = serve(answer())
    transport = make()
    for _ in range(5):
        transport.send(post(server.url))
    assert (len(server.requests), server.connections) == (5, 1)


def test_fifty_at_once_have_a_connection_each(serve, make):
    together = threading.Barrier(50, timeout=20)
    server = serve(lambda wire, _: together.wait() is not None and (wire.sendall(answer()) or True))
    transport = make()
    for _ in range(2):
        assert all(result.ok for result in transport.send_all([post(server.url)] * 50))
    assert server.connections == 50


def test_a_connection_that_the_server_closed_is_not_used_again(serve, make):
    server = serve(lambda wire, _: wire.sendall(answer()))
    transport = make()
    first = transport.send(post(server.url))
    while server._wires[0].fileno() != -1:
        threading.Event().wait(0.005)
    assert first.ok
    assert transport.send(post(server.url)).ok
    assert server.connections == 2


def test_a_connection_that_the_server_reset_is_not_used_again(serve, make):
    def respond(wire, _):
        wire.sendall(answer())
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server = serve(respond)
    transport = make()
    for number in range(1, 4):
        assert transport.send(post(server.url)).ok
        while server._wires[-1].fileno() != -1:
            threading.Event().wait(0.005)
        assert server.connections == number


def test_a_connection_that_was_idle_for_long_is_not_used_again(serve, make, monkeypatch):
    server = serve(answer())
    for seconds, connections in [(20, 1), (0.01, 3)]:
        monkeypatch.setattr(httpx_line, "_KEEP", seconds)
        transport = make()
        for _ in range(2):
            assert transport.send(post(server.url)).ok
            threading.Event().wait(0.03)
        assert server.connections == connections


def test_one_host_at_a_time_has_a_connection(serve, make):
    servers = [serve(answer()) for _ in range(2)]
    transport = make()
    for server in servers * 2:
        assert transport.send(post(server.url)).ok
        assert transport.send(post(server.url)).ok
    assert [server.connections for server in servers] == [2, 2]


def test_a_transport_that_is_closed_hangs_up(serve, make):
    ended = threading.Event()
    server = serve(lambda wire, _: wire.sendall(answer()) or wire.recv(1) or ended.set())
    transport = make()
    assert transport.send(post(server.url)).ok
    transport.shut()
    assert ended.wait(10)
    assert not list(transport.idle())


@UNLESS_GREENLETS
def test_what_is_in_flight_when_a_transport_is_closed_is_answered_and_then_hung_up(serve, make):
    asked, closed, ended = threading.Event(), threading.Event(), threading.Event()

    def respond(wire, _):
        asked.set()
        assert closed.wait(10)
        wire.sendall(answer())
        if not wire.recv(1):
            ended.set()

    server = serve(respond)
    transport = make()

    def close():
        assert asked.wait(10)
        transport.shut_now()
        closed.set()

    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(close)
        assert transport.send(post(server.url)).ok
        closing.result()
    assert ended.wait(10)
    failure(transport, post(server.url), NotConnected)


def test_another_process_has_connections_of_its_own(serve, make, monkeypatch):
    server = serve(answer())
    transport = make()
    assert transport.send(post(server.url)).ok
    (ours,) = transport.idle()
    monkeypatch.setattr(module.os, "getpid", lambda: -7)
    for _ in range(2):
        assert transport.send(post(server.url)).ok
    assert server.connections == 2
    assert ours.network._channel.socket.fileno() == -1
    (theirs,) = transport.idle()
    assert theirs.network._channel.socket.fileno() != -1
    transport.shut()
    monkeypatch.setattr(module.os, "getpid", lambda: -8)
    assert failure(transport, post(server.url), NotConnected) == "the client is closed: make a new client"


def test_an_event_loop_that_ended_without_a_word_is_forgotten(serve):
    ended = threading.Event()
    server = serve(lambda wire, _: wire.sendall(answer()) or wire.recv(1) or ended.set())
    transport = AsyncTransport(timeout=5)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(transport.send(post(server.url))).ok
    loop.close()  # its asynchronous generators are not closed

    async def again():
        assert (await transport.send(post(server.url))).ok
        assert set(transport._loops) == {asyncio.get_running_loop()}
        assert await asyncio.to_thread(ended.wait, 10)

    asyncio.run(again())
    gc.collect()


def test_each_request_is_judged_by_itself(serve, make, closed):
    server = serve(answer())
    transport = make()
    for _ in range(2):
        assert transport.send(post(server.url), within=5).ok
        assert failure(transport, post(f"http://{closed}/"), NotConnected) == "connection refused"
    assert len(transport.idle()) == 1
    assert transport.send(HttpRequest(method="POST", url=server.url, body=bytes(5_000_000))).ok


def test_a_transport_that_sent_nothing_can_be_closed(make):
    transport = make()
    transport.shut()
    assert failure(transport, post("http://127.0.0.1:9/"), NotConnected) == "the client is closed: make a new client"


def test_connection_and_head_may_take_the_time_out_twice_and_the_body_once_more(serve, make, monkeypatch):
    allowed = []
    monkeypatch.setattr(channel.Exchange, "allow", lambda _, seconds: allowed.append(seconds))
    server = serve(answer())
    assert make(timeout=7).send(post(server.url)).ok
    assert make(timeout=7).send(post(server.url), within=5).ok
    assert allowed == [14, 7, 10, 5]


def test_an_unrequested_answer_is_not_taken_for_the_next(serve, make):
    server = serve(lambda wire, _: wire.sendall(answer(b"1") + answer(b"stale")) or True)
    transport = make()
    assert [transport.send(post(server.url)).body for _ in range(3)] == [b"1", b"1", b"1"]


@UNLESS_GREENLETS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_a_forked_process_does_not_share_its_parent_s_connection(serve, make, monkeypatch, tmp_path, encrypted):
    server = serve(answer(), tls=trusted(monkeypatch, tmp_path) if encrypted else None)
    transport = make()
    transport.send(post(server.url))
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os._exit(0 if transport.send(post(server.url)).ok and transport.send(post(server.url)).ok else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert transport.send(post(server.url)).ok
    assert server.connections == 2


def test_each_event_loop_has_its_own_connections_and_leaves_none_open(serve):
    server = serve(answer())
    transport = AsyncTransport(timeout=5)

    async def twice():
        return [(await transport.send(post(server.url))).ok for _ in range(2)]

    assert [asyncio.run(twice()) for _ in range(3)] == [[True, True]] * 3
    assert server.connections == 3
    assert not transport._loops  # ended loops are forgotten
    asyncio.run(transport.aclose())
    gc.collect()


@UNLESS_GREENLETS
def test_event_loops_in_several_threads_share_a_transport(serve):
    server = serve(answer())
    transport = AsyncTransport(timeout=20)
    together = threading.Barrier(4, timeout=20)

    async def often():
        together.wait()
        return [(await transport.send(post(server.url))).ok for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        assert all(map(all, pool.map(lambda _: asyncio.run(often()), range(4))))
    assert server.connections == 4
    asyncio.run(transport.aclose())
    gc.collect()


def test_a_host_that_asks_to_close_gets_a_new_connection(serve, make):
    server = serve(answer(b"1", "Connection: close"))
    transport = make()
    assert [transport.send(post(server.url)).body for _ in range(2)] == [b"1", b"1"]
    assert server.connections == 2


def test_a_closed_transport_refuses(serve, make):
    server = serve(answer())
    transport = make()
    transport.send(post(server.url))
    transport.shut()
    assert failure(transport, post(server.url), NotConnected) == "the client is closed: make a new client"


def test_a_new_event_loop_gets_new_connections(serve):
    server = serve(answer())
    transport = AsyncTransport(timeout=5)

    async def once():
        try:
            return await transport.send(post(server.url))
        finally:
            await transport.aclose()
            transport._closed = False

    assert [asyncio.run(once()).ok for _ in range(2)] == [True, True]


def trusted(monkeypatch, folder):
    """The TLS context of a server that clients trust."""
    pair = folder / "pair.pem"
    pair.write_text(PAIR)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    monkeypatch.setenv("SSL_CERT_FILE", str(pair))
    httpx_line.tls.cache_clear()
    return context


def test_tls_is_verified_and_kept_alive(serve, make, monkeypatch, tmp_path):
    pair = tmp_path / "pair.pem"
    pair.write_text(PAIR)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    server = serve(answer(), tls=context)
    httpx_line.tls.cache_clear()
    assert failure(make(), post(server.url), NotConnected) == "TLS: certificate verify failed"
    assert not server.requests
    monkeypatch.setenv("SSL_CERT_FILE", str(pair))
    httpx_line.tls.cache_clear()
    transport = make()
    assert [transport.send(post(server.url)).ok for _ in range(2)] == [True, True]
    assert server.connections == 2  # we refused one
    httpx_line.tls.cache_clear()


# --- failures before the request left -------------------------------------------------------------------------------------


def test_a_refused_connection_is_certain(make):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert failure(make(), post(f"http://127.0.0.1:{port}/"), NotConnected) == "connection refused"


def test_a_name_without_address_is_certain(make, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    assert failure(make(), post("http://nowhere.invalid/"), NotConnected) == "connection failed"


def test_an_unknown_name_is_certain(make, monkeypatch):
    def nowhere(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    assert failure(make(), post("http://nowhere.invalid/"), NotConnected) == "name not found"


def test_a_server_without_tls_is_certain(make):
    def plain(listener):
        wire, _ = listener.accept()
        with wire:
            wire.recv(65536)
            wire.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        pool.submit(plain, listener)
        words = failure(make(), post(f"https://127.0.0.1:{listener.getsockname()[1]}/"), NotConnected)
    assert words.startswith("TLS: ")


def test_no_connection_in_time_is_certain(make):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections, but does no TLS handshake
        words = failure(make(timeout=0.2), post(f"https://127.0.0.1:{silent.getsockname()[1]}/"), NotConnected)
    assert words == "no connection within 0.2 s"


# --- where it failed ------------------------------------------------------------------------------------------------------


def told(make, url, kind=NotConnected):
    with pytest.raises(kind) as caught:
        make(timeout=1).send(post(url))
    return str(caught.value)


@pytest.fixture
def closed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("prefix", ["http://", "https://"])
def test_an_error_of_a_connection_says_host_and_port_and_no_more(make, closed, prefix):
    assert told(make, f"{prefix}{closed}/{TOKEN}?key={TOKEN}#{TOKEN}") == f"connection refused ({closed})"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://sms.localhost/", "sms.localhost:80"),
        ("https://sms.localhost/", "sms.localhost:443"),
        ("http://SMS.localhost:81", "sms.localhost:81"),
        ("http://b\xfccher.localhost/", "xn--bcher-kva.localhost:80"),
        ("http://[::1]:8/", "[::1]:8"),
    ],
)
def test_the_port_is_said_where_it_is_the_usual_one(make, monkeypatch, url, place):
    monkeypatch.setattr(socket, "getaddrinfo", raiser(socket.gaierror(socket.EAI_NONAME, "unknown")))
    assert told(make, url) == f"name not found ({place})"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_of_a_proxy_the_error_says_that_it_is_the_proxy(make, monkeypatch, closed, scheme):
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:password@{closed}/path")
    assert told(make, f"{scheme}://sms.localhost/{TOKEN}") == f"connection refused (proxy {closed})"


def test_of_a_tunnel_the_error_says_which_end_failed(serve, make, monkeypatch):
    def cut(wire, _):
        wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    proxy = serve(cut)
    monkeypatch.setenv("https_proxy", proxy.url)
    assert told(make, "https://sms.localhost/").endswith(f" (sms.localhost:443 through the proxy {proxy.host})")
    refusing = serve(answer(b"", status="407 No"))
    monkeypatch.setenv("https_proxy", refusing.url)
    assert told(make, "https://sms.localhost/") == f"the proxy refused: 407 (proxy {refusing.host})"


def test_an_answer_that_does_not_come_is_missed_of_the_server(serve, make, monkeypatch):
    server = serve(lambda *_: False)
    assert told(make, server.url, NoAnswer).endswith(f" ({server.host})")
    monkeypatch.setenv("http_proxy", server.url)
    words = told(make, "http://sms.localhost/", NoAnswer)
    assert words.endswith(f" (sms.localhost:80 through the proxy {server.host})")


def test_a_broken_ipv6_network_falls_back(serve, make, monkeypatch):
    server = serve(answer())
    port = int(server.host.rpartition(":")[2])
    with contextlib.ExitStack() as opened:
        deaf = opened.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=0))
        for _ in range(4):  # its queue is full, so it does not answer, like a dead network
            waiting = opened.enter_context(socket.socket(socket.AF_INET6))
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(deaf.getsockname())
        stream = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        found = [(socket.AF_INET6, *stream, deaf.getsockname()), (socket.AF_INET, *stream, ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        began = monotonic()
        assert make().send(post(f"http://sms.localhost:{port}/")).ok
        assert monotonic() - began < 3


# --- failures after the request left --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_answer_in_time_is_uncertain_and_nothing_is_sent_twice(serve, make, method):
    stop = threading.Event()
    server = serve(hang(stop))
    request = HttpRequest(method=method, url=server.url, headers={"Authorization": TOKEN}, body=TEXT.encode())
    assert failure(make(timeout=0.3), request, NoAnswer) == "no answer within 0.3 s"
    stop.set()
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_server_that_hangs_up_leaves_it_uncertain_and_nothing_is_sent_twice(serve, make, method):
    server = serve(lambda *_: False)
    request = HttpRequest(method=method, url=server.url, headers={"Authorization": TOKEN}, body=TEXT.encode())
    assert failure(make(), request, NoAnswer) in ("the server hung up", "connection reset by peer")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "garbage", [b"220 smtp ready\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 200_000, b"HTTP/1.1 200"]
)
def test_what_is_not_http_is_uncertain(serve, make, garbage):
    server = serve(lambda wire, _: wire.sendall(garbage))
    words = failure(make(), post(server.url), NoAnswer)
    assert words in ("the answer is not HTTP", "the server hung up", "connection reset by peer")


@pytest.mark.parametrize("garbage", [b"220 smtp ready\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00", b"<html>\r\n\r\n"])
def test_what_is_not_http_is_told_apart_from_a_server_that_hangs_up(serve, make, garbage):
    server = serve(garbage)
    assert failure(make(), post(server.url), NoAnswer) == "the answer is not HTTP"


# --- answers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZip", lambda body: gzip.compress(body[:4]) + gzip.compress(body[4:])),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_a_body_is_decoded(serve, make, encoding, encode):
    server = serve(answer(encode(b"accepted"), f"Content-Encoding: {encoding}"))
    response = make().send(post(server.url))
    assert (response.body, response.complete) == (b"accepted", True)


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (answer(b"12345", length=10), b"12345"),
        (answer(gzip.compress(b"12345")[:-4], "Content-Encoding: gzip"), b"12345"),
        (answer(b"not gzip", "Content-Encoding: gzip"), b""),
        (answer(b"\x0b\x02", "Content-Encoding: br"), b"\x0b\x02"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"abc"),
    ],
    ids=["cut", "cut gzip", "not gzip", "unknown encoding", "cut chunks"],
)
def test_a_body_that_is_not_whole_keeps_its_status(serve, make, wire, body):
    server = serve(lambda socket, _: socket.sendall(wire))
    response = make().send(post(server.url))
    assert (response.status, response.body, response.complete) == (200, body, False)


def test_chunks_that_make_no_sense_are_never_a_whole_answer(serve, make):
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"
    server = serve(lambda socket, _: socket.sendall(wire))
    assert not make().send(post(server.url)).complete


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc",
    ],
    ids=["chunked", "http 1.0", "until the end", "continue", "bare line ends"],
)
def test_uncommon_answers_are_read_too(serve, make, wire):
    server = serve(lambda socket, _: socket.sendall(wire))
    response = make().send(post(server.url))
    assert (response.status, response.body, response.complete) == (200, b"abc", True)


def test_no_content_has_no_body(serve, make):
    server = serve(b"HTTP/1.1 204 No Content\r\n\r\n")
    transport = make()
    assert [transport.send(post(server.url)).status for _ in range(2)] == [204, 204]
    assert server.connections == 1


def test_a_body_that_stops_coming_keeps_its_status(serve, make):
    stop = threading.Event()
    server = serve(lambda wire, _: wire.sendall(answer(b"12", status="401 Unauthorized", length=9)) or stop.wait(20))
    response = make(timeout=0.3).send(post(server.url))
    stop.set()
    assert (response.status, response.body, response.complete) == (401, b"12", False)


def test_a_dripping_head_ends_at_the_deadline(serve, make):
    def drip(wire, _):
        wire.sendall(b"HTTP/1.1 200 OK\r\n")
        while not server.stopped.wait(0.05):
            wire.sendall(b"X: y\r\n")

    server = serve(drip)
    assert failure(make(timeout=0.3), post(server.url), NoAnswer) == "no answer within 0.3 s"


def test_a_dripping_body_ends_at_the_deadline(serve, make):
    stop = threading.Event()

    def drip(wire, _):
        wire.sendall(answer(length=10_000, body=b""))
        while not stop.wait(0.05):
            wire.sendall(b".")

    server = serve(drip)
    response = make(timeout=0.3).send(post(server.url))
    stop.set()
    assert (response.status, response.complete) == (200, False)
    assert 0 < len(response.body) < 30


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("status", [200, 204, 302, 413, 500])
def test_an_answer_before_the_request_is_there_accepts_nothing_and_ends_the_connection(make, before, status):
    def serve_early(listener):
        for _ in range(2):
            wire, _ = listener.accept()
            wires.append(wire)
            wire.recv(1000)
            wire.sendall(before + answer(b"", status=f"{status} Early"))

    wires = []
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(10)
        serving = pool.submit(serve_early, listener)
        request = HttpRequest(
            method="POST", url=f"http://127.0.0.1:{listener.getsockname()[1]}/", body=bytes(20_000_000)
        )
        transport = make()
        for _ in range(2):
            if status < 300:
                words = failure(transport, request, NoAnswer)
                assert words == "the server accepted before it had the whole request"
            else:
                assert transport.send(request).status == status
        serving.result(10)
        for wire in wires:
            wire.close()


# --- within a given time --------------------------------------------------------------------------------------------------


def test_no_connection_within_the_time_of_a_request_is_certain(make):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections, but does no TLS handshake
        transport, began = make(timeout=20), monotonic()
        words = failure(transport, post(f"https://127.0.0.1:{silent.getsockname()[1]}/"), NotConnected, within=0.2)
    assert words == "no connection within 0.2 s"
    assert monotonic() - began < 2


def test_no_answer_within_the_time_of_a_request_is_uncertain(serve, make):
    server = serve(lambda *_: server.stopped.wait(20))
    began = monotonic()
    assert failure(make(timeout=20), post(server.url), NoAnswer, within=0.2) == "no answer within 0.2 s"
    assert monotonic() - began < 2


def test_connection_head_and_body_share_the_time_of_a_request(serve, make):
    def slowly(wire, _):
        server.stopped.wait(0.2)
        wire.sendall(answer(body=b"", length=9))
        server.stopped.wait(0.2)
        wire.sendall(b"12")
        return server.stopped.wait(20)

    server, began = serve(slowly), monotonic()
    response = make(timeout=20).send(post(server.url), within=0.6)
    assert (response.status, response.body, response.complete) == (200, b"12", False)
    assert 0.5 < monotonic() - began < 2


@pytest.mark.parametrize("within", [0, -1])
def test_no_time_at_all_is_certain(serve, make, within):
    server = serve(answer())
    transport = make()
    assert (
        failure(transport, post(server.url), NotConnected, within=within)
        == "no time is left for a request: the call has to end now"
    )
    assert transport.send(post(server.url), within=5).ok
    assert (
        failure(transport, post(server.url), NotConnected, within=within)
        == "no time is left for a request: the call has to end now"
    )
    assert transport.send(post(server.url)).ok
    assert len(server.requests) == 2


def pour(wire, _):
    wire.sendall(answer(status="401 Unauthorized", length=50_000_000, body=b""))
    for _ in range(50):
        wire.sendall(bytes(1_000_000))


BOMB = gzip.compress(bytes(100_000_000), 9)


@pytest.mark.parametrize(
    "respond",
    [pour, lambda wire, _: wire.sendall(answer(BOMB, "Content-Encoding: gzip", status="401 Unauthorized")) or True],
    ids=["50 MB", "gzip bomb"],
)
def test_a_huge_body_takes_little_memory_and_keeps_its_status(serve, make, respond):
    server = serve(respond)
    transport = make()
    tracemalloc.start()
    try:
        response = transport.send(post(server.url))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (response.status, len(response.body), response.complete) == (401, MAX_BODY, False)
    assert peak < 4 * MAX_BODY


def test_a_redirect_is_an_answer_and_the_token_stays_here(serve, make):
    other = serve(answer())
    server = serve(answer(b"", f"Location: {other.url}/", status="307 Temporary Redirect"))
    assert make().send(post(server.url)).status == 307
    assert not other.requests


def test_cookies_are_not_kept(serve, make):
    server = serve(answer(b"", "Set-Cookie: session=1"))
    transport = make()
    for _ in range(2):
        transport.send(post(server.url))
    assert b"cookie" not in server.requests[1].lower()


def test_odd_header_values_do_not_hide_the_answer(serve, make):
    server = serve(answer(b"1", "X-Odd: a\x01b"))
    response = make().send(post(server.url))
    assert (response.status, response.body, response.headers["x-odd"]) == (200, b"1", "a?b")


# --- proxies --------------------------------------------------------------------------------------------------------------


def test_the_environment_s_proxy_is_used(serve, make, monkeypatch):
    proxy = serve(answer(b"proxied"))
    monkeypatch.setenv("http_proxy", proxy.host)
    transport = make()
    assert [transport.send(post("http://sms.invalid/send")).body for _ in range(2)] == [b"proxied"] * 2
    assert proxy.requests[0].startswith(b"POST http://sms.invalid/send HTTP/1.1\r\n")
    assert proxy.connections == 1


def test_no_proxy_is_honoured(serve, make, monkeypatch):
    server = serve(answer(b"direct"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert make().send(post(server.url)).body == b"direct"


def test_a_proxy_that_refuses_is_certain(serve, make, monkeypatch):
    proxy = serve(answer(b"", status="403 Forbidden"))
    monkeypatch.setenv("https_proxy", proxy.url)
    assert failure(make(), post("https://sms.invalid/send"), NotConnected) == "the proxy refused: 403"
    assert TOKEN.encode() not in b"".join(proxy.requests)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "gopher://x", "http://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_certain(make, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    failure(make(), post("http://sms.invalid/send"), NotConnected)


# --- interruptions and silence --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partial", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"], ids=["head", "body"])
def test_a_cancelled_send_closes_its_connection_and_shows_nothing(serve, partial):
    asked, closed = threading.Event(), threading.Event()

    def respond(wire, _):
        wire.sendall(partial)
        asked.set()
        with contextlib.suppress(ConnectionResetError):  # data that was unread at the close
            wire.recv(1)
        closed.set()

    server = serve(respond)

    async def cancel():
        transport = AsyncTransport(timeout=20)
        task = asyncio.create_task(transport.send(post(server.url)))
        await asyncio.to_thread(asked.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert TOKEN not in frames(caught.value)
        assert not nothing_left(caught.value)
        assert await asyncio.to_thread(closed.wait, 20)
        await transport.aclose()

    asyncio.run(cancel())
    gc.collect()


def test_a_send_cancelled_while_it_connects_leaves_nothing_open():
    async def cancel():
        transport = AsyncTransport(timeout=20)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(20)
            task = asyncio.create_task(transport.send(post(f"https://127.0.0.1:{silent.getsockname()[1]}/")))
            wire, _ = await asyncio.to_thread(silent.accept)
            with wire:
                await asyncio.to_thread(wire.recv, 1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
                assert nothing_left(caught.value)
        await transport.aclose()

    asyncio.run(cancel())
    gc.collect()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize(
    ("places", "nothing"),
    [
        ([(network, "dial"), (network, "dial_async")], True),
        ([(channel, "Head")], True),
        ([(channel.Channel, "flush")], True),
        ([(channel.Channel, "_push")], False),
        ([(channel.Channel, "read")], False),
        # A tool of tests stands in for the network.
        ([(httpx.HTTPTransport, "handle_request"), (httpx.AsyncHTTPTransport, "handle_async_request")], False),
    ],
    ids=["dial", "Head", "flush", "push", "read", "tool"],
)
def test_an_interruption_tells_whether_anything_may_have_left(serve, make, monkeypatch, interruption, places, nothing):  # noqa: PLR0917
    server = serve(answer())
    for place in places:
        monkeypatch.setattr(*place, raiser(interruption()))
    with pytest.raises(interruption) as caught:
        make().send(post(server.url))
    monkeypatch.undo()
    assert nothing_left(caught.value) is nothing
    assert TOKEN not in frames(caught.value)


def test_what_follows_a_request_is_logged_again(serve):
    server = serve(answer())
    blocking = Transport(timeout=5)
    blocking.send(post(server.url))
    blocking.close()
    assert not module._ours.get()

    async def send():
        transport = AsyncTransport(timeout=5)
        await transport.send(post(server.url))
        await transport.aclose()
        return module._ours.get()

    assert not asyncio.run(send())


def test_nothing_is_logged(serve, make, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    server = serve(answer())
    make().send(post(f"{server.url}/{TOKEN}"))
    assert not [record for record in caplog.records if record.name != "asyncio"]


def test_a_proxied_request_is_not_logged_and_others_of_httpx_still_are(serve, make, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    proxy = serve(answer())
    monkeypatch.setenv("http_proxy", proxy.url)
    make().send(post(f"http://sms.invalid/{TOKEN}"))
    assert not [record for record in caplog.records if record.name != "asyncio"]
    with httpx.HTTPTransport() as other:
        other.handle_request(httpx.Request("GET", proxy.url)).close()
    assert "httpcore.http11" in {record.name for record in caplog.records}


# --- tools ----------------------------------------------------------------------------------------------------------------


UNSENT = [
    *(kind("x") for kind in (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)),
    *(kind("x") for kind in (httpx.UnsupportedProtocol, httpx.LocalProtocolError, ConnectionRefusedError)),
    *(kind("x") for kind in (OSError, RuntimeError, ValueError, AssertionError, LookupError)),
    httpx.TimeoutException("No response can be found for POST request on http://sms.invalid/ amongst: ..."),
]
SENT = [
    *(kind("x") for kind in (httpx.ReadTimeout, httpx.WriteTimeout, httpx.TimeoutException, httpx.ReadError)),
    *(kind("x") for kind in (httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError, httpx.DecodingError)),
    *(kind("x") for kind in (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, TimeoutError)),
]


@pytest.mark.parametrize(
    ("error", "kind"), [*((error, NotConnected) for error in UNSENT), *((error, NoAnswer) for error in SENT)], ids=repr
)
def test_a_tool_in_the_place_of_the_network_plays_a_failure_as_it_would_be(make, monkeypatch, error, kind):
    for transport, name in [
        (httpx.HTTPTransport, "handle_request"),
        (httpx.AsyncHTTPTransport, "handle_async_request"),
    ]:
        monkeypatch.setattr(transport, name, raiser(error))
    failure(make(), post("http://sms.invalid/"), kind)


def test_cassettes_record_and_replay(serve, make, tmp_path):
    server = serve(answer(gzip.compress("€".encode()), "Content-Encoding: gzip", "Set-Cookie: a=b"))
    recorder = vcr.VCR(
        match_on=["method", "scheme", "host", "port", "path", "query", "body"], decode_compressed_response=True
    )
    request = post(f"{server.url}/?to=%2B91&a=|+%7C")
    with recorder.use_cassette(str(tmp_path / "once.yaml"), record_mode="once"):
        recorded = make().send(request)
    server.stop()
    for colour in (Sync, Async):
        with recorder.use_cassette(str(tmp_path / "once.yaml"), record_mode="none") as cassette:
            transport = colour(timeout=5)
            replayed = transport.send(request)
            transport.close()
            assert cassette.all_played
        assert (replayed.status, replayed.body) == (recorded.status, recorded.body) == (200, "€".encode())


def test_the_module_of_before_is_the_very_same():
    code = "import smsbridge.transport as was; from smsbridge import transport; from smsbridge.wire import over_httpx as new"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(was is transport is new)"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "True\n", done.stderr
