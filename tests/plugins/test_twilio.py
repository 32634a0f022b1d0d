"""TwilioProvider: settings, requests, the meaning of each answer, and webhooks."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from smsbridge.attempts import attempt, attempt_verification, query
from smsbridge.errors import (
    AuthenticationError,
    ConfigurationError,
    ContentError,
    NotFoundError,
    OptedOutError,
    PayloadError,
    QueryError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    SendError,
    SignatureError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Dlt, Message, Money, Purpose, SentMessage, Status, Verification
from smsbridge.plugins import Plugins
from smsbridge.provider import Capability, InsecureUrlWarning
from smsbridge.testing import drive
from smsbridge_twilio import TwilioOptions, TwilioProvider, TwilioVerificationOptions, vocabulary

README = Path(__file__).parents[2] / "plugins" / "twilio" / "README.md"

TOKEN = "dummy-token-not-a-secret"
ACCOUNT = "AC00000000000000000000000000000001"
SERVICE = "MG00000000000000000000000000000002"
VERIFY = "VA00000000000000000000000000000003"
KEY = "SK00000000000000000000000000000004"
SID = "SM00000000000000000000000000000005"
CODE_SID = "VE00000000000000000000000000000006"
NUMBER, SENDER = "+919876543210", "+15557122661"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def provider(**settings):
    given = {"account_sid": ACCOUNT, "auth_token": TOKEN, "sender": SENDER, "verify_service_sid": VERIFY}
    return TwilioProvider(**{**given, **settings})


def with_service(**settings):
    return provider(sender=None, messaging_service_sid=SERVICE, **settings)


def message(**fields):
    return Message(**{"to": NUMBER, "text": "Hi there", "reference": "ref-1", **fields})


def answer(data, status=200, **headers):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return HttpResponse(status=status, headers={"content-type": "application/json", **headers}, body=body)


def resource(**fields):
    """The answer to a created message, from https://www.twilio.com/docs/messaging/api/message-resource."""
    return {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "body": "Hi there",
        "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
        "date_sent": "Thu, 24 Aug 2023 05:01:45 +0000",
        "date_updated": "Thu, 24 Aug 2023 05:01:46 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": SENDER,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "sid": SID,
        "status": "queued",
        "to": NUMBER,
        **fields,
    }


def created(**fields):
    return answer(resource(**fields), 201)


def refused(code, status=400, **headers):
    more = f"https://www.twilio.com/docs/errors/{code}"
    return answer({"code": code, "message": "What Twilio says", "more_info": more, "status": status}, status, **headers)


def request(of=None, of_provider=None):
    return next(attempt(of_provider or provider(), of or message()))


def form(of=None, of_provider=None):
    return dict(parse_qsl(request(of, of_provider).body.decode(), keep_blank_values=True, strict_parsing=True))


def send(response, of=None, of_provider=None):
    return drive(attempt(of_provider or provider(), of or message()), response)


def failure(response):
    with pytest.raises(SendError) as caught:
        send(response)
    return caught.value


def refusal_of(of, of_provider=None):
    """The error of a message that is refused before a request."""
    with pytest.raises(SendError) as caught:
        drive(attempt(of_provider or provider(), of))
    return caught.value


# --- settings ---------------------------------------------------------------------------------------------------------


def test_the_entry_point_gives_the_provider():
    assert Plugins().provider_class("twilio") is TwilioProvider


def test_it_can_do_all_that_twilio_can():
    assert provider().capabilities == set(Capability) - {Capability.BATCH, Capability.LOOKUP}


