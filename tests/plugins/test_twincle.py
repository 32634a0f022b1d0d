"""TwincleProvider: settings, requests for texts, and the meaning of each answer."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.attempts import attempt, attempt_batch
from smsbridge.errors import (
    AuthenticationError,
    ConfigurationError,
    ContentError,
    FundsError,
    NoAnswer,
    NotConnected,
    OptedOutError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    SendError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.flow import Driven
from smsbridge.http import HttpResponse
from smsbridge.messages import Dlt, Message, Money, Purpose, Status
from smsbridge.plugins import Plugins
from smsbridge.provider import Capability, InsecureUrlWarning
from smsbridge_twincle import TwincleOptions, TwincleProvider, vocabulary

README = Path(__file__).parents[2] / "plugins" / "twincle" / "README.md"

TOKEN = "dummy-token-not-a-secret"
NUMBER, OTHER = "919876543210", "919812345678"
ID = "00000000-0000-4000-8000-000000000000:1"


def provider(**settings):
    given = {"access_token": TOKEN, "base_url": "https://twincle.test/api/v2/", "sender": "ACMEIN", **settings}
    return TwincleProvider(**given)


def message(**fields):
    return Message(**{"to": f"+{NUMBER}", "text": "Your OTP is 123456", "reference": "ref-1", **fields})


def drive(flow, *answers):
    """The result of the flow if its steps get these answers; an exception is thrown into it."""
    run = Driven(flow)
    for answer in answers:
        run.fail([answer]) if isinstance(answer, BaseException) else run.answer(answer)
    assert run.step is None, "the flow asks for more"
    return run.value


def answer(data, status=200, **headers):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return HttpResponse(status=status, headers={"content-type": "application/json", **headers}, body=body)


def row(**fields):
    """A row as documented for `sms/send`."""
    return {
        "id": ID,
        "mobile": NUMBER,
        "status": "AWAITING-DLR",
        "units": 1,
        "length": 7,
        "charges": 1,
        "customid": "ref-1",
        "iso_code": None,
        "submitted_at": "2018-07-09 16:27:35",
        **fields,
    }


def accepted(*rows, **envelope):
    return answer({"status": 200, "message": "1 numbers accepted for delivery.", "data": list(rows), **envelope})


def send(response, *, of=None, **settings):
    return drive(attempt(provider(**settings), of or message()), response)


def failure(response, **options):
    with pytest.raises(SendError) as caught:
        send(response, **options)
    return caught.value


def request(of=None, **settings):
    return next(attempt(provider(**settings), of or message()))


def sent_fields(of=None, **settings):
    return dict(parse_qsl(request(of, **settings).body.decode(), keep_blank_values=True, strict_parsing=True))


# --- settings -------------------------------------------------------------------------------------------------------------


def test_the_entry_point_gives_the_provider():
    assert Plugins().provider_class("twincle") is TwincleProvider


def test_everything_that_smsbridge_can_ask_for_is_implemented():
    assert provider().capabilities == set(Capability)


def test_every_setting_is_read_from_the_environment(monkeypatch):
    values = {
        "ACCESS_TOKEN": TOKEN,
        "BASE_URL": "https://twincle.test/api/v2",
        "AUTH": "query",
        "SENDER": "ACMEIN",
        "SERVICE": "G",
        "ENTITY_ID": "1101",
        "TEMPLATE_ID": "1107",
        "WEBHOOK_ID": "hook",
        "WEBHOOK_SECRET": "dummy-webhook-secret",
        "TIMEZONE": "UTC",
        "BATCH_SIZE": "7",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"SMSBRIDGE_TWINCLE_{name}", value)
    read = TwincleProvider.from_env()
    shown = read.model_dump(exclude={"access_token", "webhook_secret", "account", "batch_size"})
    assert shown == {
        "base_url": "https://twincle.test/api/v2",
        "auth": "query",
        "sender": "ACMEIN",
        "service": "G",
        "entity_id": "1101",
        "template_id": "1107",
        "webhook_id": "hook",
        "timezone": "UTC",
    }
    assert read.secrets() == [TOKEN, "dummy-webhook-secret"]
    assert read.batch_size == 7


def test_the_documented_base_url_is_the_default_and_warns_that_it_is_plain_http():
    with pytest.warns(InsecureUrlWarning, match="SMSBRIDGE_TWINCLE_BASE_URL"):
        default = TwincleProvider(access_token=TOKEN)
    assert default.base_url == "http://alerts.twinclescpaas.co.in/api/v2"


@pytest.mark.parametrize("url", ["https://a.test/api/v2", "https://a.test/api/v2/", "https://a.test/api/v2//"])
def test_the_base_url_may_end_with_slashes(url):
    assert provider(base_url=url).base_url == "https://a.test/api/v2"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("access_token", ""),
        ("access_token", "  "),
        ("access_token", "dummy\r\nx-evil: 1"),
        ("webhook_secret", ""),
        ("base_url", "ftp://wrong.test/"),
        ("base_url", "wrong.test/api"),
        ("base_url", "https:///wrong"),
        ("base_url", "https://user:pass@wrong.test/"),
        ("base_url", "https://wrong.test/?a=1"),
        ("base_url", "https://wrong.test:port/"),
        ("base_url", "https://wrong.test/\nx"),
        ("auth", "cookie"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../wrong"),
        ("batch_size", 0),
    ],
)
def test_a_wrong_setting_is_named_and_not_shown(setting, value):
    with pytest.raises(ConfigurationError) as caught:
        provider(**{setting: value})
    assert f"SMSBRIDGE_TWINCLE_{setting.upper()}" in str(caught.value)
    assert not value or str(value) not in str(caught.value)


def test_a_missing_token_is_named():
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_TWINCLE_ACCESS_TOKEN is missing"):
        TwincleProvider(base_url="https://twincle.test/")


@pytest.mark.parametrize(
    "word",
    [
        *(name.upper() for name in TwincleProvider.model_fields if name != "account"),
        *(name for name in TwincleOptions.model_fields),
        *(outcome.reason for outcome in vocabulary.STATUSES.values() if outcome.error),
        *(outcome.error.__name__ for outcome in vocabulary.STATUSES.values() if outcome.error),
        *(meaning.reason for meaning in vocabulary.ERRORS.values() if meaning.reason),
        *(meaning.error.__name__ for meaning in vocabulary.ERRORS.values()),
    ],
)
def test_the_readme_names_every_setting_option_reason_and_error(word):
    assert f"`{word}`" in README.read_text(encoding="utf-8")


# --- requests -------------------------------------------------------------------------------------------------------------


def test_a_text_goes_out_as_documented():
    sent = request()
    assert (sent.method, sent.url, sent.sends) == ("POST", "https://twincle.test/api/v2/sms/send", True)
    assert dict(sent.headers) == {
        "content-type": "application/x-www-form-urlencoded",
        "accept": "application/json",
        "authorization": f"Bearer {TOKEN}",
    }
    assert sent.body == (b"to=919876543210&message=Your+OTP+is+123456&sender=ACMEIN&type=A&custom=ref-1&service=T")


def test_the_token_can_travel_in_the_query_percent_encoded_and_nowhere_else():
    sent = request(access_token="12|dummy+token", auth="query")
    assert sent.url == "https://twincle.test/api/v2/sms/send?access_token=12%7Cdummy%2Btoken"
    assert "authorization" not in sent.headers
    assert sent.headers["accept"] == "application/json"


def test_a_text_is_encoded_once_in_utf8():
    text = "50% off + नमस्ते & 😀 = ok\nbye"
    assert sent_fields(message(text=text))["message"] == text


IST = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("fields", "goes_out"),
    [
        ({"sender": "OTHERS"}, {"sender": "OTHERS"}),
        ({"reference": "my-id"}, {"custom": "my-id"}),
        ({"purpose": Purpose.OTP}, {"service": "T"}),
        ({"purpose": Purpose.SERVICE}, {"service": "T"}),
        ({"purpose": Purpose.PROMOTIONAL}, {"service": "P"}),
        ({"dlt": Dlt(entity_id="1101", template_id="1107")}, {"entity_id": "1101", "template_id": "1107"}),
        ({"send_at": datetime(2030, 1, 2, 3, 4, 5, tzinfo=IST)}, {"time": "2030-01-02 03:04:05"}),
        ({"send_at": datetime(2030, 1, 1, 21, 34, 5, 999999, tzinfo=UTC)}, {"time": "2030-01-02 03:04:05"}),
        ({"options": {"twincle": {"flash": True}}}, {"flash": "1"}),
        ({"options": {"twincle": {"type": "U"}}}, {"type": "U"}),
        ({"options": {"twincle": {"port": 5000}}}, {"port": "5000"}),
        ({"options": {"twincle": {"max_units": 2}}}, {"max_units": "2"}),
        ({"options": {"twincle": {"service": "G"}}}, {"service": "G"}),
        ({"options": {"twincle": {"webhook_id": "hook"}}}, {"webhook_id": "hook"}),
        ({"options": {"acme": {"unknown": 1}}}, {}),
    ],
)
def test_each_field_of_a_message_goes_out(fields, goes_out):
    assert sent_fields(message(**fields)) == {**sent_fields(), **goes_out}


@pytest.mark.parametrize(
    ("settings", "goes_out"),
    [
        ({"service": "S"}, {"service": "S"}),
        ({"entity_id": "1101"}, {"entity_id": "1101"}),
        ({"template_id": "1107"}, {"template_id": "1107"}),
        ({"webhook_id": "hook"}, {"webhook_id": "hook"}),
    ],
)
def test_each_setting_goes_out(settings, goes_out):
    assert sent_fields(**settings) == {**sent_fields(), **goes_out}


def test_a_message_overrides_each_dlt_setting_by_itself():
    fields = sent_fields(message(dlt=Dlt(template_id="own")), entity_id="1101", template_id="1107")
    assert (fields["entity_id"], fields["template_id"]) == ("1101", "own")


def test_a_service_is_the_messages_then_the_settings_then_the_purposes():
    promotion = message(purpose=Purpose.PROMOTIONAL)
    assert sent_fields(promotion)["service"] == "P"
    assert sent_fields(promotion, service="S")["service"] == "S"
    assert sent_fields(message(options={"twincle": {"service": "G"}}), service="S")["service"] == "G"


def test_the_zone_of_a_scheduled_time_is_a_setting():
    at = message(send_at=datetime(2030, 1, 2, 3, 4, 5, tzinfo=IST))
    assert sent_fields(at, timezone="UTC")["time"] == "2030-01-01 21:34:05"


def test_opt_out_tags_go_out_as_json_because_only_that_has_them():
    sent = request(message(options={"twincle": {"tags": ["news", "offers"], "flash": True}}))
    assert sent.headers["content-type"] == "application/json"
    assert sent.sends
    assert sent.json() == {
        "to": NUMBER,
        "message": "Your OTP is 123456",
        "sender": "ACMEIN",
        "service": "T",
        "type": "A",
        "flash": 1,
        "custom": "ref-1",
        "meta": {"tags": ["news", "offers"]},
    }


def test_without_a_sender_none_is_sent_so_that_the_vendor_says_so():
    assert "sender" not in sent_fields(sender=None)


@pytest.mark.parametrize(
    "fields",
    [
        {"valid_until": datetime(2030, 1, 1, tzinfo=UTC)},
        {"options": {"twincle": {"colour": "red"}}},
        {"options": {"twincle": {"type": "X"}}},
        {"options": {"twincle": {"tags": ["a", "b", "c", "d"]}}},
        {"options": {"twincle": {"max_units": 0}}},
        {"options": {"twincle": {"port": 70000}}},
    ],
)
def test_what_cannot_be_expressed_is_refused_before_anything_leaves(fields):
    with pytest.raises(UnsupportedError):
        request(message(**fields))


# --- accepted -------------------------------------------------------------------------------------------------------------


def test_the_documented_answer_is_an_accepted_text():
    sent = send(accepted(row(customid="")))
    assert (sent.account, sent.provider, sent.id, sent.to) == ("twincle", "twincle", ID, f"+{NUMBER}")
    assert (sent.reference, sent.status, sent.segments) == ("ref-1", Status.QUEUED, 1)
    assert sent.price == Money(amount=Decimal(1), unit="credits")
    assert sent.at == datetime(2018, 7, 9, 10, 57, 35, tzinfo=UTC)
    assert sent.raw == row(customid="")


CHANNEL_STYLE = {  # `sms/message/send`, and `sms/send/template` since 2023
    "id": "00000000-0000-4000-8000-000000000000",
    "channel": "sms",
    "from": "SENDER",
    "to": NUMBER,
    "credits": "1",
    "created_at": "2021-06-18 14:48:06",
    "status": "AWAITING-DLR",
    "foreign_id": "ref-1",
}


@pytest.mark.parametrize(
    "envelope",
    [
        {"status": 200},
        {"status": "200"},
        {"status": "OK"},
        {"status": "ok"},
        {"status": "OK", "code": 200},
        {"status": 200, "code": "202"},
        {"status": 200, "group_id": "00000000-0000-4000-8000-000000000000"},
    ],
)
@pytest.mark.parametrize("status", [200, 202])
def test_success_is_written_in_several_ways(envelope, status):
    assert send(answer({**envelope, "data": [row()]}, status)).id == ID


@pytest.mark.parametrize(
    "vendor_row", [row(customid=None, customid1=None, iso_code="IN", charges="1.0000", units="1"), CHANNEL_STYLE]
)
def test_rows_of_every_epoch_are_read(vendor_row):
    sent = send(answer({"status": "OK", "message": "Message(s) Queued successfully", "data": [vendor_row]}))
    assert sent.id == vendor_row["id"]
    assert sent.price.amount == 1
    assert sent.at is not None


@pytest.mark.parametrize("odd", [{}, {"submitted_at": "0000-00-00 00:00:00"}, {"units": "many"}, {"charges": [1]}])
def test_odd_figures_do_not_lose_an_accepted_text(odd):
    assert send(accepted(row(**odd))).id == ID


def test_a_scheduled_text_is_scheduled():
    assert send(accepted(row()), of=message(send_at=datetime(2030, 1, 1, tzinfo=UTC))).status is Status.SCHEDULED


@pytest.mark.parametrize("word", ["BRAND-NEW", "", None, 7])
def test_an_unknown_status_with_an_id_is_accepted_and_unknown(word):
    assert send(accepted(row(status=word))).status is Status.UNKNOWN


# --- refused, although the request was accepted ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("DNDNUMB", OptedOutError),
        ("NO-CREDITS", FundsError),
        ("INV-SENDER", SenderError),
        ("INV-NUMBER", RecipientError),
        ("SPAM", ContentError),
        ("THROTTLED", RateLimitedError),
        ("dndnumb ", OptedOutError),
    ],
)
def test_a_refused_row_in_an_accepted_request_is_a_refusal(word, kind):
    error = failure(accepted(row(status=word)))
    assert type(error) is kind
    assert error.code == word.strip().upper()


def test_a_duplicate_is_refused_and_not_to_be_tried_elsewhere():
    error = failure(accepted(row(status="DUPLICATE")))
    assert (type(error), error.reason, error.fault) == (ContentError, "duplicate", "message")


def test_a_text_of_which_some_parts_arrived_is_uncertain():
    assert type(failure(accepted(row(status="REJ-MULTIPART")))) is UncertainError


# --- uncertain, although the answer says success --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(id="")],
        [row(id=None)],
        [row(mobile=OTHER)],
        [row(customid="another")],
        [row(), row(id="00000000-0000-4000-8000-000000000000:2")],
        ["text"],
    ],
    ids=["no row", "empty id", "no id", "another number", "another reference", "two rows", "not a row"],
)
def test_success_without_exactly_our_row_and_its_id_is_uncertain(rows):
    assert type(failure(accepted(*rows))) is UncertainError


@pytest.mark.parametrize(
    "response",
    [
        answer({"status": 200, "data": None}),
        answer({"status": 200}),
        answer({"data": [row()]}),
        answer({"status": None, "data": [row()]}),
        answer({"status": True, "data": [row()]}),
        answer({"status": "sent", "data": [row()]}),
        answer([row()]),
        answer(b"OK"),
        answer(b""),
        answer(b'{"status":200,"data":[{"id"'),
        HttpResponse(status=200, body=json.dumps({"status": 200, "data": [row()]}).encode(), complete=False),
        HttpResponse(status=204),
    ],
)
def test_an_answer_that_cannot_be_relied_upon_is_uncertain(response):
    assert type(failure(response)) is UncertainError


# --- refused --------------------------------------------------------------------------------------------------------------


def error_body(text="Missing message.", code=422):
    return {"status": "ERROR", "code": code, "message": text, "data": []}


@pytest.mark.parametrize("status", [200, 422])
def test_a_failure_is_found_in_the_body_whatever_the_http_status(status):
    error = failure(answer(error_body(), status))
    assert (type(error), error.code, error.detail) == (ContentError, "422", "Missing message.")


@pytest.mark.parametrize("code", [404, 422, "422"])
def test_a_failure_that_says_ok_is_a_failure(code):
    error = failure(answer({"status": "OK", "code": code, "message": "No data found.", "data": []}))
    assert isinstance(error, RefusedError)


def test_a_failure_that_says_ok_is_one_even_with_a_row():
    assert isinstance(failure(answer({"status": "OK", "code": 422, "data": [row()]})), RefusedError)


def test_an_http_failure_whose_body_holds_an_accepted_row_is_uncertain():
    assert type(failure(answer({"status": 200, "data": [row()]}, 422))) is UncertainError


def test_the_texts_of_field_errors_are_shown():
    body = {**error_body("The given data was invalid."), "errors": {"port": ["Port number must be numeric"]}}
    error = failure(answer(body, 422))
    assert (error.detail, error.reason) == ("The given data was invalid.; Port number must be numeric", "bad-request")


def test_a_field_error_that_repeats_the_message_is_shown_once():
    body = {**error_body("The name field is required."), "errors": {"name": ["The name field is required."]}}
    assert failure(answer(body, 422)).detail == "The name field is required."


@pytest.mark.parametrize("errors", [None, [], "odd", {"name": None}, {"name": {"a": 1}}, [1, ["x"]]])
def test_odd_field_errors_do_no_harm(errors):
    assert isinstance(failure(answer({**error_body("Nope."), "errors": errors}, 422)), RefusedError)


def test_an_unknown_refusal_keeps_the_vendors_code_and_words():
    error = failure(answer(error_body("Full moon."), 422))
    assert (type(error), error.code, error.detail) == (RefusedError, "422", "Full moon.")


def test_an_error_without_code_or_known_text_is_refused_because_all_but_ok_has_failed():
    assert type(failure(answer({"status": "ERROR", "message": "Full moon.", "data": []}))) is RefusedError


@pytest.mark.parametrize(
    "response",
    [
        answer({"message": "Unauthenticated."}, 401),
        answer({"message": "Unauthenticated."}, 200),
        answer({"status": 401, "message": "x"}, 200),
        answer({"status": "ERROR", "code": 401, "message": "Invalid Request. Bad token", "data": []}, 200),
        answer(b"", 401),
        answer(error_body("Forbidden", 403), 403),
        answer(b"<!DOCTYPE html><html><title>Login</title></html>", **{"content-type": "text/html"}),
        answer(b"\n<html><form action='https://twincle.test/login'></form></html>"),
        HttpResponse(status=302, headers={"location": "http://twincle.test/login"}),
        HttpResponse(status=302, headers={"location": "/login/?next=x"}),
    ],
)
def test_a_bad_token_is_recognised_in_every_form(response):
    assert type(failure(response)) is AuthenticationError


def test_a_403_speaks_of_the_ip_allow_list():
    assert "IP allow list" in failure(answer(error_body("No.", 403), 403)).detail


def test_a_page_that_speaks_of_no_login_is_uncertain():
    assert type(failure(answer(b"<b>Notice</b>: something in PHP"))) is UncertainError


def test_a_page_that_was_cut_off_is_uncertain():
    assert type(failure(HttpResponse(status=200, body=b"<html>login", complete=False))) is UncertainError


def test_a_text_that_names_the_culprit_says_more_than_a_403():
    assert type(failure(answer(error_body("Sender is blocked. Try another.", 403), 403))) is SenderError


def test_a_permanent_redirect_is_a_wrong_base_url():
    error = failure(HttpResponse(status=301, headers={"location": "https://elsewhere.test/api/v2/sms/send"}))
    assert (type(error), error.reason) == (RefusedError, "redirect")


def test_a_302_to_elsewhere_is_uncertain():
    assert type(failure(HttpResponse(status=302, headers={"location": "/home"}))) is UncertainError


def test_too_many_requests_are_rate_limited_with_the_header_and_without():
    assert failure(answer({"message": "Too Many Attempts."}, 429, **{"retry-after": "7"})).retry_after == 7
    error = failure(answer(b"<html>slow down</html>", 429))
    assert (type(error), error.retry_after) == (RateLimitedError, None)


@pytest.mark.parametrize(
    "response",
    [
        answer(b"<html>Bad gateway, please login later</html>", 502),
        answer({}, 500),
        answer(error_body(code=422), 500),
        answer(error_body(code=500), 200),
        answer(error_body(code="503"), 422),
        answer(error_body("An error occured while processing request", 500), 500),
        answer(error_body("An error occured while processing request", 422), 422),
        answer(error_body("Unable to process your request. try again", None), 200),
        answer({"status": 500, "message": "x"}, 200),
    ],
)
def test_wherever_a_server_error_shows_the_text_may_have_been_sent(response):
    assert type(failure(response)) is UncertainError


def test_a_wrong_path_says_to_check_the_base_url():
    error = failure(answer(b"<html>Not Found</html>", 404))
    assert type(error) is RefusedError
    assert "base URL" in error.detail


def test_trouble_on_the_wire_is_certain_only_before_the_request_left():
    with pytest.raises(UnavailableError):
        send(NotConnected("refused"))
    with pytest.raises(UncertainError):
        send(NoAnswer("timed out"))


def test_an_error_quotes_neither_token_nor_text_nor_number():
    quoting = f"Missing message. {TOKEN} said Your OTP is 123456 to {NUMBER}"
    shown = repr(vars(failure(answer(error_body(quoting), 422))))
    assert not any(secret in shown for secret in (TOKEN, "123456", NUMBER))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["id", "mobile"]), inner),
    max_leaves=10,
)
KEYS = st.sampled_from(["status", "code", "message", "error", "errors", "data", "rows", "links"])
ANSWERS = JSON | st.dictionaries(KEYS, JSON | st.sampled_from([200, "OK", "ERROR", 404, [{"status": "DELIVRD"}]]))


@given(data=ANSWERS, status=st.sampled_from([200, 202, 204, 302, 400, 401, 404, 422, 429, 500, 503]))
def test_no_odd_answer_is_taken_for_an_accepted_text_nor_breaks_anything(data, status):
    error = failure(answer(data, status))
    assert isinstance(error, RefusedError | UncertainError)
    assert "plugin" not in str(error)


# --- many texts in one request --------------------------------------------------------------------------------------------


def batch(*rows, messages, **settings):
    return drive(attempt_batch(provider(**settings), messages), accepted(*rows))


FIRST = message(reference="ref-1", text="one")
SECOND = message(reference="ref-2", text="two", to=f"+{OTHER}")
SAME_NUMBER = message(reference="ref-3", text="three")


def rows_of(*messages, **fields):
    return [
        row(id=f"u:{n}", mobile=message.to[1:], customid=message.reference, **fields)
        for n, message in enumerate(messages, 1)
    ]


def test_many_texts_go_out_as_root_and_nodes():
    hook = provider(webhook_id="hook", entity_id="1101")
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=IST)
    texts = [
        message(send_at=at, options={"twincle": {"flash": True, "port": 1}}),
        message(send_at=at, to=f"+{OTHER}", text="two", reference="ref-2", sender="OTHERS", dlt=Dlt(template_id="t")),
    ]
    sent = next(attempt_batch(hook, texts))
    assert (sent.method, sent.url, sent.sends) == ("POST", "https://twincle.test/api/v2/sms/send/json", True)
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept"] == "application/json"
    common = {"type": "A", "entity_id": "1101"}
    assert sent.json() == {
        "root": {"service": "T", "webhook_id": "hook", "time": "2030-01-02 03:04:05"},
        "nodes": [
            {
                **common,
                "to": NUMBER,
                "message": "Your OTP is 123456",
                "sender": "ACMEIN",
                "flash": 1,
                "port": 1,
                "custom": "ref-1",
            },
            {**common, "to": OTHER, "message": "two", "sender": "OTHERS", "template_id": "t", "custom": "ref-2"},
        ],
    }


def test_a_batch_without_a_schedule_has_no_time_at_all():
    assert next(attempt_batch(provider(), [FIRST, SECOND])).json()["root"] == {"service": "T"}


def test_the_documented_answer_answers_each_text():
    results = batch(*rows_of(FIRST, SECOND), messages=[FIRST, SECOND])
    assert [(result.sent.id, result.sent.reference, result.sent.to) for result in results] == [
        ("u:1", "ref-1", FIRST.to),
        ("u:2", "ref-2", SECOND.to),
    ]


def test_the_order_of_rows_does_not_matter():
    first, second = rows_of(FIRST, SECOND)
    assert [result.sent.id for result in batch(second, first, messages=[FIRST, SECOND])] == ["u:1", "u:2"]


def test_two_texts_to_one_number_are_told_apart_by_reference():
    first, third = rows_of(FIRST, SAME_NUMBER)
    assert [result.sent.id for result in batch(third, first, messages=[FIRST, SAME_NUMBER])] == ["u:1", "u:2"]


def test_rows_with_one_id_are_told_apart_by_reference():
    first, second = rows_of(FIRST, SECOND)
    results = batch({**second, "id": ID}, {**first, "id": ID}, messages=[FIRST, SECOND])
    assert [(result.sent.id, result.sent.reference) for result in results] == [(ID, "ref-1"), (ID, "ref-2")]


@pytest.mark.parametrize("nothing", ["", None])
def test_rows_without_reference_are_told_apart_by_number(nothing):
    first, second = rows_of(FIRST, SECOND)
    results = batch({**second, "customid": nothing}, {**first, "customid": nothing}, messages=[FIRST, SECOND])
    assert [result.sent.id for result in results] == ["u:1", "u:2"]


def test_rows_without_reference_for_one_number_are_uncertain():
    first, third = ({**row, "customid": ""} for row in rows_of(FIRST, SAME_NUMBER))
    for rows in ([first, third], [first]):
        results = batch(*rows, messages=[FIRST, SAME_NUMBER])
        assert [type(result.error) for result in results] == [UncertainError, UncertainError]


def test_a_text_with_no_row_or_two_is_uncertain_and_its_neighbour_is_not():
    first, second = rows_of(FIRST, SECOND)
    for rows in ([second], [first, second, first], [{**first, "customid": "other"}, second]):
        results = batch(*rows, messages=[FIRST, SECOND])
        assert type(results[0].error) is UncertainError
        assert results[0].error.reference == "ref-1"
        assert results[1].sent.id == "u:2"


def test_a_row_whose_reference_and_number_disagree_belongs_to_no_message():
    first, second = rows_of(FIRST, SECOND)
    results = batch({**first, "mobile": OTHER}, second, messages=[FIRST, SECOND])
    assert type(results[0].error) is UncertainError
    assert results[1].sent.id == "u:2"


def test_a_refused_row_refuses_that_text_alone():
    first, second = rows_of(FIRST, SECOND)
    results = batch({**first, "status": "DNDNUMB"}, second, messages=[FIRST, SECOND])
    assert (type(results[0].error), results[0].error.reason, results[0].error.reference) == (
        OptedOutError,
        "dnd",
        "ref-1",
    )
    assert results[1].sent is not None


def test_a_refused_batch_is_told_to_each_text():
    texts = [FIRST, SECOND]
    results = drive(attempt_batch(provider(), texts), answer(error_body("Invalid Sender or Sender not allowed"), 422))
    assert [(type(result.error), result.error.reference) for result in results] == [
        (SenderError, "ref-1"),
        (SenderError, "ref-2"),
    ]


def test_one_bad_number_does_not_fail_the_others():
    refused = answer(error_body("No Valid mobile numbers found"), 422)
    results = drive(attempt_batch(provider(), [FIRST, SECOND]), refused, refused, accepted(*rows_of(SECOND)))
    assert type(results[0].error) is RecipientError
    assert results[1].sent.id == "u:1"


def unsent(twincle, messages):
    try:
        next(attempt_batch(twincle, messages))
    except StopIteration as stop:
        return [result.error for result in stop.value]
    raise AssertionError("something was sent")


@pytest.mark.parametrize(
    "fields",
    [
        {"purpose": Purpose.PROMOTIONAL},
        {"send_at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"options": {"twincle": {"webhook_id": "hook"}}},
        {"options": {"twincle": {"service": "G"}}},
        {"options": {"twincle": {"tags": ["news"]}}},
    ],
)
def test_what_only_a_whole_request_can_say_separates_batches(fields):
    twincle, odd = provider(), message(reference="ref-9", **fields)
    assert twincle.batch_key(FIRST) == twincle.batch_key(SECOND)
    assert twincle.batch_key(FIRST) != twincle.batch_key(odd)
    with pytest.raises(UnsupportedError):
        next(twincle.send_batch([FIRST, odd]))


def test_two_tagged_texts_never_share_a_request():
    tagged = [message(reference=reference, options={"twincle": {"tags": ["news"]}}) for reference in ("a", "b")]
    assert provider().batch_key(tagged[0]) != provider().batch_key(tagged[1])


def test_a_text_that_cannot_be_sent_still_has_a_batch_key():
    provider().batch_key(message(options={"twincle": {"colour": "red"}}))
    provider().batch_key(message(send_at=datetime.max.replace(tzinfo=UTC)))


@given(order=st.permutations(range(6)))
def test_any_order_of_rows_gives_each_text_its_own(order):
    texts = [message(to=f"+9198000000{n // 2:02}", reference=f"r{n}") for n in range(6)]
    rows = rows_of(*texts)
    results = batch(*(rows[n] for n in order), messages=texts)
    assert [result.sent.id for result in results] == [f"u:{n}" for n in range(1, 7)]
