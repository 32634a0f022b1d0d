"""Who does not want to be texted: a list by recipient and sender, in memory or in a SQLite file.

The last word counts. An opt-out from one sender, and one from all (sender None), are taken back by a later word for the same
sender, or for all. Webhooks come twice and out of order, so each word has the time when it was said, and an older one changes
nothing; of two words of one moment, the opt-out counts.

Numbers are kept as they are, in a file that only its owner can read: the list has to be shown to people and handed to vendors,
and a hash of a phone number is undone by trying all of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from .errors import ConfigurationError
from .forks import fresh_lock
from .phone import mask, mask_numbers
from .private_file import make_private
from .stop_words import START_WORDS, STOP_WORDS, said

__all__ = ["START_WORDS", "STOP_WORDS", "MemoryOptOuts", "OptOut", "OptOuts", "SqliteOptOuts", "said", "same_sender"]

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS words (
        recipient TEXT NOT NULL,
        sender TEXT,               -- as it is compared; NULL stands for all senders
        shown TEXT,                -- as it was given
        out INTEGER NOT NULL,
        at TEXT NOT NULL,          -- UTC, ISO 8601 of one length, so that texts compare like times
        source TEXT NOT NULL
    );
    CREATE UNIQUE INDEX IF NOT EXISTS words_of ON words (recipient, ifnull(sender, ''));
"""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OptOut:
    """Somebody who does not want texts from ``sender``, or (None) from anybody of ours. ``source`` says how we know."""

    recipient: str
    sender: str | None = None
    at: datetime
    source: str = ""

    def __repr__(self) -> str:
        sender = mask_numbers(self.sender) if self.sender else "all"
        return f"OptOut(recipient={mask(self.recipient)}, sender={sender}, at={self.at.isoformat()}, source={self.source!r})"


class OptOuts(Protocol):
    """A list of opt-outs. ``recipient`` is E.164; ``sender`` is a number or a name, or None for all of our senders.

    ``at`` is when it was said, by default now. Safe to share between threads.
    """

    def add(self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "") -> None:
        """``recipient`` has opted out."""

    def remove(self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "") -> None:
        """``recipient`` has opted in again; with sender None to texts from all senders."""

    def holds(self, senders: Iterable[str] | None, recipient: str) -> bool:
        """Whether ``recipient`` has opted out from one of ``senders``; None asks for any sender."""
        ...

    def __iter__(self) -> Iterator[OptOut]:
        """All opt-outs that are in force, by recipient."""
        ...


@dataclass(frozen=True, slots=True)
class _Word:
    """The last that somebody said about a sender."""

    out: bool
    at: datetime
    sender: str | None = None
    source: str = ""

    def outlasts(self, other: _Word | None) -> bool:
        """Whether this one counts after ``other``."""
        return other is None or (self.at, self.out) > (other.at, other.out)


_Words = Mapping[str | None, _Word]


class MemoryOptOuts:
    """A list that ends with the process."""

    def __init__(self) -> None:
        self._words: dict[str, dict[str | None, _Word]] = {}
        self._lock = fresh_lock()

    def add(self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "") -> None:
        self._put(recipient, _Word(True, _moment(at), sender, source))

    def remove(self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "") -> None:
        self._put(recipient, _Word(False, _moment(at), sender, source))

    def holds(self, senders: Iterable[str] | None, recipient: str) -> bool:
        with self._lock:
            return _is_out(self._words.get(recipient, {}), senders)

    def __iter__(self) -> Iterator[OptOut]:
        with self._lock:
            found = [one for recipient in sorted(self._words) for one in _outs(recipient, self._words[recipient])]
        return iter(found)

    def _put(self, recipient: str, word: _Word) -> None:
        with self._lock:
            words = self._words.setdefault(recipient, {})
            key = _key(word.sender)
            if word.outlasts(words.get(key)):
                words[key] = word