def test_every_setting_is_read_from_the_environment(monkeypatch):
    values = {
        "ACCOUNT_SID": ACCOUNT,
        "AUTH_TOKEN": TOKEN,
        "API_KEY": KEY,
        "API_KEY_SECRET": "dummy-api-key-secret",
        "WEBHOOK_SHARED_KEY": "dummy-shared-key",
        "MESSAGING_SERVICE_SID": SERVICE,
        "CALLBACK_URL": "https://app.example/sms",
        "VERIFY_SERVICE_SID": VERIFY,
        "BASE_URL": "https://api.dublin.ie1.twilio.com/",
        "VERIFY_BASE_URL": "https://verify.dublin.ie1.twilio.com/",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"SMSBRIDGE_TWILIO_{name}", value)
    read = TwilioProvider.from_env()
    assert read.secrets() == [TOKEN, "dummy-api-key-secret", "dummy-shared-key"]
    for name, value in values.items():
        if name.lower() not in {"auth_token", "api_key_secret", "webhook_shared_key"}:
            assert getattr(read, name.lower()) == value.rstrip("/")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"account_sid": "AC1"}, "ACCOUNT_SID"),
        ({"account_sid": KEY}, "ACCOUNT_SID"),
        ({"api_key": ACCOUNT, "api_key_secret": "dummy"}, "API_KEY"),
        ({"api_key": KEY}, "API_KEY and API_KEY_SECRET belong together"),
        ({"api_key_secret": "dummy"}, "API_KEY and API_KEY_SECRET belong together"),
        ({"auth_token": None}, "AUTH_TOKEN is missing"),
        ({"auth_token": ""}, "AUTH_TOKEN"),
        ({"auth_token": "two words"}, "AUTH_TOKEN"),
        ({"messaging_service_sid": SERVICE}, "SENDER and MESSAGING_SERVICE_SID exclude each other"),
        ({"verify_service_sid": SERVICE}, "VERIFY_SERVICE_SID"),
        ({"sender": ""}, "SENDER"),
        ({"base_url": "api.twilio.com"}, "BASE_URL"),
        ({"base_url": "https://user@api.twilio.com"}, "BASE_URL"),
        ({"base_url": "https://api.twilio.com/?a=1"}, "BASE_URL"),
        ({"base_url": "https://[::1"}, "BASE_URL"),
        ({"verify_base_url": "ftp://verify.twilio.com"}, "VERIFY_BASE_URL"),
        ({"callback_url": "app.example/sms"}, "CALLBACK_URL"),
        ({"callback_url": "https://user:pass@app.example/sms"}, "CALLBACK_URL"),
        ({"callback_url": "https://my_app.example/sms"}, "CALLBACK_URL"),
        ({"region": "ie1"}, "there is no setting region"),
    ],
)
def test_a_wrong_setting_is_named(wrong, words):
    with pytest.raises(ConfigurationError) as caught:
        provider(**wrong)
    assert words in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_an_api_key_alone_sends_but_takes_no_reports():
    """Webhooks are signed with the auth token even if requests are not."""
    key = {"auth_token": None, "api_key": KEY, "api_key_secret": "dummy-api-key-secret"}
    assert send(created(), of_provider=provider(**key)).id == SID
    with pytest.raises(ConfigurationError, match="CALLBACK_URL needs AUTH_TOKEN"):
        provider(**key, callback_url="https://app.example/sms")
    url, fields = "https://app.example/sms", {"MessageSid": SID}
    webhook = HttpRequest.post_form(url, fields)
    with pytest.raises(SignatureError, match=r"no auth token is configured.*: set SMSBRIDGE_OTP_AUTH_TOKEN"):
        provider(**key, account="otp").verify(webhook)
    how = {"x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_SHA256"}
    shared = HttpRequest.post_form(url, fields, headers=how)
    with pytest.raises(SignatureError, match=r"no SharedKey is configured.*: set SMSBRIDGE_OTP_WEBHOOK_SHARED_KEY"):
        provider(account="otp").verify(shared)


def test_a_base_url_over_plain_http_warns():
    with pytest.warns(InsecureUrlWarning, match="SMSBRIDGE_TWILIO_BASE_URL"):
        provider(base_url="http://api.example")


NAMES = [
    *(name.upper() for name in TwilioProvider.model_fields if name != "account"),
    *TwilioOptions.model_fields,
    *TwilioVerificationOptions.model_fields,
    *sorted({meaning.error.__name__ for meaning in vocabulary.CODES.values()}),
    *sorted({meaning.reason for meaning in vocabulary.CODES.values() if meaning.reason}),
]


@pytest.mark.parametrize("word", [*dict.fromkeys(NAMES)])
def test_the_readme_names_every_setting_option_reason_and_error(word):
    assert f"`{word}`" in README.read_text(encoding="utf-8")


def test_the_readme_names_every_code():
    text = README.read_text(encoding="utf-8")
    assert [code for code in vocabulary.CODES if code not in text] == []


# --- requests ---------------------------------------------------------------------------------------------------------


def basic(user, secret):
    return f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"


def test_a_text_goes_out_as_documented():
    sent = request()
    assert (sent.method, sent.sends) == ("POST", True)
    assert sent.url == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert dict(sent.headers) == {
        "content-type": "application/x-www-form-urlencoded",
        "accept": "application/json",
        "authorization": basic(ACCOUNT, TOKEN),
    }
    assert sent.body == b"To=%2B919876543210&Body=Hi+there&From=%2B15557122661"


def test_an_api_key_signs_in_instead_of_the_token():
    key = provider(api_key=KEY, api_key_secret="dummy-api-key-secret")
    sent = request(of_provider=key)
    assert sent.headers["authorization"] == basic(KEY, "dummy-api-key-secret")
    assert ACCOUNT in sent.url


