"""VonageProvider: webhooks, genuine or not, in order or not, whole or in parts."""

import contextlib
import json
import logging
import random
import threading
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import md5, sha256
from hmac import new as hmac
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsbridge import DeliveryReport, HttpRequest, InboundMessage, Money, PayloadError, SignatureError, Status, reading
from smsbridge.plugins import Plugins
from smsbridge.receiving import receive
from smsbridge.testing.wire import drive
from smsbridge_vonage import VonageProvider, parts, vocabulary

NO_HOOKS = Plugins()
SECRET = "dummy-signature-secret"
NOW = 1_800_000_000
URL = "https://us.test/hook"
ID, UUID = "0A0000001234567B", "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
JSON = {"content-type": "application/json"}

REPORT = {  # the vendor's example
    "msisdn": "447700900000",
    "to": "AcmeInc",
    "network-code": "12345",
    "messageId": ID,
    "price": "0.03330000",
    "status": "delivered",
    "scts": "2001011400",
    "err-code": "0",
    "api-key": "abcd1234",
    "message-timestamp": "2020-01-01 12:00:00",
    "client-ref": "my-personal-reference",
}
TEXT = {
    "api-key": "abcd1234",
    "msisdn": "447700900001",
    "to": "447700900000",
    "messageId": ID,
    "text": "Hello world",
    "type": "text",
    "keyword": "HELLO",
    "message-timestamp": "2020-01-01 12:00:00",
}
STATUS = {
    "message_uuid": UUID,
    "to": "447700900000",
    "from": "447700900001",
    "timestamp": "2025-02-03T12:14:25Z",
    "status": "delivered",
    "client_ref": "abc123",
    "usage": {"currency": "EUR", "price": "0.0333"},
    "channel": "sms",
    "sms": {"count_total": "2"},
}
MESSAGE = {
    "channel": "sms",
    "message_uuid": UUID,
    "to": "447700900000",
    "from": "447700900001",
    "timestamp": "2025-02-03T12:14:25Z",
    "text": "Hello From Vonage!",
    "sms": {"num_messages": "2", "keyword": "HELLO"},
}


@pytest.fixture
def later(monkeypatch):
    """Moves the clock forward by seconds."""

    def set_clock(seconds):
        monkeypatch.setattr("smsbridge.reading.now", lambda: datetime.fromtimestamp(NOW + seconds, UTC))

    return set_clock


@pytest.fixture(autouse=True)
def _clock(later):
    later(0)


def provider(**settings):
    given = {"api_key": "abcd1234", "api_secret": "dummy-api-secret", "signature_secret": SECRET, **settings}
    return VonageProvider(**given)


# --- how Vonage signs, independent of the provider's code -----------------------------------------------------------------


def clean(word):
    return word.replace("&", "_").replace("=", "_")


def base(parameters):
    return "".join(f"&{clean(name)}={clean(value)}" for name, value in sorted(parameters.items()))


METHODS = {
    "md5hash": lambda parameters, secret: md5((base(parameters) + secret).encode()).hexdigest(),
    "md5": lambda parameters, secret: hmac(secret.encode(), base(parameters).encode(), "md5").hexdigest(),
    "sha1": lambda parameters, secret: hmac(secret.encode(), base(parameters).encode(), "sha1").hexdigest(),
    "sha256": lambda parameters, secret: hmac(secret.encode(), base(parameters).encode(), "sha256").hexdigest(),
    "sha512": lambda parameters, secret: hmac(secret.encode(), base(parameters).encode(), "sha512").hexdigest(),
}


def signed(data, method="md5hash", secret=SECRET, **changes):
    proof = {"timestamp": str(NOW), "nonce": "ec11dd3e-1e7f-4db5-9467-82b02cd223b9", **changes}
    parameters = {**data, **proof}
    return {**parameters, "sig": METHODS[method](parameters, secret)}


def as_form(data):
    return HttpRequest(method="POST", url=URL, headers=FORM, body=urlencode(data).encode())


def as_json(data):
    return HttpRequest(method="POST", url=URL, headers=JSON, body=json.dumps(data).encode())


def as_get(data):
    return HttpRequest(method="GET", url=f"{URL}?{urlencode(data)}")


FORMATS = [as_form, as_json, as_get]


def encoded(data):
    return urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()


