"""A circuit breaker: leaves an account alone for a while after several faults of its provider in a row, or if asked to. No I/O."""

from __future__ import annotations

import threading


class Breaker:
    """Counts faults; after ``faults`` in a row it is open for ``pause`` seconds, then lets one probe through at a time.

    Safe to share between threads. Whoever was admitted has to say how it went: ``worked``, ``failed`` or ``dropped``.
    """

    __slots__ = ("_count", "_faults", "_held", "_lock", "_pause", "_probing", "_until")

    def __init__(self, faults: int, pause: float) -> None:
        self._faults = faults
        self._pause = pause
        self._count = 0
        self._until: float | None = None
        self._held: float | None = None
        self._probing = False
        self._lock = threading.Lock()

    def admit(self, now: float) -> float | None:
        """None if an attempt may be made; otherwise how many seconds the account is still to be left alone."""
        if self.closed:
            return None
        with self._lock:
            wait = self._wait(now)
            if wait is None and self._until is not None:
                self._probing = True
            return wait

    @property
    def closed(self) -> bool:
        """Whether it lets everything through."""
        return self._until is None and self._held is None

    @property
    def held(self) -> bool:
        """Whether it is the vendor who asked for a pause."""
        return self._held is not None

    def peek(self, now: float) -> float | None:
        """What :meth:`admit` would say, without taking the place of the probe."""
        with self._lock:
            return self._wait(now)

    def worked(self) -> None:
        """The provider did its part, whatever it said of the text."""
        if self._count or self._until is not None:
            with self._lock:
                self._count, self._until, self._probing = 0, None, False

    def failed(self, now: float) -> None:
        """The provider was at fault."""
        with self._lock:
            self._count += 1
            if self._probing or self._count >= self._faults:
                self._until, self._probing = now + self._pause, False

    def hold(self, until: float) -> None:
        """The vendor wants no requests before ``until``; that is no fault of its own."""
        with self._lock:
            self._held = max(until, self._held or until)

    def _wait(self, now: float) -> float | None:
        if self._held is not None:
            if now < self._held:
                return self._held - now
            self._held = None
        if self._until is None:
            return None
        return self._until - now if now < self._until else self._pause if self._probing else None

    def dropped(self, begun: float) -> None:
        """Nothing was learnt from the attempt begun at that time: it was cancelled, or stopped on our side."""
        if self._probing:
            with self._lock:
                if self._until is not None and begun >= self._until:  # it was the probe, not one from before
                    self._probing = False
