"""Measure what a text costs a store that has many rows already: claim, outcome, report and fold, in one run.

    python tests/benchmarks/rows.py [--store sqlite] [--few 10000] [--many 1000000] [--count 2000]

The store is filled with texts and their reports by its own methods, in large batches. The same is measured at both sizes,
in batches of one text and of a hundred; the figure is the quotient, which must be 1.3 at most. ``--store`` is ``sqlite``,
``memory`` or the URL of a store that has no rows.
"""

# ruff: noqa: T201  # it prints for people

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from smsbridge.messages import DeliveryReport, Message, SentMessage, Status
from smsbridge.stores.blocking import at_once
from smsbridge.stores.digests import new_ticket
from smsbridge.stores.entries import Claim, Entry, Kind, Outcome
from smsbridge.stores.known import open_store

KEY = b"0123456789abcdef"
AT = datetime(2030, 1, 31, tzinfo=UTC)
MOST = 1.3


def one_life(entries, references):
    """Everything that a ledger asks of a store for these texts: claims, outcomes, early reports, reports and folds."""
    claims = [
        Claim.of(
            Message(to="+919876543210", text="Your order has shipped", reference=reference),
            account="acme",
            kind=Kind.TEXT,
            key=KEY,
        )
        for reference in references
    ]
    at_once(entries.claim(claims))
    entries.record(
        [
            Entry(
                claim=claim,
                outcome=Outcome.accepted(
                    SentMessage(account="acme", provider="acme", id=f"v-{claim.reference}", status=Status.QUEUED, at=AT)
                ),
            )
            for claim in claims
        ]
    )
    at_once(entries.fold(references, (), ticket=new_ticket(), lease=60.0))
    reports = [
        DeliveryReport(
            account="acme",
            provider="acme",
            id=f"v-{reference}",
            reference=reference,
            status=Status.DELIVERED,
            final=True,
            at=AT,
            key=f"v-{reference}/delivered",
        )
        for reference in references
    ]
    at_once(entries.note(reports))
    ticket = new_ticket()
    ids = [(report.account, report.id) for report in reports]
    changes = at_once(entries.fold(references, ids, ticket=ticket, lease=60.0))
    entries.told([change for change in changes if change.to_tell], ticket, done=True)
    at_once(entries.find(references[0]))


def fill(entries, begin, end):
    """Rows ``begin`` to ``end``, with a report each."""
    shown = time.monotonic()
    for start in range(begin, end, 1000):
        one_life(entries, [f"old-{number}" for number in range(start, min(start + 1000, end))])
        if time.monotonic() - shown > 1:
            shown = time.monotonic()
            print(f"\r{start} rows", end="", file=sys.stderr, flush=True)


def measured(entries, name, count, together, rounds):
    """Microseconds a text: the median of ``rounds``."""
    found = []
    for turn in range(rounds):
        started = time.perf_counter()
        for start in range(0, count, together):
            one_life(entries, [f"{name}-{together}-{turn}-{number}" for number in range(start, start + together)])
        found.append((time.perf_counter() - started) / count * 1e6)
    return median(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="sqlite")
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="smsbridge-rows-") as folder:
        url = {"sqlite": f"sqlite:///{Path(folder) / 'sms.db'}", "memory": "memory:"}.get(given.store, given.store)
        entries = open_store(url).entries(keep=timedelta(days=36500))
        at_once(entries.identify(KEY))
        figures = {}
        fill(entries, 0, given.few)
        for size in (given.few, given.many):
            if size == given.many:
                fill(entries, given.few, given.many)
            print(f"\r{size} rows: measuring", end="", file=sys.stderr, flush=True)
            for together in (1, 100):
                figures[size, together] = measured(entries, f"new-{size}", given.count, together, given.rounds)
        entries.close()
    print(file=sys.stderr)
    kept = True
    for together in (1, 100):
        few, many = figures[given.few, together], figures[given.many, together]
        kept = kept and many / few <= MOST
        word = "kept" if many / few <= MOST else "MISSED"
        print(
            f"{given.store.partition(':')[0]}, {together} together: {few:.0f} us a text at {given.few} rows, {many:.0f} us at "
            f"{given.many}: {many / few:.2f} times, at most {MOST}  {word}"
        )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
