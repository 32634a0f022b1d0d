"""Plant mistakes, and list those that no test finds: ``python -m tests.mutants --count 200 --seed 1``.

Each mutant runs the tests of its file, then, if it survives, the wider tests. Survivors are printed: rules
without a test, or code whose change makes no difference.
"""

# ruff: noqa: T201  # it prints for people

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .planting import Mutant, mutants
from .targets import TARGETS, WIDER

ROOT = Path(__file__).parents[2]
LONGEST = 240.0
"""Seconds for a run of tests. A mutant that takes longer hangs, and counts as found."""


def copy_of_the_tree(folder: Path) -> Path:
    """A copy for changes; the packages of the environment stay unchanged."""
    for name in ("src", "plugins", "tests", "cassettes", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
    for name in ("pyproject.toml", "zensical.toml", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def notices(tree: Path, tests: list[str]) -> bool:
    """Whether one of ``tests`` fails, or hangs, in ``tree``."""
    sources = [tree / "src", *sorted((tree / "plugins").glob("*/src"))]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sources)), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "--no-header", "-p", "no:randomly", *tests]
    process = subprocess.Popen(
        words, cwd=tree, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait(LONGEST) != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()


def survives(tree: Path, mutant: Mutant) -> bool:
    path = tree / mutant.file
    original = path.read_text()
    path.write_text(mutant.text)
    try:
        return not notices(tree, TARGETS[mutant.file]) and not notices(tree, WIDER)
    finally:
        path.write_text(original)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many mutants, drawn by lot (0: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only files whose path contains this")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    files = [file for file in TARGETS if given.only in file]
    all_of_them = [mutant for file in files for mutant in mutants(file, (ROOT / file).read_text())]
    chosen = random.Random(given.seed).sample(all_of_them, min(given.count or len(all_of_them), len(all_of_them)))
    begun, survivors, done = time.monotonic(), [], 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [copy_of_the_tree(Path(folder, str(number))) for number in range(given.processes)]

        def work(number: int) -> None:
            nonlocal done
            for mutant in chosen[number :: given.processes]:
                if survives(trees[number], mutant):
                    survivors.append(mutant)
                    print(f"\rsurvives: {mutant}", flush=True)
                done += 1
                print(f"\r{done} of {len(chosen)} mutants", end="", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(given.processes) as pool:
            list(pool.map(work, range(given.processes)))
    print(file=sys.stderr)
    share = 100 * (1 - len(survivors) / len(chosen)) if chosen else 100.0
    seconds = time.monotonic() - begun
    print(
        f"seed {given.seed}: {len(chosen)} of {len(all_of_them)} mutants in {len(files)} files, {share:.1f} % noticed, {seconds:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