def token(body, header=None, secret=SECRET, **claims):
    given = {"iat": NOW, "jti": "j", "iss": "Vonage", "payload_hash": sha256(body).hexdigest(), "api_key": "abcd1234"}
    given = {name: value for name, value in {**given, **claims}.items() if value is not None}
    start = f"{encoded(header or {'alg': 'HS256', 'typ': 'JWT'})}.{encoded(given)}"
    return f"{start}.{encoded(hmac(secret.encode(), start.encode(), 'sha256').digest())}"


def with_token(data, **changes):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return bearing(token(body, **changes), body)


def bearing(given, data=STATUS):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return HttpRequest(method="POST", url=URL, headers={**JSON, "authorization": f"Bearer {given}"}, body=body)


def received(webhook, by=None):
    return drive(receive(NO_HOOKS, by or provider(), webhook))


def event(webhook, by=None):
    (found,) = received(webhook, by).events
    return found


def refused(webhook, by=None):
    with pytest.raises(SignatureError) as raised:
        received(webhook, by)
    return raised.value


# --- genuine or not: the SMS API ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_and_every_way_of_delivery_is_verified(method, form):
    by = provider(signature_method=method)
    good = signed(REPORT, method)
    assert received(form(good), by).response.status == 200
    assert received(form({**good, "sig": good["sig"].upper()}), by).response.status == 200
    for other in METHODS.keys() - {method}:
        refused(form(signed(REPORT, other)), by)


@pytest.mark.parametrize("form", FORMATS)
def test_a_changed_added_or_missing_parameter_is_refused(form):
    good = signed(REPORT)
    assert event(form(good))
    for name in good:
        refused(form({**good, name: f"{good[name]}1"}))
        refused(form({other: value for other, value in good.items() if other != name}))
    refused(form({**good, "added": "1"}))


@pytest.mark.parametrize("form", FORMATS)
def test_the_order_of_parameters_does_not_matter_because_they_are_sorted(form):
    names = list(signed(REPORT))
    for _ in range(5):
        random.shuffle(names)
        assert event(form({name: signed(REPORT)[name] for name in names})).id == ID


def test_and_and_equals_signs_are_signed_as_underscores():
    assert event(as_form(signed({**TEXT, "text": "You & Me = Love"}))).text == "You & Me = Love"


def test_names_are_signed_in_the_same_way_so_that_no_two_parameters_pass_for_one():
    assert event(as_form(signed({**TEXT, "a&b=c": "1"}))).id == ID
    good = signed({**TEXT, "text": "Hello", "type": "text"})
    merged = {name: value for name, value in good.items() if name not in ("text", "type")}
    refused(as_form({**merged, "text=Hello&type": "text"}))
    refused(as_form({**merged, "text": "Hello&type=text"}))


def test_a_parameter_that_comes_twice_is_never_read():
    """``sig`` covers only the query or only the form; the documentation does not say which."""
    good = list(signed(TEXT).items())
    for pairs in ([*good, ("text", "Hello world")], [("text", "another"), *good], [*good, ("text", "another")]):
        for webhook in (
            HttpRequest(method="POST", url=URL, headers=FORM, body=urlencode(pairs).encode()),
            HttpRequest(method="GET", url=f"{URL}?{urlencode(pairs)}"),
            HttpRequest(
                method="POST",
                url=URL,
                headers=JSON,
                body=f"{{{','.join(f'{json.dumps(name)}:{json.dumps(value)}' for name, value in pairs)}}}".encode(),
            ),
        ):
            with pytest.raises((PayloadError, SignatureError)):
                received(webhook)


@pytest.mark.parametrize("extra", [{"more": {"a": 1}}, {"more": ["x"]}, {"more": None}, {"text": ["x"]}])
def test_what_sig_cannot_cover_is_never_read(extra):
    good = signed({name: value for name, value in TEXT.items() if name not in extra})
    with pytest.raises(PayloadError):
        received(as_json({**good, **extra}))


def test_numbers_are_verified_as_they_were_written():
    data = {**TEXT, "concat-part": "1.50", "flag": "true"}
    good = signed(data)
    body = json.dumps(good).replace('"1.50"', "1.50").replace('"true"', "true").encode()
    assert event(HttpRequest(method="POST", url=URL, headers=JSON, body=body)).id == ID
    refused(HttpRequest(method="POST", url=URL, headers=JSON, body=body.replace(b"1.50", b"1.5")))


