"""Who does not want to be texted: a list by recipient and sender, in memory or in a SQLite file.

The last word counts. An opt-out from one sender, and one from all (sender None), are taken back by a later word for the
same sender, or for all. Webhooks come twice and out of order, so each word has the time when it was said, and an older
one changes nothing; of two words of one moment, the opt-out counts. Not every vendor says when: a word without a time
is later than all that are known, and the event that brought it is remembered, so that it is not later still when it
comes again.

Numbers are kept as they are, in a file that only its owner can read: the list has to be shown to people and handed to
vendors, and a hash of a phone number is undone by trying all of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from smsbridge.deadline import time_left
from smsbridge.errors import ConfigurationError
from smsbridge.forks import fresh_lock, unforked
from smsbridge.own_file import Kind, NotOurs, OwnFile
from smsbridge.phone import mask, mask_numbers

__all__ = [
    "REPLY",
    "MemoryOptOuts",
    "OptOut",
    "OptOuts",
    "SqliteOptOuts",
    "same_sender",
]

REPLY = "reply"
"""The source of what a person said in a text of their own: only such an opt-out can be confirmed."""

_PATIENCE = 10.0
"""Seconds that a list which another process is changing is waited for, if a call has so many left."""

MOST_EVENTS = 100
"""Events that are remembered for each recipient."""

LIST = Kind(
    what="list of opt-outs",
    proof="SELECT recipient, sender, shown, out, at, source FROM words LIMIT 1",
    schema=(
        """CREATE TABLE IF NOT EXISTS words (
            recipient TEXT NOT NULL,
            sender TEXT,               -- as it is compared; NULL stands for all senders
            shown TEXT,                -- as it was given
            out INTEGER NOT NULL,
            at TEXT NOT NULL,          -- UTC, ISO 8601 of one length, so that texts compare like times
            source TEXT NOT NULL
        )""",
        "CREATE UNIQUE INDEX IF NOT EXISTS words_of ON words (recipient, ifnull(sender, ''))",
        """CREATE TABLE IF NOT EXISTS events (       -- what brought words, by rowid in the order in which it came
            recipient TEXT NOT NULL,
            event TEXT NOT NULL,
            PRIMARY KEY (recipient, event)
        )""",
        """CREATE TABLE IF NOT EXISTS confirmations (
            recipient TEXT NOT NULL,
            sender TEXT NOT NULL,      -- as it is compared; '' stands for all senders
            at TEXT NOT NULL,          -- of the opt-out that was confirmed
            PRIMARY KEY (recipient, sender)
        )""",
    ),
    made="nobody is on it",
    command="smsbridge optouts init",
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OptOut:
    """Somebody who does not want texts from ``sender``, or (None) from anybody of ours. ``source`` says how we know."""

    recipient: str
    sender: str | None = None
    at: datetime
    source: str = ""

    def __repr__(self) -> str:
        sender = mask_numbers(self.sender) if self.sender else "all"
        at = self.at.isoformat()
        return f"OptOut(recipient={mask(self.recipient)}, sender={sender}, at={at}, source={self.source!r})"


class OptOuts(Protocol):
    """A list of opt-outs. ``recipient`` is E.164; ``sender`` is a number or a name, or None for all of our senders.

    ``at`` is when it was said, by default now. ``event`` names what brought it, such as a webhook: the same one a
    second time changes nothing. Safe to share between threads.
    """

    def add(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> None:
        """``recipient`` has opted out."""

    def remove(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> None:
        """``recipient`` has opted in again; with sender None to texts from all senders."""

    def holds(self, senders: Iterable[str] | None, recipient: str) -> bool:
        """Whether ``recipient`` has opted out from one of ``senders``; None asks for any sender."""
        ...

    def confirm(self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True) -> bool:
        """Whether one text, which confirms the opt-out, may still go there. With ``take``, no other one may after it.

        It may if ``recipient`` opted out in a text (the source is REPLY) at most ``within`` ago.
        """
        ...

    def __iter__(self) -> Iterator[OptOut]:
        """All opt-outs that are in force, by recipient."""
        ...


@dataclass(frozen=True, slots=True)
class _Word:
    """The last that somebody said about a sender. ``at`` is None only until the word is held against the others."""

    out: bool
    at: datetime | None
    sender: str | None = None
    source: str = ""

    @property
    def key(self) -> str | None:
        """The sender as it is compared."""
        return _key(self.sender)

    @property
    def moment(self) -> datetime:
        """When it was said."""
        return self.at or _EVER

    def outlasts(self, other: _Word | None) -> bool:
        """Whether this one counts after ``other``."""
        return other is None or (self.moment, self.out) > (other.moment, other.out)

    def among(self, words: _Words) -> _Word:
        """The word with its time: where it has none, now, and later than all that is known, whatever our clock says."""
        if self.at is not None:
            return self
        known = [word.moment for key, word in words.items() if self.key is None or key in (None, self.key)]
        next_one = min(max(known, default=_EVER), _NEVER - _MICROSECOND) + _MICROSECOND
        return replace(self, at=max(datetime.now(UTC), next_one))


_Words = Mapping[str | None, _Word]
_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _List(ABC):
    """What the lists have in common."""

    def add(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> None:
        self._put([(recipient, _Word(True, _in_utc(at), sender, source), event)])

    def remove(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> None:
        self._put([(recipient, _Word(False, _in_utc(at), sender, source), event)])

    def add_all(self, rows: Iterable[tuple[str | None, str]], *, source: str = "") -> None:
        """Several at once, each a sender and a recipient; all of them, or none if it fails."""
        self._put((recipient, _Word(True, None, sender, source), "") for sender, recipient in rows)

    @abstractmethod
    def _put(self, rows: Iterable[tuple[str, _Word, str]]) -> None:
        """Keep what each recipient said, unless its event was here already."""


class MemoryOptOuts(_List):
    """A list that ends with the process."""

    def __init__(self) -> None:
        self._words: dict[str, dict[str | None, _Word]] = {}
        self._events: dict[str, dict[str, None]] = {}
        self._confirmed: dict[tuple[str, str | None], datetime] = {}
        self._lock = fresh_lock()

    def holds(self, senders: Iterable[str] | None, recipient: str) -> bool:
        with self._lock:
            return bool(_opt_outs(self._words.get(recipient, {}), senders))

    def confirm(self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True) -> bool:
        with self._lock:
            found = _to_confirm(self._words.get(recipient, {}), senders, within)
            if not found or any(self._confirmed.get((recipient, word.key)) == word.at for word in found):
                return False
            if take:
                self._confirmed.update({(recipient, word.key): word.moment for word in found})
            return True

    def __iter__(self) -> Iterator[OptOut]:
        with self._lock:
            found = [out for recipient in sorted(self._words) for out in _shown(recipient, self._words[recipient])]
        return iter(found)

    def _put(self, rows: Iterable[tuple[str, _Word, str]]) -> None:
        with self._lock:
            for recipient, said_word, event in rows:
                if not event or self._is_new(recipient, event):
                    words = self._words.setdefault(recipient, {})
                    word = said_word.among(words)
                    if word.outlasts(words.get(word.key)):
                        words[word.key] = word

    def _is_new(self, recipient: str, event: str) -> bool:
        events = self._events.setdefault(recipient, {})
        if event in events:
            return False
        events[event] = None
        if len(events) > MOST_EVENTS:
            del events[next(iter(events))]
        return True


class SqliteOptOuts(_List):
    """A list in the SQLite file ``path``, made with mode 0600 unless ``create`` is false.

    With ``joins``, it comes into a file of ours that has something else.

    Several processes may use it at once. Raises ConfigurationError if it cannot be one, and OSError where it cannot be
    read or written later, or is another than before.
    """

    def __init__(self, path: Path, *, create: bool = True, joins: bool = False) -> None:
        self._path = path
        self._file = OwnFile(path, LIST, create=create, joins=joins)
        problem = self._problem()
        if problem is not None:
            raise ConfigurationError(problem)

    def holds(self, senders: Iterable[str] | None, recipient: str) -> bool:
        with self._opened() as database:
            words = _words_of(database, recipient)
        return bool(_opt_outs(words, senders))

    def confirm(self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True) -> bool:
        with self._changed() as database:
            found = _to_confirm(_words_of(database, recipient), senders, within)
            rows = [(recipient, word.key or "", _written(word.moment)) for word in found]
            done = "SELECT 1 FROM confirmations WHERE recipient = ? AND sender = ? AND at = ?"
            if not rows or any(database.execute(done, row).fetchone() for row in rows):
                return False
            if take:
                database.executemany("INSERT OR REPLACE INTO confirmations VALUES (?, ?, ?)", rows)
            return True

    def __iter__(self) -> Iterator[OptOut]:
        words: dict[str, dict[str | None, _Word]] = {}
        with self._opened() as database:
            for recipient, *row in database.execute(
                "SELECT recipient, sender, out, at, shown, source FROM words ORDER BY recipient"
            ):
                words.setdefault(recipient, {})[row[0]] = _read(row)
        return (out for recipient, known in words.items() for out in _shown(recipient, known))

    def _put(self, rows: Iterable[tuple[str, _Word, str]]) -> None:
        with self._changed() as database:
            for recipient, said_word, event in rows:
                if not event or self._is_new(database, recipient, event):
                    words = _words_of(database, recipient)
                    word = said_word.among(words)
                    if word.outlasts(words.get(word.key)):
                        database.execute(
                            "INSERT INTO words (recipient, sender, shown, out, at, source) VALUES (?, ?, ?, ?, ?, ?)"
                            " ON CONFLICT (recipient, ifnull(sender, '')) DO UPDATE SET"
                            " shown = excluded.shown, out = excluded.out, at = excluded.at, source = excluded.source",
                            [recipient, word.key, word.sender, word.out, _written(word.moment), word.source],
                        )

    def _is_new(self, database: sqlite3.Connection, recipient: str, event: str) -> bool:
        if not database.execute("INSERT OR IGNORE INTO events VALUES (?, ?)", [recipient, event]).rowcount:
            return False
        last = "SELECT rowid FROM events WHERE recipient = ? ORDER BY rowid DESC LIMIT 1 OFFSET ?"
        database.execute(
            f"DELETE FROM events WHERE recipient = ? AND rowid <= ({last})",  # noqa: S608  # of our own making
            [recipient, recipient, MOST_EVENTS],
        )
        return True

    @contextlib.contextmanager
    def _changed(self) -> Iterator[sqlite3.Connection]:
        """A connection to read and change at once, before any other process does: all of it, or nothing if it fails."""
        with self._opened() as database, database:  # the second one is the transaction
            database.execute("BEGIN IMMEDIATE")
            yield database
            self._file.change(database)
        self._file.kept()

    def _problem(self) -> str | None:
        """What keeps the file from being a list."""
        try:
            with self._opened():
                pass
            if not os.access(self._path, os.R_OK | os.W_OK):  # SQLite would open it all the same, to read alone
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except NotOurs as error:
            return str(error)
        except OSError as error:
            cause = error.__cause__ or error
            return f"the list of opt-outs {self._path} cannot be used: {getattr(cause, 'strerror', None) or cause}"
        return None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection for one use: no thread, no process and no replaced file shares it. Takes 0.4 ms."""
        try:
            patience = max(0.0, min(_PATIENCE, time_left()))
            with unforked(), contextlib.closing(self._file.connect(timeout=patience)) as database:
                yield database
        except sqlite3.Error as error:
            raise OSError(f"the list of opt-outs {self._path} cannot be used ({type(error).__name__})") from error


