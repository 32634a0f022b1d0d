"""A ledger in SQLite: of the version before, pruned, and used by several processes at once."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reports.lives import lives
from reports.run import compared, told_twice
from smsbridge.messages import DeliveryReport, Message, SentMessage, Status
from smsbridge.stores import sqlite
from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import Claim, Entry, Kind, Outcome, State
from smsbridge.stores.sqlite_store import SqliteStore

KEY = b"0123456789abcdef"
AT = datetime(2030, 1, 31, 12, tzinfo=UTC)
VERSION_2 = (
    "PRAGMA application_id = 0x736d7362",
    "CREATE TABLE smsbridge_file (what TEXT PRIMARY KEY, identity BLOB NOT NULL, changes INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO smsbridge_file VALUES ('ledger', x'00112233445566778899aabbccddeeff', 0)",
    "CREATE TABLE smsbridge_ledger_about (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE TABLE smsbridge_ledger (number INTEGER PRIMARY KEY, account TEXT NOT NULL, reference TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL, content BLOB NOT NULL, recipient TEXT NOT NULL, purpose TEXT NOT NULL, claim TEXT NOT NULL,
        claimed_at REAL NOT NULL, claims INTEGER NOT NULL DEFAULT 1, state TEXT NOT NULL DEFAULT 'open',
        recorded_at REAL, taker TEXT, provider TEXT, id TEXT, status TEXT, segments INTEGER, price TEXT, unit TEXT,
        accepted_at REAL, expires_at REAL, error TEXT, code TEXT, reason TEXT)""",
    "CREATE INDEX smsbridge_ledger_settled ON smsbridge_ledger (recorded_at) WHERE state IN ('accepted', 'refused')",
    "INSERT INTO smsbridge_ledger_about VALUES ('version', '2')",
    """INSERT INTO smsbridge_ledger (account, reference, kind, content, recipient, purpose, claim, claimed_at, state,
        recorded_at, taker, provider, id, status, segments) VALUES ('acme', 'order-1', 'text', x'01', '+91******3210',
        'transactional', '1-a-0', 1900000000.5, 'accepted', 1900000001.5, 'acme', 'acme', 'vendor-1', 'queued', 2)""",
)
"""A ledger as version 0.1 of smsbridge made it, with one text."""


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "sms.db"
    with closing(sqlite3.connect(path)) as db:
        for statement in VERSION_2:
            db.execute(statement)
        db.commit()
    return path


@pytest.fixture
def opened():
    """Opens entries, and closes them in the end."""
    made = []

    def entries(path, keep=timedelta(days=90)):
        made.append(SqliteStore(path).entries(keep=keep))
        return made[-1]

    yield entries
    for each in made:
        each.close()


def report(status, reference="order-1", id="vendor-1", **fields):
    return DeliveryReport(
        account="acme",
        provider="acme",
        id=id,
        reference=reference,
        status=status,
        final=status.final,
        at=AT,
        key=f"{id}/{status}",
        **fields,
    )


def claim(reference):
    message = Message(to="+919876543210", text="Your order has shipped", reference=reference)
    return Claim.of(message, account="acme", kind=Kind.TEXT, key=KEY)


def accept(entries, reference, id):
    made = claim(reference)
    at_once(entries.claim([made]))
    sent = SentMessage(account="acme", provider="acme", id=id, status=Status.QUEUED, at=AT)
    entries.record([Entry(claim=made, outcome=Outcome.accepted(sent))])


def take_in(entries, came):
    at_once(entries.note([came]))
    return at_once(entries.fold([came.reference] if came.reference else [], [(came.account, came.id)]))


def test_a_ledger_of_the_version_before_is_used_as_it_is(old, opened):
    entries = opened(old)
    there = at_once(entries.find("order-1"))
    assert (there.state, there.outcome.id, there.claim.context, there.standing) == (
        State.ACCEPTED,
        "vendor-1",
        {},
        None,
    )
    take_in(entries, report(Status.DELIVERED))
    assert at_once(entries.find("order-1")).standing.status is Status.DELIVERED
    accept(entries, "order-2", "vendor-2")
    assert [entry.claim.reference for _, entry in at_once(entries.page())] == ["order-1", "order-2"]


def test_two_processes_may_find_the_old_ledger_at_once(old):
    processes = [
        subprocess.Popen([sys.executable, "-c", _USE, str(old), str(number)], env=_environ()) for number in range(4)
    ]
    assert [process.wait(60) for process in processes] == [0] * 4
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("SELECT value FROM smsbridge_ledger_about WHERE name = 'version'").fetchone() == ("3",)
        assert db.execute("SELECT count(*) FROM smsbridge_ledger").fetchone() == (5,)


