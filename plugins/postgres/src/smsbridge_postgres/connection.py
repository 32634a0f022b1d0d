"""Connections of psycopg whose repr and logs show nothing of the URL. The only file that imports psycopg."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg import conninfo

Error = psycopg.Error
_OLDEST_SERVER = 130000
_DEFAULTS: Mapping[str, str | int] = {
    "application_name": "smsbridge",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""What the URL does not say. The last five find out within 25 seconds that a server is gone without a word."""

_ours: ContextVar[bool] = ContextVar("smsbridge_postgres_ours", default=False)


def _not_ours(record: logging.LogRecord) -> bool:  # noqa: ARG001  # a filter's signature
    return not _ours.get()


# It logs hosts and users. Other users of psycopg in the application keep their logs.
logging.getLogger("psycopg").addFilter(_not_ours)


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection to a database. Its repr and its logs show no host, user or password."""

    def __repr__(self) -> str:
        return f"<connection to a store, {'closed' if self.closed else 'open'}>"

    def __del__(self, _warn: object = None, /) -> None:
        """Nothing: one that came along into a forked process is left as it is, and warns of nothing."""

    @property
    def is_too_old(self) -> bool:
        """Whether the server is older than PostgreSQL 13, the oldest version that smsbridge supports."""
        return self.info.server_version < _OLDEST_SERVER

    @property
    def is_utf8(self) -> bool:
        """Whether the encoding of the database is UTF8, so that it can keep every character."""
        return self.info.parameter_status("server_encoding") == "UTF8"

    def ask(self, query: str, values: Sequence[Any] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        """Execute the SQL in ``query`` and return the cursor. Without ``values``, it may be several statements."""
        token = _ours.set(True)
        try:
            return self.execute(query.encode(), values or None)
        finally:
            _ours.reset(token)

    def end(self) -> None:
        """Close the connection. Errors of the database are ignored."""
        token = _ours.set(True)
        try:
            self.close()
        except psycopg.Error:
            return
        finally:
            _ours.reset(token)


def connect(url: str) -> Connection:
    """Connect to the database at ``url``.

    Raises psycopg.Error, and other exceptions if the name of the host is invalid.
    """
    given = conninfo.conninfo_to_dict(url)
    token = _ours.set(True)
    try:
        # None is prepared: behind a pooler such as PgBouncer, the next statement may come to another server process.
        whole = conninfo.make_conninfo("", **{**_DEFAULTS, **given})
        return Connection.connect(whole, autocommit=True, prepare_threshold=None)
    finally:
        _ours.reset(token)