@pytest.mark.parametrize(
    ("settings", "fields", "expected"),
    [
        ({}, {}, {"From": SENDER}),
        ({}, {"sender": "ACME"}, {"From": "ACME"}),
        ({"sender": None, "messaging_service_sid": SERVICE}, {}, {"MessagingServiceSid": SERVICE}),
        ({"sender": None, "messaging_service_sid": SERVICE}, {"sender": "ACME"}, {"From": "ACME"}),
        ({"sender": None}, {"sender": "ACME"}, {"From": "ACME"}),
        (
            {"sender": None, "messaging_service_sid": SERVICE},
            {"sender": "ACME", "send_at": NOW},
            {"From": "ACME", "MessagingServiceSid": SERVICE},
        ),
        (
            {"sender": None, "messaging_service_sid": SERVICE},
            {"sender": "ACME", "options": {"twilio": {"shorten_urls": True}}},
            {"From": "ACME", "MessagingServiceSid": SERVICE},
        ),
    ],
)
def test_the_message_s_sender_wins_and_the_service_goes_along_only_where_it_is_needed(settings, fields, expected):
    sent = form(message(**fields), provider(**settings))
    assert {name: sent[name] for name in ("From", "MessagingServiceSid") if name in sent} == expected


def test_a_text_without_any_sender_is_refused_here():
    error = refusal_of(message(), provider(sender=None))
    assert (type(error), error.reason) == (SenderError, "missing")


def test_a_time_is_sent_in_utc_with_the_service_that_scheduling_needs():
    india = timezone(timedelta(hours=5, minutes=30))
    sent = form(message(send_at=datetime(2026, 1, 2, 10, 0, tzinfo=india)), with_service())
    assert (sent["SendAt"], sent["ScheduleType"]) == ("2026-01-02T04:30:00Z", "fixed")


@pytest.mark.parametrize("fields", [{"send_at": NOW}, {"options": {"twilio": {"shorten_urls": True}}}])
def test_what_only_a_messaging_service_can_do_is_refused_without_one(fields):
    """Without a messaging service, Twilio drops the time and sends at once (support article 4412165297947)."""
    assert isinstance(refusal_of(message(**fields)), UnsupportedError)


@pytest.mark.parametrize(
    ("left", "seconds"),
    [(timedelta(seconds=1), "1"), (timedelta(seconds=90, milliseconds=900), "90"), (timedelta(hours=10), "36000")],
)
def test_the_end_of_validity_is_sent_in_whole_seconds_never_rounded_up(monkeypatch, left, seconds):
    monkeypatch.setattr("smsbridge.reading.now", lambda: NOW)
    assert form(message(valid_until=NOW + left))["ValidityPeriod"] == seconds


@pytest.mark.parametrize(
    ("left", "error"),
    [
        (timedelta(seconds=36_001), UnsupportedError),
        (timedelta(milliseconds=999), RefusedError),
        (timedelta(hours=-1), RefusedError),
    ],
)
def test_a_validity_that_twilio_cannot_keep_is_refused(monkeypatch, left, error):
    monkeypatch.setattr("smsbridge.reading.now", lambda: NOW)
    refusal = refusal_of(message(valid_until=NOW + left))
    assert type(refusal) is error
    assert refusal.reason == ("expired" if error is RefusedError else None)


def test_the_validity_of_a_scheduled_text_counts_from_its_time(monkeypatch):
    """The validity period counts from the scheduled time, when the text enters Twilio's queue."""
    monkeypatch.setattr("smsbridge.reading.now", lambda: NOW)
    scheduled = message(send_at=NOW + timedelta(days=3), valid_until=NOW + timedelta(days=3, minutes=5))
    assert form(scheduled, with_service())["ValidityPeriod"] == "300"


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        ("https://app.example/sms", "https://app.example/sms?reference=ref-1"),
        ("https://app.example:8443/sms?a=1", "https://app.example:8443/sms?a=1&reference=ref-1"),
        ("https://app.example/sms#rc=2&rp=all", "https://app.example/sms?reference=ref-1#rc=2&rp=all"),
        ("https://app.example/sms?", "https://app.example/sms?reference=ref-1"),
        ("https://app.example/sms?tenant=7", "https://app.example/sms?reference=ref-1&tenant=7"),
        ("https://app.example/sms?v=2&&env=a%20b", "https://app.example/sms?env=a%20b&reference=ref-1&v=2"),
        ("https://app.example/sms?z&a=2&a=1#rc=2", "https://app.example/sms?a=2&a=1&reference=ref-1&z#rc=2"),
        ("https://app.example/sms?%72eference=theirs&x=1", "https://app.example/sms?reference=ref-1&x=1"),
        ("https://app.example/sms?r-x=1&r=2", "https://app.example/sms?r=2&r-x=1&reference=ref-1"),
    ],
)
def test_the_reference_rides_in_the_callback_url(callback, expected):
    assert form(of_provider=provider(callback_url=callback))["StatusCallback"] == expected


def test_any_reference_comes_back_as_it_was():
    reference = "Größe 50% & more=+#?/ 📦"
    callback = form(message(reference=reference), provider(callback_url="https://app.example/sms"))["StatusCallback"]
    assert dict(parse_qsl(urlsplit(callback).query)) == {"reference": reference}
    webhook = HttpRequest.post_form(callback, {"MessageSid": SID, "MessageStatus": "sent", "To": NUMBER})
    assert provider().parse(webhook)[0].reference == reference


