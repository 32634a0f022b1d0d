"""Interrupt a sending thread at many moments: ``python -m tests.interruptions --strikes 5000 --seed 1``, or at ``--all`` of them."""

# ruff: noqa: T201  # it prints for people

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import sys
import tempfile
import time
from functools import partial
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # for scripted.py

from .run import Run
from .strikes import KINDS, WAYS
from .world import OUTCOMES, STORES, World

HANGS = 60
"""Seconds after which a strike counts as hanging."""


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.interruptions", description=__doc__)
    parser.add_argument("--strikes", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="at each moment of each scene, instead of random ones")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["call", "signal"])
    parser.add_argument("--scenes", nargs="+", choices=World.SCENES, default=World.SCENES)
    parser.add_argument("--outcomes", nargs="+", choices=sorted(set(OUTCOMES)), default=sorted(set(OUTCOMES)))
    parser.add_argument("--store", choices=STORES, help="keep caps and limits there; with memory, the ledger too")
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), given.store)
        for moment in moments(run, given):
            faulthandler.dump_traceback_later(HANGS, exit=True)
            moment()
            for problem in run.tally.problems[getattr(run, "told", 0) :]:
                print(problem, flush=True)
            run.told = len(run.tally.problems)
            print(f"\r{run.tally}", end="", file=sys.stderr, flush=True)
        faulthandler.cancel_dump_traceback_later()
    print(file=sys.stderr)
    print(f"seed {given.seed}, {time.monotonic() - begun:.0f} s: {run.tally}", flush=True)
    os._exit(1 if run.tally.problems else 0)


def moments(run, given):
    """Yield a function for each strike."""
    choices = random.Random(given.seed)
    if not given.all:
        for _ in range(given.strikes):
            yield partial(run.random, choices, given.scenes, given.ways)
        return
    for way, scene, outcome in product(given.ways, given.scenes, given.outcomes):
        kind = choices.choice(KINDS)
        for at in range(1, run.size(scene, outcome, WAYS[way]) + 1):
            yield partial(run.strike, scene, outcome, WAYS[way], at, kind)


if __name__ == "__main__":
    main()
