"""Values of vendors are read or become None, and never raise. Checks of settings are the same for all providers."""

from __future__ import annotations

import contextlib
from collections.abc import Sized
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from smsbridge import ConfigurationError, Dlt, Flow, Message, Money, Result, SentMessage, SmsProvider, Status, reading
from smsbridge.cli import describe
from smsbridge.errors import ContentError, FundsError, OptedOutError, RefusedError, UncertainError
from smsbridge.http import HttpRequest, HttpResponse

INDIA = timezone(timedelta(hours=5, minutes=30))
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WRITTEN = st.one_of(
    st.datetimes(timezones=st.none() | st.just(UTC) | st.just(INDIA)).map(datetime.isoformat),
    st.decimals().map(str),
    st.integers().map(str),
    st.from_regex(r"\A[+]?[0-9 ()-]{0,20}\Z"),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{0,12}[+-][0-9:]{0,6}\Z"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WRITTEN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


# --- settings -------------------------------------------------------------------------------------------------------------


class Vendor(SmsProvider):
    name = "vendor"
    token: reading.Secret = SecretStr("dummy-token")
    second_token: reading.Secret | None = None
    base_url: reading.BaseUrl = "https://api.vendor.example"
    callback_url: reading.CallbackUrl | None = None
    pause: reading.Duration = timedelta(seconds=5)

    def send(self, message: Message) -> Flow[SentMessage]:
        yield from ()
        return self.accepted(message, id="1")


URLS = ("base_url", "callback_url")
PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
PORTS = st.just("") | st.integers(1, 65535).map(":{}".format)
HOSTS = st.from_regex(r"\A[a-z0-9]{1,8}(\.[a-z0-9-]{1,8}){0,2}\Z") | st.ip_addresses().map(
    lambda address: f"[{address}]" if address.version == 6 else str(address)
)
PATHS = st.text(PRINTABLE.filter(lambda character: character not in "\\?#"), max_size=8).map("/{}".format) | st.just("")
ORIGINS = st.builds("{}://{}{}".format, st.sampled_from(["http", "https", "HTTPS"]), HOSTS, PORTS)


@pytest.mark.parametrize(
    ("written", "pause"),
    [("90s", timedelta(seconds=90)), ("10m", timedelta(minutes=10)), ("2h", timedelta(hours=2)), ("1d", timedelta(1))],
)
def test_a_setting_that_is_a_time_is_written_with_its_unit(written, pause):
    assert Vendor(pause=written).pause == Vendor(pause=pause).pause == pause


@pytest.mark.parametrize("wrong", ["600", "soon", "0s", "-1s", "999999d"])
def test_and_any_other_time_is_refused(wrong):
    with pytest.raises(
        ConfigurationError, match=r"SMSBRIDGE_VENDOR_PAUSE is wrong: (write a time with|the time must be longer)"
    ):
        Vendor(pause=wrong)


REFUSALS = {
    "token": "must be printable ASCII without spaces, and not empty",
    "base_url": "must be an http:// or https:// URL in ASCII, without credentials, query or fragment",
    "callback_url": "must be an http:// or https:// URL in ASCII, without credentials",
}


def is_refused(name, value):
    """Whether ``value`` is refused with fixed words, which hold no part of it."""
    with pytest.raises(ConfigurationError) as caught:
        Vendor(**{name: value})
    return str(caught.value) == f"provider vendor: SMSBRIDGE_VENDOR_{name.upper()} is wrong: {REFUSALS[name]}"


@given(st.text(PRINTABLE, min_size=1))
def test_printable_ascii_is_a_secret(value):
    made = Vendor(token=value, second_token=value)
    assert made.secrets() == [value, value]
    assert f"'{value}'" not in repr(made)


@given(st.text(PRINTABLE), st.characters(max_codepoint=0x20) | st.characters(min_codepoint=0x7F), st.text(PRINTABLE))
def test_a_secret_with_a_space_a_control_or_a_letter_beyond_ascii_is_refused(before, character, behind):
    assert is_refused("token", f"{before}{character}{behind}")


def test_an_empty_secret_is_refused_and_none_is_none():
    assert is_refused("token", "")
    assert Vendor(second_token=None).secrets() == ["dummy-token"]


def test_people_are_told_that_a_secret_is_one():
    told = {setting.name: (setting.type, setting.secret) for setting in describe.settings(Vendor, "vendor")}
    assert told == {
        "token": ("secret", True),
        "second_token": ("secret", True),
        "base_url": ("text", False),
        "callback_url": ("text", False),
        "pause": ("time such as 10m", False),
    }


@pytest.mark.filterwarnings("ignore::smsbridge.provider.InsecureUrlWarning")
@given(ORIGINS, PATHS, st.integers(0, 3))
def test_a_base_url_loses_the_slashes_at_its_end_and_nothing_else(origin, path, slashes):
    plain = f"{origin}{path.rstrip('/')}"
    assert Vendor(base_url=plain + "/" * slashes).base_url == plain


@pytest.mark.filterwarnings("ignore::smsbridge.provider.InsecureUrlWarning")
@given(ORIGINS, PATHS, st.sampled_from(["", "?", "?a=1&b=%20", "?a=@", "#", "#ct=2000", "?a=1#b"]))
def test_a_callback_url_stays_as_it_is(origin, path, end):
    assert Vendor(callback_url=f"{origin}{path}{end}").callback_url == f"{origin}{path}{end}"


@pytest.mark.parametrize("end", ["?", "?a=1", "/?a=1", "#", "#b", "/v1#b"])
def test_a_base_url_has_neither_query_nor_fragment(end):
    assert is_refused("base_url", f"https://vendor.example{end}")


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "vendor.example",
            "//vendor.example",
            "ftp://vendor.example",
            "https:vendor.example",
            "mailto:a@b.example",
        ),
        *("https://", "https:///path", "https://:443", "https://?a", "https://#a"),
        *(
            "https://vendor.example:0",
            "https://vendor.example:65536",
            "https://vendor.example:x",
            "https://vendor.example:-1",
        ),
        *("https://[::1", "https://::1]", "https://[nonsense]"),
        *(
            "https://user@vendor.example",
            "https://user:pass@vendor.example",
            "https://@vendor.example",
            "https://:@[::1]:1",
        ),
        *(
            "https://vendor.example/a b",
            " https://vendor.example",
            "https://vendor.example ",
            "https://vendor.example/\n",
        ),
        *("https://vendor\t.example", "https://vendor.example/\x00", "https://vendor.example/\x7f"),
        *("https://vendor.example\\@evil.example", "https:\\\\vendor.example", "https://vendor.example/a\\b"),
        *(
            "https://vendör.example",
            "https://vendor.example/ä",
            "https://vendor.example:\uff14\uff14\uff13",
            "https://vendor。example",
        ),
    ],
)
def test_what_is_no_url_of_a_host_alone_is_refused(name, value):
    assert is_refused(name, value)


