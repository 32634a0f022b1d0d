"""What the processes of the tests of PostgreSQL do; here, as a spawned process imports it."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta

from scripted import message
from smsbridge.messages import DeliveryReport, SentMessage, Status
from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import Claim, Entry, Kind, Outcome, new_ticket
from smsbridge.stores.gcra import Rate
from smsbridge.stores.seam import Cap
from smsbridge_postgres.store import PostgresStore

KEY = b"0123456789abcdef"


def claims_of(references):
    return [Claim.of(message(reference=reference), account="acme", kind=Kind.TEXT, key=KEY) for reference in references]


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
        won = [claim for claim, answer in zip(claims, answers, strict=True) if answer is None]
        mine += [claim.reference for claim in won]
        entries.record([Entry(claim=claim, outcome=Outcome.accepted(None)) for claim in won])
    entries.close()
    return mine


def sent_as(reference):
    """That a text was accepted, under an id of its own."""
    return SentMessage(account="acme", provider="acme", id=f"v-{reference}", status=Status.QUEUED, reference=reference)


def report_of(reference, status):
    """A report of that text, now."""
    return DeliveryReport(
        account="acme",
        provider="acme",
        id=f"v-{reference}",
        reference=reference,
        status=status,
        final=status.final,
        key=f"{reference}/{status.value}",
        at=datetime.now(UTC),
    )


def report_all(url, seed, references):
    """What a process tells that gets all reports of ``references``, in an order of its own: texts and statuses."""
    came = [report_of(reference, status) for reference in references for status in (Status.SENT, Status.DELIVERED)]
    random.Random(seed).shuffle(came)
    entries = PostgresStore(url).entries(keep=timedelta(days=1))
    told = []
    for report in came:
        ids, ticket = [(report.account, report.id)], new_ticket()
        at_once(entries.note([report]))
        while changes := [
            change
            for change in at_once(entries.fold([report.reference], ids, ticket=ticket, lease=60.0))
            if change.to_tell
        ]:
            told += [(change.entry.claim.reference, change.entry.standing.status.value) for change in changes]
            entries.told(changes, ticket, done=True)
    entries.close()
    return told


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
