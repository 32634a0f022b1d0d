"""Find the distance of a text from a shape, the fewest changes that make them fit, and their first difference.

A change is an extra, missing or changed character of fixed text, or a value that breaks its rules. For each number of
changes there is a set of places from which the rest of the shape fits (see ``tags.py``), so the time does not depend on
the number of ways.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from smsbridge.text.naming import name

from .cutting import Text, ebb, flood, letters, lowest, plain, units
from .difference import Change, Difference
from .template import Shape, Slot

_FEWEST, _MOST = 4, 24
"""The bounds of the number of changes to look for: a third of the fixed text, within these bounds."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Hold how much a text differs from a shape (the fixed parts and variables of a template).

    ``changes`` is the number of changes after which the text would fit, None if there are too many to count.
    ``difference`` is the first of these changes.
    """

    changes: int | None
    difference: Difference


def most_changes(shape: Shape) -> int:
    """Return the maximum number of changes for which a text still counts as similar to ``shape``."""
    return max(_FEWEST, min(_MOST, sum(map(len, shape.fixed)) // 3))


def distance(shape: Shape, text: Text, limit: int) -> Distance | None:
    """Return how much ``text`` differs from ``shape``; None if they have too little in common.

    At most ``limit`` changes are counted.
    """
    exact = text.rules.punctuation_counts
    steps: list[str | Slot] = []
    for part in shape.parts:
        steps += [part] if isinstance(part, Slot) else [*(part if exact else letters(part))]
    search = _Search(steps, text)
    missing = shape.least(text.rules) - text.size
    extra = 0 if shape.slots else text.size - shape.most(text.rules)  # a value of any length is a single change
    if not exact or max(missing, extra) <= limit:
        for changes in range(limit + 1):
            if search.level() & 1:
                return Distance(changes, search.first(changes))
    return search.as_far_as_it_goes()


class _Search:
    """``levels[d][i]``: places from which the steps from ``i`` fit the rest of the text, with ``d`` changes at most."""

    def __init__(self, steps: Sequence[str | Slot], text: Text) -> None:
        self.steps = steps
        self.text = text
        self.levels: list[list[int]] = []
        self.end = 1 << text.size
        self.marks = 0 if text.rules.punctuation_counts else text.masks["mark"]
        self.equal: defaultdict[str, int] = defaultdict(int)
        for place, char in enumerate(text.units):
            self.equal[char] |= 1 << place

    def level(self) -> int:
        """Allow one more change than before.

        Returns the set of places in the text from which the whole shape then fits the rest of the text.
        """
        last = self.levels[-1] if self.levels else None
        rest = ebb(self.end, self.marks) if last is None else last[-1] | self._back(last[-1])
        level = [rest]
        for number in range(len(self.steps) - 1, -1, -1):
            step = self.steps[number]
            if isinstance(step, Slot):
                rest = ebb(self.text.before_slot(step, rest), self.marks)
                if last is not None:
                    rest |= last[number] | ((1 << last[number + 1].bit_length()) - 1)
            else:
                rest = self._before(step, rest)
                if last is not None:
                    rest |= last[number + 1] | self._back(last[number + 1]) | self._back(last[number])
            rest &= self.text.borders
            level.append(rest)
        level.reverse()
        self.levels.append(level)
        return level[0]

    def _back(self, places: int) -> int:
        """The places one character before each of ``places``."""
        borders = self.text.borders
        back = places >> 1
        return back if borders == -1 else (back & borders) | ((back & ~borders) >> 1)

    def _before(self, char: str, places: int) -> int:
        return ebb((places >> len(units(char))) & self.equal[char], self.marks)

    def _after(self, step: str | Slot, places: int) -> int:
        if isinstance(step, Slot):
            return flood(self.text.after_slot(step, places), self.marks)
        return flood((places & self.equal[step]) << len(units(step)), self.marks)

    def first(self, changes: int) -> Difference:
        """Return the first of the differences between the text and the shape, if ``changes`` changes are needed.

        If several choices of changes are possible, a wrong value of a variable is preferred, then the choice whose
        first change comes as late in the text as possible.
        """
        here, left = self.levels[changes], self.levels[changes - 1]
        number, places = 0, flood(1, self.marks)
        for number, step in enumerate(self.steps):
            if isinstance(step, Slot) and left[number + 1] >> lowest(places):
                return self._value(number, lowest(places), left[number + 1])
            after = self._after(step, places) & here[number + 1]
            if not after:
                break
            places = after
        else:
            return self._difference(Change.EXTRA, len(self.steps), places)
        for change, can in (
            (Change.EXTRA, self._back(left[number])),
            (Change.MISSING, left[number + 1]),
            (Change.CHANGED, self._back(left[number + 1])),
        ):
            if places & can:
                return self._difference(change, number, places & can)
        raise AssertionError("a fault of smsbridge: changes are left at this place, but none was found")

    def as_far_as_it_goes(self) -> Distance | None:
        """Return the difference at the place where the text no longer fits the shape.

        Returns None if at most half of the shape's fixed text comes before that place.
        """
        number, places = 0, flood(1, self.marks)
        while number < len(self.steps):
            after = self._after(self.steps[number], places)
            if not after:
                break
            number, places = number + 1, after
        fixed = sum(isinstance(step, str) for step in self.steps[:number])
        if 2 * fixed <= sum(isinstance(step, str) for step in self.steps):
            return None
        if number == len(self.steps):
            return Distance(None, self._difference(Change.EXTRA, number, places))
        step = self.steps[number]
        if isinstance(step, Slot):
            place = lowest(places)
            return Distance(None, self._value(number, place, self._next_fixed(number, place) or self.end))
        return Distance(None, self._difference(Change.CHANGED, number, places))

    def _next_fixed(self, number: int, place: int) -> int:
        """The place after ``place`` where the fixed text after a slot begins, if any."""
        fixed = []
        for step in self.steps[number + 1 :]:
            if isinstance(step, Slot):
                break
            fixed.append(units(step))
        found = self.text.units.find("".join(fixed), place) if fixed else -1
        return 1 << found if found >= 0 else 0

    def _difference(self, change: Change, number: int, places: int) -> Difference:
        """A difference at the first of ``places``; if punctuation does not count, at the first before a letter."""
        step = self.steps[number] if number < len(self.steps) else ""
        position = self.text.char(lowest(places & ~self.marks or places))
        text = plain(self.text.units)
        return Difference(
            change=change,
            position=position,
            expected=step if isinstance(step, str) else "",
            found=text[position : position + 1],
            before=text[position - 1 : position] if position else "",
        )

    def _value(self, number: int, place: int, ends: int) -> Difference:
        """A value that breaks the rules: it begins at ``place`` and ends at the first of ``ends``."""
        slot = self.steps[number]
        if not isinstance(slot, Slot):
            raise TypeError("only a slot has a value")
        end = place + lowest(ends >> place)
        value = self.text.units[place:end]
        position = self.text.char(place)
        return Difference(
            change=Change.VALUE,
            position=position,
            slot=sum(isinstance(step, Slot) for step in self.steps[: number + 1]),
            problem=problem(slot, Text(plain(value), self.text.rules)) or "does not end where the template goes on",
            length=len(plain(value)),
        )


def problem(slot: Slot, value: Text) -> str | None:
    """Return why ``value`` is wrong for the variable ``slot``; None if it is right.

    The answer does not quote the value.
    """
    if not value.whole:
        return "has half of a character (a lone surrogate)"
    least, most = slot.least(value.rules), slot.most(value.rules)
    if value.size > most:
        return f"has {value.size} characters; the maximum is {most}"
    if value.size < least:
        few = f"has {value.size} characters, fewer than the {slot.count} variables side by side that carry it"
        return few if value.size else "is empty"
    return None if value.after_slot(slot, 1) >> value.size & 1 else _misfit(slot, value)


def _misfit(slot: Slot, value: Text) -> str:
    """The problem of a value of the right length: the wrong character, if there is one, or its form."""
    kind = value.kind(slot.tag)
    classes = {name for _, name, _ in kind.arcs}
    # A value is short.
    for place in range(value.size):
        if not any(value.masks[kind_of_character] >> place & 1 for kind_of_character in classes):
            return f"has {name(plain(value.units)[value.char(place)])}; {{#{slot.tag}#}} is {kind.words}"
    return f"is not {kind.words}, as {{#{slot.tag}#}} needs"
