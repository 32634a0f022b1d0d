"""Our SQLite files: each is created completely, marked as ours, and recognised when it is opened again.

These files keep texts from being sent twice, or to people who said stop. So a file that is emptied, deleted or replaced
while this process uses it is an error, and so is a file that is not ours. A file is created, with a notice, only if
there was none at first.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .logs import logger
from .private_file import close_to_others, make_private

_log = logger("smsbridge.files")
_OURS = 0x736D7362
"""Our application_id in SQLite: "smsb"."""

_TABLE = """CREATE TABLE IF NOT EXISTS smsbridge_file (
    what TEXT PRIMARY KEY, identity BLOB NOT NULL, changes INTEGER NOT NULL) WITHOUT ROWID"""
_NAME = re.compile(r"CREATE (?:UNIQUE )?(?:TABLE|INDEX) IF NOT EXISTS (\w+)")
_REPLACED = "was replaced by another file while in use"
_BESIDE = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Kind:
    """The description of a kind of SQLite file that smsbridge writes, such as the file of the ledger.

    ``what`` names the kind. ``schema`` creates the missing tables of a file; ``proof`` is a query that succeeds only on
    a file of this kind. ``made`` says which knowledge a newly created file lacks. ``command`` is the command that
    creates a file on purpose. A kind with ``comes_along`` may be created within any existing file of smsbridge, because
    the knowledge that it lacks soon becomes irrelevant. ``upgrade`` prepares tables of an earlier version for
    ``schema``.
    """

    what: str
    proof: str
    schema: tuple[str, ...]
    made: str
    command: str
    comes_along: bool = False
    upgrade: Callable[[sqlite3.Connection], None] | None = None

    def only_on_purpose(self, path: Path) -> str:
        """Return the error for a file missing at ``path`` in production, where only the command creates a file."""
        words = "and none is made on the way where SMSBRIDGE_ENV is production"
        return f"there is no {self.what} at {path}, {words}: {self.command} makes one"


class NotOurs(OSError):
    """Raised if an SQLite file is not the file that was expected. ``problem`` says what is wrong, and what to do."""

    def __init__(self, what: str, path: Path, problem: str) -> None:
        super().__init__(f"the {what} {path} cannot be used: {problem}")
        self.path = path
        self.problem = problem


@dataclass(slots=True)
class _Known:
    """The knowledge of this process about a file: its identity, and how often it was changed at least.

    ``place`` is its place on the disk, if another file was once found there: only the very same file may be used again.
    """

    identity: bytes
    changes: int
    place: tuple[int, int] | None = None


_known: dict[tuple[str, str], _Known] = {}


def forget_all() -> None:
    """Forget all files that this process has used, as a new process would. This is for tests."""
    _known.clear()


def is_known(kind: Kind, path: Path) -> bool:
    """Return whether this process has used a file of this kind at ``path`` before.

    A link at ``path`` is not followed.
    """
    # A link is not followed.
    return (kind.what, os.path.abspath(path)) in _known  # noqa: PTH100


@dataclass(slots=True)
class OwnFile:
    """An SQLite file of the given ``kind`` at ``path``, or at the target of a link there.

    If ``create`` is true, opening creates the file if it is absent. With ``joins``, the tables of this kind may be
    added to an existing file of smsbridge that has only other kinds.
    """

    path: Path
    kind: Kind
    create: bool = True
    joins: bool = False
    _there: tuple[int, int] | None = None
    _real: str = ""
    _beside: deque[tuple[str, int]] = field(default_factory=deque)
    _changes: int = 0
    _whole: bool = False
    _on_purpose: bool = False
    """Whether ``init`` makes the kind: a command says so itself, so that no warning is needed."""

    def connect(self, **options: Any) -> sqlite3.Connection:
        """Open a connection to the file, and create the file if that is allowed.

        ``options`` are those of ``sqlite3.connect``. Raises NotOurs if another file is there, and OSError or
        sqlite3.Error if the file cannot be opened.
        """
        close_to_others(self.path)
        real = os.path.realpath(self.path)
        self._make_if_absent(real)
        # This mode never creates a file.
        address = f"{Path(real).as_uri()}?mode=rw"
        database: sqlite3.Connection = sqlite3.connect(address, uri=True, isolation_level=None, **options)
        try:
            self._recognise(database)
        except BaseException:
            database.close()
            raise
        self._there, self._real = _place(real), real
        self._beside.clear()
        return database

    def check(self) -> None:
        """Raise NotOurs if the file at ``path`` is no longer the file that was opened."""
        try:
            self._check()
        except NotOurs:
            known = _known.get(self._key)
            if known is not None:
                known.place = known.place or self._there
            raise

    def _check(self) -> None:
        try:
            # Called for each text, and a Path takes longer.
            found = os.stat(self.path)  # noqa: PTH116
        except OSError:
            raise self._wrong("was deleted while in use") from None
        if found.st_size == 0:
            raise self._wrong("was emptied while in use")
        if (found.st_dev, found.st_ino) != self._there:
            raise self._wrong(_REPLACED)
        if self._beside:
            name, inode = self._beside[0]
            # One file in turn: they are lost together, and a check takes as long as all the rest.
            self._beside.rotate()
            if _inode(name) != inode:
                raise self._wrong(f"lost {os.path.basename(name)}, a part of it, while in use")  # noqa: PTH119

    def note_beside(self) -> None:
        """Remember the files that SQLite keeps beside this file, so that :meth:`check` notices when they are replaced.

        Call this within the first transaction. If other files replace the files beside it, their content is lost.
        """
        if not self._beside:
            names = [f"{self._real}{ending}" for ending in _BESIDE]
            self._beside.extend((name, inode) for name in names if (inode := _inode(name)) is not None)

    def change(self, database: sqlite3.Connection) -> None:
        """Add 1 to the count of changes in the file, within the transaction that changes the file.

        A file with a lower count than this process knows of is an older copy.
        """
        database.execute("UPDATE smsbridge_file SET changes = changes + 1 WHERE what = ?", [self.kind.what])
        self._changes = self._row(database)[1]

    def kept(self) -> None:
        """Remember the new count of changes. Call this after the transaction of :meth:`change` was committed."""
        known = _known.get(self._key)
        if known is not None:
            known.changes = max(known.changes, self._changes)

    def count(self, database: sqlite3.Connection) -> bool:
        """Add 1 to the count of changes in the file, in a separate transaction, without waiting for a lock.

        Returns whether that succeeded.
        """
        known = _known.get(self._key)
        # Nothing is written into an emptied file.
        if _size(self._real) == 0 and known is not None:
            known.changes += 1
            return True
        try:
            database.rollback()
            database.execute("PRAGMA busy_timeout = 0")
            with _transaction(database):
                self.change(database)
        except sqlite3.Error:
            return False
        self.kept()
        return True

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def _key(self) -> tuple[str, str]:
        return self.kind.what, os.path.abspath(self.path)  # noqa: PTH100

    def _make_if_absent(self, real: str) -> None:
        used = self._key in _known
        try:
            size = os.stat(real).st_size  # noqa: PTH116
        except FileNotFoundError:
            if used:
                raise self._wrong("was deleted while in use") from None
            if not self.create:
                raise self._error(f"it is not there; {self.kind.command} makes one") from None
            if self._make():
                _log.warning("a new %s was made at %s: %s", self.kind.what, str(self.path), self.kind.made)
            return
        if size == 0:
            raise self._wrong("was emptied while in use" if used else "is empty, which one of ours never is")
        if used and _known[self._key].place not in (None, _place(real)):
            raise self._wrong(_REPLACED)

    def init(self) -> bool:
        """Create the file on purpose, also where an empty file is. Returns false if a file of this kind already exists.

        Raises the same errors as :meth:`connect`.
        """
        real = os.path.realpath(self.path)
        close_to_others(self.path)
        size = _size(real)
        if size is None:
            return self._make()
        if size > 0:
            return self._init_in()
        with contextlib.closing(sqlite3.connect(real, isolation_level=None)) as database:
            self._mark(database)
        close_to_others(self.path)
        return True

    def _init_in(self) -> bool:
        with contextlib.closing(
            sqlite3.connect(f"{Path(os.path.realpath(self.path)).as_uri()}?mode=ro", uri=True)
        ) as db:
            try:
                joins = self.joins and not self._is_in(db)
            # It is not ours, or older than the marks.
            except sqlite3.DatabaseError:
                joins = False
        self._on_purpose = True
        self.connect().close()
        return joins

    def _make(self) -> bool:
        """Create the file completely or not at all. Returns false if another process was faster."""
        real = os.path.realpath(self.path)
        draft = f"{real}.{secrets.token_hex(6)}.new"
        make_private(Path(draft))
        try:
            with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as database:
                self._mark(database)
            made = _move(draft, real)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)  # noqa: PTH108
        return made

    def _mark(self, database: sqlite3.Connection) -> None:
        with _transaction(database):
            database.execute(f"PRAGMA application_id = {_OURS}")
            if self.kind.upgrade is not None:
                self.kind.upgrade(database)
            for statement in (_TABLE, *self.kind.schema):
                database.execute(statement)
            row = [self.kind.what, secrets.token_bytes(16)]
            database.execute("INSERT OR IGNORE INTO smsbridge_file VALUES (?, ?, 0)", row)

    def _recognise(self, database: sqlite3.Connection) -> None:
        """Raise NotOurs unless the file is of this kind, and the same as before."""
        try:
            (mark,) = database.execute("PRAGMA application_id").fetchone()
            if mark != _OURS:
                self._take_for_ours(database)
            if self.joins and not self._is_in(database):
                self._join(database)
            identity, changes = self._row(database)
            known = _known.get(self._key)
            # It is of an earlier version.
            if not self._whole and not self._is_whole(database):
                self._mark(database)
            self._whole = True
        # For example, it is locked.
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise self._foreign(str(error)) from None
        if known is not None and known.identity != identity:
            raise self._wrong(f"was replaced by another {self.kind.what} while in use")
        if known is not None and known.changes > changes:
            raise self._wrong("was replaced by an older copy of it while in use")
        _known[self._key] = _Known(identity, changes, known.place if known is not None else None)

    def _is_in(self, database: sqlite3.Connection) -> bool:
        asked = "SELECT 1 FROM smsbridge_file WHERE what = ?"
        return database.execute(asked, [self.kind.what]).fetchone() is not None

    def _join(self, database: sqlite3.Connection) -> None:
        if self._key in _known:
            raise self._wrong(_REPLACED)
        if not (self.create or self.kind.comes_along):
            raise self._error(f"it has no {self.kind.what}; {self.kind.command} makes one")
        self._mark(database)
        if not self._on_purpose:
            _log.warning("a new %s was made in %s: %s", self.kind.what, str(self.path), self.kind.made)

    def _is_whole(self, database: sqlite3.Connection) -> bool:
        there = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        return there.issuperset(_NAME.findall(" ".join(self.kind.schema)))

    def _row(self, database: sqlite3.Connection) -> tuple[bytes, int]:
        ask = "SELECT identity, changes FROM smsbridge_file WHERE what = ?"
        found: tuple[bytes, int] | None = database.execute(ask, [self.kind.what]).fetchone()
        if found is None:
            others = [what for (what,) in database.execute("SELECT what FROM smsbridge_file")]
            raise self._error(f"it is no {self.kind.what}, but a {', '.join(others)}: name another file")
        return found

    def _take_for_ours(self, database: sqlite3.Connection) -> None:
        """Mark a file that is older than the marks. Raises NotOurs if it is not of this kind."""
        try:
            database.execute(self.kind.proof).fetchone()
        except sqlite3.OperationalError as error:
            if "no such" not in str(error):
                raise
            raise self._foreign("it has other tables") from None
        self._mark(database)

    def _foreign(self, why: str) -> NotOurs:
        return self._error(f"it is no {self.kind.what} of smsbridge ({why}), and is left alone: name another file")

    def _wrong(self, what: str) -> NotOurs:
        kind = self.kind
        return self._error(
            f"it {what}; put back what was there, or begin a new {kind.what} ({kind.made}): take this away, "
            f"run {kind.command}, and restart what uses it"
        )

    def _error(self, problem: str) -> NotOurs:
        return NotOurs(self.kind.what, self.path, problem)


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _move(draft: str, real: str) -> bool:
    """Rename ``draft`` to ``real``, unless that exists. Returns whether it was renamed."""
    try:
        os.link(draft, real)
    except FileExistsError:
        return False
    # A file system without links.
    except OSError:
        if os.path.exists(real):  # noqa: PTH110
            return False
        os.rename(draft, real)  # noqa: PTH104
    # Some systems cannot open a folder.
    with contextlib.suppress(OSError):
        folder = os.open(os.path.dirname(real), os.O_RDONLY)  # noqa: PTH120
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return True


def _place(name: str) -> tuple[int, int]:
    found = os.stat(name)  # noqa: PTH116
    return found.st_dev, found.st_ino


def _size(name: str) -> int | None:
    try:
        return os.stat(name).st_size  # noqa: PTH116
    except OSError:
        return None


def _inode(name: str) -> int | None:
    try:
        return os.stat(name).st_ino  # noqa: PTH116
    except OSError:
        return None
