"""Write the traces of many histories: ``python -m tests.differential.record --histories 100000 --seed 1 FILE``."""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from .tracing import trace

STEP = 250


def traces(seeds):
    return [(seed, trace(seed)) for seed in seeds]


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.differential.record", description=__doc__)
    parser.add_argument("--histories", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each history has the next one")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    last = given.seed + given.histories
    parts = [range(start, min(start + STEP, last)) for start in range(given.seed, last, STEP)]
    with ProcessPoolExecutor(given.processes) as pool, given.file.open("w") as out:
        for done in pool.map(traces, parts):
            for seed, lines in done:
                out.write(json.dumps([seed, lines]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
