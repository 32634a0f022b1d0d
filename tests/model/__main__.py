"""Many random histories: ``python -m tests.model --histories 100000 --seed 1``."""

# ruff: noqa: T201  # it prints for people

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from .history import History
from .stores import KINDS

STEP = 500


def run(seeds, store=None):
    """The seeds of the histories that failed, each with what went wrong."""
    failed = []
    with ExitStack() as at_end:
        stored = None
        if store is not None:
            folder = at_end.enter_context(tempfile.TemporaryDirectory())
            stored = at_end.enter_context(closing(KINDS[store](Path(folder))))
        for seed in seeds:
            try:
                History(random.Random(seed), stored=stored).live()
            except Exception as error:  # noqa: BLE001  # any error counts
                failed.append((seed, f"{error}\n{traceback.format_exc(limit=-1)}"))
    return len(seeds), failed


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--histories", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each history has the next one")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--store", choices=KINDS, help="keep the ledger, limits and caps in a store of smsbridge")
    given = parser.parse_args()
    begun, done, failed = time.monotonic(), 0, []
    last = given.seed + given.histories
    parts = [range(start, min(start + STEP, last)) for start in range(given.seed, last, STEP)]
    with ProcessPoolExecutor(given.processes) as pool:
        for count, problems in pool.map(partial(run, store=given.store), parts):
            done += count
            failed += problems
            for seed, words in problems:
                print(f"seed {seed}: {words}", flush=True)
            print(f"\r{done} of {given.histories} histories, {len(failed)} failed", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    seconds = time.monotonic() - begun
    print(f"{done} histories, seeds {given.seed} to {last - 1}, {len(failed)} failed, {seconds:.0f} s")
    if failed:
        print(
            f"again: python -m tests.model --histories 1 --seed {failed[0][0]}{f' --store {given.store}' if given.store else ''}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
