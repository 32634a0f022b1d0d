"""A rate limiter that reserves: it says how long to wait for the next place, and keeps that place for the caller.

This is the generic cell rate algorithm with a burst of 1: places are spread evenly, so that no window of the vendor
ever holds more than its limit. If callers reserve n places together, a window may hold up to n - 1 more. In our
measurements, limiters that refuse and let their callers poll waste up to 70 % of a limit, and limiters with a burst let
twice the limit through. No I/O, no waiting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from smsbridge.durations import SECONDS, duration
from smsbridge.forks import fresh_lock, under

_RATE = re.compile(r"(\d{1,9})\s*/(.*)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate: at most ``count`` in ``seconds``. It is written as ``1000/1m`` or ``10/s``."""

    count: int
    seconds: float

    def __post_init__(self) -> None:
        if self.count < 1 or self.seconds <= 0:
            raise ValueError("a rate needs a count of at least 1 and a time longer than 0 seconds")

    @classmethod
    def of(cls, text: str) -> Rate:
        """Parse a rate such as ``1000/1m`` or ``10/s``. Raises ValueError for any other text."""
        match = _RATE.fullmatch(text.strip())
        time = duration(match[2], number="1") if match else None
        if match is None or time is None:
            raise ValueError("write a number, a slash and a time in s, m, h or d, as in 1000/1m")
        return cls(int(match[1]), time.total_seconds())

    def __str__(self) -> str:
        unit = next(unit for unit, length in SECONDS.items() if self.seconds % length == 0 or unit == "s")
        return f"{self.count}/{self.seconds / SECONDS[unit]:g}{unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._validate)

    @classmethod
    def _validate(cls, value: Any) -> Rate:
        if isinstance(value, Rate):
            return value
        if isinstance(value, str):
            return cls.of(value)
        raise ValueError("write a rate as in 1000/1m")


class Gcra:
    """A limiter for all threads and tasks of a process, which spaces texts evenly to keep to one rate.

    A place of the limiter is a moment at which one text may be sent.
    """

    __slots__ = ("_held", "_lock", "_next", "interval")

    def __init__(self, rate: Rate) -> None:
        self.interval = rate.seconds / rate.count
        self._next = self._held = float("-inf")
        self._lock = fresh_lock()

    def reserve(self, count: int, now: float, longest: float) -> tuple[bool, float]:
        """Keep the next ``count`` places for the caller. ``now`` is the present time in seconds.

        Returns whether the places are kept, and the seconds until the first of them. No place is kept if that is longer
        than ``longest`` seconds.
        """
        return under(self._lock, self._reserve, count, now, longest)

    def _reserve(self, count: int, now: float, longest: float) -> tuple[bool, float]:
        start = max(now, self._next)
        wait = start - now
        if wait > longest:
            return False, wait
        self._next = start + count * self.interval
        return True, wait

    def hold(self, until: float) -> None:
        """Give no place before the time ``until``, since the vendor asked for a pause."""
        under(self._lock, self._hold, until)

    def _hold(self, until: float) -> None:
        self._held = max(self._held, until)
        self._next = max(self._next, until)

    def held(self, now: float) -> bool:
        """Return whether the vendor's pause lasts at the time ``now``. Places given before the pause are then void."""
        return now < self._held

    def pause_left(self, now: float) -> float:
        """Return how many seconds of the vendor's pause are left at the time ``now``; 0 without a pause."""
        return max(0.0, self._held - now)
