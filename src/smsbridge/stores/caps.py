"""Caps: limits on the number of texts in any window of time, by recipient, by range of numbers and in total.

A text holds its place from its admission until one window's length after its end. So no window, at any start, sees more
texts leave than the cap allows. Counters that restart each hour would let twice as many through around the hour.

Memory is bounded: each cap remembers a limited number of texts, and refuses others while its memory is full. If it
forgot texts early instead, a sender with enough texts could outrun the cap, as toll fraud does. A cap with many places
remembers texts that end at about the same time together, and their places come back up to a hundredth of the window
late. No I/O, no waiting.
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
"""A cap with more places than this remembers texts in at most this many groups."""
_SUBSCRIBER_DIGITS = 4
_Ending = tuple[Hashable, float, bool]
"""The ticket of a text, when it ended, and whether it was sent."""

KEYS: Mapping[str, Callable[[str], str]] = {
    "recipient": lambda number: number,
    "prefix": lambda number: number[:-_SUBSCRIBER_DIGITS],
    "total": lambda _: "",
}
"""The key of each kind of cap. Toll fraud rents numbers in blocks and walks through them; without its last four digits,
a number names its block of ten thousand."""


@dataclass(frozen=True, slots=True)
class Full:
    """The answer of a cap that has no place for a text. ``kind`` and ``rate`` are those of the cap.

    ``wait`` is how many seconds later the cap has a place; None if unknown. ``crowded`` means that the cap remembers as
    many texts as it can, and therefore has no place.
    """

    kind: str
    rate: Rate
    wait: float | None
    crowded: bool = False


class _Few(list[float]):
    """The end times of the texts with the same key, oldest first."""

    __slots__ = ("_newest",)

    def __init__(self) -> None:
        super().__init__()
        self._newest: object = None

    @property
    def places(self) -> int:
        """The number of places that these texts hold."""
        return len(self)

    def add(self, at: float, _grain: float, ending: object) -> int:
        """Remember a text, unless the newest text has this ``ending``. Returns how much memory that takes."""
        if self._newest is ending:
            return 0
        size = len(self)
        # A single statement, so that no exception comes between the two.
        self[size:], self._newest = [at], ending
        return 1

    def forget(self, until: float) -> int:
        """Forget the texts that ended at ``until`` or earlier. Returns how much memory that frees."""
        gone = 0
        while self and self[0] <= until:
            del self[0]
            gone += 1
        return gone

    def recount(self) -> None:
        """Count the places again, after an interruption may have left a wrong count."""


class _Many(list[float]):
    """The same in groups: all texts that end within a grain of time count as ended at the last moment of it."""

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
    """A cap that admits at most ``rate`` texts for each key, such as a recipient.

    The caller holds a lock during each call of a method.
    """

    __slots__ = ("_ended", "_flying", "_grain", "_remembers", "kind", "rate", "texts")

    def __init__(self, kind: str, rate: Rate, remembers: int) -> None:
        self.kind = kind
        self.rate = rate
        self.texts = 0
        """The number of texts remembered, including those on their way."""
        self._remembers = remembers
        self._grain = rate.seconds / _MANY
        self._flying: dict[str, int] = {}
        # Ordered by the last text, oldest first.
        self._ended: OrderedDict[str, _Few | _Many] = OrderedDict()

    def full(self, key: str, now: float) -> Full | None:
        """Return the Full answer if there is no place for ``key`` at the time ``now``; None if there is a place."""
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
        """Take a place for ``key``. Call this only if :meth:`full` has just returned None."""
        self._forget(now - self.rate.seconds)
        self._flying[key] = self._flying.get(key, 0) + 1
        self.texts += 1

    def end(self, key: str, now: float, *, sent: bool, ending: object = None) -> None:
        """End a text that took a place for ``key``.

        If the text was ``sent``, or may have been, the place stays taken for one window of the cap. Otherwise the place
        is free again. ``ending`` identifies this call: after an interruption, the call may be repeated with the same
        ``ending``.
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
            # Set only now, so that it is never empty.
            self._ended[key] = ended
        else:
            # Two threads may report in another order than they read the clock.
            now = max(now, ended[-1])
            self.texts += ended.add(now, self._grain, ending)
            self._ended.move_to_end(key)

    def recount(self, flying: Iterable[str]) -> None:
        """Count all places again after an interruption. ``flying`` holds the keys of the texts that are being sent."""
        self._flying = dict(Counter(flying))
        for key, ended in list(self._ended.items()):
            ended.recount()
            if not ended:
                del self._ended[key]
        self.texts = sum(map(len, self._ended.values())) + sum(self._flying.values())

    def _forget(self, until: float) -> None:
        """Forget the keys with the oldest last text, two per call, so that the backlog shrinks."""
        for _ in range(2):
            oldest = next(iter(self._ended), None)
            if oldest is None or self._ended[oldest][-1] > until:
                return
            self.texts -= self._ended.pop(oldest).forget(until)


class Caps:
    """Several caps at once: a text takes a place at each of them or at none. Safe to share between threads and tasks.

    ``keys`` has a function for each kind of cap, which makes the key of a text from its number.

    An exception of a signal handler may come between any two steps. So a text has its places as soon as it is in
    ``_flying``, an ending stays in ``_endings`` until it is counted, and all other counts are done again if the last
    count was interrupted.
    """

    __slots__ = ("__weakref__", "_caps", "_ended", "_endings", "_flying", "_lock", "_orphans", "_torn")

    def __init__(
        self, rates: Mapping[str, Rate], remembers: int, keys: Mapping[str, Callable[[Any], str]] = KEYS
    ) -> None:
        self._caps = [(keys[kind], Cap(kind, rates[kind], remembers)) for kind in keys if kind in rates]
        self._lock = fresh_lock()
        self._flying: dict[Hashable, tuple[Any, int]] = {}
        """By ticket: the number, and the count of texts with this ticket."""
        self._endings: deque[_Ending] = deque()
        self._ended: _Ending | None = None
        self._orphans: list[tuple[Hashable, int]] = []
        self._torn = False
        renew_after_fork(self)

    @property
    def texts(self) -> int:
        """The number of texts that all caps together remember."""
        return under(self._lock, self._count)

    def full(self, number: Any, clock: Callable[[], float]) -> Full | None:
        """Return the answer of the first cap without a place for a text to ``number``; None if each has a place."""
        return under(self._lock, self._full, number, clock)

    def take(self, number: Any, clock: Callable[[], float], ticket: Hashable = None) -> Full | None:
        """Take a place at each cap and return None. If a cap is full, take no place and return that cap's answer.

        ``ticket`` identifies the text when it ends, also if this call is interrupted; default: its number.
        """
        if not self._caps:
            return None
        return under(self._lock, self._take, number, clock, number if ticket is None else ticket)

    def end(self, number: Any, clock: Callable[[], float], *, sent: bool, ticket: Hashable = None) -> None:
        """End the text to ``number``, which has this ``ticket``.

        If the text was ``sent``, or may have been, its places stay taken for one window. Otherwise the places are free
        again. Does nothing if the text took no places, or has already ended. Takes no lock: a flow that is collected as
        garbage ends in any thread at any moment, also in a thread that holds the lock.
        """
        if self._caps:
            self._endings.append((number if ticket is None else ticket, clock(), sent))

    def begin_anew(self) -> None:
        """Prepare the caps in a forked process: texts that the parent process is sending count as sent."""
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
        """Count the texts that have ended until now. Returns the time."""
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
