"""PlivoProvider: settings, requests for texts and codes, the meaning of each answer, and webhooks."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsbridge import (
    AuthenticationError,
    ConfigurationError,
    ContentError,
    DeliveryReport,
    Dlt,
    FundsError,
    HttpRequest,
    HttpResponse,
    Message,
    Money,
    NotFoundError,
    PayloadError,
    Purpose,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    SignatureError,
    Status,
    UncertainError,
    UnsupportedError,
    Verification,
)
from smsbridge.attempts import attempt, attempt_verification, query
from smsbridge.plugins import Plugins
from smsbridge.provider import Capability
from smsbridge.receiving import receive
from smsbridge.testing import FakeWire, drive
from smsbridge_plivo import PlivoOptions, PlivoProvider, PlivoVerificationOptions, vocabulary

README = Path(__file__).parents[2] / "plugins" / "plivo" / "README.md"
AUTH_ID, TOKEN = "MA2025RK4E639VJFZAGV", "dummy-token-not-a-secret"
NUMBER = "919876543210"
ID = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"
NOW = datetime(2026, 7, 13, 13, 4, 6, tzinfo=UTC)
HOME = f"https://api.plivo.com/v1/Account/{AUTH_ID}/"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr("smsbridge.reading.now", lambda: NOW)


def provider(**given):
    return PlivoProvider(**{"auth_id": AUTH_ID, "auth_token": TOKEN, "sender": "ACMEIN", **given})


def message(**fields):
    return Message(**{"to": f"+{NUMBER}", "text": "Hello", "reference": "ref-1", **fields})


def answer(data, status=202):
    return HttpResponse.of_json(data, status=status)


def queued(*ids, **more):
    return answer({"message": "message(s) queued", "message_uuid": list(ids), "api_id": "1", **more})


def error(words, status=400):
    return answer({"api_id": "1", "error": words}, status)


def asked(plivo, text=None):
    """The only request of a send."""
    wire = FakeWire(queued(ID))
    drive(attempt(plivo, text or message()), wire)
    (request,) = wire.requests
    return request


def body(plivo, text=None):
    return json.loads(asked(plivo, text).body)


def outcome(response, flow=None):
    """The outcome if ``response`` answers a text: the error, or the sent message."""
    try:
        return drive(flow or attempt(provider(), message()), response)
    except Exception as refusal:  # noqa: BLE001  # the tests look at it
        return refusal


# --- settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"auth_token": ""}, "AUTH_TOKEN"),
        ({"auth_token": "  "}, "AUTH_TOKEN"),
        ({"auth_token": "two words"}, "AUTH_TOKEN"),
        ({"auth_id": "../SA1"}, "AUTH_ID"),
        ({"powerpack_uuid": "p-1"}, "sender and powerpack_uuid exclude each other"),
        ({"callback_url": "ftp://app.example/"}, "CALLBACK_URL"),
        ({"callback_url": "https://app.example/#ct=2000"}, "CALLBACK_URL"),
        ({"callback_url": "https://app.example/?reference=1"}, "CALLBACK_URL"),
        ({"callback_url": "https://user:pass@app.example/"}, "CALLBACK_URL"),
        ({"callback_url": "https://äpp.example/"}, "CALLBACK_URL"),
        ({"callback_url": "https://[app.example/"}, "CALLBACK_URL"),
        ({"base_url": "https://api.plivo.com/v1/?x=1"}, "BASE_URL"),
        ({"base_url": "api.plivo.com"}, "BASE_URL"),
        ({"base_url": "https://api.plivo.com:0/v1/"}, "BASE_URL"),
        ({"template_category": "otp"}, "TEMPLATE_CATEGORY"),
        ({"currency": "usd"}, "CURRENCY"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(given, variable):
    with pytest.raises(ConfigurationError, match=variable):
        provider(**given)


def test_it_can_do_what_it_says():
    assert provider().capabilities == {
        Capability.STATUS,
        Capability.BALANCE,
        Capability.VERIFICATION,
        Capability.WEBHOOKS,
    }


# --- requests -------------------------------------------------------------------------------------------------------------


def test_a_text_goes_out_as_json_with_basic_authentication():
    request = asked(provider(), message(text="Grüße, ₹ 100 <b> 📦"))
    assert (request.method, request.url, request.sends) == ("POST", f"{HOME}Message/", True)
    credentials = base64.b64encode(f"{AUTH_ID}:{TOKEN}".encode()).decode()
    assert request.headers["authorization"] == f"Basic {credentials}"
    assert json.loads(request.body) == {
        "src": "ACMEIN",
        "dst": NUMBER,
        "text": "Grüße, ₹ 100 <b> 📦",
        "type": "sms",
    }


@pytest.mark.parametrize("base_url", ["https://proxy.example/v1", "https://proxy.example/v1/"])
def test_the_base_url_can_be_another(base_url):
    assert asked(provider(base_url=base_url)).url == f"https://proxy.example/v1/Account/{AUTH_ID}/Message/"


@pytest.mark.parametrize(
    ("given", "sender", "src"),
    [
        ({}, None, "ACMEIN"),
        ({}, "OTHER1", "OTHER1"),
        ({}, "+1 (415) 765-4321", "14157654321"),
        ({}, "14157654321", "14157654321"),
        ({"sender": None, "powerpack_uuid": "p-1"}, "OTHER1", "OTHER1"),
        ({"sender": None, "powerpack_uuid": "p-1"}, None, None),
    ],
)
def test_the_sender_is_the_messages_or_the_settings_or_the_powerpack_chooses(given, sender, src):
    sent = body(provider(**given), message(sender=sender))
    assert sent.get("src") == src
    assert ("powerpack_uuid" in sent) == (src is None)


@pytest.mark.parametrize("sender", ["ACME-IN", "ACME IN", "Äcme", "+", "1415<1416"])
def test_a_sender_that_plivo_would_change_is_refused(sender):
    wire = FakeWire()
    assert isinstance(outcome(wire, attempt(provider(), message(sender=sender))), SenderError)
    assert not wire.requests


def test_a_text_without_any_sender_is_refused():
    refusal = outcome(FakeWire(), attempt(provider(sender=None), message()))
    assert (type(refusal), refusal.reason) == (SenderError, "missing")


# --- the reference, in the callback URL -----------------------------------------------------------------------------------


@given(reference=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=80))
@settings(deadline=None, max_examples=30)
def test_the_reference_rides_in_the_query_of_the_callback_and_comes_back(reference):
    plivo = provider(callback_url="https://app.example/plivo?account=1")
    sent = body(plivo, message(reference=reference))
    assert sent["method"] == "POST"
    assert dict(parse_qsl(urlsplit(sent["url"]).query)) == {"account": "1", "reference": reference}
    (event,) = plivo.parse(form({"MessageUUID": ID, "Status": "sent"}, url=sent["url"]))
    assert event.reference == reference


@pytest.mark.parametrize("reference", ["ä", "order\n7", "नमस्ते", "\x7f"])
def test_a_reference_that_might_not_come_back_is_refused(reference):
    wire = FakeWire()
    flow = attempt(provider(callback_url="https://app.example/plivo"), message(reference=reference))
    assert isinstance(outcome(wire, flow), UnsupportedError)
    assert not wire.requests


def test_without_a_callback_any_reference_stays_with_us():
    assert outcome(queued(ID), attempt(provider(), message(reference="नमस्ते"))).reference == "नमस्ते"


# --- dlt ------------------------------------------------------------------------------------------------------------------

BY_PURPOSE = {
    Purpose.OTP: "service_implicit",
    Purpose.TRANSACTIONAL: "transactional",
    Purpose.SERVICE: "service_implicit",
    Purpose.PROMOTIONAL: "promotional",
}


def dlt(sent):
    return {name.removeprefix("dlt_"): value for name, value in sent.items() if name.startswith("dlt_")}


@pytest.mark.parametrize("purpose", Purpose)
def test_dlt_ids_bring_the_category_of_the_purpose(purpose):
    ids = Dlt(entity_id="1101", template_id="1107")
    expected = {"entity_id": "1101", "template_id": "1107", "template_category": BY_PURPOSE[purpose]}
    assert dlt(body(provider(), message(dlt=ids, purpose=purpose))) == expected


def test_without_dlt_ids_there_is_no_category():
    assert dlt(body(provider(template_category="promotional"), message(purpose=Purpose.PROMOTIONAL))) == {}


def test_each_dlt_id_of_a_message_wins_over_its_setting_and_the_option_over_the_category():
    plivo = provider(entity_id="1101", template_id="1107", template_category="promotional")
    assert dlt(body(plivo)) == {"entity_id": "1101", "template_id": "1107", "template_category": "promotional"}
    text = message(dlt=Dlt(template_id="1108"), options={"plivo": {"template_category": "service_explicit"}})
    expected = {"entity_id": "1101", "template_id": "1108", "template_category": "service_explicit"}
    assert dlt(body(plivo, text)) == expected


# --- validity -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "expiry"),
    [
        (timedelta(seconds=5), 5),
        (timedelta(seconds=90, milliseconds=999), 90),
        (timedelta(seconds=10_799), 10_799),
        (timedelta(seconds=10_800), None),  # Plivo's own limit is earlier
        (timedelta(days=2), None),
    ],
)
def test_a_text_waits_at_plivo_no_longer_than_it_is_of_use(left, expiry):
    assert body(provider(), message(valid_until=NOW + left)).get("message_expiry") == expiry


@pytest.mark.parametrize("left", [timedelta(seconds=4.9), timedelta(0), timedelta(days=-1)])
def test_a_text_that_is_of_no_use_before_plivo_could_be_told_is_refused(left):
    wire = FakeWire()
    refusal = outcome(wire, attempt(provider(), message(valid_until=NOW + left)))
    assert (type(refusal), refusal.reason) == (RefusedError, "expired")
    assert not wire.requests


def test_a_scheduled_text_is_refused_because_it_would_go_now():
    assert isinstance(
        outcome(FakeWire(), attempt(provider(), message(send_at=NOW + timedelta(hours=1)))), UnsupportedError
    )


def test_options_go_out_as_they_are():
    text = message(options={"plivo": {"log": "number_only", "trackable": False}})
    sent = body(provider(), text)
    assert (sent["log"], sent["trackable"]) == ("number_only", False)


# --- answers --------------------------------------------------------------------------------------------------------------


def test_one_id_is_an_accepted_text():
    sent = outcome(queued(ID))
    assert (sent.id, sent.to, sent.reference, sent.status) == (ID, f"+{NUMBER}", "ref-1", Status.QUEUED)
    assert sent.raw["api_id"] == "1"


REFUSED_IN_A_SUCCESS = [
    (queued(invalid_number=[NUMBER]), RecipientError, "invalid-number"),
    (queued(invalid_number=[f"+{NUMBER}"]), RecipientError, "invalid-number"),
    (queued(invalid_number=[int(NUMBER)]), RecipientError, "invalid-number"),
    (answer({"error": "Insufficient Credit"}, 200), FundsError, "no-credit"),
]


@pytest.mark.parametrize(("response", "kind", "reason"), REFUSED_IN_A_SUCCESS)
def test_a_success_can_say_no(response, kind, reason):
    refusal = outcome(response)
    assert (type(refusal), refusal.reason) == (kind, reason)


UNCERTAIN = {
    "no id": queued(),
    "two ids for one text": queued(ID, "another"),
    "an id that is empty": queued(" "),
    "an id that is none": queued(None),
    "an id beside a list": answer({"message_uuid": ID}),
    "an id, and its number is invalid": queued(ID, invalid_number=[NUMBER]),
    "an id, and an error": queued(ID, error="Insufficient Credit"),
    "no id, and another number is invalid": queued(invalid_number=["14155555555"]),
    "no id, and invalid numbers in no list": queued(invalid_number=NUMBER),
    "an unknown error": answer({"error": "something else"}, 200),
    "nothing": answer({}),
    "a server error that speaks of credit": error("Insufficient Credit", 500),
    "a time-out of a proxy": error("Insufficient Credit", 408),
    "a redirect that comes after the deed": HttpResponse(status=303),
}


@pytest.mark.parametrize("response", UNCERTAIN.values(), ids=UNCERTAIN)
def test_whatever_does_not_certainly_say_yes_or_no_is_uncertain(response):
    assert isinstance(outcome(response), UncertainError)


BY_TEXT = [  # typed from Plivo's support pages and its issue tracker, not from our table
    (error("Insufficient Credit"), FundsError, "no-credit", "account"),
    (error("insufficient credit", 403), FundsError, "no-credit", "account"),
    (error("insufficient credit", 402), FundsError, "no-credit", "account"),
    (error("top up", 402), FundsError, None, "account"),
    (error("this caller ID is not allowed for outbound message"), SenderError, "sender", "account"),
    (error(f"'{NUMBER}' is not a valid phone number."), RecipientError, "invalid-number", "message"),
    (error("'1111111' is not a valid phone number."), RefusedError, None, "message"),  # perhaps the sender
    (error("Message too long"), ContentError, "too-long", "message"),
    (error("message_expiry should be between 5 and 10799"), RefusedError, None, "message"),
    (error("Insufficient Credit", 401), AuthenticationError, None, "account"),
    (error("Insufficient Credit", 429), RateLimitedError, None, "account"),
    (error("no", 403), RefusedError, "country-blocked", "account"),
    (HttpResponse(status=403, body=b"<html>"), AuthenticationError, None, "account"),
    (error("not found", 404), RefusedError, None, "account"),
    (error(["a", "list"], 400), RefusedError, None, "message"),
]


@pytest.mark.parametrize(("response", "kind", "reason", "fault"), BY_TEXT)
def test_a_refusal_is_told_by_its_status_and_then_by_its_words(response, kind, reason, fault):
    refusal = outcome(response)
    assert (type(refusal), refusal.reason, refusal.fault) == (kind, reason, fault)
    assert refusal.code == str(response.status)


def test_what_plivo_said_is_kept_with_the_number_masked():
    refusal = outcome(error("'919876543210' is not a valid phone number. Use E.164."))
    assert refusal.detail == "'***' is not a valid phone number. Use E.164."


# --- statuses -------------------------------------------------------------------------------------------------------------


def sent(id=ID):
    return provider().accepted(message(), id=id)


def report(**fields):
    given = {"message_uuid": ID, "message_state": "delivered", "to_number": NUMBER, **fields}
    return drive(query(provider(), lambda: provider().status(sent())), answer(given, 200))


def test_a_status_is_asked_for_by_id():
    wire = FakeWire(answer({"message_uuid": "a/b?c", "message_state": "sent"}, 200))
    drive(provider().status(sent("a/b?c")), wire)
    assert (wire.requests[0].method, wire.requests[0].url) == ("GET", f"{HOME}Message/a%2Fb%3Fc/")


def test_a_status_is_read_as_documented():
    found = report(
        error_code="000",
        message_time="2021-07-13 13:04:06.799021+05:30",
        message_sent_time="2021-07-13 13:04:07+05:30",
        total_amount="0.00140",
        total_rate="0.00140",
        units=1,
    )
    assert found == DeliveryReport(
        account="plivo",
        provider="plivo",
        id=ID,
        to=f"+{NUMBER}",
        reference="ref-1",
        status=Status.DELIVERED,
        final=True,
        at=datetime(2021, 7, 13, 7, 34, 7, tzinfo=UTC),
        segments=1,
        price=Money(amount=Decimal("0.00140"), unit="USD"),
        key=f"{ID}//delivered",
        raw=found.raw,
    )


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_that_leads_elsewhere_is_not_found_without_asking(id):
    with pytest.raises(NotFoundError):
        drive(provider().status(sent(id)), FakeWire())


def test_the_report_of_another_text_is_not_taken_for_ours():
    with pytest.raises(UncertainError):
        drive(provider().status(sent()), answer({"message_uuid": "another", "message_state": "delivered"}, 200))


def test_a_404_that_is_not_plivos_says_nothing_about_the_text():
    page = HttpResponse(status=404, body=b"<html>nothing here</html>")
    refusal = outcome(page, query(provider(), lambda: provider().status(sent())))
    assert not isinstance(refusal, NotFoundError)
    assert "base URL" in refusal.detail


STATES = {  # typed from the documentation, not from our table
    "queued": ("queued", False),
    "sent": ("sent", False),
    "delivered": ("delivered", True),
    "read": ("delivered", True),
    "undelivered": ("undelivered", True),
    "failed": ("failed", True),
    "rejected": ("rejected", True),
    "DELIVERED": ("delivered", True),
    "received": ("unknown", False),
    "": ("unknown", False),
}
CODES = {  # the same, from the list of codes and the pages about 450 and 900
    "10": ("content", "failed"),
    "20": ("network", "failed"),
    "30": ("spam", "failed"),
    "40": ("sender", "failed"),
    "50": ("invalid-number", "failed"),
    "60": ("loop", "failed"),
    "70": ("unknown-subscriber", "failed"),
    "80": ("absent", "failed"),
    "90": ("no-route", "failed"),
    "100": ("barred", "failed"),
    "110": ("too-long", "failed"),
    "200": ("opted-out", "rejected"),
    "201": ("sender", "rejected"),
    "300": ("dispatch", "failed"),
    "420": ("expired", "expired"),
    "450": ("country-blocked", "rejected"),
    "900": ("no-credit", "rejected"),
    "910": ("no-account", "rejected"),
    "1000": ("unknown", "failed"),
}


def test_the_tables_are_the_documented_ones():
    assert vocabulary.CODES.keys() == CODES.keys()
    assert vocabulary.STATES.keys() == {word for word, meaning in STATES.items() if meaning[0] != "unknown"} - {
        "DELIVERED"
    }


@pytest.mark.parametrize("word", STATES)
def test_a_state_means_what_plivo_says(word):
    assert (report(message_state=word).status, report(message_state=word).final) == STATES[word]


@pytest.mark.parametrize("code", CODES)
def test_a_code_explains_a_failure_and_nothing_else(code):
    failed = report(message_state="failed", error_code=code)
    assert (failed.code, failed.reason, failed.status) == (code, *CODES[code])
    fine = report(message_state="delivered", error_code=code)
    assert (fine.code, fine.reason, fine.status) == (code, None, Status.DELIVERED)


@pytest.mark.parametrize(
    ("word", "code", "reason"), [("undelivered", "80", "absent"), ("rejected", "900", "no-credit")]
)
def test_a_code_explains_what_the_network_or_plivo_refused_too(word, code, reason):
    assert (report(message_state=word, error_code=code).reason, report(message_state=word).reason) == (reason, None)


def test_an_unknown_code_is_kept():
    failed = report(message_state="undelivered", error_code=777)
    assert (failed.code, failed.reason, failed.status) == ("777", None, Status.UNDELIVERED)


# --- the balance ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("credits", "amount"), [("1.80900", "1.80900"), ("-3.5", "-3.5"), (12, "12"), (0.25, "0.25")])
def test_the_balance_is_exact_in_the_currency_of_the_account(credits, amount):
    wire = FakeWire(answer({"cash_credits": credits}, 200))
    (balance,) = drive(provider(currency="INR").balance(), wire)
    assert (wire.requests[0].url, balance.service) == (HOME, "cash")
    assert (str(balance.amount), balance.unit) == (amount, "INR")


@pytest.mark.parametrize("credits", [None, "", "a lot", "NaN", [], {}, True])
def test_a_balance_that_cannot_be_read_is_no_balance(credits):
    with pytest.raises(UncertainError):
        drive(provider().balance(), answer({"cash_credits": credits}, 200))


# --- one-time codes -------------------------------------------------------------------------------------------------------

CODE = Message(to=f"+{NUMBER}", text="", reference="ref-1", purpose=Purpose.OTP)
STARTED = answer({"api_id": "1", "message": "Session initiated", "session_uuid": "s-1"})
SESSION = Verification(account="plivo", provider="plivo", id="s-1")


def test_a_code_is_asked_for():
    wire = FakeWire(STARTED)
    text = replace(CODE, options={"plivo": {"locale": "fr_FR", "code_length": 8}})
    verification = drive(attempt_verification(provider(verify_app_uuid="app-1"), text), wire)
    assert (verification.id, verification.to, verification.reference) == ("s-1", f"+{NUMBER}", "ref-1")
    (request,) = wire.requests
    assert (request.method, request.url, request.sends) == ("POST", f"{HOME}Verify/Session/", True)
    expected = {"app_uuid": "app-1", "recipient": NUMBER, "channel": "sms", "locale": "fr_FR", "code_length": 8}
    assert json.loads(request.body) == expected


def test_a_text_for_a_code_is_refused_because_the_application_holds_it():
    flow = attempt_verification(provider(), replace(CODE, text="Your code is {code}"))
    assert isinstance(outcome(FakeWire(), flow), UnsupportedError)


@pytest.mark.parametrize(
    "data", [{}, {"session_uuid": ""}, {"session_uuid": 7}, {"session_uuid": "s-1", "error": "no"}]
)
def test_a_start_without_a_session_is_uncertain(data):
    assert isinstance(outcome(answer(data), attempt_verification(provider(), CODE)), UncertainError)


def test_a_code_to_a_country_that_is_not_permitted_is_refused():
    refusal = outcome(error("no", 403), attempt_verification(provider(), CODE))
    assert (type(refusal), refusal.reason) == (RefusedError, "country-blocked")


def checked(response, code="123456"):
    check = drive(provider().check_verification(SESSION, code), response)
    return check.approved, check.reason


CHECKS = [  # only the first is documented
    (answer({"message": "session validated successfully."}, 200), True, None),
    (answer({"message": "Session validated successfully"}, 200), True, None),
    (answer({"message": "No session validated successfully"}, 200), False, "wrong-code"),
    (answer({"message": "The passcode entered is incorrect."}, 200), False, "wrong-code"),
    (answer({"message": "session validated successfully.", "error": "no"}, 200), False, "wrong-code"),
    (error("invalid otp"), False, "wrong-code"),
    (error("Session has expired", 404), False, "expired"),
    (error("session already verified", 409), False, "used"),
    (error("session not found", 404), False, "unknown"),
    (error("Maximum validation attempts exhausted"), False, "too-many-attempts"),
]


@pytest.mark.parametrize(("response", "approved", "reason"), CHECKS)
def test_only_the_documented_words_approve_a_code(response, approved, reason):
    assert checked(response) == (approved, reason)


def test_a_code_is_checked_by_its_session():
    wire = FakeWire(CHECKS[0][0])
    assert checked(wire, " 123456 ") == (True, None)
    (request,) = wire.requests
    assert (request.method, request.url, request.sends) == ("POST", f"{HOME}Verify/Session/s-1/", False)
    assert json.loads(request.body) == {"otp": "123456"}


@pytest.mark.parametrize(
    ("id", "code", "reason"), [("s-1", "", "wrong-code"), ("s-1", " ", "wrong-code"), ("..", "1", "unknown")]
)
def test_what_cannot_be_right_costs_none_of_the_ten_guesses(id, code, reason):
    check = drive(provider().check_verification(replace(SESSION, id=id), code), FakeWire())
    assert (check.approved, check.reason) == (False, reason)


@pytest.mark.parametrize("response", [error("no", 401), error("no", 500), answer({}, 200), HttpResponse(status=404)])
def test_an_answer_that_is_not_about_the_code_is_an_error(response):
    assert isinstance(
        outcome(response, provider().check_verification(SESSION, "123456")), RefusedError | UncertainError
    )


# --- webhooks: proof ------------------------------------------------------------------------------------------------------

CALLBACK = "https://app.example/plivo?reference=ref-1"
REPORT = {
    "From": "ACMEIN",
    "To": NUMBER,
    "MessageUUID": ID,
    "ParentMessageUUID": ID,
    "PartInfo": "1 of 1",
    "Status": "delivered",
    "Type": "sms",
    "Units": "1",
    "TotalRate": "0.00350",
    "TotalAmount": "0.00350",
    "MCC": "404",
    "MNC": "10",
    "ErrorCode": "",
    "Sequence": "3",
    "MessageTime": "2026-07-13 13:04:06.799021",
    "QueuedTime": "2026-07-13 13:04:06.799021",
    "SentTime": "2026-07-13 13:04:07.799021",
    "DeliveryReportTime": "2026-07-13 13:04:09.799021",
}
NONCE = "05429567804466091622"


def form(fields, url=CALLBACK, **headers):
    headers = {f"x-plivo-signature-{name.replace('_', '-')}": value for name, value in headers.items()}
    return HttpRequest.post_form(url, fields, headers=headers)


def hashed(text, token=TOKEN):
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha256).digest()).decode()


def v3(fields, token=TOKEN):
    """The signature of a form sent to CALLBACK."""
    posted = "".join(f"{name}{value}" for name, value in sorted(dict(fields).items()))
    return hashed(f"https://app.example/plivo?reference=ref-1.{posted}.{NONCE}", token)


def believed(webhook, **given):
    try:
        provider(**given).verify(webhook)
    except SignatureError:
        return False
    return True


@pytest.mark.parametrize("header", ["v3", "ma_v3"])
def test_either_accounts_signature_proves_a_webhook(header):
    """V3 is the (sub)account's, Ma-V3 the main account's; some messaging webhooks have a V3 that fits neither."""
    assert believed(form(REPORT, v3_nonce=NONCE, **{header: v3(REPORT)}))
    both = {"v3": v3(REPORT, "other"), "ma_v3": v3(REPORT, "other"), header: v3(REPORT)}
    assert believed(form(REPORT, v3_nonce=NONCE, **both))


def test_one_of_several_signatures_is_enough_while_a_token_is_replaced():
    assert believed(form(REPORT, v3_nonce=NONCE, ma_v3=f"{v3(REPORT, 'new')}, {v3(REPORT)}"))
    assert not believed(form(REPORT, v3_nonce=NONCE, ma_v3=f"{v3(REPORT, 'new')},,{v3(REPORT, 'newer')}"))


def test_the_order_of_the_fields_is_not_signed_but_their_names_and_values_are():
    proof = v3(REPORT)
    assert believed(form(list(REPORT.items())[::-1], v3_nonce=NONCE, ma_v3=proof))
    for forged in ({**REPORT, "Status": "failed"}, {**REPORT, "Extra": "1"}, {**REPORT, "status": "x"}):
        assert not believed(form(forged, v3_nonce=NONCE, ma_v3=proof))
    assert not believed(form([*REPORT.items(), ("Status", "failed")], v3_nonce=NONCE, ma_v3=proof))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "post", "get", ""])
def test_a_method_that_no_signature_covers_is_refused(method):
    genuine = form(REPORT, v3_nonce=NONCE, v3=v3(REPORT))
    assert believed(genuine)
    assert not believed(replace(genuine, method=method))
    asked = HttpRequest(
        method="GET",
        url=CALLBACK,
        headers={"x-plivo-signature-v3": hashed(f"{CALLBACK}.{NONCE}"), "x-plivo-signature-v3-nonce": NONCE},
    )
    assert believed(asked)
    assert not believed(replace(asked, method=method))
    assert not believed(replace(form(REPORT, **V2), method=method), accept_v2_signature=True)


def test_another_reference_in_the_query_is_a_forgery():
    assert not believed(form(REPORT, url=CALLBACK.replace("ref-1", "ref-2"), v3_nonce=NONCE, ma_v3=v3(REPORT)))


def test_a_signature_without_its_nonce_proves_nothing():
    unsalted = hashed(f"https://app.example/plivo?reference=ref-1.MessageUUID{ID}.")
    assert not believed(form({"MessageUUID": ID}, ma_v3=unsalted, v3_nonce=""))
    assert not believed(form({"MessageUUID": ID}, ma_v3=unsalted))


V2 = {"v2_nonce": NONCE, "ma_v2": hashed(f"https://app.example/plivo{NONCE}")}


def test_v2_counts_only_where_it_is_wanted():
    assert not believed(form(REPORT, **V2))
    assert believed(form(REPORT, **V2), accept_v2_signature=True)
    assert not believed(form(REPORT, **{**V2, "ma_v2": "x"}), accept_v2_signature=True)


def test_v2_never_outweighs_a_v3_that_does_not_fit():
    downgrade = form(REPORT, **V2, v3_nonce=NONCE, v3=v3(REPORT, "other"))
    assert not believed(downgrade, accept_v2_signature=True)


@pytest.mark.parametrize("body", [b"&".join(b"a=%d" % n for n in range(1001)), b"\xff=\xfe", b"=&=&==", b"[" * 10_000])
def test_a_body_of_an_odd_shape_is_not_believed(body):
    assert not believed(replace(form(REPORT, v3_nonce=NONCE, v3=v3(REPORT)), body=body))


def test_a_url_that_is_none_is_not_believed():
    assert not believed(replace(form(REPORT, v3_nonce=NONCE, v3=v3(REPORT)), url="https://[app.example/"))


# --- webhooks: events -----------------------------------------------------------------------------------------------------


def event(fields, url=CALLBACK, **given):
    (found,) = provider(**given).parse(form(fields, url=url))
    return found


def test_a_report_is_read_as_documented():
    found = event(REPORT)
    assert found == DeliveryReport(
        account="plivo",
        provider="plivo",
        id=ID,
        to=f"+{NUMBER}",
        reference="ref-1",
        status=Status.DELIVERED,
        final=True,
        segments=1,
        price=Money(amount=Decimal("0.00350"), unit="USD"),
        key=f"{ID}/3/delivered",
        raw={**REPORT, "reference": "ref-1"},
    )


def test_a_report_by_get_is_the_same():
    get = HttpRequest.get(CALLBACK, REPORT)
    assert provider().parse(get) == [event(REPORT)]


def test_a_time_counts_only_with_its_zone():
    assert event({**REPORT, "SentTime": "2026-07-13 13:04:07+05:30"}).at == datetime(2026, 7, 13, 7, 34, 7, tzinfo=UTC)


@pytest.mark.parametrize("odd", ["never", "0001-01-01 00:00:00+23:59", ""])
def test_a_time_that_is_none_is_none(odd):
    assert event({**REPORT, "DeliveryReportTime": odd}).at is None


def test_a_repeated_report_has_the_key_of_the_first_and_a_later_one_another():
    """Plivo calls again after 60, 120 and 240 seconds if it does not get a 200."""
    assert event(REPORT).key == event(dict(reversed(REPORT.items()))).key
    later = event({**REPORT, "Status": "undelivered", "Sequence": "4"})
    assert later.key != event(REPORT).key


def test_reports_out_of_order_can_be_put_in_order():
    came = [
        event({**REPORT, "Status": word, "Sequence": n})
        for word, n in (("delivered", "3"), ("sent", "2"), ("queued", "1"))
    ]
    assert [event.status for event in sorted(came, key=lambda event: int(event.raw["Sequence"]))] == [
        "queued",
        "sent",
        "delivered",
    ]
    assert len({event.key for event in came}) == 3


def test_a_report_for_an_unknown_text_is_an_event_like_any_other():
    assert event({"MessageUUID": "unknown's", "Status": "sent"}, url="https://app.example/plivo").id == "unknown's"


def test_a_text_that_came_in_is_read():
    found = event({"From": NUMBER, "To": "14157654321", "Type": "sms", "Text": " STOP ", "MessageUUID": ID})
    assert (found.sender, found.to, found.text, found.id, found.key) == (f"+{NUMBER}", "+14157654321", " STOP ", ID, ID)


def test_a_short_code_or_a_name_is_no_phone_number():
    found = event({"From": "ACMEIN", "To": "56767", "Text": "", "MessageUUID": ID})
    assert (found.sender, found.to) == ("ACMEIN", "56767")


def test_a_picture_without_words_is_a_text_without_words():
    assert (
        event({"From": NUMBER, "To": "14157654321", "Type": "mms", "Media0": "https://x", "MessageUUID": ID}).text == ""
    )


@pytest.mark.parametrize("name", ["MessageUUID", "From", "Text"])
def test_a_webhook_that_lacks_what_matters_is_not_read(name):
    fields = {"From": NUMBER, "To": "14157654321", "Text": "Hi", "MessageUUID": ID}
    for value in ({}, {name: ""} if name != "Text" else {}):
        with pytest.raises(PayloadError):
            event({**{field: fields[field] for field in fields if field != name}, **value})


def test_a_webhook_that_was_taken_is_answered_with_an_empty_200():
    signed = form(REPORT, v3_nonce=NONCE, ma_v3=v3(REPORT))
    received = drive(receive(Plugins(), provider(), signed))
    assert (received.response.status, received.response.body) == (200, b"")
    assert [event.id for event in received.events] == [ID]


# --- the README -----------------------------------------------------------------------------------------------------------


def test_the_readme_names_every_setting_option_code_and_reason():
    text = README.read_text("utf-8")
    names = [f"`{name.upper()}`" for name in PlivoProvider.model_fields if name != "account"]
    names += [f"`{name}`" for name in (*PlivoOptions.model_fields, *PlivoVerificationOptions.model_fields)]
    names += [f"`{code}`" for code in vocabulary.CODES]
    names += [f"`{reason}`" for reason in {code.reason for code in vocabulary.CODES.values()}]
    names += [f"`{meaning.reason}`" for meaning in vocabulary.TEXTS.values()]
    names += [f"`{reason}`" for reason in vocabulary.CHECKS.values()]
    assert [name for name in names if name not in text] == []
