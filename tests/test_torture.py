"""The torture server: each odd behaviour has the same outcome with every transport, on every route; see ``tests/torture``."""

from __future__ import annotations

import gc
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from smsbridge import RefusedError, SendError
from smsbridge.builtin.http import HttpProvider
from smsbridge.wire import dialing, httpx_line, outgoing
from smsbridge.wire.channel import Channel
from torture.behaviours import ACCEPTED, BEHAVIOURS, PLAIN, REFUSED, ROUTES, UNCERTAIN
from torture.certificates import HOST, Certificates
from torture.kinds import KINDS
from torture.server import Torture

TOKEN = "dummy-token-in-a-header"

TEXTS = {ACCEPTED: ("one", "two"), UNCERTAIN: ("one", "two", "three")}

SERVERS = {}
_proxies = threading.local()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", autouse=True)
def surroundings(certificates):
    """Each thread has its own proxy, and all trust the certificates."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(outgoing, "getproxies", lambda: getattr(_proxies, "of_this_thread", {}))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.trusted))
        httpx_line.tls.cache_clear()
        yield
    httpx_line.tls.cache_clear()
    gc.collect()  # warnings about unclosed sockets come here


@pytest.fixture
def slow_to_begin(monkeypatch):
    """An immediate answer of the server arrives before the request leaves."""
    flush = Channel.flush

    def late(channel):
        if channel._held and not channel._held.startswith(b"CONNECT"):
            assert SERVERS[channel.socket.getpeername()].begun.wait(10)
            time.sleep(0.01)
        yield from flush(channel)

    monkeypatch.setattr(Channel, "flush", late)


@pytest.fixture
def narrow(monkeypatch):
    """A large request does not fit into the socket's buffer."""
    begin = dialing._begin

    def begin_narrow(address):
        sock = begin(address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        return sock

    monkeypatch.setattr(dialing, "_begin", begin_narrow)


class Torment:
    """Send some texts, one after the other, from a client to a torture server."""

    def __init__(self, kind, behaviour, route, certificates):
        self.behaviour = behaviour
        self.server = Torture(route, behaviour.stage, behaviour.script, certificates)
        SERVERS[self.server.address] = self.server
        secure = "s" if route == "tls" or route.startswith("tunnel") else ""
        host = self.server.place if "proxy" not in route else HOST
        proxy = f"http{'s' if 'tls proxy' in route else ''}://{self.server.place}"
        _proxies.of_this_thread = {"all": proxy} if "proxy" in route else {}
        provider = HttpProvider(
            url=f"http{secure}://{host}/send",
            headers={"Authorization": "Bearer {token}"},
            token=TOKEN,
            body={"to": "{to}", "text": "{text}|" + "x" * behaviour.size},
            accept_if={"path": "id"},
            id="id",
        )
        self.client = kind.driver(kind.make, provider, 10.0)

    def outcomes(self):
        try:
            return [self.send(text, first=text == "one") for text in TEXTS[self.behaviour.second]]
        finally:
            self.client.close()
            self.server.stop()

    def send(self, text, *, first):
        self.server.ready.clear()
        self.client.limited.within = self.behaviour.within if first else None
        try:
            sent = self.client.send(text)
        except SendError as error:
            outcome = self.failed(text, error)
        else:
            assert (sent.id, self.server.texts.count(text)) == (text, 1)
            outcome = ACCEPTED
        assert self.server.ready.wait(10)
        self.client.idle()
        return outcome

    def failed(self, text, error):
        assert self.server.texts.count(text) <= 1
        frames = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert TOKEN not in frames
        if not isinstance(error, RefusedError):
            return UNCERTAIN
        if self.behaviour.ahead or self.behaviour.stage != "open":
            assert text not in self.server.texts
            assert self.server.place in str(error) or HOST in str(error)
        return REFUSED


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=[behaviour.name for behaviour in BEHAVIOURS])
def test_every_transport_says_the_same_on_every_route_of_a_server_that(behaviour, certificates, request):
    if behaviour.ahead:
        request.getfixturevalue("slow_to_begin")
    if behaviour.size:
        request.getfixturevalue("narrow")
    cases = [(kind, route) for route in behaviour.routes for kind in KINDS]

    def torment(case):
        return Torment(case[0], behaviour, case[1], certificates).outcomes()

    with ThreadPoolExecutor(len(cases)) as pool:
        outcomes = dict(zip(cases, pool.map(torment, cases), strict=True))
    assert {(kind.name, route): outcome for (kind, route), outcome in outcomes.items()} == {
        (kind.name, route): [behaviour.first, behaviour.second, ACCEPTED][: len(TEXTS[behaviour.second])]
        for kind, route in cases
    }


def test_the_table_knows_every_outcome_on_every_route():
    names = [behaviour.name for behaviour in BEHAVIOURS]
    assert len(set(names)) == len(names)
    for route in ROUTES:
        outcomes = {behaviour.first for behaviour in BEHAVIOURS if route in behaviour.routes}
        assert outcomes == {ACCEPTED, REFUSED, UNCERTAIN}
    assert set(PLAIN) < set(ROUTES)
