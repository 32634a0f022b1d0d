"""Put the figures of a text into words for people."""

from __future__ import annotations

from .counting import Encoding, TextInfo

NAMES = {Encoding.GSM7: "GSM-7", Encoding.UCS2: "UCS-2"}
_LABELS = 3


def describe(info: TextInfo) -> str:
    """Return the figures of a text in words: ``2 (UCS-2, 88 units; 1 character forces UCS-2: U+2019 ...)``.

    The words give the segments, the encoding, the units, and the characters that force UCS-2. Show them only to people
    who may see the text, and do not log them, because they name characters of the text.
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
    """Return ``number`` and the noun for what is counted, in the plural unless it is 1: ``1 unit``, ``2 units``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
