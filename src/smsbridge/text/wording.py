"""Put the figures of a text into words for people."""

from __future__ import annotations

from .counting import Encoding, TextInfo

NAMES = {Encoding.GSM7: "GSM-7", Encoding.UCS2: "UCS-2"}
_LABELS = 3


def describe(info: TextInfo) -> str:
    """Return the figures of a text in words: ``2 (UCS-2, 88 units; 1 character forces UCS-2: U+2019 ...)``.

    They are the segments, encoding, units and the cause of UCS-2. They name characters of the text, so show them only
    to people who may see the text, and do not log them.
    """
    figures = f"{NAMES[info.encoding]}, {count(info.units, 'unit')}"
    guilty = info.guilty
    if not guilty:
        return f"{info.segments} ({figures})"
    labels = list(dict.fromkeys(character.script or character.label for character in guilty))
    more = [f"and {len(labels) - _LABELS} more"] if len(labels) > _LABELS else []
    who = f"{count(len(guilty), 'character')} force{'s' if len(guilty) == 1 else ''} UCS-2"
    return f"{info.segments} ({figures}; {who}: {', '.join([*labels[:_LABELS], *more])})"


def count(number: int, noun: str) -> str:
    """Return a number and what it counts: ``1 unit``, ``2 units``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
