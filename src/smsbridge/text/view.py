"""Show a text segment by segment, with marks under the characters that force UCS-2.

Columns are those of a terminal: two for ideographs and emoji, none for accents. Invisible characters are shown as code
points, and control characters as pictures, so that a text can neither hide anything nor command the terminal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from smsbridge.display import pictures

from .columns import graphemes, width
from .counting import PART, SINGLE, Encoding, TextInfo, measure, split

_INDENT = "  "
_NARROWEST = 20
_WIDEST = 8
"""The maximum width of a visible character; by the rules, a run of Hangul parts is a single character of any length."""

_JOINERS = "\u200c\u200d"
_INVISIBLE = {"Cf", "Zl", "Zp"}

Kind = Literal["head", "row", "marks", "note"]


@dataclass(frozen=True, slots=True)
class Line:
    """Hold a line of output: the size of a segment, a row of the text, the marks under that row, or a note.

    ``spans`` are the parts of the line. Each has a flag, which is true if its characters force UCS-2.
    """

    kind: Kind
    spans: tuple[tuple[str, bool], ...]

    def __str__(self) -> str:
        return "".join(text for text, _ in self.spans)


def view_segments(info: TextInfo, columns: int) -> Iterator[Line]:
    """Yield the lines that show each segment of a text, with the size of the segment above it.

    ``columns`` is the width of the terminal.
    """
    parts = split(info.text)
    size = SINGLE[info.encoding] if info.segments == 1 else PART[info.encoding]
    view = _View(info, columns)
    start = 0
    for number, part in enumerate(parts, 1):
        last = number == len(parts)
        units = size - info.units_left if last else _units(info, part)
        lost = "" if last or units == size else ", because the next character takes two"
        yield _plain("head", f"segment {number} of {info.segments}: {units} of {size} units{lost}")
        yield from view.lines(part, start)
        start += len(part)
        if not last and view.cuts_a_character(start):
            yield _plain("note", f"{_INDENT}(the border is within a visible character; the phone joins its halves)")


def _plain(kind: Kind, text: str) -> Line:
    return Line(kind, ((text, False),))


def _units(info: TextInfo, part: str) -> int:
    return measure(part).units if info.encoding is Encoding.GSM7 else len(part.encode("utf-16-le")) // 2


class _View:
    """The view of a text."""

    def __init__(self, info: TextInfo, columns: int) -> None:
        guilty = info.guilty
        self._text = info.text
        self._spare = {character.index for character in guilty if character.suggestion == ""}
        places = {
            place
            for character in guilty
            for place in range(character.index, character.index + len(character.characters))
        }
        self._marked = (
            places if 2 * len(places) <= len(info.text) else frozenset[int]()
        )  # no marks for a text that is mostly in another script
        self._width = max(columns, _NARROWEST) - 2 * len(_INDENT)
        self._borders: set[int] | None = None

    def lines(self, part: str, start: int) -> Iterator[Line]:
        """Yield the lines that show ``part``, a part of the text that begins at the character ``start``."""
        spans: list[tuple[str, bool]] = []
        marks, used = "", 0
        for shown, guilty, ends in self._pieces(part, start):
            columns = width(shown)
            if used + columns > self._width:
                yield from self._line(spans, marks)
                spans, marks, used = [], "", 0
            spans.append((shown, guilty))
            marks += ("^" if guilty else " ") * columns
            used += columns
            if ends:
                yield from self._line(spans, marks)
                spans, marks, used = [], "", 0
        if spans:
            yield from self._line(spans, marks)

    def cuts_a_character(self, index: int) -> bool:
        """Return whether a cut at ``index`` would divide a visible character, such as a family of emoji."""
        if self._borders is None:
            self._borders, end = set(), 0
            for cluster in graphemes(self._text):
                end += len(cluster)
                self._borders.add(end)
        return index not in self._borders

    def _pieces(self, part: str, index: int) -> Iterator[tuple[str, bool, bool]]:
        """Yield each visible character: its display form, whether it is marked, and whether the line ends with it."""
        for cluster in graphemes(part):
            places = range(index, index + len(cluster))
            shown = [self._shown(character, place) for character, place in zip(cluster, places, strict=True)]
            if "".join(shown) == cluster and width(cluster) <= _WIDEST:
                alone = "\N{DOTTED CIRCLE}" if unicodedata.category(cluster[0]).startswith("M") else ""
                yield alone + cluster, not self._marked.isdisjoint(places), False
            # It has an invisible part, or is wider than any real character.
            else:
                for instead, place in zip(shown, places, strict=True):
                    yield instead, place in self._marked, self._text[place] == "\n"
            index += len(cluster)

    def _shown(self, character: str, place: int) -> str:
        picture = pictures(character)
        if picture != character:
            return picture
        tag = "\U000e0000" <= character < "\U000e0080"  # part of a flag
        hidden = unicodedata.category(character) in _INVISIBLE and character not in _JOINERS and not tag
        return f"<U+{ord(character):04X}>" if hidden or place in self._spare else character

    @staticmethod
    def _line(spans: list[tuple[str, bool]], marks: str) -> Iterator[Line]:
        yield Line("row", ((_INDENT, False), *spans))
        if marks.strip():
            yield _plain("marks", _INDENT + marks.rstrip())
