"""A number comes out as it went in, or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge import phone
from smsbridge.errors import ConfigurationError, RecipientError
from smsbridge.phone import mask, mask_numbers, to_e164

REGIONS = st.sampled_from([None, "IN", "GB", "US", "DE", "IT", "BR", "AR", "MX"])
NUMBERISH = st.one_of(
    st.text(),
    st.text("0123456789+-. ()", max_size=22),
    st.builds("+{}{}".format, st.sampled_from(["91", "44", "1", "49", "39", "54", "7"]), st.integers(0, 10**12)),
    st.from_regex(r"\+91[ -]?[6-9]\d{4}[ -]?\d{5}( ?[\w,;x]{1,12})?", fullmatch=True),
)


def digits(text):
    return "".join(one for one in text if one in "0123456789")


def same_ending(one, other):
    return next(size for size in range(min(len(one), len(other)), -1, -1) if one.endswith(other[len(other) - size :]))


@pytest.mark.parametrize(
    "written",
    [
        "+919876543210",
        "+91 98765 43210",
        "+91-98765-43210",
        "+91 (98765) 43210",
        "+91.98765.43210",
        "  +919876543210  ",
    ],
)
def test_a_number_may_be_written_with_spaces_and_marks(written):
    assert to_e164(written) == "+919876543210"


def test_a_trunk_zero_in_brackets_is_not_dialled():
    assert to_e164("+44 (0)7911 123456") == "+447911123456"


@pytest.mark.parametrize("written", ["9876543210", "09876543210", "98765 43210", "919876543210", "00919876543210"])
def test_a_national_number_takes_the_country_of_the_region(written):
    assert to_e164(written, "IN") == "+919876543210"


def test_a_region_does_not_change_an_international_number():
    assert to_e164("+447911123456", "IN") == "+447911123456"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("9876543210", "no-country-code"),
        ("+91987654", "too-short"),
        ("+1", "not-a-number"),
        ("+9198765432101234", "too-long"),
        ("+919876543210+919876543211", "not-a-number"),
        ("+919876543210,+919876543211", "not-a-number"),
        ("+919876543210 919876543211", "too-long"),
        ("+919876543210\n", "not-a-number"),
        ("\t+919876543210", "not-a-number"),
        ("+91987654\x003210", "not-a-number"),
        ("+919876543210abc", "not-a-number"),
        ("+919876543210x12", "not-a-number"),
        ("+919876543210;ext=1", "not-a-number"),
        ("tel:+919876543210", "not-a-number"),
        ("+91\N{DEVANAGARI DIGIT NINE}876543210", "not-a-number"),
        ("+91\N{FULLWIDTH DIGIT NINE}876543210", "not-a-number"),
        ("\uff0b919876543210", "not-a-number"),
        ("+999876543210", "not-a-number"),
        ("+", "not-a-number"),
        ("()", "no-country-code"),
        ("+911126743210", "not-mobile"),
        ("+911800123456", "not-mobile"),
        ("+442079460000", "not-mobile"),
        (None, "not-a-number"),
        (919876543210, "not-a-number"),
    ],
)
def test_anything_else_is_refused_with_a_reason_and_without_the_number(number, reason):
    with pytest.raises(RecipientError) as caught:
        to_e164(number)
    assert caught.value.reason == reason
    assert caught.value.fault == "message"
    assert len(digits(str(caught.value))) < 6


def test_a_number_without_country_code_says_how_to_give_one():
    with pytest.raises(RecipientError, match="SMSBRIDGE_DEFAULT_REGION"):
        to_e164("9876543210")


def test_two_numbers_without_a_space_are_not_one():
    with pytest.raises(RecipientError, match="too-long"):
        to_e164("98765432109876543211", "IN")


@pytest.mark.parametrize(
    ("written", "region"), [("113123456789", "CN"), ("01511987654321", "BR"), ("033211234567", "CO")]
)
def test_digits_that_choose_a_carrier_are_not_dropped(written, region):
    with pytest.raises(RecipientError, match="digits that its country does not use"):
        to_e164(written, region)


def test_an_unknown_region_is_a_mistake_in_the_settings():
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_DEFAULT_REGION"):
        to_e164("9876543210", "XX")


@given(NUMBERISH, REGIONS)
def test_every_digit_that_goes_in_comes_out_or_the_number_is_refused(written, region):
    try:
        number = to_e164(written, region)
    except RecipientError:
        return
    assert number[0] == "+"
    assert number[1:].isascii()
    assert number[1:].isdigit()
    given_digits = digits(written.replace("(0)", ""))
    if written.strip().startswith("+"):
        assert number[1:] == given_digits
    else:
        same = same_ending(number, given_digits)
        assert len(number) - 1 - same <= 3  # all that is new is a country code
        assert len(given_digits) - same <= 5  # all that is gone is a prefix for calls abroad or a trunk zero


@given(NUMBERISH, REGIONS)
def test_a_number_that_came_out_goes_in_again(written, region):
    try:
        number = to_e164(written, region)
    except RecipientError:
        return
    assert to_e164(number, region) == number


@given(st.builds("+{}{}".format, st.integers(1, 999), st.integers(10**5, 10**12)))
def test_the_short_way_for_mobile_numbers_says_what_the_long_way_says(number):
    if phone._is_mobile(number):
        assert phone._parse(number, None) == number


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+919876543210", "+91******3210"),
        ("919876543210", "91******3210"),
        ("+447911123456", "+44******3456"),
        ("12345", "*****"),
        ("", ""),
        ("VK-ACME", "*******"),
    ],
)
def test_a_masked_number_shows_country_and_last_four(number, masked):
    assert mask(number) == masked


@given(st.text(max_size=30))
def test_a_mask_hides_all_but_the_first_three_and_last_four(number):
    masked = mask(number)
    assert len(masked) == len(number)
    hidden = [place for place, one in enumerate(masked) if one == "*"]
    assert all(masked[place] == number[place] for place in range(len(number)) if place not in hidden)
    assert set(range(len(number))) - set(hidden) <= {0, 1, 2, *range(len(number) - 4, len(number))}
    assert not number or len(hidden) >= min(len(number), 3)


@given(st.text(max_size=20), st.from_regex(r"\+?[1-9][0-9]{7,14}", fullmatch=True), st.text(max_size=20))
def test_no_number_stays_whole_in_a_vendors_words(before, number, after):
    if digits(before[-1:] + after[:1]):
        return
    assert number not in mask_numbers(f"{before}{number}{after}")


def test_short_codes_and_prices_are_not_masked():
    assert mask_numbers("error 21211 at 12.50") == "error 21211 at 12.50"
