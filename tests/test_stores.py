"""Stores: their choice, opening and refusals, and their use by policies."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sqlite3
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from scripted import OK, TO, HttpProvider, Wire, message
from smsbridge import ConfigurationError, HttpResponse, Plugins, RateLimitedError, SmsClient, VetoedError
from smsbridge.attempts import attempt, foresee, utc_now
from smsbridge.composite import each
from smsbridge.errors import RefusedError
from smsbridge.flow import Await, Call, Driven, Tell, Wait
from smsbridge.guard.policy import GuardPolicy
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.optouts import SqliteOptOuts
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.promise import wait_for
from smsbridge.stores import known, sqlite, writer
from smsbridge.stores.blocking import at_once
from smsbridge.stores.caps import Caps
from smsbridge.stores.entries import Unwritable
from smsbridge.stores.gcra import Rate
from smsbridge.stores.memory_counters import MemoryCounters
from smsbridge.stores.memory_store import MemoryStore
from smsbridge.stores.seam import Cap
from smsbridge.stores.sqlite import SqliteBook
from smsbridge.stores.sqlite_counts import SqliteCounts
from smsbridge.stores.sqlite_store import SqliteStore
from smsbridge.testing import Outbox
from smsbridge_postgres import book

SECRET = "acme://some-user:s3cret-word@db.internal:5432/texts?token=t0ken"
DENIED = HttpResponse.of_json({}, status=400)


pytestmark = pytest.mark.usefixtures("nothing_is_open")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/sms.db"


def send(policy, given=None, answer=OK):
    """The outcome of a text, the number of its requests, and the waits before them."""
    waits, requests = [], 0
    try:
        run = Driven(attempt(policy, given or message()))
        while run.step is not None:
            step = run.step
            if isinstance(step, Await):
                run.perform(wait_for, step.future, step.seconds)
            elif isinstance(step, Call | Tell):
                run.perform(step.function, *step.args)
            elif isinstance(step, Wait):
                waits.append(step.seconds)
                run.answer(None)
            else:
                requests += 1
                run.answer(answer)
    except RefusedError as error:
        return error, requests, waits
    return run.value, requests, waits


def interrupted(run):
    run.fail([KeyboardInterrupt()])
    while run.step is not None:
        run.perform(run.step.function, *run.step.args)


def wrong(url):
    with pytest.raises(ConfigurationError) as caught:
        known.open_store(url)
    assert caught.value.__cause__ is caught.value.__context__ is None
    return str(caught.value)


# --- URLs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sms.db", "this is no URL of a store: write it as in sqlite:///sms.db"),
        ("", "this is no URL of a store: write it as in sqlite:///sms.db"),
        ("sqlit:///sms.db", "there is no store 'sqlit'; known: memory, sqlite; did you mean 'sqlite'?"),
        (
            "postgres://u:p@h/d",
            "there is no store 'postgres'; known: memory, sqlite; try: pip install smsbridge-postgres",
        ),
        (
            "postgresql://u:p@h/d",
            "there is no store 'postgresql'; known: memory, sqlite; did you mean 'postgres'? try: pip install smsbridge-postgres",
        ),
        ("redis://h", "there is no store 'redis'; known: memory, sqlite"),
        ("memory:shared", "a store in memory has no name: write memory:"),
    ],
)
def test_a_url_that_names_no_store_says_what_there_is_and_no_strangers_package(installed, url, words):
    installed()
    assert wrong(url) == words


@pytest.mark.parametrize("url", ["sqlite:sms.db", "sqlite://sms.db", "sqlite:///", "sqlite:///a\0b"])
def test_a_store_in_sqlite_has_three_slashes_and_a_path(url):
    assert "three slashes" in wrong(url)


def test_a_path_may_be_relative_or_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert known.open_store("sqlite:///sms.db").path == tmp_path / "sms.db"
    assert known.open_store(f"sqlite:///{tmp_path}/sms.db").path == tmp_path / "sms.db"
    assert [*tmp_path.iterdir()] == []


def test_a_store_is_opened_once():
    assert known.open_store("memory:") is known.open_store("memory:")


# --- stores of third parties ----------------------------------------------------------------------------------------------


class Acme(MemoryStore):
    """A store that leaks its URL, and a store that does not."""

    def __init__(self, url, *, create=True):
        super().__init__()
        self.url, self.create = url, create


def quotes(url, *, create):
    raise ConfigurationError(f"no such database: {url.partition('@')[2]}")


def explains(url, *, create):
    raise ConfigurationError("the tables are of another version: run acme migrate")


def crashes(url, *, create):
    raise OSError(f"cannot connect to {url}")


@pytest.fixture
def installed(monkeypatch):
    """Let the store ``acme`` be ``value`` of this module."""

    def install(*values, name="acme"):
        points = [EntryPoint(name, f"test_stores:{value}", "smsbridge.stores") for value in values]

        def entry_points(*, group, name=None):
            return [point for point in points if name in (None, point.name)]

        monkeypatch.setattr(known, "entry_points", entry_points)

    return install


def test_a_third_partys_store_is_opened_by_its_scheme(installed):
    installed("Acme")
    store = known.open_store(SECRET, create=False)
    assert (type(store).__name__, store.url, store.create) == ("Acme", SECRET, False)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "quotes",
            "the store acme of test_stores:quotes cannot be opened: its error is hidden, since it shows a part of the URL",
        ),
        ("explains", "cannot be opened: the tables are of another version: run acme migrate"),
        ("crashes", "cannot be opened: it failed with OSError"),
        ("TO", "is no callable that opens a store"),
        ("missing", "cannot be imported: AttributeError"),
    ],
)
def test_one_that_cannot_be_opened_is_named_and_shows_nothing_of_its_url(installed, value, words):
    installed(value)
    said = wrong(SECRET)
    assert words in said
    assert not any(part in said for part in ("some-user", "s3cret-word", "db.internal", "texts?", "t0ken"))


def test_two_of_one_scheme_and_one_of_a_scheme_of_ours_are_refused(installed):
    installed("Acme", "quotes")
    assert "two stores are named 'acme'" in wrong(SECRET)
    installed("Acme", name="sqlite")
    assert "two stores are named 'sqlite': in smsbridge itself and in test_stores:Acme" in wrong("sqlite:///sms.db")


# --- the choice of a store ------------------------------------------------------------------------------------------------


def names(**variables):
    environ = {f"SMSBRIDGE_{name}": value for name, value in variables.items()}
    return [layer.name for layer in each(Plugins().stack("memory", environ))]


def test_the_common_store_puts_a_ledger_on_and_off_takes_it_away():
    assert names(STORE="memory:") == ["ledger", "memory"]
    assert names(STORE="memory:", LEDGER_STORE="off") == ["memory"]
    assert names(STORE="memory:", MEMORY_LEDGER_STORE="off") == ["memory"]
    assert names(STORE="memory:", LEDGER_STORE="off", MEMORY_LEDGER_STORE="on") == ["ledger", "memory"]
    assert names(LEDGER_STORE="memory:") == ["ledger", "memory"]


@pytest.mark.parametrize(
    ("kind", "settings", "common", "own", "off"),
    [
        ("ledger", {}, True, True, None),
        ("guard", {"GUARD_TOTAL": "9/1h"}, True, True, False),
        ("optout", {"OPTOUT_SENDERS": "ACMEIN"}, True, True, False),
        ("limit", {"LIMIT_SENDS": "9/1s"}, False, True, False),
    ],
)
def test_each_use_has_the_common_store_its_own_or_none(kind, settings, common, own, off):
    def has_store(**variables):
        environ = {f"SMSBRIDGE_{name}": value for name, value in {**settings, **variables}.items()}
        found = [layer for layer in each(Plugins().stack("memory", environ)) if layer.name == kind]
        return found[0].store is not None if found else None

    name = f"{kind.upper()}_STORE"
    assert has_store(STORE="memory:") is common
    assert has_store(**{name: "memory:"}) is own
    assert has_store(STORE="memory:", **{name: "off"}) is off
    assert has_store(STORE="memory:", **{name: "on"}) is True
    with pytest.raises(ConfigurationError, match=f"SMSBRIDGE_{name} is on, but SMSBRIDGE_STORE is not set"):
        has_store(**{name: "on"})


@pytest.mark.parametrize("variable", ["SMSBRIDGE_STORE", "SMSBRIDGE_LEDGER_STORE", "SMSBRIDGE_MEMORY_LEDGER_STORE"])
def test_a_wrong_url_is_named_by_its_variable(variable):
    with pytest.raises(ConfigurationError) as caught:
        Plugins().stack("memory", {variable: "sqlit:///s3cret-word"})
    assert str(caught.value).startswith(f"{variable}: there is no store 'sqlit'")
    assert "s3cret-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "instead"),
    [
        ("SMSBRIDGE_LEDGER_PATH", "SMSBRIDGE_LEDGER_STORE=sqlite:///data/old.db"),
        ("SMSBRIDGE_MEMORY_LEDGER_PATH", "SMSBRIDGE_MEMORY_LEDGER_STORE=sqlite:///data/old.db"),
        ("SMSBRIDGE_OPTOUT_PATH", "SMSBRIDGE_OPTOUT_STORE=sqlite:///data/old.db"),
        ("SMSBRIDGE_MEMORY_OPTOUT_PATH", "SMSBRIDGE_MEMORY_OPTOUT_STORE=sqlite:///data/old.db"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"SMSBRIDGE_STORE": "memory:"}])
def test_the_variables_of_before_are_refused_and_name_what_to_set_instead(variable, instead, more):
    with pytest.raises(ConfigurationError) as caught:
        Plugins().stack("memory", {variable: "data/old.db", **more})
    assert f"nothing reads {variable}: set {instead}" in str(caught.value)


def test_the_url_is_a_secret(installed, caplog):
    installed("Acme")
    caplog.set_level(logging.DEBUG)
    policy = LedgerPolicy(inner=HttpProvider(), store=SECRET)
    assert send(policy)[1] == 1
    assert "s3cret-word" not in f"{policy!r} {policy} {caplog.text}"


def test_a_part_that_a_store_lacks_is_named(installed, monkeypatch):
    installed("Acme")
    monkeypatch.setattr(type(known.open_store(SECRET)), "counters", lambda self: None)
    with pytest.raises(ConfigurationError, match="Acme cannot keep limits and caps: name another store for it"):
        GuardPolicy(inner=HttpProvider(), total="9/1h", store=SECRET)


# --- one file for all -----------------------------------------------------------------------------------------------------


def test_a_ledger_opt_outs_and_caps_share_a_file(url, tmp_path):
    guard = GuardPolicy(inner=HttpProvider(), total="2/1h", store=url)
    policy = LedgerPolicy(inner=OptoutPolicy(inner=guard, store=url), store=url)
    assert send(policy)[1] == 1
    assert send(policy)[1] == 0
    policy.close()
    assert {path.name.removesuffix("-wal").removesuffix("-shm") for path in tmp_path.iterdir()} == {"sms.db"}
    with contextlib.closing(sqlite3.connect(tmp_path / "sms.db")) as database:
        kinds = {kind for (kind,) in database.execute("SELECT what FROM smsbridge_file")}
    assert kinds == {"ledger", "list of opt-outs", "store of counts"}


def test_a_ledger_and_a_list_of_before_are_used_as_they_are(url, tmp_path):
    path = tmp_path / "sms.db"
    before = LedgerPolicy(inner=HttpProvider(), path=path)
    assert send(before)[1] == 1
    before.close()
    assert send(LedgerPolicy(inner=HttpProvider(), store=url))[1] == 0
    SqliteOptOuts(tmp_path / "optouts.db").add(None, TO)
    error, requests, _ = send(OptoutPolicy(inner=HttpProvider(), store=f"sqlite:///{tmp_path}/optouts.db"))
    assert (error.reason, requests) == ("opt-out", 0)


def test_in_production_no_part_comes_into_a_file_but_counts(url, tmp_path, monkeypatch):
    send(LedgerPolicy(inner=HttpProvider(), store=url))
    monkeypatch.setenv("SMSBRIDGE_ENV", "production")
    known.forget_all()
    with pytest.raises(ConfigurationError, match="it has no list of opt-outs; smsbridge optouts init makes one"):
        OptoutPolicy(inner=HttpProvider(), store=url)
    guard = GuardPolicy(inner=HttpProvider(), total="1/1h", store=url)
    assert send(guard)[1] == 1
    with pytest.raises(ConfigurationError, match=r"there is no store of counts at .*other\.db"):
        GuardPolicy(inner=HttpProvider(), total="1/1h", store=f"sqlite:///{tmp_path}/other.db")


def test_a_file_that_was_replaced_by_one_without_the_part_is_not_joined(url, tmp_path):
    guard = GuardPolicy(inner=HttpProvider(), total="9/1h", store=url)
    assert send(guard)[1] == 1
    writer.close_all()
    for path in tmp_path.iterdir():
        path.unlink()
    SqliteOptOuts(tmp_path / "sms.db").add(None, TO)
    error, requests, _ = send(guard)
    assert (error.reason, requests) == ("caps-unreadable", 0)
    assert "was replaced" in error.detail


@pytest.mark.parametrize(
    ("table", "policy", "reason"),
    [
        (
            "smsbridge_counts_about",
            lambda url: GuardPolicy(inner=HttpProvider(), total="9/1h", store=url),
            "caps-unreadable",
        ),
        ("smsbridge_ledger_about", lambda url: LedgerPolicy(inner=HttpProvider(), store=url), "ledger"),
    ],
)
def test_a_file_of_another_version_is_refused(url, tmp_path, table, policy, reason):
    send(policy(url))
    writer.close_all()
    with contextlib.closing(sqlite3.connect(tmp_path / "sms.db", isolation_level=None)) as database:
        database.execute(f"UPDATE {table} SET value = '99' WHERE name = 'version'")
    error, requests, _ = send(policy(url), message(reference="ref-2"))
    assert (error.reason, requests, "another version" in error.detail) == (reason, 0, True)


def test_in_an_outbox_no_file_is_made_and_nothing_is_remembered(url, tmp_path):
    environ = {
        "SMSBRIDGE_PROVIDER": "memory",
        "SMSBRIDGE_STORE": url,
        "SMSBRIDGE_GUARD_TOTAL": "1/1h",
        "SMSBRIDGE_LIMIT_SENDS": "9/1s",
        "SMSBRIDGE_LIMIT_STORE": "on",
        "SMSBRIDGE_OPTOUT_SENDERS": "ACMEIN",
    }
    with Outbox() as outbox:
        client = SmsClient(environ=environ)
        client.send(TO, "Hello", reference="order-1")
        with pytest.raises(VetoedError):
            client.send(TO, "Hello", reference="order-2")
        assert len(outbox) == 1
    assert [*tmp_path.iterdir()] == []
    assert client.send(TO, "Hello", reference="order-1").id == "memory-order-1"
    with pytest.raises(VetoedError) as caught:
        SmsClient(environ=environ).send(TO, "Hello", reference="order-2")
    assert caught.value.reason == "cap-total"
    client.close()


# --- caps in a store ------------------------------------------------------------------------------------------------------


def test_guards_with_one_store_count_together_and_those_of_other_accounts_do_not(url):
    first, second = (GuardPolicy(inner=HttpProvider(), per_recipient="1/1h", store=url) for _ in "12")
    other = GuardPolicy(inner=HttpProvider(account="other"), per_recipient="1/1h", store=url)
    assert send(first)[1] == 1
    error, requests, _ = send(second)
    assert (error.reason, requests, 0 < error.retry_after <= 3600) == ("cap-recipient", 0, True)
    assert foresee(second, message(), now=utc_now()).error.reason == "cap-recipient"
    assert send(other)[1] == 1


def test_a_text_that_was_refused_gives_its_place_back(url):
    policy = GuardPolicy(inner=HttpProvider(), total="1/1h", store=url)
    for _ in range(3):
        assert send(policy, answer=DENIED)[1] == 1
    assert send(policy)[1] == 1
    assert send(policy)[1] == 0
    assert policy._rules.stored._tickets == {}


def test_a_text_that_is_interrupted_while_the_store_is_asked_takes_no_place(url):
    policy = GuardPolicy(inner=HttpProvider(), total="1/1h", store=url)
    for _ in range(3):
        run = Driven(attempt(policy, message()))
        assert isinstance(run.step, Await)
        run.step.future.cancel()
        with pytest.raises(KeyboardInterrupt):
            interrupted(run)
    assert send(policy)[1] == 1


def test_a_place_in_memory_is_free_if_its_return_was_interrupted_and_is_told_again(monkeypatch):
    def struck(*_, **__):
        raise KeyboardInterrupt

    counters, one = MemoryCounters(), Cap(scope="guard acme", kind="total", key="", rate=Rate(1, 60))
    assert at_once(counters.take("a", [one], 900.0)) is None
    with monkeypatch.context() as interruption:
        interruption.setattr(Caps, "end", struck)
        with pytest.raises(KeyboardInterrupt):
            counters.give_back("a", sent=False)
    for _ in range(2):
        counters.give_back("a", sent=False)
    assert at_once(counters.take("b", [one], 900.0)) is None
    assert at_once(counters.take("c", [one], 900.0)) is not None


def test_nothing_is_kept_of_a_text_that_is_interrupted_before_it_has_a_ticket(url):
    stored, text = GuardPolicy(inner=HttpProvider(), total="1/1h", store=url)._rules.stored, message()
    stored._tickets[id(text)] = []
    stored.end(text, sent=False)
    assert not stored._tickets


def test_to_look_ahead_makes_no_file(url, tmp_path):
    guard = GuardPolicy(inner=HttpProvider(), total="1/1h", store=url)
    limit = LimitPolicy(inner=HttpProvider(), sends="1/1h", store=url)
    ledger = LedgerPolicy(inner=HttpProvider(), store=url)
    for policy in (guard, limit, ledger):
        assert foresee(policy, message(), now=utc_now()).error is None
    assert [*tmp_path.iterdir()] == []


class Silent:
    """Counters that always fail."""

    def __init__(self, error):
        self.error, self.asked = error, 0

    def take(self, ticket, caps, lease):
        yield from ()
        raise self.error

    def reserve(self, key, interval, count, longest):
        self.asked += 1
        yield from ()
        raise self.error

    def give_back(self, ticket, *, sent):
        pass


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (Unwritable("disk full"), "disk full"),
        (OSError(f"cannot ask for {TO}"), "OSError"),
        (TimeoutError("x"), "TimeoutError"),
    ],
)
def test_a_guard_whose_store_cannot_be_asked_refuses(error, detail):
    policy = GuardPolicy(inner=HttpProvider(), total="9/1h", store="memory:")
    policy._rules.stored._counters = lambda: Silent(error)
    refused, requests, _ = send(policy)
    assert (refused.reason, refused.detail, requests) == ("caps-unreadable", detail, 0)
    assert refused.__cause__ is refused.__context__ is None


# --- limits in a store ----------------------------------------------------------------------------------------------------


def test_limits_with_one_store_wait_together_and_without_one_apart(url):
    def limits(**settings):
        return [LimitPolicy(inner=HttpProvider(), sends="1/10s", **settings) for _ in "12"]

    for first, second in (limits(store=url), limits(store="memory:")):
        assert send(first)[2] == []
        assert send(second)[2] == pytest.approx([10], abs=2)
    apart = limits()
    assert [send(policy)[2] for policy in apart] == [[], []]


def test_a_limit_in_a_store_refuses_what_would_wait_too_long(url):
    policy = LimitPolicy(inner=HttpProvider(), sends="1/1h", longest_wait=5, store=url)
    send(policy)
    error, requests, _ = send(policy)
    assert (type(error), requests) == (RateLimitedError, 0)
    assert error.retry_after == pytest.approx(3600, abs=60)


def test_a_pause_that_a_vendor_asks_for_holds_for_all_that_share_the_store(url):
    first, second = (LimitPolicy(inner=HttpProvider(), sends="1000/1s", store=url) for _ in "12")
    busy = HttpResponse(status=429, headers={"retry-after": "30"})
    assert send(first, answer=busy)[1] == 1
    assert send(second)[2][0] == pytest.approx(30, abs=3)


def test_a_limit_whose_store_cannot_be_asked_lets_texts_leave_and_says_so_once(caplog):
    policy = LimitPolicy(inner=HttpProvider(), sends="1/1h", store="memory:")
    turns, silent = policy._limiters[True], Silent(OSError(f"cannot ask for {TO}"))
    now = 100.0
    turns._counters, turns._clock = lambda: silent, lambda: now
    assert [send(policy)[1] for _ in range(3)] == [1, 1, 1]
    assert (silent.asked, [record.name for record in caplog.records].count("smsbridge.limit")) == (1, 1)
    assert TO not in caplog.text
    now = 106.0
    send(policy)
    assert silent.asked == 2


COUNTING = [(GuardPolicy, {"total": "9/1h"}), (LimitPolicy, {"sends": "9/1s"})]


@pytest.mark.parametrize(("kind", "settings"), COUNTING)
def test_a_client_that_is_closed_lets_go_of_the_counters_and_its_policies_may_be_used_again(url, kind, settings):
    policy = kind(inner=HttpProvider(), store=url, **settings)
    client = SmsClient(policy, transport=Wire(OK))
    client.send(TO, "Hello")
    (counts,) = [each_writer._store for each_writer in writer._writers]
    client.close()
    assert counts._open is None
    assert send(policy)[1] == 1


@pytest.mark.parametrize(("kind", "settings"), COUNTING)
def test_counters_that_were_never_opened_are_not_opened_to_be_closed(installed, monkeypatch, kind, settings):
    installed("Acme")
    with Outbox():
        policy = kind(inner=HttpProvider(), store=SECRET, **settings)
        monkeypatch.setattr(known, "_open", None)
        policy.close()


# --- the clock of counts --------------------------------------------------------------------------------------------------

CAP = Cap(scope="guard acme", kind="total", key="", rate=Rate(2, 60))


class Machine:
    """The clock of a machine that tests restart. Some systems have no id of a start."""

    def __init__(self, path, name=""):
        self.path, self.name, self.now, self.processes = path, name, 5000.0, []

    def process(self):
        self.processes.append(SqliteCounts(self.path, clock=lambda: self.now, machine=self.name))
        return self.processes[-1]

    def restart(self, now, *, is_named):
        self.now, self.name = now, f"{now}" if is_named else ""

    def lets_through(self, counts, ticket):
        with counts.together():
            full = counts.take(ticket, [CAP], 900.0)
            if full is None:
                counts.give_back(ticket, sent=True)
        return full is None


@pytest.fixture
def machine_named(tmp_path):
    """Makes machines that share a file, and at the end closes what their processes opened."""
    made = []

    def make(name=""):
        made.append(Machine(tmp_path / "sms.db", name))
        return made[-1]

    yield make
    for machine in made:
        for process in machine.processes:
            process.close()


@pytest.fixture
def machine(machine_named):
    return machine_named()


@pytest.mark.parametrize(("restarted_at", "is_named"), [(0.0, True), (10.0, False), (4999.0, False), (9e6, True)])
def test_after_a_restart_of_the_machine_a_cap_holds_and_is_free_after_a_window(machine, restarted_at, is_named):
    before = machine.process()
    assert [machine.lets_through(before, f"a{number}") for number in range(3)] == [True, True, False]
    before.close()
    machine.restart(restarted_at, is_named=is_named)
    after, beside = machine.process(), machine.process()
    assert not machine.lets_through(after, "b0")
    machine.now += 59
    assert not machine.lets_through(beside, "b1")
    machine.now += 61
    answers = [machine.lets_through(path, f"c{number}") for number, path in enumerate((after, beside, after))]
    assert answers == [True, True, False]


def test_processes_whose_clocks_differ_do_not_drive_time_forward(machine_named):
    """As with containers whose clocks differ: they would end each other's windows."""
    first, other = machine_named("one"), machine_named("other")
    other.now = 100.0
    taken = []
    for number in range(100):
        first.now += 0.01
        other.now += 0.01
        for machine in (first, other):
            process = machine.process()
            taken.append(machine.lets_through(process, f"{machine.name}-{number}"))
            process.close()
    assert sum(taken) == 2


