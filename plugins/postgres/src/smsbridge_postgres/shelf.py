"""Shelf: one connection to a database, and its transactions. Used by one thread at a time, that of a Writer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from smsbridge.logs import logger
from smsbridge.stores.entries import Entry, Unwritable

from . import schema
from .words import NO_DRIVER, NO_SCHEMA, NOT_UTF8, TOO_OLD, Away, Lost, of_asking, of_connecting

if TYPE_CHECKING:
    import psycopg

    from .connection import Connection

_AGAIN = 0.05
"""Seconds between two looks at what comes back before long."""
_LONGEST_STOP = 10.0
"""Seconds after which the server gives up a transaction of a process that was stopped in the middle of it."""

_log = logger("smsbridge.stores")
_strays: list[Connection] = []
"""Connections that came along into a forked process: to close them there would end those of the parent."""


class Shelf:
    """The base of classes that keep data in the PostgreSQL database at ``url``, over one connection.

    Missing tables are made at the first use unless ``create`` is false. ``patience`` is in seconds: a statement waits
    so long for locks of other processes, and after a lost connection new connections are tried for so long. An attempt
    to connect can take longer if the server does not answer.
    """

    settings: Mapping[str, str] = MappingProxyType({})
    """Further settings of each transaction."""

    def __init__(self, url: str, *, create: bool = True, patience: float = 5.0) -> None:
        self._url = url
        self._create = create
        self._patience = patience
        self._open: Connection | None = None
        self._is_begun = False
        """Whether this transaction is."""
        self._process = os.getpid()
        self._lost_at = float("-inf")
        self._version: int | None = None
        """Of the tables; None until that is known for good."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """Open a transaction: it is committed at its end, or undone if an error is raised.

        It begins in the database with the first statement, so a transaction without statements does nothing.
        """
        done = False
        self._is_begun = False
        try:
            yield
            if self._is_begun:
                self._keep()
            done = True
        finally:
            if not done:
                self._undo()

    def close(self) -> None:
        """Close the connection. A later transaction opens another."""
        self._let_go()

    # --- what a Writer asks of what it writes to ----------------------------------------------------------------------

    def record(self, entries: Sequence[Entry]) -> int:
        """Do nothing, and return 0: only a ledger has outcomes to record."""
        return 0

    def prune(self, older_than: float, limit: int) -> int:
        """Do nothing, and return 0. Subclasses with old rows to delete override this method."""
        return 0

    # --- asking -------------------------------------------------------------------------------------------------------

    def _ask(self, query: str, values: Sequence[Any] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        """The answer to a statement. Raises Unwritable, or Unstorable for a value that cannot be kept."""
        self._begin()
        return self._perform(query, values)

    def _perform(self, query: str, values: Sequence[Any] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        from .connection import Error

        db = self._open
        if db is None:
            raise AssertionError("there is no connection")
        try:
            return db.ask(query, values)
        except Error as error:
            problem = of_asking(error, is_lost=db.closed)
        if db.closed:
            self._lost_at = time.monotonic()
        raise problem

    def _is_absent(self) -> bool:
        """Whether there are no tables yet, so that a look finds nothing and makes nothing."""
        self._begin()
        return self._version == 0

    def _need(self) -> None:
        """Have tables: made here and now, if they may be. Raises Unwritable."""
        if not self._is_absent():
            return
        if not self._create:
            raise Unwritable(NO_SCHEMA)
        if self._make() == 0:
            _log.warning("the tables of smsbridge were made in the database: it knows of no text that was sent before")
        self._version = schema.NEWEST

    def _make(self) -> int:
        """Make what the database lacks, within this transaction; the version that was there before."""
        self._ask("SELECT pg_advisory_xact_lock(%s)", [schema.LOCK])  # another process may do the same
        found = self._look()
        if found.number >= schema.NEWEST and found.problem:
            raise Unwritable(found.problem)
        for step in schema.steps()[found.number :]:
            for statement in step.statements:
                self._ask(statement)
        return found.number

    def _look(self) -> schema.Version:
        """The version of the tables that are there."""
        row = self._ask(schema.THERE_ASKED).fetchone()
        if row is None or not row[0]:
            return schema.Version(0, 0)
        about = dict(self._ask(schema.VERSION_ASKED).fetchall())
        return schema.Version(int(about.get("version", 0)), int(about.get("oldest", 0)))

    # --- transactions -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Begin the transaction, if it is not; on another connection where the one of before was lost meanwhile."""
        if self._is_begun:
            return
        if self._process != os.getpid():
            self._let_go()
            self._process = os.getpid()
        if self._open is not None:
            try:
                self._start()
            except Lost:
                self._let_go()
        if self._open is None:
            self._reach()
        self._first()

    def _first(self) -> None:
        """What comes before all else in a transaction."""

    def _start(self) -> None:
        settings = {
            "statement_timeout": f"{self._patience * 2:g}s",
            "lock_timeout": f"{self._patience:g}s",
            "idle_in_transaction_session_timeout": f"{_LONGEST_STOP:g}s",
            "timezone": "UTC",
            **self.settings,
        }
        # Of this transaction alone: behind a pooler, the connection to the server is shared.
        self._perform("; ".join(["BEGIN", *(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())]))
        self._is_begun = True
        if not self._version:
            self._version = self._checked(self._look())

    def _checked(self, found: schema.Version) -> int:
        """The version, if these tables can be used. Raises Unwritable."""
        if found.problem:
            raise Unwritable(found.problem)
        return found.number

    def _reach(self) -> None:
        """Connect and begin; again and again for a while, if a connection was lost just now."""
        while True:
            try:
                self._open = self._connected()
                self._start()
            except (Away, Lost):
                self._let_go()
                if time.monotonic() >= self._lost_at + self._patience:
                    raise
            else:
                self._lost_at = float("-inf")
                return
            time.sleep(_AGAIN)

    def _connected(self) -> Connection:
        try:
            from .connection import connect
        except ImportError:  # of libpq, say: its words may quote a path
            problem = Unwritable(NO_DRIVER)
        else:
            try:
                db = connect(self._url)
            except Exception as error:  # noqa: BLE001  # its words may quote the URL
                problem = of_connecting(error)
            else:
                words = TOO_OLD if db.is_too_old else None if db.is_utf8 else NOT_UTF8
                if words is None:
                    return db
                db.end()
                problem = Unwritable(words)
        raise problem

    def _keep(self) -> None:
        """Commit. Raises Lost if that may have been done or not: the same again does what is left to do."""
        said = self._perform("COMMIT").statusmessage
        if said != "COMMIT":  # a transaction of which a statement failed is undone without an error
            raise Unwritable("the database undid the transaction")

    def _undo(self) -> None:
        """Give up the transaction. A connection that does not even do that is let go of."""
        self._version = None
        if self._open is None:
            return
        try:
            self._perform("ROLLBACK")
        except Exception:  # noqa: BLE001  # the server undoes it when the connection is closed
            self._let_go()

    def _let_go(self) -> None:
        db, self._open, self._version, self._is_begun = self._open, None, None, False
        if db is not None and self._process != os.getpid():
            _strays.append(db)
        elif db is not None:
            db.end()