def test_a_body_is_never_completed_by_the_query_and_the_query_never_by_a_body():
    good = signed(TEXT)
    query = HttpRequest(method="POST", url=f"{URL}?{urlencode(good)}", headers=JSON, body=json.dumps(STATUS).encode())
    refused(query)
    for body in (b"not JSON", b"[]", b'"x"'):
        with pytest.raises(PayloadError):
            received(HttpRequest(method="POST", url=f"{URL}?{urlencode(good)}", headers=JSON, body=body))
    own = HttpRequest(method="POST", url=f"{URL}?tenant=7&text=evil", headers=FORM, body=urlencode(good).encode())
    assert event(own).text == "Hello world"


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", "٣", "9" * 400])
def test_a_timestamp_that_cannot_be_read_is_refused(timestamp):
    refused(as_form(signed(REPORT, timestamp=timestamp)))


def test_without_a_configured_secret_nothing_is_believed():
    with pytest.raises(
        SignatureError, match=r"no signature secret is configured.*: set SMSBRIDGE_OTP_SIGNATURE_SECRET"
    ):
        provider(signature_secret=None, account="otp").verify(as_form({**REPORT, "sig": "0" * 32}))


def test_without_a_timestamp_nothing_is_believed():
    bare = {**REPORT, "sig": METHODS["md5hash"](REPORT, SECRET)}
    refused(as_form(bare))


# --- genuine or not: Messages v1 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_token_over_the_body_is_believed(scheme):
    body = json.dumps(STATUS).encode()
    headers = {**JSON, "authorization": f"{scheme} {token(body)}"}
    assert event(HttpRequest(method="POST", url=URL, headers=headers, body=body)).id == UUID


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS384", "HS512", "RS256", "hs256", None, ["HS256"]])
def test_a_token_of_another_algorithm_is_refused(alg):
    body = json.dumps(STATUS).encode()
    good = token(body, header={"alg": alg, "typ": "JWT"})
    refused(bearing(good))
    refused(bearing(f"{good.rpartition('.')[0]}."))


def test_a_token_with_extensions_that_must_be_understood_is_refused():
    refused(with_token(STATUS, header={"alg": "HS256", "crit": ["b64"], "b64": False}))


def test_a_token_that_does_not_cover_the_body_is_refused():
    refused(with_token(STATUS, payload_hash=None))
    refused(with_token(STATUS, payload_hash=7))
    refused(with_token(STATUS, payload_hash=""))
    good = token(json.dumps(STATUS).encode())
    refused(bearing(good, {**STATUS, "status": "rejected"}))
    refused(bearing(good, json.dumps(STATUS).encode() + b" "))


def test_a_body_with_reordered_keys_is_another_body():
    good = token(json.dumps(STATUS).encode())
    refused(bearing(good, dict(reversed(STATUS.items()))))


def test_a_token_says_nothing_about_the_query():
    webhook = HttpRequest(
        method="GET", url=f"{URL}?{urlencode(TEXT)}", headers={"authorization": f"Bearer {token(b'')}"}
    )
    with pytest.raises(PayloadError):
        received(webhook)


@pytest.mark.parametrize(
    "broken",
    ["", ".", "..", "a.b", "a.b.c", "é.é.é", "{}", "[1]", "null", f"{encoded(b'[]')}.{encoded(b'[]')}."],
)
def test_a_token_that_is_none_is_refused(broken):
    refused(bearing(broken))


def test_a_token_whose_parts_cannot_be_read_is_refused():
    for start in (f"{encoded(b'[]')}.{encoded(b'[]')}", f"{encoded(b'x')}.{encoded(b'y')}", "a.b", "_._"):
        refused(bearing(f"{start}.{encoded(hmac(SECRET.encode(), start.encode(), 'sha256').digest())}"))


def test_a_token_is_compared_to_its_last_bit():
    """The last character of a signature has two unused bits; another character makes another token."""
    good = token(json.dumps(STATUS).encode())
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=":
        if last != good[-1]:
            refused(bearing(f"{good[:-1]}{last}"))


def test_an_unsigned_webhook_is_answered_503_so_that_vonage_tries_again():
    error = refused(as_json(STATUS))
    assert error.status == 503
    assert refused(bearing("a.b.c")).status == 401


# --- clocks ---------------------------------------------------------------------------------------------------------------

