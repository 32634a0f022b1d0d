# ruff: noqa: RUF012  # Recordings keeps its settings in class attributes
"""Vonage's recordings; see cassettes/README.md for their source, and how to record them again."""

from decimal import Decimal

import pytest

from recordings import Example, Recordings
from smsbridge import SendError, Status
from smsbridge_vonage import VonageProvider

PROBLEM = "application/problem+json"
ROW = {
    "to": "447700900000",
    "message-id": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    "status": "0",
    "remaining-balance": "3.14159265",
    "message-price": "0.03330000",
    "network": "12345",
}
PARTS = [{**ROW, "message-id": f"{ROW['message-id'][:-1]}{last}"} for last in "bc"]
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
SMS, ERROR = "SMS API 1.5.1, Message", "SMS API 1.5.1, ErrorMessage"
MESSAGES = "Messages API 1.20.0"
EXAMPLES = [  # for a request: method, path, a part of its body; and its answer
    ("POST", "/sms/json", b"client-ref=cassette-refused", Example(ERROR, REFUSED)),
    ("POST", "/sms/json", b"client-ref=cassette-long", Example(SMS, {"message-count": "2", "messages": PARTS})),
    ("POST", "/sms/json", b"", Example(SMS, {"message-count": "1", "messages": [ROW]})),
    ("GET", "/account/get-balance", b"", Example("Account API, AccountBalance", {"value": 10.28, "autoReload": False})),
    ("POST", "/v1/messages", b"cassette-refused", Example(f"{MESSAGES}, ErrorSender", INVALID_SENDER, 422, PROBLEM)),
    ("POST", "/v1/messages", b"", Example(f"{MESSAGES}, MessageAcceptedResponse", {"message_uuid": UUID}, 202)),
    ("POST", "/v2/verify", b"", Example("Verify API 1.0.1, newRequest", {"request_id": REQUEST}, 202)),
    (
        "POST",
        f"/v2/verify/{REQUEST}",
        b"",
        Example("Verify API 1.0.1, ErrorInvalidCode", INVALID_CODE, 400, PROBLEM),
    ),
]


class TestVonage(Recordings):
    provider_class = VonageProvider
    secret = "api_secret"
    basic = ("api_key", "api_secret")
    public = {
        "base_url": "https://rest.vonage.invalid",
        "messages_base_url": "https://api.vonage.invalid",
        "api_key": "abcd1234",
        "api_secret": "FAKE-SECRET-DO-NOT-USE",
        "sender": "AcmeInc",
        "number": "+447700900000",
    }
    settings = {"verify_brand": "ACME"}

    def documented(self, request):
        return next(
            answer
            for method, path, part, answer in EXAMPLES
            if (method, path) == (request.method, request.url) and part in request.body
        )

    @pytest.mark.vcr
    @pytest.mark.default_cassette("send.yaml")
    def test_a_text_is_sent(self, call, account):
        sent = call("send", account["number"], **self.text)
        assert (sent.provider, sent.reference, sent.status) == ("vonage", "cassette-send", Status.QUEUED)
        assert (bool(sent.id), sent.segments) == (True, 1)

    @pytest.mark.vcr
    @pytest.mark.default_cassette("long.yaml")
    def test_a_long_text_has_one_id_for_each_part(self, call, account):
        sent = call("send", account["number"], "A long text. " * 20, reference="cassette-long")
        assert sent.segments == 2
        assert len(set(sent.raw["ids"])) == 2

    @pytest.mark.vcr
    @pytest.mark.default_cassette("refused.yaml")
    def test_a_row_that_says_no_is_refused_under_http_200(self, call, account):
        too_long = {"vonage": {"callback_url": f"https://app.invalid/{'x' * 100}"}}
        with pytest.raises(SendError) as raised:
            call("send", account["number"], "Hello", options=too_long, reference="cassette-refused")
        assert raised.value.code

    @pytest.mark.vcr
    @pytest.mark.default_cassette("messages.yaml")
    def test_a_message_is_sent(self, call, account):
        text = {**self.text, "reference": "cassette-messages"}
        sent = call("send", account["number"], **text, changes={"api": "messages"})
        assert (bool(sent.id), sent.reference) == (True, "cassette-messages")

    @pytest.mark.vcr
    @pytest.mark.default_cassette("messages_refused.yaml")
    def test_a_message_of_a_wrong_sender_is_refused(self, call, account):
        wrong = {"sender": "1", "reference": "cassette-refused"}
        with pytest.raises(SendError) as raised:
            call("send", account["number"], "Hello", **wrong, changes={"api": "messages"})
        assert raised.value.code

    @pytest.mark.vcr
    @pytest.mark.default_cassette("balance.yaml")
    def test_the_balance_is_read(self, call):
        (balance,) = call("balance")
        assert (balance.unit, isinstance(balance.amount, Decimal)) == ("EUR", True)

    @pytest.mark.vcr
    @pytest.mark.default_cassette("verify.yaml")
    def test_a_code_is_started_and_a_wrong_one_is_not_approved(self, call, account):
        verification = call("start_verification", account["number"], reference="cassette-verify")
        check = call("check_verification", verification, "0000")
        assert (check.approved, check.reason) == (False, "wrong-code")
