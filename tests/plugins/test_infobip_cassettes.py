# ruff: noqa: RUF012  # Recordings keeps its settings in class attributes
"""Infobip's recordings; see cassettes/README.md for their source, and how to record them again."""

import re
from decimal import Decimal

import pytest

from recordings import Example, Recordings
from smsbridge import ContentError, Message, Status
from smsbridge_infobip import InfobipProvider

PIN, BULK = "9C817C6F8AF3D48F9FE553282AFA2B67", "2034072219640523072"


class TestInfobip(Recordings):
    provider_class = InfobipProvider
    secret = "api_key"
    public = {
        "base_url": "https://infobip.invalid/",
        "api_key": "FAKE-KEY-DO-NOT-USE",
        "sender": "SENDER",
        "application_id": "APPLICATION",
        "message_id": "TEMPLATE",
        "number": "+41793026727",
        "run": "RUN",
    }
    fresh = ("run",)  # Infobip refuses an id that it has seen, so each recording needs a new id
    words = ((re.compile(r'("balance": ?)-?[\d.]+'), r"\g<1>47.79134"),)
    text = {**Recordings.text, "reference": "cassette-send-RUN"}

    # --- the examples of Infobip's OpenAPI specification, filled with values of the request

    def documented(self, request):
        if request.url == "/sms/3/messages":
            data = {"bulkId": BULK, "messages": [*self.rows(request.json())]}
            return Example("send-sms-messages 200", data)
        if request.url == "/2fa/2/pin":
            started = {"pinId": PIN, "to": request.json()["to"]}
            started |= {"ncStatus": "NC_DESTINATION_REACHABLE", "smsStatus": "MESSAGE_SENT"}
            return Example("send-2fa-pin-code-over-sms 200", started)
        if request.url == f"/2fa/2/pin/{PIN}/verify":
            checked = {"pinId": PIN, "msisdn": self.public["number"][1:], "verified": False}
            checked |= {"attemptsRemaining": 2, "pinError": "WRONG_PIN"}
            return Example("VerifyPinResponse (a schema: the only example is of a right code)", checked)
        if request.url == "/account/1/balance":
            balance = {"balance": 47.79134, "currency": "EUR"}
            return Example("AccountBalance (a schema without an example)", balance)
        wanted = dict(request.query)["messageId"]
        entry = {
            "sender": "SENDER",
            "destination": self.public["number"][1:],
            "bulkId": BULK,
            "messageId": wanted,
            "sentAt": "2019-11-09T16:00:00.000+0000",
            "doneAt": "2019-11-09T16:00:00.000+0000",
            "messageCount": 1,
            "price": {"pricePerMessage": 0.01, "currency": "EUR"},
            "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"},
            "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False},
        }
        return Example("get-outbound-sms-message-logs 200", {"results": [] if "never" in wanted else [entry]})

    def rows(self, asked):
        accepted = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"}
        too_long = {"groupId": 5, "groupName": "REJECTED", "id": 25, "name": "REJECTED_MESSAGE_TOO_LONG"}
        for message in asked["messages"]:
            for to in message["destinations"]:
                yield {
                    "messageId": to["messageId"],
                    "status": too_long if len(message["content"]["text"].encode()) > 4000 else accepted,
                    "destination": to["to"],
                    "details": {"messageCount": 1},
                }

    # --- recordings ---------

    @pytest.mark.vcr
    @pytest.mark.default_cassette("send.yaml")
    def test_a_text_is_sent(self, call, account):
        reference = f"cassette-send-{account['run']}"
        sent = call("send", account["number"], **{**self.text, "reference": reference})
        assert (sent.provider, sent.id, sent.reference, sent.segments) == ("infobip", reference, reference, 1)
        assert sent.status is Status.QUEUED

    @pytest.mark.vcr
    @pytest.mark.default_cassette("send_many.yaml")
    def test_many_texts_go_out_in_one_request(self, call, account):
        messages = [
            Message(to=account["number"], text=f"Text {n}", reference=f"cassette-many-{n}-{account['run']}")
            for n in range(3)
        ]
        results = sorted(call("send_many", messages), key=lambda result: result.index)
        assert [result.sent.id for result in results] == [message.reference for message in messages]

    @pytest.mark.vcr
    @pytest.mark.default_cassette("status.yaml")
    def test_a_text_is_followed_by_its_id_and_found_by_its_reference(self, call, account):
        sent = call("send", account["number"], "Followed", reference=f"cassette-status-{account['run']}")
        assert call("status", sent).id == sent.id
        assert call("lookup", sent.reference).id == sent.id
        assert call("lookup", f"cassette-never-{account['run']}") is None

    @pytest.mark.vcr
    @pytest.mark.default_cassette("balance.yaml")
    def test_the_balance_is_read(self, call):
        [balance] = call("balance")
        assert isinstance(balance.amount, Decimal)

    @pytest.mark.vcr
    @pytest.mark.default_cassette("verify.yaml")
    def test_a_code_is_started_and_a_wrong_one_is_not_approved(self, call, account):
        verification = call("start_verification", account["number"], reference="cassette-verify")
        check = call("check_verification", verification, "000000")
        assert (check.approved, check.reason) == (False, "wrong-code")

    @pytest.mark.vcr
    @pytest.mark.default_cassette("refused.yaml")
    def test_a_text_that_is_longer_than_allowed_is_refused_inside_a_200(self, call, account):
        with pytest.raises(ContentError) as raised:
            call("send", account["number"], "x" * 4001, reference=f"cassette-refused-{account['run']}")
        assert raised.value.code == "REJECTED_MESSAGE_TOO_LONG"

    def test_the_money_of_a_maintainer_is_not_kept(self):
        kept = self.scrubber(self.public).text('{"balance":1234.5,"currency":"EUR"}')
        assert kept == '{"balance":47.79134,"currency":"EUR"}'
