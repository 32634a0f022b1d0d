"""VonageProvider: settings, requests for texts, and the meaning of each answer."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge import Capability, Dlt, HttpResponse, Message, Money, Purpose, Status, Verification, errors
from smsbridge.attempts import attempt, attempt_verification, query
from smsbridge.errors import (
    AuthenticationError,
    ConfigurationError,
    ContentError,
    FundsError,
    NotFoundError,
    OptedOutError,
    QueryError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    SendError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.plugins import Plugins
from smsbridge.testing.wire import FakeWire, drive
from smsbridge_vonage import VonageOptions, VonageProvider, VonageVerificationOptions, vocabulary

README = Path(__file__).parents[2] / "plugins" / "vonage" / "README.md"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ID = "0A0000000123ABCD1"
UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
SECRETS = {"api_secret": "dummy-api-secret", "signature_secret": "dummy-signature-secret"}


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    monkeypatch.setattr("smsbridge.reading.now", lambda: NOW)


def provider(**settings):
    return VonageProvider(**{"api_key": "abcd1234", **SECRETS, "sender": "AcmeInc", **settings})


def messages(**settings):
    return provider(api="messages", **settings)


def message(**fields):
    return Message(**{"to": "+919876543210", "text": "Your OTP is 123456", "reference": "ref-1", **fields})


def row(id=ID, **fields):
    """A row as documented for an accepted text."""
    documented = {
        "to": "919876543210",
        "message-id": id,
        "status": "0",
        "remaining-balance": "3.14159265",
        "message-price": "0.03330000",
        "network": "12345",
        "client-ref": "ref-1",
    }
    return {**documented, **fields}


def no(status, words="Trouble"):
    return {"status": status, "error-text": words}


def rows(*found, **changes):
    return HttpResponse.of_json({"message-count": str(len(found)), "messages": list(found), **changes})


def problem(status, title="Trouble", word="trouble", detail=None):
    kind = f"https://developer.vonage.com/api-errors#{word}"
    return replace(
        HttpResponse.of_json({"type": kind, "title": title, "detail": detail, "instance": "1"}), status=status
    )


ACCEPTED = replace(HttpResponse.of_json({"message_uuid": UUID}), status=202)


def sent(answer=None, of=None, by=None):
    by = by or provider()
    return drive(attempt(by, of or message()), answer or (rows(row()) if by.api == "sms" else ACCEPTED))


def failure(answer, by=None):
    with pytest.raises(SendError) as raised:
        sent(answer, by=by)
    return raised.value


def asked(of=None, by=None):
    """The request that sending ``of`` makes."""
    by = by or provider()
    wire = FakeWire(rows(row()) if by.api == "sms" else ACCEPTED)
    drive(attempt(by, of or message()), wire)
    (request,) = wire.requests
    return request


def form(of=None, by=None):
    return dict(parse_qsl(asked(of, by).body.decode(), keep_blank_values=True, strict_parsing=True))


def body(of=None, by=None):
    return json.loads(asked(of, by or messages()).body)


def refuses(of, by=None):
    """The error of a message that is refused without a request."""
    wire = FakeWire()
    with pytest.raises(SendError) as raised:
        drive(attempt(by or provider(), of), wire)
    assert not wire.requests
    return raised.value


# --- settings -------------------------------------------------------------------------------------------------------------


def test_the_entry_point_gives_the_provider():
    assert Plugins().provider_class("vonage") is VonageProvider


def test_it_can_do_what_vonage_can():
    assert provider().capabilities == {
        Capability.BALANCE,
        Capability.VERIFICATION,
        Capability.CANCEL_VERIFICATION,
        Capability.WEBHOOKS,
    }


def test_every_setting_is_read_from_the_environment(monkeypatch):
    values = {
        "API": "messages",
        "API_KEY": "abcd1234",
        "API_SECRET": "dummy-api-secret",
        "SIGNATURE_SECRET": "dummy-signature-secret",
        "SIGNATURE_METHOD": "sha512",
        "SIGNATURE_AGE": "86400",
        "SENDER": "AcmeInc",
        "ENTITY_ID": "1101",
        "TEMPLATE_ID": "1107",
        "CALLBACK_URL": "https://app.example/reports?from=vonage",
        "BASE_URL": "https://rest.example/",
        "MESSAGES_BASE_URL": "https://api-eu.example",
        "VERIFY_BRAND": "ACME",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"SMSBRIDGE_VONAGE_{name}", value)
    read = VonageProvider.from_env()
    assert read.secrets() == ["dummy-api-secret", "dummy-signature-secret"]
    assert read.model_dump(exclude={"api_secret", "signature_secret", "account"}) == {
        "api": "messages",
        "api_key": "abcd1234",
        "signature_method": "sha512",
        "signature_age": 86400,
        "sender": "AcmeInc",
        "entity_id": "1101",
        "template_id": "1107",
        "callback_url": "https://app.example/reports?from=vonage",
        "base_url": "https://rest.example",
        "messages_base_url": "https://api-eu.example",
        "verify_brand": "ACME",
    }


def test_the_documented_hosts_are_the_defaults():
    assert (provider().base_url, provider().messages_base_url) == ("https://rest.nexmo.com", "https://api.nexmo.com")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("api", "smpp"),
        ("api_key", ""),
        ("api_key", "ab:cd"),
        ("api_secret", ""),
        ("api_secret", "dummy\r\nx-evil: 1"),
        ("signature_secret", ""),
        ("signature_method", "none"),
        ("signature_age", 1),
        ("base_url", "ftp://wrong.test/"),
        ("base_url", "https://user:pass@wrong.test/"),
        ("base_url", "https://wrong.test:port/"),
        ("messages_base_url", "https://wrong.test/?a=1"),
        ("callback_url", "wrong.test/reports"),
        ("callback_url", "https://wrong.test/a b"),
        ("verify_brand", "ACME/Inc"),
        ("verify_brand", "A brand of more than"),
    ],
)
def test_a_wrong_setting_is_named_and_not_shown(setting, value):
    with pytest.raises(ConfigurationError) as raised:
        provider(**{setting: value})
    assert f"SMSBRIDGE_VONAGE_{setting.upper()}" in str(raised.value)
    assert not value or str(value) not in str(raised.value).replace("'none'", "")


def test_the_readme_names_every_setting_option_error_and_reason():
    meanings = [
        *vocabulary.SMS_CODES.values(),
        *vocabulary.MESSAGES_CODES.values(),
        *vocabulary.MESSAGES_TITLES.values(),
    ]
    words = {
        *(name.upper() for name in VonageProvider.model_fields if name != "account"),
        *VonageOptions.model_fields,
        *VonageVerificationOptions.model_fields,
        *(meaning.reason for meaning in meanings),
        *(meaning.error.__name__ for meaning in meanings),
        *vocabulary.ERR_CODES.values(),
        *vocabulary.CHECKS.values(),
        *vocabulary.SMS_STATUSES,
        *vocabulary.MESSAGES_STATUSES,
    }
    readme = README.read_text("utf-8")
    assert [word for word in words if f"`{word}`" not in readme] == []


# --- requests: the SMS API ------------------------------------------------------------------------------------------------


def test_a_text_is_a_form_with_basic_authentication():
    request = asked()
    assert (request.method, request.url, request.sends) == ("POST", "https://rest.nexmo.com/sms/json", True)
    assert request.content_type == "application/x-www-form-urlencoded"
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"abcd1234:dummy-api-secret"
    assert form() == {
        "from": "AcmeInc",
        "to": "919876543210",
        "text": "Your OTP is 123456",
        "client-ref": "ref-1",
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"sender": "OTHER"}, {"from": "OTHER"}),
        ({"sender": "+447700900000"}, {"from": "447700900000"}),
        ({"sender": "12345"}, {"from": "12345"}),
        ({"text": "नमस्ते"}, {"text": "नमस्ते", "type": "unicode"}),
        ({"valid_until": NOW + timedelta(seconds=20)}, {"ttl": "20000"}),
        ({"valid_until": NOW + timedelta(days=7)}, {"ttl": "604800000"}),
        ({"valid_until": NOW + timedelta(seconds=60, microseconds=1999)}, {"ttl": "60001"}),
        ({"dlt": Dlt(entity_id="1101", template_id="1107")}, {"entity-id": "1101", "content-id": "1107"}),
        ({"dlt": Dlt(template_id="1107")}, {"content-id": "1107"}),
        ({"reference": "r" * 100}, {"client-ref": "r" * 100}),
        ({"purpose": Purpose.PROMOTIONAL}, {}),
        ({"options": {"vonage": {"callback_url": "https://a.test/"}}}, {"callback": "https://a.test/"}),
        ({"options": {"vonage": {"trusted": True}}}, {"trusted-number": "true"}),
    ],
)
def test_each_field_of_a_message_has_its_own_in_the_sms_api(fields, expected):
    assert form(message(**fields)) == {**form(), **expected}


def test_settings_fill_in_for_what_a_message_does_not_say():
    by = provider(entity_id="1101", template_id="1107", callback_url="https://a.test/reports")
    expected = {"entity-id": "1101", "content-id": "1107", "callback": "https://a.test/reports"}
    assert form(by=by) == {**form(), **expected}
    own = message(dlt=Dlt(template_id="1109"), options={"vonage": {"callback_url": "https://b.test/"}})
    assert form(own, by) == {**form(), **expected, "content-id": "1109", "callback": "https://b.test/"}


GSM = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCXYZÄÖÑÜ§¿abcxyzäöñüà^{}\\[~]|€"


@given(st.text(GSM))
def test_a_text_of_the_gsm_alphabet_is_sent_as_text(words):
    assert "type" not in form(message(text=f"Hello {words}"))


@pytest.mark.parametrize("character", "ç`’“…–á\t₹आ😀\u00a0")  # noqa: RUF001  # which is the point
def test_one_other_character_makes_a_text_unicode(character):
    assert form(message(text=f"Hello {character}"))["type"] == "unicode"


# --- requests: Messages v1 ------------------------------------------------------------------------------------------------


def test_messages_takes_json():
    request = asked(by=messages())
    assert (request.method, request.url, request.sends) == ("POST", "https://api.nexmo.com/v1/messages", True)
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"abcd1234:dummy-api-secret"
    assert body() == {
        "channel": "sms",
        "message_type": "text",
        "to": "919876543210",
        "from": "AcmeInc",
        "text": "Your OTP is 123456",
        "client_ref": "ref-1",
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"sender": "+447700900000"}, {"from": "447700900000"}),
        ({"text": "नमस्ते 😀"}, {"text": "नमस्ते 😀"}),
        ({"valid_until": NOW + timedelta(seconds=20.9)}, {"ttl": 20}),
        ({"valid_until": NOW + timedelta(days=7)}, {"ttl": 604800}),
        ({"dlt": Dlt(entity_id="1101", template_id="1107")}, {"sms": {"entity_id": "1101", "content_id": "1107"}}),
        ({"options": {"vonage": {"callback_url": "https://a.test/"}}}, {"webhook_url": "https://a.test/"}),
        ({"options": {"vonage": {"trusted": True}}}, {"trusted_recipient": True}),
    ],
)
def test_each_field_of_a_message_has_its_own_in_messages(fields, expected):
    assert body(message(**fields)) == {**body(), **expected}


# --- refused without a request --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [provider, messages])
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"send_at": NOW + timedelta(hours=1)}, UnsupportedError),
        ({"reference": "r" * 101}, UnsupportedError),
        ({"valid_until": NOW}, RefusedError),
        ({"valid_until": NOW + timedelta(seconds=19.9)}, UnsupportedError),
        ({"valid_until": NOW + timedelta(days=7, seconds=1)}, UnsupportedError),
        ({"options": {"vonage": {"flash": True}}}, UnsupportedError),
    ],
)
def test_what_vonage_cannot_express_is_refused(by, fields, error):
    assert type(refuses(message(**fields), by())) is error


def test_without_a_sender_nothing_is_sent():
    error = refuses(message(), provider(sender=None))
    assert (type(error), error.reason) == (SenderError, "missing")


# --- answers of the SMS API -----------------------------------------------------------------------------------------------


def test_an_accepted_text_is_queued():
    result = sent()
    assert (result.id, result.status, result.segments) == (ID, Status.QUEUED, 1)
    assert (result.to, result.reference) == ("+919876543210", "ref-1")
    assert result.price == Money(amount=Decimal("0.03330000"), unit="EUR")


def test_a_long_text_has_the_id_of_its_first_part_and_all_of_them_in_raw():
    result = sent(rows(row("A"), row("B"), row("C")))
    assert (result.id, result.segments, result.raw["ids"]) == ("A", 3, ["A", "B", "C"])
    assert result.price == Money(amount=Decimal("0.09990000"), unit="EUR")


@pytest.mark.parametrize(
    ("code", "error", "reason", "fault"),
    [
        ("1", RateLimitedError, "throttled", "account"),
        ("2", RefusedError, "missing-parameter", "message"),
        ("3", RefusedError, "invalid-parameter", "message"),
        ("4", AuthenticationError, "credentials", "account"),
        ("5", UncertainError, "internal-error", "provider"),
        ("6", RefusedError, "invalid-message", "message"),
        ("7", OptedOutError, "blocked", "message"),
        ("8", AuthenticationError, "account-barred", "account"),
        ("9", FundsError, "no-credit", "account"),
        ("10", RateLimitedError, "too-many-binds", "account"),
        ("11", AuthenticationError, "not-enabled", "account"),
        ("12", ContentError, "too-long", "message"),
        ("14", AuthenticationError, "signature", "account"),
        ("15", SenderError, "sender", "account"),
        ("17", RefusedError, "blocked-by-provider", "message"),
        ("22", RefusedError, "network-code", "message"),
        ("23", RefusedError, "callback", "account"),
        ("29", RefusedError, "demo-mode", "account"),
        ("32", AuthenticationError, "signature-and-secret", "account"),
        ("33", RecipientError, "deactivated", "message"),
    ],
)
def test_each_documented_code_is_the_error_that_it_means(code, error, reason, fault):
    found = failure(rows(no(code, "In the vendor's words")))
    assert (type(found), found.code, found.reason, found.fault) == (error, code, reason, fault)
    assert found.detail == "In the vendor's words"


def test_no_other_code_is_in_the_table():
    documented = "1 2 3 4 5 6 7 8 9 10 11 12 14 15 17 22 23 29 32 33"
    assert set(vocabulary.SMS_CODES) == set(documented.split())


@pytest.mark.parametrize(
    "answer",
    [
        rows(no("99")),
        rows(no("")),
        rows({"error-text": "no status"}),
        rows(row(status=None)),
        rows(row(status=False)),
        rows(),
        rows("0"),
        HttpResponse.of_json({"messages": {"status": "0"}}),
        HttpResponse.of_json({}),
        rows(row(**{"message-id": ""})),
        rows(row(**{"message-id": None})),
        rows(row(), **{"message-count": "2"}),
        rows(row(to="919812345678")),
        HttpResponse(status=200, body=b"<mt-submission-response/>"),
        HttpResponse(status=500),
        HttpResponse(status=302),
    ],
)
def test_what_does_not_clearly_say_yes_or_no_is_uncertain(answer):
    assert type(failure(answer)) is UncertainError


def test_a_text_of_which_only_some_parts_were_accepted_is_uncertain():
    for found in ([row("A"), no("1")], [no("1"), row("B")], [row("A"), no("9"), row("C")]):
        error = failure(rows(*found))
        assert (type(error), error.reason) == (UncertainError, "incomplete")
        assert error.code in {"1", "9"}


def test_a_text_of_which_all_parts_were_refused_is_refused():
    assert type(failure(rows(no("1"), no("1")))) is RateLimitedError


def test_one_doubtful_part_makes_the_whole_text_uncertain():
    assert type(failure(rows(no("1"), no("5")))) is UncertainError
    assert type(failure(rows(no("1"), no("77")))) is UncertainError


def test_words_of_the_vendor_are_kept_without_number_and_text():
    error = failure(rows(no("3", "Invalid to 919876543210: Your OTP is 123456")))
    assert error.detail == "Invalid to ***: ***"


# --- answers of Messages v1 -----------------------------------------------------------------------------------------------


def test_a_message_is_accepted_under_its_uuid():
    result = sent(by=messages())
    assert (result.id, result.status, result.segments, result.price) == (UUID, Status.QUEUED, None, None)


@pytest.mark.parametrize(
    ("title", "error", "reason"),
    [
        ("Invalid sender", SenderError, "sender"),
        ("Invalid recipient", RecipientError, "invalid-number"),
        ("Invalid client reference", RefusedError, "reference"),
        ("Invalid params", RefusedError, "invalid-parameter"),
        ("Invalid channel parameters", RefusedError, "invalid-parameter"),
        ("Invalid message type", RefusedError, "message-type"),
        ("Unsupported channel", RefusedError, "channel"),
    ],
)
def test_a_title_of_messages_is_the_error_that_it_means(title, error, reason):
    found = failure(problem(422, title, "1060", "The vendor's words"), messages())
    assert (type(found), found.reason, found.code) == (error, reason, "1060")
    assert found.detail == f"{title}: The vendor's words"


def test_the_number_behind_a_type_is_not_read_because_it_is_from_an_older_list():
    """#1060 comes with a bad reference; in the present list, 1060 is a barred account."""
    assert type(failure(problem(422, "Something new", "1060"), messages())) is RefusedError


