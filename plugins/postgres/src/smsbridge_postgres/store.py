"""PostgresStore: everything in one database, for the threads, tasks and processes of many machines.

To open it connects to nothing and imports no psycopg. Each part has a connection of its own, while it is used.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from smsbridge.errors import ConfigurationError
from smsbridge.stores.entries import Unwritable
from smsbridge.stores.kept import WrittenEntries
from smsbridge.stores.upgrades import Step, Upgraded
from smsbridge.stores.writer import Writer, shared

from . import schema
from .asked import AskedCounters, AskedOptOuts
from .book import PostgresBook
from .builder import Builder
from .counts import PostgresCounts
from .opt_outs import PostgresOptOuts
from .words import UNREADABLE_URL, Unstorable

if TYPE_CHECKING:
    from smsbridge.stores.seam import Part
    from smsbridge.stores.sqlite_file import Sync

_MAKING = 60.0
"""Seconds that tables are waited for, which others use."""


class PostgresStore:
    """The store in the PostgreSQL database at ``url``.

    Missing tables are made at their first use unless ``create`` is false.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._url = url
        self._create = create

    def __repr__(self) -> str:
        return "PostgresStore()"

    def entries(self, *, keep: timedelta, sync: Sync = "normal") -> WrittenEntries:
        def make() -> Writer[PostgresBook]:
            return Writer(PostgresBook(self._url, sync=sync, create=self._create), keep=keep)

        return WrittenEntries(shared((PostgresBook, self._url, sync, keep, self._create), make))

    def counters(self) -> AskedCounters:
        def make() -> Writer[PostgresCounts]:
            return Writer(PostgresCounts(self._url, create=self._create), keep=timedelta(0))

        return AskedCounters(shared((PostgresCounts, self._url, self._create), make))

    def opt_outs(self) -> AskedOptOuts:
        def make() -> Writer[PostgresOptOuts]:
            return Writer(PostgresOptOuts(self._url, create=self._create), keep=timedelta(0))

        return AskedOptOuts(shared((PostgresOptOuts, self._url, self._create), make))

    def problem(self, part: Part) -> str | None:
        builder = Builder(self._url)
        try:
            with builder.together():
                return builder.problem(makes=self._create)
        except (Unwritable, Unstorable) as error:
            return str(error)
        finally:
            builder.close()

    def init(self, part: Part) -> bool:
        return self.upgrade().before == 0

    def steps(self) -> list[Step]:
        return schema.steps()

    def upgrade(self) -> Upgraded:
        builder = Builder(self._url, patience=_MAKING)
        try:
            with builder.together():
                return Upgraded(builder.upgrade(), schema.NEWEST)
        except (Unwritable, Unstorable) as error:
            problem = str(error)
        finally:
            builder.close()
        raise ConfigurationError(f"the tables of smsbridge cannot be made or upgraded: {problem}")


def open_url(url: str, *, create: bool = True) -> PostgresStore:
    """Return the store at a URL such as ``postgresql://user:password@host:5432/database?sslmode=verify-full``.

    Connects to nothing. Raises ConfigurationError if the URL cannot be read.
    """
    try:
        parts = urlsplit(url)
        is_one = bool(parts.scheme) and url.startswith(f"{parts.scheme}://")
    except ValueError:
        is_one = False
    if not is_one or "\0" in url:
        raise ConfigurationError(UNREADABLE_URL)
    return PostgresStore(url, create=create)
