"""Durations as people write them, ``90s``, ``10m``, ``2h``, ``1d``, and as they read them."""

from __future__ import annotations

import re
from datetime import timedelta
from math import ceil, isfinite
from typing import Any

SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
"""How long each unit is; the longest comes first."""

LONGEST_PAUSE = 900.0
"""Seconds for which an account is left alone at most because its vendor asks for it: then one request asks again."""

LONGEST_BELIEVED = 86400.0
"""Seconds up to which a vendor is believed: a ``Retry-After`` of more than a day is a mistake of it or of a proxy."""

_TWO_MINUTES = 120
_WRITTEN = re.compile(r"(\d{0,6})\s*([smhd]?)", re.ASCII)


def duration(text: str, *, number: str = "", unit: str = "") -> timedelta | None:
    """``text`` as a duration; None if it is none.

    ``number`` and ``unit`` stand for what ``text`` leaves out; without them it has to say both.
    """
    match = _WRITTEN.fullmatch(text.strip().lower())
    many, of = (match[1] or number, match[2] or unit) if match else ("", "")
    return timedelta(seconds=int(many) * SECONDS[of]) if many and of else None


def waiting(seconds: Any) -> float | None:
    """A time to wait, as far as it is one: None for what is no number or not finite, and nothing below zero."""
    if not isinstance(seconds, int | float):
        return None
    try:
        return max(0, seconds) if isfinite(seconds) else None
    except OverflowError:  # a whole number beyond all floats
        return None


def pause(asked: float | None) -> float:
    """For how many seconds to leave an account alone whose vendor asked for so many."""
    seconds = waiting(asked) or 0.0
    return min(seconds, LONGEST_PAUSE) if seconds <= LONGEST_BELIEVED else 0.0


def in_words(seconds: float) -> str:
    """``7 s``, ``12 min``, ``5 h 48 min``: from two minutes on, rounded up to minutes."""
    if seconds < _TWO_MINUTES:
        return f"{seconds:g} s"
    hours, minutes = divmod(ceil(seconds / 60), 60)
    return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min")) if count)
