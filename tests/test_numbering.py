"""The rules of all countries, compared with phonenumbers: a completed number is a mobile number, and no digit is lost."""

from __future__ import annotations

import contextlib

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat as Format
from phonenumbers import PhoneNumberType as Kind

from smsbridge import numbering, phone
from smsbridge.errors import ConfigurationError, RecipientError
from smsbridge.phone import to_e164
from smsbridge.written import read

ALL_REGIONS = sorted(
    region for region in phonenumbers.SUPPORTED_REGIONS if phonenumbers.example_number_for_type(region, Kind.MOBILE)
)
FORMATS = [Format.E164, Format.INTERNATIONAL, Format.NATIONAL, Format.RFC3966]


def digits(text):
    return "".join(char for char in text if char in "0123456789")


def outcome(written, region=None):
    """The number, or the error."""
    try:
        return to_e164(written, region)
    except RecipientError as error:
        return error


def e164_of(parsed):
    return phonenumbers.format_number(parsed, Format.E164)


def is_mobile_of(parsed, region):
    """The rule for completed numbers, by phonenumbers itself."""
    mobile = phonenumbers.number_type(parsed) in (Kind.MOBILE, Kind.FIXED_LINE_OR_MOBILE)
    same_code = parsed.country_code == phonenumbers.country_code_for_region(region)
    return mobile and same_code and phonenumbers.is_valid_number(parsed)


@st.composite
def mobiles(draw):
    """A mobile number of a region: its example, with other last digits if the result is still a mobile number."""
    region = draw(st.sampled_from(ALL_REGIONS))
    example = phonenumbers.example_number_for_type(region, Kind.MOBILE)
    national = phonenumbers.national_significant_number(example)
    kept = draw(st.integers(1, len(national)))
    tail = draw(st.text("0123456789", min_size=len(national) - kept, max_size=len(national) - kept))
    with contextlib.suppress(phonenumbers.NumberParseException):
        other = phonenumbers.parse(f"+{example.country_code}{national[:kept]}{tail}")
        if is_mobile_of(other, region):
            return region, other
    return region, example


def all_ways(parsed):
    yield from (phonenumbers.format_number(parsed, form).removeprefix("tel:") for form in FORMATS)
    yield e164_of(parsed)[1:]
    yield phonenumbers.national_significant_number(parsed)


@pytest.mark.parametrize("region", ALL_REGIONS)
def test_the_example_of_each_region_may_be_written_in_every_way(region):
    example = phonenumbers.example_number_for_type(region, Kind.MOBILE)
    assert {written: to_e164(written, region) for written in all_ways(example)} == dict.fromkeys(
        all_ways(example), e164_of(example)
    )


@settings(max_examples=500)
@given(mobiles())
def test_a_mobile_number_of_any_region_may_be_written_in_every_way(mobile):
    region, parsed = mobile
    for written in all_ways(parsed):
        assert to_e164(written, region) == e164_of(parsed)


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_a_number_of_any_kind_may_be_written_with_plus(region):
    for kind in (Kind.MOBILE, Kind.FIXED_LINE, Kind.TOLL_FREE, Kind.VOIP, Kind.UAN, Kind.PREMIUM_RATE):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is not None:
            assert to_e164(e164_of(example)) == e164_of(example)
            assert to_e164(phonenumbers.format_number(example, Format.INTERNATIONAL)) == e164_of(example)


@settings(max_examples=500)
@given(st.sampled_from(ALL_REGIONS), st.text("0123456789", min_size=1, max_size=17))
def test_digits_become_a_mobile_number_of_the_region_or_none(region, written):
    check_completed(written, region)


@settings(max_examples=500)
@given(mobiles(), st.sampled_from(ALL_REGIONS), st.data())
def test_a_number_of_another_country_never_becomes_one_of_the_region(mobile, region, data):
    written = data.draw(st.sampled_from([*all_ways(mobile[1])]))
    if written.startswith("+"):
        assert to_e164(written, region) == e164_of(mobile[1])
    else:
        check_completed(written, region)


def check_completed(written, region):
    """The result is a mobile number of the region, with all given digits except a trunk prefix."""
    number = outcome(written, region)
    if isinstance(number, RecipientError):
        assert len(digits(str(number))) < 6
        return
    parsed = phonenumbers.parse(number)
    assert is_mobile_of(parsed, region)
    assert e164_of(parsed) == number
    code, national, typed = str(parsed.country_code), phonenumbers.national_significant_number(parsed), digits(written)
    trunk = phonenumbers.PhoneMetadata.metadata_for_region(region).national_prefix or ""
    ways = {national, code + national, trunk + national, "0" + national, "8" + national}
    as_written_there = digits(phonenumbers.format_number(parsed, Format.NATIONAL))
    assert typed in ways | {as_written_there, as_written_there.removeprefix(trunk)}


@settings(max_examples=500)
@given(mobiles(), st.integers(-6, 6).filter(bool), st.data())
def test_a_number_with_digits_lost_or_added_has_a_length_that_there_is_or_is_refused(mobile, change, data):
    _, parsed = mobile
    right = e164_of(parsed)
    if change < 0:
        place = data.draw(st.integers(len(str(parsed.country_code)) + 1, len(right)))
        wrong = right[:place] + right[place - change :]
    else:
        wrong = right + data.draw(st.text("0123456789", min_size=change, max_size=change))
    number = outcome(wrong)
    if isinstance(number, RecipientError):
        assert number.reason in ("too-short", "too-long", "not-a-number", "not-mobile")
        return
    assert number == wrong
    parsed = phonenumbers.parse(number)
    kinds = (Kind.MOBILE, Kind.FIXED_LINE)
    possible = [phonenumbers.is_possible_number_for_type_with_reason(parsed, kind) for kind in kinds]
    assert phonenumbers.ValidationResult.IS_POSSIBLE in possible or phonenumbers.is_valid_number(parsed)