@given(ORIGINS, PATHS, st.characters(max_codepoint=0x20) | st.characters(min_codepoint=0x7F) | st.just("\\"), PATHS)
def test_no_url_holds_white_space_controls_backslashes_or_letters_beyond_ascii(origin, before, character, behind):
    for name in URLS:
        assert is_refused(name, f"{origin}{before}{character}{behind}")


@given(st.text(PRINTABLE.filter(lambda character: character not in "/\\?#"), max_size=8), HOSTS, PORTS, PATHS)
def test_no_url_holds_credentials(user, host, port, path):
    for name in URLS:
        assert is_refused(name, f"https://{user}@{host}{port}{path}")


@given(st.text())
def test_any_text_is_a_setting_or_is_refused_by_name(value):
    for name in REFUSALS:
        with contextlib.suppress(ConfigurationError):
            assert getattr(Vendor(**{name: value}), name)
            continue
        assert is_refused(name, value)


# --- requests -------------------------------------------------------------------------------------------------------------


def message(to="+919876543210", **fields):
    return Message(to=to, text="Hello", **{"reference": "ours-1", **fields})


@given(
    st.dictionaries(st.text(), st.sampled_from([None, "", [], (), {}, 0, False, 0.0, "0", " ", [None], {"": ""}, 1]))
)
def test_what_is_empty_is_no_part_of_a_request_and_nothing_else_is_left_out(fields):
    kept = {
        name: value
        for name, value in fields.items()
        if value is not None and (not isinstance(value, Sized) or len(value))
    }
    assert reading.given(fields) == kept


