"""The wire, replayed from recordings by both clients; see cassettes/README.md for what answered each.

To record again, against the service (this sends texts to SMSBRIDGE_RECORD_TO and costs money) or, without a token, against
a loopback server that answers with the examples of Twilio's documentation::

    SMSBRIDGE_TWILIO_ACCOUNT_SID=AC... SMSBRIDGE_TWILIO_AUTH_TOKEN=... SMSBRIDGE_TWILIO_SENDER=+1... \\
    SMSBRIDGE_TWILIO_VERIFY_SERVICE_SID=VA... SMSBRIDGE_RECORD_TO=+91... \\
        uv run pytest tests/plugins/test_twilio_cassettes.py --record-mode=rewrite
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
import vcr
import yaml

from smsbridge import AsyncSmsClient, Message, RecipientError, SendError, Settings, SmsClient, Status
from smsbridge_twilio import TwilioProvider

CASSETTES = Path(__file__).parents[2] / "cassettes" / "twilio"
MARK = "x-documented-example"
PUBLIC = {  # what a recording holds instead of what was used
    "base_url": "https://api.twilio.invalid",
    "verify_base_url": "https://verify.twilio.invalid",
    "account_sid": "AC00000000000000000000000000000001",
    "auth_token": "FAKE-TOKEN-DO-NOT-USE",
    "verify_service_sid": "VA00000000000000000000000000000003",
    "sender": "+15550000100",
    "number": "+919000000100",
}
NOBODY = "+15005550001"  # an invalid number, https://www.twilio.com/docs/iam/test-credentials
SECRETS = ("ACCOUNT_SID", "AUTH_TOKEN", "SENDER", "VERIFY_SERVICE_SID", "BASE_URL", "VERIFY_BASE_URL")
LIVE = {name.lower(): os.environ.get(f"SMSBRIDGE_TWILIO_{name}", "") for name in SECRETS}
"""What a maintainer records with; read at import, before the tests' environment is cleaned."""
RECORD_TO = os.environ.get("SMSBRIDGE_RECORD_TO", "")

Example = tuple[int, str, dict[str, Any]]


# --- the documented examples ----------------------------------------------------------------------------------------------


def _message(number: int, form: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {
        "account_sid": PUBLIC["account_sid"],
        "api_version": "2010-04-01",
        "body": form.get("Body", "Hi there"),
        "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
        "date_sent": None,
        "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form.get("From", PUBLIC["sender"]),
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "messaging_service_sid": None,
        "sid": f"SM{number:032x}",
        "status": "queued",
        "to": form.get("To", PUBLIC["number"]),
        **fields,
    }


def _verification(form: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {
        "sid": "VE00000000000000000000000000000007",
        "service_sid": PUBLIC["verify_service_sid"],
        "account_sid": PUBLIC["account_sid"],
        "to": form.get("To", PUBLIC["number"]),
        "channel": "sms",
        "status": "pending",
        "valid": False,
        "amount": None,
        "payee": None,
        "date_created": "2015-07-30T20:00:00Z",
        "date_updated": "2015-07-30T20:00:00Z",
        **fields,
    }


def example(method: str, path: str, form: dict[str, str], number: int) -> Example:
    """The status, the page and the body of the example that answers a request."""
    docs = "https://www.twilio.com/docs"
    resource, verify = f"{docs}/messaging/api/message-resource", f"{docs}/verify/api/verification"
    if form.get("To") == NOBODY:
        words = f"Invalid 'To' Phone Number: {NOBODY[:8]}XXXX"
        page = f"{docs}/errors/21211"
        return 400, f"{docs}/api/errors/21211", {"code": 21211, "message": words, "more_info": page, "status": 400}
    if path.endswith("/Messages.json"):
        return 201, resource, _message(number, form)
    if "/Messages/" in path:
        sid = path.rpartition("/")[2].removesuffix(".json")
        done = {"status": "delivered", "date_sent": "Thu, 24 Aug 2023 05:01:45 +0000", "price": "-0.00750"}
        return 200, resource, _message(number, form, sid=sid, price_unit="USD", **done)
    if path.endswith("/Balance.json"):
        owner = {"account_sid": PUBLIC["account_sid"]}
        return 200, f"{docs}/usage/api/balance", {**owner, "balance": "3.1415", "currency": "USD"}
    if path.endswith("/VerificationCheck"):
        return 200, f"{verify}-check", _verification(form)
    assert method == "POST"
    return (200 if "Status" in form else 201), verify, _verification(form, status=form.get("Status", "pending"))


@pytest.fixture(scope="module")
def documented() -> Iterator[str]:
    """A loopback server that answers with the examples, each with the page it is from in a header."""
    number = iter(range(1, 1000))

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers.get("content-length", 0))).decode()))
            status, page, body = example(self.command, self.path, form, next(number))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.send_header(MARK, page)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815  # so the server wants it

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


