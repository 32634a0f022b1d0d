"""The wire, replayed from recordings by both clients; see cassettes/README.md for what answered each.

To record again, against the service (this sends texts to SMSBRIDGE_RECORD_TO and costs money) or, without a key, against a
loopback server that answers with the examples of Infobip's specification::

    SMSBRIDGE_INFOBIP_API_KEY=... SMSBRIDGE_INFOBIP_BASE_URL=... SMSBRIDGE_INFOBIP_SENDER=... SMSBRIDGE_RECORD_TO=+91... \\
    SMSBRIDGE_INFOBIP_APPLICATION_ID=... SMSBRIDGE_INFOBIP_MESSAGE_ID=... \\
        uv run pytest tests/plugins/test_infobip_cassettes.py --record-mode=rewrite
"""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import vcr
import yaml

from smsbridge import AsyncSmsClient, ContentError, Message, SendError, Settings, SmsClient, Status
from smsbridge_infobip import InfobipProvider

CASSETTES = Path(__file__).parents[2] / "cassettes" / "infobip"
MARK = "x-documented-example"
PUBLIC = {
    "base_url": "https://infobip.invalid/",
    "api_key": "FAKE-KEY-DO-NOT-USE",
    "number": "+41793026727",
    "sender": "SENDER",
    "application_id": "APPLICATION",
    "message_id": "TEMPLATE",
    "run": "RUN",
}
"""What recordings hold in place of what a maintainer records with."""

LIVE = {
    "base_url": os.environ.get("SMSBRIDGE_INFOBIP_BASE_URL", ""),
    "api_key": os.environ.get("SMSBRIDGE_INFOBIP_API_KEY", ""),
    "number": os.environ.get("SMSBRIDGE_RECORD_TO", ""),
    "sender": os.environ.get("SMSBRIDGE_INFOBIP_SENDER", ""),
    "application_id": os.environ.get("SMSBRIDGE_INFOBIP_APPLICATION_ID", ""),
    "message_id": os.environ.get("SMSBRIDGE_INFOBIP_MESSAGE_ID", ""),
    "run": secrets.token_hex(4),  # Infobip refuses an id that it has seen, so each recording needs its own
}
"""Read at import, before the tests' environment is cleaned."""


# --- the loopback server --------------------------------------------------------------------------------------------------