@pytest.mark.parametrize("is_named", [True, False])
def test_after_a_restart_time_also_passes_while_no_process_runs(machine, is_named):
    """As with a job that runs once a minute: otherwise no text would leave until the machine's uptime is as long as before."""
    before = machine.process()
    assert [machine.lets_through(before, f"a{number}") for number in range(3)] == [True, True, False]
    before.close()
    machine.restart(10.0, is_named=is_named)
    answers = []
    for number in range(4):
        process = machine.process()
        answers.append(machine.lets_through(process, f"b{number}"))
        process.close()
        machine.now += 25
    assert answers == [False, False, False, True]


def test_no_clock_of_the_wall_is_asked(machine, monkeypatch):
    counts = machine.process()
    assert machine.lets_through(counts, "a")
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert machine.lets_through(counts, "b")
    monkeypatch.setattr("time.time", lambda: 1e12)
    assert not machine.lets_through(counts, "c")


def test_a_place_whose_lease_is_over_counts_as_sent_from_then_on(machine):
    counts = machine.process()
    with counts.together():
        assert counts.take("gone-1", [CAP], 30.0) is None
        assert counts.take("gone-2", [CAP], 30.0) is None
    for later, is_free in ((29, False), (31, False), (29, False), (2, True)):
        machine.now += later
        with counts.together():
            assert (counts.peek([CAP]) is None) is is_free
            counts.give_back("gone-1", sent=False) if later == 31 else None  # too late to be known as unsent