# --- recording and replaying ----------------------------------------------------------------------------------------------


class Scrubber:
    """Turns what was recorded into what may be kept: no token, no account, no real number, no host."""

    def __init__(self, used: dict[str, str]) -> None:
        self._words: list[tuple[str, str]] = []
        for name, value in used.items():
            private, public = value.lstrip("+"), PUBLIC[name].lstrip("+")
            self._words += [(private, public), (quote(private, safe=""), quote(public, safe=""))]
        self._words.sort(key=lambda pair: -len(pair[0]))

    def text(self, text: str) -> str:
        for private, public in self._words:
            if private:
                text = text.replace(private, public)
        return text

    def request(self, request: Any) -> Any:
        request.uri = self.text(request.uri)
        request.headers.pop("authorization", None)
        request.headers["host"] = "twilio.invalid"
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


def recording(config: pytest.Config) -> bool:
    return config.getoption("--record-mode") not in (None, "none")


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> dict[str, str]:
    """What to send with: the service's while recording with a token, else the examples'. Replaying needs neither."""
    if not recording(request.config):
        return PUBLIC
    if LIVE["auth_token"]:
        if not RECORD_TO:
            pytest.exit("set SMSBRIDGE_RECORD_TO to the number that the recorded texts are to go to")
        fields = TwilioProvider.model_fields
        return {name: value or fields[name].default for name, value in LIVE.items()} | {"number": RECORD_TO}
    url = request.getfixturevalue("documented")
    return {**PUBLIC, "base_url": f"{url}/api", "verify_base_url": f"{url}/verify"}


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
        clients = ["blocking"] if recording(metafunc.config) else ["blocking", "async"]
        metafunc.parametrize("call", clients, indirect=True)


@pytest.fixture
def call(request: pytest.FixtureRequest, account: dict[str, str]) -> Call:
    """Calls one method of either client: ``call("send", ...)``; both replay the same recording."""
    settings = Settings(concurrency=1)
    provider = TwilioProvider(**{name: value for name, value in account.items() if name != "number"})

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
    sent = call("send", account["number"], "Grüße, ₹ 100 received", reference="cassette-send")
    assert (sent.provider, sent.reference, sent.status) == ("twilio", "cassette-send", Status.QUEUED)
    assert sent.id.startswith("SM")


def test_a_request_that_differs_from_the_recording_does_not_replay(request, vcr_config):
    if recording(request.config):
        pytest.skip("a proof of the matching, not of the wire")
    provider = TwilioProvider(**{name: value for name, value in PUBLIC.items() if name != "number"})
    recorded = vcr.VCR(**vcr_config, record_mode="none").use_cassette(str(CASSETTES / "send.yaml"))
    with recorded, SmsClient(provider) as sms:
        with pytest.raises(SendError):
            sms.send(PUBLIC["number"], "another text")
        assert sms.send(PUBLIC["number"], "Grüße, ₹ 100 received")


@pytest.mark.vcr
@pytest.mark.default_cassette("send_many.yaml")
def test_each_of_many_texts_is_a_request_of_its_own(call, account):
    messages = [Message(to=account["number"], text=f"Text {n}", reference=f"cassette-many-{n}") for n in range(3)]
    results = sorted(call("send_many", messages), key=lambda one: one.index)
    assert [result.sent.reference for result in results] == [message.reference for message in messages]
    assert len({result.sent.id for result in results}) == 3


