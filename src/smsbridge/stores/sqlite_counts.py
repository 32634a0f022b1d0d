"""SqliteCounts: the places of caps and limits in a SQLite file, which processes of a machine share.

The file has its own time, which never goes back and does not use the wall clock. It follows :func:`time.monotonic`,
which is the same in all processes of a machine and cannot be set. The file keeps how far its time is ahead of that, for
each start of a machine. After a restart, or on another machine, its time continues from the latest moment in the file:
the time in between does not count. So places stay taken for that much longer, once, and no cap ever lets more through.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from smsbridge.own_file import Kind

from .caps import Full
from .seam import Cap, Turn
from .sqlite_file import SqliteFile

_VERSION = "1"
_FORGOTTEN_AT_ONCE = 100
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS smsbridge_counts_about (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS smsbridge_places (
        key BLOB NOT NULL,          -- a hash of what is counted
        at REAL NOT NULL,           -- when the text ended; later than now while it is on its way: the end of its lease
        ticket TEXT NOT NULL,
        gone REAL NOT NULL,         -- when it counts no more
        window REAL NOT NULL,
        PRIMARY KEY (key, at, ticket)
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS smsbridge_places_of ON smsbridge_places (ticket)",
    "CREATE INDEX IF NOT EXISTS smsbridge_places_gone ON smsbridge_places (gone)",
    """CREATE TABLE IF NOT EXISTS smsbridge_tallies (
        key BLOB PRIMARY KEY,
        rows INTEGER NOT NULL       -- in smsbridge_places, with those that count no more: to count them all takes long
    ) WITHOUT ROWID""",
    """CREATE TRIGGER IF NOT EXISTS smsbridge_places_come AFTER INSERT ON smsbridge_places BEGIN
        INSERT INTO smsbridge_tallies VALUES (new.key, 1) ON CONFLICT (key) DO UPDATE SET rows = rows + 1;
    END""",
    """CREATE TRIGGER IF NOT EXISTS smsbridge_places_go AFTER DELETE ON smsbridge_places BEGIN
        UPDATE smsbridge_tallies SET rows = rows - 1 WHERE key = old.key;
        DELETE FROM smsbridge_tallies WHERE key = old.key AND rows = 0;
    END""",
    """CREATE TABLE IF NOT EXISTS smsbridge_turns (
        key BLOB PRIMARY KEY,
        next REAL NOT NULL,         -- when the next place may be used
        pause REAL NOT NULL         -- the end of a pause that the vendor asked for
    ) WITHOUT ROWID""",
    f"INSERT OR IGNORE INTO smsbridge_counts_about VALUES ('version', '{_VERSION}')",  # noqa: S608  # values of ours
    "INSERT OR IGNORE INTO smsbridge_counts_about VALUES ('now', 0.0)",
)
COUNTS = Kind(
    what="store of counts",
    proof="SELECT value FROM smsbridge_counts_about WHERE name = 'version'",
    schema=_SCHEMA,
    made="nothing is counted in it yet",
    command="smsbridge texts init",
    comes_along=True,
)


class SqliteCounts(SqliteFile):
    """The places of caps and limits in the SQLite file at ``path``.

    All methods but ``close`` are called within :meth:`together`. ``clock`` returns seconds since the start of the
    machine, which are the same in all processes. ``machine`` identifies that start, as far as it is known.
    """

    about = "smsbridge_counts_about"
    version = _VERSION

    def __init__(
        self,
        path: Path,
        *,
        patience: float = 5.0,
        create: bool = True,
        clock: Callable[[], float] = time.monotonic,
        machine: str | None = None,
    ) -> None:
        super().__init__(path, COUNTS, patience=patience, create=create, joins=True)
        self._clock = clock
        self._machine = _machine() if machine is None else machine
        self._ahead: float | None = None
        """Seconds by which the time of the file is ahead of the clock, once known."""

    # --- caps ---------------------------------------------------------------------------------------------------------

    def take(self, ticket: str, caps: Sequence[Cap], lease: float) -> Full | None:
        """Take a place at each of ``caps`` for ``lease`` seconds and return None. ``ticket`` identifies the text.

        If a cap is full, take no place and return that cap's answer.
        """
        now = self._now()
        full = self._full(caps, now)
        if full is not None:
            return full
        end = now + lease
        rows = [(_hashed(cap), end, ticket, end + cap.rate.seconds, cap.rate.seconds) for cap in caps]
        self._db.executemany("INSERT OR IGNORE INTO smsbridge_places VALUES (?, ?, ?, ?, ?)", rows)
        self._forget(now)
        self._keep(now)
        return None

    def peek(self, caps: Sequence[Cap]) -> Full | None:
        """Return the answer of the first full cap in ``caps``; None if no cap is full. Takes no place."""
        return self._full(caps, self._now())

    def give_back(self, ticket: str, *, sent: bool) -> None:
        """End the text with this ``ticket``.

        If the text was ``sent``, its places count from now on; otherwise they are free again. A place whose lease is
        over already counts from the end of the lease.
        """
        now = self._now()
        if sent:
            ended = (now, now, ticket, now)
            self._db.execute("UPDATE smsbridge_places SET at = ?, gone = ? + window WHERE ticket = ? AND at > ?", ended)
        else:
            self._db.execute("DELETE FROM smsbridge_places WHERE ticket = ? AND at > ?", (ticket, now))
        self._keep(now)

    # --- limits -------------------------------------------------------------------------------------------------------

    def reserve(self, key: str, interval: float, count: int, longest: float) -> Turn:
        """Keep the next ``count`` places under ``key``, which are ``interval`` seconds apart.

        Returns when the places may be used. No place is kept if the first comes after more than ``longest`` seconds.
        """
        now = self._now()
        hashed = _hash(key)
        later, paused = self._turn(hashed)
        start, pause = max(now, later), max(0.0, paused - now)
        kept = start - now <= longest
        if kept and count:
            self._put_turn(hashed, start + count * interval, paused)
            self._keep(now)
        return Turn(kept, start - now, pause)

    def pause(self, key: str, seconds: float) -> None:
        """Let no place under ``key`` be used for ``seconds``."""
        now = self._now()
        hashed = _hash(key)
        later, paused = self._turn(hashed)
        self._put_turn(hashed, max(later, now + seconds), max(paused, now + seconds))
        self._keep(now)

    # --- what a Writer asks of what it writes to ----------------------------------------------------------------------

    def record(self, entries: Iterable[object]) -> int:
        """Do nothing, and return 0: counts have no outcomes to record."""
        return 0

    def prune(self, older_than: float, limit: int) -> int:
        """Delete up to ``limit`` places that no longer count.

        Returns how many were deleted. ``older_than`` has no effect.
        """
        return self._forget(self._now(), limit)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _set_up(self, db: sqlite3.Connection) -> None:
        super()._set_up(db)
        if self._ahead is None:
            self._ahead = self._found_ahead(db)

    def _found_ahead(self, db: sqlite3.Connection) -> float:
        name, latest, clock = f"ahead {self._machine}", _latest(db), self._clock()
        found = db.execute("SELECT value FROM smsbridge_counts_about WHERE name = ?", (name,)).fetchone()
        if found is not None and clock + found[0] >= latest:
            known: float = found[0]
            return known
        db.execute("INSERT OR REPLACE INTO smsbridge_counts_about VALUES (?, ?)", (name, latest - clock))
        return latest - clock

    def _now(self) -> float:
        """Return the time of the file, which never goes back."""
        return max(_latest(self._db), self._clock() + (self._ahead or 0.0))

    def _keep(self, now: float) -> None:
        self._db.execute("UPDATE smsbridge_counts_about SET value = ? WHERE name = 'now'", (now,))

    def _full(self, caps: Iterable[Cap], now: float) -> Full | None:
        for cap in caps:
            key, window = _hashed(cap), now - cap.rate.seconds
            rows = self._db.execute("SELECT rows FROM smsbridge_tallies WHERE key = ?", (key,)).fetchone()
            if rows is None or rows[0] < cap.rate.count:
                continue
            last = "SELECT 1 FROM smsbridge_places WHERE key = ? AND at > ? ORDER BY at LIMIT 1 OFFSET ?"
            if self._db.execute(last, (key, window, cap.rate.count - 1)).fetchone():
                oldest = "SELECT min(at) FROM smsbridge_places WHERE key = ? AND at > ? AND at <= ?"
                (at,) = self._db.execute(oldest, (key, window, now)).fetchone()
                return Full(cap.kind, cap.rate, None if at is None else at - window)
        return None

    def _forget(self, now: float, limit: int = _FORGOTTEN_AT_ONCE) -> int:
        """Delete some places that no longer count, more than a text takes, so that the backlog shrinks."""
        return self._db.execute(
            "DELETE FROM smsbridge_places WHERE (key, at, ticket) IN"
            " (SELECT key, at, ticket FROM smsbridge_places WHERE gone <= ? LIMIT ?)",
            (now, limit),
        ).rowcount

    def _turn(self, key: bytes) -> tuple[float, float]:
        row = self._db.execute("SELECT next, pause FROM smsbridge_turns WHERE key = ?", (key,)).fetchone()
        return row or (0.0, 0.0)

    def _put_turn(self, key: bytes, later: float, paused: float) -> None:
        self._db.execute("INSERT OR REPLACE INTO smsbridge_turns VALUES (?, ?, ?)", (key, later, paused))


def _latest(db: sqlite3.Connection) -> float:
    found: float = db.execute("SELECT value FROM smsbridge_counts_about WHERE name = 'now'").fetchone()[0]
    return found


def _machine() -> str:
    """Return an identifier of this start of the machine and this container's clock; empty if it is unknown."""
    with contextlib.suppress(OSError):
        clock = os.stat("/proc/self/ns/time").st_ino if os.path.exists("/proc/self/ns/time") else 0  # noqa: PTH110, PTH116
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text('ascii').strip()} {clock}"
    return ""


def _hashed(cap: Cap) -> bytes:
    return _hash(f"{cap.scope}\n{cap.kind}\n{cap.key}")


def _hash(key: str) -> bytes:
    """Hash a key, so that no number is readable in the file; a number can still be found by trying all numbers."""
    return hashlib.blake2b(key.encode(), digest_size=16).digest()