def test_what_counts_no_more_is_forgotten(machine):
    counts = machine.process()
    few = Cap(scope="guard acme", kind="total", key="", rate=Rate(10_000, 60))
    with counts.together():
        for number in range(500):
            counts.take(f"t{number}", [few], 1.0)
    machine.now += 100
    with counts.together():
        for number in range(10):
            counts.take(f"u{number}", [few], 1.0)
        assert counts._db.execute("SELECT count(*) FROM smsbridge_places").fetchone() == (10,)


def test_the_tally_of_each_key_fits_its_places(machine):
    """A full cap answers without counting all texts, and only until the last text leaves the window."""
    chance = random.Random(7719)
    counts = machine.process()
    tickets = []
    with counts.together():
        for number in range(300):
            machine.now += chance.choice([0, 1, 20])
            caps = [Cap(scope="s", kind="k", key=str(chance.randrange(3)), rate=Rate(chance.randrange(1, 9), 60))]
            if counts.take(f"t{number}", caps, 30.0) is None:
                tickets.append(f"t{number}")
            if tickets and chance.random() < 0.7:
                counts.give_back(tickets.pop(), sent=chance.random() < 0.5)
            tallies = dict(counts._db.execute("SELECT key, rows FROM smsbridge_tallies"))
            assert tallies == dict(counts._db.execute("SELECT key, count(*) FROM smsbridge_places GROUP BY key"))
        assert tallies