@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), ("test", "123\u00a3", "Basic dGVzdDoxMjPCow==")],
)
def test_basic_authentication_is_written_as_in_the_rfc(username, password, expected):
    """The examples are those of RFC 7617, sections 2 and 2.1."""
    assert reading.basic(username, SecretStr(password)) == expected


@given(st.text())
def test_an_id_is_one_segment_of_a_path_or_none(id):
    written = reading.segment(id)
    if not id.strip("."):
        assert written == ""
        return
    url = urlsplit(f"https://vendor.example/messages/{written}/status")
    assert PurePosixPath(url.path).parts == ("/", "messages", written, "status")
    assert unquote(written, errors="surrogatepass") == id
    assert written.isascii()


def test_half_a_character_is_no_reason_to_fail():
    assert reading.segment("\ud800") == "%ED%A0%80"


IDS = st.none() | st.sampled_from(["1101", "1107"])


@given(IDS, IDS, IDS, IDS)
def test_each_dlt_id_is_the_messages_own_or_that_of_the_settings(own_entity, own_template, entity, template):
    own = Dlt(entity_id=own_entity, template_id=own_template)
    found = reading.dlt_ids(message(dlt=own), entity, template)
    assert found == Dlt(entity_id=own_entity or entity, template_id=own_template or template)
    assert reading.dlt_ids(message(), entity, template) == Dlt(entity_id=entity, template_id=template)


@pytest.mark.parametrize(
    ("until", "since", "left"),
    [
        (None, None, None),
        (None, timedelta(hours=1), None),
        (timedelta(seconds=1), None, 1),
        (timedelta(seconds=90, milliseconds=900), None, 90.9),
        (timedelta(minutes=10), timedelta(minutes=4), 360),
        (timedelta(minutes=10), timedelta(minutes=-4), 600),
    ],
)
def test_how_long_a_text_is_of_use_counts_from_now_or_from_later(monkeypatch, until, since, left):
    monkeypatch.setattr(reading, "now", lambda: NOON)
    text = message(valid_until=until and NOON + until)
    assert reading.seconds_left(text, since and NOON + since) == left


@pytest.mark.parametrize(("until", "since"), [(0.999, None), (0, None), (-60, None), (60, 59.5), (60, 3600)])
def test_less_than_a_second_is_too_late(monkeypatch, until, since):
    monkeypatch.setattr(reading, "now", lambda: NOON)
    text = message(valid_until=NOON + timedelta(seconds=until))
    with pytest.raises(RefusedError) as caught:
        reading.seconds_left(text, since and NOON + timedelta(seconds=since))
    assert (caught.value.reason, caught.value.fault) == ("expired", "message")


# --- text -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [(" a b\n", "a b"), ("", ""), (0, "0"), (-12, "-12"), (10**20, "1" + "0" * 20)],
)
def test_a_string_or_a_whole_number_is_text(value, expected):
    assert reading.text(value) == expected


@pytest.mark.parametrize("value", [None, True, False, 1.5, [], ["a"], {}, {"a": "b"}, b"a"])
def test_anything_else_is_no_text(value):
    assert reading.text(value) == ""


def test_a_number_that_python_does_not_write_out_is_no_text():
    assert reading.text(10**5000) == ""
    assert reading.decimal(10**5000) is None


# --- numbers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.0075", "0.0075"),
        (" -1.50 ", "-1.50"),
        ("+3", "3"),
        (12, "12"),
        (0.1, "0.1"),
        (0.30000000000000004, "0.30000000000000004"),
        (1e-7, "0.0000001"),
        (1e14, "100000000000000"),
    ],
)
def test_a_number_is_read_as_it_is_written(value, expected):
    assert reading.decimal(value) == Decimal(expected)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, [1], {"amount": 1}),
        *("", "one", "1,5", "1 000", ".5", "1.", "1e3", "0x1", "1_0", "٣", "NaN", "Infinity"),
        *("9" * 16, 10**15, 1e300, 1e-300, float("nan"), float("inf"), -float("inf")),
    ],
)
def test_what_is_no_plain_number_is_none(value):
    assert reading.decimal(value) is None


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (3, 3), ("3", 3), (" 3 ", 3), (3.0, 3), ("3.00", 3)])
def test_a_whole_number_may_be_a_string_or_a_float(value, expected):
    assert reading.whole(value) == expected
    assert type(reading.whole(value)) is int