WAYS = {"sig": lambda at: as_form(signed(REPORT, timestamp=str(at))), "token": lambda at: with_token(STATUS, iat=at)}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_clock_that_is_five_minutes_off_is_tolerated(way):
    assert event(way(NOW - 300))
    assert event(way(NOW + 300))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_was_signed_long_ago_or_in_the_future_is_refused(way):
    assert event(way(NOW - 600))
    refused(way(NOW - 601))
    refused(way(NOW + 301))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_how_old_is_too_old_can_be_set(way):
    assert event(way(NOW - 86400), provider(signature_age=86400))
    refused(way(NOW + 301), provider(signature_age=86400))


def test_an_expired_token_is_refused():
    assert event(with_token(STATUS, exp=NOW + 900))
    assert event(with_token(STATUS, exp=NOW - 300))  # with a clock that is five minutes wrong
    refused(with_token(STATUS, exp=NOW - 301))


def test_a_token_that_is_not_valid_yet_is_refused():
    assert event(with_token(STATUS, nbf=NOW + 300))
    refused(with_token(STATUS, nbf=NOW + 301))


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": None},
        {"iat": None, "exp": NOW + 900},
        {"iat": str(NOW)},
        {"iat": True},
        {"iat": float("nan")},
        {"iat": 10**400},
        {"exp": "never"},
        {"nbf": []},
        *(
            {name: value}
            for name in ("iat", "exp", "nbf")
            for value in (float("nan"), float("inf"), -float("inf"), 1e300, 10**400, True, False, str(NOW), [NOW], {})
        ),
    ],
)
def test_a_token_whose_times_cannot_be_read_is_refused(claims):
    refused(with_token(STATUS, **claims))
    with pytest.raises(SignatureError):
        provider().verify(with_token(STATUS, **claims))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_nor_one_whose_times_no_python_would_write(name, number):
    body = json.dumps(STATUS).encode()
    claims = {"iat": NOW, "payload_hash": sha256(body).hexdigest(), name: "NUMBER"}
    start = f"{encoded({'alg': 'HS256'})}.{encoded(json.dumps(claims).replace(chr(34) + 'NUMBER' + chr(34), number).encode())}"
    refused(bearing(f"{start}.{encoded(hmac(SECRET.encode(), start.encode(), 'sha256').digest())}"))


def test_a_token_may_say_a_time_with_a_fraction():
    assert event(with_token(STATUS, iat=NOW + 0.5, exp=NOW + 900.5))


# --- delivery reports -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_a_delivery_receipt_is_read(form):
    assert event(form(signed(REPORT))) == DeliveryReport(
        account="vonage",
        provider="vonage",
        id=ID,
        to="+447700900000",
        reference="my-personal-reference",
        status=Status.DELIVERED,
        final=True,
        at=datetime(2020, 1, 1, 12, tzinfo=UTC),
        price=Money(amount=Decimal("0.03330000"), unit="EUR"),
        key=f"{ID}/delivered/0/2001011400",
        part=True,
        raw=signed(REPORT),
    )


@pytest.mark.parametrize(
    ("word", "status", "final"),
    [
        ("accepted", Status.SENT, False),
        ("buffered", Status.SENT, False),
        ("delivered", Status.DELIVERED, True),
        ("expired", Status.EXPIRED, True),
        ("failed", Status.UNDELIVERED, True),
        ("rejected", Status.REJECTED, True),
        ("unknown", Status.UNKNOWN, False),
        ("brand-new", Status.UNKNOWN, False),
        ("DELIVERED", Status.DELIVERED, True),
    ],
)
def test_each_word_of_a_delivery_receipt_means_what_it_should(word, status, final):
    report = event(as_form(signed({**REPORT, "status": word})))
    assert (report.status, report.final) == (status, final)


ERR_CODES = """1 unknown 2 absent 3 inactive 4 barred 5 portability 6 spam 7 busy 8 network 9 opted-out 10 content
11 unroutable 12 unreachable 13 age-restricted 14 blocked-by-carrier 15 recipient-credit 16 quota 39 sender
50 dlt-entity 51 dlt-header 52 dlt-template 53 dlt-consent 54 regulation 95 unknown 99 unspecified""".split()  # noqa: SIM905  # a table to read


