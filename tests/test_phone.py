"""A number keeps its digits, or is refused; nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge import numbering, phone
from smsbridge.errors import ConfigurationError, RecipientError
from smsbridge.phone import mask, mask_numbers, to_e164
from smsbridge.written import read

REGIONS = st.sampled_from([None, "IN", "GB", "US", "DE", "IT", "BR", "AR", "MX"])
NUMBERISH = st.one_of(
    st.text(),
    st.text("0123456789+-. ()", max_size=22),
    st.builds("+{}{}".format, st.sampled_from(["91", "44", "1", "49", "39", "54", "7"]), st.integers(0, 10**12)),
    st.from_regex(r"\+91[ -]?[6-9]\d{4}[ -]?\d{5}( ?[\w,;x]{1,12})?", fullmatch=True),
)


def digits(text):
    return "".join(character for character in text if character in "0123456789")


def same_ending(masked, other):
    return next(
        size for size in range(min(len(masked), len(other)), -1, -1) if masked.endswith(other[len(other) - size :])
    )


@pytest.mark.parametrize(
    "written",
    [
        "+919876543210",
        "+91 98765 43210",
        "+91-98765-43210",
        "+91 (98765) 43210",
        "+91.98765.43210",
        "  +919876543210  ",
        "+ 91 98765 43210",
        "(+91) 98765 43210",
        "( +91 ) 98765-43210",
        "+(91)98765 43210",
        "+91 - 98765 - 43210",
        "+91 (0) 98765 43210",
        "(+91)(0)98765-43210",
    ],
)
def test_a_number_may_be_written_with_spaces_and_marks(written):
    assert to_e164(written) == "+919876543210"


@pytest.mark.parametrize("written", ["+44 (0)7911 123456", "+44(0)7911123456", "(+44) (0) 7911 123456"])
def test_a_trunk_zero_in_brackets_is_not_dialled(written):
    assert to_e164(written) == "+447911123456"


@pytest.mark.parametrize(
    "written",
    [
        "+39 (0) 340 1234567",  # Italy has no trunk zero
        "+1 (0) 415 555 2671",
        "+7 (0) 912 345 67 89",  # it is 8 there
        "+44 7911 (0) 123456",
        "+44 (0)(0)7911 123456",
        "+447911123456 (0)",
        "+(0)447911123456",
        "+4 (0) 47911123456",
        "+44 07911 123456",
        "+91 09876543210",
    ],
)
def test_no_other_zero_is_dropped(written):
    with pytest.raises(RecipientError) as caught:
        to_e164(written)
    assert caught.value.reason == "not-a-number"


@pytest.mark.parametrize(
    "written",
    [
        "9876543210",
        "09876543210",
        "98765 43210",
        "98765-43210",
        "(98765) 43210",
        "(0)98765 43210",
        "919876543210",
        "91 98765 43210",
        "(91) 98765-43210",
        "91 (0) 98765 43210",
    ],
)
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
        ("+919876543210-", "not-a-number"),
        ("+919876543210.", "not-a-number"),
        ("-919876543210", "not-a-number"),
        ("+-919876543210", "not-a-number"),
        ("++919876543210", "not-a-number"),
        ("91+9876543210", "not-a-number"),
        ("919876543210+", "not-a-number"),
        ("+91 (98765 43210", "not-a-number"),
        ("+91 98765) 43210", "not-a-number"),
        ("+91 ((98765)) 43210", "not-a-number"),
        ("+91 () 98765 43210", "not-a-number"),
        ("+91 )98765( 43210", "not-a-number"),
        ("+91 98765--43210", "not-a-number"),
        ("+91 98765 .- 43210", "not-a-number"),
        ("+919876543210-11", "too-long"),
        ("+919876543210.0", "not-a-number"),
        ("+9.19877E+11", "not-a-number"),
        ("9.19877E+11", "not-a-number"),
        ("9,19877e+11", "not-a-number"),
        ("tel:+91-98765-43210", "not-a-number"),
        ("whatsapp:+919876543210", "not-a-number"),
        ("+" + "1" * 5000, "not-a-number"),
        ("(" * 5000, "not-a-number"),
        ("+999876543210", "not-a-number"),
        ("+", "not-a-number"),
        ("()", "not-a-number"),
        ("-", "not-a-number"),
        ("+80012", "too-short"),
        ("+979212345678", "not-mobile"),  # a code for services; no service has this number
        ("+91767845175", "too-short"),
        ("+9198765432101", "too-long"),
        ("+9119876543210", "too-long"),
        ("+9715012345", "too-short"),
        ("+9715012345678", "too-long"),
        ("+65812345678", "too-long"),
        ("+659123456", "too-short"),
        ("+14155552", "too-short"),
        ("+141555526711", "too-long"),
        ("+4915112345678901234", "too-long"),
        ("+4930123456789012", "too-long"),  # the tables allow this length, but it is longer than E.164
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


@pytest.mark.parametrize(
    "number",
    [
        "+18332530000",  # toll-free, which can be text-enabled
        "+80012345678",
        "+442079460123",  # a landline, where texts are read aloud
        "+33123456789",
        "+911126743210",
        "+911800123456",
        "+916110212345",  # a new series that the tables call fixed
        "+916000000000",
        "+881612345678",  # a satellite
        "+493012345678901",  # of fifteen digits
    ],
)
def test_with_a_plus_the_kind_of_a_number_is_the_vendors_to_judge(number):
    assert to_e164(number) == number
    assert to_e164(number, "IN") == number


@pytest.mark.parametrize(
    ("written", "region", "reason"),
    [
        ("14155552671", "IN", "too-long"),
        ("98765432101", "IN", "too-long"),
        ("9876543210-11", "IN", "too-long"),
        ("9876543210.0", "IN", "not-a-number"),
        ("919876543210.0", "IN", "not-a-number"),
        ("98765432", "IN", "too-short"),
        ("9198765", "IN", "too-short"),
        ("91987654321", "IN", "too-long"),  # eleven digits, if its first two are no country code
        ("9198765432101", "IN", "too-long"),
        ("9109876543210", "IN", "not-a-number"),  # a trunk zero behind the country code
        ("911126743210", "IN", "not-mobile"),  # a landline with its country code
        ("767845175", "IN", "too-short"),
        ("971501234567", "IN", "too-long"),
        ("447911123456", "IN", "too-long"),
        ("8801712345678", "IN", "too-long"),
        ("1126743210", "IN", "not-mobile"),
        ("5876543210", "IN", "not-mobile"),
        ("18001234567", "IN", "too-long"),
        ("00919876543210", "IN", "no-country-code"),
        ("0014155552671", "IN", "no-country-code"),
        ("011919876543210", "US", "no-country-code"),
        ("0112025550123", "US", "no-country-code"),
        ("00442071838750", "US", "no-country-code"),
        ("0011919876543210", "AU", "no-country-code"),
        ("810919876543210", "RU", "no-country-code"),
        ("010919876543210", "JP", "no-country-code"),
        ("8332530000", "US", "not-mobile"),
        ("5552671", "US", "too-short"),
        ("2351234", "AI", "too-short"),  # has one area code, which is not added
        ("02079460123", "GB", "not-mobile"),
        ("07011123456", "GB", "not-mobile"),  # a personal number
        ("1123456789", "AR", "not-mobile"),  # a landline: mobile numbers have 15 there
        ("1800207911123456", "GB", "not-a-number"),  # a prefix of another service
        ("91 (0) (0) 98765 43210", "IN", "not-a-number"),
        ("9 (0) 19876543210", "IN", "not-a-number"),
        ("1 (0) 415 555 2671", "US", "not-a-number"),
        ("1 (0) 98765 43210", "IN", "not-a-number"),
    ],
)
def test_what_is_completed_has_to_be_a_mobile_number_of_the_region(written, region, reason):
    with pytest.raises(RecipientError) as caught:
        to_e164(written, region)
    assert caught.value.reason == reason
    assert len(digits(str(caught.value))) < 6


@pytest.mark.parametrize(
    ("written", "region", "e164"),
    [
        ("415 555 2671", "US", "+14155552671"),  # mobile or fixed: nothing tells
        ("(415) 555-2671", "US", "+14155552671"),
        ("1-415-555-2671", "US", "+14155552671"),
        ("416 555 0123", "US", "+14165550123"),  # Canada, dialled as any other number of the code
        ("242 359 1234", "US", "+12423591234"),
        ("07911 123456", "GB", "+447911123456"),  # Guernsey
        ("8 701 234 5678", "RU", "+77012345678"),  # Kazakhstan
        ("6591234567", "SG", "+6591234567"),
        ("015112345678", "DE", "+4915112345678"),
        ("4915112345678", "DE", "+4915112345678"),
        ("011 15-2345-6789", "AR", "+5491123456789"),
        ("11 15 2345 6789", "AR", "+5491123456789"),
        ("9 11 2345 6789", "AR", "+5491123456789"),
        ("8 (912) 345-67-89", "RU", "+79123456789"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("06.12.34.56.78", "FR", "+33612345678"),
        ("06-12-34-56-78", "FR", "+33612345678"),
        ("0664 1234567", "AT", "+436641234567"),
        ("340 123 4567", "IT", "+393401234567"),
        ("06 20 123 4567", "HU", "+36201234567"),
        ("0 612 34567", "LT", "+37061234567"),
        ("8 612 34567", "LT", "+37061234567"),  # its former trunk prefix
        ("8 029 491 19 11", "BY", "+375294911911"),
        ("8 29 491 19 11", "BY", "+375294911911"),
    ],
)
def test_a_number_may_be_written_as_its_country_writes_it(written, region, e164):
    assert to_e164(written, region) == e164


@pytest.mark.parametrize(
    ("written", "region"),
    [
        ("081234567890-1", "ID"),
        ("0812345678-90", "ID"),
        ("0812345678 90", "ID"),
        ("+62 812345678-90", None),
        ("0664 1234567-8", "AT"),
        ("(06641234567) 12", "AT"),
        ("+43 6641234567.12", None),
    ],
)
def test_an_extension_does_not_become_a_part_of_the_number(written, region):
    with pytest.raises(RecipientError, match="goes on behind a whole number") as caught:
        to_e164(written, region)
    assert caught.value.reason == "not-a-number"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("9876543210.0", "format its column as text"),
        ("+919876543210.00", "format its column as text"),
        ("9.19877E+11", "format its column as text"),
        ("00919876543210", r"write \+ and the country code"),
        ("0014155552671", r"write \+ and the country code"),
        ("14155552671", r"with \+ and its country code"),
        ("tel:+919876543210", "write the number alone"),
        ("+999876543210", "no country code that exists"),
        ("+9109876543210", "digits that its country does not use"),
    ],
)
def test_a_refusal_says_what_to_do(written, words):
    with pytest.raises(RecipientError, match=words):
        to_e164(written, "IN")


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
        assert len(number) - 1 - same <= 3  # the only new digits are a country code
        assert len(given_digits) - same <= 5  # the only missing digits are a prefix for calls abroad or a trunk zero


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
        assert numbering.international(read(number)) == number


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+919876543210", "+91******3210"),
        ("919876543210", "91******3210"),
        ("+447911123456", "+44******3456"),
        ("9876543210", "98****3210"),
        ("987654321", "98***4321"),
        ("98765432", "********"),
        ("9876543", "*******"),
        ("+987654321", "+98***4321"),
        ("+98765432", "*********"),
        ("+9876543", "********"),
        ("98765 43210", "98*****3210"),
        ("12345", "*****"),
        ("", ""),
        ("VK-ACME", "*******"),
    ],
)
def test_a_masked_number_shows_country_and_last_four_and_a_short_one_nothing(number, masked):
    assert mask(number) == masked


@pytest.mark.parametrize(
    ("words", "masked"),
    [
        ("to 9876543210", "to 98****3210"),
        ("to 98765432", "to ********"),
        ("to 919876543210.", "to 91******3210."),
        ("to:+919876543210", "to:+91******3210"),
        (
            "to \u0669\u0668\u0667\u0666\u0665\u0664\u0663\u0662\u0661\u0660",
            "to \u0669\u0668****\u0663\u0662\u0661\u0660",
        ),
        # A vendor's own mask that leaves too much.
        ("to 98765***", "to ********"),
        ("to 98765*****", "to 98********"),
        ("to 9876543XXX", "to 98****3XXX"),
        ("to 98765xxxxx", "to 98****xxxx"),
        ("to +9198765#####", "to +91******####"),
        ("to *****43210", "to ******3210"),
        ("to 9**6543210", "to 9*****3210"),
        ("to 98765**43210", "to 98******3210"),
        ("9876543210*", "98****3210*"),
        # A mask that shows no more than ours stays.
        ("to +91******3210", "to +91******3210"),
        ("to 98****3210", "to 98****3210"),
        ("to ********", "to ********"),
        ("card 1234****", "card 1234****"),
        # No numbers.
        ("21211 and 12345678901234567", "21211 and 12345678901234567"),
        ("code 1234567", "code 1234567"),
        ("0x1F 12345 x 54321", "0x1F 12345 x 54321"),
    ],
)
def test_a_number_in_a_vendors_words_shows_no_more_than_a_masked_one(words, masked):
    assert mask_numbers(words) == masked


@given(st.text("0123456789*X+ ", max_size=40))
def test_masking_again_changes_nothing(words):
    once = mask_numbers(words)
    assert mask_numbers(once) == once


@given(st.text(max_size=30))
def test_a_mask_hides_all_but_the_first_three_and_last_four(number):
    masked = mask(number)
    assert len(masked) == len(number)
    hidden = [place for place, character in enumerate(masked) if character == "*"]
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
