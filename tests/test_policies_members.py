"""Abilities that only some accounts of a failover have."""

from __future__ import annotations

import logging

import pytest

from scripted import BatchProvider, HttpProvider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.plugins import Plugins
from smsbridge.policies import members
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.members import unable
from smsbridge.policies.retry import RetryPolicy
from smsbridge.provider import SmsProvider
from smsbridge.settings import Settings


class Bare(SmsProvider):
    """A provider that only sends."""

    name = "bare"

    def send(self, message):
        yield from ()
        return self.accepted(message, id="1")


class Full(HttpProvider):
    supports = frozenset({"sender", "send_at", "valid_until", "dlt"})


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(members, "_said", set())


def client(provider, kind=SmsClient):
    return kind(provider, settings=Settings(), plugins=Plugins())


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_accounts_that_can_do_the_same_have_no_differences():
    assert unable(FailoverPolicy(accounts=[Full(account="a"), Full(account="b")])) == {}
    assert unable(FailoverPolicy(accounts=[Bare(account="a")])) == {}


class Registers(HttpProvider):
    dlt_registered: bool = False


def test_dlt_ids_that_are_registered_with_an_account_are_not_missing():
    def missing(registered):
        bare = RetryPolicy(inner=Registers(account="b", dlt_registered=registered))
        return unable(FailoverPolicy(accounts=[Full(account="a"), bare])).get("b", [])

    assert "DLT ids" in missing(False)
    assert "DLT ids" not in missing(True)


def test_only_what_another_one_can_do_is_missing():
    found = unable(FailoverPolicy(accounts=[Bare(account="a"), HttpProvider(account="b"), BatchProvider(account="c")]))
    assert found == {
        "a": ["sender ids", "delivery reports", "look-ups by reference", "one-time codes", "batches"],
        "b": ["batches"],
    }
    assert unable(FailoverPolicy(accounts=[Full(account="a"), HttpProvider(account="b")])) == {
        "b": ["scheduling", "validity", "DLT ids"]
    }


@pytest.mark.parametrize("kind", [SmsClient, AsyncSmsClient])
def test_it_is_said_once_when_a_client_is_made(caplog, kind):
    policy = RetryPolicy(inner=FailoverPolicy(accounts=[Full(account="a"), Bare(account="b")], account="both"))
    for _ in range(3):
        client(policy, kind)
    (words,) = warnings(caplog)
    assert words == (
        "account b of both cannot do: sender ids, scheduling, validity, DLT ids, delivery reports, look-ups by reference, "
        "one-time codes"
    )
    assert caplog.records[0].name == "smsbridge"


def test_what_does_not_matter_is_not_said(caplog):
    client(FailoverPolicy(accounts=[HttpProvider(account="a"), BatchProvider(account="b")]))
    client(HttpProvider())
    assert warnings(caplog) == []
