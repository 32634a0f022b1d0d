"""Turns: what a limit asks for places, be it in memory or in a store that several processes share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from smsbridge.flow import Flow
from smsbridge.logs import logger
from smsbridge.stores.choice import CountersAt
from smsbridge.stores.entries import Unwritable
from smsbridge.stores.gcra import Gcra, Rate
from smsbridge.stores.seam import Turn

_SILENCE = 5.0
"""Seconds for which a store is left alone that could not be asked."""
_log = logger("smsbridge.limit")
_FREE = (True, 0.0)


class StoredTurns:
    """Places at ``rate`` under ``key``, which ``counters`` keep.

    Where these cannot be asked, requests leave as if there were no limit, which is logged: a store that is down must
    not stop texts. For a while it is not asked again then.
    """

    def __init__(self, counters: CountersAt, key: str, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._counters = counters
        self._key = key
        self._interval = rate.seconds / rate.count
        self._clock = clock
        self._silent_until = -math.inf

    def reserve(self, count: int, longest: float) -> Flow[tuple[bool, float]]:
        """Whether ``count`` places are kept, and after how many seconds the first may be used."""
        turn = yield from self._asked(count, longest)
        return _FREE if turn is None else (turn.kept, turn.wait)

    def is_paused(self) -> Flow[bool]:
        """Whether a pause of the vendor's lasts."""
        turn = yield from self._asked(0, 0.0)
        return turn is not None and turn.pause > 0

    def pause(self, seconds: float) -> None:
        """Let no place be used for so long."""
        self._counters().pause(self._key, seconds)

    def close(self) -> None:
        """Close the counters, if they were opened."""
        self._counters.close()

    def _asked(self, count: int, longest: float) -> Flow[Turn | None]:
        if self._clock() < self._silent_until:
            return None
        try:
            return (yield from self._counters().reserve(self._key, self._interval, count, longest))
        except Exception as error:  # noqa: BLE001  # whatever store it is; its text may quote anything
            self._silent_until = self._clock() + _SILENCE
            why = str(error) if isinstance(error, Unwritable) else type(error).__name__
            _log.warning("a limit cannot be asked for, so requests leave without it: %s", why)
            return None


def reserve(turns: Gcra | StoredTurns, count: int, now: float, longest: float) -> Flow[tuple[bool, float]]:
    """Whether ``count`` places are kept, and after how many seconds the first may be used."""
    if isinstance(turns, Gcra):
        return turns.reserve(count, now, longest)
    return (yield from turns.reserve(count, longest))


def is_paused(turns: Gcra | StoredTurns, now: float) -> Flow[bool]:
    """Whether the vendor's pause lasts, so that places that were given before count no more."""
    return turns.held(now) if isinstance(turns, Gcra) else (yield from turns.is_paused())


def pause(turns: Gcra | StoredTurns, now: float, seconds: float) -> None:
    """Let no place be used for so long, as the vendor asks."""
    if isinstance(turns, Gcra):
        turns.hold(now + seconds)
    else:
        turns.pause(seconds)
