"""SqliteFile: the connection to a SQLite file of ours, and its transactions. One thread at a time uses it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from smsbridge.own_file import Kind, NotOurs, OwnFile

from .entries import Unwritable

Sync = Literal["normal", "full"]
_AGAIN = 0.01
_strays: list[sqlite3.Connection] = []
"""Connections inherited by a forked process: closing them there would harm the parent's connections."""


class SqliteFile:
    """The base of classes that keep tables of one ``kind`` in the SQLite file at ``path``.

    The file is created with mode 0600 unless ``create`` is false. A commit survives the death of every process if
    ``sync`` is ``normal``, and also a crash of the machine if it is ``full``, which costs an fsync for each commit.
    ``patience`` is how many seconds to wait for other processes. With ``joins``, the tables may be added to an existing
    file of smsbridge that keeps other kinds of data.
    """

    about: str
    """The name of the table that holds the version, under the name ``version``."""
    version: str

    def __init__(
        self,
        path: Path,
        kind: Kind,
        *,
        sync: Sync = "normal",
        patience: float = 5.0,
        create: bool = True,
        joins: bool = False,
    ) -> None:
        self._path = path
        self._sync = sync
        self._patience = patience
        self._file = OwnFile(path, kind, create=create, joins=joins)
        self._open: sqlite3.Connection | None = None
        self._process = 0
        self._changed = False

    @contextmanager
    def together(self) -> Iterator[None]:
        """Open a transaction that excludes all other writers: committed at its end, undone if an error is raised.

        Raises Unwritable if the file cannot be read or written.
        """
        done = False
        try:
            db = self._connection()
            self._file.check()
            db.execute("BEGIN IMMEDIATE")
            self._file.note_beside()
            yield
            db.execute("COMMIT")
            done = True
        except NotOurs as error:
            self.close()
            raise Unwritable(f"{error.problem} ({self._path})") from None
        except (sqlite3.Error, OSError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise Unwritable(f"{words} ({self._path})") from None
        finally:
            if not done:
                # This undoes the transaction; the next use opens a new connection.
                self._let_go()

    def close(self) -> None:
        """Close the connection. A later transaction opens another.

        Before that, the number of changes is written into the file, so that an older copy of the file can be recognised
        later.
        """
        if self._changed and self._open is not None and self._process == os.getpid():
            self._changed = not self._file.count(self._open)
        self._let_go()

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def _db(self) -> sqlite3.Connection:
        if self._open is None:
            raise AssertionError("only within together()")
        return self._open

    def _let_go(self) -> None:
        db, self._open = self._open, None
        if db is not None and self._process != os.getpid():
            _strays.append(db)
        elif db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def _connection(self) -> sqlite3.Connection:
        if self._process != os.getpid():
            self._let_go()
            self._process = os.getpid()
        if self._open is None:
            # Any thread may close it, and only one thread at a time uses it.
            db = self._file.connect(timeout=self._patience, check_same_thread=False)
            try:
                self._set_up(db)
                self._open = db
            finally:
                if self._open is not db:
                    db.close()
            return db
        return self._open

    def _set_up(self, db: sqlite3.Connection) -> None:
        until = time.monotonic() + self._patience
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL")
                break
            # Another process creates the file at the same time; SQLite does not wait for it here.
            except sqlite3.OperationalError:
                if time.monotonic() >= until:
                    raise
                time.sleep(_AGAIN)
        db.execute(f"PRAGMA synchronous = {self._sync}")
        asked = f"SELECT value FROM {self.about} WHERE name = 'version'"  # noqa: S608  # a name of ours
        if db.execute(asked).fetchone()[0] != self.version:
            raise sqlite3.DatabaseError(
                "it was made by another version of smsbridge: use that version, or name another file"
            )
