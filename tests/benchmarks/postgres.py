"""How many texts a second a ledger claims and records, in SQLite and in PostgreSQL, side by side on this machine.

::

    uv run python tests/benchmarks/postgres.py               # a server of its own, which writes to disk for each commit
    uv run python tests/benchmarks/postgres.py --texts 5000
"""

# ruff: noqa: T201  # it talks to people

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import postgres_server
from scripted import forget_writers, message
from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import Claim, Entry, Kind, Outcome, new_ticket
from smsbridge.stores.gcra import Rate
from smsbridge.stores.known import open_store
from smsbridge.stores.seam import Cap

KEY = b"0123456789abcdef"
CAPS = [
    Cap(scope="guard", kind="recipient", key="+919876543210", rate=Rate(10**6, 3600)),
    Cap(scope="guard", kind="total", key="", rate=Rate(10**6, 3600)),
]


def ledger(url, texts, lot):
    """Seconds for ``texts`` that are claimed and recorded, ``lot`` at a time."""
    entries = open_store(url).entries(keep=timedelta(days=90))
    at_once(entries.identify(KEY))
    claims = [Claim.of(message(reference=new_ticket()), account="acme", kind=Kind.TEXT, key=KEY) for _ in range(texts)]
    begun = time.perf_counter()
    for start in range(0, texts, lot):
        part = claims[start : start + lot]
        assert at_once(entries.claim(part)) == [None] * len(part)
        entries.record([Entry(claim=claim, outcome=Outcome.accepted(None)) for claim in part])
    assert at_once(entries.find(claims[-1].reference)).state == "accepted"
    return time.perf_counter() - begun


def counts(url, texts, _lot):
    """Seconds for ``texts`` that take a place at two caps and keep it."""
    counters = open_store(url).counters()
    begun = time.perf_counter()
    for _ in range(texts):
        ticket = new_ticket()
        assert at_once(counters.take(ticket, CAPS, 60.0)) is None
        counters.give_back(ticket, sent=True)
    at_once(counters.peek(CAPS))
    return time.perf_counter() - begun


def first(url, texts, _lot):
    """Seconds for ``texts`` after each of which the connection is closed, as after two idle seconds."""
    entries = open_store(url).entries(keep=timedelta(days=90))
    begun = time.perf_counter()
    for _ in range(texts):
        at_once(entries.find("order-1"))
        entries.close()
    return time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    server = postgres_server.server()
    server.ask("ALTER SYSTEM SET fsync = on", "SELECT pg_reload_conf()")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        urls = {"SQLite": f"sqlite:///{folder}/sms.db", "PostgreSQL": server.url(schema=server.schema(folder))}
        kinds = {
            "claim and record, 100 at a time": (ledger, given.texts, 100),
            "claim and record, one at a time": (ledger, given.texts // 10, 1),
            "take and give back, two caps": (counts, given.texts // 10, 1),
            "connect and look": (first, 20, 1),
        }
        for name, (measure, texts, lot) in kinds.items():
            seconds = {store: [] for store in urls}
            for _ in range(given.rounds):
                for store, url in urls.items():
                    seconds[store].append(measure(url, texts, lot))
            rates = {store: texts / statistics.median(taken) for store, taken in seconds.items()}
            print(f"{name:<34}", *(f"{store} {rate:8,.0f}/s" for store, rate in rates.items()))
        forget_writers()
    server.remove()


if __name__ == "__main__":
    main()
