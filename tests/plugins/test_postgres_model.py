"""PostgreSQL: random histories of applications, faulty vendors and crashes; see ``tests/model``."""

from __future__ import annotations

import random

import pytest

from model.history import History
from model.ledgers import Books
from smsbridge.stores.kept import WrittenEntries
from smsbridge_postgres.asked import AskedCounters
from smsbridge_postgres.book import PostgresBook
from smsbridge_postgres.counts import PostgresCounts

HISTORIES = 150


class Counts(PostgresCounts):
    """Their time is the model's."""

    def _now(self):
        return self.clock.now


class InPostgres:
    """One schema, which is emptied for each history."""

    def __init__(self, url):
        self._book, self._counts = PostgresBook(url), Counts(url)

    def begin(self, clock):
        self._counts.clock = clock
        with self._book.together():
            self._book._need()
            self._book._ask("TRUNCATE smsbridge_ledger, smsbridge_places, smsbridge_tallies, smsbridge_turns")

    def entries(self):
        return WrittenEntries(Books(self._book))

    def counters(self):
        return AskedCounters(Books(self._counts))

    def close(self):
        self._book.close()
        self._counts.close()


@pytest.fixture
def stored(postgres, tmp_path):
    stored = InPostgres(postgres.url(schema=postgres.schema(tmp_path)))
    yield stored
    stored.close()


def test_random_histories_double_nothing_and_lose_nothing(stored):
    for seed in range(HISTORIES):
        History(random.Random(seed), stored=stored).live()