@settings(max_examples=500)
@given(mobiles(), st.text("0123456789", min_size=1, max_size=4), st.sampled_from(["-", " - ", " ", ".", " ("]))
def test_what_follows_a_whole_number_is_not_taken_into_it(mobile, tail, mark):
    region, parsed = mobile
    whole = e164_of(parsed)
    if len(whole) < 9:
        return
    end = ")" if "(" in mark else ""
    for written in (f"{whole}{mark}{tail}{end}", f"{whole[1:]}{mark}{tail}{end}"):
        with pytest.raises(RecipientError):
            to_e164(written, region)


def test_what_is_dialled_abroad_is_no_number_of_the_region():
    assert numbering._mobile_of("9876543210", "IN") is not None
    assert numbering._mobile_of("011919876543210", "US") is None


def test_digits_that_are_two_numbers_are_refused(monkeypatch):
    """No region has such numbers today."""
    monkeypatch.setattr(numbering, "_readings", lambda *_: ["+919876543210", "+91919876543210"])
    with pytest.raises(RecipientError, match="both with and without its country code"):
        numbering.national(read("919876543210"), "IN")


@pytest.mark.parametrize("region", ALL_REGIONS)
def test_the_short_way_for_numbers_of_a_region_says_what_the_long_way_says(region):
    example = phonenumbers.example_number_for_type(region, Kind.MOBILE)
    for written in (phonenumbers.national_significant_number(example), e164_of(example)[1:]):
        short = phone._mobile_of(written, region)
        assert short in ("", numbering.national(read(written), region))


@settings(max_examples=500)
@given(st.sampled_from(ALL_REGIONS), st.text("0123456789", min_size=4, max_size=14))
def test_the_short_way_for_any_digits_says_what_the_long_way_says(region, written):
    if short := phone._mobile_of(written, region):
        assert numbering.national(read(written), region) == short


@pytest.mark.parametrize(
    ("written", "region", "reason", "words"),
    [
        ("+91987654321", None, "too-short", "too short for its country"),
        ("+9198765432101", None, "too-long", "too long for its country"),
        ("+919876543210123", None, "too-long", "too long for its country"),
        ("+8001234567", None, "too-short", "too short for its country"),
        ("+999123456789", None, "not-a-number", "begins with no country code that exists"),
        ("+12", None, "not-a-number", "is not a phone number"),
        ("+9109876543210", None, "not-a-number", "has digits that its country does not use"),
        ("9876543210", None, "no-country-code", "has no country code"),
        ("00919876543210", "IN", "no-country-code", "a prefix for calls abroad"),
        ("0112025550123", "US", "no-country-code", "a prefix for calls abroad"),
        ("5", "IN", "not-a-number", "is not a phone number"),
        ("987654321", "IN", "too-short", "too short for a mobile number of IN; write"),
        ("98765432101", "IN", "too-long", "too long for a mobile number of IN; write"),
        ("1123456789", "IN", "not-mobile", "is not a mobile number of IN; write"),
        ("4407400123456", "GB", "not-a-number", "has digits that its country does not use"),
        ("5550123", "US", "too-short", "too short for a mobile number of US; write"),
        ("03012345678", "DE", "not-mobile", "is not a mobile number of DE; write"),
        ("0 15 11 96123 4567", "BR", "not-a-number", "has digits that its country does not use"),
    ],
)
def test_what_is_wrong_with_a_number_is_said_in_words_that_help(written, region, reason, words):
    error = outcome(written, region)
    assert isinstance(error, RecipientError)
    assert error.reason == reason
    assert words in str(error)
    assert not set(digits(str(error).replace("+91...", ""))) & set("23456789")


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        ("+80012345678", None, "+80012345678"),
        ("+882123456789", None, "+882123456789"),
        ("+39 06 12345678", None, "+390612345678"),
        ("+44 (0) 7400 123456", None, "+447400123456"),
        ("011 15 2345 6789", "AR", "+5491123456789"),
        ("8 912 345-67-89", "RU", "+79123456789"),
        ("12025550123", "US", "+12025550123"),
    ],
)
def test_what_a_country_writes_in_its_own_way_is_read_in_that_way(written, region, number):
    assert outcome(written, region) == number


@pytest.mark.parametrize("region", ["XX", "in", "", "India", "001"])
def test_a_region_that_there_is_not_is_a_wrong_setting(region):
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_DEFAULT_REGION"):
        to_e164("9876543210", region)


@pytest.mark.parametrize(
    ("text", "region", "valid"),
    [
        ("+919876543210", None, True),
        ("9876543210", "IN", True),
        ("9876543210", None, False),
        ("+91123", None, False),
        ("+999123456789", None, False),
        ("", "IN", False),
    ],
)
def test_what_cannot_be_read_as_a_number_is_no_valid_one(text, region, valid):
    assert numbering.is_valid(text, region) is valid