def same_sender(one: str, other: str) -> bool:
    """Whether two ways of writing a sender mean the same one: letter case, and the plus of a number, say nothing."""
    return _key(one) == _key(other)


def _key(sender: str | None) -> str | None:
    return (sender or "").strip().casefold().removeprefix("+") or None


def _opt_outs(words: _Words, senders: Iterable[str] | None) -> list[_Word]:
    """What stops texts from one of ``senders``, or (None) from any."""
    keys = words if senders is None else {_key(sender) for sender in senders}
    last = {word.key: word for word in (_last(words, key) for key in keys)}
    return [word for word in last.values() if word.out]


def _to_confirm(words: _Words, senders: Iterable[str] | None, within: timedelta) -> list[_Word]:
    """What stops texts from one of ``senders``, if the recipient has said all of that just now."""
    found, since = _opt_outs(words, senders), datetime.now(UTC) - within
    return found if all(word.source == REPLY and word.moment > since for word in found) else []


_NOTHING = _Word(False, _EVER)


def _last(words: _Words, key: str | None) -> _Word:
    """What counts for a sender: what was last said about it, or about all."""
    last, of_all = words.get(key, _NOTHING), words.get(None, _NOTHING)
    return of_all if of_all.outlasts(last) else last


def _shown(recipient: str, words: _Words) -> Iterator[OptOut]:
    for key, word in words.items():
        if word.out and _last(words, key).out:
            yield OptOut(recipient=recipient, sender=word.sender, at=word.moment, source=word.source)


def _words_of(database: sqlite3.Connection, recipient: str) -> dict[str | None, _Word]:
    asked = "SELECT sender, out, at, shown, source FROM words WHERE recipient = ?"
    return {row[0]: _read(row) for row in database.execute(asked, [recipient])}


def _read(row: Iterable[object]) -> _Word:
    _, out, at, shown, source = row
    return _Word(bool(out), datetime.fromisoformat(str(at)), None if shown is None else str(shown), str(source))


def _in_utc(at: datetime | None) -> datetime | None:
    return at and at.astimezone(UTC)


def _written(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