@pytest.mark.parametrize(
    ("status", "word", "error"),
    [
        (401, "unauthorized", AuthenticationError),
        (402, "low-balance", FundsError),
        (403, "forbidden", AuthenticationError),
        (404, "not-found", RefusedError),
        (422, "invalid-json", RefusedError),
        (429, "throttled", RateLimitedError),
        (500, "internal-error", UncertainError),
    ],
)
def test_what_has_no_title_of_its_own_goes_by_http_status(status, word, error):
    found = failure(problem(status, word=word), messages())
    assert (type(found), found.code) == (error, word)


def test_a_http_status_that_says_more_than_a_title_wins():
    assert type(failure(problem(401, "Invalid sender"), messages())) is AuthenticationError
    assert type(failure(problem(503, "Invalid sender"), messages())) is UncertainError


def test_accepted_without_an_id_is_uncertain():
    for answer in ({}, {"message_uuid": ""}, {"message_uuid": None}, {"message_uuid": ["x"]}):
        assert type(failure(replace(HttpResponse.of_json(answer), status=202), messages())) is UncertainError


MESSAGES_CODES = """
1000 RateLimitedError throttled rejected          1010 RefusedError missing-parameter rejected
1020 RefusedError invalid-parameter rejected      1030 UncertainError internal-error failed
1040 RefusedError invalid-message rejected        1050 OptedOutError blocked rejected
1060 AuthenticationError account-barred rejected  1070 FundsError no-credit rejected
1080 AuthenticationError not-enabled rejected     1090 ContentError too-long rejected
1100 RefusedError communication failed            1120 SenderError sender rejected
1130 RefusedError validity rejected               1140 AuthenticationError not-enabled rejected
1160 RefusedError demo-mode rejected              1170 RecipientError invalid-number rejected
1180 RefusedError absent undelivered              1190 RecipientError inactive undelivered
1200 RecipientError portability undelivered       1210 ContentError spam rejected
1220 RefusedError busy undelivered                1230 RefusedError network undelivered
1240 OptedOutError opted-out rejected             1241 RateLimitedError throttled rejected
1242 SenderError sender-pool rejected             1250 RecipientError unroutable undelivered
1251 RefusedError unroutable rejected             1260 RecipientError unreachable undelivered
1270 RefusedError age-restricted undelivered      1280 RecipientError blocked-by-carrier undelivered
1282 RefusedError blocked-by-provider rejected    1290 RecipientError recipient-credit undelivered
1300 RecipientError not-in-network undelivered    1310 RecipientError handset undelivered
1320 UncertainError duplicate rejected            1330 UncertainError unknown undelivered
1331 UncertainError provider-error failed         1360 RefusedError expired expired
1400 RefusedError channel rejected                1410 RefusedError invalid-parameter rejected
1420 SenderError sender rejected                  1430 RecipientError invalid-number rejected
1440 RefusedError message-type rejected           1450 RefusedError reference rejected
1460 RateLimitedError daily-limit rejected        1461 RateLimitedError provider-limit rejected
1470 RefusedError fraud-defender rejected         1472 RateLimitedError fraud-defender rejected
1473 RefusedError fraud-defender rejected         1474 RefusedError country-blocked rejected
1475 RefusedError network-blocked rejected        1476 SenderError do-not-originate rejected
1480 RefusedError dlt-entity rejected             1481 SenderError dlt-header rejected
1482 ContentError dlt-template rejected           1483 RefusedError dlt-consent rejected
1484 RefusedError regulation rejected             1490 UncertainError segment-timeout unknown
""".split()  # noqa: SIM905  # a table to read
TYPED = {code: rest for code, *rest in zip(*[iter(MESSAGES_CODES)] * 4, strict=True)}


