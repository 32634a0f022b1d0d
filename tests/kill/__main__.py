"""Kill real senders at random moments: ``python -m tests.kill --kills 200 --seed 1``."""

# ruff: noqa: T201  # it prints for people

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from .murder import QUICK, kill_many, timed


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", help="URL of the store that holds the ledger; default: a SQLite file of its own")
    given = parser.parse_args()

    def progress(count):
        print(
            f"\r{count.kills} of {given.kills} kills, {len(count.problems)} problems",
            end="",
            file=sys.stderr,
            flush=True,
        )

    with tempfile.TemporaryDirectory() as folder:
        store = given.store or f"sqlite:///{Path(folder) / 'ledger.db'}"
        count, seconds = timed(lambda: kill_many(random.Random(given.seed), store, given.kills, progress, QUICK))
    print(file=sys.stderr)
    for problem in count.problems:
        print(problem)
    print(f"seed {given.seed}, {seconds:.0f} s: {count}")
    return 1 if count.problems else 0


if __name__ == "__main__":
    sys.exit(main())
