"""A text segment by segment, as the wire cuts it, with the characters marked that force UCS-2.

Columns are what a terminal makes of them: wide for ideographs and emoji, none for accents. Whatever cannot be seen is shown
as its code point, and control characters as pictures, so that a text can neither hide anything nor command the terminal.
"""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .output import Output, pictures

if TYPE_CHECKING:
    from ..text import TextInfo

_INDENT = "  "
_NARROWEST = 20
_WIDEST = 8
"""Columns of a visible character; a run of Hangul's parts is one by the rules, and has no end."""

_JOINERS = "\u200c\u200d"
_INVISIBLE = {"Cf", "Zl", "Zp"}
_GUILTY = "red"


def show_segments(out: Output, info: TextInfo) -> None:
    """Print each segment of a text under a line that says how full it is."""
    from ..text import split
    from ..text.counting import PART, SINGLE

    parts = split(info.text)
    size = SINGLE[info.encoding] if info.segments == 1 else PART[info.encoding]
    view = _View(info)
    start = 0
    for number, part in enumerate(parts, 1):
        last = number == len(parts)
        units = size - info.units_left if last else _units(info, part)
        lost = "" if last or units == size else ", since the next character takes two"
        out.line(f"segment {number} of {info.segments}: {units} of {size} units{lost}", style="bold")
        view.show(out, part, start)
        start += len(part)
        if not last and view.cuts_a_character(start):
            out.line(f"{_INDENT}(the border is within a visible character; the phone joins its halves)")


def _units(info: TextInfo, part: str) -> int:
    from ..text import Encoding, measure

    return measure(part).units if info.encoding is Encoding.GSM7 else len(part.encode("utf-16-le")) // 2


class _View:
    """How one text is shown."""

    def __init__(self, info: TextInfo) -> None:
        guilty = info.guilty
        self._text = info.text
        self._spare = {one.index for one in guilty if one.suggestion == ""}
        places = {place for one in guilty for place in range(one.index, one.index + len(one.characters))}
        self._marked = places if 2 * len(places) <= len(info.text) else frozenset[int]()  # not a whole text in Hindi
        self._width = max(shutil.get_terminal_size().columns, _NARROWEST) - 2 * len(_INDENT)
        self._borders: set[int] | None = None

    def show(self, out: Output, part: str, start: int) -> None:
        """Print ``part``, which begins at ``start`` in the text."""
        from wcwidth import width

        spans: list[tuple[str, str | None]] = []
        marks, used = "", 0
        for shown, guilty, ends in self._pieces(part, start):
            columns = width(shown)
            if used + columns > self._width:
                self._line(out, spans, marks)
                spans, marks, used = [], "", 0
            spans.append((shown, _GUILTY if guilty else None))
            marks += ("^" if guilty else " ") * columns
            used += columns
            if ends:
                self._line(out, spans, marks)
                spans, marks, used = [], "", 0
        if spans:
            self._line(out, spans, marks)

    def cuts_a_character(self, index: int) -> bool:
        """Whether what a person takes for one character goes on at ``index``, such as a family of emoji."""
        if self._borders is None:
            from wcwidth import iter_graphemes

            self._borders, end = set(), 0
            for one in iter_graphemes(self._text):
                end += len(one)
                self._borders.add(end)
        return index not in self._borders

    def _pieces(self, part: str, index: int) -> Iterator[tuple[str, bool, bool]]:
        """Each visible character: how it is shown, whether it is marked, and whether the line ends with it."""
        from wcwidth import iter_graphemes, width

        for one in iter_graphemes(part):
            places = range(index, index + len(one))
            shown = [self._shown(character, place) for character, place in zip(one, places, strict=True)]
            if "".join(shown) == one and width(one) <= _WIDEST:
                alone = "\N{DOTTED CIRCLE}" if unicodedata.category(one[0]).startswith("M") else ""
                yield alone + one, not self._marked.isdisjoint(places), False
            else:  # it holds what cannot be seen, or is no character that anybody has seen
                for instead, place in zip(shown, places, strict=True):
                    yield instead, place in self._marked, self._text[place] == "\n"
            index += len(one)

    def _shown(self, character: str, place: int) -> str:
        picture = pictures(character)
        if picture != character:
            return picture
        tag = "\U000e0000" <= character < "\U000e0080"  # part of a flag
        hidden = unicodedata.category(character) in _INVISIBLE and character not in _JOINERS and not tag
        return f"<U+{ord(character):04X}>" if hidden or place in self._spare else character

    @staticmethod
    def _line(out: Output, spans: list[tuple[str, str | None]], marks: str) -> None:
        out.spans([(_INDENT, None), *spans])
        if marks.strip():
            out.line(_INDENT + marks.rstrip(), style=_GUILTY)
