"""Read a phone number as people write it: its digits, without invisible characters and separators.

This module only judges characters; :mod:`smsbridge.phone` judges the meaning of the digits. No character is dropped
silently: it is harmless, or the number is refused, and an invisible character is named by its code point.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from .errors import RecipientError

_LONGEST = 100
_UNSEEN = (
    "\N{SOFT HYPHEN}\N{COMBINING GRAPHEME JOINER}\N{ARABIC LETTER MARK}\N{MONGOLIAN VOWEL SEPARATOR}"
    "\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}"
    "\N{LEFT-TO-RIGHT EMBEDDING}\N{RIGHT-TO-LEFT EMBEDDING}\N{POP DIRECTIONAL FORMATTING}\N{LEFT-TO-RIGHT OVERRIDE}"
    "\N{WORD JOINER}\u2061\u2062\u2063\u2064\N{LEFT-TO-RIGHT ISOLATE}\N{RIGHT-TO-LEFT ISOLATE}\N{FIRST STRONG ISOLATE}"
    "\N{POP DIRECTIONAL ISOLATE}\N{ZERO WIDTH NO-BREAK SPACE}" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
"""Invisible characters that are copied with a number from a page, a chat or a list of contacts.

They do not include RIGHT-TO-LEFT OVERRIDE, which shows digits in another order.
"""
_SPACES = "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_HARMLESS = {
    **dict.fromkeys(map(ord, _UNSEEN)),
    **dict.fromkeys(map(ord, _SPACES), " "),
    **dict.fromkeys(map(ord, _DASHES), "-"),
    **str.maketrans("\ufe62\uff0b\uff08\uff09\uff0e", "++()."),
}
"""The replacement of each harmless character; an invisible character is removed."""

_ALLOWED = re.compile(r"[0-9+\-.() ]*", re.ASCII)
_MARKS_BETWEEN_DIGITS = re.compile(r"\+?[0-9]+(?:[.-][0-9]+)*", re.ASCII)
_BRACKETS = re.compile(r"[^()]*(?:\([^()]*[0-9][^()]*\)[^()]*)*", re.ASCII)
_TRUNK_ZERO = re.compile(r"(?P<code>\(? *\+? *[0-9]{1,3} *\)?[ .-]*)\( *0 *\)", re.ASCII)
_ZERO_IN_BRACKETS = re.compile(r"(?<=.)\( *0 *\)", re.ASCII)
_NOT_DIGITS = re.compile(r"[^0-9]+", re.ASCII)
_OF_A_SPREADSHEET = re.compile(r"\+?[0-9]{7,}\.0+", re.ASCII)
_ROUNDED = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.*", re.ASCII | re.DOTALL)
_SHORTEST_WHOLE = 7
"""The number of digits in a group that may be a whole number: no country's format has groups of more than six."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Written:
    """A phone number as a person wrote it. ``digits`` are its digits; ``plus`` says whether it begins with a plus.

    A trunk zero in brackets, such as in ``+44 (0)20``, is not among the digits; ``before_zero`` are the digits before
    it. ``whole`` are the digits before the last group, if the group before it is long enough to be a whole number: then
    it is unclear whether the last group belongs to that number.
    """

    plus: bool
    digits: str
    before_zero: str = ""
    whole: str = ""


def read(text: str) -> Written:
    """Read the phone number in ``text``. Raises RecipientError with the reason ``empty`` or ``not-a-number``."""
    plain = _plain(text).strip(" ")
    if not plain:
        raise RecipientError("the recipient is empty: give a phone number", reason="empty")
    _refuse_odd_shapes(plain)
    zero = _TRUNK_ZERO.match(plain)
    before_zero = _NOT_DIGITS.sub("", zero["code"]) if zero else ""
    plain = zero["code"] + plain[zero.end() :] if zero else plain
    if _ZERO_IN_BRACKETS.search(plain):
        raise _not_a_number("has a zero in brackets that does not stand behind its country code: leave it out")
    groups = [group for group in _NOT_DIGITS.split(plain) if group]
    whole = "".join(groups[:-1]) if len(groups) > 1 and len(groups[-2]) >= _SHORTEST_WHOLE else ""
    return Written(plus="+" in plain, digits="".join(groups), before_zero=before_zero, whole=whole)


def _not_a_number(words: str) -> RecipientError:
    return RecipientError(f"the recipient {words}", reason="not-a-number")


def _plain(text: str) -> str:
    """Return ``text`` in ASCII. Raises RecipientError, which names a harmful character by its code point."""
    text = text.translate(_HARMLESS)
    if not text.isascii():
        text = _digits_of_one_script(text)
    for char in text:
        if not (char.isascii() and char.isprintable()):
            code = f"U+{ord(char):04X}"
            name = unicodedata.name(char, "a control character" if ord(char) < 0xA0 else "")
            raise _not_a_number(f"has {' '.join(filter(None, (code, name)))} in it; write digits, + - . ( ) and spaces")
    return text


def _digits_of_one_script(text: str) -> str:
    """Return ``text`` with the digits 0 to 9 if all its digits are of the same script: mixed scripts may mislead."""
    zeros = {ord(char) - unicodedata.decimal(char) for char in text if char.isdecimal()}
    if len(zeros) != 1:
        return text
    zero = zeros.pop()
    return text.translate({zero + value: str(value) for value in range(10)})


def _refuse_odd_shapes(plain: str) -> None:
    if _OF_A_SPREADSHEET.fullmatch(plain):
        raise _not_a_number("ends in .0, as a spreadsheet writes numbers: format its column as text")
    if _ROUNDED.fullmatch(plain):
        raise _not_a_number("is rounded, as a spreadsheet writes large numbers (E+11): format its column as text")
    if _URI.fullmatch(plain):
        raise _not_a_number("is a URI such as tel:, or has a word before it; write the number alone")
    if len(plain) > _LONGEST or not _ALLOWED.fullmatch(plain):
        raise _not_a_number("is not one phone number (digits, + - . ( ) and spaces only)")
    bare = re.sub(r"[ ()]", "", plain)
    if not _MARKS_BETWEEN_DIGITS.fullmatch(bare) or not _BRACKETS.fullmatch(plain):
        raise _not_a_number(
            "has a + - . ( or ) where none can stand: write + before all digits, the others between them"
        )
