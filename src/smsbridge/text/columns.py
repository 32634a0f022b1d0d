"""Visible characters and their width in columns, by wcwidth, or approximately without it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator


def columns(text: str) -> int:
    """The width of ``text`` in columns, by Unicode's tables: 0 for marks on letters, 2 for wide characters."""
    return sum(map(_columns, text))


def with_marks(text: str) -> Iterator[str]:
    """Yield each character together with its marks."""
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
