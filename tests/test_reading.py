"""What vendors write is read, or it is nothing; it never raises. What most providers have in common is checked once."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from smsbridge import ConfigurationError, Flow, Message, SentMessage, SmsProvider, reading
from smsbridge.cli import describe
from smsbridge.http import HttpResponse

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


REFUSALS = {
    "token": "must be printable ASCII without spaces, and not empty",
    "base_url": "must be an http:// or https:// URL in ASCII, without credentials, query or fragment",
    "callback_url": "must be an http:// or https:// URL in ASCII, without credentials",
}


def is_refused(name, value):
    """Whether ``value`` is refused in words that are always the same, and so hold nothing of it."""
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


# --- anything at all ------------------------------------------------------------------------------------------------------


@given(JSON)
def test_any_json_value_is_read_or_is_nothing_and_nothing_raises(value):
    assert reading.text(value) == reading.text(value).strip()
    assert all("0" <= one <= "9" for one in reading.digits(value))
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
