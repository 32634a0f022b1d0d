"""Show a place of a text on a line of a terminal, with a caret under it, in any script."""

from __future__ import annotations

import unicodedata

from smsbridge.text.columns import columns

_STAND_INS = {"\n": "\u23ce", "\r": "\u240d", "\t": "\u21e5", "\x7f": "\u2421"}
_STAND_INS |= {chr(code): chr(0x2400 + code) for code in range(0x20) if chr(code) not in _STAND_INS}
_JOINERS = "\u200c\u200d"
"""Joiners; without them Indian letters would have other forms."""

_INVISIBLE = "\u00b7"
_BEFORE, _WIDTH = 40, 74


def excerpt(text: str, position: int) -> tuple[str, str]:
    """Return two lines: the part of ``text`` around ``position``, and a caret under the character at ``position``.

    ``position`` counts characters from 0; the length of the text stands for the end of the text.
    """
    shown = [_visible(char, pointed_at=place == position) for place, char in enumerate(text)]
    begin, room = position, _BEFORE
    while begin > 0 and (room := room - columns(shown[begin - 1])) >= 0:
        begin -= 1
    while 0 < begin < position and _is_mark(text[begin]):
        begin += 1
    end, room = position, _WIDTH - columns("".join(shown[begin:position]))
    while end < len(shown) and (room := room - columns(shown[end])) >= 0:
        end += 1
    left = "\u2026" if begin else ""
    under = columns(left + "".join(shown[begin:position]))
    if position < len(text) and columns(shown[position]) == 0 and under:
        # The caret goes under the letter of the mark.
        under -= 1
    return f"{left}{''.join(shown[begin:end])}{'…' if end < len(shown) else ''}", f"{' ' * under}^"


def _visible(char: str, *, pointed_at: bool) -> str:
    if char in _STAND_INS:
        return _STAND_INS[char]
    group = unicodedata.category(char)
    if group in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp"):
        return "\ufffd"
    if group == "Cf" and (pointed_at or char not in _JOINERS):
        return _INVISIBLE
    return char


def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"
