"""Caps: at most so many texts in any window of time, by recipient, by range of numbers and in all. No I/O, no waiting.

A text holds its place from the moment it is let in until the window's length after it ended, so no window, wherever it
begins, sees more texts leave than the cap says. Counters that start anew with each hour would let twice as many through
around the turn.

Memory is bounded: each cap remembers a limited number of texts, and while it is full, refuses others. To forget some
early would be the other choice, but then whoever sends enough could outrun the cap, and that is what toll fraud does.
Of caps with many places, texts that end about the same time are remembered together, and their places come back up to a
hundredth of the window late.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from smsbridge.forks import fresh_lock, renew_after_fork, under

from .gcra import Rate

_MANY = 100
"""A cap with more places than this remembers texts in so many groups at most."""
_SUBSCRIBER_DIGITS = 4
_Ending = tuple[Hashable, float, bool]
"""The ticket of a text, when it ended, and whether it was sent."""

KEYS: Mapping[str, Callable[[str], str]] = {
    "recipient": lambda number: number,
    "prefix": lambda number: number[:-_SUBSCRIBER_DIGITS],
    "total": lambda _: "",
}
"""What each kind of cap counts by. Who earns by texts sent for nothing rents numbers in blocks, and walks through them;
without its last four digits a number names its block of ten thousand."""


@dataclass(frozen=True, slots=True)
class Full:
    """Which cap has no place, after how many seconds it will have one, if known, and whether it is out of memory."""

    kind: str
    rate: Rate
    wait: float | None
    crowded: bool = False


class _Few(list[float]):
    """When the texts with one key ended, oldest first."""

    __slots__ = ("_newest",)

    def __init__(self) -> None:
        super().__init__()
        self._newest: object = None

    @property
    def places(self) -> int:
        """How many places they hold."""
        return len(self)

    def add(self, at: float, _grain: float, ending: object) -> int:
        """Remember a text, unless the newest is the one with this ``ending``; how much memory that takes."""
        if self._newest is ending:
            return 0
        size = len(self)
        self[size:], self._newest = [at], ending  # in one statement, so that no exception comes between
        return 1

    def forget(self, until: float) -> int:
        """Forget those that ended ``until`` then; how many were in memory."""
        gone = 0
        while self and self[0] <= until:
            del self[0]
            gone += 1
        return gone

    def recount(self) -> None:
        """Count anew, after an interruption."""


class _Many(list[float]):
    """The same in groups.

    All those that ended within a grain of time are as one that ended with the last moment of it.
    """

    __slots__ = ("_newest", "_sizes", "places")

    def __init__(self) -> None:
        super().__init__()
        self._newest: object = None
        self._sizes: dict[float, int] = {}
        self.places = 0

    def add(self, at: float, grain: float, ending: object) -> int:
        if self._newest is ending:
            return 0
        groups, end = len(self), math.ceil(at / grain) * grain
        joins = groups > 0 and end <= self[-1]
        if joins:
            end = self[-1]
            self._sizes[end], self._newest = self._sizes[end] + 1, ending
        else:
            self[groups:], self._sizes[end], self._newest = [end], 1, ending
        self.places += 1
        return 0 if joins else 1

    def forget(self, until: float) -> int:
        gone = 0
        while self and self[0] <= until:
            self.places -= self._sizes.pop(self[0], 0)
            del self[0]
            gone += 1
        return gone

    def recount(self) -> None:
        self.places = sum(self._sizes.get(end, 0) for end in self)


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

    def end(self, key: str, now: float, *, sent: bool, ending: object = None) -> None:
        """The text that took a place for ``key`` has ended at ``now``: it was sent, or may have been, or gives its
        place back.

        The same ``ending`` may be told again, if the first time was interrupted.
        """
        flying = self._flying.pop(key, 1) - 1
        if flying:
            self._flying[key] = flying
        self.texts -= 1
        if not sent:
            return
        ending = object() if ending is None else ending
        ended = self._ended.get(key)
        if ended is None:
            ended = _Many() if self.rate.count > _MANY else _Few()
            self.texts += ended.add(now, self._grain, ending)
            self._ended[key] = ended  # never an empty one
        else:
            now = max(now, ended[-1])  # two threads may tell in another order than they looked at the clock
            self.texts += ended.add(now, self._grain, ending)
            self._ended.move_to_end(key)

    def recount(self, flying: Iterable[str]) -> None:
        """Count anew, after an interruption: ``flying`` are the keys of the texts on their way."""
        self._flying = dict(Counter(flying))
        for key, ended in list(self._ended.items()):
            ended.recount()
            if not ended:
                del self._ended[key]
        self.texts = sum(map(len, self._ended.values())) + sum(self._flying.values())

    def _forget(self, until: float) -> None:
        """Forget the keys whose last text is the longest ago, several at a time, so that what has piled up goes."""
        for _ in range(2):
            oldest = next(iter(self._ended), None)
            if oldest is None or self._ended[oldest][-1] > until:
                return
            self.texts -= self._ended.pop(oldest).forget(until)


class Caps:
    """Several caps, of whose places a text takes one each or none. Safe to share between threads and tasks.

    ``keys`` say what each kind of cap counts by; what they are given is called a number here, whatever it is.

    An exception of a signal handler may come between any two steps: a text has its places from the moment it is in
    ``_flying``, an ending stays in ``_endings`` until it is taken in, and what is counted besides is counted anew where
    the last count was cut short.
    """

    __slots__ = ("__weakref__", "_caps", "_ended", "_endings", "_flying", "_lock", "_orphans", "_torn")

    def __init__(
        self, rates: Mapping[str, Rate], remembers: int, keys: Mapping[str, Callable[[Any], str]] = KEYS
    ) -> None:
        self._caps = [(keys[kind], Cap(kind, rates[kind], remembers)) for kind in keys if kind in rates]
        self._lock = fresh_lock()
        self._flying: dict[Hashable, tuple[Any, int]] = {}
        """By ticket: the number, and how many texts have this ticket."""
        self._endings: deque[_Ending] = deque()
        self._ended: _Ending | None = None
        self._orphans: list[tuple[Hashable, int]] = []
        self._torn = False
        renew_after_fork(self)

    @property
    def texts(self) -> int:
        """How many texts are remembered, by all caps together."""
        return under(self._lock, self._count)

    def full(self, number: Any, clock: Callable[[], float]) -> Full | None:
        """The first cap that has no place for a text to ``number``, if one has none."""
        return under(self._lock, self._full, number, clock)

    def take(self, number: Any, clock: Callable[[], float], ticket: Hashable = None) -> Full | None:
        """The same; if there is a place at each cap, they are taken.

        ``ticket`` is what the text is known by when it ends, also if this is interrupted: by default its number.
        """
        if not self._caps:
            return None
        return under(self._lock, self._take, number, clock, number if ticket is None else ticket)

    def end(self, number: Any, clock: Callable[[], float], *, sent: bool, ticket: Hashable = None) -> None:
        """The text to ``number`` that took places has ended: it was sent, or may have been, or else gives them back.

        Nothing happens if it took none, or has ended before. Waits for nobody: a flow that is collected as garbage ends
        in any thread at any moment, also in one that holds the lock.
        """
        if self._caps:
            self._endings.append((number if ticket is None else ticket, clock(), sent))

    def begin_anew(self) -> None:
        """In a forked process, texts on their way are the parent's: they count, as sent, until they are forgotten."""
        self._orphans = [(ticket, count) for ticket, (_, count) in self._flying.items()]

    # --- with the lock ------------------------------------------------------------------------------------------------

    def _full(self, number: Any, clock: Callable[[], float]) -> Full | None:
        now = self._settle(clock)
        return next(filter(None, (cap.full(key(number), now) for key, cap in self._caps)), None)

    def _take(self, number: Any, clock: Callable[[], float], ticket: Hashable) -> Full | None:
        now = self._settle(clock)
        keys = [key(number) for key, _ in self._caps]
        for key, (_, cap) in zip(keys, self._caps, strict=True):
            full = cap.full(key, now)
            if full is not None:
                return full
        _, count = self._flying.get(ticket, (number, 0))
        self._torn, self._flying[ticket] = True, (number, count + 1)
        for key, (_, cap) in zip(keys, self._caps, strict=True):
            cap.take(key, now)
        self._torn = False
        return None

    def _count(self) -> int:
        self._take_in()
        return sum(cap.texts for _, cap in self._caps)

    def _settle(self, clock: Callable[[], float]) -> float:
        """Take in what has ended until now; returns the time."""
        if self._orphans:
            now = clock()
            self._endings.extend((ticket, now, True) for ticket, count in self._orphans for _ in range(count))
            self._orphans = []
        self._take_in()
        return clock()

    def _take_in(self) -> None:
        if self._torn:
            self._mend()
        while self._endings:
            ending = self._endings[0]
            ticket, at, sent = ending
            number, count = self._flying.get(ticket, ("", 0))
            if count and self._ended is not ending:
                self._torn = True
                for key, cap in self._caps:
                    cap.end(key(number), at, sent=sent, ending=ending)
                self._flying[ticket], self._ended = (number, count - 1), ending
                self._torn = False
            if count <= 1:
                self._flying.pop(ticket, None)
            self._endings.popleft()

    def _mend(self) -> None:
        numbers = [number for number, count in self._flying.values() for _ in range(count)]
        for key, cap in self._caps:
            cap.recount(map(key, numbers))
        self._torn = False
