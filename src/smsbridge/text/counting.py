"""Count the segments of a text, and find their borders.

A text of one segment holds 160 units of GSM-7 or 70 of UCS-2. A longer text is cut into segments of 153 or 67 units,
because each begins with a header that tells the phone how to join them. A character of two units is never cut: the
segment ends a unit early instead, and that unit is lost. Source: 3GPP TS 23.038 and TS 23.040, section 9.2.3.24.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from smsbridge.errors import ContentError

from .alphabet import ALL_BASIC, ALL_GSM, ESC, EXTENSION

if TYPE_CHECKING:
    from .guilt import Guilty


class Encoding(StrEnum):
    """Name the encoding of a text. A single character that GSM-7 lacks makes the whole text UCS-2."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


_GSM7, _UCS2 = Encoding.GSM7, Encoding.UCS2  # looking them up in the class takes a tenth of the time of counting


SINGLE = {Encoding.GSM7: 160, Encoding.UCS2: 70}
"""Units of a text in a single segment."""

PART = {Encoding.GSM7: 153, Encoding.UCS2: 67}
"""Units of each segment of a longer text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextInfo:
    """Hold the encoding and the size of a text.

    A unit is a septet in GSM-7 and a UTF-16 unit in UCS-2: ``units`` is their number in the text, and ``units_left`` is
    how many more fit into the last segment.
    """

    text: str = field(repr=False)
    encoding: Encoding
    units: int
    segments: int
    units_left: int

    @property
    def padding(self) -> int:
        """Return the number of units that stay empty because segments end early, so that no character is cut."""
        return 0 if self.segments == 1 else self.segments * PART[self.encoding] - self.units - self.units_left

    @property
    def guilty(self) -> tuple[Guilty, ...]:
        """Return each character of the text that GSM-7 lacks, and that makes the text UCS-2, in order.

        They are looked up at each call, because counting does not need them.
        """
        from .guilt import find_guilty

        return find_guilty(self.text)


def measure(text: str) -> TextInfo:
    """Return the encoding, units and segments of ``text``. An empty text has one segment.

    Raises ContentError with the reason ``not-unicode`` if the text holds half a character (a lone surrogate).
    """
    encoding, _, units, borders = _lay_out(text)
    left = PART[encoding] - units + borders[-1] if borders else SINGLE[encoding] - units
    return TextInfo(text=text, encoding=encoding, units=units, segments=len(borders) + 1, units_left=left)


def split(text: str) -> list[str]:
    """Cut ``text`` where its segments end. Returns the parts, which together are the whole text.

    Raises ContentError with the reason ``not-unicode``, as :func:`measure` does.
    """
    _, wire, units, borders = _lay_out(text)
    edges = pairwise([0, *borders, units])
    if isinstance(wire, str):
        return [wire[start:end].replace(ESC, "") for start, end in edges]
    return [wire[2 * start : 2 * end].decode("utf-16-le") for start, end in edges]


def _lay_out(text: str) -> tuple[Encoding, str | bytes, int, Sequence[int]]:
    """The encoding; the text by units (a character, or two bytes); their number; the start of each further segment."""
    units = len(text)
    if ALL_BASIC.fullmatch(text) is not None:
        return _GSM7, text, units, range(153, units, 153) if units > 160 else ()
    if ALL_GSM.fullmatch(text) is not None:
        septets = _septets(text)
        return _GSM7, septets, len(septets), _borders(_GSM7, len(septets), lambda last: septets[last] == ESC)
    data = _utf16(text)
    if len(data) == 2 * units:  # no pairs
        return _UCS2, data, units, range(67, units, 67) if units > 70 else ()
    units = len(data) // 2
    return _UCS2, data, units, _borders(_UCS2, units, lambda last: data[2 * last + 1] & 0xFC == 0xD8)


def _borders(encoding: Encoding, units: int, opens_pair: Callable[[int], bool]) -> Sequence[int]:
    """The start of each segment but the first; no segment ends with a unit that ``opens_pair``."""
    borders: list[int] = []
    if units <= SINGLE[encoding]:
        return borders
    border = PART[encoding]
    while border < units:
        border -= opens_pair(border - 1)
        borders.append(border)
        border += PART[encoding]
    return borders


def _septets(text: str) -> str:
    for character in EXTENSION:
        if character in text:
            text = text.replace(character, ESC + character)
    return text


def _utf16(text: str) -> bytes:
    try:
        return text.encode("utf-16-le")
    except UnicodeEncodeError as error:
        where = error.start
    # Outside the handler: otherwise the error would keep the UnicodeEncodeError, and the text in it, as its context.
    raise ContentError(
        "the text has half a character (a lone surrogate) in it: remove it",
        reason="not-unicode",
        detail=f"at index {where}",
    )