def test_no_other_number_is_in_the_table():
    assert set(vocabulary.MESSAGES_CODES) == set(TYPED)


def test_each_number_of_messages_is_the_error_that_it_means():
    for code, (error, reason, status) in TYPED.items():
        found = failure(problem(422, code), messages())
        assert (type(found), found.reason, found.code) == (getattr(errors, error), reason, code)
        assert (
            vocabulary.MESSAGES_CODES[code].status or Status.REJECTED
        ) == status  # a report with this number has it: test_vonage_webhooks


# --- balance --------------------------------------------------------------------------------------------------------------


def test_the_balance_is_in_euros():
    wire = FakeWire(HttpResponse.of_json({"value": 10.28, "autoReload": False}))
    (balance,) = drive(provider().balance(), wire)
    assert (balance.amount, balance.unit, balance.raw["autoReload"]) == (Decimal("10.28"), "EUR", False)
    assert (wire.requests[0].method, wire.requests[0].url) == ("GET", "https://rest.nexmo.com/account/get-balance")


@pytest.mark.parametrize("value", [None, True, "much", [], float("nan")])
def test_a_balance_that_cannot_be_read_is_no_balance(value):
    with pytest.raises(QueryError):
        drive(query(provider(), provider().balance), HttpResponse.of_json({"value": value}))


