"""Give requests their turns under a limit, from places in memory or in a store that several processes share."""

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
"""Seconds for which a store that did not answer is not asked again."""
_log = logger("smsbridge.limit")
_FREE = (True, 0.0)


class StoredTurns:
    """Limit the requests of all processes that share a store to ``rate``: each request reserves a time in the store.

    ``counters`` returns the counters of the store, and ``key`` names this limit there. If the store does not answer,
    requests leave without a limit, which is logged: a store that is down must not stop texts. For some seconds the
    store is then not asked again.
    """

    def __init__(self, counters: CountersAt, key: str, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._counters = counters
        self._key = key
        self._interval = rate.seconds / rate.count
        self._clock = clock
        self._silent_until = -math.inf

    def reserve(self, count: int, longest: float) -> Flow[tuple[bool, float]]:
        """Reserve places for ``count`` requests, if the first request may leave within ``longest`` seconds.

        Returns whether the places are reserved, and the seconds until the first request may leave.
        """
        turn = yield from self._asked(count, longest)
        return _FREE if turn is None else (turn.kept, turn.wait)

    def is_paused(self) -> Flow[bool]:
        """Return whether requests must wait, because a pause that the vendor asked for has not ended."""
        turn = yield from self._asked(0, 0.0)
        return turn is not None and turn.pause > 0

    def pause(self, seconds: float) -> None:
        """Let no request leave for ``seconds``, because the vendor asked for a pause."""
        self._counters().pause(self._key, seconds)

    def close(self) -> None:
        """Close the counters of the store, if they were opened."""
        self._counters.close()

    def _asked(self, count: int, longest: float) -> Flow[Turn | None]:
        if self._clock() < self._silent_until:
            return None
        try:
            return (yield from self._counters().reserve(self._key, self._interval, count, longest))
        # Any store may fail here. The error's words may quote anything.
        except Exception as error:  # noqa: BLE001
            self._silent_until = self._clock() + _SILENCE
            why = str(error) if isinstance(error, Unwritable) else type(error).__name__
            _log.warning("the store of a limit does not answer, so requests leave without the limit: %s", why)
            return None


def reserve(turns: Gcra | StoredTurns, count: int, now: float, longest: float) -> Flow[tuple[bool, float]]:
    """Reserve places for ``count`` requests under the limit ``turns``, if the first is free within ``longest`` seconds.

    ``now`` is the present time. Returns whether the places are reserved, and the seconds until the first request may
    leave.
    """
    if isinstance(turns, Gcra):
        return turns.reserve(count, now, longest)
    return (yield from turns.reserve(count, longest))


def is_paused(turns: Gcra | StoredTurns, now: float) -> Flow[bool]:
    """Return whether, at the time ``now``, requests under the limit ``turns`` must wait for a pause to end.

    The vendor asked for the pause. Places that were reserved before it are void and must be reserved again.
    """
    return turns.held(now) if isinstance(turns, Gcra) else (yield from turns.is_paused())


def pause(turns: Gcra | StoredTurns, now: float, seconds: float) -> None:
    """Let no request under the limit ``turns`` leave for ``seconds`` from ``now``: the vendor asked for a pause."""
    if isinstance(turns, Gcra):
        turns.hold(now + seconds)
    else:
        turns.pause(seconds)
