"""Compare two files of traces: ``python -m tests.differential OLD NEW``. Declared differences are in ``declared.py``."""

# ruff: noqa: T201  # it prints for people

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import zip_longest
from pathlib import Path

from .declared import DECLARED

SHOWN = 5


def main():
    old, new = (Path(name) for name in sys.argv[1:3])
    equal, known, others = 0, Counter(), []
    with old.open() as before, new.open() as after:
        for old_line, new_line in zip_longest(before, after):
            if old_line == new_line:
                equal += 1
                continue
            seed, old_trace = json.loads(old_line)
            name = next((name for name, is_it in DECLARED.items() if is_it(old_trace, json.loads(new_line)[1])), None)
            if name is None:
                others.append((seed, old_trace, json.loads(new_line)[1]))
            else:
                known[name] += 1
    for seed, old_trace, new_trace in others[:SHOWN]:
        print(f"seed {seed}:")
        for was, now in zip_longest(old_trace, new_trace):
            print("  " if was == now else "- " + str(was) + "\n+ ", now)
    print(
        f"{equal} histories equal, {sum(known.values())} with declared differences {dict(known)}, {len(others)} others"
    )
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main())