# --- one-time codes -------------------------------------------------------------------------------------------------------

STARTED = replace(HttpResponse.of_json({"request_id": UUID}), status=202)
CODE = Verification(account="vonage", provider="vonage", id=UUID)


def code_message(**fields):
    return message(**{"text": "", "purpose": Purpose.OTP, **fields})


def started(of=None, answer=STARTED, by=None):
    wire = FakeWire(answer)
    return drive(attempt_verification(by or provider(verify_brand="ACME"), of or code_message()), wire), wire.requests[
        0
    ]


def test_a_code_is_started_with_the_brand():
    verification, request = started()
    assert (verification.id, verification.to, verification.reference) == (UUID, "+919876543210", "ref-1")
    assert (request.method, request.url, request.sends) == ("POST", "https://api.nexmo.com/v2/verify", True)
    assert json.loads(request.body) == {
        "brand": "ACME",
        "workflow": [{"channel": "sms", "to": "919876543210", "from": "AcmeInc"}],
    }


def test_what_can_be_said_of_a_code_is_said():
    of = code_message(
        sender="OTHER",
        dlt=Dlt(entity_id="1101", template_id="1107"),
        options={"vonage": {"length": 6, "locale": "hi-in", "channel_timeout": 120}},
    )
    channel = {"channel": "sms", "to": "919876543210", "from": "OTHER", "entity_id": "1101", "content_id": "1107"}
    expected = {"brand": "ACME", "locale": "hi-in", "channel_timeout": 120, "code_length": 6, "workflow": [channel]}
    assert json.loads(started(of)[1].body) == expected


