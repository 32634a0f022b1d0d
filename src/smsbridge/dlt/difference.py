"""Where a text and a template first differ, in words that a person sees the difference by."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum

_CONTROLS = {
    "\0": "a null character",
    "\t": "a tab",
    "\n": "a line break",
    "\r": "a carriage return",
    "\x1b": "an escape character",
}
_FAMILIAR = {
    " ": "a space",
    ".": "a full stop",
    ",": "a comma",
    "'": "an apostrophe",
    '"': "a straight quotation mark",
    "-": "a hyphen",
}
_KINDS = {"L": "a letter", "N": "a digit", "M": "a vowel sign or other mark", "S": "a symbol"}
_SECOND = re.compile("^an? ")
_ASCII_MARKS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def name(char: str, *, private: bool = True) -> str:
    """``char`` in words. ``private``: letters, digits and symbols are not told apart, since they are part of a text."""
    if familiar := _FAMILIAR.get(char) or _CONTROLS.get(char):
        return familiar
    group = unicodedata.category(char)
    code = f"U+{ord(char):04X}"
    if group == "Cs":
        return f"half of a character ({code})"
    if private and group[0] in _KINDS and char not in _ASCII_MARKS:
        return _KINDS[group[0]]
    words = unicodedata.name(char, "").lower()
    return f"{_article(words)} ({code})" if words else f"the character {code}"


def ending(text: str) -> str:
    """That ``text`` ends in what cannot be seen, such as the line break of a template file; else empty."""
    unseen = text and unicodedata.category(text[-1])[0] in "ZC"
    return f"the text ends in {name(text[-1])}" if unseen else ""


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"


class Change(StrEnum):
    """What is different."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first difference. ``position`` is a character of the text, counted from 0.

    ``expected`` and ``found`` are the characters, empty at the end of the template or of the text. Where a value is
    wrong (``Change.VALUE``), ``slot`` counts it from 1 and ``problem`` says why, holding nothing of it; ``length`` is
    that of the value.
    """

    change: Change
    position: int
    expected: str = field(default="", repr=False)
    found: str = field(default="", repr=False)
    before: str = field(default="", repr=False)
    slot: int = 0
    problem: str = ""
    length: int = 1

    def words(self, *, private: bool = True) -> str:
        """The difference in words; ``private``: none that would tell what the text says."""
        where = f"at character {self.position + 1}"
        if self.change is Change.VALUE:
            return f"value {self.slot}, {where}, {self.problem}"
        expected = name(self.expected, private=private) if self.expected else ""
        found = name(self.found, private=private) if self.found else ""
        if not expected:
            return f"{where}, the text goes on after the end of the template, with {found}"
        if not found:
            return f"{where}, the text ends, where the template goes on with {expected}"
        if self.change is Change.CHANGED:
            return f"{where}, there is {self._compared(found, expected)}"
        if self.change is Change.MISSING:
            return f"{where}, {expected} is missing"
        second = self.found == self.before and not self.found.isalnum()
        return f"{where}, there is {_SECOND.sub('a second ', found) if second else found} too much"

    def _compared(self, found: str, expected: str) -> str:
        if self.found.lower() == self.expected.lower():
            return f"{found}, which the template has in the other case"
        if found == expected:
            other = " of another script" if _script(self.found) != _script(self.expected) else ""
            return f"{found}{other}, where the template has another one"
        return f"{found}, where the template has {expected}"