_USE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from datetime import timedelta
from pathlib import Path
from test_reports_sqlite import accept
from smsbridge.stores.sqlite_store import SqliteStore
entries = SqliteStore(Path(sys.argv[1])).entries(keep=timedelta(days=36500))
accept(entries, "new-" + sys.argv[2], "new-" + sys.argv[2])
entries.close()
"""


def _environ():
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def test_reports_go_with_their_text_and_those_of_texts_in_doubt_stay(tmp_path, opened):
    entries = opened(tmp_path / "sms.db")
    accept(entries, "order-1", "vendor-1")
    doubtful = claim("order-2")
    at_once(entries.claim([doubtful]))
    for came in (
        report(Status.DELIVERED),
        report(Status.SENT, reference="", id="vendor-1"),
        report(Status.DELIVERED, reference="order-2", id="vendor-2"),
        report(Status.DELIVERED, reference="order-9", id="vendor-9"),
    ):
        take_in(entries, came)
    assert at_once(entries.prune(3600.0, 100)) == 0
    assert len(at_once(entries.reports("order-9"))) == 1
    assert at_once(entries.prune(-3600.0, 100)) == 1
    assert at_once(entries.reports("order-1")) == []
    assert at_once(entries.reports("order-9")) == []
    assert len(at_once(entries.reports("order-2"))) == 1
    entries.record(
        [Entry(claim=doubtful, outcome=Outcome.accepted(SentMessage(account="acme", provider="acme", id="vendor-2")))]
    )
    (change,) = at_once(entries.fold(["order-2"]))
    assert change.entry.standing.status is Status.DELIVERED


def test_a_report_after_a_prune_is_of_an_unknown_text(tmp_path, opened):
    entries = opened(tmp_path / "sms.db")
    accept(entries, "order-1", "vendor-1")
    at_once(entries.prune(-3600.0, 100))
    assert take_in(entries, report(Status.DELIVERED)) == []
    assert at_once(entries.find("order-1")) is None


_BRING = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from datetime import timedelta
from reports.lives import lives, reports
from reports.run import take_in
from smsbridge.stores.sqlite_store import SqliteStore
import random
path, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
entries = SqliteStore(Path(path)).entries(keep=timedelta(days=36500))
came = [report for life in lives(count, 1) for report in reports(life)]
random.Random(seed).shuffle(came)
told = []
take_in(entries, came, told, 5, lambda _: None)
entries.close()
for reference, rank in told:
    print(reference, rank)
"""


def test_four_processes_bring_the_same_reports_and_each_change_is_told_once(tmp_path, opened):
    path, count = tmp_path / "sms.db", 60
    entries = opened(path)
    some = list(lives(count, 1, early=0))
    for life in some:
        made = claim(life.reference)
        at_once(entries.claim([made]))
        sent = SentMessage(account=life.taker, provider="model", id=life.id, status=Status.QUEUED)
        entries.record([Entry(claim=made, outcome=Outcome.accepted(sent))])
    entries.close()
    command = [sys.executable, "-c", _BRING, str(path)]
    processes = [
        subprocess.Popen([*command, str(seed), str(count)], env=_environ(), stdout=subprocess.PIPE, text=True)
        for seed in range(4)
    ]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    told = [(reference, int(rank)) for line in "".join(said).splitlines() for reference, rank in [line.split()]]
    assert compared(entries, some) == []
    assert len(told) == len(set(told))
    assert not told_twice(sorted(told, key=lambda each: each[1]))
    assert {reference for reference, _ in told} >= {
        life.reference
        for life in some
        if life.expected[0] != {Status.QUEUED} and life.expected[0] != {Status.SCHEDULED}
    }


def test_no_statement_of_a_text_reads_the_whole_ledger(tmp_path, opened):
    """What grows with the number of rows would make each text slower than the one before."""
    entries = opened(tmp_path / "sms.db")
    accept(entries, "order-1", "vendor-1")
    entries.close()
    statements = {
        name: value
        for name, value in vars(sqlite).items()
        if isinstance(value, str) and value.startswith(("SELECT", "UPDATE", "DELETE"))
    }
    assert len(statements) >= 15
    with closing(sqlite3.connect(tmp_path / "sms.db")) as db:
        for name, statement in statements.items():
            values = dict.fromkeys(re.findall(r":(\w+)", statement)) or [None] * statement.count("?")
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert not [line for line in plan if line.startswith("SCAN smsbridge")], f"{name}: {plan}"
