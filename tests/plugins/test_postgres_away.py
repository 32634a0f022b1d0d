"""PostgreSQL: what becomes of texts while the database is away, is read only, or refuses us; and what is said of it."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from click.testing import CliRunner

from postgres_server import PASSWORD
from scripted import HttpProvider, forget_writers, message
from smsbridge.cli.app import smsbridge
from smsbridge.errors import ConfigurationError
from smsbridge.guard.policy import GuardPolicy
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import Claim, Entry, Kind, Outcome, State, Unwritable
from smsbridge.stores.gcra import Rate
from smsbridge.stores.seam import Cap
from smsbridge_postgres import shelf as room
from smsbridge_postgres import words
from smsbridge_postgres.book import PostgresBook
from smsbridge_postgres.store import PostgresStore, open_url
from test_stores import send

KEY = b"0123456789abcdef"
SECRETS = (PASSWORD, "owner", "127.0.0.1", "postgres?", "reader", "search_path", "nowhere.invalid")


pytestmark = pytest.mark.usefixtures("nothing_is_open")


@pytest.fixture
def url(postgres, tmp_path):
    return postgres.url(schema=postgres.schema(tmp_path))


def claim(reference="order-1"):
    return Claim.of(message(reference=reference), account="acme", kind=Kind.TEXT, key=KEY)


def accepted(of):
    return Entry(claim=of, outcome=Outcome.accepted(None))


def entries_at(url, **options):
    return PostgresStore(url, **options).entries(keep=timedelta(days=90))


def problem_of(url, **options):
    said = PostgresStore(url, **options).problem("entries")
    assert not any(secret in (said or "") for secret in SECRETS)
    return said


# --- who is not let in ----------------------------------------------------------------------------------------------------

UNREACHABLE = {
    "another password": (lambda server: server.url(password="another"), words.NOT_LET_IN),
    "no password": (lambda server: server.url().replace(f":{PASSWORD}@", "@"), words.NOT_LET_IN),
    "an unknown user": (lambda server: server.url(user="reader_77"), words.NOT_LET_IN),
    "an unknown database": (lambda server: server.url(database="timeout"), words.NO_DATABASE),
    "no server there": (lambda server: f"postgresql://owner:{PASSWORD}@127.0.0.1:1/postgres", "the database server cannot be reached"),
    "an unknown host": (lambda server: "postgresql://owner@nowhere.invalid/postgres", "the host of the database cannot be found by its name"),
    "no TLS there": (lambda server: server.url(sslmode="require"), "TLS with the database server fails: see sslmode and the certificates"),
    "no such mode of TLS": (lambda server: server.url(sslmode="maybe"), words.UNREADABLE_URL),
    "an unknown parameter": (lambda server: server.url(search_path="x"), words.UNREADABLE_URL),
    "an unknown option": (lambda server: server.url(options="-csearch_paths=x"), "the database server does not know an option of the URL"),
    "the wrong port": (lambda server: f"postgresql://owner:{PASSWORD}@127.0.0.1:port/x", words.UNREADABLE_URL),
    "a time that is none": (lambda server: server.url(connect_timeout="soon"), words.UNREADABLE_URL),
    "a host that cannot be": (lambda server: f"postgresql://owner:{PASSWORD}@{'x' * 80}.invalid/x", "the database server cannot be reached"),
    "half a percent": (lambda server: f"postgresql://owner:{PASSWORD}%zz@127.0.0.1/x", words.UNREADABLE_URL),
    "a standby is asked for": (lambda server: server.url(target_session_attrs="standby"), "no server in the URL is the one that it asks for"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREACHABLE)
def test_what_is_wrong_is_said_in_words_of_ours(postgres, name, caplog):
    caplog.set_level(logging.DEBUG)
    make, said = UNREACHABLE[name]
    url = make(postgres)
    assert problem_of(url) == said
    error, requests, _ = send(LedgerPolicy(inner=HttpProvider(), store=url))
    assert (error.reason, error.detail, requests) == ("ledger", said, 0)
    assert error.__cause__ is error.__context__ is None
    with pytest.raises(ConfigurationError) as caught:
        PostgresStore(url).upgrade()
    assert str(caught.value) == f"the tables of smsbridge cannot be made or upgraded: {said}"
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert not any(secret in f"{caught.value!r} {caplog.text}" for secret in SECRETS)


def test_a_server_that_does_not_answer_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = problem_of(f"postgresql://owner:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2")
    assert said == "the database server did not answer in time"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["send", "+919876543210", "Hello"], 4),
        (["doctor"], 3),
        (["store", "upgrade"], 3),
        (["texts", "list"], 3),
        (["optouts", "list"], 3),
        (["optouts", "add", "+919876543210"], 3),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["words", "json"])
def test_each_command_explains_it_and_shows_nothing_of_the_url(postgres, arguments, code, more):
    done = CliRunner().invoke(smsbridge, [*arguments, *more], env={"SMSBRIDGE_STORE": postgres.url(password="another")})
    assert done.exit_code == code
    assert words.NOT_LET_IN in done.output
    assert not any(secret in done.output for secret in SECRETS)


def test_a_driver_that_cannot_be_imported_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "smsbridge_postgres.connection", None)
    assert problem_of("postgresql://owner@127.0.0.1/x") == words.NO_DRIVER


@pytest.mark.parametrize("url", ["postgresql:sms", "postgresql:/host/x", "postgres://[half/x", "postgresql://h/a\0b"])
def test_a_url_that_is_none_is_refused_when_it_is_opened(url):
    with pytest.raises(ConfigurationError) as caught:
        open_url(url)
    assert str(caught.value) == words.UNREADABLE_URL


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_both_schemes_open_the_store_and_import_no_psycopg(scheme):
    code = (
        "import sys\n"
        "from smsbridge.guard.policy import GuardPolicy\n"
        "from smsbridge.ledger.policy import LedgerPolicy\n"
        "from smsbridge.optouts.policy import OptoutPolicy\n"
        "from smsbridge.builtin.memory import MemoryProvider\n"
        f"url = '{scheme}://owner:pass@127.0.0.1:1/x'\n"
        "policy = LedgerPolicy(inner=OptoutPolicy(inner=GuardPolicy(inner=MemoryProvider(), total='1/1h', store=url), store=url), store=url)\n"
        "policy.close()\n"
        "print('smsbridge_postgres' in sys.modules, 'psycopg' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["True", "False"]


def test_the_url_is_shown_by_nothing(url):
    entries = entries_at(url)
    at_once(entries.claim([claim()]))
    open_now = entries.writer._store._open
    said = " ".join(map(repr, (PostgresStore(url), entries, entries.writer, entries.writer._store, open_now)))
    assert open_now is not None
    assert not any(secret in said for secret in SECRETS)


# --- rights ---------------------------------------------------------------------------------------------------------------


@contextmanager
def role(postgres, url, *grants):
    """The URL of another user with these rights in the schema of ``url``."""
    schema = url.rpartition("%3D")[2]
    name = f"reader_{schema}"
    postgres.ask(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'", f"GRANT USAGE ON SCHEMA {schema} TO {name}")
    for grant in grants:
        postgres.ask(f"GRANT {grant} IN SCHEMA {schema} TO {name}")
    yield url.replace("//owner:", f"//{name}:")
    forget_writers()
    postgres.ask(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_a_user_that_may_only_read_looks_and_sends_nothing(postgres, url):
    at_once(entries_at(url).claim([claim()]))
    with role(postgres, url, "SELECT ON ALL TABLES") as readers:
        assert problem_of(readers) == words.NO_RIGHT
        assert at_once(entries_at(readers).find("order-1")).state is State.OPEN
        with pytest.raises(Unwritable, match="lacks a right"):
            at_once(entries_at(readers).claim([claim("order-2")]))


def test_a_user_needs_no_more_than_to_read_and_write(postgres, url):
    PostgresStore(url).upgrade()
    with role(postgres, url, "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES") as writers:
        assert problem_of(writers, create=False) is None
        policy = LedgerPolicy(
            inner=OptoutPolicy(inner=GuardPolicy(inner=HttpProvider(), total="9/1h", store=writers), store=writers),
            store=writers,
        )
        assert send(policy)[1] == 1


def test_a_user_that_may_make_no_tables_is_told_so(postgres, url):
    with role(postgres, url) as strangers:
        assert "may not make tables" in problem_of(strangers)
        with pytest.raises(ConfigurationError, match="lacks a right"):
            PostgresStore(strangers).upgrade()


def test_a_database_that_can_only_be_read_is_named_as_such(url):
    PostgresStore(url).upgrade()
    url = url.replace("search_path", "default_transaction_read_only%3Don%20-csearch_path")
    assert problem_of(url) == words.READ_ONLY
    with pytest.raises(Unwritable) as caught:
        at_once(entries_at(url).claim([claim()]))
    assert str(caught.value) == words.READ_ONLY


# --- a database that is away ----------------------------------------------------------------------------------------------


class Switch:
    """Stops the server, and starts it again."""

    def __init__(self, server):
        self.server, self.is_on = server, True

    def off(self, mode="fast"):
        self.server.stop(mode)
        self.is_on = False

    def on(self):
        if not self.is_on:
            self.server.start()
        self.is_on = True


@pytest.fixture
def switch(postgres):
    switch = Switch(postgres)
    yield switch
    switch.on()


def test_a_database_that_is_away_refuses_texts_but_for_limits(url, switch, caplog):
    inner = HttpProvider()
    policies = {
        "ledger": LedgerPolicy(inner=inner, store=url),
        "caps-unreadable": GuardPolicy(inner=inner, total="9/1h", store=url),
        "opt-outs-unreadable": OptoutPolicy(inner=inner, store=url),
    }
    limit = LimitPolicy(inner=inner, sends="100/1s", store=url)
    for number, policy in enumerate([*policies.values(), limit]):
        assert send(policy, message(reference=f"before-{number}"))[1] == 1
    switch.off()
    for reason, policy in policies.items():
        error, requests, _ = send(policy, message(reference="while-it-is-away"))
        assert (error.reason, requests) == (reason, 0)
        assert error.detail in (words.STARTING, "the database server cannot be reached")
    assert send(limit)[1] == 1
    assert not any(secret in caplog.text for secret in SECRETS)


def test_after_a_restart_the_next_text_leaves(postgres, url):
    policy = LedgerPolicy(inner=HttpProvider(), store=url)
    assert send(policy, message(reference="before"))[1] == 1
    postgres.restart()
    assert send(policy, message(reference="after"))[1] == 1
    assert send(policy, message(reference="before"))[1] == 0


def test_texts_of_many_threads_while_the_server_restarts_are_sent_once_or_refused(postgres, url):
    """What was accepted is recorded, though its outcome was told while the server was away."""
    policy = LedgerPolicy(inner=HttpProvider(), store=url)
    send(policy, message(reference="first"))
    sent, refused, ready = [], [], threading.Barrier(5)

    def work(thread):
        ready.wait()
        for number in range(120):
            reference = f"order-{thread}-{number}"
            error, requests, _ = send(policy, message(reference=reference))
            (sent if requests else refused).append(reference)
            assert requests or error.reason == "ledger"

    threads = [threading.Thread(target=work, args=[thread]) for thread in range(4)]
    for thread in threads:
        thread.start()
    ready.wait()
    for mode in ("fast", "immediate"):
        postgres.restart(mode)
    for thread in threads:
        thread.join()
    assert len(sent) + len(refused) == 480
    assert send(policy, message(reference="last"))[1] == 1
    states = {entry.claim.reference: entry.state for _, entry in at_once(policy._entries().page(limit=1000))}
    assert {states[reference] for reference in sent} == {State.ACCEPTED}
    assert {states[reference] for reference in refused if reference in states} <= {State.REFUSED}


# --- a commit that is in doubt --------------------------------------------------------------------------------------------


class Broken:
    """The connection of a book, which is lost around its next commit."""

    def __init__(self, shelf, monkeypatch, *, kept, before=lambda: None):
        performed = shelf._perform

        def perform(query, values=()):
            if query == "COMMIT" and not self.done:
                self.done = True
                if kept:
                    performed("COMMIT")
                before()
                shelf._open.end()
            return performed(query, values)

        self.done = False
        monkeypatch.setattr(shelf, "_perform", perform)


@pytest.mark.parametrize("kept", [True, False])
def test_a_claim_whose_commit_is_in_doubt_is_settled_by_its_token(url, monkeypatch, kept):
    entries = entries_at(url)
    at_once(entries.identify(KEY))
    broken = Broken(entries.writer._store, monkeypatch, kept=kept)
    one = claim()
    assert at_once(entries.claim([one])) == [None]
    assert broken.done
    assert at_once(entries.find("order-1")).claim.token == one.token
    assert entries.writer._store._doubtful == {}


@pytest.mark.parametrize("kept", [True, False])
def test_an_outcome_whose_commit_is_in_doubt_is_recorded(url, monkeypatch, kept):
    entries = entries_at(url)
    one = claim()
    at_once(entries.claim([one]))
    Broken(entries.writer._store, monkeypatch, kept=kept)
    entries.record([accepted(one)])
    assert at_once(entries.find("order-1")).state is State.ACCEPTED


@pytest.mark.parametrize("kept", [True, False])
def test_a_place_whose_commit_is_in_doubt_is_taken_once(url, monkeypatch, kept):
    counters = PostgresStore(url).counters()
    cap = Cap(scope="guard", kind="total", key="", rate=Rate(1, 60))
    at_once(counters.peek([cap]))
    Broken(counters._writer._store, monkeypatch, kept=kept)
    assert at_once(counters.take("mine", [cap], 60.0)) is None
    assert at_once(counters.take("another", [cap], 60.0)) is not None


def test_a_claim_that_is_never_asked_for_again_is_given_up_once_the_database_is_back(url, monkeypatch, switch):
    """Its text was refused, so it may be sent later."""
    shelf = PostgresBook(url, patience=0.2)
    with shelf.together():
        shelf.identify(KEY)
    Broken(shelf, monkeypatch, kept=True, before=switch.off)
    with pytest.raises(words.Lost), shelf.together():
        assert shelf.claim([claim()]) == [None]
    with pytest.raises(words.Away), shelf.together():
        shelf.find("order-1")
    switch.on()
    for _ in range(2):
        with shelf.together():
            state = shelf.find("order-1").state
    assert state is State.REFUSED
    with shelf.together():
        assert shelf.claim([claim()]) == [None]
    shelf.close()


def test_an_outcome_that_could_not_be_recorded_is_recorded_once_the_database_is_back(url, switch):
    shelf = PostgresBook(url, patience=0.2)
    one, other = claim("order-1"), claim("order-2")
    with shelf.together():
        shelf.claim([one, other])
    switch.off("immediate")
    for told in (one, other):
        with pytest.raises(Unwritable), shelf.together():
            shelf.record([accepted(told)])
    switch.on()
    with shelf.together():
        assert {shelf.find(told.reference).state for told in (one, other)} == {State.ACCEPTED}
    shelf.close()


# --- others in the way ----------------------------------------------------------------------------------------------------


def test_a_question_that_waits_too_long_for_another_process_is_unwritable(postgres, url):
    import psycopg

    shelf = PostgresBook(url, patience=0.2)
    with shelf.together():
        shelf.claim([claim()])
        shelf.record([accepted(claim())])
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE smsbridge_ledger")
        with pytest.raises(Unwritable) as caught, shelf.together():
            shelf.claim([claim("order-2")])
        other.rollback()
    assert str(caught.value) == "another process did not let go of the same rows in time"
    with shelf.together():
        assert shelf.claim([claim("order-2")]) == [None]
    shelf.close()


def test_a_process_that_is_stopped_in_the_middle_does_not_hold_up_the_others(url, monkeypatch):
    monkeypatch.setattr(room, "_LONGEST_STOP", 0.2)
    stopped, other = PostgresBook(url), PostgresBook(url)
    with other.together():
        other.identify(KEY)

    def stop_in_the_middle():
        stopped.claim([claim()])
        with other.together():  # waits until the server ends the transaction of the first
            assert other.claim([claim()]) == [None]
        stopped.claim([claim("order-2")])

    with pytest.raises(Unwritable), stopped.together():
        stop_in_the_middle()
    stopped.close()
    other.close()


def test_a_value_that_cannot_be_kept_harms_none_beside_it(url):
    entries = entries_at(url)
    odd, fine = claim("order-1"), claim("order-2")
    at_once(entries.claim([odd, fine, claim("a\0b")]))
    assert at_once(entries.find("a\0b")) is not None
    too_many = Outcome(state=State.ACCEPTED, at=odd.at, segments=2**40)
    entries.record([Entry(claim=odd, outcome=too_many), accepted(fine)])
    assert at_once(entries.find("order-2")).state is State.ACCEPTED
    assert at_once(entries.find("order-1")).state is State.OPEN


# --- forks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_a_connection_of_its_own_and_leaves_that_of_its_parent_alone(url):
    shelf = PostgresBook(url)
    with shelf.together():
        shelf.claim([claim()])
    child = os.fork()
    if child == 0:
        try:
            with shelf.together():
                known_there = shelf.find("order-1") is not None
            shelf.close()
        finally:
            os._exit(0 if known_there else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    before = shelf._open
    with shelf.together():
        assert shelf.find("order-1") is not None
    assert shelf._open is before
    shelf.close()


def test_the_writers_of_a_forked_process_work_beside_those_of_its_parent(url):
    entries = entries_at(url)
    at_once(entries.claim([claim()]))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if at_once(entries.claim([claim("order-2")])) == [None] else 2
            entries.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert at_once(entries.claim([claim("order-2")]))[0] is not None
