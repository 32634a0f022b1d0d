"""Lists of opt-outs by recipient and sender, in memory or in a SQLite file.

The last word of a recipient counts: an opt-out, or an opt-in. An opt-out from a sender, or from all senders (None), is
undone by a later opt-in to the same sender, or to all. Webhooks come twice and out of order, so each word has the time
at which it was said, and an older word changes nothing; of two words with the same time, the opt-out counts. Some
vendors give no time: a word without a time is later than all known words. The event that brought the word is
remembered, so that a repeat of the event does not make it later still.

Numbers are kept unhashed, in a file that only its owner can read: people have to see the list, vendors have to get it,
and a hash of a phone number can be undone by trying all numbers.
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
"""The source of an opt-out that the recipient texted: only such an opt-out can be confirmed."""

_PATIENCE = 10.0
"""Seconds to wait for a list that another process is changing, if the call has that much time left."""

MOST_EVENTS = 100
"""The number of events remembered for each recipient."""

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
    made="it is empty",
    command="smsbridge optouts init",
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OptOut:
    """A recipient who wants no texts from ``sender``; if ``sender`` is None, from any sender of this application.

    ``source`` says how the opt-out became known, ``at`` is the time of the opt-out.
    """

    recipient: str
    sender: str | None = None
    at: datetime
    source: str = ""

    def __repr__(self) -> str:
        sender = mask_numbers(self.sender) if self.sender else "all"
        at = self.at.isoformat()
        return f"OptOut(recipient={mask(self.recipient)}, sender={sender}, at={at}, source={self.source!r})"


class OptOuts(Protocol):
    """A list of people who want no texts. Safe to share between threads.

    ``recipient`` is a number in E.164; ``sender`` is a number or a name, or None for all senders. ``at`` is the time of
    the opt-out or opt-in, by default now. ``event`` identifies the cause, such as a webhook: the same event has no
    effect a second time.
    """

    def add(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> None:
        """Record that ``recipient`` has opted out of texts from ``sender``; None stands for all senders."""

    def remove(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> None:
        """Record that ``recipient`` has opted in again to texts from ``sender``; None stands for all senders."""

    def holds(self, senders: Iterable[str] | None, recipient: str) -> bool:
        """Return whether ``recipient`` has opted out of texts from one of ``senders``; None means any sender."""
        ...

    def confirm(self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True) -> bool:
        """Return whether the opt-out of ``recipient`` may be confirmed with a text.

        It may be if ``recipient`` opted out in a text (the source is REPLY) at most ``within`` ago, and no confirmation
        was sent yet. ``take`` records that the confirmation is sent now, so that the next call returns false.
        """
        ...

    def __iter__(self) -> Iterator[OptOut]:
        """Iterate over all opt-outs in force, ordered by recipient."""
        ...


@dataclass(frozen=True, slots=True)
class Word:
    """The latest opt-out or opt-in of a recipient for a sender.

    ``at`` is None only until :meth:`among` gives it a time.
    """

    out: bool
    at: datetime | None
    sender: str | None = None
    source: str = ""

    @property
    def key(self) -> str | None:
        """The sender in a form in which equal senders are equal strings; None for all senders."""
        return _key(self.sender)

    @property
    def moment(self) -> datetime:
        """The time of the opt-out or opt-in."""
        return self.at or _EVER

    def outlasts(self, other: Word | None) -> bool:
        """Return whether this opt-out or opt-in is later than ``other``, and so replaces it."""
        return other is None or (self.moment, self.out) > (other.moment, other.out)

    def among(self, words: Words) -> Word:
        """Return this opt-out or opt-in with a time.

        If it has no time, it gets the present time, or a time just after the latest of ``words`` about the same sender
        if that is later.
        """
        if self.at is not None:
            return self
        known = [word.moment for key, word in words.items() if self.key is None or key in (None, self.key)]
        next_one = min(max(known, default=_EVER), _NEVER - _MICROSECOND) + _MICROSECOND
        return replace(self, at=max(datetime.now(UTC), next_one))


Words = Mapping[str | None, Word]
_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class WordList(ABC):
    """The base of lists of opt-outs, with the methods that all of them share."""

    def add(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> None:
        self._put([(recipient, Word(True, _in_utc(at), sender, source), event)])

    def remove(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> None:
        self._put([(recipient, Word(False, _in_utc(at), sender, source), event)])

    def add_all(self, rows: Iterable[tuple[str | None, str]], *, source: str = "") -> None:
        """Record several opt-outs together: all of them, or none if that fails.

        Each of ``rows`` is a sender (None: all senders) and a recipient.
        """
        self._put((recipient, Word(True, None, sender, source), "") for sender, recipient in rows)

    @abstractmethod
    def _put(self, rows: Iterable[tuple[str, Word, str]]) -> None:
        """Keep the word of each recipient, unless its event is already known."""


class MemoryOptOuts(WordList):
    """A list of opt-outs in memory, which ends with the process."""

    def __init__(self) -> None:
        self._words: dict[str, dict[str | None, Word]] = {}
        self._events: dict[str, dict[str, None]] = {}
        self._confirmed: dict[tuple[str, str | None], datetime] = {}
        self._lock = fresh_lock()

    def holds(self, senders: Iterable[str] | None, recipient: str) -> bool:
        with self._lock:
            return bool(in_force(self._words.get(recipient, {}), senders))

    def confirm(self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True) -> bool:
        with self._lock:
            found = to_confirm(self._words.get(recipient, {}), senders, within)
            if not found or any(self._confirmed.get((recipient, word.key)) == word.at for word in found):
                return False
            if take:
                self._confirmed.update({(recipient, word.key): word.moment for word in found})
            return True

    def __iter__(self) -> Iterator[OptOut]:
        with self._lock:
            found = [out for recipient in sorted(self._words) for out in shown_of(recipient, self._words[recipient])]
        return iter(found)

    def _put(self, rows: Iterable[tuple[str, Word, str]]) -> None:
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


class SqliteOptOuts(WordList):
    """A list of opt-outs in the SQLite file ``path``, which is created with mode 0600 unless ``create`` is false.

    With ``joins``, the list may be added to an existing file of smsbridge that keeps other data, such as a ledger.
    Several processes may use the list at the same time. Raises ConfigurationError if the file cannot be such a list,
    and OSError if it later cannot be read or written, or was replaced by another file.
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
        return bool(in_force(words, senders))

    def confirm(self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True) -> bool:
        with self._changed() as database:
            found = to_confirm(_words_of(database, recipient), senders, within)
            rows = [(recipient, word.key or "", _written(word.moment)) for word in found]
            done = "SELECT 1 FROM confirmations WHERE recipient = ? AND sender = ? AND at = ?"
            if not rows or any(database.execute(done, row).fetchone() for row in rows):
                return False
            if take:
                database.executemany("INSERT OR REPLACE INTO confirmations VALUES (?, ?, ?)", rows)
            return True

    def __iter__(self) -> Iterator[OptOut]:
        words: dict[str, dict[str | None, Word]] = {}
        with self._opened() as database:
            for recipient, *row in database.execute(
                "SELECT recipient, sender, out, at, shown, source FROM words ORDER BY recipient"
            ):
                words.setdefault(recipient, {})[row[0]] = _read(row)
        return (out for recipient, known in words.items() for out in shown_of(recipient, known))

    def _put(self, rows: Iterable[tuple[str, Word, str]]) -> None:
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
            f"DELETE FROM events WHERE recipient = ? AND rowid <= ({last})",  # noqa: S608  # a query of ours
            [recipient, recipient, MOST_EVENTS],
        )
        return True

    @contextlib.contextmanager
    def _changed(self) -> Iterator[sqlite3.Connection]:
        """Open a connection and a transaction that excludes other writers: all is kept, or nothing if it fails."""
        # The second context is the transaction.
        with self._opened() as database, database:
            database.execute("BEGIN IMMEDIATE")
            yield database
            self._file.change(database)
        self._file.kept()

    def _problem(self) -> str | None:
        """Return why the file cannot be used as a list; None if it can."""
        try:
            with self._opened():
                pass
            # SQLite would open such a file read-only.
            if not os.access(self._path, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except NotOurs as error:
            return str(error)
        except OSError as error:
            cause = error.__cause__ or error
            return f"the list of opt-outs {self._path} cannot be used: {getattr(cause, 'strerror', None) or cause}"
        return None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Open a connection for a single use, so that no thread, process or replaced file shares it. Takes 0.4 ms."""
        try:
            patience = max(0.0, min(_PATIENCE, time_left()))
            with unforked(), contextlib.closing(self._file.connect(timeout=patience)) as database:
                yield database
        except sqlite3.Error as error:
            raise OSError(
                f"the list of opt-outs {self._path} cannot be used ({type(error).__name__}): check the file"
            ) from error


def same_sender(first: str, second: str) -> bool:
    """Return whether two spellings mean the same sender. Letter case and the plus of a number do not matter."""
    return _key(first) == _key(second)


def _key(sender: str | None) -> str | None:
    return (sender or "").strip().casefold().removeprefix("+") or None


def in_force(words: Words, senders: Iterable[str] | None) -> list[Word]:
    """Return, out of ``words``, the opt-outs that stop texts from one of ``senders``; None means any sender."""
    keys = words if senders is None else {_key(sender) for sender in senders}
    last = {word.key: word for word in (_last(words, key) for key in keys)}
    return [word for word in last.values() if word.out]


def to_confirm(words: Words, senders: Iterable[str] | None, within: timedelta) -> list[Word]:
    """Return the opt-outs from ``senders`` if the recipient opted out of all of them in texts at most ``within`` ago.

    Otherwise the list is empty.
    """
    found, since = in_force(words, senders), datetime.now(UTC) - within
    return found if all(word.source == REPLY and word.moment > since for word in found) else []


_NOTHING = Word(False, _EVER)


def _last(words: Words, key: str | None) -> Word:
    """Return the word that counts for a sender: the last word about it or about all senders."""
    last, of_all = words.get(key, _NOTHING), words.get(None, _NOTHING)
    return of_all if of_all.outlasts(last) else last


def shown_of(recipient: str, words: Words) -> Iterator[OptOut]:
    for key, word in words.items():
        if word.out and _last(words, key).out:
            yield OptOut(recipient=recipient, sender=word.sender, at=word.moment, source=word.source)


def _words_of(database: sqlite3.Connection, recipient: str) -> dict[str | None, Word]:
    asked = "SELECT sender, out, at, shown, source FROM words WHERE recipient = ?"
    return {row[0]: _read(row) for row in database.execute(asked, [recipient])}


def _read(row: Iterable[object]) -> Word:
    _, out, at, shown, source = row
    return Word(bool(out), datetime.fromisoformat(str(at)), None if shown is None else str(shown), str(source))


def _in_utc(at: datetime | None) -> datetime | None:
    return at and at.astimezone(UTC)


def _written(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
