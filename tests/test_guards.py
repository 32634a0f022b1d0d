"""Tools that guard tests see every request of both clients. If they have no answer, a text was certainly not sent."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
import vcr
from pytest_recording import network

from smsbridge import AsyncSmsClient, Plugins, RefusedError, Settings, SmsClient, UncertainError
from smsbridge.builtin.http import HttpProvider

pytestmark = pytest.mark.sms_real  # the guards are under test, not ours

PLUGINS = Plugins()
ACCEPTED = json.dumps({"id": "7"}).encode()


def provider(url):
    return HttpProvider(url=url, body={"to": "{to}", "text": "{text}"}, accept_if={"path": "id"}, id="id")


def blocking(url):
    with SmsClient(provider(url), settings=Settings(timeout=2), plugins=PLUGINS) as sms:
        return sms.send("+919876543210", "Hello")


def in_a_loop(url):
    async def send():
        async with AsyncSmsClient(provider(url), settings=Settings(timeout=2), plugins=PLUGINS) as sms:
            return await sms.send("+919876543210", "Hello")

    return asyncio.run(send())


def many(url):
    with SmsClient(provider(url), settings=Settings(timeout=2), plugins=PLUGINS) as sms:
        (result,) = sms.send_many([sms_message()])
    if result.error is not None:
        raise result.error
    return result.sent


def sms_message():
    from smsbridge import Message

    return Message(to="+919876543210", text="Hello")


@pytest.fixture(params=[blocking, in_a_loop, many], ids=["SmsClient", "AsyncSmsClient", "send_many"])
def send(request):
    return request.param


URL = "https://sms.example/send"


@pytest.fixture
def nowhere(monkeypatch):
    """A request that the guard lets through would be recorded here, and would not leave."""
    asked = []
    monkeypatch.setattr("socket.getaddrinfo", lambda host, *_, **__: asked.append(host) or [])
    yield
    assert "sms.example" not in asked


# --- vcrpy and pytest-recording --------------------------------------------------------------------------------------------


def test_a_cassette_without_the_request_is_certainly_not_sent(send, tmp_path, nowhere):
    with (
        vcr.use_cassette(str(tmp_path / "empty.yaml"), record_mode="none"),
        pytest.raises(RefusedError, match="CannotOverwriteExisting"),
    ):
        send(URL)


def test_a_cassette_answers_both_clients(send, tmp_path, nowhere):
    request = {"method": "POST", "uri": URL, "body": "", "headers": {}}
    response = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": ACCEPTED.decode()}}
    content = {"version": 1, "interactions": [{"request": request, "response": response}]}
    (tmp_path / "one.yaml").write_text(json.dumps(content))
    with vcr.use_cassette(str(tmp_path / "one.yaml"), record_mode="none", match_on=["method", "uri"]) as cassette:
        assert send(URL).id == "7"
    assert cassette.all_played


@pytest.mark.parametrize("url", ["http://192.0.2.1/send", "https://192.0.2.1/send", "http://[2001:db8::1]/send"])
@pytest.mark.filterwarnings("ignore::smsbridge.provider.InsecureUrlWarning")
def test_a_blocked_network_is_certainly_not_sent(send, url):
    network.block(["127.0.0.1"])  # as --block-network does; under asyncio and in threads too
    with pytest.raises(RefusedError, match="stopped by RuntimeError"):
        send(url)


# --- pytest-socket ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:A test tried to use socket:UserWarning")
def test_forbidden_sockets_are_certainly_not_sent():
    pytest_socket = pytest.importorskip("pytest_socket")
    pytest_socket.disable_socket()
    try:
        with pytest.raises(RefusedError, match="stopped by SocketBlockedError"):
            blocking("https://192.0.2.1/send")
    finally:
        pytest_socket.enable_socket()


@pytest.mark.filterwarnings("ignore:A test tried to use socket:UserWarning")
def test_forbidden_hosts_are_certainly_not_sent(send):
    pytest_socket = pytest.importorskip("pytest_socket")
    pytest_socket.socket_allow_hosts(["127.0.0.1"])
    try:
        with pytest.raises(RefusedError, match="stopped by SocketConnectBlockedError"):
            send("https://192.0.2.1/send")
    finally:
        pytest_socket._remove_restrictions()


# --- respx -----------------------------------------------------------------------------------------------------------------


def test_respx_without_an_answer_is_certainly_not_sent(send, nowhere):
    respx = pytest.importorskip("respx")
    with respx.mock(assert_all_called=False), pytest.raises(RefusedError, match="stopped by AllMockedAssertionError"):
        send(URL)


def test_respx_answers_both_clients(send, nowhere):
    respx = pytest.importorskip("respx")
    with respx.mock as router:
        route = router.post(URL).respond(200, json={"id": "7"})
        assert send(URL).id == "7"
    assert json.loads(route.calls.last.request.content) == {"to": "+919876543210", "text": "Hello"}


UNSENT = [
    httpx.ConnectError("x"),
    httpx.ConnectTimeout("x"),
    httpx.PoolTimeout("x"),
    httpx.ProxyError("x"),
    httpx.UnsupportedProtocol("x"),
    httpx.LocalProtocolError("x"),
    ConnectionRefusedError("x"),
    ValueError("x"),
]
SENT = [httpx.ReadTimeout("x"), httpx.WriteError("x"), httpx.RemoteProtocolError("x"), httpx.TimeoutException("x")]
SENT += [ConnectionResetError("x"), TimeoutError("x")]


@pytest.mark.parametrize(
    ("error", "outcome"), [(e, RefusedError) for e in UNSENT] + [(e, UncertainError) for e in SENT], ids=repr
)
def test_respx_plays_a_failure_as_it_would_be(send, nowhere, error, outcome):
    respx = pytest.importorskip("respx")
    with respx.mock as router:
        router.post(URL).mock(side_effect=error)
        with pytest.raises(outcome):
            send(URL)


# --- pytest-httpx ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def httpx_mocked(request):
    pytest.importorskip("pytest_httpx")
    return request.getfixturevalue("httpx_mock")


def test_pytest_httpx_without_an_answer_is_certainly_not_sent(send, nowhere, httpx_mocked):
    with pytest.raises(RefusedError):
        send(URL)
    httpx_mocked.reset()  # it would complain about the request


def test_pytest_httpx_answers_both_clients(send, nowhere, httpx_mocked):
    httpx_mocked.add_response(url=URL, json={"id": "7"})
    assert send(URL).id == "7"


def test_pytest_httpx_plays_a_failure_as_it_would_be(send, nowhere, httpx_mocked):
    httpx_mocked.add_exception(httpx.ReadTimeout("x"))
    with pytest.raises(UncertainError):
        send(URL)