def test_a_process_that_dies_on_the_way_leaves_its_places_taken(url):
    code = (
        "import os, sys\n"
        "from smsbridge.stores import Cap, Rate, open_store\n"
        "from smsbridge.stores.blocking import at_once\n"
        "cap = Cap(scope='guard scripted', kind='total', key='', rate=Rate(1, 3600))\n"
        "at_once(open_store(sys.argv[1]).counters().take('mine', [cap], 900.0))\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, url], check=True, timeout=60)
    assert send(GuardPolicy(inner=HttpProvider(), total="1/1h", store=url))[0].reason == "cap-total"


def test_a_writer_that_is_locked_out_says_so_and_the_guard_refuses(tmp_path, monkeypatch):
    path = tmp_path / "sms.db"
    counters = SqliteStore(path).counters()
    at_once(counters.take("a", [CAP], 1.0))
    monkeypatch.setattr(counters._writer._store, "_patience", 0.01)
    counters.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unwritable, match="locked"):
            at_once(counters.take("b", [CAP], 1.0))
        other.execute("ROLLBACK")
    assert at_once(counters.take("c", [CAP], 1.0)) is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_the_file_is_for_its_owner_alone(url, tmp_path):
    send(GuardPolicy(inner=HttpProvider(), total="1/1h", store=url))
    assert {path.stat().st_mode & 0o077 for path in Path(tmp_path).iterdir()} == {0}


def test_no_number_can_be_read_in_the_file(url, tmp_path):
    send(GuardPolicy(inner=HttpProvider(), per_recipient="1/1h", store=url))
    writer.close_all()
    assert TO.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_book_that_joins_a_list_leaves_it_whole(tmp_path):
    path = tmp_path / "sms.db"
    SqliteOptOuts(path).add(None, TO)
    book = SqliteBook(path, joins=True)
    with book.together():
        assert book.find("order-1") is None
    book.close()
    assert SqliteOptOuts(path).holds(None, TO)


def test_a_relative_url_names_a_file_of_the_working_directory(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert known.open_store("sqlite:///sms.db").path == tmp_path / name / "sms.db"
        assert known.open_store("sqlite:///sms.db") is known.open_store("sqlite:///sms.db")


@pytest.mark.parametrize("room", [sqlite, book])
def test_the_proof_of_a_key_stays_the_same_or_every_ledger_of_before_would_be_refused(room):
    assert room._proof(b"k" * 32).hex() == "b70c644277b41ffcf5362b3f9f811f3e25ecb33b1c9a26d04a8918750baba53e"