@pytest.mark.parametrize("value", [None, True, "", "three", -1, "-1", 1.5, "1.5", float("nan"), float("inf")])
def test_what_is_negative_or_not_whole_is_no_count(value):
    assert reading.whole(value) is None


@given(st.decimals(min_value=-(10**14), max_value=10**14, places=6))
def test_every_amount_comes_out_as_it_went_in(amount):
    assert reading.decimal(f"{amount:f}") == amount


@given(st.floats(min_value=-1e14, max_value=1e14).filter(lambda value: value == 0 or abs(value) > 1e-3))
def test_every_float_is_the_number_that_it_shows(value):
    assert reading.decimal(value) == Decimal(repr(value))


@pytest.mark.parametrize(
    ("amount", "unit", "expected"),
    [
        ("0.0075", "EUR", Money(amount=Decimal("0.0075"), unit="EUR")),
        (2, "credits", Money(amount=Decimal(2), unit="credits")),
        (0, "INR", Money(amount=Decimal(0), unit="INR")),
        ("free", "EUR", None),
        (None, "EUR", None),
        ("1", "", None),
    ],
)
def test_a_price_has_an_amount_and_a_unit_or_there_is_none(amount, unit, expected):
    assert reading.money(amount, unit) == expected


# --- phone numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["+919876543210", "919876543210", " 919876543210 ", 919876543210])
def test_a_number_is_e164_with_or_without_its_plus(written):
    assert reading.phone(written) == "+919876543210"
    assert reading.digits(written) == "919876543210"


@pytest.mark.parametrize(
    "written", ["ACME", "57575", "+57575", "0919876543210", "++919876543210", "9" * 16, "9876 543210"]
)
def test_a_short_code_or_a_name_is_left_as_it_is(written):
    assert reading.phone(written) == written


def test_digits_are_what_is_left_without_anything_else():
    assert reading.digits("+91 (98765) 432-10") == "919876543210"
    assert reading.digits("٣") == ""


# --- times ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00.000+0000",
        "2026-03-01T17:30:00+05:30",
        " 2026-03-01 12:00:00+00:00 ",
    ],
)
def test_a_time_is_in_utc_whatever_zone_it_names(written):
    assert reading.moment(written) == reading.moment(written, INDIA) == NOON


def test_a_time_that_names_no_zone_is_in_the_vendors_or_not_known():
    assert reading.moment("2026-03-01 17:30:00", INDIA) == NOON
    assert reading.moment("2026-03-01 12:00:00", UTC) == NOON
    assert reading.moment("2026-03-01 12:00:00") is None


@pytest.mark.parametrize(
    "value", [None, True, "", "soon", 1.5, "2026-02-30T12:00:00Z", "0001-01-01T00:00:00+14:00", {}]
)
def test_what_is_no_time_is_none(value):
    assert reading.moment(value, UTC) is None


def test_now_knows_its_zone():
    assert reading.now().tzinfo is UTC


# --- answers --------------------------------------------------------------------------------------------------------------


def test_the_object_of_an_answer_is_read_whatever_its_status():
    assert reading.object_or_empty(HttpResponse.of_json({"a": 1}, status=500)) == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"<html>", b"\xff", b"[" * 100_000])
def test_an_answer_without_an_object_is_empty(body):
    assert reading.object_or_empty(HttpResponse(status=400, body=body)) == {}


def test_an_answer_that_was_cut_is_empty():
    assert reading.object_or_empty(HttpResponse(status=400, body=b"{}", complete=False)) == {}


@pytest.mark.parametrize("value", [None, True, 1, "a", [], [{}], {"a": 1}])
def test_a_part_is_an_object_or_empty_and_parts_are_those_of_a_list(value):
    assert reading.part(value) == (value if isinstance(value, dict) else {})
    assert reading.parts(value) == (value if isinstance(value, list) else None)


def test_what_is_no_object_in_a_list_is_passed_over():
    assert reading.parts([{"a": 1}, None, "b", [{}], {}]) == [{"a": 1}, {}]