def test_a_reference_that_the_callback_cannot_hold_is_refused():
    callback = provider(callback_url="https://app.example/sms")
    longest = 4000 - len("https://app.example/sms?reference=")
    assert len(form(message(reference="r" * longest), callback)["StatusCallback"]) == 4000
    assert isinstance(refusal_of(message(reference="r" * (longest + 1)), callback), UnsupportedError)


@pytest.mark.parametrize(
    ("purpose", "intent"),
    [
        (Purpose.OTP, "otp"),
        (Purpose.PROMOTIONAL, "marketing"),
        (Purpose.TRANSACTIONAL, None),
        (Purpose.SERVICE, None),
    ],
)
def test_a_purpose_that_is_an_intent_of_twilio_s_is_sent(purpose, intent):
    assert form(message(purpose=purpose)).get("MessageIntent") == intent
    named = message(purpose=purpose, options={"twilio": {"message_intent": "fraud"}})
    assert form(named)["MessageIntent"] == "fraud"


def test_options_are_written_as_twilio_writes_them():
    options = {"smart_encoded": True, "shorten_urls": False, "risk_check": "disable", "content_retention": "discard"}
    sent = form(message(options={"twilio": options}))
    assert {name: sent[name] for name in ("SmartEncoded", "ShortenUrls", "RiskCheck", "ContentRetention")} == {
        "SmartEncoded": "true",
        "ShortenUrls": "false",
        "RiskCheck": "disable",
        "ContentRetention": "discard",
    }


IDS = Dlt(entity_id="1101", template_id="1107")


def test_dlt_ids_are_refused_because_twilio_has_no_field_for_them_and_the_setting_is_named():
    refusal = refusal_of(message(dlt=IDS))
    assert isinstance(refusal, UnsupportedError)
    assert "SMSBRIDGE_TWILIO_DLT_REGISTERED=true" in str(refusal)
    assert "SMSBRIDGE_IN2_DLT_REGISTERED=true" in str(refusal_of(message(dlt=IDS), provider(account="in2")))


def test_dlt_ids_that_are_registered_with_the_account_are_left_out():
    registered = provider(dlt_registered=True)
    assert form(message(dlt=IDS), registered) == form(message(), registered)


@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_the_environment_says_that_they_are_registered(monkeypatch, value):
    for name, setting in (
        ("ACCOUNT_SID", ACCOUNT),
        ("AUTH_TOKEN", TOKEN),
        ("SENDER", NUMBER),
        ("DLT_REGISTERED", value),
    ):
        monkeypatch.setenv(f"SMSBRIDGE_TWILIO_{name}", setting)
    assert TwilioProvider.from_env().dlt_registered


# --- answers ----------------------------------------------------------------------------------------------------------


def test_the_documented_answer_is_an_accepted_text():
    sent = send(created())
    assert (sent.account, sent.provider, sent.id, sent.to) == ("twilio", "twilio", SID, NUMBER)
    assert (sent.reference, sent.status, sent.segments, sent.price) == ("ref-1", Status.QUEUED, 1, None)
    assert sent.at == datetime(2023, 8, 24, 5, 1, 45, tzinfo=UTC)
    assert sent.raw == resource()


def test_a_scheduled_text_is_scheduled():
    assert send(created(status="scheduled"), message(send_at=NOW), with_service()).status is Status.SCHEDULED


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        ({"num_segments": "0"}, {"segments": None}),  # a messaging service has not chosen a sender yet
        ({"num_segments": 3}, {"segments": 3}),
        ({"num_segments": "many"}, {"segments": None}),
        ({"price": "-0.00750", "price_unit": "usd"}, {"price": Money(amount=Decimal("0.00750"), unit="USD")}),
        ({"price": 0.5, "price_unit": "EUR"}, {"price": Money(amount=Decimal("0.5"), unit="EUR")}),
        ({"price": "-0.1"}, {"price": None}),
        ({"price": "free", "price_unit": "USD"}, {"price": None}),
        ({"status": "brand-new"}, {"status": Status.UNKNOWN}),
        ({"status": None}, {"status": Status.UNKNOWN}),
    ],
)
def test_odd_figures_do_not_lose_an_accepted_text(odd, expected):
    sent = send(created(**odd))
    assert sent.id == SID
    assert {name: getattr(sent, name) for name in expected} == expected


