"""The stores of smsbridge, for histories: what they keep survives a crash, and their clock is the model's."""

from __future__ import annotations

from smsbridge.stores.kept import MemoryEntries, WrittenCounters, WrittenEntries
from smsbridge.stores.memory import MemoryBook
from smsbridge.stores.memory_counters import MemoryCounters
from smsbridge.stores.sqlite import SqliteBook
from smsbridge.stores.sqlite_counts import SqliteCounts

from .ledgers import Books


class InMemory:
    """Each history has a new one."""

    def __init__(self, folder):
        """``folder`` is for stores that have files."""

    def begin(self, clock):
        """A history begins, whose time is that of ``clock``."""
        self._entries, self._counters = MemoryEntries(MemoryBook()), MemoryCounters(lambda: clock.now)

    def entries(self):
        """What a process asks for its ledger."""
        return self._entries

    def counters(self):
        """What a process asks for its limits and caps."""
        return self._counters

    def close(self):
        pass


class InSqlite:
    """One file in ``folder``, which is emptied for each history."""

    def __init__(self, folder):
        self._path = folder / "sms.db"
        self._book = SqliteBook(self._path, joins=True)
        self._counts = SqliteCounts(self._path, clock=lambda: self._clock.now, machine="model")

    def begin(self, clock):
        self._clock = clock
        with self._book.together():
            self._book._db.execute("DELETE FROM smsbridge_ledger")
        with self._counts.together():
            for table in ("smsbridge_places", "smsbridge_turns"):
                self._counts._db.execute(f"DELETE FROM {table}")
            self._counts._keep(0.0)

    def entries(self):
        return WrittenEntries(Books(self._book))

    def counters(self):
        return WrittenCounters(Books(self._counts), self._path)

    def close(self):
        self._book.close()
        self._counts.close()


KINDS = {"memory": InMemory, "sqlite": InSqlite}
