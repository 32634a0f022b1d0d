"""What vendors write is read, or it is nothing; it never raises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge import reading
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
