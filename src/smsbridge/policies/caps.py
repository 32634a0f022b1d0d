"""Caps: at most so many texts in any window of time, by recipient, by range of numbers and in all. No I/O, no waiting.

A text holds its place from the moment it is let in until the window's length after it ended, so no window, wherever it begins,
sees more texts leave than the cap says. Counters that start anew with each hour would let twice as many through around the turn.

Memory is bounded: each cap remembers a limited number of keys. Once all of them are in use, texts with a new key are refused
until the oldest is forgotten. To forget one early would be the other choice, but then whoever sends to enough numbers could
outrun the cap, and that is what toll fraud does.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .gcra import Rate

_LONG = 64
"""From so many places on, a deque is cheaper to shorten than a list."""
_SUBSCRIBER_DIGITS = 4

KEYS: Mapping[str, Callable[[str], str]] = {
    "recipient": lambda number: number,
    "prefix": lambda number: number[:-_SUBSCRIBER_DIGITS],
    "total": lambda _: "",
}
"""What each kind of cap counts by. Who earns by texts sent for nothing rents numbers in blocks, and walks through them; without
its last four digits a number names its block of ten thousand."""


@dataclass(frozen=True, slots=True)
class Full:
    """Which cap has no place, after how many seconds it will have one, if that is known, and whether it is out of memory."""

    kind: str
    rate: Rate
    wait: float | None
    crowded: bool = False


class Cap:
    """At most ``rate`` for each key. The caller sees to the lock."""

    __slots__ = ("_ended", "_flying", "_remembers", "kind", "rate")

    def __init__(self, kind: str, rate: Rate, remembers: int) -> None:
        self.kind = kind
        self.rate = rate
        self._remembers = remembers
        self._flying: dict[str, int] = {}
        self._ended: OrderedDict[str, list[float] | deque[float]] = OrderedDict()  # by their last text, oldest first

    def __len__(self) -> int:
        return len(self._flying) + len(self._ended)

    def full(self, key: str, now: float) -> Full | None:
        """Why there is no place for ``key``, if there is none."""
        forgotten = now - self.rate.seconds
        ended = self._ended.get(key)
        if ended is not None:
            while ended and ended[0] <= forgotten:
                del ended[0]
            if not ended:
                del self._ended[key]
        flying = self._flying.get(key, 0)
        if flying + len(ended or ()) >= self.rate.count:
            return Full(self.kind, self.rate, ended[0] - forgotten if ended else None)
        if not (flying or ended) and len(self) >= self._remembers:
            last = next(iter(self._ended.values()), None)
            if last is None or last[-1] > forgotten:
                return Full(self.kind, self.rate, last[-1] - forgotten if last else None, crowded=True)
        return None

    def take(self, key: str, now: float) -> None:
        """Take a place for ``key``; there has to be one."""
        forgotten = now - self.rate.seconds
        for _ in range(2):  # more than one, so that what has piled up goes in time
            oldest = next(iter(self._ended), None)
            if oldest is None or self._ended[oldest][-1] > forgotten:
                break
            del self._ended[oldest]
        self._flying[key] = self._flying.get(key, 0) + 1

    def end(self, key: str, now: float, *, sent: bool) -> None:
        """The text that took a place for ``key`` has ended at ``now``: it was sent, or may have been, or gives its place back."""
        flying = self._flying.pop(key) - 1
        if flying:
            self._flying[key] = flying
        if not sent:
            return
        ended = self._ended.get(key)
        if ended is None:
            self._ended[key] = deque((now,)) if self.rate.count > _LONG else [now]
        else:
            ended.append(max(now, ended[-1]))  # two threads may tell in another order than they looked at the clock
            self._ended.move_to_end(key)


class Caps:
    """Several caps, of whose places a text takes one each or none. Safe to share between threads and tasks."""

    __slots__ = ("_caps", "_endings", "_lock")

    def __init__(self, rates: Mapping[str, Rate], remembers: int) -> None:
        self._caps = [(KEYS[kind], Cap(kind, rates[kind], remembers)) for kind in KEYS if kind in rates]
        self._lock = threading.Lock()
        self._endings: deque[tuple[str, float, bool]] = deque()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return sum(len(cap) for _, cap in self._caps)

    def full(self, number: str, clock: Callable[[], float]) -> Full | None:
        """The first cap that has no place for a text to ``number``, if one has none."""
        with self._lock:
            self._settle()
            now = clock()
            return next(filter(None, (cap.full(key(number), now) for key, cap in self._caps)), None)

    def take(self, number: str, clock: Callable[[], float]) -> Full | None:
        """The same; if there is a place at each cap, they are taken."""
        if not self._caps:
            return None
        with self._lock:
            self._settle()
            now = clock()
            keys = [key(number) for key, _ in self._caps]
            for key, (_, cap) in zip(keys, self._caps, strict=True):
                full = cap.full(key, now)
                if full is not None:
                    return full
            for key, (_, cap) in zip(keys, self._caps, strict=True):
                cap.take(key, now)
            return None

    def end(self, number: str, clock: Callable[[], float], *, sent: bool) -> None:
        """The text to ``number`` that took places has ended: it was sent, or may have been, or else gives them back.

        Waits for nobody: a flow that is collected as garbage ends in any thread at any moment, also in one that holds the lock.
        """
        if not self._caps:
            return
        self._endings.append((number, clock(), sent))
        if self._lock.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self._lock.release()

    def _settle(self) -> None:
        """Take in what has ended. The caller holds the lock."""
        while self._endings:
            number, at, sent = self._endings.popleft()
            for key, cap in self._caps:
                cap.end(key(number), at, sent=sent)