@pytest.mark.parametrize("when", [None, "", "yesterday", 7, "Thu, 99 Aug 2023 05:01:45 +0000"])
def test_an_answer_without_a_time_was_accepted_now(when):
    assert abs(send(created(date_created=when)).at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("sid", [None, "", "SM1", 7, "XX", ["SM"], f"{SID}0", f"{SID[:-1]}/"])
def test_an_answer_without_a_real_id_is_uncertain(sid):
    assert isinstance(failure(created(sid=sid)), UncertainError)


# Typed from Twilio's error dictionary and from the pages of the codes, not from our table.
DOCUMENTED = {
    AuthenticationError: (
        "20003 20006 10001:suspended 20005:suspended 20403:suspended 30002:suspended 20008:test-credentials "
        "20010:disabled 30037:disabled"
    ),
    RateLimitedError: (
        "20429 63017 14107:loop 21611:queue-full 30001:queue-full 30022:quota 30023:quota 30027:quota 30454:quota "
        "60728:quota 63038:quota 60202:max-check-attempts 60203:max-send-attempts"
    ),
    RecipientError: (
        "21211:invalid-number 21217:invalid-number 21421:invalid-number 21265:short-code 21266:same-number 21268:premium "
        "21604:missing 21608:trial 21614:not-mobile 21635:not-mobile 30006:not-mobile 60205:not-mobile "
        "30005:unknown-subscriber"
    ),
    OptedOutError: "21610:opted-out 30004:blocked",
    SenderError: (
        "21210:sender 21212:sender 21264:sender 21606:sender 21616:sender 21657:sender 21659:sender 21660:sender "
        "21661:sender 21709:sender 21910:sender 30042:sender 21267:trial 21607:trial 21603:missing "
        "21701:messaging-service 21702:messaging-service 21703:messaging-service 21704:messaging-service "
        "21705:messaging-service 21711:messaging-service 21712:messaging-service 30033:sender-blocked 30018:sender-registration "
        "30024:sender-registration 30032:sender-registration 30034:sender-registration 30035:sender-registration "
        "30040:sender-registration 30041:sender-registration"
    ),
    ContentError: (
        "21618 21602:empty 21619:empty 21605:too-long 21617:too-long 30019:too-long 30007:spam 30038:filtered 30039:loop "
        "30044:trial 21901:dlt-template"
    ),
    RefusedError: (
        "20404:not-found 21408:country-blocked 60605:country-blocked 21612:route 60238:blocked 30450:blocked 60410:fraud "
        "21900:dlt-entity 21609:webhook 21624:validity 30045:validity 90007:validity 35111:schedule 35114:schedule "
        "35115:schedule 35118:schedule 60200:bad-request 30003:unreachable 30017:network 30036:expired "
        "30020:server-error 30021:server-error"
    ),
    UncertainError: (
        "20500:server-error 20503:server-error 20504:server-error 30008:unexplained 30453:unexplained 30046:no-report "
        "30410:timeout"
    ),
}
ROWS = [
    (code, error, reason or None)
    for error, words in DOCUMENTED.items()
    for code, _, reason in (word.partition(":") for word in words.split())
]
NEVER_ON_A_NETWORK = {code for code, *_ in ROWS if code.startswith(("10", "14", "21", "6", "35", "90"))} | {
    *("20003", "20005", "20006", "20008", "20010", "20403", "20404", "20429"),
    *("30002", "30007", "30032", "30033", "30034", "30035", "30037", "30038", "30039", "30044", "30045", "30454"),
}


def test_the_table_has_the_documented_codes_and_no_others():
    assert vocabulary.CODES.keys() == {code for code, *_ in ROWS}
    assert len(ROWS) == len(vocabulary.CODES)


@pytest.mark.parametrize(("code", "error", "reason"), ROWS)
def test_a_code_means_the_same_in_a_refusal_in_a_created_message_and_in_a_report(code, error, reason):
    for response in (refused(int(code)), refused(code), created(status="failed", error_code=int(code))):
        found = failure(response)
        assert (type(found), found.reason, found.code) == (error, reason, code)
    report = webhook_report(MessageStatus="failed", ErrorCode=code)
    expected = Status.EXPIRED if code == "30036" else Status.REJECTED if code in NEVER_ON_A_NETWORK else Status.FAILED
    assert (report.status, report.final, report.code, report.reason) == (expected, True, code, reason)
    undelivered = webhook_report(MessageStatus="undelivered", ErrorCode=code)
    assert (undelivered.status, undelivered.reason) == (Status.UNDELIVERED, reason)


@pytest.mark.parametrize("code", ["21408", "21608", "21612", "21900", "21901", "20404", "30044", "35118"])
def test_what_only_the_account_s_owner_can_put_right_is_the_account_s_fault(code):
    assert failure(refused(code)).fault == "account"


def test_an_unknown_code_falls_back_to_the_http_status():
    assert type(failure(refused(29999, 400))) is RefusedError
    assert type(failure(refused(29999, 401))) is AuthenticationError
    assert type(failure(refused(29999, 500))) is UncertainError
    assert type(failure(created(status="failed", error_code=39999))) is UncertainError


@pytest.mark.parametrize("word", ["failed", "undelivered", "canceled"])
def test_a_created_message_that_has_failed_without_saying_why_is_uncertain(word):
    assert isinstance(failure(created(status=word)), UncertainError)


@pytest.mark.parametrize("status", [500, 503, 408, 302])
def test_a_known_code_makes_no_doubtful_status_certain(status):
    error = failure(refused(21211, status))
    assert (type(error), error.code) == (UncertainError, "21211")


def test_an_error_keeps_what_twilio_said_and_when_to_try_again():
    error = failure(refused(20429, 429, **{"retry-after": "3"}))
    assert (error.code, error.retry_after) == ("20429", 3)
    assert error.detail.startswith("What Twilio says")
    assert (
        failure(created(status="failed", error_code=30007, error_message="Message filtered")).detail
        == "Message filtered"
    )


# --- questions --------------------------------------------------------------------------------------------------------


def ask(flow, response):
    return drive(query(provider(), lambda: flow), response)


def sent_message(id=SID):
    return SentMessage(account="twilio", provider="twilio", id=id, to=NUMBER, reference="ref-1")


STATUSES = [  # the enum of the Message resource, in its order
    ("queued", Status.QUEUED, False),
    ("sending", Status.SENT, False),
    ("sent", Status.SENT, False),
    ("failed", Status.FAILED, True),
    ("delivered", Status.DELIVERED, True),
    ("undelivered", Status.UNDELIVERED, True),
    ("receiving", Status.UNKNOWN, False),
    ("received", Status.UNKNOWN, False),
    ("accepted", Status.QUEUED, False),
    ("scheduled", Status.SCHEDULED, False),
    ("read", Status.DELIVERED, True),
    ("partially_delivered", Status.SENT, False),
    ("canceled", Status.CANCELLED, True),
]


@pytest.mark.parametrize(("word", "status", "final"), STATUSES)
def test_each_status_of_the_enum_has_its_meaning(word, status, final):
    report = ask(provider().status(sent_message()), answer(resource(status=word)))
    assert (report.status, report.final) == (status, final)


def test_the_status_table_has_no_other_words():
    assert vocabulary.STATUSES.keys() | vocabulary.INBOUND == {word for word, *_ in STATUSES}


def test_a_status_is_asked_for_by_its_sid():
    asked = next(provider().status(sent_message()))
    assert (asked.method, asked.sends) == ("GET", False)
    assert asked.url == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}.json"


