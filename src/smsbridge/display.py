"""Make words from outside safe to show: they control no terminal, forge no line, and hide nothing.

Words of vendors, applications and files come into logs, errors, tables and terminals. Only this module decides what
they may contain: no control characters, no line ends but our own, no characters that change the direction of writing,
no halves of characters, and a limited length.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 500
"""The default number of characters that are shown of words from outside."""

LONGEST_ON_SCREEN = 4000
"""The same for our own line that may hold a text."""

_SPACES = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")
_JOINERS = frozenset("\u200c\u200d")
"""Joiners. Indian letters and emoji sequences need them, so they are kept where a text itself is shown."""

_HYPHEN = "\u00ad"
_UNKNOWN = 0xFFFD
_LONG_WORD = re.compile(r"(\S{150})\S{50,}")
_NOT_ASCII = re.compile("[^\x00-\x7e]")


class _Shown(dict[int, int | str | None]):
    """A table for ``str.translate``: replaces each invisible character, except those in ``kept``."""

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
            # C1 controls have no pictures.
            return 0x2400 + code if code < 0x20 else 0x2421 if code == 0x7F else _UNKNOWN
        if group == "Cf":
            drawn_over = character in _JOINERS or character == _HYPHEN or "\U000e0000" <= character <= "\U000e007f"
            return None if drawn_over else _UNKNOWN
        return " " if group in ("Zl", "Zp") else _UNKNOWN if group == "Cs" else code


_LINE = _Shown(frozenset(), _SPACES)
_SCREEN = _Shown(_JOINERS | frozenset("\t\n"))
_SCREEN_LINE = _Shown(_JOINERS, _SPACES)
_PICTURES = {**{code: 0x2400 + code for code in range(0x20)}, 0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), _UNKNOWN)


def joined(parts: Iterable[str]) -> str:
    """Join ``parts`` to a single line with semicolons.

    After a part that ends with a question mark, only a space follows.
    """
    return "; ".join(parts).replace("?; ", "? ")


def line(words: object, longest: int = LONGEST) -> str:
    """Return ``words`` safe for a single line of a log, an error or a table.

    The result cannot end the line or control a terminal. Everything after the first ``longest`` characters is cut off.
    """
    text = str(words)
    if len(text) > longest:
        text = f"{text[:longest]}…"
    return text if text.isprintable() else text.translate(_LINE)


def without_long_words(text: str) -> str:
    """Cut each word in ``text`` that is longer than names and paths usually are.

    Such a word may be a secret or the text of a message.
    """
    return _LONG_WORD.sub(r"\1…", text)


def screen_line(text: str) -> str:
    """Return ``text`` safe for a single line on a terminal, cut off after 4000 characters.

    Unlike :func:`line`, this keeps the joiners that Indian letters and emoji need. It is for the texts of messages.
    """
    if len(text) > LONGEST_ON_SCREEN:
        text = f"{text[:LONGEST_ON_SCREEN]}…"
    return text if text.isprintable() else text.translate(_SCREEN_LINE)


def screen(text: str) -> str:
    """Return ``text`` safe for a terminal. The text may have several lines: tabs and line ends stay."""
    return text if text.isprintable() else text.translate(_SCREEN)


def json_text(document: str) -> str:
    """Write each invisible character in the JSON ``document`` as an escape.

    The meaning of the document stays the same.
    """
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
    """Replace each control character in ``text``, including tabs and line ends, by a visible picture of it."""
    return text.translate(_PICTURES)