def test_each_err_code_has_its_reason():
    typed = dict(zip(ERR_CODES[::2], ERR_CODES[1::2], strict=True))
    assert typed == vocabulary.ERR_CODES
    for code, reason in typed.items():
        report = event(as_form(signed({**REPORT, "status": "failed", "err-code": code})))
        assert (report.code, report.reason) == (code, reason)
    unknown = event(as_form(signed({**REPORT, "status": "failed", "err-code": "1234"})))
    assert (unknown.code, unknown.reason) == ("1234", None)


@pytest.mark.parametrize(
    ("word", "status", "final"),
    [
        ("submitted", Status.SENT, False),
        ("delivered", Status.DELIVERED, True),
        ("read", Status.DELIVERED, True),
        ("rejected", Status.REJECTED, True),
        ("undeliverable", Status.UNDELIVERED, True),
        ("brand-new", Status.UNKNOWN, False),
    ],
)
def test_each_word_of_messages_means_what_it_should(word, status, final):
    report = event(with_token({**STATUS, "status": word}))
    assert (report.status, report.final, report.segments) == (status, final, 2)
    assert report.price == Money(amount=Decimal("0.0333"), unit="EUR")


def test_a_rejection_by_messages_says_by_its_number_who_rejected():
    """A list in test_vonage.py checks the table."""
    for code, meaning in vocabulary.MESSAGES_CODES.items():
        error = {"type": f"https://developer.vonage.com/api-errors/messages#{code}", "title": code, "detail": "..."}
        report = event(with_token({**STATUS, "status": "rejected", "error": error}))
        assert (report.status, report.reason, report.code, report.final) == (
            meaning.status or Status.REJECTED,
            meaning.reason,
            code,
            True,
        )


def test_a_number_beside_another_word_explains_and_does_not_overrule():
    retried = event(with_token({**STATUS, "status": "submitted", "error": {"title": "1220"}}))
    assert (retried.status, retried.final, retried.reason) == (Status.SENT, False, "busy")


def test_a_repeated_report_has_the_same_key_and_another_one_another():
    again = as_form(signed({**REPORT, "message-timestamp": "2020-01-01 12:05:00"}, nonce="other"))
    assert event(again).key == event(as_form(signed(REPORT))).key
    others = [{"status": "buffered"}, {"messageId": "B"}, {"err-code": "8"}, {"scts": "2001011401"}]
    keys = {event(as_form(signed({**REPORT, **other}))).key for other in ({}, *others)}
    assert len(keys) == 5
    changes = [{}, {"status": "submitted"}, {"message_uuid": "B"}, {"timestamp": "2025-02-03T12:14:26Z"}]
    assert len({event(with_token({**STATUS, **change})).key for change in changes}) == 4


def test_reports_out_of_order_are_each_what_they_say():
    """The application decides which report counts; ``final`` and ``raw["scts"]`` help."""
    late, early = ({**REPORT, "status": word, "scts": scts} for word, scts in (("delivered", "2"), ("buffered", "1")))
    reports = [event(as_form(signed(fields))) for fields in (late, early)]
    assert [(report.final, report.raw["scts"]) for report in reports] == [(True, "2"), (False, "1")]


def test_a_report_on_an_unknown_id_is_a_report():
    assert event(as_form(signed({**REPORT, "messageId": "never-seen", "client-ref": ""}))).id == "never-seen"


@pytest.mark.parametrize(
    "data", [{"messageId": ID}, {"hello": "world"}, {**REPORT, "messageId": " "}, {**TEXT, "msisdn": ""}]
)
def test_a_genuine_webhook_of_another_kind_is_a_payload_error(data):
    with pytest.raises(PayloadError):
        received(as_form(signed(data)))


# --- inbound texts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_a_text_is_read(form):
    assert event(form(signed({**TEXT, "text": "Grüße & ₹ = 😀"}))) == InboundMessage(
        account="vonage",
        provider="vonage",
        id=ID,
        sender="+447700900001",
        to="+447700900000",
        text="Grüße & ₹ = 😀",
        at=datetime(2020, 1, 1, 12, tzinfo=UTC),
        key=ID,
        raw=signed({**TEXT, "text": "Grüße & ₹ = 😀"}),
    )


def test_a_short_code_stays_as_it_is():
    assert event(as_form(signed({**TEXT, "to": "12345"}))).to == "12345"


