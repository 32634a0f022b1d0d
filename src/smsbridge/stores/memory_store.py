"""MemoryStore: a store with all parts in memory, until the process ends. All uses of ``memory:`` share a store."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from smsbridge.errors import ConfigurationError

from .kept import MemoryEntries
from .listed import MemoryListed
from .memory import MemoryBook
from .memory_counters import MemoryCounters
from .opt_outs import MemoryOptOuts

if TYPE_CHECKING:
    from .seam import Part
    from .sqlite_file import Sync


class MemoryStore:
    """A store in memory. Its data ends with the process."""

    def __init__(self) -> None:
        self._entries = MemoryEntries(MemoryBook())
        self._counters = MemoryCounters()
        self._opt_outs = MemoryListed(MemoryOptOuts())

    def entries(self, *, keep: timedelta, sync: Sync = "normal") -> MemoryEntries:
        return self._entries

    def counters(self) -> MemoryCounters:
        return self._counters

    def opt_outs(self) -> MemoryListed:
        return self._opt_outs

    def problem(self, part: Part) -> str | None:
        return None

    def init(self, part: Part) -> bool:
        return False


def open_url(url: str, *, create: bool = True) -> MemoryStore:  # noqa: ARG001  # the signature of all openers
    """Return a new store in memory, for the URL ``memory:``. Raises ConfigurationError for any other URL."""
    if url not in ("memory:", "memory://"):
        raise ConfigurationError("a store in memory has no name: write memory:")
    return MemoryStore()
