"""Stores whose tables have versions: what ``smsbridge store upgrade`` asks of them, besides what all stores have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Step:
    """The SQL statements that upgrade tables from the version before ``number`` to version ``number``."""

    number: int
    statements: Sequence[str]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The result of an upgrade: the versions of the tables ``before`` (0 if there were none) and after it."""

    before: int
    after: int


@runtime_checkable
class Upgradable(Protocol):
    """A store that can make its tables, and can upgrade tables of an earlier version."""

    def upgrade(self) -> Upgraded:
        """Make the tables, or upgrade them to the newest version: completely, or not at all if that fails.

        Raises ConfigurationError if that fails.
        """
        ...

    def steps(self) -> Sequence[Step]:
        """Return all steps from an empty database to the newest version. Connects to nothing."""
        ...
