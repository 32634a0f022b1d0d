"""MemoryCounters: counters of limits and caps that end with the process. All its threads and tasks share them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from operator import itemgetter

from smsbridge.flow import Flow

from .caps import Caps, Full
from .gcra import Gcra, Rate
from .seam import Cap, Turn


class MemoryCounters:
    """Counters of limits and caps in memory. A question to them is a flow without steps, so it never waits.

    ``clock`` returns seconds, and is never set back. Leases have no effect, because all places end with the process. In
    a forked process, texts that the parent process is sending count as sent.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turns: dict[str, Gcra] = {}
        self._caps: dict[tuple[tuple[str, str, Rate, int], ...], Caps] = {}
        self._taken: dict[str, tuple[Caps, tuple[str, ...]]] = {}
        """By ticket: the caps where it has places, and its keys."""

    def reserve(self, key: str, interval: float, count: int, longest: float) -> Flow[Turn]:
        yield from ()
        turns, now = self._turns_of(key, interval), self._clock()
        kept, wait = turns.reserve(count, now, longest)
        return Turn(kept, wait, turns.pause_left(now))

    def pause(self, key: str, seconds: float) -> None:
        self._turns_of(key, 0.0).hold(self._clock() + seconds)

    def take(self, ticket: str, caps: Sequence[Cap], lease: float) -> Flow[Full | None]:
        yield from ()
        if not caps:
            return None
        counted, keys = self._caps_of(caps), tuple(cap.key for cap in caps)
        self._taken[ticket] = (counted, keys)
        full = counted.take(keys, self._clock, ticket)
        if full is not None:
            self._taken.pop(ticket, None)
        return full

    def peek(self, caps: Sequence[Cap]) -> Flow[Full | None]:
        yield from ()
        return self._caps_of(caps).full(tuple(cap.key for cap in caps), self._clock) if caps else None

    def give_back(self, ticket: str, *, sent: bool) -> None:
        taken = self._taken.get(ticket)
        if taken is not None:
            counted, keys = taken
            counted.end(keys, self._clock, sent=sent, ticket=ticket)  # told again, if it is interrupted
            self._taken.pop(ticket, None)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    # --- inside -------------------------------------------------------------------------------------------------------

    def _turns_of(self, key: str, interval: float) -> Gcra:
        turns = self._turns.get(key) or self._turns.setdefault(key, Gcra(Rate(1, interval or 1.0)))
        if interval:
            turns.interval = interval
        return turns

    def _caps_of(self, caps: Sequence[Cap]) -> Caps:
        """Return the shared counters of equal caps: the texts of a scope share the memory of its caps."""
        which = tuple((cap.scope, cap.kind, cap.rate, cap.remembers) for cap in caps)
        found = self._caps.get(which)
        if found is None:
            rates = {cap.kind: cap.rate for cap in caps}
            keys = {cap.kind: itemgetter(number) for number, cap in enumerate(caps)}
            found = self._caps.setdefault(which, Caps(rates, caps[0].remembers, keys))
        return found
