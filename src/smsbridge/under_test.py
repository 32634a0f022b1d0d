"""Whether this process runs tests, and whether the one that runs may reach vendors. The pytest plugin says so.

Imports nothing: pytest loads it at every start.
"""

from __future__ import annotations

from collections.abc import Callable

_allowed: list[Callable[[], bool]] = []


def begin(allowed: Callable[[], bool]) -> None:
    """From now on this process runs tests; ``allowed`` says whether what runs at the moment may reach vendors."""
    _allowed.append(allowed)


def end(allowed: Callable[[], bool]) -> None:
    """What began with ``allowed`` is over."""
    _allowed.remove(allowed)


def is_going_on() -> bool:
    """Whether this process runs tests."""
    return bool(_allowed)


def unguarded() -> bool:
    """Whether this is a test that may not reach vendors."""
    return bool(_allowed) and not _allowed[-1]()