def test_a_pulled_report_holds_what_twilio_knows():
    priced = resource(status="undelivered", error_code=30005, price="-0.0075", price_unit="USD", num_segments="2")
    report = ask(provider().status(sent_message()), answer(priced))
    assert (report.id, report.to, report.reference) == (SID, NUMBER, "ref-1")
    assert (report.code, report.reason, report.segments) == ("30005", "unknown-subscriber", 2)
    assert report.price == Money(amount=Decimal("0.0075"), unit="USD")
    assert report.at == datetime(2023, 8, 24, 5, 1, 46, tzinfo=UTC)


@pytest.mark.parametrize("id", ["", "..", "SM1", "../Balance", f"{SID}/Media"])
def test_what_is_no_id_of_twilio_s_is_not_found_and_not_asked_for(id):
    with pytest.raises(NotFoundError):
        drive(query(provider(), lambda: provider().status(sent_message(id))))


def test_only_twilio_s_own_404_says_that_it_does_not_know_the_text():
    with pytest.raises(NotFoundError):
        ask(provider().status(sent_message()), refused(20404, 404))
    with pytest.raises(QueryError) as caught:
        ask(provider().status(sent_message()), answer(b"<html>no such page</html>", 404))
    assert not isinstance(caught.value, NotFoundError)


def test_the_balance_is_read_exactly():
    (balance,) = ask(provider().balance(), answer({"account_sid": ACCOUNT, "balance": "-0.0940", "currency": "usd"}))
    assert (balance.amount, balance.unit) == (Decimal("-0.0940"), "USD")


@pytest.mark.parametrize("odd", [{}, {"balance": "1"}, {"currency": "USD"}, {"balance": "much", "currency": "USD"}])
def test_a_balance_that_cannot_be_read_is_no_balance(odd):
    with pytest.raises(QueryError):
        ask(provider().balance(), answer(odd))


# --- one-time codes ---------------------------------------------------------------------------------------------------


def code_message(**fields):
    return message(**{"text": "", "purpose": Purpose.OTP, **fields})


def verification_resource(**fields):
    """From https://www.twilio.com/docs/verify/api/verification and .../verification-check."""
    known = {"sid": CODE_SID, "service_sid": VERIFY, "account_sid": ACCOUNT, "to": NUMBER, "channel": "sms"}
    return {**known, "status": "pending", "valid": False, **fields}


STARTED = Verification(account="twilio", provider="twilio", id=CODE_SID, to=NUMBER)


def check(response, code="123456"):
    return ask(provider().check_verification(STARTED, code), response)


