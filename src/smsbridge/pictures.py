"""Control characters as pictures, so that a text cannot command a terminal."""

from __future__ import annotations

CONTROLS = {code: 0x2400 + code for code in range(0x20) if code not in b"\t\n"} | {0x7F: 0x2421}
CONTROLS |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)  # these have no pictures, and are commands all the same
"""For ``str.translate``: all but tabs and line ends."""

_ALL = CONTROLS | {code: 0x2400 + code for code in b"\t\n"}


def pictures(text: str) -> str:
    """``text`` with a picture for each control character, tabs and line ends included."""
    return text.translate(_ALL)