class Documented(http.server.BaseHTTPRequestHandler):
    """Answers with the examples of Infobip's OpenAPI specification, filled with the ids and numbers that were asked for."""

    def do_POST(self) -> None:
        data = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/sms/3/messages":
            return self._answer(
                "send-sms-messages 200", {"bulkId": "2034072219640523072", "messages": self._rows(data)}
            )
        if self.path == "/2fa/2/pin":
            started = {"pinId": "9C817C6F8AF3D48F9FE553282AFA2B67", "to": data["to"]}
            started |= {"ncStatus": "NC_DESTINATION_REACHABLE", "smsStatus": "MESSAGE_SENT"}
            return self._answer("send-2fa-pin-code-over-sms 200", started)
        checked = {"pinId": self.path.split("/")[4], "msisdn": PUBLIC["number"][1:], "verified": False}
        checked |= {"attemptsRemaining": 2, "pinError": "WRONG_PIN"}
        return self._answer("VerifyPinResponse (a schema: the only example is of a right code)", checked)

    def do_GET(self) -> None:
        if self.path == "/account/1/balance":
            return self._answer(
                "AccountBalance (a schema without an example)", {"balance": 47.79134, "currency": "EUR"}
            )
        [wanted] = parse_qs(urlsplit(self.path).query)["messageId"]
        entry = {
            "sender": "SENDER",
            "destination": PUBLIC["number"][1:],
            "bulkId": "2034072219640523072",
            "messageId": wanted,
            "sentAt": "2019-11-09T16:00:00.000+0000",
            "doneAt": "2019-11-09T16:00:00.000+0000",
            "messageCount": 1,
            "price": {"pricePerMessage": 0.01, "currency": "EUR"},
            "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"},
            "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False},
        }
        return self._answer("get-outbound-sms-message-logs 200", {"results": [] if "never" in wanted else [entry]})

    def _rows(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        accepted = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"}
        too_long = {"groupId": 5, "groupName": "REJECTED", "id": 25, "name": "REJECTED_MESSAGE_TOO_LONG"}
        return [
            {
                "messageId": to["messageId"],
                "status": too_long if len(message["content"]["text"].encode()) > 4000 else accepted,
                "destination": to["to"],
                "details": {"messageCount": 1},
            }
            for message in data["messages"]
            for to in message["destinations"]
        ]

    def _answer(self, example: str, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        for name, value in (("content-type", "application/json"), ("content-length", str(len(body))), (MARK, example)):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def documented_examples() -> Iterator[str]:
    """The address of a running loopback server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Documented) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


# --- recording and replaying ----------------------------------------------------------------------------------------------


class Scrubber:
    """Turns what was recorded into what may be kept: no key, no real number, no host, no account's own ids or money."""

    def __init__(self, account: dict[str, str]) -> None:
        self._words = [
            (private.lstrip("+") if name == "number" else private, PUBLIC[name].lstrip("+"))
            for name, private in account.items()
        ]

    def text(self, text: str) -> str:
        for private, public in self._words:
            if private:
                text = text.replace(private, public)
        return re.sub(r'("balance": ?)-?[\d.]+', r"\g<1>47.79134", text)

    def request(self, request: Any) -> Any:
        request.uri = self.text(request.uri)
        request.headers.pop("authorization", None)
        request.headers["host"] = "infobip.invalid"
        if request.body:
            request.body = self.text(request.body.decode()).encode()
        return request

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        body = response["body"]["string"]
        text = body.decode() if isinstance(body, bytes) else body
        response["body"]["string"] = self.text(text).encode()
        keep = {"content-type", "retry-after", MARK, "location"}
        response["headers"] = {name: values for name, values in response["headers"].items() if name.lower() in keep}
        return response


def recording(config: pytest.Config) -> bool:
    return config.getoption("--record-mode") not in (None, "none")


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Where to send while recording: the service if there is a key, else the examples. Replaying needs neither."""
    if not recording(request.config):
        yield PUBLIC
    elif LIVE["api_key"]:
        if not all(LIVE.values()):
            pytest.exit(f"set these too: {', '.join(name for name, value in LIVE.items() if not value)}")
        provider = InfobipProvider(api_key=LIVE["api_key"], base_url=LIVE["base_url"])
        yield {**LIVE, "base_url": provider.base_url}
    else:
        with documented_examples() as url:
            yield {**PUBLIC, "base_url": url, "run": LIVE["run"]}


@pytest.fixture(scope="module")
def vcr_config(account: dict[str, str]) -> dict[str, Any]:
    scrubber = Scrubber(account)
    return {
        "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
        "before_record_request": scrubber.request,
        "before_record_response": scrubber.response,
        "decode_compressed_response": True,
    }


@pytest.fixture(scope="module")
def vcr_cassette_dir() -> str:
    return str(CASSETTES)


@pytest.fixture
def provider(account: dict[str, str]) -> InfobipProvider:
    return InfobipProvider(**{name: value for name, value in account.items() if name not in ("number", "run")})


Call = Callable[..., Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One client records, so that nothing is sent twice; both replay."""
    if "call" in metafunc.fixturenames:
        clients = ["blocking"] if recording(metafunc.config) else ["blocking", "async"]
        metafunc.parametrize("call", clients, indirect=True)


@pytest.fixture
def call(request: pytest.FixtureRequest, provider: InfobipProvider) -> Call:
    """Calls one method of either client: ``call("send", ...)``; both replay the same recording."""
    settings = Settings(concurrency=1)

    def blocking(method: str, *args: Any, **fields: Any) -> Any:
        with SmsClient(provider, settings=settings) as sms:
            result = getattr(sms, method)(*args, **fields)
            return list(result) if method == "send_many" else result

    async def awaited(method: str, *args: Any, **fields: Any) -> Any:
        async with AsyncSmsClient(provider, settings=settings) as sms:
            result = getattr(sms, method)(*args, **fields)
            return [one async for one in result] if method == "send_many" else await result

    return blocking if request.param == "blocking" else lambda *args, **fields: asyncio.run(awaited(*args, **fields))


@pytest.fixture(autouse=True)
def everything_recorded_is_played(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if request.node.get_closest_marker("vcr") and not recording(request.config):
        assert request.getfixturevalue("vcr").all_played, "the recording holds requests that were not made"


@pytest.mark.vcr
@pytest.mark.default_cassette("send.yaml")
def test_a_text_is_sent(call, account):
    reference = f"cassette-send-{account['run']}"
    sent = call("send", account["number"], "Grüße, ₹ 100 received", reference=reference)
    assert (sent.provider, sent.id, sent.reference, sent.segments) == ("infobip", reference, reference, 1)
    assert sent.status is Status.QUEUED


def test_a_request_that_differs_from_the_recording_does_not_replay(request, vcr_config):
    if recording(request.config):
        pytest.skip("a proof of the matching, not of the wire")
    provider = InfobipProvider(api_key=PUBLIC["api_key"], base_url=PUBLIC["base_url"], sender="SENDER")
    recorded = vcr.VCR(**vcr_config, record_mode="none").use_cassette(str(CASSETTES / "send.yaml"))
    with recorded, SmsClient(provider) as sms:
        with pytest.raises(SendError):
            sms.send(PUBLIC["number"], "another text", reference="cassette-send-RUN")
        assert sms.send(PUBLIC["number"], "Grüße, ₹ 100 received", reference="cassette-send-RUN")


@pytest.mark.vcr
@pytest.mark.default_cassette("send_many.yaml")
def test_many_texts_go_out_in_one_request(call, account):
    messages = [
        Message(to=account["number"], text=f"Text {n}", reference=f"cassette-many-{n}-{account['run']}")
        for n in range(3)
    ]
    results = sorted(call("send_many", messages), key=lambda result: result.index)
    assert [result.sent.id for result in results] == [message.reference for message in messages]


@pytest.mark.vcr
@pytest.mark.default_cassette("status.yaml")
def test_a_text_is_followed_by_its_id_and_found_by_its_reference(call, account):
    sent = call("send", account["number"], "Followed", reference=f"cassette-status-{account['run']}")
    assert call("status", sent).id == sent.id
    assert call("lookup", sent.reference).id == sent.id
    assert call("lookup", f"cassette-never-{account['run']}") is None


@pytest.mark.vcr
@pytest.mark.default_cassette("balance.yaml")
def test_the_balance_is_read(call):
    [balance] = call("balance")
    assert isinstance(balance.amount, Decimal)


@pytest.mark.vcr
@pytest.mark.default_cassette("verify.yaml")
def test_a_code_is_started_and_a_wrong_one_is_not_approved(call, account):
    verification = call("start_verification", account["number"], reference="cassette-verify")
    check = call("check_verification", verification, "000000")
    assert (check.approved, check.reason) == (False, "wrong-code")


@pytest.mark.vcr
@pytest.mark.default_cassette("refused.yaml")
def test_a_text_that_is_longer_than_allowed_is_refused_inside_a_200(call, account):
    with pytest.raises(ContentError) as raised:
        call("send", account["number"], "x" * 4001, reference=f"cassette-refused-{account['run']}")
    assert raised.value.code == "REJECTED_MESSAGE_TOO_LONG"


# --- what may be kept -----------------------------------------------------------------------------------------------------


def test_what_a_maintainer_records_holds_nothing_of_the_account():
    private = {
        "base_url": "https://abc12.api.infobip.com/",
        "api_key": "FAKE-KEY-OF-A-MAINTAINER",
        "number": "+919811111111",
        "sender": "REALID",
        "application_id": "0933F3BC",
        "message_id": "16A8B5FE",
        "run": "0badcafe",
    }
    scrubber = Scrubber(private)

    class Request:
        uri = "https://abc12.api.infobip.com/sms/3/logs?messageId=x-0badcafe"
        headers = {"authorization": "App FAKE-KEY-OF-A-MAINTAINER", "host": "abc12.api.infobip.com"}  # noqa: RUF012
        body = b'{"to":"919811111111","sender":"REALID","applicationId":"0933F3BC","messageId":"16A8B5FE"}'

    kept = scrubber.request(Request())
    answer = {
        "body": {"string": b'{"msisdn":"919811111111","balance":1234.5}'},
        "headers": {"Set-Cookie": ["FAKE-KEY-OF-A-MAINTAINER"]},
    }
    everything = f"{kept.uri}{kept.headers}{kept.body!r}{scrubber.response(answer)}"
    for value in (*private.values(), "abc12", "1234.5", "919811111111"):
        assert value not in everything


def test_every_cassette_says_what_answered_it():
    """An answer of the loopback server carries its own mark, so that no recording can pass for the service's."""
    readme = (CASSETTES.parent / "README.md").read_text("utf-8")
    said = dict(re.findall(r"^\| `infobip/(\S+)` \|[^|]*\| (documented examples|service) \|", readme, re.MULTILINE))
    cassettes = sorted(CASSETTES.glob("*.yaml"))
    assert cassettes
    for path in cassettes:
        marks = {MARK in one["response"]["headers"] for one in yaml.safe_load(path.read_text("utf-8"))["interactions"]}
        assert len(marks) == 1, f"{path.name} was answered in part by the service, in part by the examples"
        answered_by = "documented examples" if marks == {True} else "service"
        assert said.get(path.name, answered_by) == answered_by, path.name


def test_no_cassette_holds_a_secret_or_a_number_of_anybody():
    for path in CASSETTES.glob("*.yaml"):
        text = path.read_text("utf-8")
        assert "authorization" not in text.lower()
        assert PUBLIC["api_key"] not in text
        assert "127.0.0.1" not in text
        assert set(re.findall(r"(?<![\d-])(?:91|41)\d{9,10}(?!\d)", text)) <= {PUBLIC["number"][1:]}