def test_the_template_of_texts_is_not_the_template_of_codes():
    _, request = started(by=provider(verify_brand="ACME", entity_id="1101", template_id="1107"))
    (channel,) = json.loads(request.body)["workflow"]
    assert channel["entity_id"] == "1101"
    assert "content_id" not in channel


@pytest.mark.parametrize(
    ("of", "settings", "error"),
    [
        (code_message(text="Your code is {code}"), {}, UnsupportedError),
        (code_message(valid_until=NOW + timedelta(minutes=5)), {}, UnsupportedError),
        (code_message(), {"verify_brand": None}, RefusedError),
    ],
)
def test_what_verify_cannot_express_is_refused(of, settings, error):
    with pytest.raises(error):
        drive(attempt_verification(provider(**{"verify_brand": "ACME", **settings}), of), FakeWire())


def test_a_number_with_a_code_on_its_way_gets_no_second_one():
    answer = problem(409, "Conflict", "concurrent", "Concurrent verifications to the same number are not allowed.")
    with pytest.raises(RefusedError) as raised:
        started(answer=answer)
    assert (raised.value.reason, raised.value.code, raised.value.fault) == ("already-running", "concurrent", "message")


@pytest.mark.parametrize("word", ["", "conflict", "duplicate"])
@pytest.mark.parametrize(
    ("title", "detail"),
    [
        ("Conflict", "Concurrent verifications to the same number are not allowed."),
        ("Conflict", "CONCURRENT VERIFICATIONS TO THE SAME NUMBER ARE NOT ALLOWED"),
        ("Concurrent verifications to the same number are not allowed", ""),
    ],
)
def test_whatever_type_that_answer_has(title, detail, word):
    with pytest.raises(RefusedError) as raised:
        started(answer=problem(409, title, word, detail))
    assert (raised.value.reason, raised.value.fault) == ("already-running", "message")


