"""The wire, replayed from recordings by both clients; see cassettes/README.md for what answered each.

To record again, against the service (this sends a text and a code to SMSBRIDGE_RECORD_TO and costs money) or, without a
token, against a loopback server that answers with Plivo's documented examples::

    SMSBRIDGE_PLIVO_AUTH_ID=... SMSBRIDGE_PLIVO_AUTH_TOKEN=... SMSBRIDGE_PLIVO_SENDER=... SMSBRIDGE_RECORD_TO=+91... \\
        uv run pytest tests/plugins/test_plivo_cassettes.py --record-mode=rewrite
"""

import asyncio
import base64
import json
import os
import re
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import vcr
import yaml

from smsbridge import (
    AsyncSmsClient,
    AuthenticationError,
    Money,
    NotFoundError,
    SendError,
    Settings,
    SmsClient,
    Status,
)
from smsbridge_plivo import PlivoProvider

CASSETTES = Path(__file__).parents[2] / "cassettes" / "plivo"
BASE_URL, AUTH_ID, TOKEN = "https://plivo.invalid/v1/", "MA2025RK4E639VJFZAGV", "FAKE-TOKEN-DO-NOT-USE"
NUMBER, SENDER = "+919000000100", "SENDER"
LIVE = {
    name: os.environ.get(f"SMSBRIDGE_{name}", "")
    for name in ("PLIVO_AUTH_ID", "PLIVO_AUTH_TOKEN", "PLIVO_SENDER", "RECORD_TO")
}
"""What a maintainer records with; read at import, before the tests' environment is cleaned."""

ANSWERED_BY = "documented examples"
"""Who answered what is in the recordings; the service, after a maintainer recorded them again."""

MESSAGES = "https://plivo.com/docs/messaging/api/messages.md"
SESSIONS = "https://plivo.com/docs/programmable-api/verify/sessions.md"
ACCOUNT = "https://plivo.com/docs/account/api/account/"
SENT = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"
SESSION = "8e712097-8090-4644-81e7-8f4265d8354e"
MESSAGE = {
    "api_id": "85a704c8-e47a-11eb-9a69-0242ac110004",
    "carrier_fees": "0.00000",
    "carrier_fees_rate": "0.0000",
    "error_code": "000",
    "from_number": "17087654321",
    "message_direction": "outbound",
    "message_state": "delivered",
    "message_time": "2021-07-13 13:04:06.799021+05:30",
    "message_type": "sms",
    "message_uuid": SENT,  # of the example of *Send a Message*, so that the two belong together
    "to_number": NUMBER.lstrip("+"),
    "total_amount": "0.00140",
    "total_rate": "0.00140",
    "units": 1,
}
EXAMPLES = {
    ("POST", "Message/"): (
        202,
        MESSAGES,
        {
            "message": "message(s) queued",
            "message_uuid": [SENT],
            "api_id": "db342550-7f1d-11e1-8ea7-1231380bc196",
        },
    ),
    ("GET", f"Message/{SENT}/"): (200, MESSAGES, MESSAGE),
    ("GET", ""): (
        200,
        ACCOUNT,
        {
            "account_type": "standard",
            "address": "Wayne Enterprises Inc.",
            "api_id": "150892a0-922a-11e7-b6f4-061564b78b75",
            "auth_id": AUTH_ID,
            "auto_recharge": False,
            "billing_mode": "prepaid",
            "cash_credits": "1.80900",
            "city": "Gotham",
            "name": "Bruce Wayne",
            "resource_uri": f"/v1/Account/{AUTH_ID}/",
            "state": "NY",
            "timezone": "America/New_York",
        },
    ),
    ("POST", "Verify/Session/"): (
        202,
        SESSIONS,
        {"api_id": "3335cb16-d297-4e00-a5e6-66d2bb03b323", "message": "Session initiated", "session_uuid": SESSION},
    ),
    ("POST", f"Verify/Session/{SESSION}/"): (
        200,
        SESSIONS,
        {"api_id": "e7af31b5-a7cb-40d6-a3ab-122fdcc9f0fe", "message": "session validated successfully."},
    ),
}
"""What Plivo's documentation shows: method and path; status, page and answer."""
STATUSES = "https://plivo.com/docs/messaging/api/overview"  # which names the statuses, and shows no body of a failure
BASIC = "Basic " + base64.b64encode(f"{AUTH_ID}:{TOKEN}".encode()).decode()
MARK = "x-documented-example"


