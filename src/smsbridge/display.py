"""Words from outside, made fit to be shown: they command no terminal, forge no line, and hide nothing.

Vendors, applications and files bring words that end up in logs, errors, tables and on terminals. This is the one place
that decides what those may hold: no control characters, no line ends but our own, nothing that turns the direction of
writing, no halves of characters, and no more than a bounded length.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 500
"""Characters that are shown of what somebody else wrote, where no other bound is given."""

LONGEST_ON_SCREEN = 4000
"""The same of a line of ours, which may hold a text."""

_SPACES = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")
_JOINERS = frozenset("\u200c\u200d")
"""Without them Indian letters, and families of emoji, take other forms: they are kept where a text itself is shown."""

_HYPHEN = "\u00ad"
_UNKNOWN = 0xFFFD
_LONG_WORD = re.compile(r"(\S{150})\S{50,}")
_NOT_ASCII = re.compile("[^\x00-\x7e]")


class _Shown(dict[int, int | str | None]):
    """For ``str.translate``: a stand-in for each character that cannot be seen, apart from those in ``kept``."""

    def __init__(self, kept: frozenset[str], spaces: frozenset[str] = frozenset()) -> None:
        self._kept = kept
        self._spaces = spaces

    def __missing__(self, code: int) -> int | str | None:
        character = chr(code)
        if character.isprintable() or character in self._kept:
            return code
        if character in self._spaces:
            return " "
        group = unicodedata.category(character)
        if group == "Cc":
            return 0x2400 + code if code < 0x20 else 0x2421 if code == 0x7F else _UNKNOWN  # C1 has no pictures
        if group == "Cf":
            drawn_over = character in _JOINERS or character == _HYPHEN or "\U000e0000" <= character <= "\U000e007f"
            return None if drawn_over else _UNKNOWN
        return " " if group in ("Zl", "Zp") else _UNKNOWN if group == "Cs" else code


_LINE = _Shown(frozenset(), _SPACES)
_SCREEN = _Shown(_JOINERS | frozenset("\t\n"))
_SCREEN_LINE = _Shown(_JOINERS, _SPACES)
_PICTURES = {**{code: 0x2400 + code for code in range(0x20)}, 0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), _UNKNOWN)


def line(words: object, longest: int = LONGEST) -> str:
    """``words`` for one line of a log, an error or a table: nothing in it ends the line or commands the terminal."""
    text = str(words)
    if len(text) > longest:
        text = f"{text[:longest]}…"
    return text if text.isprintable() else text.translate(_LINE)


def without_long_words(text: str) -> str:
    """``text`` with each word cut that is longer than names and paths are: what is given as one may be anything."""
    return _LONG_WORD.sub(r"\1…", text)


def screen_line(text: str) -> str:
    """The same for a line of ours that may hold a text: Indian letters keep their forms."""
    if len(text) > LONGEST_ON_SCREEN:
        text = f"{text[:LONGEST_ON_SCREEN]}…"
    return text if text.isprintable() else text.translate(_SCREEN_LINE)


def screen(text: str) -> str:
    """``text``, which may have several lines, as a terminal can bear it."""
    return text if text.isprintable() else text.translate(_SCREEN)


def json_text(document: str) -> str:
    """``document``, which is JSON, of the same meaning: what cannot be seen is written as an escape."""
    return _NOT_ASCII.sub(_escaped, document.replace("\x7f", "\\u007f"))


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    if character.isprintable():
        return character
    code = ord(character)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def pictures(text: str) -> str:
    """``text`` with a picture for each control character, tabs and line ends included."""
    return text.translate(_PICTURES)
