"""Describe the first difference between a text and a template, in words that make it visible."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum

from smsbridge.text.naming import name

_SECOND = re.compile("^an? ")


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


class Change(StrEnum):
    """Name the kind of difference between a text and a template."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Describe the first difference between a text and a template, at the character ``position`` of the text, from 0.

    ``expected`` are the characters of the template, and ``found`` those of the text; each is empty if its side ends
    there. If the difference is a wrong value of a variable (``Change.VALUE``), ``slot`` is the number of the value,
    from 1, ``problem`` says what is wrong without quoting the value, and ``length`` is the length of the value.
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
        """Return the difference in words. If ``private`` is true, no letter, digit or symbol of the text is quoted."""
        where = f"at character {self.position + 1}"
        if self.change is Change.VALUE:
            return f"value {self.slot}, {where}, {self.problem}"
        expected = name(self.expected, private=private) if self.expected else ""
        found = name(self.found, private=private) if self.found else ""
        if not expected:
            return f"{where}, the text goes on after the end of the template, with {found}"
        if not found:
            return f"{where}, the text ends, but the template goes on with {expected}"
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
            return f"{found}{other}, where the template has another character"
        return f"{found}, where the template has {expected}"