@given(st.dictionaries(st.text(), JSON, min_size=1), st.randoms())
def test_a_digest_is_that_of_what_is_said_in_whatever_order(item, random):
    fields = list(item.items())
    random.shuffle(fields)
    assert reading.digest(dict(fields)) == reading.digest(item)
    assert len(reading.digest(item)) == 64
    assert reading.digest({**item, "further": "field"}) != reading.digest({**item, "further": "other"})


@pytest.mark.parametrize(
    ("header", "given"),
    [
        ({"authorization": "Bearer abc"}, "abc"),
        ({"Authorization": "bEARER a b"}, "a b"),
        ({"authorization": "Bearer"}, ""),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": " Bearer abc"}, None),
        ({"authorization": "Bearerabc"}, None),
        ({"authorization": ""}, None),
        ({}, None),
    ],
)
def test_credentials_are_those_of_the_scheme_that_is_asked_for(header, given):
    webhook = HttpRequest(method="POST", url="https://app.example/", headers=header)
    assert reading.credentials(webhook, "bearer") == given


OK, BROKEN = HttpResponse(status=200, body=b"{}"), HttpResponse(status=503)


def test_what_a_code_means_is_the_error_of_the_answer():
    meaning = reading.Meaning(FundsError, "no-credit", "account", retry_after=120)
    error = reading.error_of(OK, meaning, code="9", detail="no money")
    assert type(error) is FundsError
    assert (error.code, error.reason, error.detail, error.fault) == ("9", "no-credit", "no money", "account")
    assert error.retry_after == 120


def test_what_a_status_means_is_the_error_of_a_send():
    outcome = reading.Outcome(Status.REJECTED, "dnd", OptedOutError)
    error = reading.error_of(OK, outcome, code="DND")
    assert (type(error), error.code, error.reason) == (OptedOutError, "DND", "dnd")


@pytest.mark.parametrize("response", [OK, BROKEN, HttpResponse(status=400)])
def test_a_code_that_is_not_known_leaves_it_uncertain(response):
    error = reading.error_of(response, None, code="99", detail="odd")
    assert (type(error), error.code, error.reason) == (UncertainError, "99", None)


def test_no_code_makes_a_refusal_of_a_failure_of_the_server():
    assert type(reading.error_of(BROKEN, reading.Meaning(ContentError, "spam"))) is UncertainError


def test_reports_end_with_a_last_status_or_where_the_vendor_says_so():
    assert reading.Outcome(Status.DELIVERED).final
    assert not reading.Outcome(Status.UNKNOWN).final
    assert reading.Outcome(Status.UNKNOWN, "no-report", closed=True).final


# --- batches --------------------------------------------------------------------------------------------------------------

NUMBERS = ["+919876543210", "+919876543211", "+919876543212"]
TEXTS = st.lists(st.builds(message, st.sampled_from(NUMBERS), reference=st.uuids().map(str)), min_size=1, max_size=6)
SHOWN = st.sampled_from([(True, True), (True, False), (False, True), (False, False)])


class Row(NamedTuple):
    """A vendor's row, and (``of``) the message that it belongs to: None for a message that we never sent."""

    reference: str
    number: str
    of: int | None


def row(messages, index, shown, **changes):
    own = messages[index]
    reference, number = own.reference if shown[0] else "", reading.digits(own.to) if shown[1] else ""
    return Row(**{"reference": reference, "number": number, "of": index, **changes})


def correlated(messages, rows):
    return reading.correlate(messages, rows, lambda row: (row.reference, row.number))


@given(TEXTS, st.randoms())
def test_rows_with_our_reference_are_found_in_any_order(messages, random):
    rows = [row(messages, index, random.choice([(True, True), (True, False)])) for index in range(len(messages))]
    random.shuffle(rows)
    assert correlated(messages, rows) == {own.of: own for own in rows}


