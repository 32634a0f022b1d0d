"""InfobipProvider: settings, requests, and the meaning of each answer."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.attempts import attempt, attempt_batch, attempt_verification, query
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
from smsbridge.http import HttpResponse
from smsbridge.messages import Dlt, Message, Money, Purpose, SentMessage, Status, Verification
from smsbridge.plugins import Plugins
from smsbridge.provider import Capability, InsecureUrlWarning
from smsbridge.testing.wire import drive
from smsbridge_infobip import InfobipOptions, InfobipProvider, InfobipVerificationOptions, vocabulary

README = Path(__file__).parents[2] / "plugins" / "infobip" / "README.md"

KEY = "dummy-key-not-a-secret"
BASE = "https://xxxxx.api.infobip.test/"
NUMBER, OTHER = "41793026727", "41793026834"
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
CET = timezone(timedelta(hours=1))


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr("smsbridge.reading.now", lambda: NOW)


def provider(**settings):
    return InfobipProvider(**{"api_key": KEY, "base_url": BASE, "sender": "InfoSMS", **settings})


def message(**fields):
    return Message(**{"to": f"+{NUMBER}", "text": "This is a sample message", "reference": "ref-1", **fields})


def row(reference="ref-1", to=NUMBER, *, group=1, status=26, name="PENDING_ACCEPTED", **fields):
    return {
        "messageId": reference,
        "status": {"groupId": group, "groupName": "GROUP", "id": status, "name": name, "description": "words"},
        "destination": to,
        "details": {"messageCount": 1},
        **fields,
    }


def accepted(*rows):
    return HttpResponse.of_json({"bulkId": "2034072219640523072", "messages": list(rows)})


def log(reference="ref-1", to=NUMBER, *, group=3, status=5, name="DELIVERED_TO_HANDSET", error=0, **fields):
    return {
        "sender": "InfoSMS",
        "destination": to,
        "messageId": reference,
        "sentAt": "2019-11-09T16:00:00.000+0000",
        "doneAt": "2019-11-09T17:00:05.250+0100",
        "messageCount": 2,
        "price": {"pricePerMessage": 0.01, "currency": "EUR"},
        "status": {"groupId": group, "groupName": "GROUP", "id": status, "name": name},
        "error": {"groupId": 0, "id": error, "name": "NO_ERROR" if not error else f"EC_{error}", "permanent": False},
        **fields,
    }


def logs(*rows):
    return HttpResponse.of_json({"results": list(rows)})


def refused(status, code="E400", **fields):
    data = {"errorCode": code, "description": "Request cannot be processed.", "action": "", "violations": [], **fields}
    return HttpResponse.of_json(data, status=status)


def older(status, code, words, **fields):
    """The error of APIs before version 3, 2FA among them."""
    data = {"requestError": {"serviceException": {"messageId": code, "text": words, **fields}}}
    return HttpResponse.of_json(data, status=status)


def request(of=None, **settings):
    return next(attempt(provider(**settings), of or message()))


def body(of=None, **settings):
    return json.loads(request(of, **settings).body)


def one(of=None, **settings):
    [found] = body(of, **settings)["messages"]
    return found


def send(response, *, of=None, **settings):
    return drive(attempt(provider(**settings), of or message()), response)


def failure(response, **options):
    with pytest.raises(SendError) as caught:
        send(response, **options)
    return caught.value


def ask(operation, response, **settings):
    carrier = provider(**settings)
    return drive(query(carrier, lambda: operation(carrier)), response)


def report_of(response):
    sent = SentMessage(account="infobip", provider="infobip", id="ref-1", to=f"+{NUMBER}", reference="ref-1")
    return ask(lambda provider: provider.status(sent), response)


# --- settings -------------------------------------------------------------------------------------------------------------


def test_the_entry_point_gives_the_provider():
    assert Plugins().provider_class("infobip") is InfobipProvider


def test_all_but_cancelling_a_code_is_implemented():
    assert provider().capabilities == set(Capability) - {Capability.CANCEL_VERIFICATION}


def test_every_setting_is_read_from_the_environment(monkeypatch):
    values = {
        "API_KEY": KEY,
        "BASE_URL": "xxxxx.api.infobip.test",
        "SENDER": "InfoSMS",
        "ENTITY_ID": "1101",
        "TEMPLATE_ID": "1107",
        "TELEMARKETER_ID": "1302",
        "CALLBACK_URL": "https://us.test/sms?app=1",
        "WEBHOOK_SECRET": "dummy-webhook-secret",
        "WEBHOOK_ALGORITHM": "HMAC_SHA_512",
        "WEBHOOK_SIGNATURE_HEADER": "X-Signature",
        "WEBHOOK_USERNAME": "user1",
        "WEBHOOK_PASSWORD": "dummy-webhook-password",
        "APPLICATION_ID": "APP",
        "MESSAGE_ID": "TEMPLATE",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"SMSBRIDGE_INFOBIP_{name}", value)
    read = InfobipProvider.from_env()
    assert {name.lower() for name in values} == set(InfobipProvider.model_fields) - {"account"}
    assert read.secrets() == [KEY, "dummy-webhook-secret", "dummy-webhook-password"]
    assert read.base_url == BASE.rstrip("/")
    for name in set(values) - {"BASE_URL", "API_KEY", "WEBHOOK_SECRET", "WEBHOOK_PASSWORD"}:
        assert getattr(read, name.lower()) == values[name]


@pytest.mark.parametrize("url", ["xxxxx.api.infobip.test", "https://xxxxx.api.infobip.test", f"{BASE}/"])
def test_the_base_url_may_be_written_as_the_portal_shows_it(url):
    assert provider(base_url=url).base_url == BASE.rstrip("/")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000/", "http://[::1]:8000"])
def test_plain_http_is_for_this_machine_alone(url):
    assert provider(base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("api_key", ""),
        ("api_key", "App dummy"),
        ("api_key", "dummy\r\nx-evil: 1"),
        ("base_url", "http://wrong.test/"),
        ("base_url", "ftp://wrong.test/"),
        ("base_url", "https:///wrong"),
        ("base_url", "https://user:pass@wrong.test/"),
        ("base_url", "https://wrong.test/?a=1"),
        ("base_url", "https://wrong.test:port/"),
        ("callback_url", "nonsense"),
        ("callback_url", "https://user:pass@wrong.test/"),
        ("webhook_secret", ""),
        ("webhook_password", ""),
        ("webhook_algorithm", "HMAC_MD5"),
        ("webhook_signature_header", "x y"),
        ("webhook_signature_header", ""),
    ],
)
def test_a_wrong_setting_is_named_and_not_shown(setting, value):
    with pytest.raises(ConfigurationError) as caught:
        provider(**{setting: value})
    assert f"SMSBRIDGE_INFOBIP_{setting.upper()}" in str(caught.value)
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize("half", [{"webhook_username": "user1"}, {"webhook_password": "dummy-password"}])
def test_a_user_name_and_its_password_belong_together(half):
    with pytest.raises(ConfigurationError, match="belong together"):
        provider(**half)


def test_key_and_base_url_are_required():
    with pytest.raises(ConfigurationError) as caught:
        InfobipProvider()
    assert "SMSBRIDGE_INFOBIP_API_KEY is missing" in str(caught.value)
    assert "SMSBRIDGE_INFOBIP_BASE_URL is missing" in str(caught.value)


def test_a_callback_url_on_plain_http_warns():
    with pytest.warns(InsecureUrlWarning, match="SMSBRIDGE_INFOBIP_CALLBACK_URL"):
        provider(callback_url="http://us.test/sms")


WORDS = {
    *(name.upper() for name in InfobipProvider.model_fields if name != "account"),
    *InfobipOptions.model_fields,
    *InfobipVerificationOptions.model_fields,
    *(found.reason for found in [*vocabulary.STATUSES.values(), *vocabulary.GROUPS.values()] if found.reason),
    *(found.error.__name__ for found in vocabulary.STATUSES.values() if found.error),
    *vocabulary.ERRORS.values(),
    *vocabulary.PERMANENCE.values(),
    *vocabulary.CHECKS.values(),
}


def test_the_readme_names_every_setting_option_reason_and_error():
    text = README.read_text(encoding="utf-8")
    assert not [word for word in WORDS if f"`{word}`" not in text]


# --- requests -------------------------------------------------------------------------------------------------------------


def test_a_text_goes_out_as_documented():
    sent = request()
    assert (sent.method, sent.url, sent.sends) == ("POST", f"{BASE}sms/3/messages", True)
    assert dict(sent.headers) == {
        "content-type": "application/json",
        "accept": "application/json",
        "authorization": f"App {KEY}",
    }
    assert json.loads(sent.body) == {
        "messages": [
            {
                "sender": "InfoSMS",
                "destinations": [{"to": NUMBER, "messageId": "ref-1"}],
                "content": {"text": "This is a sample message"},
            }
        ],
        "options": {"includeSmsCountInResponse": True},
    }


@pytest.mark.parametrize(
    ("fields", "goes_out"),
    [
        ({"sender": "Others"}, {"sender": "Others"}),
        ({"to": f"+{OTHER}", "reference": "x"}, {"destinations": [{"to": OTHER, "messageId": "x"}]}),
        ({"text": "50% ₹ 😀\n"}, {"content": {"text": "50% ₹ 😀\n"}}),
        (
            {"valid_until": NOW + timedelta(minutes=12)},
            {"options": {"validityPeriod": {"amount": 720, "timeUnit": "SECONDS"}}},
        ),
        (
            {"valid_until": (NOW + timedelta(seconds=1.9)).astimezone(CET)},
            {"options": {"validityPeriod": {"amount": 1, "timeUnit": "SECONDS"}}},
        ),
        (
            {"dlt": Dlt(entity_id="1101", template_id="1107")},
            {"options": {"regional": {"indiaDlt": {"principalEntityId": "1101", "contentTemplateId": "1107"}}}},
        ),
        ({"dlt": Dlt(entity_id="1101")}, {"options": {"regional": {"indiaDlt": {"principalEntityId": "1101"}}}}),
        ({"options": {"infobip": {"flash": True}}}, {"options": {"flash": True}}),
        ({"options": {"infobip": {"campaign": "sale"}}}, {"options": {"campaignReferenceId": "sale"}}),
        (
            {"options": {"infobip": {"transliteration": "GREEK"}}},
            {"content": {"text": "This is a sample message", "transliteration": "GREEK"}},
        ),
    ],
)
def test_a_field_goes_out_as_documented(fields, goes_out):
    assert one(message(**fields)) == {**one(), **goes_out}


@pytest.mark.parametrize("purpose", Purpose)
def test_a_purpose_changes_nothing_because_the_api_has_no_word_for_it(purpose):
    assert body(message(purpose=purpose)) == body()


@pytest.mark.parametrize(
    "when", [datetime(2030, 1, 2, 3, 4, 5, 678999, tzinfo=UTC), datetime(2030, 1, 2, 4, 4, 5, 678999, tzinfo=CET)]
)
def test_a_scheduled_text_says_so_for_the_whole_request(when):
    assert body(message(send_at=when))["options"]["schedule"] == {"sendAt": "2030-01-02T03:04:05.678+0000"}


def test_the_dlt_ids_of_the_settings_go_out_and_a_message_overrides_each_by_itself():
    settings = {"entity_id": "1101", "template_id": "1107", "telemarketer_id": "1302"}

    def ids(**fields):
        return one(message(**fields), **settings)["options"]["regional"]["indiaDlt"]

    own = {"principalEntityId": "1101", "contentTemplateId": "1107", "telemarketerId": "1302"}
    assert ids() == own
    assert ids(dlt=Dlt(template_id="1108")) == {**own, "contentTemplateId": "1108"}
    assert ids(dlt=Dlt(entity_id="1102")) == {**own, "principalEntityId": "1102"}


def test_reports_go_to_the_callback_url_as_json():
    assert one(callback_url="https://us.test/sms?a=1")["webhooks"] == {
        "delivery": {"url": "https://us.test/sms?a=1"},
        "contentType": "application/json",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"reference": "r" * 201},
        {"reference": "one,two"},
        {"dlt": Dlt(template_id="1107")},
        {"send_at": NOW + timedelta(hours=1), "valid_until": NOW + timedelta(hours=2)},
        {"options": {"infobip": {"campaign": "c" * 256}}},
        {"options": {"infobip": {"transliteration": "KLINGON"}}},
        {"options": {"infobip": {"flsh": True}}},
    ],
)
def test_what_cannot_be_expressed_is_refused_before_anything_is_asked(fields):
    with pytest.raises(UnsupportedError):
        request(message(**fields))


def test_a_reference_may_be_as_long_as_the_vendor_takes_it():
    assert one(message(reference="r" * 200))["destinations"][0]["messageId"] == "r" * 200


@pytest.mark.parametrize("seconds", [0.9, 0, -3600])
def test_a_text_that_is_of_no_use_any_more_is_not_sent(seconds):
    with pytest.raises(RefusedError) as caught:
        request(message(valid_until=NOW + timedelta(seconds=seconds)))
    assert caught.value.reason == "expired"


# --- answers --------------------------------------------------------------------------------------------------------------


def test_an_accepted_text_is_queued_under_our_own_reference():
    sent = send(accepted(row(details={"messageCount": 3})))
    assert (sent.id, sent.reference, sent.to, sent.status) == ("ref-1", "ref-1", f"+{NUMBER}", Status.QUEUED)
    assert (sent.segments, sent.at) == (3, NOW)


def test_a_scheduled_text_is_scheduled():
    assert send(accepted(row()), of=message(send_at=NOW + timedelta(hours=1))).status is Status.SCHEDULED


def test_an_id_that_the_vendor_made_itself_is_kept():
    assert send(accepted(row("2250be2d4219-3af1-78856"))).id == "2250be2d4219-3af1-78856"


REFUSED, SETTLED = RefusedError, None
STATUSES = [
    # group, id, the name on the vendor's page; status, final; error of a send, reason, fault
    (1, 3, "PENDING_WAITING_DELIVERY", Status.SENT, False, SETTLED, None, None),
    (1, 7, "PENDING_ENROUTE", Status.SENT, False, SETTLED, None, None),
    (1, 26, "PENDING_ACCEPTED", Status.QUEUED, False, SETTLED, None, None),
    (2, 4, "UNDELIVERABLE_REJECTED_OPERATOR", Status.UNDELIVERED, True, REFUSED, "undelivered", "message"),
    (2, 9, "UNDELIVERABLE_NOT_DELIVERED", Status.UNDELIVERED, True, REFUSED, "undelivered", "message"),
    (2, 31, "UNDELIVERABLE_NOT_SENT", Status.UNDELIVERED, True, REFUSED, "not-sent", "message"),
    (3, 2, "DELIVERED_TO_OPERATOR", Status.SENT, False, SETTLED, None, None),
    (3, 5, "DELIVERED_TO_HANDSET", Status.DELIVERED, True, SETTLED, None, None),
    (4, 15, "EXPIRED_EXPIRED", Status.EXPIRED, True, REFUSED, "expired", "message"),
    (4, 29, "EXPIRED_DLR_UNKNOWN", Status.UNKNOWN, True, UncertainError, "no-report", "provider"),
    (4, 87, "SIGNALS_BLOCKED", Status.REJECTED, True, REFUSED, "fraud", "message"),
    (5, 6, "REJECTED_NETWORK", Status.REJECTED, True, REFUSED, "no-coverage", "account"),
    (5, 8, "REJECTED_PREFIX_MISSING", Status.REJECTED, True, RecipientError, "invalid-number", "message"),
    (5, 10, "REJECTED_DND", Status.REJECTED, True, OptedOutError, "dnd", "message"),
    (5, 11, "REJECTED_SOURCE", Status.REJECTED, True, SenderError, "sender", "account"),
    (5, 12, "REJECTED_NOT_ENOUGH_CREDITS", Status.REJECTED, True, FundsError, "no-credit", "account"),
    (5, 13, "REJECTED_SENDER", Status.REJECTED, True, SenderError, "sender-blocked", "account"),
    (5, 14, "REJECTED_DESTINATION_BLOCKLISTED", Status.REJECTED, True, OptedOutError, "blocked", "message"),
    (5, 17, "REJECTED_PREPAID_PACKAGE_EXPIRED", Status.REJECTED, True, FundsError, "no-credit", "account"),
    (5, 18, "REJECTED_DESTINATION_NOT_REGISTERED", Status.REJECTED, True, RecipientError, "not-registered", "account"),
    (5, 19, "REJECTED_ROUTE_NOT_AVAILABLE", Status.REJECTED, True, REFUSED, "no-coverage", "account"),
    (5, 20, "REJECTED_FLOODING_FILTER", Status.REJECTED, True, RateLimitedError, "flooding", "account"),
    (5, 21, "REJECTED_SYSTEM_ERROR", Status.REJECTED, True, REFUSED, "server-error", "provider"),
    (5, 23, "REJECTED_DUPLICATE_MESSAGE_ID", Status.REJECTED, True, REFUSED, "duplicate", "message"),
    (5, 24, "REJECTED_INVALID_UDH", Status.REJECTED, True, REFUSED, "bad-request", "message"),
    (5, 25, "REJECTED_MESSAGE_TOO_LONG", Status.REJECTED, True, ContentError, "too-long", "message"),
    (5, 51, "MISSING_TO", Status.REJECTED, True, RecipientError, "missing", "message"),
    (5, 52, "REJECTED_DESTINATION", Status.REJECTED, True, RecipientError, "invalid-number", "message"),
    (5, 87, "SIGNALS_BLOCKED", Status.REJECTED, True, REFUSED, "fraud", "message"),
    (5, 100, "UNDELIVERABLE_REJECTED_PLATFORM", Status.REJECTED, True, REFUSED, "bad-request", "message"),
    # an id that is not on the page: its group decides
    (0, 999, "MESSAGE_ACCEPTED", Status.QUEUED, False, SETTLED, None, None),
    (1, 999, "PENDING_NEW", Status.QUEUED, False, SETTLED, None, None),
    (2, 999, "UNDELIVERABLE_NEW", Status.UNDELIVERED, True, REFUSED, "undelivered", "message"),
    (3, 999, "DELIVERED_NEW", Status.SENT, False, SETTLED, None, None),
    (4, 999, "EXPIRED_NEW", Status.EXPIRED, True, REFUSED, "expired", "message"),
    (5, 999, "REJECTED_NEW", Status.REJECTED, True, REFUSED, "rejected", "message"),
    # a group that is not on the page
    (6, 26, "NEW", Status.UNKNOWN, False, UncertainError, None, "provider"),
]


def test_every_status_of_the_table_is_in_the_list():
    assert {
        (group, number) for group, number, *_ in STATUSES if number != 999 and group != 6
    } == vocabulary.STATUSES.keys()
    assert {group for group, number, *_ in STATUSES if number == 999} == vocabulary.GROUPS.keys()


@pytest.mark.parametrize(("group", "number", "name", "status", "final", "error", "reason", "fault"), STATUSES)
def test_a_status_means_this_to_a_send_and_to_a_report(*, group, number, name, status, final, error, reason, fault):
    report = report_of(logs(log(group=group, status=number, name=name)))
    assert (report.status, report.final, report.reason) == (status, final, reason)
    answer = accepted(row(group=group, status=number, name=name))
    if error is None:
        assert send(answer).status is (Status.SENT if status is Status.DELIVERED else status)
        assert report.code is None
    else:
        found = failure(answer)
        assert (type(found), found.reason, found.fault, found.code) == (error, reason, fault, name)
        assert report.code == name


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"messages": []},
        {"messages": {}},
        {"messages": [{}]},
        {"messages": [row(reference="")]},
        {"messages": [row(), row()]},
        {"messages": [row(to=OTHER)]},
        {"messages": [row("another", to=OTHER)]},
        {"messages": [{**row(), "status": None}]},
        {"messages": [{**row(), "status": {"name": "PENDING_ACCEPTED"}}]},
        {"messages": [{**row(), "status": {"groupId": "1", "id": 26}}]},
        {"errorCode": "E400", "description": "Request cannot be processed."},
        {"requestError": {"serviceException": {"messageId": "BAD_REQUEST", "text": "Bad request"}}},
    ],
)
def test_a_200_that_does_not_say_accepted_is_uncertain(answer):
    assert isinstance(failure(HttpResponse.of_json(answer)), UncertainError)


def test_a_200_with_an_error_inside_tells_what_it_was():
    assert "Request cannot be processed." in str(failure(refused(200)))


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (refused(400), RefusedError, "E400"),
        (refused(401, "E401"), AuthenticationError, "E401"),
        (refused(403, "E403"), AuthenticationError, "E403"),
        (refused(500, "E500"), UncertainError, "E500"),
        (older(401, "UNAUTHORIZED", "Invalid login details"), AuthenticationError, "UNAUTHORIZED"),
        (older(429, "TOO_MANY_REQUESTS", "Too many requests"), RateLimitedError, "TOO_MANY_REQUESTS"),
        (older(500, "GENERAL_ERROR", "Something went wrong."), UncertainError, "GENERAL_ERROR"),
        (HttpResponse(status=404), RefusedError, "404"),
        (HttpResponse(status=503, body=b"<html>"), UncertainError, "503"),
    ],
)
def test_an_error_is_what_its_http_status_says_with_the_vendors_code(answer, kind, code):
    found = failure(answer)
    assert (type(found), found.code) == (kind, code)


def test_the_vendors_words_are_kept_and_what_they_quote_is_not():
    violations = [
        {"property": "messages[0].destinations[0].to", "violation": f"{NUMBER} is wrong"},
        None,
        {"violation": 1},
    ]
    found = failure(refused(400, violations=violations))
    assert found.detail == "Request cannot be processed.; messages[0].destinations[0].to: *** is wrong"
    found = failure(
        older(400, "BAD_REQUEST", "Bad request", validationErrors={"field": ["must not be null"], "odd": 1})
    )
    assert found.detail == "Bad request; field: must not be null"


# --- many texts -----------------------------------------------------------------------------------------------------------

MANY = [message(to=f"+4179302672{n}", text=f"Text {n}", reference=f"ref-{n}") for n in range(3)]


def own_row(n, **fields):
    return row(f"ref-{n}", f"4179302672{n}", **fields)


def send_many(messages, *answers):
    return drive(attempt_batch(provider(), messages), *answers)


def test_many_texts_go_out_in_one_request_each_with_its_own_words():
    asked = json.loads(next(attempt_batch(provider(), MANY)).body)
    assert [(each["content"]["text"], each["destinations"]) for each in asked["messages"]] == [
        (f"Text {n}", [{"to": f"4179302672{n}", "messageId": f"ref-{n}"}]) for n in range(3)
    ]


def test_a_row_that_is_refused_fails_alone():
    answer = accepted(own_row(2), own_row(0), own_row(1, group=5, status=52, name="REJECTED_DESTINATION"))
    first, second, third = send_many(MANY, answer)
    assert (first.sent.id, third.sent.id) == ("ref-0", "ref-2")
    assert type(second.error) is RecipientError


def test_a_text_that_cannot_be_expressed_fails_alone_and_is_not_asked_for():
    late, odd = message(valid_until=NOW), message(reference="one,two")
    first, second, third = send_many([late, MANY[1], odd], accepted(own_row(1)))
    assert isinstance(first.error, RefusedError)
    assert second.sent.id == "ref-1"
    assert isinstance(third.error, UnsupportedError)


def test_a_batch_without_an_expressible_message_makes_no_request():
    results = send_many([message(reference="a,"), message(reference=",b")])
    assert all(isinstance(result.error, UnsupportedError) for result in results)


def test_only_texts_for_one_time_share_a_request():
    now, later = message(), message(send_at=NOW + timedelta(hours=1))
    carrier = provider()
    assert carrier.batch_key(now) != carrier.batch_key(later)
    with pytest.raises(UnsupportedError):
        next(carrier.send_batch([now, later]))


def test_rows_without_our_ids_are_told_apart_by_their_numbers():
    answer = accepted(*(row(f"vendor-{n}", f"4179302672{n}") for n in (1, 2, 0)))
    assert [result.sent.id for result in send_many(MANY, answer)] == ["vendor-0", "vendor-1", "vendor-2"]


@pytest.mark.parametrize("rows", [1, 2])
def test_two_texts_to_one_number_without_our_ids_are_uncertain(rows):
    twins = [message(reference="a"), message(reference="b")]
    answer = accepted(*(row(f"vendor-{n}") for n in range(rows)))
    assert all(isinstance(result.error, UncertainError) for result in send_many(twins, answer))


@pytest.mark.parametrize("rows", [1, 2])
def test_two_texts_with_one_reference_are_uncertain(rows):
    both = [row(), row(group=5, status=23, name="REJECTED_DUPLICATE_MESSAGE_ID")]
    results = send_many([message(), message()], accepted(*both[:rows]))
    assert all(isinstance(result.error, UncertainError) for result in results)


@given(st.permutations(range(3)), st.sets(st.sampled_from(range(3))))
def test_no_message_gets_the_row_of_another_in_any_order_and_with_missing_rows(order, missing):
    answer = accepted(*(own_row(n) for n in order if n not in missing))
    for n, result in enumerate(send_many(MANY, answer)):
        if n in missing:
            assert isinstance(result.error, UncertainError)
        else:
            assert result.sent.id == f"ref-{n}"


# --- questions ------------------------------------------------------------------------------------------------------------


def test_the_status_comes_from_the_log_and_not_from_the_reports_that_are_handed_out_once():
    sent = SentMessage(account="infobip", provider="infobip", id="a b&c", to=f"+{NUMBER}")
    asked = next(provider().status(sent))
    assert (asked.method, asked.url, asked.sends) == ("GET", f"{BASE}sms/3/logs?messageId=a+b%26c", False)
    assert asked.headers["authorization"] == f"App {KEY}"


def test_a_log_entry_becomes_a_report():
    report = report_of(logs(log()))
    assert (report.id, report.reference, report.to) == ("ref-1", "ref-1", f"+{NUMBER}")
    assert (report.status, report.final, report.code, report.reason) == (Status.DELIVERED, True, None, None)
    assert report.at == datetime(2019, 11, 9, 16, 0, 5, 250000, tzinfo=UTC)
    assert (report.segments, report.price) == (2, Money(amount=Decimal("0.02"), unit="EUR"))


@pytest.mark.parametrize(
    "missing",
    [
        {"price": None},
        {"price": {"pricePerMessage": "0.01", "currency": "EUR"}},
        {"price": {"pricePerMessage": 0.01}},
        {"messageCount": None},
    ],
)
def test_a_price_that_is_not_complete_is_none(missing):
    assert report_of(logs(log(**missing))).price is None


def test_the_error_explains_what_the_status_only_names():
    report = report_of(logs(log(group=2, status=9, name="UNDELIVERABLE_NOT_DELIVERED", error=27)))
    assert (report.status, report.code, report.reason) == (Status.UNDELIVERED, "EC_27", "absent")


@pytest.mark.parametrize(("permanent", "reason"), [(True, "permanent"), (False, "temporary"), (None, "undelivered")])
def test_an_error_that_is_not_listed_is_permanent_or_temporary_as_the_vendor_says(permanent, reason):
    error = {"id": 1281, "name": "EC_UA_USERSPECIFICREASON", "permanent": permanent}
    report = report_of(logs({**log(group=2, status=9, name="UNDELIVERABLE_NOT_DELIVERED"), "error": error}))
    assert (report.code, report.reason) == ("EC_UA_USERSPECIFICREASON", reason)


ERRORS = {
    "unknown-subscriber": [1, 5],
    "absent": [6, 27],
    "barred": [9, 13],
    "busy": [31, 33],
    "handset-full": [256],
    "network": [260],
    "invalid-number": [351, 352],
    "too-long": [355],
    "sender": [368],
    "sender-blocked": [375, 2053],
    "throttled": [541],
    "quota": [542, 609, 4099],
    "content-blocked": [561],
    "opted-out": [573, 603],
    "blocked": [604, 2052],
    "spam": [607],
    "fraud": [608],
    "handset": [628],
    "cannot-receive": [629],
    "expired": [811, 4098, 4101],
    "dnd": [2050],
    "deactivated": [3041],
    "flooding": [4103, 4104],
    "duplicate": [5492],
    "dlt": [4106, 4141],
    "dlt-timeout": [4107],
    "dlt-header": [4108, 4121, 4122, 4123, 4124, 4125, 4130, 4146, 4147, 4148],
    "dlt-telemarketer": [4109, 4118, 4119, 4120, 4154, 4155, 4156, 4157, 4158],
    "dlt-entity": [4110, 4112, 4113, 4114, 4115, 4116, 4117, 4142],
    "dlt-template": [4111, 4126, 4127, 4128, 4129, 4131, 4132, 4133, 4134, 4135, 4136, 4143, 4149, 4150, 4151],
    "dlt-consent": [4137, 4139, 4140],
    "quiet-hours": [4138],
    "incomplete": [4144],
    "dlt-link": [4153],
}


def test_every_error_of_the_table_is_in_the_list_and_has_its_reason():
    assert {number: reason for reason, numbers in ERRORS.items() for number in numbers} == vocabulary.ERRORS


@pytest.mark.parametrize("answer", [logs(), logs(log("another")), logs(log(to=OTHER))], ids=["none", "id", "number"])
def test_a_text_that_is_not_in_the_log_is_not_found(answer):
    with pytest.raises(NotFoundError):
        report_of(answer)


@pytest.mark.parametrize("id", ["", "one,two"])
def test_an_id_that_would_ask_for_nothing_or_for_several_texts_is_not_asked_for(id):
    sent = SentMessage(account="infobip", provider="infobip", id=id)
    carrier = provider()
    with pytest.raises(NotFoundError):
        drive(query(carrier, lambda: carrier.status(sent)))
    assert drive(query(carrier, lambda: carrier.lookup(id))) is None


def test_a_lookup_finds_what_was_accepted():
    found = ask(lambda provider: provider.lookup("ref-1"), logs(log("other"), log()))
    assert (found.id, found.reference, found.to) == ("ref-1", "ref-1", f"+{NUMBER}")
    assert (found.status, found.segments) == (Status.DELIVERED, 2)
    assert found.at == datetime(2019, 11, 9, 16, tzinfo=UTC)


def test_a_text_that_was_sent_twice_is_what_became_of_the_first_one():
    again = log(group=5, status=23, name="REJECTED_DUPLICATE_MESSAGE_ID")
    for entries in ([log(), again], [again, log(group=1, status=7, name="PENDING_ENROUTE")]):
        assert ask(lambda provider: provider.lookup("ref-1"), logs(*entries)).status is not Status.REJECTED


def test_a_reference_that_is_in_the_log_for_two_numbers_settles_nothing():
    assert ask(lambda provider: provider.lookup("ref-1"), logs(log(), log(to=OTHER))) is None


@pytest.mark.parametrize("answer", [{}, {"results": None}, {"results": {}}, refused(200).json()])
def test_a_log_that_cannot_be_read_is_no_proof_of_absence(answer):
    with pytest.raises(QueryError):
        ask(lambda provider: provider.lookup("ref-1"), HttpResponse.of_json(answer))


@pytest.mark.parametrize(("number", "amount"), [(47.79134, "47.79134"), (0, "0"), (-0.1, "-0.1")])
def test_the_balance_is_exact(number, amount):
    [found] = ask(lambda provider: provider.balance(), HttpResponse.of_json({"balance": number, "currency": "EUR"}))
    assert (found.service, found.amount, found.unit) == ("account", Decimal(amount), "EUR")


def test_the_balance_is_asked_for_as_documented():
    asked = next(provider().balance())
    assert (asked.method, asked.url) == ("GET", f"{BASE}account/1/balance")


@pytest.mark.parametrize(
    "data", [{}, {"balance": 1}, {"balance": "1", "currency": "EUR"}, {"balance": True, "currency": "EUR"}]
)
def test_a_balance_that_cannot_be_read_is_an_error(data):
    with pytest.raises(QueryError):
        ask(lambda provider: provider.balance(), HttpResponse.of_json(data))


# --- one-time codes -------------------------------------------------------------------------------------------------------

TWO_FACTORS = {"application_id": "APP", "message_id": "TEMPLATE"}
CODE_MESSAGE = message(text="", purpose=Purpose.OTP)
PIN = "9C817C6F8AF3D48F9FE553282AFA2B67"
STARTED = {"pinId": PIN, "to": NUMBER, "ncStatus": "NC_DESTINATION_REACHABLE", "smsStatus": "MESSAGE_SENT"}


def start(answer, of=CODE_MESSAGE, **settings):
    return drive(attempt_verification(provider(**{**TWO_FACTORS, **settings}), of), answer)


def check(answer, code="1598", id=PIN):
    verification = Verification(account="infobip", provider="infobip", id=id, to=f"+{NUMBER}")
    return ask(lambda provider: provider.check_verification(verification, code), answer)


def test_a_code_is_asked_for_as_documented():
    asked = next(attempt_verification(provider(**TWO_FACTORS), CODE_MESSAGE))
    assert (asked.method, asked.url, asked.sends) == ("POST", f"{BASE}2fa/2/pin", True)
    assert json.loads(asked.body) == {"applicationId": "APP", "messageId": "TEMPLATE", "to": NUMBER}


def test_a_code_can_have_its_own_sender_template_and_placeholders():
    options = {"infobip": {"message_id": "OTHER", "placeholders": {"firstName": "John"}, "number_lookup": False}}
    of = message(text="", sender="Others", options=options)
    asked = next(attempt_verification(provider(**TWO_FACTORS), of))
    assert asked.url == f"{BASE}2fa/2/pin?ncNeeded=false"
    assert json.loads(asked.body) == {
        "applicationId": "APP",
        "messageId": "OTHER",
        "from": "Others",
        "to": NUMBER,
        "placeholders": {"firstName": "John"},
    }


def test_a_code_that_was_sent_can_be_checked_under_its_pin_id():
    started = start(HttpResponse.of_json(STARTED))
    assert (started.id, started.to, started.reference) == (PIN, f"+{NUMBER}", "ref-1")
    asked = next(provider().check_verification(started, " 1598 "))
    assert (asked.method, asked.url, asked.sends) == ("POST", f"{BASE}2fa/2/pin/{PIN}/verify", False)
    assert json.loads(asked.body) == {"pin": "1598"}


@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ({"text": "Your code is {code}"}, {}),
        ({"valid_until": NOW + timedelta(minutes=5)}, {}),
        ({"dlt": Dlt(entity_id="1101")}, {}),
        ({}, {"application_id": None}),
        ({}, {"message_id": None}),
    ],
)
def test_a_code_that_the_api_cannot_send_like_this_is_refused(fields, settings):
    with pytest.raises(UnsupportedError):
        start(None, message(**{"text": "", **fields}), **settings)


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({"smsStatus": "MESSAGE_NOT_SENT"}, RefusedError, "not-sent"),
        ({"smsStatus": "MESSAGE_NOT_SENT", "ncStatus": "NC_DESTINATION_NOT_REACHABLE"}, RecipientError, "unreachable"),
        ({"smsStatus": "MESSAGE_NOT_SENT", "ncStatus": "NC_NOT_REACHABLE"}, RecipientError, "unreachable"),
        ({"smsStatus": "NEW"}, UncertainError, None),
        ({"smsStatus": None}, UncertainError, None),
        ({"pinId": ""}, UncertainError, None),
        ({"to": OTHER}, UncertainError, None),
    ],
)
def test_a_code_that_was_not_certainly_sent_is_no_verification(change, kind, reason):
    with pytest.raises(SendError) as caught:
        start(HttpResponse.of_json({**STARTED, **change}))
    assert (type(caught.value), caught.value.reason) == (kind, reason)


def test_a_right_code_is_approved():
    answer = {"pinId": PIN, "msisdn": NUMBER, "verified": True, "attemptsRemaining": 0}
    assert check(HttpResponse.of_json(answer)).approved is True


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"verified": False, "pinError": "WRONG_PIN"}, "wrong-code"),
        ({"verified": False, "pinError": "TTL_EXPIRED"}, "expired"),
        ({"verified": False, "pinError": "NO_MORE_PIN_ATTEMPTS"}, "too-many-attempts"),
        ({"verified": False, "pinError": "VERIFICATION_NOT_FOUND"}, "unknown"),
        ({"verified": False, "pinError": "BRAND_NEW"}, "BRAND_NEW"),
        ({"verified": False}, "wrong-code"),
        ({"verified": True, "pinError": "WRONG_PIN"}, "wrong-code"),
    ],
)
def test_a_code_that_is_not_right_says_why(answer, reason):
    found = check(HttpResponse.of_json({"pinId": PIN, "msisdn": NUMBER, "attemptsRemaining": 2, **answer}))
    assert (found.approved, found.reason) == (False, reason)


def test_an_unknown_pin_id_is_unknown_but_a_wrong_address_is_an_error():
    assert check(older(404, "NOT_FOUND", "Not found")).reason == "unknown"
    with pytest.raises(QueryError):
        check(HttpResponse(status=404, body=b"<html>"))


@pytest.mark.parametrize("id", ["", "..", "a/b", "a?b", "a b"])
def test_what_is_no_pin_id_is_not_asked_for(id):
    assert check(None, id=id).reason == "unknown"


@pytest.mark.parametrize(
    "change", [{"verified": "true"}, {"verified": 1}, {"verified": None}, {"pinId": "of-another-account"}]
)
def test_an_answer_that_is_not_about_this_code_approves_nothing(change):
    with pytest.raises(QueryError):
        check(HttpResponse.of_json({"pinId": PIN, "verified": True, **change}))


def test_too_many_guesses_are_a_limit_and_not_a_wrong_code():
    with pytest.raises(QueryError) as caught:
        check(older(429, "TOO_MANY_REQUESTS", "Too many requests"))
    assert caught.value.rate_limited
