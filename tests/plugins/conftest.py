"""The vendors' samples have fixed dates, so in these tests no text is too late by the clock of this machine."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

import postgres_server


@pytest.fixture(autouse=True)
def long_ago(monkeypatch):
    monkeypatch.setattr("smsbridge.attempts.utc_now", lambda: datetime(2000, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; without one, its tests are skipped."""
    try:
        server = postgres_server.server()
    except LookupError as error:
        if os.environ.get(postgres_server.NEEDED):
            raise
        pytest.skip(str(error))
    yield server
    server.remove()
    postgres_server.server.cache_clear()