def test_a_code_is_started_by_number():
    flow = attempt_verification(provider(), code_message(options={"twilio": {"locale": "hi"}}))
    asked = next(flow)
    assert (asked.method, asked.sends) == ("POST", True)
    assert asked.url == f"https://verify.twilio.com/v2/Services/{VERIFY}/Verifications"
    assert asked.body == b"To=%2B919876543210&Channel=sms&Locale=hi"
    started = drive(attempt_verification(provider(), code_message()), answer(verification_resource(), 201))
    assert (started.id, started.to, started.reference, started.expires_at) == (CODE_SID, NUMBER, "ref-1", None)


@pytest.mark.parametrize("odd", [{"sid": None}, {"sid": "VE1"}, {"status": "failed"}, {"status": None}])
def test_an_answer_that_promises_no_code_is_uncertain(odd):
    with pytest.raises(UncertainError):
        drive(attempt_verification(provider(), code_message()), answer(verification_resource(**odd), 201))


@pytest.mark.parametrize(
    ("of", "settings"),
    [
        (code_message(text="Your code is {code}"), {}),
        (code_message(sender="ACME"), {}),
        (code_message(valid_until=NOW), {}),
        (code_message(), {"verify_service_sid": None}),
    ],
)
def test_a_code_that_verify_cannot_send_as_asked_is_refused(of, settings):
    with pytest.raises(UnsupportedError):
        drive(attempt_verification(provider(**settings), of))


def test_a_code_is_checked_by_the_id_of_its_verification():
    asked = next(provider().check_verification(STARTED, " 123456 "))
    assert asked.url == f"https://verify.twilio.com/v2/Services/{VERIFY}/VerificationCheck"
    assert asked.body == f"VerificationSid={CODE_SID}&Code=123456".encode()
    assert not asked.sends


@pytest.mark.parametrize(
    ("response", "approved", "reason"),
    [
        (answer(verification_resource(status="approved", valid=True)), True, None),
        (answer(verification_resource(status="approved", valid=False)), False, "wrong-code"),
        (answer(verification_resource()), False, "wrong-code"),
        (answer(verification_resource(status="expired")), False, "expired"),
        (answer(verification_resource(status="canceled")), False, "canceled"),
        (answer(verification_resource(status="max_attempts_reached")), False, "max_attempts_reached"),
        (answer(verification_resource(status="deleted")), False, "deleted"),
        (answer(verification_resource(status="failed")), False, "failed"),
        (answer(verification_resource(status="brand-new")), False, "brand-new"),
        (refused(20404, 404), False, "unknown"),
        (refused(60202, 429), False, "max_attempts_reached"),
    ],
)
def test_a_check_says_whether_and_why_not(response, approved, reason):
    found = check(response)
    assert (found.approved, found.reason) == (approved, reason)


@pytest.mark.parametrize("code", ["", "123", "12345678901", "12 34", "\uff11\uff12\uff13\uff14", "../1"])
def test_what_cannot_be_a_code_is_wrong_and_not_asked_about(code):
    found = drive(query(provider(), lambda: provider().check_verification(STARTED, code)))
    assert (found.approved, found.reason) == (False, "wrong-code")


def test_an_approval_of_another_code_approves_nothing():
    other = "VE00000000000000000000000000000009"
    with pytest.raises(QueryError):
        check(answer(verification_resource(sid=other, status="approved", valid=True)))


def test_a_code_is_cancelled_by_its_status():
    asked = next(provider().cancel_verification(STARTED))
    assert asked.url == f"https://verify.twilio.com/v2/Services/{VERIFY}/Verifications/{CODE_SID}"
    assert asked.body == b"Status=canceled"
    assert ask(provider().cancel_verification(STARTED), answer(verification_resource(status="canceled"))) is None
    with pytest.raises(NotFoundError):
        ask(provider().cancel_verification(STARTED), refused(20404, 404))
    with pytest.raises(QueryError, match="approved"):
        ask(provider().cancel_verification(STARTED), answer(verification_resource(status="approved")))


# --- webhooks (their signatures: test_twilio_sdk.py) ------------------------------------------------------------------

CALLBACK = "https://app.example/sms?reference=ref-1"


def webhook_report(url=CALLBACK, **fields):
    """A status callback, from https://www.twilio.com/docs/messaging/guides/track-outbound-message-status."""
    known = {"SmsSid": SID, "SmsStatus": "sent", "MessageStatus": "sent", "To": NUMBER, "MessageSid": SID}
    known |= {"AccountSid": ACCOUNT, "From": SENDER, "ApiVersion": "2010-04-01"}
    (event,) = provider().parse(HttpRequest.post_form(url, {**known, **fields}))
    return event