@pytest.mark.parametrize(
    "answer",
    [
        problem(409, "Conflict", "", "The request is not concurrent."),
        problem(422, "Conflict", "", "Concurrent verifications to the same number are not allowed."),
        HttpResponse(status=409),
    ],
)
def test_another_conflict_is_not_that_a_code_is_on_its_way(answer):
    with pytest.raises(RefusedError) as raised:
        started(answer=answer)
    assert raised.value.reason != "already-running"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AuthenticationError),
        (402, FundsError),
        (422, RefusedError),
        (429, RateLimitedError),
        (500, UncertainError),
    ],
)
def test_a_code_that_is_not_started_goes_by_http_status(status, error):
    with pytest.raises(error):
        started(answer=problem(status))


def checked(answer, code="123456"):
    wire = FakeWire(answer)
    result = drive(query(provider(), lambda: provider().check_verification(CODE, code)), wire)
    return result, wire.requests


def test_a_right_code_is_approved():
    result, (request,) = checked(HttpResponse.of_json({"request_id": UUID, "status": "completed"}), " 123456 ")
    assert result.approved
    assert (request.method, request.url, request.sends) == ("POST", f"https://api.nexmo.com/v2/verify/{UUID}", False)
    assert json.loads(request.body) == {"code": "123456"}


