"""The stores of the core pass the contract of stores."""

from __future__ import annotations

import pytest

import broken_stores
from scripted import forget_writers
from smsbridge.stores.memory_store import MemoryStore
from smsbridge.stores.sqlite_store import SqliteStore
from smsbridge.testing import StoreContract

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def no_writer_is_left():
    yield
    forget_writers()


class TestMemoryStore(StoreContract):
    def open(self, place):
        return MemoryStore()


class TestSqliteStore(StoreContract):
    shared = True

    def open(self, place):
        return SqliteStore(place / "sms.db")


class TestAStoreOfCountersAlone(StoreContract):
    lacks = ("entries", "opt_outs")

    def open(self, place):
        store = MemoryStore()
        store.entries = lambda **terms: None
        store.opt_outs = lambda: None
        return store


def test_what_a_store_lacks_is_not_tested():
    assert TestAStoreOfCountersAlone.test_a_reference_is_claimed_once is None
    assert TestMemoryStore.test_two_processes_count_together is None
    assert TestSqliteStore.test_two_processes_count_together is not None


def test_every_broken_store_is_caught_by_the_test_that_is_there_for_its_mistake(pytester):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(
        test_kit="from broken_stores import CATCHES, contract\n"
        "globals().update({f'Test{number}': contract(kind) for number, kind in enumerate(CATCHES)})"
    )
    wanted = {f"Test{number}::{test}" for number, test in enumerate(broken_stores.CATCHES.values())}
    ids = [f"test_kit.py::{name}" for name in sorted(wanted)]
    run = pytester.inline_run("-q", "-p", "no:cacheprovider", *ids)
    caught = {
        report.nodeid.partition("::")[2]
        for report in run.getreports("pytest_runtest_logreport")
        if report.failed and report.when == "call"
    }
    assert caught == wanted


def test_a_healthy_one_passes_it_all(pytester):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(test_kit="import broken_stores as b\nTestHealthy = b.contract(b.Healthy)")
    passed, skipped, failed = pytester.inline_run("-q", "-p", "no:cacheprovider").listoutcomes()
    assert len(passed) > 40
    assert not [*skipped, *failed]
