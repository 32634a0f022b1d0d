# ruff: noqa: RUF012  # Recordings keeps its settings in class attributes
"""Twilio's recordings; see cassettes/README.md for their source, and how to record them again."""

from itertools import count

import pytest

from recordings import Example, Recordings
from smsbridge import Message, RecipientError, Status
from smsbridge_twilio import TwilioProvider

INVALID = "+15005550001"  # an invalid number, https://www.twilio.com/docs/iam/test-credentials
DOCS = "https://www.twilio.com/docs"
MESSAGE, VERIFICATION = f"{DOCS}/messaging/api/message-resource", f"{DOCS}/verify/api/verification"


class TestTwilio(Recordings):
    provider_class = TwilioProvider
    secret = "auth_token"
    basic = ("account_sid", "auth_token")
    public = {
        "base_url": "https://api.twilio.invalid",
        "verify_base_url": "https://verify.twilio.invalid",
        "account_sid": "AC00000000000000000000000000000001",
        "auth_token": "FAKE-TOKEN-DO-NOT-USE",
        "verify_service_sid": "VA00000000000000000000000000000003",
        "sender": "+15550000100",
        "number": "+919000000100",
    }
    numbers = (INVALID,)
    ids = r"(?:AC|VA)[0-9a-f]{32}"

    # --- the documented examples, filled with values of the request

    asked = count(1)

    def documented(self, request):
        form, path, number = dict(request.form()), request.url, next(self.asked)
        if form.get("To") == INVALID:
            words, page = f"Invalid 'To' Phone Number: {INVALID[:8]}XXXX", f"{DOCS}/errors/21211"
            data = {"code": 21211, "message": words, "more_info": page, "status": 400}
            return Example(f"{DOCS}/api/errors/21211", data, 400)
        if path.endswith("/Messages.json"):
            return Example(MESSAGE, self.message(number, form), 201)
        if "/Messages/" in path:
            sid = path.rpartition("/")[2].removesuffix(".json")
            done = {"status": "delivered", "date_sent": "Thu, 24 Aug 2023 05:01:45 +0000", "price": "-0.00750"}
            return Example(MESSAGE, self.message(number, form, sid=sid, price_unit="USD", **done))
        if path.endswith("/Balance.json"):
            balance = {"account_sid": self.public["account_sid"], "balance": "3.1415", "currency": "USD"}
            return Example(f"{DOCS}/usage/api/balance", balance)
        if path.endswith("/VerificationCheck"):
            return Example(f"{VERIFICATION}-check", self.verification(form))
        assert request.method == "POST"
        status = form.get("Status", "pending")
        return Example(VERIFICATION, self.verification(form, status=status), 200 if "Status" in form else 201)

    def message(self, number, form, **fields):
        return {
            "account_sid": self.public["account_sid"],
            "api_version": "2010-04-01",
            "body": form.get("Body", "Hi there"),
            "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
            "date_sent": None,
            "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": form.get("From", self.public["sender"]),
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "messaging_service_sid": None,
            "sid": f"SM{number:032x}",
            "status": "queued",
            "to": form.get("To", self.public["number"]),
            **fields,
        }

    def verification(self, form, **fields):
        return {
            "sid": "VE00000000000000000000000000000007",
            "service_sid": self.public["verify_service_sid"],
            "account_sid": self.public["account_sid"],
            "to": form.get("To", self.public["number"]),
            "channel": "sms",
            "status": "pending",
            "valid": False,
            "amount": None,
            "payee": None,
            "date_created": "2015-07-30T20:00:00Z",
            "date_updated": "2015-07-30T20:00:00Z",
            **fields,
        }

    # --- recordings ---------

    @pytest.mark.vcr
    @pytest.mark.default_cassette("send.yaml")
    def test_a_text_is_sent(self, call, account):
        sent = call("send", account["number"], **self.text)
        assert (sent.provider, sent.reference, sent.status) == ("twilio", "cassette-send", Status.QUEUED)
        assert sent.id.startswith("SM")

    @pytest.mark.vcr
    @pytest.mark.default_cassette("send_many.yaml")
    def test_each_of_many_texts_is_a_request_of_its_own(self, call, account):
        messages = [Message(to=account["number"], text=f"Text {n}", reference=f"cassette-many-{n}") for n in range(3)]
        results = sorted(call("send_many", messages), key=lambda result: result.index)
        assert [result.sent.reference for result in results] == [message.reference for message in messages]
        assert len({result.sent.id for result in results}) == 3

    @pytest.mark.vcr
    @pytest.mark.default_cassette("status.yaml")
    def test_a_text_is_followed_by_its_id(self, call, account):
        sent = call("send", account["number"], "Followed", reference="cassette-status")
        report = call("status", sent)
        assert (report.id, report.reference) == (sent.id, "cassette-status")

    @pytest.mark.vcr
    @pytest.mark.default_cassette("balance.yaml")
    def test_the_balance_is_read(self, call):
        (balance,) = call("balance")
        assert len(balance.unit) == 3

    @pytest.mark.vcr
    @pytest.mark.default_cassette("verify.yaml")
    def test_a_code_is_started_a_wrong_one_not_approved_and_the_code_cancelled(self, call, account):
        verification = call("start_verification", account["number"], reference="cassette-verify")
        check = call("check_verification", verification, "000000")
        assert (check.approved, check.reason) == (False, "wrong-code")
        call("cancel_verification", verification)

    @pytest.mark.vcr
    @pytest.mark.default_cassette("refused.yaml")
    def test_an_invalid_number_is_refused(self, call):
        with pytest.raises(RecipientError) as raised:
            call("send", INVALID, "An unread text", reference="cassette-refused")
        assert (raised.value.code, raised.value.reason) == ("21211", "invalid-number")
