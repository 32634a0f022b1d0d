"""TwincleProvider: one-time codes that the vendor makes, sends and checks."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from smsbridge.attempts import attempt_verification, query
from smsbridge.errors import (
    AuthenticationError,
    ContentError,
    NotFoundError,
    QueryError,
    RefusedError,
    SendError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.http import HttpResponse
from smsbridge.messages import Dlt, Message, Verification, VerificationCheck
from smsbridge_twincle import TwincleProvider

TWINCLE = TwincleProvider(
    access_token="dummy-token-not-a-secret", base_url="https://twincle.test/api/v2/", sender="ACMEIN"
)
NUMBER = "919876543210"
ID = "41379328-d3a7-4fcd-be90-d5237f911d76"
STARTED = Verification(account="twincle", provider="twincle", id=ID)

SENT_E3 = {
    "id": ID,
    "status": "sent",
    "foreign_id": None,
    "created_at": "2023-12-05 08:24:48",
    "expire_at": "2023-12-05 08:26:48",
}
SENT_E2 = {
    "id": ID,
    "status": "sent",
    "to": NUMBER,
    "reference": None,
    "created_at": "2019-01-31 14:41:48",
    "expire_at": "2019-01-31 14:43:48",
}


def message(**fields):
    return Message(**{"to": f"+{NUMBER}", "text": "", "reference": "ref-1", **fields})


def answer(data, status=200):
    return HttpResponse(status=status, body=data if isinstance(data, bytes) else json.dumps(data).encode())


def end(flow, *answers):
    """The result of the flow if its steps get these answers."""
    try:
        next(flow)
        for answer in answers:
            flow.send(answer)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the flow asks for more")


def start(response, **fields):
    return end(attempt_verification(TWINCLE, message(**fields)), response)


def request(**fields):
    return next(attempt_verification(TWINCLE, message(**fields)))


# --- start ----------------------------------------------------------------------------------------------------------------


def test_a_code_is_asked_for_as_documented():
    sent = request()
    assert (sent.method, sent.url, sent.sends) == ("POST", "https://twincle.test/api/v2/verify/send", True)
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept"] == "application/json"
    assert sent.headers["authorization"] == "Bearer dummy-token-not-a-secret"
    channel = {"name": "sms", "from": "ACMEIN", "recipient": {"to": NUMBER}}
    assert sent.json() == {"channels": [channel], "foreign_id": "ref-1"}


def test_a_template_names_the_code_in_the_vendors_way():
    assert request(text="{code} is your code").json()["payload"] == {"template": "{token} is your code"}


def test_length_and_sender_go_out():
    sent = request(sender="OTHERS", options={"twincle": {"length": 4}}).json()
    assert sent["payload"] == {"length": 4}
    assert sent["channels"][0]["from"] == "OTHERS"


def test_the_time_left_goes_out_in_seconds():
    sent = request(valid_until=datetime.now(UTC) + timedelta(seconds=90))
    assert sent.json()["payload"]["timeout"] in (89, 90)


@pytest.mark.parametrize("response", [SENT_E3, SENT_E2])
def test_the_documented_answer_is_a_code_on_its_way(response):
    started = start(answer(response))
    assert (started.account, started.provider, started.id) == ("twincle", "twincle", ID)
    assert (started.to, started.reference) == (f"+{NUMBER}", "ref-1")


def test_the_end_of_a_code_is_in_utc():
    assert start(answer(SENT_E3)).expires_at == datetime(2023, 12, 5, 2, 56, 48, tzinfo=UTC)
    assert start(answer({**SENT_E3, "expire_at": "later"})).expires_at is None


@pytest.mark.parametrize("text", ["Your code", "Your code is {token}"])
def test_a_template_without_the_code_is_refused_before_anything_leaves(text):
    with pytest.raises(ContentError):
        request(text=text)


def test_a_code_that_would_be_too_late_is_refused_before_anything_leaves():
    with pytest.raises(RefusedError) as caught:
        request(valid_until=datetime.now(UTC) - timedelta(seconds=1))
    assert caught.value.reason == "expired"


@pytest.mark.parametrize(
    "fields",
    [
        {"send_at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"dlt": Dlt(template_id="1107")},
        {"options": {"twincle": {"length": 3}}},
        {"options": {"twincle": {"length": 11}}},
        {"options": {"twincle": {"flash": True}}},
    ],
)
def test_what_a_code_cannot_express_is_refused_before_anything_leaves(fields):
    with pytest.raises(UnsupportedError):
        request(**fields)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer({"message": "Unauthenticated."}, 401), AuthenticationError),
        (answer({"status": "ERROR", "code": 422, "message": "Missing receipent.", "data": []}, 422), RefusedError),
        (answer({"error": {"to": ["The to field is required."]}}, 422), RefusedError),
        (answer({"id": ID, "status": "failed"}), RefusedError),
        (answer({**SENT_E3, "status": "brand new"}), UncertainError),
        (answer({**SENT_E3, "id": ""}), UncertainError),
        (answer({**SENT_E2, "to": "919812345678"}), UncertainError),
        (answer({**SENT_E3, "code": 500}), UncertainError),
        (answer(b"", 502), UncertainError),
        (answer(b"sent"), UncertainError),
    ],
)
def test_a_failed_start_is_refused_or_uncertain(response, kind):
    with pytest.raises(SendError) as caught:
        start(response)
    assert isinstance(caught.value, kind)


# --- check ----------------------------------------------------------------------------------------------------------------


def check(response, code="123456", of=STARTED):
    return end(query(TWINCLE, lambda: TWINCLE.check_verification(of, code)), response)


def test_a_code_is_checked_as_documented():
    asked = next(TWINCLE.check_verification(STARTED, " 123456\n"))
    assert (asked.method, asked.sends) == ("GET", False)
    assert asked.url == f"https://twincle.test/api/v2/verify/check/{ID}/123456"
    assert asked.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("failed", "unknown"),
        ("expired", "expired"),
        ("invalid", "wrong-code"),
        ("OTP already verified", "used"),
        ("Invalid", "wrong-code"),
        ("brand new", "brand new"),
        ("OK", "OK"),
        (200, "200"),
    ],
)
def test_only_success_approves_although_every_answer_is_http_200(status, reason):
    assert check(answer({"id": ID, "status": status})) == VerificationCheck(approved=False, reason=reason)


@pytest.mark.parametrize("status", ["success", "Success"])
def test_success_approves(status):
    assert check(answer({"id": ID, "status": status})) == VerificationCheck(approved=True)


@pytest.mark.parametrize(
    "response",
    [
        answer({"id": ID, "status": "success"}, 401),
        answer({"id": ID, "status": "success"}, 500),
        answer({"id": ID, "status": "success", "code": 422}),
        answer({"id": "of another account", "status": "success"}),
        answer({"id": ID}),
        answer({"id": ID, "status": None}),
        answer({"id": ID, "status": True}),
        answer(["success"]),
        answer(b"success"),
        answer(b"<html>login: success</html>"),
    ],
)
def test_what_is_no_plain_success_never_approves(response):
    with pytest.raises(QueryError):
        check(response)


@pytest.mark.parametrize("code", ["", " ", "12 34", "../x", "..", "1/2", "1?2", "%31", "١٢٣٤", "12345\x00", "1" * 33])
def test_what_cannot_be_a_code_is_wrong_and_goes_nowhere(code):
    with pytest.raises(StopIteration) as stop:
        next(TWINCLE.check_verification(STARTED, code))
    assert stop.value.value == VerificationCheck(approved=False, reason="wrong-code")


def test_an_id_cannot_leave_its_place_in_the_path():
    odd = Verification(account="twincle", provider="twincle", id="a/../b?c#d %")
    path = urlsplit(next(TWINCLE.check_verification(odd, "1")).url).path
    assert path == "/api/v2/verify/check/a%2F..%2Fb%3Fc%23d%20%25/1"


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_that_is_none_is_unknown_and_goes_nowhere(id):
    unaddressed = Verification(account="twincle", provider="twincle", id=id)
    with pytest.raises(StopIteration) as stop:
        next(TWINCLE.check_verification(unaddressed, "123456"))
    assert stop.value.value == VerificationCheck(approved=False, reason="unknown")
    with pytest.raises(NotFoundError):
        next(TWINCLE.cancel_verification(unaddressed))


# --- cancel ---------------------------------------------------------------------------------------------------------------


def cancel(response):
    return end(query(TWINCLE, lambda: TWINCLE.cancel_verification(STARTED)), response)


def test_a_code_is_cancelled_as_documented():
    assert next(TWINCLE.cancel_verification(STARTED)).url == f"https://twincle.test/api/v2/verify/cancel/{ID}"
    assert cancel(answer({"id": ID, "status": "success"})) is None


def test_an_unknown_code_cannot_be_cancelled():
    with pytest.raises(NotFoundError):
        cancel(answer({"id": ID, "status": "failed"}))


@pytest.mark.parametrize("response", [answer({"id": ID, "status": "expired"}), answer({}), answer(b"", 500)])
def test_what_is_no_success_is_no_cancellation(response):
    with pytest.raises(QueryError):
        cancel(response)