@pytest.mark.parametrize(
    ("status", "word", "reason"),
    [
        (400, "invalid-code", "wrong-code"),
        (404, "not-found", "unknown"),
        (404, "request-not-found", "unknown"),
        (410, "expired", "expired"),
        (410, "invalid-code", "expired"),
    ],
)
def test_a_code_that_is_not_right_is_an_answer(status, word, reason):
    result, _ = checked(problem(status, word=word))
    assert (result.approved, result.reason) == (False, reason)
    assert vocabulary.CHECKS[status, word] == reason
    assert len(vocabulary.CHECKS) == 5


@pytest.mark.parametrize("word", ["", "bad-request", "invalid-param", "not-found"])
@pytest.mark.parametrize("title", ["Invalid Code", "invalid code", " INVALID CODE "])
@pytest.mark.parametrize(("status", "reason"), [(400, "wrong-code"), (410, "expired")])
def test_a_wrong_code_is_known_by_its_title_whatever_type_it_has(status, reason, title, word):
    result, _ = checked(problem(status, title, word))
    assert (result.approved, result.reason) == (False, reason)


@pytest.mark.parametrize("kind", [None, 7, [], "about:blank", "https://developer.vonage.com/api-errors"])
def test_and_whatever_the_type_is_at_all(kind):
    result, _ = checked(HttpResponse.of_json({"title": "Invalid Code", "type": kind}, status=400))
    assert (result.approved, result.reason) == (False, "wrong-code")