class SqliteOptOuts:
    """A list in the SQLite file ``path``, which is made with mode 0600. Several processes may use it at once.

    Raises ConfigurationError if it cannot be one, and OSError where it cannot be read or written later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        problem = self._make()
        if problem is not None:
            raise ConfigurationError(f"the list of opt-outs {path} {problem}")

    def add(self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "") -> None:
        self._put([(recipient, _Word(True, _moment(at), sender, source))])

    def add_all(self, rows: Iterable[tuple[str | None, str]], *, source: str = "") -> None:
        """Several at once, each a sender and a recipient; all of them, or none if it fails."""
        now = _moment(None)
        self._put([(recipient, _Word(True, now, sender, source)) for sender, recipient in rows])

    def remove(self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "") -> None:
        self._put([(recipient, _Word(False, _moment(at), sender, source))])

    def holds(self, senders: Iterable[str] | None, recipient: str) -> bool:
        with self._opened() as database:
            rows = database.execute(
                "SELECT sender, out, at, shown, source FROM words WHERE recipient = ?", [recipient]
            ).fetchall()
        return bool(rows) and _is_out({row[0]: _read(row) for row in rows}, senders)

    def __iter__(self) -> Iterator[OptOut]:
        words: dict[str, dict[str | None, _Word]] = {}
        with self._opened() as database:
            for recipient, *row in database.execute(
                "SELECT recipient, sender, out, at, shown, source FROM words ORDER BY recipient"
            ):
                words.setdefault(recipient, {})[row[0]] = _read(row)
        return (one for recipient, said in words.items() for one in _outs(recipient, said))

    def _put(self, rows: Iterable[tuple[str, _Word]]) -> None:
        values = [
            (recipient, _key(word.sender), word.sender, word.out, _written(word.at), word.source)
            for recipient, word in rows
        ]
        with self._opened() as database, database:  # the second one is the transaction
            database.executemany(
                "INSERT INTO words (recipient, sender, shown, out, at, source) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (recipient, ifnull(sender, '')) DO UPDATE SET shown = excluded.shown, out = excluded.out,"
                " at = excluded.at, source = excluded.source WHERE (excluded.at, excluded.out) > (words.at, words.out)",
                values,
            )

    def _make(self) -> str | None:
        """What keeps the file from being a list."""
        try:
            make_private(self._path)
            if not os.access(self._path, os.R_OK | os.W_OK):  # SQLite would open it all the same, to read alone
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            with self._opened() as database:
                database.executescript(_SCHEMA)
                database.execute("SELECT recipient, sender, shown, out, at, source FROM words LIMIT 1")
        except OSError as error:
            cause = error.__cause__ or error
            return f"cannot be used: {getattr(cause, 'strerror', None) or cause}"
        return None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection for one use: nothing to share between threads, to lose in a fork, or to go on using after the file was replaced. Takes 0.4 ms."""
        try:
            with contextlib.closing(sqlite3.connect(self._path, timeout=10)) as database:
                yield database
        except sqlite3.Error as error:
            raise OSError(f"the list of opt-outs {self._path} cannot be used ({type(error).__name__})") from error


def same_sender(one: str, other: str) -> bool:
    """Whether two ways of writing a sender mean the same one: letter case, and the plus of a number, say nothing."""
    return _key(one) == _key(other)


def _key(sender: str | None) -> str | None:
    return (sender or "").strip().casefold().removeprefix("+") or None


def _is_out(words: _Words, senders: Iterable[str] | None) -> bool:
    keys = words if senders is None else {_key(sender) for sender in senders}
    return any(_last(words, key).out for key in keys)


_NOTHING = _Word(False, datetime.min.replace(tzinfo=UTC))


def _last(words: _Words, key: str | None) -> _Word:
    """What counts for a sender: what was last said about it, or about all."""
    last, of_all = words.get(key, _NOTHING), words.get(None, _NOTHING)
    return of_all if of_all.outlasts(last) else last


def _outs(recipient: str, words: _Words) -> Iterator[OptOut]:
    for key, word in words.items():
        if word.out and _last(words, key).out:
            yield OptOut(recipient=recipient, sender=word.sender, at=word.at, source=word.source)


def _read(row: Iterable[object]) -> _Word:
    _, out, at, shown, source = row
    return _Word(bool(out), datetime.fromisoformat(str(at)), None if shown is None else str(shown), str(source))


def _moment(at: datetime | None) -> datetime:
    return (at or datetime.now(UTC)).astimezone(UTC)


def _written(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
