"""Know whether this process runs tests, and whether the present test may reach vendors. The pytest plugin sets this.

Imports nothing: pytest loads it at every start.
"""

from __future__ import annotations

from collections.abc import Callable

_allowed: list[Callable[[], bool]] = []


def begin(allowed: Callable[[], bool]) -> None:
    """Record that this process now runs tests. ``allowed`` returns whether the present test may reach vendors."""
    _allowed.append(allowed)


def end(allowed: Callable[[], bool]) -> None:
    """Record that a test session is over. ``allowed`` is the function that was given to :func:`begin`."""
    _allowed.remove(allowed)


def is_going_on() -> bool:
    """Return whether this process runs tests at the moment."""
    return bool(_allowed)


def unguarded() -> bool:
    """Return whether a test runs now that is not allowed to reach vendors."""
    return bool(_allowed) and not _allowed[-1]()
