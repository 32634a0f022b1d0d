"""Bring many reports into a store: ``python -m tests.reports --texts 100000 --store sqlite:////tmp/sms.db``."""

# ruff: noqa: T201  # it prints for people

from __future__ import annotations

import argparse
import sys
import time

from smsbridge.stores.known import open_store

from .run import forever, run


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.reports", description=__doc__)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--store", default="memory:", help="URL of a store that has no texts yet")
    parser.add_argument("--times", type=int, default=3, help="how often each report comes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--together", type=int, default=100, help="reports of one webhook")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    entries = open_store(given.store).entries(keep=forever())
    seen, shown = 0, time.monotonic()

    def progress(count):
        nonlocal seen, shown
        seen += count
        if time.monotonic() - shown > 1:
            shown = time.monotonic()
            print(f"\r{seen} events", end="", file=sys.stderr, flush=True)

    found = run(
        entries,
        given.texts,
        seed=given.seed,
        times=given.times,
        threads=given.threads,
        together=given.together,
        progress=progress,
    )
    entries.close()
    print(file=sys.stderr)
    for problem in found.problems[:20]:
        print(problem)
    print(f"{given.store.partition(':')[0]}, seed {given.seed}: {found}")
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
