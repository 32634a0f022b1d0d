"""The wire, replayed from recordings by both clients; see cassettes/README.md for what answered each.

To record again, against the service (this sends texts to SMSBRIDGE_RECORD_TO and costs money) or, without a token, against
the sandbox::

    SMSBRIDGE_TWINCLE_ACCESS_TOKEN=... SMSBRIDGE_TWINCLE_SENDER=... SMSBRIDGE_RECORD_TO=+91... \\
        uv run pytest tests/plugins/test_twincle_cassettes.py --record-mode=rewrite
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import vcr

from smsbridge import AsyncSmsClient, Message, SendError, Settings, SmsClient, Status
from smsbridge_twincle import TwincleProvider

CASSETTES = Path(__file__).parents[2] / "cassettes" / "twincle"
BASE_URL = "https://twincle.invalid/api/v2/"
TOKEN = "FAKE-TOKEN-DO-NOT-USE"
NUMBER = "+919000000100"
LIVE = {
    name: os.environ.get(f"SMSBRIDGE_{name}", "") for name in ("TWINCLE_ACCESS_TOKEN", "TWINCLE_SENDER", "RECORD_TO")
}
"""What a maintainer records with; read at import, before the tests' environment is cleaned."""
LIVE_URL = os.environ.get("SMSBRIDGE_TWINCLE_BASE_URL", "")


class Scrubber:
    """Turns what was recorded into what may be kept: no token, no real number, no host."""

    def __init__(self, base_url: str, token: str, number: str, sender: str) -> None:
        self._words = [
            (base_url, BASE_URL),
            (token, TOKEN),
            (quote(token, safe=""), TOKEN),
            (number.lstrip("+"), NUMBER.lstrip("+")),
            (sender, "SENDER"),
        ]

    def text(self, text: str) -> str:
        for private, public in self._words:
            if private:
                text = text.replace(private, public)
        return text

    def request(self, request: Any) -> Any:
        request.uri = self.text(request.uri)
        request.headers.pop("authorization", None)
        request.headers["host"] = "twincle.invalid"
        if request.body:
            request.body = self.text(request.body.decode()).encode()
        return request

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        body = response["body"]["string"]
        text = body.decode() if isinstance(body, bytes) else body
        response["body"]["string"] = self.text(text).encode()
        keep = {"content-type", "retry-after", "x-sandbox", "location"}
        response["headers"] = {name: values for name, values in response["headers"].items() if name.lower() in keep}
        return response


def recording(config: pytest.Config) -> bool:
    return config.getoption("--record-mode") not in (None, "none")


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Where to send while recording: the service if there is a token, else the sandbox. Replaying needs neither."""
    if not recording(request.config):
        yield {"base_url": BASE_URL, "token": TOKEN, "number": NUMBER, "sender": "SENDER"}
    elif LIVE["TWINCLE_ACCESS_TOKEN"]:
        if not LIVE["RECORD_TO"]:
            pytest.exit("set SMSBRIDGE_RECORD_TO to the number that the recorded texts are to go to")
        base_url = LIVE_URL or TwincleProvider.model_fields["base_url"].default
        yield {
            "base_url": base_url,
            "token": LIVE["TWINCLE_ACCESS_TOKEN"],
            "number": LIVE["RECORD_TO"],
            "sender": LIVE["TWINCLE_SENDER"],
        }
    else:
        from smsbridge_twincle.sandbox import Sandbox

        with Sandbox(token="sandbox-token") as sandbox:
            yield {"base_url": sandbox.base_url, "token": "sandbox-token", "number": NUMBER, "sender": "SENDER"}


@pytest.fixture(scope="module")
def vcr_config(account: dict[str, str]) -> dict[str, Any]:
    scrubber = Scrubber(account["base_url"], account["token"], account["number"], account["sender"])
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
def provider(account: dict[str, str]) -> TwincleProvider:
    return TwincleProvider(
        base_url=account["base_url"], access_token=account["token"], sender=account["sender"] or "SENDER"
    )


Call = Callable[..., Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One client records, so that nothing is sent twice; both replay."""
    if "call" in metafunc.fixturenames:
        metafunc.parametrize(
            "call", ["blocking"] if recording(metafunc.config) else ["blocking", "async"], indirect=True
        )


@pytest.fixture
def call(request: pytest.FixtureRequest, provider: TwincleProvider) -> Call:
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
    sent = call("send", account["number"], "Grüße, ₹ 100 received", reference="cassette-send")
    assert (sent.provider, sent.reference, sent.status) == ("twincle", "cassette-send", Status.QUEUED)
    assert sent.id
    assert sent.segments == 1


