# ruff: noqa: RUF012  # Recordings keeps its settings in class attributes
"""Twincle's recordings; see cassettes/README.md for their source, and how to record them again."""

from contextlib import contextmanager

import pytest

from recordings import Recordings
from smsbridge import Message, SendError, Status
from smsbridge_twincle import TwincleProvider


class TestTwincle(Recordings):
    provider_class = TwincleProvider
    secret = "access_token"
    public = {
        "base_url": "https://twincle.invalid/api/v2/",
        "access_token": "FAKE-TOKEN-DO-NOT-USE",
        "sender": "SENDER",
        "number": "+919000000100",
    }

    @contextmanager
    def stand_in(self):
        from smsbridge_twincle.sandbox import Sandbox

        with Sandbox(token="sandbox-token") as sandbox:
            yield {"base_url": sandbox.base_url, "access_token": "sandbox-token"}

    @pytest.mark.vcr
    @pytest.mark.default_cassette("send.yaml")
    def test_a_text_is_sent(self, call, account):
        sent = call("send", account["number"], **self.text)
        assert (sent.provider, sent.reference, sent.status) == ("twincle", "cassette-send", Status.QUEUED)
        assert sent.id
        assert sent.segments == 1

    @pytest.mark.vcr
    @pytest.mark.default_cassette("send_many.yaml")
    def test_many_texts_go_out_in_one_request(self, call, account):
        messages = [Message(to=account["number"], text=f"Text {n}", reference=f"cassette-many-{n}") for n in range(3)]
        results = sorted(call("send_many", messages), key=lambda result: result.index)
        assert [result.sent.reference for result in results] == [message.reference for message in messages]

    @pytest.mark.vcr
    @pytest.mark.default_cassette("status.yaml")
    def test_a_text_is_followed_by_its_id_and_found_by_its_reference(self, call, account):
        sent = call("send", account["number"], "Followed", reference="cassette-status")
        assert call("status", sent).id == sent.id
        assert call("lookup", "cassette-status").id == sent.id
        assert call("lookup", "cassette-never-sent") is None

    @pytest.mark.vcr
    @pytest.mark.default_cassette("balance.yaml")
    def test_the_balance_is_read(self, call):
        assert call("balance")

    @pytest.mark.vcr
    @pytest.mark.default_cassette("verify.yaml")
    def test_a_code_is_started_and_a_wrong_one_is_not_approved(self, call, account):
        verification = call("start_verification", account["number"], reference="cassette-verify")
        check = call("check_verification", verification, "000000")
        assert (check.approved, check.reason) == (False, "wrong-code")

    @pytest.mark.vcr
    @pytest.mark.default_cassette("refused.yaml")
    def test_a_text_that_is_longer_than_allowed_is_refused(self, call, account):
        one_unit = {"twincle": {"max_units": 1}}
        with pytest.raises(SendError) as raised:
            call("send", account["number"], "x" * 5000, reference="cassette-refused", options=one_unit)
        assert raised.value.reason == "too-long"
