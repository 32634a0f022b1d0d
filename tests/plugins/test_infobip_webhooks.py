"""InfobipProvider: webhooks, and the proof that Infobip sent them."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.errors import PayloadError, SignatureError
from smsbridge.http import HttpRequest
from smsbridge.messages import DeliveryReport, InboundMessage, Status
from smsbridge.plugins import Plugins
from smsbridge.receiving import receive
from smsbridge.testing.wire import drive
from smsbridge_infobip import InfobipProvider

SECRET, PASSWORD = "dummy-webhook-secret", "dummy-webhook-password"
ACCOUNT = {"api_key": "dummy-key-not-a-secret", "base_url": "https://xxxxx.api.infobip.test/"}
SIGNED = InfobipProvider(**ACCOUNT, webhook_secret=SECRET)
BASIC = InfobipProvider(**ACCOUNT, webhook_username="user1", webhook_password=PASSWORD)
DIGESTS = {"HMAC_SHA_256": hashlib.sha256, "HMAC_SHA_384": hashlib.sha384, "HMAC_SHA_512": hashlib.sha512}

REPORT = {  # as documented for SMS API 3
    "bulkId": "BULK-ID-123-xyz",
    "price": {"pricePerMessage": 0.01, "currency": "EUR"},
    "status": {
        "groupId": 3,
        "groupName": "DELIVERED",
        "id": 5,
        "name": "DELIVERED_TO_HANDSET",
        "description": "Message delivered to handset",
    },
    "error": {
        "groupId": 0,
        "groupName": "Ok",
        "id": 0,
        "name": "NO_ERROR",
        "description": "No Error",
        "permanent": False,
    },
    "messageId": "MESSAGE-ID-123-xyz",
    "to": "41793026727",
    "sender": "InfoSMS",
    "sentAt": "2019-11-09T16:00:00.000+0000",
    "doneAt": "2019-11-09T16:00:00.000+0000",
    "messageCount": 1,
    "callbackData": "callbackData",
}
INBOUND = {  # as documented for SMS, format MO_JSON_2
    "messageId": "817790313235066447",
    "from": "385916242493",
    "to": "385921004026",
    "text": "QUIZ Correct answer is Paris",
    "cleanText": "Correct answer is Paris",
    "keyword": "QUIZ",
    "receivedAt": "2019-11-09T16:00:00.000+0000",
    "smsCount": 1,
    "price": {"pricePerMessage": 0, "currency": "EUR"},
    "callbackData": "callbackData",
}
EVENT = {  # as the SDK models it for the Messages API
    "event": "MO",
    "channel": "SMS",
    "sender": "385916242493",
    "destination": "385921004026",
    "content": [{"type": "TEXT", "text": "one", "cleanText": "one", "keyword": None}],
    "receivedAt": "2019-11-09T16:00:00.000+0000",
    "messageId": "817790313235066448",
    "pairedMessageId": None,
    "messageCount": 1,
}


def posted(body, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return HttpRequest(method="POST", url="https://us.test/sms", headers=headers, body=content)


def results(*items):
    return {"results": list(items)}


def parse(*items):
    return SIGNED.parse(posted(results(*items)))


def digest(body, secret=SECRET, algorithm="HMAC_SHA_256"):
    return hmac.new(secret.encode(), body, DIGESTS[algorithm])


def basic(credentials):
    return "Basic " + base64.b64encode(credentials.encode()).decode()


# --- the proof ------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.text("abcXYZ09!~", min_size=1), st.sampled_from(sorted(DIGESTS)))
def test_an_hmac_of_the_body_is_believed_in_every_way_of_writing_it(body, secret, algorithm):
    provider = InfobipProvider(**ACCOUNT, webhook_secret=secret, webhook_algorithm=algorithm)
    found = digest(body, secret, algorithm)
    name = algorithm.removeprefix("HMAC_").replace("_", "")
    in_base64 = base64.b64encode(found.digest()).decode()
    for signature in (
        found.hexdigest(),
        found.hexdigest().upper(),
        f"{name.lower()}={found.hexdigest()}",
        f"{name}={found.hexdigest().upper()}",
        in_base64,
        f"{name.lower()}={in_base64}",
    ):
        provider.verify(posted(body, x_hub_signature=signature))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_an_hmac_proves_no_other_body(body, other):
    signed = posted(other, x_hub_signature=digest(body).hexdigest())
    if body == other:
        SIGNED.verify(signed)
    else:
        with pytest.raises(SignatureError):
            SIGNED.verify(signed)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=100))
def test_nothing_else_in_the_header_is_believed_or_stumbled_over(garbage):
    with pytest.raises(SignatureError):
        SIGNED.verify(posted(b"{}", x_hub_signature=garbage.translate(dict.fromkeys(range(0x80, 0xA0)))))


def test_a_body_with_its_keys_in_another_order_is_another_body():
    body = json.dumps(results(REPORT)).encode()
    reordered = json.dumps(results(dict(reversed(REPORT.items())))).encode()
    assert json.loads(body) == json.loads(reordered)
    SIGNED.verify(posted(body, x_hub_signature=digest(body).hexdigest()))
    with pytest.raises(SignatureError):
        SIGNED.verify(posted(reordered, x_hub_signature=digest(body).hexdigest()))


@pytest.mark.parametrize("algorithm", ["HMAC_SHA_384", "HMAC_SHA_512"])
def test_an_hmac_of_another_algorithm_is_not_believed(algorithm):
    with pytest.raises(SignatureError):
        SIGNED.verify(posted(b"{}", x_hub_signature=digest(b"{}", algorithm=algorithm).hexdigest()))


def test_the_signature_is_looked_for_in_the_configured_header_alone():
    other = InfobipProvider(**ACCOUNT, webhook_secret=SECRET, webhook_signature_header="X-Signature")
    signature = digest(b"{}").hexdigest()
    other.verify(posted(b"{}", x_signature=signature))
    with pytest.raises(SignatureError):
        other.verify(posted(b"{}", x_hub_signature=signature))


def test_the_url_is_not_signed_so_a_proxy_may_change_it():
    signature = digest(b"{}").hexdigest()
    for url in ("https://us.test/sms", "http://10.0.0.1:8080/inside?a=1&a=2"):
        SIGNED.verify(HttpRequest(method="POST", url=url, headers={"x-hub-signature": signature}, body=b"{}"))


def test_user_name_and_password_are_believed():
    BASIC.verify(posted(b"{}", authorization=basic(f"user1:{PASSWORD}")))
    BASIC.verify(posted(b"{}", authorization=basic(f"user1:{PASSWORD}").replace("Basic", "basic")))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        basic("user1:wrong"),
        basic(f"user2:{PASSWORD}"),
        basic(f"user1:{PASSWORD} "),
        basic(PASSWORD),
        basic(":"),
        basic(f"user1:{PASSWORD}").replace("Basic", "Bearer"),
        f"Basic user1:{PASSWORD}",
        "Basic \xe9",
    ],
)
def test_other_credentials_are_refused(header):
    with pytest.raises(SignatureError):
        BASIC.verify(posted(b"{}", authorization=header))


def test_where_a_signature_is_expected_a_password_is_not_enough():
    both = InfobipProvider(**ACCOUNT, webhook_secret=SECRET, webhook_username="user1", webhook_password=PASSWORD)
    with pytest.raises(SignatureError):
        both.verify(posted(b"{}", authorization=basic(f"user1:{PASSWORD}")))
    both.verify(posted(b"{}", x_hub_signature=digest(b"{}").hexdigest()))


def test_without_anything_configured_nothing_is_believed():
    for webhook in (
        posted(b"{}"),
        posted(b"{}", authorization=basic(":"), x_hub_signature=digest(b"{}", "").hexdigest()),
    ):
        with pytest.raises(SignatureError, match="no webhook secret") as caught:
            InfobipProvider(**ACCOUNT, account="otp").verify(webhook)
        for name in ("SECRET", "USERNAME", "PASSWORD"):
            assert f"SMSBRIDGE_OTP_WEBHOOK_{name}" in str(caught.value)


# --- events ---------------------------------------------------------------------------------------------------------------


def test_a_webhook_is_answered_with_200():
    body = json.dumps(results(REPORT, INBOUND)).encode()
    received = drive(receive(Plugins(), SIGNED, posted(body, x_hub_signature=digest(body).hexdigest())))
    assert received.response.status == 200
    assert [type(event) for event in received.events] == [DeliveryReport, InboundMessage]


def test_a_report_says_what_became_of_the_text():
    [report] = parse(REPORT)
    assert (report.id, report.reference, report.to) == ("MESSAGE-ID-123-xyz", "MESSAGE-ID-123-xyz", "+41793026727")
    assert (report.status, report.final, report.segments) == (Status.DELIVERED, True, 1)
    assert report.at == datetime(2019, 11, 9, 16, tzinfo=UTC)
    assert report.raw == REPORT


def test_a_report_of_the_older_api_is_read_too():
    older = {name: value for name, value in REPORT.items() if name != "messageCount"}
    assert parse({**older, "smsCount": 2})[0].segments == 2


def test_an_indian_refusal_says_what_has_to_be_put_right():
    status = {"groupId": 5, "groupName": "REJECTED", "id": 999, "name": "REJECTED_NEW"}
    error = {"groupId": 2, "groupName": "USER_ERRORS", "id": 4129, "name": "EC_TEMPLATE_NOT_MATCHED", "permanent": True}
    [report] = parse({**REPORT, "status": status, "error": error})
    assert (report.status, report.code, report.reason) == (Status.REJECTED, "EC_TEMPLATE_NOT_MATCHED", "dlt-template")


def test_a_repeated_webhook_brings_events_with_the_same_keys():
    twice = [[event.key for event in parse(REPORT, INBOUND, EVENT)] for _ in "12"]
    assert twice[0] == twice[1]
    assert len(set(twice[0])) == 3


OPERATOR = {**REPORT, "status": {"groupId": 3, "groupName": "DELIVERED", "id": 2, "name": "DELIVERED_TO_OPERATOR"}}


@pytest.mark.parametrize(
    "other",
    [
        OPERATOR,
        {**REPORT, "messageId": "another"},
        {**REPORT, "doneAt": "2019-11-09T16:00:01.000+0000"},
        {**REPORT, "error": {**REPORT["error"], "id": 27}},
    ],
)
def test_another_report_has_another_key(other):
    first, second = parse(REPORT, other)
    assert first.key != second.key


def test_reports_out_of_order_can_be_told_apart_by_what_is_final():
    """The handset's report comes first, then the operator's: it does not undo the delivery, because it is not final."""
    first, second = parse(REPORT, OPERATOR)
    assert (first.status, first.final) == (Status.DELIVERED, True)
    assert (second.status, second.final) == (Status.SENT, False)


def test_a_report_for_an_unknown_id_is_an_event_like_any_other():
    assert parse({**REPORT, "messageId": "of-another-account"})[0].id == "of-another-account"


@pytest.mark.parametrize("item", [INBOUND, {**INBOUND, "smsCount": 3}])
def test_a_text_that_came_in_is_read(item):
    [text] = parse(item)
    assert (text.id, text.key) == ("817790313235066447", "817790313235066447")
    assert (text.sender, text.to, text.text) == ("+385916242493", "+385921004026", "QUIZ Correct answer is Paris")
    assert text.at == datetime(2019, 11, 9, 16, tzinfo=UTC)


def test_a_text_in_the_format_of_the_messages_api_is_read_too():
    [text] = parse(EVENT)
    assert (text.id, text.sender, text.to, text.text) == ("817790313235066448", "+385916242493", "+385921004026", "one")


def test_a_short_code_or_a_name_stays_as_it_is():
    [text] = parse({**INBOUND, "from": "InfoSMS", "to": "12345"})
    assert (text.sender, text.to) == ("InfoSMS", "12345")


def test_a_text_without_an_id_gets_one_that_is_the_same_each_time():
    nameless = {name: value for name, value in INBOUND.items() if name != "messageId"}
    first, second = parse(nameless, dict(reversed(nameless.items())))
    assert first.id == second.id == first.key
    assert parse({**nameless, "text": "other"})[0].id != first.id


def test_a_text_without_a_character_is_a_text():
    assert parse({**INBOUND, "text": ""})[0].text == ""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<reportResponse/>",
        b"[]",
        b"{}",
        b'{"results":{}}',
        b'{"results":[null]}',
        b'{"results":[{}]}',
        json.dumps(results(REPORT, {"messageId": "x"})).encode(),
        json.dumps(results({**REPORT, "messageId": ""})).encode(),
        json.dumps(results({**INBOUND, "from": ""})).encode(),
        json.dumps(results({**INBOUND, "text": None})).encode(),
        json.dumps(results({**EVENT, "content": []})).encode(),
        json.dumps(results({**EVENT, "event": "TYPING_STARTED"})).encode(),
    ],
)
def test_what_is_neither_a_report_nor_a_text_is_a_payload_error(body):
    with pytest.raises(PayloadError):
        SIGNED.parse(posted(body))


def test_a_webhook_without_results_brings_nothing():
    assert parse() == []