class Documented(BaseHTTPRequestHandler):
    """Answers with the example for a request; each answer says which page it is from."""

    protocol_version = "HTTP/1.1"

    def _answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        path = self.path.removeprefix(f"/v1/Account/{AUTH_ID}/")
        missing = (404, STATUSES, {"api_id": "85a704c8-e47a-11eb-9a69-0242ac110004", "error": "not found"})
        status, page, data = EXAMPLES.get((self.command, path), missing)
        if self.headers["authorization"] != BASIC:
            status, page, data = 401, STATUSES, None
        answer = b"" if data is None else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(answer)), MARK: page}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _answer  # noqa: N815  # its names

    def log_message(self, *args):
        pass


class Scrubber:
    """Turns what was recorded into what may be kept: no token, no real number, no account, no host."""

    def __init__(self, account):
        self._words = [
            (account["base_url"], BASE_URL),
            (account["auth_token"], TOKEN),
            (account["auth_id"], AUTH_ID),
            (account["number"].lstrip("+"), NUMBER.lstrip("+")),
            (account["sender"].lstrip("+"), SENDER),
        ]

    def text(self, text):
        for private, public in self._words:
            if private:
                text = text.replace(private, public)
        return re.sub(r'"(name|address|city|state)": "[^"]*"', r'"\1": "***"', text)  # the account's holder

    def request(self, request):
        request.uri = self.text(request.uri)
        request.headers.pop("authorization", None)
        request.headers["host"] = "plivo.invalid"
        if request.body:
            request.body = self.text(request.body.decode()).encode()
        return request

    def response(self, response):
        body = response["body"]["string"]
        response["body"]["string"] = self.text(body.decode() if isinstance(body, bytes) else body).encode()
        keep = {"content-type", "retry-after", MARK}
        response["headers"] = {name: values for name, values in response["headers"].items() if name.lower() in keep}
        return response


def recording(config):
    return config.getoption("--record-mode") not in (None, "none")


@pytest.fixture(scope="module")
def account(request):
    """Where to send while recording: the service if there is a token, else the examples. Replaying needs neither."""
    fake = {"base_url": BASE_URL, "auth_id": AUTH_ID, "auth_token": TOKEN, "sender": SENDER, "number": NUMBER}
    if not recording(request.config):
        yield fake
    elif LIVE["PLIVO_AUTH_TOKEN"]:
        if not LIVE["RECORD_TO"]:
            pytest.exit("set SMSBRIDGE_RECORD_TO to the number that the recorded texts are to go to")
        yield {
            "base_url": PlivoProvider.model_fields["base_url"].default,
            "auth_id": LIVE["PLIVO_AUTH_ID"],
            "auth_token": LIVE["PLIVO_AUTH_TOKEN"],
            "sender": LIVE["PLIVO_SENDER"],
            "number": LIVE["RECORD_TO"],
        }
    else:
        with ThreadingHTTPServer(("127.0.0.1", 0), Documented) as server:
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            yield {**fake, "base_url": f"http://127.0.0.1:{server.server_port}/v1/"}
            server.shutdown()


@pytest.fixture(scope="module")
def vcr_config(account):
    scrubber = Scrubber(account)
    return {
        "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
        "before_record_request": scrubber.request,
        "before_record_response": scrubber.response,
        "decode_compressed_response": True,
    }


@pytest.fixture(scope="module")
def vcr_cassette_dir():
    return str(CASSETTES)


def pytest_generate_tests(metafunc):
    """One client records, so that nothing is sent twice; both replay."""
    if "call" in metafunc.fixturenames:
        clients = ["blocking"] if recording(metafunc.config) else ["blocking", "async"]
        metafunc.parametrize("call", clients, indirect=True)


@pytest.fixture
def call(request, account):
    """Calls one method of either client: ``call("send", ...)``; both replay the same recording."""
    given = {name: value for name, value in account.items() if name != "number"}

    def blocking(method, *args, token=None, **fields):
        with SmsClient(PlivoProvider(**given | ({"auth_token": token} if token else {})), settings=Settings()) as sms:
            return getattr(sms, method)(*args, **fields)

    async def awaited(method, *args, token=None, **fields):
        provider = PlivoProvider(**given | ({"auth_token": token} if token else {}))
        async with AsyncSmsClient(provider, settings=Settings()) as sms:
            return await getattr(sms, method)(*args, **fields)

    return blocking if request.param == "blocking" else lambda *args, **fields: asyncio.run(awaited(*args, **fields))


@pytest.fixture(autouse=True)
def everything_recorded_is_played(request):
    yield
    if request.node.get_closest_marker("vcr") and not recording(request.config):
        assert request.getfixturevalue("vcr").all_played, "the recording holds requests that were not made"


