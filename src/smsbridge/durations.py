"""Durations as people write them: ``90s``, ``10m``, ``2h``, ``1d``."""

from __future__ import annotations

import re
from datetime import timedelta

SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
"""How long each unit is; the longest comes first."""

_WRITTEN = re.compile(r"(\d{0,6})\s*([smhd]?)", re.ASCII)


def duration(text: str, *, number: str = "", unit: str = "") -> timedelta | None:
    """``text`` as a duration; None if it is none.

    ``number`` and ``unit`` stand for what ``text`` leaves out; without them it has to say both.
    """
    match = _WRITTEN.fullmatch(text.strip().lower())
    many, of = (match[1] or number, match[2] or unit) if match else ("", "")
    return timedelta(seconds=int(many) * SECONDS[of]) if many and of else None
