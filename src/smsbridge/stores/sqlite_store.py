"""SqliteStore: a store with all parts in a SQLite file, for the threads, tasks and processes of a machine.

Each part has its own tables, created at first use. A ledger or a list of opt-outs of an earlier version is such a file
with one part.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from smsbridge.errors import ConfigurationError
from smsbridge.own_file import Kind, NotOurs, OwnFile
from smsbridge.private_file import obstacle
from smsbridge.rehearsal import newest

from .kept import FileEntries, WrittenCounters
from .listed import CalledOptOuts
from .opt_outs import LIST, SqliteOptOuts
from .sqlite import SqliteBook
from .sqlite_counts import COUNTS, SqliteCounts
from .sqlite_schema import LEDGER
from .writer import Writer, shared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .seam import Part
    from .sqlite_file import Sync

_KINDS: Mapping[Part, Kind] = {"entries": LEDGER, "opt_outs": LIST, "counters": COUNTS}
_BEGINS = "sqlite:///"


class SqliteStore:
    """A store in the SQLite file at ``path``, which is created with mode 0600 unless ``create`` is false.

    With ``joins``, a missing part may be added to an existing file of smsbridge that has other parts.
    """

    def __init__(self, path: Path, *, create: bool = True, joins: bool = True) -> None:
        self.given = path
        self.path = path.absolute()
        self._create = create
        self._joins = joins

    def entries(self, *, keep: timedelta, sync: Sync = "normal") -> FileEntries:
        def make() -> Writer[SqliteBook]:
            return Writer(SqliteBook(self.path, sync=sync, create=self._create, joins=self._joins), keep=keep)

        which = (SqliteBook, self.path, sync, keep, self._create, self._joins)
        return FileEntries(shared(which, make), self.path, LEDGER)

    def counters(self) -> WrittenCounters:
        self._refuse_absent(COUNTS)

        def make() -> Writer[SqliteCounts]:
            return Writer(SqliteCounts(self.path, create=self._create), keep=timedelta(0))

        return WrittenCounters(shared((SqliteCounts, self.path, self._create), make), self.path)

    def opt_outs(self) -> CalledOptOuts:
        self._refuse_absent(LIST)
        return CalledOptOuts(SqliteOptOuts(self.path, create=self._create, joins=self._joins))

    def problem(self, part: Part) -> str | None:
        found = obstacle(self.given)
        if found is not None or newest() is not None or not self.path.is_file():
            return found
        try:
            OwnFile(self.given, _KINDS[part], create=False, joins=self._joins).connect(timeout=5).close()
        except NotOurs as error:
            return f"{error.problem} ({self.given})"
        except (OSError, sqlite3.Error) as error:
            return f"{getattr(error, 'strerror', None) or error} ({self.given})"
        return None

    def init(self, part: Part) -> bool:
        kind = _KINDS[part]
        problem = obstacle(self.path)
        try:
            if problem is None:
                return OwnFile(self.path, kind, joins=self._joins).init()
        except NotOurs as error:
            problem = error.problem
        except (OSError, sqlite3.Error) as error:
            problem = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"the {kind.what} {self.given} cannot be made: {problem}")

    def _refuse_absent(self, kind: Kind) -> None:
        """Raise ConfigurationError in production if the file is missing: there, only a command creates it."""
        # A Path raises if the name is too long.
        if not self._create and not os.path.exists(self.path):  # noqa: PTH110
            raise ConfigurationError(kind.only_on_purpose(self.path))


def open_url(url: str, *, create: bool = True) -> SqliteStore:
    """Return the store of a URL such as ``sqlite:///relative.db`` or ``sqlite:////absolute.db``.

    Raises ConfigurationError if the URL has another form.
    """
    path = url.removeprefix(_BEGINS)
    if path == url or not path or "\0" in path:
        raise ConfigurationError(
            "a store in SQLite has three slashes and the path of its file, as in sqlite:///sms.db, or sqlite:////srv/sms.db"
        )
    return SqliteStore(Path(path), create=create)
