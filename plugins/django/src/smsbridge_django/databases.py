"""The ledger as a database of Django, which the admin reads. Imports nothing of Django, for ``settings.py``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from smsbridge.errors import ConfigurationError
from smsbridge.snapshot import Reading
from smsbridge.stores.choice import chosen

_TEST = {"MIRROR": "default"}
"""In Django's tests: without it, they would migrate the whole project into this database, too, which is read-only."""
_SQLITE = "sqlite:///"
_POSTGRES = ("postgres://", "postgresql://")


def database(environ: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """Return an entry of ``DATABASES`` for the store of the ledger. Django can read that database, but not change it.

    ::

        DATABASES = {"default": {...}, "smsbridge": smsbridge_django.database()}

    The store is that of SMSBRIDGE_LEDGER_STORE or SMSBRIDGE_STORE, read from ``environ`` if that is given, such as the
    mapping in ``settings.SMSBRIDGE``. If none is set, the entry is that of an empty database in memory. Raises
    ConfigurationError if the store is not in SQLite or PostgreSQL.
    """
    choice = Reading(environ).run(lambda: chosen("ledger"))
    if choice.url is None or choice.url.startswith("memory:"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "TEST": _TEST}
    if choice.url.startswith(_SQLITE):
        return _sqlite(Path(choice.url.removeprefix(_SQLITE)))
    if choice.url.startswith(_POSTGRES):
        entry = _postgres(choice.url)
        if entry is None:
            raise ConfigurationError(f"{choice.variable}: its URL cannot be read")
        return entry
    raise ConfigurationError(f"{choice.variable}: only a store in SQLite or PostgreSQL is a database of Django")


def _sqlite(path: Path) -> dict[str, Any]:
    # Read-only, so that looking at a ledger that is not there yet makes no empty file.
    name = f"file:{quote(str(path.absolute()))}?mode=ro"
    options = {"timeout": 20, "uri": True}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options, "TEST": _TEST}


def _postgres(url: str) -> dict[str, Any] | None:
    """None for a URL that cannot be read: psycopg's error would show a part of it."""
    # Here, since it is installed only with smsbridge-postgres.
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        given: dict[str, Any] = dict(conninfo_to_dict(url))
    except ProgrammingError:
        return None
    entry = {"ENGINE": "django.db.backends.postgresql", "NAME": given.pop("dbname", "")}
    for key, name in {"USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}.items():
        entry[key] = given.pop(name, "")
    given["options"] = f"{given.get('options', '')} -c default_transaction_read_only=on".strip()
    return {**entry, "OPTIONS": given, "TEST": _TEST}
