"""PostgreSQL: the contract of stores."""

from __future__ import annotations

import pytest

from postgres_server import Server
from scripted import forget_writers
from smsbridge.stores import known
from smsbridge.testing import StoreContract


@pytest.fixture(autouse=True)
def nothing_is_open(postgres):
    yield
    forget_writers()
    known.forget_all()


class TestPostgresStore(StoreContract):
    shared = True

    def open(self, place):
        from smsbridge_postgres.store import PostgresStore

        server = Server.known()
        return PostgresStore(server.url(schema=server.schema(place)))