def test_a_request_that_differs_from_the_recording_does_not_replay(request, vcr_config):
    if recording(request.config):
        pytest.skip("a proof of the matching, not of the wire")
    provider = TwincleProvider(base_url=BASE_URL, access_token=TOKEN, sender="SENDER")
    recorded = vcr.VCR(**vcr_config, record_mode="none").use_cassette(str(CASSETTES / "send.yaml"))
    with recorded, SmsClient(provider) as sms:
        with pytest.raises(SendError):
            sms.send(NUMBER, "another text", reference="cassette-send")
        assert sms.send(NUMBER, "Grüße, ₹ 100 received", reference="cassette-send")


@pytest.mark.vcr
@pytest.mark.default_cassette("send_many.yaml")
def test_many_texts_go_out_in_one_request(call, account):
    messages = [
        Message(to=account["number"], text=f"Text {number}", reference=f"cassette-many-{number}") for number in range(3)
    ]
    results = call("send_many", messages)
    assert [result.sent.reference for result in sorted(results, key=lambda one: one.index)] == [
        message.reference for message in messages
    ]


@pytest.mark.vcr
@pytest.mark.default_cassette("status.yaml")
def test_a_text_is_followed_by_its_id_and_found_by_its_reference(call, account):
    sent = call("send", account["number"], "Followed", reference="cassette-status")
    assert call("status", sent).id == sent.id
    assert call("lookup", "cassette-status").id == sent.id
    assert call("lookup", "cassette-never-sent") is None


@pytest.mark.vcr
@pytest.mark.default_cassette("balance.yaml")
def test_the_balance_is_read(call):
    assert call("balance")


@pytest.mark.vcr
@pytest.mark.default_cassette("verify.yaml")
def test_a_code_is_started_and_a_wrong_one_is_not_approved(call, account):
    verification = call("start_verification", account["number"], reference="cassette-verify")
    check = call("check_verification", verification, "000000")
    assert (check.approved, check.reason) == (False, "wrong-code")


@pytest.mark.vcr
@pytest.mark.default_cassette("refused.yaml")
def test_a_text_that_is_longer_than_allowed_is_refused(call, account):
    with pytest.raises(SendError) as raised:
        call("send", account["number"], "x" * 5000, reference="cassette-refused", options={"twincle": {"max_units": 1}})
    assert raised.value.reason == "too-long"


def test_what_a_maintainer_records_holds_no_token_and_no_number():
    token, number = "1|FAKE-TOKEN-OF-A-MAINTAINER", "+919811111111"
    scrubber = Scrubber("http://10.0.0.1/api/v2/", token, number, "REALID")

    class Request:
        uri = f"http://10.0.0.1/api/v2/sms/status?access_token={quote(token, safe='')}&mobile={number[1:]}"
        headers = {"authorization": f"Bearer {token}", "host": "10.0.0.1"}  # noqa: RUF012
        body = f"to={number[1:]}&sender=REALID&access_token={token}".encode()

    kept = scrubber.request(Request())
    answer = {"body": {"string": f'{{"mobile":"{number[1:]}"}}'}, "headers": {"Set-Cookie": [token]}}
    everything = f"{kept.uri}{kept.headers}{kept.body!r}{scrubber.response(answer)}"
    for private in (token, quote(token, safe=""), number[1:], "REALID", "10.0.0.1"):
        assert private not in everything


def test_every_cassette_says_what_answered_it():
    """An answer of the sandbox carries its own mark, so that no recording can pass for the service's."""
    readme = (CASSETTES.parent / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `twincle/(\S+)` \|[^|]*\| (sandbox|service) \|", readme, re.MULTILINE))
    cassettes = {path.name: path.read_text("utf-8") for path in CASSETTES.glob("*.yaml")}
    assert cassettes.keys() == rows.keys()
    for name, text in cassettes.items():
        assert ("x-sandbox" in text) == (rows[name] == "sandbox"), name


def test_no_cassette_holds_a_secret_or_a_number_of_anybody():
    for path in CASSETTES.glob("*.yaml"):
        text = path.read_text("utf-8")
        assert "authorization" not in text.lower()
        assert "sandbox-token" not in text
        assert set(re.findall(r"(?<![\d-])91\d{10}(?!\d)", text)) <= {NUMBER.lstrip("+")}
