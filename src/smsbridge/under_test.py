"""Whether this process runs tests, and whether the present test may reach vendors. The pytest plugin sets this.

Imports nothing: pytest loads it at every start.
"""

from __future__ import annotations

from collections.abc import Callable

_allowed: list[Callable[[], bool]] = []


def begin(allowed: Callable[[], bool]) -> None:
    """Record that this process runs tests; ``allowed`` returns whether the present test may reach vendors."""
    _allowed.append(allowed)


def end(allowed: Callable[[], bool]) -> None:
    """Record that the tests that began with ``allowed`` are over."""
    _allowed.remove(allowed)


def is_going_on() -> bool:
    """Return whether this process runs tests."""
    return bool(_allowed)


def unguarded() -> bool:
    """Return whether this is a test that may not reach vendors."""
    return bool(_allowed) and not _allowed[-1]()
