"""TwincleProvider: webhooks, in every possible form."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.errors import PayloadError, SignatureError
from smsbridge.http import HttpRequest
from smsbridge.messages import DeliveryReport, InboundMessage, Status
from smsbridge.plugins import Plugins
from smsbridge.receiving import receive
from smsbridge_twincle import TwincleProvider

SECRET = "dummy-webhook-secret"
TWINCLE = TwincleProvider(
    access_token="dummy-token-not-a-secret", base_url="https://twincle.test/api/v2/", webhook_secret=SECRET
)
BEARER = {"authorization": f"Bearer {SECRET}"}
URL = "https://us.test/hook"

REPORT = {  # the documented sample, without its trailing comma
    "id": "00000000-0000-4000-8000-000000000000:1",
    "mobile": "919876543210",
    "status": "DELIVRD",
    "credits": "2.0000",
    "units": 2,
    "deliv_at": "1701086585",
    "sent_at": "1701063180",
    "submit_at": "1701059582",
    "deliv_time": "2021-04-09 16:27:51",
    "sent_time": "2021-04-09 16:27:35",
    "submit_time": "2021-04-09 16:27:39",
    "cid": "ref-1",
    "custom": "ref-1",
}
INBOUND = {
    "event": "vmn:message:in",
    "payload": {
        "id": "our-message-id",
        "channels": [{"name": "vmn", "to": "919812345678"}],
        "recipient": {"from": "919876543210", "user": {"id": "...", "email": None, "user_info": {"picture": None}}},
        "message": {"type": "text", "payload": {"text": "hello"}},
    },
}


def as_json(data, **headers):
    body = json.dumps(data).encode()
    return HttpRequest(
        method="POST", url=URL, headers={"content-type": "application/json", **BEARER, **headers}, body=body
    )


def as_form(data):
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8", **BEARER}
    return HttpRequest(method="POST", url=URL, headers=headers, body=urlencode(data).encode())


def as_query(data, method="GET"):
    return HttpRequest(method=method, url=f"{URL}?{urlencode(data)}", headers=BEARER)


def received(webhook, provider=TWINCLE):
    """The result of `receive` for a webhook, with its hooks."""
    flow = receive(Plugins(), provider, webhook)
    try:
        step = next(flow)
        while True:
            step = flow.send(step.function(*step.args))
    except StopIteration as stop:
        return stop.value


def event(webhook):
    (found,) = received(webhook).events
    return found


# --- genuine or not -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_secret_proves_that_a_webhook_is_genuine(scheme):
    assert received(as_json(REPORT, authorization=f"{scheme} {SECRET}")).response.status == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", "Bearer wröng", f"Basic {SECRET}", SECRET],
)
@pytest.mark.parametrize("data", [REPORT, {"validation_key": "k", "challenge": "c"}])
def test_any_other_is_not_even_answered_a_handshake(authorization, data):
    with pytest.raises(SignatureError):
        received(as_json(data, authorization=authorization))


def test_without_a_configured_secret_nothing_is_believed():
    open_to_all = TwincleProvider(access_token="dummy-token", base_url="https://twincle.test/", account="otp")
    for authorization in ("Bearer ", "Bearer None", ""):
        with pytest.raises(SignatureError, match="set SMSBRIDGE_OTP_WEBHOOK_SECRET"):
            received(as_json(REPORT, authorization=authorization), open_to_all)


# --- handshake ------------------------------------------------------------------------------------------------------------


def handshake(webhook):
    found = received(webhook)
    assert found.events == ()
    assert found.response.status == 200
    assert found.response.content_type == "application/json"
    return found.response.json()


BOTH = {"validation_key": "key", "challenge": "random"}


def test_a_handshake_gets_back_both_the_key_and_the_challenge():
    asked = HttpRequest(method="POST", url=f"{URL}?token=key", headers=BEARER, body=json.dumps(BOTH).encode())
    assert handshake(asked) == BOTH


@pytest.mark.parametrize("asked", [as_json(BOTH), as_form(BOTH), as_query({"token": "key", "challenge": "random"})])
def test_a_handshake_may_come_in_any_form(asked):
    assert handshake(asked) == BOTH


def test_a_handshake_may_hold_its_key_in_the_query_alone():
    asked = {"url": f"{URL}?token=key", "headers": BEARER}
    body = json.dumps({"challenge": "random"}).encode()
    assert handshake(HttpRequest(method="POST", **asked, body=body)) == BOTH
    assert handshake(HttpRequest(method="POST", **asked)) == {"validation_key": "key"}


def test_a_report_to_a_url_with_a_token_is_no_handshake():
    webhook = HttpRequest(method="POST", url=f"{URL}?token=ours", headers=BEARER, body=json.dumps(REPORT).encode())
    assert isinstance(event(webhook), DeliveryReport)


# --- delivery reports -----------------------------------------------------------------------------------------------------


def texts(data):
    return {name: str(value) for name, value in data.items()}


@pytest.mark.parametrize(
    "webhook",
    [
        as_json(REPORT),
        as_json([REPORT]),
        as_json({"event": "sms:message:status", "payload": REPORT}),
        as_json(REPORT, **{"content-type": "text/plain"}),
        as_form(REPORT),
        as_query(REPORT),
        as_query(REPORT, "POST"),
    ],
)
def test_a_report_is_read_from_json_form_and_query_alike(webhook):
    report = event(webhook)
    assert (report.account, report.provider, report.id) == ("twincle", "twincle", REPORT["id"])
    assert (report.to, report.reference) == ("+919876543210", "ref-1")
    assert (report.status, report.final, report.code, report.reason) == (Status.DELIVERED, True, None, None)
    assert (report.segments, report.price.amount, report.price.unit) == (2, Decimal("2.0000"), "credits")
    assert report.at == datetime(2023, 11, 27, 12, 3, 5, tzinfo=UTC)
    assert texts(report.raw) == texts(REPORT)


def changed(without=(), **fields):
    return {name: value for name, value in {**REPORT, **fields}.items() if name not in without}


def test_the_id_may_be_called_message_id():
    assert event(as_json(changed(["id"], message_id="u:1"))).id == "u:1"


@pytest.mark.parametrize("without", [["cid"], ["custom"]])
def test_our_reference_may_be_called_cid_or_custom(without):
    assert event(as_json(changed(without))).reference == "ref-1"


def test_of_two_names_for_our_reference_custom_wins():
    assert event(as_json(changed(cid="theirs"))).reference == "ref-1"
    assert event(as_json(changed(custom="", cid="ref-2"))).reference == "ref-2"


def test_without_a_timestamp_the_written_time_counts():
    report = event(as_json(changed(["deliv_at"])))
    assert report.at == datetime(2021, 4, 9, 10, 57, 51, tzinfo=UTC)


@pytest.mark.parametrize("at", ["", "soon", None, "0", "99999999999", -1, {"a": 1}])
def test_a_broken_date_is_no_date(at):
    report = event(as_json(changed(deliv_at=at, deliv_time=at)))
    assert report.at is None or report.at.year > 2023


def test_a_failure_keeps_the_vendors_word_and_says_why():
    report = event(as_json(changed(status="DLT-TM-INACTIVE")))
    assert (report.status, report.code, report.reason) == (Status.REJECTED, "DLT-TM-INACTIVE", "dlt-template")


def test_a_report_that_never_came_is_unknown_and_final():
    report = event(as_json(changed(status="TIMEOUT-DLR")))
    assert (report.status, report.final) == (Status.UNKNOWN, True)


def test_an_unknown_word_is_unknown_and_not_final():
    report = event(as_json(changed(status="BRAND-NEW")))
    assert (report.status, report.final) == (Status.UNKNOWN, False)


def test_the_key_is_stable_and_tells_each_status_apart():
    assert event(as_json(REPORT)).key == event(as_form(REPORT)).key
    assert event(as_json(changed(deliv_at="1"))).key == event(as_json(REPORT)).key
    assert event(as_json(changed(status="AWAITING-DLR"))).key != event(as_json(REPORT)).key
    assert event(as_json(changed(id="u:2"))).key != event(as_json(REPORT)).key


def test_each_report_of_a_list_is_an_event():
    assert [event.id for event in received(as_json([REPORT, changed(id="u:2")])).events] == [REPORT["id"], "u:2"]


# --- inbound --------------------------------------------------------------------------------------------------------------


def test_the_documented_inbound_text_is_read():
    found = event(as_json(INBOUND))
    assert isinstance(found, InboundMessage)
    assert (found.account, found.provider, found.id, found.key) == ("twincle", "twincle", *["our-message-id"] * 2)
    assert (found.sender, found.to, found.text) == ("+919876543210", "+919812345678", "hello")
    assert found.at is None
    assert found.raw == INBOUND


COMPOSED = {"from": "919876543210", "to": "56161", "text": "STOP", "timestamp": "1701086585"}


@pytest.mark.parametrize("webhook", [as_json(COMPOSED), as_form(COMPOSED), as_query(COMPOSED)])
def test_a_composed_inbound_text_is_read(webhook):
    found = event(webhook)
    assert (found.sender, found.to, found.text) == ("+919876543210", "56161", "STOP")
    assert found.at == datetime(2023, 11, 27, 12, 3, 5, tzinfo=UTC)


def test_an_inbound_text_without_an_id_has_a_key_made_of_its_content():
    key = event(as_json(COMPOSED)).key
    assert key == event(as_form(COMPOSED)).key == event(as_json(COMPOSED)).id
    assert key == event(as_json(dict(reversed(COMPOSED.items())))).key
    assert key != event(as_json({**COMPOSED, "text": "START"})).key
    assert "919876543210" not in key


def test_an_empty_text_is_a_text():
    empty = {**INBOUND["payload"], "message": {"type": "text", "payload": {"text": ""}}}
    assert event(as_json({"event": "vmn:message:in", "payload": empty})).text == ""


# --- irrelevant or unreadable ---------------------------------------------------------------------------------------------

UNSUBSCRIBED = {
    "id": "00000000-0000-4000-8000-000000000000",
    "receiver": "919876543210",
    "type": "sender",
    "value": "SENDER",
    "created_at": "2023-07-08T12:52:54.000000Z",
    "status": "Unsubscriber created successfully",
}


@pytest.mark.parametrize("data", [UNSUBSCRIBED, {"event": "sms:unsubscription", "payload": UNSUBSCRIBED}])
def test_an_unsubscription_is_an_opt_out_in_the_vendors_words(data):
    found = event(as_json(data))
    assert (found.sender, found.to, found.text, found.taken_as) == ("+919876543210", "SENDER", "", "stop")
    assert found.at == datetime(2023, 7, 8, 12, 52, 54, tzinfo=UTC)
    assert found.key == event(as_json(data)).key != found.id


def test_an_unsubscription_from_all_names_no_sender():
    assert event(as_json({**UNSUBSCRIBED, "type": "all", "value": "all"})).to == ""


@pytest.mark.parametrize("kind", ["tag", "product", "service", "", None])
def test_an_unsubscription_from_less_than_a_sender_is_acknowledged_and_is_no_event(kind):
    found = received(as_json({**UNSUBSCRIBED, "type": kind}))
    assert (found.events, found.response.status) == ((), 200)


def test_an_unsubscription_without_its_receiver_cannot_be_read():
    with pytest.raises(PayloadError):
        received(as_json({**UNSUBSCRIBED, "receiver": ""}))
    with pytest.raises(PayloadError):
        received(as_json({"event": "sms:unsubscription", "payload": "x"}))


@pytest.mark.parametrize("id", [None, "", "00000000-0000-4000-8000-000000000000"])
def test_an_unsubscription_that_comes_again_has_the_same_key_in_whatever_order_its_fields_are(id):
    first = {**UNSUBSCRIBED, "id": id}
    again = dict(reversed(first.items()))
    assert event(as_json(first)).key == event(as_json(again)).key


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        [{}],
        [REPORT, 1],
        None,
        1,
        "text",
        {"id": "u:1"},
        {"status": "DELIVRD"},
        {"id": "", "status": "DELIVRD"},
        {"id": {"a": 1}, "status": "DELIVRD"},
        {"id": "u:1", "status": ["DELIVRD"]},
        {"event": "whatsapp:message:in", "payload": {}},
        {"event": "vmn:message:in"},
        {"event": "vmn:message:in", "payload": {"recipient": {"from": "919876543210"}}},
        {"event": "vmn:message:in", "payload": {"channels": {}, "recipient": [], "message": 1}},
        {"event": "sms:message:status", "payload": "x"},
        {"from": "919876543210", "text": None},
    ],
)
def test_an_unknown_shape_is_a_payload_error(data):
    with pytest.raises(PayloadError):
        received(as_json(data))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"id"'),
        ("application/json", b"\xff"),
        ("application/x-www-form-urlencoded", b"id=%ff"),
        ("application/x-www-form-urlencoded", "id=é".encode()),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("", b""),
    ],
)
def test_a_body_that_cannot_be_read_is_a_payload_error(content_type, body):
    with pytest.raises(PayloadError):
        received(HttpRequest(method="POST", url=URL, headers={"content-type": content_type, **BEARER}, body=body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = [*REPORT, *COMPOSED, "event", "payload", "message_id", "challenge", "receiver", "type"]
EVENTS = st.sampled_from(["vmn:message:in", "sms:message:status", "sms:unsubscription"])


@given(data=JSON | st.dictionaries(st.sampled_from(NAMES), JSON | EVENTS))
def test_any_json_is_an_event_a_handshake_or_a_payload_error(data):
    webhook = as_json(data)
    try:
        TWINCLE.handshake(webhook)
        events = TWINCLE.parse(webhook)
    except PayloadError:
        events = []
    assert all(isinstance(event, DeliveryReport | InboundMessage) and event.key for event in events)
