"""``smsbridge store``: what it makes, and of which stores. That of PostgreSQL is in ``tests/plugins``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from scripted import forget_writers
from smsbridge.cli.app import smsbridge
from smsbridge.stores import known
from smsbridge.stores.memory_store import MemoryStore
from smsbridge.stores.upgrades import Step, Upgraded


@pytest.fixture(autouse=True)
def nothing_is_open():
    yield
    forget_writers()
    known.forget_all()


def run(*arguments, **environ):
    given = {f"SMSBRIDGE_{name}": value for name, value in environ.items()}
    return CliRunner().invoke(smsbridge, ["store", "upgrade", *arguments], env=given)


def test_a_file_is_made_once_with_all_its_parts(tmp_path):
    url = f"sqlite:///{tmp_path}/sms.db"
    assert json.loads(run("--json", STORE=url).stdout) == {
        "stores": [{"variable": "SMSBRIDGE_STORE", "store": f"{tmp_path}/sms.db", "made": True}]
    }
    assert json.loads(run("--json", STORE=url).stdout)["stores"][0]["made"] is False
    store = known.open_store(url, create=False)
    assert [store.init(part) for part in ("entries", "counters", "opt_outs")] == [False] * 3


def test_it_makes_a_file_in_production_as_well(tmp_path):
    assert run(STORE=f"sqlite:///{tmp_path}/sms.db", ENV="production").exit_code == 0
    assert (tmp_path / "sms.db").exists()


def test_what_is_in_memory_has_nothing_to_be_made():
    done = run(STORE="memory:")
    assert done.exit_code == 0
    assert "in memory" in done.output


def test_stores_that_are_named_twice_are_made_once_and_on_and_off_are_none(tmp_path):
    url = f"sqlite:///{tmp_path}/sms.db"
    done = run("--json", STORE=url, LEDGER_STORE=url, LIMIT_STORE="on", GUARD_STORE="off", OTP_LEDGER_STORE="memory:")
    assert [store["variable"] for store in json.loads(done.stdout)["stores"]] == [
        "SMSBRIDGE_STORE",
        "SMSBRIDGE_OTP_LEDGER_STORE",
    ]


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "SMSBRIDGE_STORE names no store"),
        ({"STORE": "off"}, "SMSBRIDGE_STORE names no store"),
        ({"GUARD_STORE": "sqlit:///s3cret"}, "SMSBRIDGE_GUARD_STORE: there is no store 'sqlit'"),
        ({"STORE": "sqlite:////no/such/folder/s3cret.db"}, "SMSBRIDGE_STORE: "),
    ],
)
def test_what_is_wrong_is_said_with_its_variable(environ, words):
    done = run(**environ)
    assert done.exit_code == 3
    assert words in done.output


class Versioned(MemoryStore):
    """A store with versions."""

    version = 1

    def upgrade(self):
        before, self.version = self.version, 2
        return Upgraded(before, 2)

    def steps(self):
        return [Step(1, ["CREATE a"]), Step(2, ["ALTER a", "UPDATE a"])]


@pytest.fixture
def versioned(monkeypatch):
    store = Versioned()
    monkeypatch.setattr("smsbridge.stores.known.open_store", lambda url: store)
    return "memory:"


def test_a_store_with_versions_is_upgraded_and_says_from_which(versioned, monkeypatch):
    assert "upgraded from 1 to 2" in run(STORE=versioned).stdout
    assert "nothing to do" in run(STORE=versioned).stdout


def test_its_statements_are_printed_by_version(versioned):
    assert run("--sql", STORE=versioned).stdout.split("\n\n")[:2] == [
        "-- version 1 of the tables of smsbridge\nCREATE a;",
        "-- version 2 of the tables of smsbridge\nALTER a;\nUPDATE a;",
    ]
