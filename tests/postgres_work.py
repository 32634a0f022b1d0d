"""What the processes of the tests of PostgreSQL do; here, as a spawned process imports it."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

from scripted import message
from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import Claim, Entry, Kind, Outcome, new_ticket
from smsbridge.stores.gcra import Rate
from smsbridge.stores.seam import Cap
from smsbridge_postgres.store import PostgresStore

KEY = b"0123456789abcdef"


def claims_of(references):
    return [Claim.of(message(reference=one), account="acme", kind=Kind.TEXT, key=KEY) for one in references]


def claim_all(url, seed, references):
    """What a process claims of ``references``, in an order of its own, and in lots of several sizes; and how often."""
    chance = random.Random(seed)
    chance.shuffle(references)
    entries = PostgresStore(url).entries(keep=timedelta(days=1))
    mine = []
    left = iter(references)
    while lot := list(itertools.islice(left, chance.randrange(1, 12))):
        claims = claims_of(lot)
        answers = at_once(entries.claim(claims))
        won = [one for one, answer in zip(claims, answers, strict=True) if answer is None]
        mine += [one.reference for one in won]
        entries.record([Entry(claim=one, outcome=Outcome.accepted(None)) for one in won])
    entries.close()
    return mine


def take_many(url, seed):
    """How many texts a process gets through a common cap of 60 and own caps; it takes and gives back at random."""
    chance = random.Random(seed)
    counters = PostgresStore(url).counters()
    sent = 0
    for _ in range(80):
        caps = [
            Cap(scope="guard", kind="recipient", key=str(chance.randrange(5)), rate=Rate(40, 600)),
            Cap(scope="guard", kind="total", key="", rate=Rate(60, 600)),
        ]
        ticket = new_ticket()
        if at_once(counters.take(ticket, caps, 60.0)) is None:
            is_sent = chance.random() < 0.7
            sent += is_sent
            counters.give_back(ticket, sent=is_sent)
    counters.close()
    return sent


def reserve_many(url):
    counters = PostgresStore(url).counters()
    waits = [at_once(counters.reserve("limit", 5.0, 1, 10_000.0)).wait for _ in range(40)]
    counters.close()
    return waits