def test_a_binary_text_keeps_its_content_in_raw():
    binary = {name: value for name, value in TEXT.items() if name not in ("text", "keyword")}
    found = event(as_form(signed({**binary, "type": "binary", "data": "0011", "udh": "0605"})))
    assert (found.text, found.raw["data"], found.raw["udh"]) == ("", "0011", "0605")


def test_a_blank_text_is_read_whether_blanks_are_signed_or_not():
    blank = {**TEXT, "text": "", "keyword": " "}
    left_out = signed({name: value for name, value in blank.items() if value.strip()})
    for good in (signed(blank), {**blank, **left_out}):
        assert event(as_form(good)).text == ""


def test_a_text_of_messages_is_whole_already():
    found = event(with_token(MESSAGE))
    assert (found.text, found.sender, found.to) == ("Hello From Vonage!", "+447700900001", "+447700900000")
    assert (found.id, found.key, found.at) == (UUID, UUID, datetime(2025, 2, 3, 12, 14, 25, tzinfo=UTC))


def test_other_channels_of_an_application_are_acknowledged_and_bring_nothing():
    answer = received(with_token({**MESSAGE, "channel": "whatsapp"}))
    assert (answer.events, answer.response.status) == ((), 200)


# --- texts in parts -------------------------------------------------------------------------------------------------------

WORDS = ["One ", "two ", "three"]


def part(number, total=3, reference="1", id=None, text=None, **changes):
    data = {
        **TEXT,
        "messageId": id or f"{reference}-{number}",
        "text": WORDS[number - 1] if text is None else text,
        "concat": "true",
        "concat-ref": reference,
        "concat-total": str(total),
        "concat-part": str(number),
    }
    return {**data, **changes}


def bring(by, *given):
    """The events of parts, one webhook after the other."""
    return [
        found
        for fields in given
        for found in received(as_form(signed(fields, timestamp=str(int(reading.now().timestamp())))), by).events
    ]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (2, 1, 3)])
def test_a_long_text_comes_out_once_it_is_whole_in_the_order_of_its_parts(order):
    (found,) = bring(provider(), *(part(number) for number in order))
    assert (found.text, found.id, found.sender) == ("One two three", "1-1", "+447700900001")
    assert [part["messageId"] for part in found.raw["parts"]] == ["1-1", "1-2", "1-3"]
    assert "missing" not in found.raw


def test_a_part_alone_is_acknowledged_and_brings_nothing():
    answer = received(as_form(signed(part(1))), provider())
    assert (answer.events, answer.response.status) == ((), 200)


def test_texts_of_different_people_references_and_lengths_do_not_mix():
    by = provider()
    others = [
        part(2, reference="2"),
        part(2, msisdn="447700900009"),
        part(2, to="447700900008"),
        part(2, total=4),
    ]
    assert bring(by, part(1), *others, part(3)) == []
    assert [event.text for event in bring(by, part(2))] == ["One two three"]


def test_a_part_that_comes_twice_counts_once():
    found = bring(provider(), part(1), part(1), part(2), part(2), part(3))
    assert [event.text for event in found] == ["One two three"]


def test_a_whole_text_of_which_a_part_comes_again_is_the_same_event_again():
    """So the text is not lost if the application failed, and is recognised if it did not."""
    by = provider()
    first, again, also = bring(by, part(1), part(2), part(3), part(3), part(1))
    assert first == again == also
    assert first.key


def test_a_reference_that_is_used_again_is_another_text():
    by = provider()
    old = bring(by, *(part(number) for number in (1, 2, 3)))
    new = bring(by, *(part(number, id=f"new-{number}", text=f"{number}") for number in (1, 2, 3)))
    assert [event.text for event in (*old, *new)] == ["One two three", "123"]
    assert old[0].key != new[0].key


def test_a_text_that_is_cut_off_by_a_new_one_of_the_same_reference_comes_out_with_its_gap():
    by = provider()
    found = bring(by, part(1), part(3), part(1, id="new", text="New"))
    assert [(event.text, event.raw["missing"]) for event in found] == [(f"One {parts.GAP}three", [2])]


