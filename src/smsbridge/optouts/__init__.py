"""Keep lists of opt-outs by recipient and sender, in memory or in a SQLite file."""

from __future__ import annotations

from smsbridge.stores.opt_outs import (
    LIST,
    MOST_EVENTS,
    REPLY,
    MemoryOptOuts,
    OptOut,
    OptOuts,
    SqliteOptOuts,
    same_sender,
)

from .stop_words import START_WORDS, STOP_WORDS, said

__all__ = [
    "LIST",
    "MOST_EVENTS",
    "REPLY",
    "START_WORDS",
    "STOP_WORDS",
    "MemoryOptOuts",
    "OptOut",
    "OptOuts",
    "SqliteOptOuts",
    "said",
    "same_sender",
]
