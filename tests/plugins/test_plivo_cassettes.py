# ruff: noqa: RUF012  # Recordings keeps its settings in class attributes
"""Plivo's recordings; see cassettes/README.md for their source, and how to record them again."""

import re
from base64 import b64encode
from decimal import Decimal

import pytest

from recordings import Example, Recordings
from smsbridge import AuthenticationError, Money, NotFoundError, Status
from smsbridge_plivo import PlivoProvider

AUTH_ID, TOKEN, NUMBER = "MA2025RK4E639VJFZAGV", "FAKE-TOKEN-DO-NOT-USE", "+919000000100"
BASIC = "Basic " + b64encode(f"{AUTH_ID}:{TOKEN}".encode()).decode()

MESSAGES = "https://plivo.com/docs/messaging/api/messages.md"
SESSIONS = "https://plivo.com/docs/programmable-api/verify/sessions.md"
ACCOUNT = "https://plivo.com/docs/account/api/account/"
STATUSES = "https://plivo.com/docs/messaging/api/overview"  # it names the statuses, and shows no body of a failure
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
    "message_uuid": SENT,  # from the example of *Send a Message*, so that both fit together
    "to_number": NUMBER.lstrip("+"),
    "total_amount": "0.00140",
    "total_rate": "0.00140",
    "units": 1,
}
QUEUED = {
    "message": "message(s) queued",
    "message_uuid": [SENT],
    "api_id": "db342550-7f1d-11e1-8ea7-1231380bc196",
}
HOLDER = {
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
}
STARTED = {
    "api_id": "3335cb16-d297-4e00-a5e6-66d2bb03b323",
    "message": "Session initiated",
    "session_uuid": SESSION,
}
VALIDATED = {"api_id": "e7af31b5-a7cb-40d6-a3ab-122fdcc9f0fe", "message": "session validated successfully."}
NO_TOKEN = Example(STATUSES, None, 401)
NOT_FOUND = Example(STATUSES, {"api_id": "85a704c8-e47a-11eb-9a69-0242ac110004", "error": "not found"}, 404)
EXAMPLES = {
    ("POST", "Message/"): Example(MESSAGES, QUEUED, 202),
    ("GET", f"Message/{SENT}/"): Example(MESSAGES, MESSAGE),
    ("GET", ""): Example(ACCOUNT, HOLDER),
    ("POST", "Verify/Session/"): Example(SESSIONS, STARTED, 202),
    ("POST", f"Verify/Session/{SESSION}/"): Example(SESSIONS, VALIDATED),
}
"""The examples of Plivo's documentation, by method and path. The bodies of ``NO_TOKEN`` and ``NOT_FOUND`` are ours."""


def as_documented(found):
    """The account's holder, as in Plivo's example."""
    return f'"{found[1]}": "{HOLDER[found[1]]}"'


class TestPlivo(Recordings):
    provider_class = PlivoProvider
    secret = "auth_token"
    basic = ("auth_id", "auth_token")
    public = {
        "base_url": "https://plivo.invalid/v1/",
        "auth_id": AUTH_ID,
        "auth_token": TOKEN,
        "sender": "SENDER",
        "number": NUMBER,
    }
    words = ((re.compile(r'"(name|address|city|state)":\s*"(?:[^"\\]|\\.)*"'), as_documented),)
    numbers = (MESSAGE["from_number"],)
    ids = r"[MS]A[A-Z0-9]{18}"
    text = {**Recordings.text, "text": "Grüße, ₹ 100, a text"}

    def documented(self, request):
        if request.headers["authorization"] != BASIC:
            return NO_TOKEN
        path = request.url.removeprefix(f"/v1/Account/{AUTH_ID}/")
        return EXAMPLES.get((request.method, path), NOT_FOUND)

    @pytest.mark.vcr
    @pytest.mark.default_cassette("send.yaml")
    def test_a_text_is_sent_and_followed(self, call, account):
        sent = call("send", account["number"], **self.text)
        assert (sent.provider, sent.reference, sent.status) == ("plivo", "cassette-send", Status.QUEUED)
        report = call("status", sent)
        assert (report.id, report.to, report.reference) == (sent.id, account["number"], "cassette-send")
        if account["number"] == NUMBER:
            assert (report.status, report.segments, report.code) == (Status.DELIVERED, 1, None)
            assert report.price == Money(amount=Decimal("0.00140"), unit="USD")

    @pytest.mark.vcr
    @pytest.mark.default_cassette("refused.yaml")
    def test_a_wrong_token_is_refused(self, call, account):
        wrong = {"auth_token": "not-the-token"}
        with pytest.raises(AuthenticationError) as raised:
            call("send", account["number"], "Never sent", reference="cassette-refused", changes=wrong)
        assert raised.value.code == "401"

    @pytest.mark.vcr
    @pytest.mark.default_cassette("unknown.yaml")
    def test_a_text_that_plivo_does_not_know_is_not_found(self, call):
        with pytest.raises(NotFoundError):
            call("status", "00000000-0000-4000-8000-000000000000", account="plivo")

    @pytest.mark.vcr
    @pytest.mark.default_cassette("balance.yaml")
    def test_the_balance_is_read(self, call):
        (balance,) = call("balance")
        assert (balance.service, balance.unit) == ("cash", "USD")

    @pytest.mark.vcr
    @pytest.mark.default_cassette("verify.yaml")
    def test_a_code_is_started_and_checked(self, call, account):
        verification = call("start_verification", account["number"], reference="cassette-verify")
        assert verification.id
        if account["number"] == NUMBER:
            assert call("check_verification", verification, "123456").approved

    def test_who_holds_the_account_is_not_kept(self):
        kept = self.scrubber(self.public).text(r'{"to_number": "1", "name": "Jane \"J\" Real","city":"Real City"}')
        assert kept == '{"to_number": "1", "name": "Bruce Wayne","city": "Gotham"}'
