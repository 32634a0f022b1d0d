"""Texts with placeholders for the ``http`` provider: as in ``str.format``, but with fixed names and no formats."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

PLACEHOLDERS = (
    "to",
    "digits",
    "national",
    "country_code",
    "text",
    "encoding",
    "sender",
    "reference",
    "purpose",
    "entity_id",
    "template_id",
    "token",
    "username",
    "password",
    "basic",
)
NUMBERS = ("to", "digits", "national")
"""The placeholders for the recipient's number."""

Values = Mapping[str, str]
Encode = Callable[[str, str], str]
"""Encodes the value of a placeholder, given its name and value; raises Misfit."""

_WORD = re.compile(r"[A-Za-z_]{1,20}")


class Bare(str):
    """A value that is written into JSON without quotes: a whole number, ``true`` or ``false``."""

    __slots__ = ()

    @classmethod
    def of(cls, word: str | int) -> str:
        """Turn ``word``, a value from the settings, into a value for JSON.

        A string is returned unchanged; a number or a bool becomes a Bare.
        """
        return word if isinstance(word, str) else cls(json.dumps(word))


class Misfit(ValueError):
    """Raised if a value cannot be written in the place of its placeholder, such as a line end in a header."""


def meant(name: str, known: Iterable[str]) -> str:
    """Return advice for an unknown ``name``.

    The advice is ``did you mean ...?`` with a similar name, or a list of the ``known`` names.
    """
    there = list(known)
    close = get_close_matches(name, there, 1)
    return f"did you mean {close[0]!r}?" if close else f"have {', '.join(there)}"


@dataclass(frozen=True, slots=True)
class Template:
    """A text with placeholders, such as ``{to}``.

    Each of its parts is literal text and the name of the placeholder that follows this text, or None at the end.
    """

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Parse ``text``.

        Raises ValueError for unknown placeholders, and for braces that do not enclose a placeholder.
        """
        parts = []
        for literal, name, form, conversion in string.Formatter().parse(text):
            if name is not None and name not in PLACEHOLDERS:
                if not _WORD.fullmatch(name):
                    raise ValueError("a brace begins no placeholder; write a literal brace as {{ or }}")
                raise ValueError(f"there is no placeholder {{{name}}}; {meant(name, PLACEHOLDERS)}")
            if form or conversion:
                raise ValueError(f"{{{name}}} has a format; write only the name")
            parts.append((literal, name))
        return cls(tuple(parts))

    @property
    def names(self) -> frozenset[str]:
        """The names of the placeholders in the text."""
        return frozenset(name for _, name in self.parts if name is not None)

    @property
    def only(self) -> str | None:
        """The name of the placeholder, if the text is nothing but this placeholder; otherwise None."""
        return self.parts[0][1] if len(self.parts) == 1 and not self.parts[0][0] else None

    def render(self, values: Values, encode: Encode = lambda _name, value: value) -> str:
        """Return the text with each placeholder replaced by its value in ``values``.

        ``encode`` gets the name and the value of a placeholder, and returns the value encoded for its place in the
        request. Raises Misfit if ``encode`` cannot do this.
        """
        return "".join(
            literal if name is None else literal + encode(name, values[name]) for literal, name in self.parts
        )