@pytest.mark.parametrize(
    "answer",
    [
        problem(401, "Invalid Code"),
        problem(404, "Invalid Code"),
        problem(422, "Invalid Code"),
        problem(500, "Invalid Code"),
        problem(400, "Invalid params", "invalid-param"),
        HttpResponse.of_json({"title": ["Invalid Code"]}, status=400),
        problem(400, word="invalid-json"),
        problem(404, word=""),
        problem(409, word="no-code"),
        HttpResponse(status=410),
        HttpResponse.of_json({"request_id": UUID, "status": "pending"}),
        HttpResponse.of_json({"request_id": "another", "status": "completed"}),
    ],
)
def test_anything_else_is_no_answer_to_a_code(answer):
    with pytest.raises(QueryError):
        checked(answer)


@pytest.mark.parametrize("code", ["", "123", "12345678901", "12 34", "../x", "१२३४"])
def test_what_cannot_be_a_code_of_the_vendors_is_wrong_without_asking(code):
    result = drive(provider().check_verification(CODE, code), FakeWire())
    assert (result.approved, result.reason) == (False, "wrong-code")


def test_a_code_can_be_cancelled():
    wire = FakeWire(HttpResponse(status=204))
    assert drive(provider().cancel_verification(CODE), wire) is None
    assert (wire.requests[0].method, wire.requests[0].url) == ("DELETE", f"https://api.nexmo.com/v2/verify/{UUID}")


def test_a_code_that_is_over_cannot_be_cancelled():
    with pytest.raises(NotFoundError):
        drive(provider().cancel_verification(CODE), problem(404, word="not-found"))


def test_an_id_from_elsewhere_stays_one_part_of_the_path():
    wire = FakeWire(HttpResponse(status=204))
    drive(provider().cancel_verification(replace(CODE, id="../messages?x=1")), wire)
    assert wire.requests[0].url == "https://api.nexmo.com/v2/verify/..%2Fmessages%3Fx%3D1"
    with pytest.raises(NotFoundError):
        drive(provider().cancel_verification(replace(CODE, id="..")), FakeWire())
