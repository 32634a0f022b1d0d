"""Words for what went wrong at a database. Those of psycopg may quote the URL, a number or a text: none is passed on.

No import of psycopg: its exceptions are told apart by their SQLSTATE, and by the words of a refused connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from smsbridge.stores.entries import Clash, Unwritable, unicode

UPGRADE = "run smsbridge store upgrade"
NO_SCHEMA = f"the database has no tables of smsbridge yet: {UPGRADE}"
UNREADABLE_URL = "the URL of the store cannot be read: write it as postgresql://user:password@host:5432/database"
NO_RIGHT = "the user of the database lacks a right: it has to read and write the tables, and to use the sequences"
READ_ONLY = "the database can only be read: name the server that is written to"
NOT_UTF8 = "the encoding of the database is not UTF8, so it cannot keep every text: name another database"
NOT_LET_IN = "the user or the password was refused"
NO_DATABASE = "there is no database of that name"
NO_CONNECTION_LEFT = "the database server takes no more connections"
STARTING = "the database server is starting or stopping"
NO_DRIVER = "the driver psycopg cannot be imported: pip install psycopg[binary] brings it with all that it needs"
TOO_OLD = "the server is older than PostgreSQL 13"


class Sort(Enum):
    """Name what can help after an error of the database.

    AWAY: another connection. CLASH: the same transaction again. STAYS: neither of them.
    """

    STAYS = "stays"
    AWAY = "away"
    CLASH = "clash"


class Unstorable(ValueError):
    """Raised if the database cannot keep a value. Other values of the same transaction can perhaps be kept."""


class Away(Unwritable):
    """Raised if the database cannot be reached now. Another connection may succeed."""


class Lost(Clash):
    """Raised if the connection was lost during a transaction.

    The transaction was not committed, except that it may have been if the connection was lost during the commit.
    """


_REFUSED: tuple[tuple[str, Sort, str], ...] = (
    (r"invalid .*(?:value|option|URI|port)|bad value|percent-encoded|missing \"=\"", Sort.STAYS, UNREADABLE_URL),
    (r"unrecognized configuration parameter", Sort.STAYS, "the database server does not know an option of the URL"),
    (r"resolve host|Name or service", Sort.AWAY, "the host of the database cannot be found by its name"),
    (r"starting up|shutting down|recovery", Sort.AWAY, STARTING),
    (r"too many (?:clients|connections)|connection slots", Sort.AWAY, NO_CONNECTION_LEFT),
    (r"password|SCRAM|authentication|role .* (?:does not exist|not permitted)", Sort.STAYS, NOT_LET_IN),
    (r"pg_hba\.conf", Sort.STAYS, "the database server lets this user in from elsewhere, or with TLS: see pg_hba.conf"),
    (r"database .* does not exist", Sort.STAYS, NO_DATABASE),
    (r"permission denied for database", Sort.STAYS, "the user of the database lacks the right CONNECT"),
    (r"read-only|hot standby|primary", Sort.AWAY, "no server in the URL is the one that it asks for"),
    (r"SSL|TLS|certificate", Sort.STAYS, "TLS with the database server fails: see sslmode and the certificates"),
    (r"timeout|timed out", Sort.AWAY, "the database server did not answer in time"),
)
"""Words of libpq and of the server, in English, and ours. A server with another language is merely not reached."""
_NOT_REACHED = (Sort.AWAY, "the database server cannot be reached")
_STATES: Mapping[str, tuple[Sort, str]] = {
    "28P01": (Sort.STAYS, NOT_LET_IN),
    "28000": (Sort.STAYS, NOT_LET_IN),
    "3D000": (Sort.STAYS, NO_DATABASE),
    "42501": (Sort.STAYS, NO_RIGHT),
    "25006": (Sort.STAYS, READ_ONLY),
    "42P01": (Sort.STAYS, NO_SCHEMA),
    "3F000": (Sort.STAYS, "there is no schema to make tables in: look at the search_path of the user"),
    "42703": (Sort.STAYS, "the tables of smsbridge are of another version of smsbridge, or were changed"),
    "55P03": (Sort.STAYS, "another process did not let go of the same rows in time"),
    "57014": (Sort.STAYS, "the database took too long"),
    "40P01": (Sort.CLASH, "another process was in the way"),
    "40001": (Sort.CLASH, "another process was in the way"),
    "53100": (Sort.STAYS, "the disk of the database is full"),
    "53300": (Sort.AWAY, NO_CONNECTION_LEFT),
    "57P03": (Sort.AWAY, STARTING),
    "25P03": (Sort.AWAY, "the database gave up a transaction that took too long"),
    "25P04": (Sort.AWAY, "the database gave up a transaction that took too long"),
}
_CLASSES: Mapping[str, tuple[Sort, str]] = {
    "08": (Sort.AWAY, "the connection to the database was lost"),
    "53": (Sort.STAYS, "the database server is out of memory or space"),
    "57": (Sort.AWAY, "the connection to the database was ended by its server"),
}
_LOST = "the connection to the database was lost"
_OF_VALUES = "22"


def of_connecting(error: Exception) -> Unwritable:
    """Return the error to raise if connecting to the database failed with ``error``."""
    state = getattr(error, "sqlstate", None)
    if state is not None and state in _STATES:
        return _error(*_STATES[state])
    said = re.sub(r'"[^"]*"', '""', str(error))  # a name may be any word
    for pattern, sort, words in _REFUSED:
        if re.search(pattern, said, re.IGNORECASE):
            return _error(sort, words)
    return _error(*_NOT_REACHED)


def of_asking(error: Exception, *, is_lost: bool) -> Exception:
    """Return the error to raise if a statement failed with ``error``.

    ``is_lost`` says that the connection was lost too.
    """
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:
        return Lost(_LOST) if is_lost else Unstorable(f"the database cannot keep a value ({type(error).__name__})")
    if state.startswith(_OF_VALUES):
        return Unstorable(f"the database cannot keep a value (SQLSTATE {state})")
    known = _STATES.get(state) or _CLASSES.get(state[:2])
    if known is None:
        known = (Sort.STAYS, _LOST if is_lost else f"the database refused it (SQLSTATE {state})")
    return Lost(known[1]) if is_lost else _error(*known)


def _error(sort: Sort, words: str) -> Unwritable:
    kinds = {Sort.STAYS: Unwritable, Sort.AWAY: Away, Sort.CLASH: Clash}
    return kinds[sort](words)


def storable(value: str) -> str:
    """Return ``value`` with NUL and lone surrogates written as escapes, since PostgreSQL cannot keep them."""
    return unicode(value).replace("\0", "\\x00")
