"""Find the shapes that a text may fit, without a comparison with each, by the rarest fragment of their fixed parts.

Every shape is stored under the fragment of its fixed text that the fewest shapes share. A text that fits the shape
contains that fragment, so the index looks up each fragment of a text once.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .cutting import Cut, Text, cut, letters, units
from .rules import Rules
from .template import Shape

_SIZES = (6, 3, 1)
"""Sizes of fragments; a shape has the first size that any of its fixed parts reaches."""

_WORD = re.compile(r"[^\s!-/:-@\[-`{-~\u2000-\u206f।]+")
"""A run of characters between white space and punctuation, in any script."""


class _Entry(NamedTuple):
    """A shape, with values for quick checks."""

    shape: Shape
    prefix: str
    suffix: str
    least: int
    most: int


class Index:
    """Find, among ``shapes``, those that a text fits or resembles under ``rules``.

    A shape is the fixed parts and the variables of a template.
    """

    def __init__(self, shapes: Iterable[Shape], rules: Rules) -> None:
        self.rules = rules
        entries = [
            _Entry(shape, units(shape.prefix), units(shape.suffix), shape.least(rules), shape.most(rules))
            for shape in dict.fromkeys(shapes)
        ]
        self.most = max((entry.most for entry in entries), default=0)
        """The length of the longest text that fits anything."""
        fragments = [self._fragments(entry.shape) for entry in entries]
        shared = Counter(fragment for some in fragments for fragment in some)
        self._waiting: defaultdict[str, list[_Entry]] = defaultdict(list)
        # Shapes of variables only.
        self._formless: list[_Entry] = []
        for entry, some in zip(entries, fragments, strict=True):
            if some:
                self._waiting[min(some, key=lambda fragment: (shared[fragment], fragment))].append(entry)
            else:
                self._formless.append(entry)
        self._sizes = sorted({len(fragment) for fragment in self._waiting})
        self._words: dict[str, list[Shape]] | None = None
        self._shapes = [entry.shape for entry in entries]

    def fitting(self, text: Text) -> list[tuple[Shape, Cut]]:
        """Return each shape that ``text`` fits, with the places of the values in the text."""
        if not text.whole or (self.rules.punctuation_counts and text.size > self.most):
            return []
        return [(entry.shape, found) for entry in self._likely(text) if (found := cut(entry.shape, text))]

    def _likely(self, text: Text) -> Iterator[_Entry]:
        exact = self.rules.punctuation_counts
        looked_at = text.units if exact else units(letters(text.units))
        found = {looked_at[place : place + size] for size in self._sizes for place in range(len(looked_at) - size + 1)}
        entries = [entry for fragment in found & self._waiting.keys() for entry in self._waiting[fragment]]
        for entry in (*entries, *self._formless):
            _, prefix, suffix, least, most = entry
            if not exact or (
                least <= text.size <= most and text.units.startswith(prefix) and text.units.endswith(suffix)
            ):
                yield entry

    def _fragments(self, shape: Shape) -> set[str]:
        exact = self.rules.punctuation_counts
        fixed = [units(part if exact else letters(part)) for part in shape.fixed]
        longest = max(map(len, fixed), default=0)
        size = next((size for size in _SIZES if size <= longest), 0)
        return {
            part[place : place + size] for part in fixed if size for place in _places(part, size, all_of_them=not exact)
        }

    # --- the nearest, where none fits ---------------------------------------------------------------------------------

    def alike(self, text: str, limit: int) -> list[Shape]:
        """Return the shapes that have words in common with ``text``, at most ``limit``, the most similar first.

        A word that few shapes have counts more.
        """
        if self._words is None:
            self._words = self._by_word()
        shared: defaultdict[int, float] = defaultdict(float)
        there = sorted((found for word in set(_WORD.findall(text)) if (found := self._words.get(word))), key=len)
        for shapes in there:
            if len(shared) >= _ENOUGH * limit and len(shapes) > _COMMON:
                break
            for shape in shapes:
                shared[id(shape)] += 1 / len(shapes)
        by_id = {id(shape): shape for shapes in there for shape in shapes}
        return [by_id[key] for key in sorted(shared, key=shared.__getitem__, reverse=True)[:limit]]

    def _by_word(self) -> dict[str, list[Shape]]:
        words: defaultdict[str, list[Shape]] = defaultdict(list)
        for shape in self._shapes:
            for word in {word for part in shape.fixed for word in _WORD.findall(part)}:
                words[word].append(shape)
        return words


_ENOUGH, _COMMON = 4, 50


def _places(part: str, size: int, *, all_of_them: bool) -> Iterable[int]:
    """The places of fragments: the beginnings and ends of words, where texts differ, or all places."""
    last = len(part) - size
    if last < 0:
        return ()
    if all_of_them or last < size:
        return range(last + 1)
    found = {0, last}
    for word in _WORD.finditer(part):
        found |= {min(word.start(), last), max(word.end() - size, 0)}
    return found
