"""Decide whether a text fits a shape, and cut it into the values of the variables, in time linear in the text.

Place ``n`` of a text is the place before its UTF-16 unit ``n``, counted as ``Rules.longest`` does. A set of places is
an integer whose bit ``n`` stands for place ``n`` (see ``tags.py``). The reachable places after each part of a shape are
such a set, so a part costs a bounded number of shifts for any number of cuts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .rules import Rules
from .tags import TAGS, Belongs, Kind, belongs, is_word
from .template import Shape, Slot

_FILLER = "\udc00"
"""The filler after a character of two units, which takes two places. No text contains it: see :class:`Text`."""

_TWO_UNITS = re.compile("([\U00010000-\U0010ffff])")
_HALF = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def units(text: str) -> str:
    """Return ``text`` with exactly one character for each of its UTF-16 units.

    A place in the returned string is therefore a number of UTF-16 units. :func:`plain` returns the original text.
    """
    return text if text.isascii() else _TWO_UNITS.sub(rf"\1{_FILLER}", text)


def plain(text: str) -> str:
    """Return the original text of a string that :func:`units` returned."""
    return text if text.isascii() else text.replace(_FILLER, "")


def lowest(places: int) -> int:
    """Return the lowest place in a set of places.

    The set is the number ``places``: bit ``n`` of the number stands for place ``n``.
    """
    return (places & -places).bit_length() - 1


def each(places: int) -> Iterator[int]:
    """Yield each place in the set ``places``, the lowest first."""
    while places:
        yield lowest(places)
        places &= places - 1


class Masks(dict[str, int]):
    """Map the name of a class of characters to the set of places in a text that come before a character of that class.

    Each set is computed when it is first used.
    """

    def __init__(self, text: Text) -> None:
        super().__init__()
        self._text = text

    def __missing__(self, name: str) -> int:
        text = self._text
        if name == "any" and not _CONTROL.search(text.units):
            mask = (1 << text.size) - 1
        else:
            mask = text.where(belongs(name, text.rules))
        self[name] = mask
        return mask


class Text:
    """Prepare a text for comparison with shapes (the fixed parts and variables of templates) under ``rules``.

    ``whole`` is False if the text holds half a character (a lone surrogate). Places are counted in UTF-16 units.
    """

    def __init__(self, text: str, rules: Rules) -> None:
        self.rules = rules
        self.whole = text.isascii() or not _HALF.search(text)
        self.units = units(text) if self.whole else text
        self.size = len(self.units)
        self.masks = Masks(self)
        self._kinds: dict[str, Kind] = {}
        # All places except those inside a character.
        self.borders = -1
        if self.size != len(text):
            self.borders = ~self._bits(self.units, _FILLER.__eq__)

    def where(self, wanted: Belongs) -> int:
        """Return the set of places before each character for which the function ``wanted`` returns true.

        For a character of two UTF-16 units, both places are in the set.
        """
        found = self._bits(self.units, wanted)
        if self.borders == -1:
            return found
        inside = ~self.borders
        return (found & self.borders) | ((found << 1) & inside)

    @staticmethod
    def _bits(text: str, wanted: Belongs) -> int:
        return int("".join(["1" if wanted(char) else "0" for char in reversed(text)]) or "0", 2)

    def kind(self, tag: str) -> Kind:
        """Return the kind of values that a variable with the tag ``tag`` may have."""
        if tag not in self._kinds:
            self._kinds[tag] = TAGS[tag](self.rules)
        return self._kinds[tag]

    def after_slot(self, slot: Slot, places: int) -> int:
        """Return the set of places where a value of ``slot`` can end if it begins at a place in ``places``.

        A slot can be several variables side by side. If their values consist of the same class of characters, the
        variables share one value; otherwise each variable has a value of its own.
        """
        kind, (rows, least, most) = self.kind(slot.tag), self._row(slot)
        for _ in range(rows):
            places = kind.after(places, self.masks, least, most) & self.borders
        return places

    def before_slot(self, slot: Slot, places: int) -> int:
        """Return the set of places where a value of ``slot`` can begin if it ends at a place in ``places``."""
        kind, (rows, least, most) = self.kind(slot.tag), self._row(slot)
        for _ in range(rows):
            places = kind.before(places, self.masks, least, most) & self.borders
        return places

    def _row(self, slot: Slot) -> tuple[int, int, int]:
        least, most = slot.least(self.rules), slot.most(self.rules)
        if self.kind(slot.tag).run is not None:
            return 1, least, most
        return slot.count, least // slot.count, most // slot.count

    def char(self, place: int) -> int:
        """Convert a place, counted in UTF-16 units, into the number of characters before that place."""
        return len(plain(self.units[:place]))

    # --- fixed text ---------------------------------------------------------------------------------------------------

    def occurrences(self, fixed: str, places: int) -> int:
        """Return the subset of ``places`` at which the fixed text ``fixed`` begins."""
        first, end = lowest(places), places.bit_length() - 1 + len(fixed)
        found, place = 0, self.units.find(fixed, first, end)
        while place >= 0:
            found |= 1 << place
            place = self.units.find(fixed, place + 1, end)
        return found & places

    def after_letters(self, fixed: str, places: int) -> int:
        """Return the places where ``fixed`` ends if it begins at a place in ``places``. Punctuation is ignored."""
        marks = self.masks["mark"]
        places = flood(places, marks) & self.borders
        for char in letters(fixed):
            for _ in units(char):
                places = (places & self.masks[char]) << 1
            places = flood(places, marks) & self.borders
        return places

    def before_letters(self, fixed: str, places: int) -> int:
        """Return the places where ``fixed`` begins if it ends at a place in ``places``. Punctuation is ignored."""
        marks = self.masks["mark"]
        places = ebb(places, marks) & self.borders
        for char in reversed(letters(fixed)):
            for _ in units(char):
                places = (places >> 1) & self.masks[char]
            places = ebb(places, marks) & self.borders
        return places


def letters(text: str) -> str:
    """Return ``text`` without white space and punctuation.

    This is used under rules whose ``punctuation_counts`` is false.
    """
    return "".join([char for char in text if is_word(char)])


def flood(places: int, through: int) -> int:
    """Return ``places`` and the places to the right that can be reached from them over characters in ``through``.

    Both arguments are sets of places. ``through`` has the place before each character that may be passed.
    """
    jump = 1
    while through:
        places |= (places & through) << jump
        through &= through >> jump
        jump *= 2
    return places


def ebb(places: int, through: int) -> int:
    """Return ``places`` and the places to the left from which ``places`` can be reached over characters in ``through``.

    Both arguments are sets of places. ``through`` has the place before each character that may be passed.
    """
    jump = 1
    while through:
        places |= (places >> jump) & through
        through &= through >> jump
        jump *= 2
    return places


@dataclass(frozen=True, slots=True, repr=False)
class Cut:
    """Hold where each value of a template's variables begins and ends in a text.

    ``unique`` is true if the text cannot be divided into values in another way.
    """

    values: tuple[tuple[int, int], ...]
    unique: bool


def cut(shape: Shape, text: Text) -> Cut | None:
    """Find the values of the variables of ``shape`` in ``text``. Returns None if the text does not fit.

    If several divisions are possible, each value, from left to right, is as short as possible.
    """
    if not text.whole:
        return None
    reached = _forward(shape, text)
    if reached is None:
        return None
    usable = _backward(shape, text, reached)
    values, place = [], 0
    for part, goals in zip(shape.parts, usable[1:], strict=True):
        end = lowest(_after(part, text, 1 << place) & goals)
        if isinstance(part, Slot):
            values.append((place, end))
        place = end
    return Cut(tuple(values), all(places & (places - 1) == 0 for places in usable))


def _after(part: str | Slot, text: Text, places: int) -> int:
    if isinstance(part, Slot):
        return text.after_slot(part, places)
    if not text.rules.punctuation_counts:
        return text.after_letters(part, places)
    fixed = units(part)
    return text.occurrences(fixed, places) << len(fixed)


def _before(part: str | Slot, text: Text, places: int) -> int:
    if isinstance(part, Slot):
        return text.before_slot(part, places)
    if not text.rules.punctuation_counts:
        return text.before_letters(part, places)
    fixed = units(part)
    starts = places >> len(fixed)
    return text.occurrences(fixed, starts) if starts else 0


def _forward(shape: Shape, text: Text) -> list[int] | None:
    """The places reached after each part, from the left; None if the end is not among the last."""
    reached = [1]
    for part in shape.parts:
        places = _after(part, text, reached[-1]) & ((2 << text.size) - 1)
        if not places:
            return None
        reached.append(places)
    end = 1 << text.size
    if not reached[-1] & end:
        return None
    reached[-1] = end
    return reached


def _backward(shape: Shape, text: Text, reached: list[int]) -> list[int]:
    """The reached places from which the end is reachable."""
    usable = [reached[-1]]
    for part, places in zip(reversed(shape.parts), reversed(reached[:-1]), strict=True):
        usable.append(_before(part, text, usable[-1]) & places)
    return usable[::-1]
