"""Measure how many columns of a terminal a text takes, by the library wcwidth, or approximately without it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator


def columns(text: str) -> int:
    """Return the number of terminal columns that ``text`` takes: 0 for marks on letters, 2 for wide characters."""
    return sum(map(_columns, text))


def with_marks(text: str) -> Iterator[str]:
    """Yield each character of ``text`` together with the combining marks that follow it, such as accents."""
    cluster = ""
    for char in text:
        if cluster and (unicodedata.category(char)[0] != "M" or cluster == "\n"):
            yield cluster
            cluster = ""
        cluster += char
    if cluster:
        yield cluster


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


graphemes: Callable[[str], Iterator[str]] = with_marks
width: Callable[[str], int] = columns
try:
    import wcwidth
# The extra cli installs it.
except ImportError:
    pass
else:
    graphemes, width = wcwidth.iter_graphemes, wcwidth.width
