"""PostgresCounts: the places of caps and the turns of limits, in a database that processes and machines share.

What changes them does so one after the other: it locks a row first, and reads the clock of the server then. So no two
processes lock each other out, whatever keys they count under, and in whatever order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from smsbridge.stores.caps import Full
from smsbridge.stores.seam import Cap, Turn

from .shelf import Shelf

_FORGOTTEN_AT_ONCE = 100
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"
_LOCK = "SELECT 1 FROM smsbridge_locks WHERE name = 'counts' FOR UPDATE"
# A tally says at once of most caps that they have a place; only others are counted.
_FULL = """SELECT cap.turn, (
        SELECT min(at) FROM smsbridge_places WHERE key = cap.key AND at > cap.since AND at <= %s
    ) - cap.since
    FROM unnest(%s::integer[], %s::bytea[], %s::float8[], %s::bigint[]) AS cap(turn, key, since, most)
    JOIN smsbridge_tallies AS tally ON tally.key = cap.key AND tally.places >= cap.most
    WHERE (
        SELECT count(*) FROM (
            SELECT 1 FROM smsbridge_places WHERE key = cap.key AND at > cap.since LIMIT cap.most
        ) AS taken
    ) >= cap.most
    ORDER BY cap.turn LIMIT 1"""
_TAKE = """WITH taken AS (
        INSERT INTO smsbridge_places (key, ticket, at, gone, span)
        SELECT DISTINCT ON (key) key, %s, %s, gone, span
        FROM unnest(%s::bytea[], %s::float8[], %s::float8[]) AS cap(key, gone, span)
        ORDER BY key, gone DESC
        ON CONFLICT (key, ticket) DO NOTHING RETURNING key
    )
    INSERT INTO smsbridge_tallies AS tally (key, places) SELECT key, 1 FROM taken
    ON CONFLICT (key) DO UPDATE SET places = tally.places + 1"""
_DROPPED = """WITH dropped AS (DELETE FROM smsbridge_places WHERE {which} RETURNING key),
    fewer AS (SELECT key, count(*) AS places FROM dropped GROUP BY key)
    UPDATE smsbridge_tallies AS tally SET places = tally.places - fewer.places FROM fewer WHERE tally.key = fewer.key
    RETURNING tally.key, tally.places, fewer.places"""
_FREE = _DROPPED.format(which="ticket = %s AND at > %s")
_FORGET = _DROPPED.format(
    which="(key, ticket) IN (SELECT key, ticket FROM smsbridge_places WHERE gone <= %s ORDER BY gone LIMIT %s)"
)
_PUT_TURN = """INSERT INTO smsbridge_turns VALUES (%s, %s, %s)
    ON CONFLICT (key) DO UPDATE SET next = excluded.next, pause = excluded.pause"""


class PostgresCounts(Shelf):
    """The places of caps and limits in the database at ``url``.

    All methods but ``close`` are called within :meth:`together`.
    """

    # --- caps ---------------------------------------------------------------------------------------------------------

    def take(self, ticket: str, caps: Sequence[Cap], lease: float) -> Full | None:
        """Take a place at each of ``caps`` for ``lease`` seconds and return None.

        If a cap is full, take no place and return that cap's answer. If the text with this ``ticket`` has its places
        already, return None too.
        """
        now = self._locked()
        full = self._full(caps, now)
        if full is not None:
            mine = self._ask("SELECT 1 FROM smsbridge_places WHERE ticket = %s LIMIT 1", [ticket]).fetchone()
            return full if mine is None else None  # it was taken already, and the answer was lost
        end = now + lease
        spans = [cap.rate.seconds for cap in caps]
        self._ask(_TAKE, [ticket, end, [_hashed(cap) for cap in caps], [end + span for span in spans], spans])
        self._forget(now)
        return None

    def peek(self, caps: Sequence[Cap]) -> Full | None:
        """Return the answer of the first full cap in ``caps``; None if no cap is full. Takes no place."""
        return None if self._is_absent() else self._full(caps, self._now())

    def give_back(self, ticket: str, *, sent: bool) -> None:
        """End the text with this ``ticket``.

        If the text was ``sent``, its places count from now on; otherwise they are free again. A place whose lease is
        over already counts from the end of its lease.
        """
        now = self._locked()
        if sent:
            ended = "UPDATE smsbridge_places SET at = %s, gone = %s + span WHERE ticket = %s AND at > %s"
            self._ask(ended, [now, now, ticket, now])
        else:
            self._drop(_FREE, [ticket, now])

    # --- limits -------------------------------------------------------------------------------------------------------

    def reserve(self, key: str, interval: float, count: int, longest: float) -> Turn:
        """Keep the next ``count`` places under ``key``, which are ``interval`` seconds apart.

        Returns when the places may be used. No place is kept if the first comes after more than ``longest`` seconds.
        """
        is_look = longest < 0 or not count
        if is_look and self._is_absent():
            return Turn(longest >= 0, 0.0)
        now = self._now() if is_look else self._locked()
        hashed = _hash(key)
        later, paused = self._turn(hashed)
        start, pause = max(now, later), max(0.0, paused - now)
        kept = start - now <= longest
        if kept and count:
            self._ask(_PUT_TURN, [hashed, start + count * interval, paused])
        return Turn(kept, start - now, pause)

    def pause(self, key: str, seconds: float) -> None:
        """Let no place under ``key`` be used for ``seconds``."""
        now = self._locked()
        hashed = _hash(key)
        later, paused = self._turn(hashed)
        self._ask(_PUT_TURN, [hashed, max(later, now + seconds), max(paused, now + seconds)])

    # --- what a Writer asks of what it writes to ----------------------------------------------------------------------

    def prune(self, older_than: float, limit: int) -> int:
        """Delete up to ``limit`` places that no longer count.

        Returns how many were deleted. ``older_than`` has no effect.
        """
        return 0 if self._is_absent() else self._forget(self._locked(), limit)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _locked(self) -> float:
        """Keep all others from changing counts until the end of this transaction; the time then."""
        self._need()
        self._ask(_LOCK)
        return self._now()

    def _now(self) -> float:
        (now,) = self._ask(_NOW).fetchone() or (0.0,)
        return float(now)

    def _full(self, caps: Sequence[Cap], now: float) -> Full | None:
        sinces = [now - cap.rate.seconds for cap in caps]
        counts = [cap.rate.count for cap in caps]
        row = self._ask(_FULL, [now, [*range(len(caps))], [_hashed(cap) for cap in caps], sinces, counts]).fetchone()
        if row is None:
            return None
        turn, wait = row
        return Full(caps[turn].kind, caps[turn].rate, wait)

    def _forget(self, now: float, limit: int = _FORGOTTEN_AT_ONCE) -> int:
        """Forget some of the places that count no more, more than a text takes, so that what has piled up goes."""
        return self._drop(_FORGET, [now, limit])

    def _drop(self, query: str, values: Sequence[object]) -> int:
        """Drop places, and tallies that are left without; returns how many places."""
        rows = self._ask(query, values).fetchall()
        empty = [key for key, left, _ in rows if left <= 0]
        if empty:
            self._ask("DELETE FROM smsbridge_tallies WHERE key = ANY(%s) AND places <= 0", [empty])
        return sum(dropped for _, _, dropped in rows)

    def _turn(self, key: bytes) -> tuple[float, float]:
        row = self._ask("SELECT next, pause FROM smsbridge_turns WHERE key = %s", [key]).fetchone()
        return (row[0], row[1]) if row is not None else (0.0, 0.0)


def _hashed(cap: Cap) -> bytes:
    return _hash(f"{cap.scope}\n{cap.kind}\n{cap.key}")


def _hash(key: str) -> bytes:
    """So that no number can be read in the table at a glance; all numbers can still be tried."""
    return hashlib.blake2b(key.encode(), digest_size=16).digest()
