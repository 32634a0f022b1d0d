"""Pause an account after several faults of its provider in a row, or on request: a circuit breaker. No I/O."""

from __future__ import annotations

from smsbridge.forks import fresh_lock, renew_after_fork, under

_LONGEST_PROBE = 300.0
"""Seconds after which a probe without an outcome is given up: its thread was interrupted at the wrong moment."""


class Breaker:
    """Count the failures of an account's provider, and pause the account after ``faults`` failures in a row.

    After ``pause`` seconds a single text is let through as a probe; the pause ends if the provider works again. Threads
    may share a Breaker. After each attempt that :meth:`admit` allowed, call ``worked``, ``failed`` or ``dropped``.
    """

    __slots__ = ("__weakref__", "_count", "_faults", "_held", "_lock", "_pause", "_probed", "_until")

    def __init__(self, faults: int, pause: float) -> None:
        self._faults = faults
        self._pause = pause
        self._count = 0
        self._until: float | None = None
        self._held: float | None = None
        self._probed: float | None = None
        """The time at which the probe on its way began."""
        self._lock = fresh_lock()
        renew_after_fork(self)

    def admit(self, now: float) -> float | None:
        """Allow an attempt and return None, or return the seconds for which the account is still paused.

        ``now`` is the present time of the clock that the caller uses for all calls.
        """
        return None if self.closed else under(self._lock, self._admit, now)

    @property
    def closed(self) -> bool:
        """Return whether all attempts are allowed, because the account is not paused."""
        return self._until is None and self._held is None

    @property
    def held(self) -> bool:
        """Return whether the account is paused because its vendor asked for that."""
        return self._held is not None

    def peek(self, now: float) -> float | None:
        """Return what :meth:`admit` would return at the time ``now``, but allow no attempt."""
        return under(self._lock, self._wait, now)

    def worked(self) -> None:
        """Record that the provider worked, also if it refused the text. This ends a pause after faults."""
        if self._count or self._until is not None:
            under(self._lock, self._close)

    def failed(self, now: float) -> None:
        """Record a failure of the provider at the time ``now``. It may be the failure that begins a pause."""
        under(self._lock, self._count_fault, now)

    def hold(self, until: float) -> None:
        """Pause the account until the time ``until``, because its vendor asked for that.

        This does not count as a failure.
        """
        under(self._lock, self._hold, until)

    def dropped(self, begun: float) -> None:
        """Record that an attempt, which began at the time ``begun``, ended without showing whether the provider works.

        The attempt was cancelled, or stopped on our side. If it was the probe, another probe may follow.
        """
        if self._probed is not None:
            under(self._lock, self._drop, begun)

    def begin_anew(self) -> None:
        """Forget, in a forked process, that a probe is under way: only the parent process waits for that probe."""
        self._probed = None

    # --- with the lock ------------------------------------------------------------------------------------------------

    def _admit(self, now: float) -> float | None:
        wait = self._wait(now)
        if wait is None and self._until is not None:
            self._probed = now
        return wait

    def _close(self) -> None:
        self._count, self._until, self._probed = 0, None, None

    def _count_fault(self, now: float) -> None:
        self._count += 1
        if self._probed is not None or self._count >= self._faults:
            self._until, self._probed = now + self._pause, None

    def _hold(self, until: float) -> None:
        self._held = max(until, self._held or until)

    def _drop(self, begun: float) -> None:
        # It was the probe, not an attempt from before.
        if self._until is not None and begun >= self._until:
            self._probed = None

    def _wait(self, now: float) -> float | None:
        if self._held is not None:
            if now < self._held:
                return self._held - now
            self._held = None
        if self._until is None:
            return None
        if now < self._until:
            return self._until - now
        return self._pause if self._probed is not None and now < self._probed + _LONGEST_PROBE else None