INBOUND = {
    "MessageSid": SID,
    "SmsSid": SID,
    "SmsMessageSid": SID,
    "AccountSid": ACCOUNT,
    "MessagingServiceSid": SERVICE,
    "From": NUMBER,
    "To": SENDER,
    "Body": "STOP, \n please + thanks  ",
    "NumMedia": "0",
    "NumSegments": "1",
}


def test_a_report_names_its_text():
    report = webhook_report()
    assert (report.id, report.to, report.reference) == (SID, NUMBER, "ref-1")
    assert (report.status, report.final, report.code, report.reason) == (Status.SENT, False, None, None)


@pytest.mark.parametrize(("word", "status", "final"), [row for row in STATUSES if row[0] not in vocabulary.INBOUND])
def test_a_report_and_a_pulled_status_say_the_same(word, status, final):
    report = webhook_report(MessageStatus=word)
    assert (report.status, report.final) == (status, final)
    assert report.key == ask(provider().status(sent_message()), answer(resource(status=word))).key


def test_a_new_word_of_the_vendor_is_unknown_and_not_final():
    report = webhook_report(MessageStatus="brand-new")
    assert (report.status, report.final, report.raw["MessageStatus"]) == (Status.UNKNOWN, False, "brand-new")


def test_a_repeated_report_has_the_key_of_the_first_and_another_report_another():
    repeats = [webhook_report(MessageStatus="delivered").key for _ in "123"]
    others = [
        webhook_report(MessageStatus=word, ErrorCode=code).key for word, code in [("sent", ""), ("failed", "30003")]
    ]
    assert len({*repeats}) == 1
    assert len({*repeats, *others, webhook_report(MessageStatus="failed", ErrorCode="30008").key}) == 4


def test_reports_out_of_order_tell_by_themselves_which_is_the_last():
    """Twilio does not promise an order; `sent` after `delivered` is not final, so applications can ignore it."""
    finals = [webhook_report(MessageStatus=word).final for word in ("delivered", "sent", "queued")]
    assert finals == [True, False, False]


def test_a_report_for_an_unknown_text_is_a_report_without_a_reference():
    report = webhook_report(url="https://app.example/sms", MessageSid="SM000000000000000000000000000000ff")
    assert (report.id, report.reference) == ("SM000000000000000000000000000000ff", "")


def test_a_reference_of_the_callback_s_own_gives_way_to_ours():
    own = provider(callback_url="https://app.example/sms?reference=theirs")
    assert webhook_report(url=form(of_provider=own)["StatusCallback"]).reference == "ref-1"


@pytest.mark.parametrize("extra", [{}, {"SmsStatus": "received"}])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_text_to_us_keeps_its_words_and_its_numbers(extra, method):
    """The console can choose GET for inbound texts; then all fields are in the query."""
    fields = {**INBOUND, **extra}
    webhook = (
        HttpRequest.post_form("https://app.example/sms", fields)
        if method == "POST"
        else HttpRequest.get("https://app.example/sms", fields)
    )
    (event,) = provider().parse(webhook)
    assert (event.id, event.sender, event.to, event.text) == (SID, NUMBER, SENDER, INBOUND["Body"])
    assert event.key == SID


def test_a_text_to_us_may_be_empty():
    (event,) = provider().parse(
        HttpRequest.post_form("https://app.example/sms", {**INBOUND, "Body": "", "NumMedia": "1"})
    )
    assert event.text == ""


def test_a_text_with_a_missing_part_is_what_arrived_of_it():
    """Twilio joins the parts and delivers a single text (with the alert 30009 in the console)."""
    short = {**INBOUND, "Body": "first part", "NumSegments": "1"}
    assert [event.text for event in provider().parse(HttpRequest.post_form("https://app.example/sms", short))] == [
        "first part"
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"MessageSid": SID},
        {"MessageStatus": "sent"},
        {"MessageSid": "SM1", "MessageStatus": "sent"},
        {"MessageSid": SID, "Body": "without a sender"},
        {"MessageSid": SID, "SmsStatus": "received", "Body": "without a sender"},
        {"CallSid": "CA00000000000000000000000000000001", "CallStatus": "completed"},
    ],
)
def test_what_is_neither_a_report_nor_a_text_is_a_payload_error(fields):
    with pytest.raises(PayloadError):
        provider().parse(HttpRequest.post_form("https://app.example/sms", fields))


def test_a_body_that_is_no_form_is_a_payload_error():
    with pytest.raises(PayloadError):
        provider().parse(HttpRequest.post_json("https://app.example/sms", INBOUND))


def test_a_text_to_us_is_answered_with_empty_twiml_and_a_report_with_nothing():
    twilio = provider()
    reply = twilio.acknowledge(twilio.parse(HttpRequest.post_form("https://app.example/sms", INBOUND)))
    assert (reply.status, reply.headers["content-type"], reply.body) == (200, "text/xml", b"<Response/>")
    nothing = twilio.acknowledge([webhook_report()])
    assert (nothing.status, nothing.body) == (204, b"")