@pytest.mark.parametrize(
    ("came", "words", "missing"),
    [
        ((1, 2), f"One two {parts.GAP}", [3]),
        ((1, 3), f"One {parts.GAP}three", [2]),
        ((3,), f"{parts.GAP}{parts.GAP}three", [1, 2]),
    ],
)
def test_with_a_part_missing_a_text_comes_out_late_and_says_so(later, came, words, missing):
    by = provider()
    assert bring(by, *(part(number) for number in came)) == []
    later(parts.AGE)
    assert bring(by, REPORT | {"messageId": "1"})[0].id == "1"
    later(parts.AGE + 1)
    report, late = bring(by, REPORT)
    assert isinstance(report, DeliveryReport)
    assert (late.text, late.raw["missing"], late.id) == (words, missing, f"1-{came[0]}")
    assert len(bring(by, REPORT)) == 1


def test_a_gap_is_told_again_until_it_was_taken(later):
    """A hook that fails means that the webhook comes again: then the late text must come again too."""
    by = provider()
    bring(by, part(1))
    later(parts.AGE + 1)
    webhook = as_form(signed(REPORT, timestamp=str(NOW + parts.AGE + 1)))
    first, second = by.parse(webhook), by.parse(webhook)
    assert [event.key for event in first] == [event.key for event in second]
    assert len(first) == 2
    by.acknowledge(second)
    assert len(by.parse(webhook)) == 1


def test_a_part_that_comes_after_its_text_was_given_up_says_so_too(later):
    by = provider()
    bring(by, part(1))
    later(parts.AGE + 1)
    _, early = bring(by, REPORT)
    bring(by, part(2))
    later(2 * parts.AGE + 2)
    _, late = bring(by, REPORT)
    assert [event.raw["missing"] for event in (early, late)] == [[2, 3], [1, 3]]
    assert early.key != late.key


def test_whole_texts_are_forgotten_without_a_word(later):
    by = provider()
    bring(by, part(1, total=1))
    later(parts.AGE + 1)
    assert len(bring(by, REPORT)) == 1
    assert not by._parts._texts


def test_memory_is_bounded_and_what_has_no_room_comes_out_as_it_is(monkeypatch):
    monkeypatch.setattr(parts, "MOST_TEXTS", 3)
    by = provider()
    found = bring(by, *(part(1, reference=str(number)) for number in range(5)))
    assert [event.id for event in found] == ["0-1", "1-1"]
    assert all(event.raw["missing"] == [2, 3] for event in found)
    assert len(by._parts._texts) == 3


def test_an_untaken_text_is_dropped_in_the_end_and_logged_without_its_words(monkeypatch, later, caplog):
    monkeypatch.setattr(parts, "MOST_TEXTS", 2)
    by = provider()
    with caplog.at_level(logging.WARNING):
        for number in range(6):
            by.parse(as_form(part(1, reference=str(number), text="private")))
    assert len(by._parts._leftovers) == 2
    assert "lost" in caplog.text
    assert "private" not in caplog.text
    assert "447700900001" not in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"concat-part": "0"},
        {"concat-part": "4"},
        {"concat-part": "x"},
        {"concat-total": "256", "concat-part": "256"},
        {"concat-total": ""},
    ],
)
def test_a_part_that_cannot_be_placed_is_a_payload_error_and_not_a_text(wrong):
    with pytest.raises(PayloadError):
        received(as_form(signed(part(1, **wrong))))


def test_parts_that_come_at_the_same_time_make_one_text():
    by = provider()
    total = 40
    webhooks = [as_form(part(n, total=total, text=f"{n};", id=str(n))) for n in range(1, total + 1)]
    found = []
    threads = [threading.Thread(target=lambda webhook=webhook: found.extend(by.parse(webhook))) for webhook in webhooks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.text for event in found] == ["".join(f"{n};" for n in range(1, total + 1))]


def test_two_accounts_do_not_share_their_parts():
    bring(provider(account="one"), part(1), part(2))
    assert bring(provider(account="two"), part(3)) == []


# --- arbitrary input ------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=6), st.sampled_from(FORMATS))
def test_whatever_is_signed_is_read_or_a_payload_error(data, form):
    with contextlib.suppress(PayloadError):
        received(form(signed({name: value for name, value in data.items() if name != "sig"})))


@settings(max_examples=30)
@given(st.binary(max_size=60), st.sampled_from([FORM, JSON, {}, {"content-type": "text/plain"}]))
def test_whatever_is_not_signed_is_refused(body, headers):
    refused(HttpRequest(method="POST", url=URL, headers=headers, body=body))


def test_a_receipt_is_of_one_part_of_a_text():
    assert event(as_json(signed(REPORT))).part
    assert not event(with_token(STATUS)).part
