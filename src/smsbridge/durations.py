"""Parse durations such as ``90s``, ``10m``, ``2h``, ``1d``, and write them for people."""

from __future__ import annotations

import re
from datetime import timedelta
from math import ceil, isfinite
from typing import Any

SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
"""The seconds of each unit, the longest unit first."""

LONGEST_PAUSE = 900.0
"""The most seconds for which an account is paused because its vendor asks for it: then a request tries again."""

LONGEST_BELIEVED = 86400.0
"""The longest pause that is believed, in seconds: a ``Retry-After`` of over a day is a mistake of a vendor or proxy."""

_TWO_MINUTES = 120
_WRITTEN = re.compile(r"(\d{0,6})\s*([smhd]?)", re.ASCII)


def duration(text: str, *, number: str = "", unit: str = "") -> timedelta | None:
    """Parse ``text``, such as ``90s`` or ``2h``, as a timedelta. Returns None if it is not a duration.

    ``number`` and ``unit`` are used if ``text`` leaves that part out; if they are empty, ``text`` must have both parts.
    """
    match = _WRITTEN.fullmatch(text.strip().lower())
    many, of = (match[1] or number, match[2] or unit) if match else ("", "")
    return timedelta(seconds=int(many) * SECONDS[of]) if many and of else None


def waiting(seconds: Any) -> float | None:
    """Return ``seconds`` as a time to wait, 0 if it is negative. Returns None if it is not a finite number."""
    if not isinstance(seconds, int | float):
        return None
    try:
        return max(0, seconds) if isfinite(seconds) else None
    # A whole number beyond all floats.
    except OverflowError:
        return None


def pause(asked: float | None) -> float:
    """Return for how many seconds to pause an account whose vendor asked for a pause of ``asked`` seconds.

    At most 900. It is 0 if the vendor asked for more than a day, which is a mistake.
    """
    seconds = waiting(asked) or 0.0
    return min(seconds, LONGEST_PAUSE) if seconds <= LONGEST_BELIEVED else 0.0


def in_words(seconds: float) -> str:
    """Write a time, given in seconds, for people, such as ``7 s``, ``12 min`` or ``5 h 48 min``.

    From two minutes on, minutes are rounded up.
    """
    if seconds < _TWO_MINUTES:
        return f"{seconds:g} s"
    hours, minutes = divmod(ceil(seconds / 60), 60)
    return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min")) if count)