@given(TEXTS, st.data())
def test_a_row_is_that_of_the_message_it_names_or_of_none(messages, data):
    """Rows are missing, doubled, of messages that we never sent, or name their message only in part."""
    indexes = st.integers(0, len(messages) - 1)
    strange = st.builds(Row, st.just("theirs"), st.sampled_from(["", *map(reading.digits, NUMBERS)]), st.none())
    rows = data.draw(st.lists(st.builds(row, st.just(messages), indexes, SHOWN) | strange, max_size=8))
    found = correlated(messages, rows)
    alone = {index for index in range(len(messages)) if [fitting(messages, row) for row in rows].count([index]) == 1}
    assert found.keys() == alone
    for index, own in found.items():
        assert fitting(messages, own) == [index]
        assert [row for row in rows if fitting(messages, row) == [index]] == [own]
    assert correlated(messages, list(reversed(rows))) == found


def fitting(messages, row):
    """The indexes of the messages that fit a row: a slow and simple second implementation."""
    return [
        index
        for index, own in enumerate(messages)
        if row.reference in ("", own.reference) and row.number in ("", reading.digits(own.to))
    ]


@given(TEXTS, st.data())
def test_a_doubled_row_leaves_its_message_uncertain_and_no_other(messages, data):
    rows = [row(messages, index, (True, True)) for index in range(len(messages))]
    twice = data.draw(st.integers(0, len(messages) - 1))
    found = correlated(messages, data.draw(st.permutations([*rows, rows[twice]])))
    assert found.keys() == {*range(len(messages))} - {twice}


@given(TEXTS, st.data())
def test_a_missing_row_is_no_other_messages(messages, data):
    rows = [row(messages, index, (True, True)) for index in range(len(messages))]
    del rows[data.draw(st.integers(0, len(messages) - 1))]
    assert correlated(messages, rows) == {own.of: own for own in rows}


@given(TEXTS, st.data())
def test_a_row_that_contradicts_itself_belongs_to_no_message(messages, data):
    index = data.draw(st.integers(0, len(messages) - 1))
    other = row(messages, index, (True, True), number="12025550100")
    assert correlated(messages, [other]) == {}


def test_two_texts_to_one_number_are_told_apart_by_our_reference_alone():
    messages = [message(reference="a"), message(reference="b")]
    by_number = Row("", reading.digits(messages[0].to), 0)
    assert correlated(messages, [by_number, by_number]) == {}
    assert correlated(messages, [Row("b", "", 1), by_number]) == {1: Row("b", "", 1)}


def test_one_text_has_the_one_row_whatever_it_names():
    anonymous = Row("", "", 0)
    assert correlated([message()], [anonymous]) == {0: anonymous}
    assert correlated([message()], [anonymous, anonymous]) == {}
    assert correlated([message(reference="a"), message(reference="b")], [anonymous]) == {}


def test_a_result_is_what_was_accepted_or_why_it_was_not():
    sent = SentMessage(account="vendor", provider="vendor", id="1")
    refused = RefusedError("no")

    def refuse():
        raise refused

    text = message()
    assert reading.result(3, text, lambda: sent) == Result(index=3, message=text, sent=sent)
    assert reading.result(4, text, refuse) == Result(index=4, message=text, error=refused)


def test_what_is_no_error_of_a_send_ends_the_batch():
    with pytest.raises(ZeroDivisionError):
        reading.result(0, message(), lambda: 1 // 0)


# --- arbitrary input ------------------------------------------------------------------------------------------------------


@given(JSON)
def test_any_json_value_is_read_or_is_nothing_and_nothing_raises(value):
    assert reading.text(value) == reading.text(value).strip()
    assert all("0" <= digit <= "9" for digit in reading.digits(value))
    assert reading.phone(value).removeprefix("+") == reading.text(value).removeprefix("+")
    number = reading.decimal(value)
    assert number is None or (number.is_finite() and abs(number) < 10**15)
    count = reading.whole(value)
    assert count is None or (type(count) is int and count >= 0 and count == number)


@given(JSON, st.sampled_from([None, UTC, INDIA]))
def test_every_time_is_aware_and_in_utc(value, zone):
    when = reading.moment(value, zone)
    assert when is None or when.tzinfo is UTC


@given(st.binary() | JSON.map(lambda value: HttpResponse.of_json(value).body), st.integers(200, 599))
def test_any_body_is_an_object_or_empty(body, status):
    assert isinstance(reading.object_or_empty(HttpResponse(status=status, body=body)), dict)
