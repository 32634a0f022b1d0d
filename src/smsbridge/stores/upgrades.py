"""Stores whose tables have versions: what ``smsbridge store upgrade`` asks of them, besides what all stores have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Step:
    """The statements that make tables of version ``number`` out of those of the version before it."""

    number: int
    statements: Sequence[str]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The version of the tables before, which is 0 where there were none, and after."""

    before: int
    after: int


@runtime_checkable
class Upgradable(Protocol):
    """A store that makes its tables itself, and makes newer ones of those of an earlier version."""

    def upgrade(self) -> Upgraded:
        """Make the tables, or upgrade them: all of it, or nothing if it fails. Raises ConfigurationError."""
        ...

    def steps(self) -> Sequence[Step]:
        """All steps from nothing to the newest version. Connects to nothing."""
        ...
