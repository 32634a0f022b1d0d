"""Characters in numbers: each is read, left out if it is invisible, or named in the error."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.errors import RecipientError
from smsbridge.phone import to_e164
from smsbridge.written import read

UNSEEN = [
    *"\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u2060\u2066\u2067\u2068\u2069\ufeff\u00ad\u061c\u034f\u180e\ufe0f"
]
SPACES = [*"\u00a0\u2000\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u1680"]
DASHES = [*"\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d\ufe63\ufe58"]


@pytest.mark.parametrize("char", UNSEEN, ids=lambda char: f"U+{ord(char):04X}")
def test_what_cannot_be_seen_is_left_out(char):
    assert to_e164(f"{char}+91 98765{char} 43210{char}") == "+919876543210"
    assert to_e164(f"98765{char}43210", "IN") == "+919876543210"


@pytest.mark.parametrize("char", [*SPACES, *DASHES], ids=lambda char: f"U+{ord(char):04X}")
def test_other_spaces_and_dashes_are_read_as_those_of_ascii(char):
    assert to_e164(f"+91{char}98765{char}43210") == "+919876543210"


@pytest.mark.parametrize(
    "written",
    [
        "\uff0b919876543210",
        "\uff0b\uff19\uff11 \uff19\uff18\uff17\uff16\uff15 \uff14\uff13\uff12\uff11\uff10",
        "\uff08\uff0b91\uff09 98765\uff0e43210",
        "+\u0669\u0661\u0669\u0668\u0667\u0666\u0665\u0664\u0663\u0662\u0661\u0660",
        "+\u06f9\u06f1 \u06f9\u06f8\u06f7\u06f6\u06f5 \u06f4\u06f3\u06f2\u06f1\u06f0",
        "+\u096f\u0967\u096f\u096e\u096d\u096c\u096b\u096a\u0969\u0968\u0967\u0966",
    ],
)
def test_a_number_may_be_written_in_the_digits_of_one_other_script(written):
    assert to_e164(written) == "+919876543210"


@pytest.mark.parametrize(
    ("char", "code"),
    [
        ("\t", "U+0009"),
        ("\n", "U+000A"),
        ("\r", "U+000D"),
        ("\0", "U+0000"),
        ("\x1b", "U+001B"),
        ("\x85", "U+0085"),
        ("\u2028", "U+2028"),
        ("\u202e", "U+202E"),  # shows the digits in another order
        ("\u3164", "U+3164"),
        ("\u20e3", "U+20E3"),
        ("\u0663", "U+0663"),  # among digits of ASCII
        ("\uff11", "U+FF11"),
        ("\u00b2", "U+00B2"),
        ("\u2022", "U+2022"),
        ("\U000e0031", "U+E0031"),
        ("\ud800", "U+D800"),
    ],
)
def test_any_other_character_is_named_by_its_code_point(char, code):
    for written in (f"+9198765{char}43210", f"{char}+919876543210", f"+919876543210{char}"):
        with pytest.raises(RecipientError) as caught:
            to_e164(written)
        assert code in str(caught.value).split()
        assert caught.value.reason == "not-a-number"


def test_a_sign_behind_the_digits_of_a_script_is_none_of_them():
    digits = "\u0669\u0661\u0669\u0668\u0667\u0666\u0665\u0664\u0663\u0662\u0661\u0660"
    for place in range(len(digits) + 1):
        with pytest.raises(RecipientError, match=r"has U\+066A ARABIC PERCENT SIGN in it"):
            to_e164(f"+{digits[:place]}\u066a{digits[place:]}")


@pytest.mark.parametrize(
    ("char", "words"),
    [
        ("\t", "U+0009 a control character"),
        ("\x9f", "U+009F a control character"),
        ("\ue000", "U+E000"),
        ("\ud800", "U+D800"),
        ("\u2022", "U+2022 BULLET"),
    ],
)
def test_its_name_stands_beside_where_it_has_one(char, words):
    with pytest.raises(RecipientError) as caught:
        to_e164(f"+91987{char}6543210")
    assert f" has {words} in it;" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("+919876543210 11", "919876543210"),
        ("+91-9876543-210", "919876543"),
        ("1234567 8", "1234567"),
        ("123456 7", ""),
        ("+919876543210", ""),
        ("+919876543 21 0", ""),
        ("98765 43210-11", ""),
        ("1 2 3456789 0", "123456789"),
    ],
)
def test_what_stands_before_the_last_group_may_be_a_whole_number_if_it_ends_in_seven_digits_in_one_piece(text, whole):
    assert read(text).whole == whole


@pytest.mark.parametrize(
    "text", ["abc", "+91 98765 43210 ext 11", "98765/43210", "9876543210,9876543211", "98765_43210"]
)
def test_what_is_made_of_more_than_digits_and_what_separates_them_is_not_one_number(text):
    with pytest.raises(RecipientError, match="is not one phone number"):
        read(text)


def test_what_is_longer_than_any_way_to_write_a_number_is_none():
    assert to_e164(f"+91{' ' * 87}9876543210") == "+919876543210"
    with pytest.raises(RecipientError, match="not one phone number"):
        to_e164(f"+91{' ' * 88}9876543210")


@given(st.characters(exclude_characters="0123456789"), st.integers(0, 13))
def test_a_character_inside_is_harmless_or_refused_and_never_a_digit(char, place):
    number = "+919876543210"
    with contextlib.suppress(RecipientError):
        assert to_e164(f"{number[:place]}{char}{number[place:]}") == number