@pytest.mark.vcr
@pytest.mark.default_cassette("status.yaml")
def test_a_text_is_followed_by_its_id(call, account):
    sent = call("send", account["number"], "Followed", reference="cassette-status")
    report = call("status", sent)
    assert (report.id, report.reference) == (sent.id, "cassette-status")


@pytest.mark.vcr
@pytest.mark.default_cassette("balance.yaml")
def test_the_balance_is_read(call):
    (balance,) = call("balance")
    assert len(balance.unit) == 3


@pytest.mark.vcr
@pytest.mark.default_cassette("verify.yaml")
def test_a_code_is_started_a_wrong_one_not_approved_and_the_code_cancelled(call, account):
    verification = call("start_verification", account["number"], reference="cassette-verify")
    check = call("check_verification", verification, "000000")
    assert (check.approved, check.reason) == (False, "wrong-code")
    call("cancel_verification", verification)


@pytest.mark.vcr
@pytest.mark.default_cassette("refused.yaml")
def test_a_number_of_nobody_is_refused(call):
    with pytest.raises(RecipientError) as raised:
        call("send", NOBODY, "Nobody reads this", reference="cassette-refused")
    assert (raised.value.code, raised.value.reason) == ("21211", "invalid-number")


# --- what was kept --------------------------------------------------------------------------------------------------------


def test_what_a_maintainer_records_holds_no_token_and_no_number():
    used = {
        "base_url": "https://10.0.0.1",
        "verify_base_url": "https://10.0.0.2",
        "account_sid": "ACffffffffffffffffffffffffffffffff",
        "auth_token": "FAKE-TOKEN-OF-A-MAINTAINER",
        "verify_service_sid": "VAffffffffffffffffffffffffffffffff",
        "sender": "+15551112222",
        "number": "+919811111111",
    }
    scrubber = Scrubber(used)

    class Request:
        uri = f"{used['base_url']}/2010-04-01/Accounts/{used['account_sid']}/Messages.json"
        headers = {"authorization": "Basic QUM6dG9rZW4=", "host": "10.0.0.1"}  # noqa: RUF012
        body = f"To={quote(used['number'])}&From={quote(used['sender'])}&x={used['verify_service_sid']}".encode()

    kept = scrubber.request(Request())
    answer = {
        "body": {"string": json.dumps(used)},
        "headers": {"Set-Cookie": [used["auth_token"]], "Twilio-Request-Id": ["RQ1"]},
    }
    everything = f"{kept.uri}{kept.headers}{kept.body!r}{scrubber.response(answer)}"
    for private in [*(value.lstrip("+") for value in used.values()), "QUM6dG9rZW4=", "10.0.0", "RQ1"]:
        assert private not in everything


def test_every_cassette_says_what_answered_it():
    """An example carries the page it is from, so that no recording can pass for the service's."""
    readme = (CASSETTES.parent / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `twilio/(\S+)` \|[^|]*\| ([^|]+?) \|", readme, re.MULTILINE))
    cassettes = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in CASSETTES.glob("*.yaml")}
    assert len(cassettes) == 6
    assert rows.keys() <= cassettes.keys()
    for name, cassette in cassettes.items():
        marked = {MARK in one["response"]["headers"] for one in cassette["interactions"]}
        assert marked == {rows.get(name) != "service"}, name


def test_no_cassette_holds_a_secret_or_a_number_of_anybody():
    numbers = {PUBLIC["number"].lstrip("+"), PUBLIC["sender"].lstrip("+"), NOBODY.lstrip("+")}
    for path in CASSETTES.glob("*.yaml"):
        text = path.read_text("utf-8")
        assert "authorization" not in text.lower()
        assert "127.0.0.1" not in text
        assert set(re.findall(r"(?<![\w-])(?:%2B)?(\d{11,12})(?!\w)", text)) <= numbers
        assert set(re.findall(r"(?:AC|VA)[0-9a-f]{32}", text)) <= {PUBLIC["account_sid"], PUBLIC["verify_service_sid"]}
