"""What a person takes for one character, and how many columns it takes: by wcwidth, or nearly so without it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator


def columns(text: str) -> int:
    """How many columns ``text`` takes, by Unicode's tables: none for marks on letters, two for wide characters."""
    return sum(map(_columns, text))


def with_marks(text: str) -> Iterator[str]:
    """Each character with the marks on it."""
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
except ImportError:  # it comes with the command
    pass
else:
    graphemes, width = wcwidth.iter_graphemes, wcwidth.width
