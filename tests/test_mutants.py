"""``python -m tests.mutants`` plants real mistakes, one at a time, in files that exist."""

from __future__ import annotations

from pathlib import Path

from mutants.planting import mutants
from mutants.targets import TARGETS, WIDER

ROOT = Path(__file__).parents[1]
SOURCE = '''
"""A module."""
_EARLIEST = -5 * 60

def admit(count: int = 1, *, limit: int) -> bool:
    """Whether there is room."""
    if not count:
        return True
    found: int | None = None
    log(count, again=True)
    return count + 1 <= limit and count > 0

def pairs(first, second):
    return zip(first, second, strict=True)
'''


def test_each_mutant_changes_one_piece_of_code():
    planted = {(mutant.line, mutant.now) for mutant in mutants("module.py", SOURCE)}
    assert (11, "(count + 1 < limit)") in planted
    assert (11, "(count - 1)") in planted
    assert (11, "(count + 1 <= limit or count > 0)") in planted
    assert (7, "(count)") in planted
    assert (10, "pass") in planted
    assert (10, "(log(count))") in planted
    assert not {line for line, _ in planted} & {2, 3, 5, 6, 9}
    assert {now for line, now in planted if line == 14} == {"return None"}


def test_every_target_and_test_is_there():
    tests = {test for targets in TARGETS.values() for test in targets} | set(WIDER)
    assert [path for path in [*TARGETS, *sorted(tests)] if not (ROOT / path).exists()] == []
