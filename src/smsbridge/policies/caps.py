"""Caps: at most so many texts in any window of time, by recipient, by range of numbers and in all. No I/O, no waiting.

A text holds its place from the moment it is let in until the window's length after it ended, so no window, wherever it begins,
sees more texts leave than the cap says. Counters that start anew with each hour would let twice as many through around the turn.

Memory is bounded: each cap remembers a limited number of texts, and while it is full, refuses others. To forget some early would
be the other choice, but then whoever sends enough could outrun the cap, and that is what toll fraud does. Of caps with many
places, texts that end about the same time are remembered together, and their places come back up to a hundredth of the window
late.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .gcra import Rate

_MANY = 100
"""A cap with more places than this remembers texts in so many groups at most."""
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


class _Few(list[float]):
    """When the texts with one key ended, oldest first."""

    __slots__ = ()

    @property
    def places(self) -> int:
        """How many places they hold."""
        return len(self)

    def add(self, at: float, _grain: float) -> bool:
        """Remember a text; whether that takes memory."""
        self.append(at)
        return True

    def forget(self, until: float) -> int:
        """Forget those that ended ``until`` then; how many were in memory."""
        gone = 0
        while self and self[0] <= until:
            del self[0]
            gone += 1
        return gone


class _Many(deque[float]):
    """The same in groups: all those that ended within a grain of time are as one that ended with the last moment of it."""

    __slots__ = ("_sizes", "places")

    def __init__(self) -> None:
        super().__init__()
        self._sizes: deque[int] = deque()
        self.places = 0

    def add(self, at: float, grain: float) -> bool:
        end = math.ceil(at / grain) * grain
        self.places += 1
        if self and end <= self[-1]:
            self._sizes[-1] += 1
            return False
        self.append(end)
        self._sizes.append(1)
        return True

    def forget(self, until: float) -> int:
        gone = 0
        while self and self[0] <= until:
            self.popleft()
            self.places -= self._sizes.popleft()
            gone += 1
        return gone


class Cap:
    """At most ``rate`` for each key. The caller sees to the lock."""

    __slots__ = ("_ended", "_flying", "_grain", "_remembers", "kind", "rate", "texts")

    def __init__(self, kind: str, rate: Rate, remembers: int) -> None:
        self.kind = kind
        self.rate = rate
        self.texts = 0
        """How many are remembered, those on their way included."""
        self._remembers = remembers
        self._grain = rate.seconds / _MANY
        self._flying: dict[str, int] = {}
        self._ended: OrderedDict[str, _Few | _Many] = OrderedDict()  # by their last text, oldest first

    def full(self, key: str, now: float) -> Full | None:
        """Why there is no place for ``key``, if there is none."""
        forgotten = now - self.rate.seconds
        taken = self._flying.get(key, 0)
        ended = self._ended.get(key)
        if ended is not None:
            if ended[0] <= forgotten:
                self.texts -= ended.forget(forgotten)
            if ended:
                taken += ended.places
            else:
                del self._ended[key]
        if taken >= self.rate.count:
            return Full(self.kind, self.rate, ended[0] - forgotten if ended else None)
        if self.texts >= self._remembers:
            self._forget(forgotten)
            if self.texts >= self._remembers:
                oldest = next(iter(self._ended.values()), None)
                return Full(self.kind, self.rate, oldest[-1] - forgotten if oldest else None, crowded=True)
        return None

    def take(self, key: str, now: float) -> None:
        """Take a place for ``key``; there has to be one."""
        self._forget(now - self.rate.seconds)
        self._flying[key] = self._flying.get(key, 0) + 1
        self.texts += 1

    def end(self, key: str, now: float, *, sent: bool) -> None:
        """The text that took a place for ``key`` has ended at ``now``: it was sent, or may have been, or gives its place back."""
        flying = self._flying.pop(key) - 1
        if flying:
            self._flying[key] = flying
        self.texts -= 1
        if not sent:
            return
        ended = self._ended.get(key)
        if ended is None:
            ended = self._ended[key] = _Many() if self.rate.count > _MANY else _Few()
        else:
            now = max(now, ended[-1])  # two threads may tell in another order than they looked at the clock
            self._ended.move_to_end(key)
        self.texts += ended.add(now, self._grain)

    def _forget(self, until: float) -> None:
        """Forget the keys whose last text is the longest ago, more than one at a time, so that what has piled up goes."""
        for _ in range(2):
            oldest = next(iter(self._ended), None)
            if oldest is None or self._ended[oldest][-1] > until:
                return
            self.texts -= self._ended.pop(oldest).forget(until)


class Caps:
    """Several caps, of whose places a text takes one each or none. Safe to share between threads and tasks."""

    __slots__ = ("_caps", "_endings", "_lock")

    def __init__(self, rates: Mapping[str, Rate], remembers: int) -> None:
        self._caps = [(KEYS[kind], Cap(kind, rates[kind], remembers)) for kind in KEYS if kind in rates]
        self._lock = threading.Lock()
        self._endings: deque[tuple[str, float, bool]] = deque()

    @property
    def texts(self) -> int:
        """How many texts are remembered, by all caps together."""
        return sum(cap.texts for _, cap in self._caps)

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
