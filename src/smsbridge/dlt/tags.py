"""Define the values that each tag of a variable accepts, by small automata that run from all beginnings at once.

A set of places in a text is an integer; bit ``n`` is the place before character ``n``. A step of the automaton from all
places is a single shift, and no way to cut a text is tried twice.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .rules import Rules

Belongs = Callable[[str], bool]
"""Says whether a character belongs to a class."""

Arc = tuple[int, str, int]
"""A transition: from a state, by a character of this class, to a state."""

_LINE_BREAKS = "\n\r"


def _is_control(char: str) -> bool:
    return unicodedata.category(char) == "Cc"


def is_word(char: str) -> bool:
    """Return whether ``char`` is a letter or a digit of any script, or a mark, as in Indian scripts."""
    return char.isalnum() or unicodedata.category(char)[0] == "M"


def _is_digit(char: str) -> bool:
    return char in "0123456789"


def _is_plain(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _is_visible(char: str) -> bool:
    return "!" <= char <= "~"


CLASSES: dict[str, Callable[[Rules], Belongs]] = {
    # A class has a name, or is a single character. No source says how a platform treats control characters.
    "any": lambda rules: lambda char: not _is_control(char) or (rules.line_breaks and char in _LINE_BREAKS),
    "mark": lambda _: lambda char: not is_word(char),
    "word": lambda rules: lambda char: is_word(char) or char in rules.alphanumeric_also,
    "digit": lambda _: _is_digit,
    "plain": lambda _: _is_plain,
    "visible": lambda _: _is_visible,
    "local": lambda _: lambda char: _is_plain(char) or char in "!#$%&'*+-/=?^_`{|}~.",
    "scheme": lambda _: lambda char: _is_plain(char) or char in "+-.",
}


def belongs(name: str, rules: Rules) -> Belongs:
    """Return a function that says whether a character belongs to the class of characters ``name`` under ``rules``.

    If ``name`` is not the name of a class, it is a single character, and only that character belongs.
    """
    return CLASSES[name](rules) if name in CLASSES else name.__eq__


@dataclass(frozen=True, slots=True)
class Kind:
    """Describe which values a variable may have, as a finite automaton.

    The automaton reads a value from state 0, along ``arcs``, to one of the states in ``ends``. ``words`` describe such
    a value to people.
    """

    words: str
    arcs: tuple[Arc, ...]
    ends: frozenset[int]
    run: str | None = None
    """The class of all characters, if there is only one; then values side by side form a value too."""

    def after(self, places: int, masks: Mapping[str, int], least: int, most: int) -> int:
        """Return the places where a value can end if it begins at a place in ``places``.

        The value has ``least`` to ``most`` characters. ``masks`` has, for each class of characters, the set of places
        before a character of that class.
        """
        if self.run is not None:
            return _spread(places, masks[self.run], least, most)
        found = 0 if least else places
        states = {0: places}
        for length in range(1, most + 1):
            reached: dict[int, int] = {}
            for source, name, target in self.arcs:
                if moved := (states.get(source, 0) & masks[name]) << 1:
                    reached[target] = reached.get(target, 0) | moved
            if not reached:
                break
            if length >= least:
                for end in self.ends:
                    found |= reached.get(end, 0)
            states = reached
        return found

    def before(self, places: int, masks: Mapping[str, int], least: int, most: int) -> int:
        """Return the places where a value can begin if it ends at a place in ``places``.

        The value has ``least`` to ``most`` characters. ``masks`` has, for each class of characters, the set of places
        before a character of that class.
        """
        if self.run is not None:
            return _gather(places, masks[self.run], least, most)
        found = 0 if least else places
        states = dict.fromkeys(self.ends, places)
        for length in range(1, most + 1):
            reached: dict[int, int] = {}
            for source, name, target in self.arcs:
                if moved := (states.get(target, 0) >> 1) & masks[name]:
                    reached[source] = reached.get(source, 0) | moved
            if not reached:
                break
            if length >= least:
                found |= reached.get(0, 0)
            states = reached
        return found


def _run(words: str, name: str) -> Kind:
    """A kind of one or more characters of a class."""
    return Kind(words, ((0, name, 1), (1, name, 1)), frozenset({1}), run=name)


def _spread(places: int, through: int, least: int, most: int) -> int:
    """The places ``least`` to ``most`` characters of a class after ``places``."""
    for _ in range(least):
        places = (places & through) << 1
    for jump, possible in _jumps(through, most - least):
        places |= (places & possible) << jump
    return places


def _gather(places: int, through: int, least: int, most: int) -> int:
    """The places ``least`` to ``most`` characters of a class before ``places``."""
    for _ in range(least):
        places = (places >> 1) & through
    for jump, possible in _jumps(through, most - least):
        places |= (places >> jump) & possible
    return places


def _jumps(through: int, far: int) -> Iterator[tuple[int, int]]:
    """Jumps that together reach every distance up to ``far``, each with the places from which it stays in the class."""
    jump, done = 1, []
    while jump <= far:
        yield jump, through
        done.append((jump, through))
        far, through, jump = far - jump, through & (through >> jump), 2 * jump
    for smaller, possible in reversed(done):
        if smaller <= far:
            yield smaller, possible
            far -= smaller


def _number(rules: Rules) -> Kind:
    if not rules.decimal_point:
        return _run("digits", "digit")
    arcs = ((0, "digit", 1), (1, "digit", 1), (1, ".", 2), (2, "digit", 3), (3, "digit", 3))
    return Kind("digits, with at most one decimal point between them", arcs, frozenset({1, 3}))


def _callback(rules: Rules) -> Kind:
    """8 to 12 digits: mobile with or without 91, fixed line with or without 0, toll free (MSG91 on whitelisting)."""
    shortest, longest = 8, 12
    arcs = tuple((state, "digit", state + 1) for state in range(longest))
    if rules.callback_hyphens:
        gap = longest + 1  # a state of its own for each count of digits, so that a hyphen stands between two of them
        arcs += tuple((state, "-", gap + state) for state in range(1, longest))
        arcs += tuple((gap + state, "digit", state + 1) for state in range(1, longest))
    return Kind(f"a call-back number of {shortest} to {longest} digits", arcs, frozenset(range(shortest, longest + 1)))


def _chain(word: str, states: Sequence[int]) -> tuple[Arc, ...]:
    """The transitions of ``word``, in small letters or capitals."""
    return tuple(arc for letters in (word, word.upper()) for arc in zip(states[:-1], letters, states[1:], strict=True))


def _link(rules: Rules) -> Kind:
    """A link: ``http``, ``https`` or ``www``, then visible ASCII characters; or any scheme with ``app_links``."""
    rest = 20
    arcs: tuple[Arc, ...] = (
        *_chain("http", range(5)),
        *_chain("s", (4, 5)),
        (4, ":", 6),
        (5, ":", 6),
        (6, "/", 7),
        (7, "/", rest),
        *_chain("www", (0, 8, 9, 10)),
        (10, ".", rest),
        (rest, "visible", rest + 1),
        (rest + 1, "visible", rest + 1),
    )
    words = "a link that begins with http://, https:// or www."
    if rules.app_links:
        arcs += ((0, "plain", 12), (12, "scheme", 12), (12, ":", 13), (13, "/", 14), (14, "/", rest))
        words = "a link"
    return Kind(words, arcs, frozenset({rest + 1}))


_ADDRESS = Kind(
    "an email address",
    (
        (0, "local", 1),
        (1, "local", 1),
        (1, "@", 2),
        # The first name of the domain, then one or more names after full stops; hyphens only inside a name.
        (2, "plain", 3),
        (3, "plain", 3),
        (3, "-", 4),
        (4, "-", 4),
        (4, "plain", 3),
        (3, ".", 5),
        (5, "plain", 6),
        (6, "plain", 6),
        (6, "-", 7),
        (7, "-", 7),
        (7, "plain", 6),
        (6, ".", 5),
    ),
    frozenset({6}),
)

TAGS: dict[str, Callable[[Rules], Kind]] = {
    "var": lambda _: _run("text", "any"),
    "numeric": _number,
    "number": _number,
    "alphanumeric": lambda _: _run("letters and digits", "word"),
    "url": _link,
    "urlott": _link,
    "cbn": _callback,
    "email": lambda _: _ADDRESS,
}
"""The kind of values of each tag. Only the operator knows whether a link or a call-back number is whitelisted."""