@pytest.mark.vcr
@pytest.mark.default_cassette("send.yaml")
def test_a_text_is_sent_and_followed(call, account):
    sent = call("send", account["number"], "Grüße, ₹ 100, a text", reference="cassette-send")
    assert (sent.provider, sent.reference, sent.status) == ("plivo", "cassette-send", Status.QUEUED)
    report = call("status", sent)
    assert (report.id, report.to, report.reference) == (sent.id, account["number"], "cassette-send")
    if account["number"] == NUMBER:
        assert (report.status, report.segments, report.code) == (Status.DELIVERED, 1, None)
        assert report.price == Money(amount=Decimal("0.00140"), unit="USD")


def test_a_request_that_differs_from_the_recording_does_not_replay(request, vcr_config):
    if recording(request.config):
        pytest.skip("a proof of the matching, not of the wire")
    provider = PlivoProvider(base_url=BASE_URL, auth_id=AUTH_ID, auth_token=TOKEN, sender=SENDER)
    recorded = vcr.VCR(**vcr_config, record_mode="none").use_cassette(str(CASSETTES / "send.yaml"))
    with recorded, SmsClient(provider, settings=Settings()) as sms:
        with pytest.raises(SendError):
            sms.send(NUMBER, "another text", reference="cassette-send")
        assert sms.send(NUMBER, "Grüße, ₹ 100, a text", reference="cassette-send")


@pytest.mark.vcr
@pytest.mark.default_cassette("refused.yaml")
def test_a_wrong_token_is_refused(call, account):
    with pytest.raises(AuthenticationError) as raised:
        call("send", account["number"], "Never sent", reference="cassette-refused", token="not-the-token")
    assert raised.value.code == "401"


@pytest.mark.vcr
@pytest.mark.default_cassette("unknown.yaml")
def test_a_text_that_plivo_does_not_know_is_not_found(call):
    with pytest.raises(NotFoundError):
        call("status", "00000000-0000-4000-8000-000000000000", account="plivo")


@pytest.mark.vcr
@pytest.mark.default_cassette("balance.yaml")
def test_the_balance_is_read(call):
    (balance,) = call("balance")
    assert (balance.service, balance.unit) == ("cash", "USD")


@pytest.mark.vcr
@pytest.mark.default_cassette("verify.yaml")
def test_a_code_is_started_and_checked(call, account):
    verification = call("start_verification", account["number"], reference="cassette-verify")
    assert verification.id
    if account["number"] == NUMBER:
        assert call("check_verification", verification, "123456").approved


def test_what_a_maintainer_records_holds_no_token_and_no_number():
    account = {
        "base_url": "https://api.plivo.com/v1/",
        "auth_id": "MAREALREALREALREALRE",
        "auth_token": "FAKE-TOKEN-OF-A-MAINTAINER",
        "sender": "REALID",
        "number": "+919811111111",
    }
    scrubber = Scrubber(account)

    class Request:
        uri = "https://api.plivo.com/v1/Account/MAREALREALREALREALRE/Message/"
        headers = {"authorization": "Basic of-a-maintainer", "host": "api.plivo.com"}  # noqa: RUF012
        body = b'{"src":"REALID","dst":"919811111111","text":"FAKE-TOKEN-OF-A-MAINTAINER"}'

    kept = scrubber.request(Request())
    answer = {
        "body": {"string": '{"to_number":"919811111111", "name": "Jane Real"}'},
        "headers": {"Set-Cookie": ["of-a-maintainer"]},
    }
    everything = f"{kept.uri}{kept.headers}{kept.body!r}{scrubber.response(answer)}"
    for private in (
        "FAKE-TOKEN-OF-A-MAINTAINER",
        "of-a-maintainer",
        "919811111111",
        "REALID",
        "MAREAL",
        "api.plivo.com",
    ):
        assert private not in everything


def test_every_cassette_says_what_answered_it():
    """An answer of the examples carries its own mark, so that no recording can pass for the service's."""
    readme = (CASSETTES.parent / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `plivo/(\S+)` \|[^|]*\| ([a-z ]+) \|", readme, re.MULTILINE))
    cassettes = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in CASSETTES.glob("*.yaml")}
    assert cassettes
    for name, cassette in cassettes.items():
        marked = {MARK in interaction["response"]["headers"] for interaction in cassette["interactions"]}
        assert marked == {ANSWERED_BY == "documented examples"}, name
        assert rows.get(name, ANSWERED_BY) == ANSWERED_BY, name


def test_no_cassette_holds_a_secret_or_a_number_of_anybody():
    for path in CASSETTES.glob("*.yaml"):
        text = path.read_text("utf-8")
        assert "authorization" not in text.lower()
        assert set(re.findall(r"(?<![\d-])91\d{10}(?!\d)", text)) <= {NUMBER.lstrip("+")}
        assert set(re.findall(r"[MS]A[A-Z0-9]{18}", text)) <= {AUTH_ID}
