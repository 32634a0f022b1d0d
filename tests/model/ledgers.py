"""A ledger that survives a crash of the model's process: entries in memory, kept as early as the writer keeps them."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from unittest import mock

from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.stores import entries
from smsbridge.stores.entries import State
from smsbridge.stores.kept import WrittenEntries


class Kept:
    """A store in memory with the promises of the SQLite store."""

    def __init__(self):
        self.rows = {}

    def together(self):
        return nullcontext()

    def identify(self, key):
        return key or b"model"

    def claim(self, claims):
        return [self._claim(claim) for claim in claims]

    def _claim(self, claim):
        place = claim.reference
        there = self.rows.get(place)
        free = there is None or (there.state is State.REFUSED and there.claim.content == claim.content)
        if not free:
            return there
        self.rows[place] = entries.Entry(claim=claim)
        return None

    def record(self, outcomes):
        for outcome in outcomes:
            place = outcome.claim.reference
            there = self.rows.get(place)
            if there is None or there.claim.token != outcome.claim.token:
                continue
            if there.state in (State.OPEN, State.UNCERTAIN) or outcome.state is State.ACCEPTED:
                self.rows[place] = outcome


class Books:
    """The writer without its thread: outcomes wait for the next job, and are lost if the process dies."""

    def __init__(self, store):
        self.store = store
        self.waiting = []

    def do(self, work):
        future = Future()
        try:
            with self.store.together():
                self.store.record(self.waiting)
                answer = work(self.store)
            self.waiting.clear()
            future.set_result(answer)
        except Exception as error:  # noqa: BLE001  # it belongs to the flow
            future.set_exception(error)
        return future

    def record(self, outcomes):
        self.waiting += outcomes


class Ledger:
    """The ledger of one history, in a store of the model's own or in ``stored``; ``around`` is called by each of its
    processes.
    """

    def __init__(self, history, policy=LedgerPolicy, stored=None):
        self.store = Kept()
        self.policy = policy
        self.history = history
        self.stored = stored

    def around(self, provider):
        books = WrittenEntries(Books(self.store)) if self.stored is None else self.stored.entries()
        made = self.policy(inner=provider, path="not-used")
        made._clock = lambda: self.history.clock.now
        made.__class__ = type("Timed", (self.policy,), {"_entries": lambda _: books, "__module__": __name__})
        return made


@contextmanager
def timed(history):
    """The clock of entries is the model's."""

    def now():
        return datetime.fromtimestamp(history.clock.now, UTC)

    with mock.patch.object(entries, "utc_now", now):
        yield
