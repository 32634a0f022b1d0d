"""PostgreSQL: how its tables are made and upgraded, on purpose and on the way, and by several at once."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from click.testing import CliRunner

from scripted import HttpProvider, forget_writers, message
from smsbridge.cli.app import smsbridge
from smsbridge.errors import ConfigurationError
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import Unwritable
from smsbridge.stores.gcra import Rate
from smsbridge.stores.seam import Cap
from smsbridge.stores.upgrades import Upgradable, Upgraded
from smsbridge_postgres import schema, words
from smsbridge_postgres.store import PostgresStore
from test_stores import send

CAP = Cap(scope="guard acme", kind="total", key="", rate=Rate(2, 60))


pytestmark = pytest.mark.usefixtures("nothing_is_open")


@pytest.fixture
def name(postgres, tmp_path):
    return postgres.schema(tmp_path)


@pytest.fixture
def url(postgres, name):
    return postgres.url(schema=name)


def tables(postgres, name):
    return {table for (table,) in postgres.ask(f"SELECT tablename FROM pg_tables WHERE schemaname = '{name}'")}


def run(*arguments, **environ):
    given = {f"SMSBRIDGE_{name}": value for name, value in environ.items()}
    return CliRunner().invoke(smsbridge, arguments, env=given)


@pytest.fixture
def changed(monkeypatch):
    """A function that lets there be further versions: each with one table more, or with what it says."""

    def change(*oldest):
        more = tuple(
            schema._Change((f"CREATE TABLE smsbridge_more_{number} (number integer)",), lowest)
            for number, lowest in enumerate(oldest, 2)
        )
        monkeypatch.setattr(schema, "_CHANGES", (*schema._CHANGES[:1], *more))
        monkeypatch.setattr(schema, "NEWEST", 1 + len(more))

    return change


# --- on purpose -----------------------------------------------------------------------------------------------------------


def test_the_tables_are_made_once_and_all_are_ours(postgres, name, url):
    store = PostgresStore(url, create=False)
    assert isinstance(store, Upgradable)
    assert store.upgrade() == Upgraded(0, schema.NEWEST)
    assert store.upgrade() == Upgraded(schema.NEWEST, schema.NEWEST)
    assert tables(postgres, name) == set(schema.tables())
    assert all(table.startswith("smsbridge_") for table in tables(postgres, name))


def test_what_is_printed_makes_the_same_tables_as_the_command(postgres, name, url):
    printed = run("store", "upgrade", "--sql", STORE=url)
    assert printed.exit_code == 0
    assert tables(postgres, name) == set()
    postgres.ask(printed.stdout, schema=name)
    assert PostgresStore(url, create=False).upgrade() == Upgraded(schema.NEWEST, schema.NEWEST)
    assert tables(postgres, name) == set(schema.tables())
    printed = json.loads(run("store", "upgrade", "--sql", "--json", STORE=url).stdout)
    assert printed["stores"][0]["steps"] == [
        {"version": step.number, "statements": list(step.statements)} for step in schema.steps()
    ]


def test_the_command_upgrades_every_store_that_is_named(url, tmp_path):
    file = tmp_path / "optouts.db"
    environ = {"STORE": url, "OTP_OPTOUT_STORE": f"sqlite:///{file}", "GUARD_STORE": "memory:", "LIMIT_STORE": "on"}
    done = run("store", "upgrade", "--json", **environ)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["stores"] == [
        {"variable": "SMSBRIDGE_STORE", "store": "postgresql", "made": True, "before": 0, "after": schema.NEWEST},
        {
            "variable": "SMSBRIDGE_GUARD_STORE",
            "store": "memory",
            "made": False,
            "note": "it is in memory, ends with each process, and has nothing to be made",
        },
        {"variable": "SMSBRIDGE_OTP_OPTOUT_STORE", "store": str(file), "made": True},
    ]
    said = run("store", "upgrade", **environ)
    assert said.stdout.splitlines() == [
        "SMSBRIDGE_STORE (postgresql): nothing to do",
        f"SMSBRIDGE_OTP_OPTOUT_STORE ({file}): nothing to do",
    ]
    assert url not in said.output


def test_without_a_store_the_command_says_what_to_set():
    done = run("store", "upgrade")
    assert done.exit_code == 3
    assert "SMSBRIDGE_STORE names no store" in done.output


def test_to_init_a_part_makes_all_of_them(url):
    store = PostgresStore(url)
    assert store.init("opt_outs") is True
    assert [store.init(part) for part in ("entries", "counters", "opt_outs")] == [False] * 3


# --- on the way -----------------------------------------------------------------------------------------------------------


def test_outside_production_the_first_text_makes_the_tables_with_a_notice(postgres, name, url, caplog):
    assert send(LedgerPolicy(inner=HttpProvider(), store=url))[1] == 1
    assert tables(postgres, name) == set(schema.tables())
    assert [record.levelname for record in caplog.records if "were made in the database" in record.message] == [
        "WARNING"
    ]


def test_in_production_none_are_made_and_the_error_says_what_to_run(postgres, name, url, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ENV", "production")
    policy = LedgerPolicy(inner=HttpProvider(), store=url)
    error, requests, _ = send(policy)
    assert (error.reason, requests) == ("ledger", 0)
    assert error.detail == "the database has no tables of smsbridge yet: run smsbridge store upgrade"
    assert [finding.message for finding in policy.findings()] == [f"the ledger cannot be used: {words.NO_SCHEMA}"]
    assert tables(postgres, name) == set()
    PostgresStore(url).upgrade()
    assert send(policy)[1] == 1


def test_to_look_makes_no_table(postgres, name, url):
    store = PostgresStore(url)
    assert at_once(store.entries(keep=timedelta(days=1)).find("order-1")) is None
    assert at_once(store.counters().peek([CAP])) is None
    assert at_once(store.counters().reserve("limit", 1.0, 1, -1.0)).kept is False
    assert at_once(store.opt_outs().holds(None, "+919876543210")) is False
    assert at_once(store.opt_outs().everyone()) == []
    assert store.problem("entries") is None
    assert tables(postgres, name) == set()


def test_tables_that_are_made_while_a_process_has_looked_are_seen(url):
    entries = PostgresStore(url, create=False).entries(keep=timedelta(days=1))
    assert at_once(entries.find("order-1")) is None
    PostgresStore(url).upgrade()
    assert at_once(entries.identify(b"0123456789abcdef")) == b"0123456789abcdef"


def test_a_transaction_that_makes_the_tables_makes_none_if_it_is_undone(postgres, name, url):
    book = PostgresStore(url).entries(keep=timedelta(days=1)).writer._store
    identify_and_fail = lambda: (book.identify(None), 1 / 0)
    with pytest.raises(ZeroDivisionError), book.together():
        identify_and_fail()
    assert tables(postgres, name) == set()
    with book.together():
        book.identify(None)
    assert tables(postgres, name) == set(schema.tables())
    book.close()


# --- several at once ------------------------------------------------------------------------------------------------------


def test_of_several_that_make_the_tables_at_once_one_does(url):
    ready = Barrier(4)

    def upgrade(_):
        ready.wait()
        return PostgresStore(url).upgrade().before

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(upgrade, range(4))) == [0, 1, 1, 1]


def test_two_processes_upgrade_at_once(url):
    command = [sys.executable, "-m", "smsbridge", "store", "upgrade", "--json"]
    environ = {"SMSBRIDGE_STORE": url, "PATH": "/usr/bin:/bin"}
    both = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in "12"]
    said = [json.loads(process.communicate(timeout=60)[0]) for process in both]
    assert sorted(document["stores"][0]["made"] for document in said) == [False, True]


# --- versions -------------------------------------------------------------------------------------------------------------


def test_tables_of_an_earlier_version_are_refused_until_they_are_upgraded(url, changed):
    policy = LedgerPolicy(inner=HttpProvider(), store=url)
    assert send(policy)[1] == 1
    forget_writers()
    changed(1)
    policy = LedgerPolicy(inner=HttpProvider(), store=url)
    error, requests, _ = send(policy, message(reference="ref-2"))
    assert requests == 0
    assert error.detail == (
        "the tables in the database are of an earlier version of smsbridge (version 1, and this smsbridge needs 2): "
        "run smsbridge store upgrade"
    )
    assert PostgresStore(url).problem("counters") == error.detail
    assert PostgresStore(url).upgrade() == Upgraded(1, 2)
    assert send(policy, message(reference="ref-2"))[1] == 1
    assert send(policy, message(reference="ref-1"))[1] == 0


def test_a_program_of_before_goes_on_with_tables_to_which_something_was_added(url, changed, monkeypatch):
    with monkeypatch.context() as newer:
        newer.setattr(schema, "_CHANGES", schema._CHANGES)
        changed(1)
        PostgresStore(url).upgrade()
    changed()
    assert PostgresStore(url).problem("entries") is None
    assert send(LedgerPolicy(inner=HttpProvider(), store=url))[1] == 1
    assert PostgresStore(url).upgrade() == Upgraded(2, 1)


def test_a_program_of_before_refuses_tables_that_it_cannot_use(url, changed):
    changed(1, 3)
    PostgresStore(url).upgrade()
    changed()
    said = (
        "the tables in the database are of a newer version of smsbridge (version 3, and this smsbridge knows 1): "
        "install that one here"
    )
    assert PostgresStore(url).problem("entries") == said
    assert send(LedgerPolicy(inner=HttpProvider(), store=url))[0].detail == said
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        PostgresStore(url).upgrade()


def test_an_upgrade_that_fails_leaves_the_tables_as_they_were(postgres, name, url, monkeypatch):
    PostgresStore(url).upgrade()
    broken = schema._Change(("CREATE TABLE smsbridge_more (number integer)", "SELECT 1 / 0"), 2)
    monkeypatch.setattr(schema, "_CHANGES", (*schema._CHANGES, broken))
    monkeypatch.setattr(schema, "NEWEST", 2)
    with pytest.raises(ConfigurationError, match="SQLSTATE 22012"):
        PostgresStore(url).upgrade()
    assert "smsbridge_more" not in tables(postgres, name)
    monkeypatch.undo()
    assert PostgresStore(url).upgrade() == Upgraded(1, 1)


def test_two_versions_of_smsbridge_that_upgrade_at_once_each_know_the_outcome(url, changed, monkeypatch):
    """The older one comes second, and finds what it cannot use."""
    older = PostgresStore(url)
    older.upgrade()
    changed(2)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: PostgresStore(url).upgrade(), range(2)))
    assert sorted(upgraded.before for upgraded in found) == [1, 2]
    changed()
    with pytest.raises(ConfigurationError, match="newer version of smsbridge"):
        older.upgrade()


def test_a_database_that_cannot_keep_every_character_is_refused(postgres):
    postgres.ask("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    url = postgres.url(database="latin")
    assert PostgresStore(url).problem("entries") == words.NOT_UTF8
    with pytest.raises(Unwritable, match="UTF8"):
        at_once(PostgresStore(url).entries(keep=timedelta(days=1)).identify(None))
    postgres.ask("DROP DATABASE latin")


def test_an_upgrade_waits_for_a_text_on_its_way_and_no_lock_is_left(postgres, url, caplog):
    caplog.set_level(logging.DEBUG)
    PostgresStore(url).upgrade()
    (count,) = postgres.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0]
    assert count == 0
