"""The wire, replayed from recordings by both clients; see cassettes/README.md for what answered each.

To record again, against the service (this sends texts to SMSBRIDGE_RECORD_TO and costs money) or, without credentials,
against a loopback server that answers with the vendor's documented examples::

    SMSBRIDGE_VONAGE_API_KEY=... SMSBRIDGE_VONAGE_API_SECRET=... SMSBRIDGE_VONAGE_SENDER=... SMSBRIDGE_RECORD_TO=+91... \\
        uv run pytest tests/plugins/test_vonage_cassettes.py --record-mode=rewrite
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import vcr

from smsbridge import AsyncSmsClient, SendError, Settings, SmsClient, Status
from smsbridge_vonage import VonageProvider

CASSETTES = Path(__file__).parents[2] / "cassettes" / "vonage"
BASE_URL, MESSAGES_URL = "https://rest.vonage.invalid", "https://api.vonage.invalid"
KEY, SECRET = "abcd1234", "FAKE-SECRET-DO-NOT-USE"
NUMBER, SENDER = "+447700900000", "AcmeInc"
MARK = "x-documented-example"
NAMES = ("VONAGE_API_KEY", "VONAGE_API_SECRET", "VONAGE_SENDER", "RECORD_TO")
LIVE = {name: os.environ.get(f"SMSBRIDGE_{name}", "") for name in NAMES}
"""What a maintainer records with; read at import, before the tests' environment is cleaned."""


# --- the vendor's examples, where there is no service ---------------------------------------------------------------------

ROW = {
    "to": "447700900000",
    "message-id": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    "status": "0",
    "remaining-balance": "3.14159265",
    "message-price": "0.03330000",
    "network": "12345",
}
REFUSED = {"message-count": "1", "messages": [{"status": "2", "error-text": "Missing to param"}]}
UUID, REQUEST = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", "c11236f4-00bf-4b89-84ba-88b25df97315"
INVALID_SENDER = {
    "type": "https://developer.vonage.com/api-errors/messages#1120",
    "title": "Invalid sender",
    "detail": "The `from` parameter is invalid for the given channel.",
    "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
}
INVALID_CODE = {
    "title": "Invalid Code",
    "type": "https://developer.vonage.com/en/api-errors/verify-v2#invalid-code",
    "detail": "The code you provided does not match the expected value.",
    "instance": "3208c715-d203-45dd-81b6-cab3692d3f83",
}


LONG = [{**ROW, "message-id": f"{ROW['message-id'][:-1]}{last}"} for last in "bc"]
EXAMPLES: list[tuple[str, str, bytes, str, int, Any]] = [
    # Of a request: method, path, what is in its body. Of the answer: where the example stands, status, body.
    ("POST", "/sms/json", b"client-ref=cassette-refused", "SMS API 1.5.1, ErrorMessage", 200, REFUSED),
    (
        "POST",
        "/sms/json",
        b"client-ref=cassette-long",
        "SMS API 1.5.1, Message",
        200,
        {"message-count": "2", "messages": LONG},
    ),
    ("POST", "/sms/json", b"", "SMS API 1.5.1, Message", 200, {"message-count": "1", "messages": [ROW]}),
    ("GET", "/account/get-balance", b"", "Account API, AccountBalance", 200, {"value": 10.28, "autoReload": False}),
    ("POST", "/v1/messages", b"cassette-refused", "Messages API 1.20.0, ErrorSender", 422, INVALID_SENDER),
    ("POST", "/v1/messages", b"", "Messages API 1.20.0, MessageAcceptedResponse", 202, {"message_uuid": UUID}),
    ("POST", "/v2/verify", b"", "Verify API 1.0.1, newRequest", 202, {"request_id": REQUEST}),
    ("POST", f"/v2/verify/{REQUEST}", b"", "Verify API 1.0.1, ErrorInvalidCode", 400, INVALID_CODE),
]


class Examples(BaseHTTPRequestHandler):
    """Answers with the vendor's documented examples, each marked as one."""

    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        source, status, data = next(
            answer
            for method, path, part, *answer in EXAMPLES
            if (method, path) == (self.command, self.path) and part in body
        )
        answer = json.dumps(data).encode()
        self.send_response(status)
        self.send_header(MARK, source)
        self.send_header("content-type", "application/json" if status < 300 else "application/problem+json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = handle_any  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


# --- recording ------------------------------------------------------------------------------------------------------------


class Scrubber:
    """Turns what was recorded into what may be kept: no credentials, no real number, no host."""

    def __init__(self, account: dict[str, str]) -> None:
        self._words = [
            (account["base_url"], BASE_URL),
            (account["messages_base_url"], MESSAGES_URL),
            (b64encode(f"{account['api_key']}:{account['api_secret']}".encode()).decode(), ""),
            (account["api_secret"], SECRET),
            (account["api_key"], KEY),
            (account["number"].lstrip("+"), NUMBER.lstrip("+")),
            (account["sender"].lstrip("+"), SENDER),
        ]

    def text(self, text: str) -> str:
        for private, public in self._words:
            if private:
                text = text.replace(private, public)
        return text

    def request(self, request: Any) -> Any:
        request.uri = self.text(request.uri)
        request.headers.pop("authorization", None)
        request.headers["host"] = request.uri.split("/")[2]
        if request.body:
            request.body = self.text(request.body.decode()).encode()
        return request

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        body = response["body"]["string"]
        text = body.decode() if isinstance(body, bytes) else body
        response["body"]["string"] = self.text(text).encode()
        keep = {"content-type", "retry-after", MARK}
        response["headers"] = {name: values for name, values in response["headers"].items() if name.lower() in keep}
        return response


REPLAYED = {
    "base_url": BASE_URL,
    "messages_base_url": MESSAGES_URL,
    "api_key": KEY,
    "api_secret": SECRET,
    "number": NUMBER,
    "sender": SENDER,
}


def recording(config: pytest.Config) -> bool:
    return config.getoption("--record-mode") not in (None, "none")


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Where to send while recording: the service if there are credentials, else the examples. Replaying needs neither."""
    if not recording(request.config):
        yield REPLAYED
    elif LIVE["VONAGE_API_SECRET"]:
        if not LIVE["RECORD_TO"]:
            pytest.exit("set SMSBRIDGE_RECORD_TO to the number that the recorded texts are to go to")
        yield {
            "base_url": VonageProvider.model_fields["base_url"].default,
            "messages_base_url": VonageProvider.model_fields["messages_base_url"].default,
            "api_key": LIVE["VONAGE_API_KEY"],
            "api_secret": LIVE["VONAGE_API_SECRET"],
            "number": LIVE["RECORD_TO"],
            "sender": LIVE["VONAGE_SENDER"],
        }
    else:
        # Two ports, so that the recording shows which host was asked.
        with (
            ThreadingHTTPServer(("127.0.0.1", 0), Examples) as rest,
            ThreadingHTTPServer(("127.0.0.1", 0), Examples) as api,
        ):
            for server in (rest, api):
                threading.Thread(target=server.serve_forever, daemon=True).start()
            urls = [f"http://127.0.0.1:{server.server_address[1]}" for server in (rest, api)]
            yield {**REPLAYED, "base_url": urls[0], "messages_base_url": urls[1]}
            rest.shutdown()
            api.shutdown()


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


Call = Callable[..., Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One client records, so that nothing is sent twice; both replay."""
    if "call" in metafunc.fixturenames:
        metafunc.parametrize(
            "call", ["blocking"] if recording(metafunc.config) else ["blocking", "async"], indirect=True
        )


@pytest.fixture
def call(request: pytest.FixtureRequest, account: dict[str, str]) -> Call:
    """Calls one method of either client: ``call("sms", "send", ...)``; both replay the same recording."""
    configuration = Settings(concurrency=1)

    def provider(api: str) -> VonageProvider:
        given = {name: value for name, value in account.items() if name != "number"}
        return VonageProvider(api=api, verify_brand="ACME", **given)

    def blocking(api: str, method: str, *args: Any, **fields: Any) -> Any:
        with SmsClient(provider(api), settings=configuration) as sms:
            return getattr(sms, method)(*args, **fields)

    async def awaited(api: str, method: str, *args: Any, **fields: Any) -> Any:
        async with AsyncSmsClient(provider(api), settings=configuration) as sms:
            return await getattr(sms, method)(*args, **fields)

    return blocking if request.param == "blocking" else lambda *args, **fields: asyncio.run(awaited(*args, **fields))


@pytest.fixture(autouse=True)
def everything_recorded_is_played(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if request.node.get_closest_marker("vcr") and not recording(request.config):
        assert request.getfixturevalue("vcr").all_played, "the recording holds requests that were not made"


@pytest.mark.vcr
@pytest.mark.default_cassette("send.yaml")
def test_a_text_is_sent(call, account):
    sent = call("sms", "send", account["number"], "Grüße, ₹ 100 received", reference="cassette-send")
    assert (sent.provider, sent.reference, sent.status) == ("vonage", "cassette-send", Status.QUEUED)
    assert (bool(sent.id), sent.segments) == (True, 1)


@pytest.mark.vcr
@pytest.mark.default_cassette("long.yaml")
def test_a_long_text_has_one_id_for_each_part(call, account):
    sent = call("sms", "send", account["number"], "A long text. " * 20, reference="cassette-long")
    assert sent.segments == 2
    assert len(set(sent.raw["ids"])) == 2


@pytest.mark.vcr
@pytest.mark.default_cassette("refused.yaml")
def test_a_row_that_says_no_is_refused_under_http_200(call, account):
    too_long = {"vonage": {"callback_url": f"https://app.invalid/{'x' * 100}"}}
    with pytest.raises(SendError) as raised:
        call("sms", "send", account["number"], "Hello", options=too_long, reference="cassette-refused")
    assert raised.value.code


@pytest.mark.vcr
@pytest.mark.default_cassette("messages.yaml")
def test_a_message_is_sent(call, account):
    sent = call("messages", "send", account["number"], "Grüße, ₹ 100 received", reference="cassette-messages")
    assert (bool(sent.id), sent.reference) == (True, "cassette-messages")


@pytest.mark.vcr
@pytest.mark.default_cassette("messages_refused.yaml")
def test_a_message_of_a_wrong_sender_is_refused(call, account):
    with pytest.raises(SendError) as raised:
        call("messages", "send", account["number"], "Hello", sender="1", reference="cassette-refused")
    assert raised.value.code


@pytest.mark.vcr
@pytest.mark.default_cassette("balance.yaml")
def test_the_balance_is_read(call):
    (balance,) = call("sms", "balance")
    assert (balance.unit, isinstance(balance.amount, Decimal)) == ("EUR", True)


@pytest.mark.vcr
@pytest.mark.default_cassette("verify.yaml")
def test_a_code_is_started_and_a_wrong_one_is_not_approved(call, account):
    verification = call("sms", "start_verification", account["number"], reference="cassette-verify")
    check = call("sms", "check_verification", verification, "0000")
    assert (check.approved, check.reason) == (False, "wrong-code")


def test_a_request_that_differs_from_the_recording_does_not_replay(request, vcr_config):
    if recording(request.config):
        pytest.skip("a proof of the matching, not of the wire")
    provider = VonageProvider(**{name: value for name, value in REPLAYED.items() if name != "number"})
    recorded = vcr.VCR(**vcr_config, record_mode="none").use_cassette(str(CASSETTES / "send.yaml"))
    with recorded, SmsClient(provider) as sms:
        with pytest.raises(SendError):
            sms.send(NUMBER, "another text", reference="cassette-send")
        assert sms.send(NUMBER, "Grüße, ₹ 100 received", reference="cassette-send")


def test_what_a_maintainer_records_holds_no_credentials_and_no_number():
    private = {
        "base_url": "https://rest.nexmo.com",
        "messages_base_url": "https://api.nexmo.com",
        "api_key": "f00dcafe",
        "api_secret": "FAKE-SECRET-OF-A-MAINTAINER",
        "number": "+919811111111",
        "sender": "+447911111111",
    }
    basic = b64encode(b"f00dcafe:FAKE-SECRET-OF-A-MAINTAINER").decode()
    scrubber = Scrubber(private)

    class Request:
        uri = "https://rest.nexmo.com/sms/json?api_key=f00dcafe"
        headers = {"authorization": f"Basic {basic}", "host": "rest.nexmo.com"}  # noqa: RUF012
        body = b"to=919811111111&from=447911111111&api_secret=FAKE-SECRET-OF-A-MAINTAINER"

    kept = scrubber.request(Request())
    answer = {
        "body": {"string": '{"to":"919811111111"}'},
        "headers": {"Set-Cookie": ["f00dcafe"], "X-Request-Id": ["1"]},
    }
    everything = f"{kept.uri}{kept.headers}{kept.body!r}{scrubber.response(answer)}"
    for word in (basic, "f00dcafe", "MAINTAINER", "919811111111", "447911111111", "nexmo.com"):
        assert word not in everything


def test_every_cassette_says_what_answered_it():
    """Examples carry their own mark, so that no recording can pass for the service's, and none is half of each."""
    for path in CASSETTES.glob("*.yaml"):
        text = path.read_text("utf-8")
        assert text.count(f"{MARK}:") in (0, text.count("response:")), path.name
    readme = (CASSETTES.parent / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `vonage/(\S+)` \|[^|]*\| ([a-z ]+) \|", readme, re.MULTILINE))
    for name, answered in rows.items():
        text = (CASSETTES / name).read_text("utf-8")
        assert (MARK in text) == (answered == "documented examples"), name
    assert not rows or rows.keys() == {path.name for path in CASSETTES.glob("*.yaml")}


def test_no_cassette_holds_a_secret_or_a_number_of_anybody():
    for path in CASSETTES.glob("*.yaml"):
        text = path.read_text("utf-8")
        assert "authorization" not in text.lower()
        assert SECRET not in text
        assert set(re.findall(r"(?<![\d-])\d{11,13}(?![\d-])", text)) <= {NUMBER.lstrip("+")}
