"""Locks that a forked process finds free, and what else has to begin anew there.

``fork`` copies memory, but of all threads only the one that forks: a lock that another thread holds at that moment
stays taken in the child for ever. So every lock of ours comes from here. Those of imports are waited for: half a module
is of no use to a child.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Renewed(Protocol):
    """An object with something to forget in a forked process, such as what threads of its parent are doing."""

    def begin_anew(self) -> None:
        """Called in the forked process, before anything else there. Must not raise."""


_LATE = ("smsbridge", "phonenumbers", "pydantic_settings", "dotenv", "httpx", "wcwidth", "zoneinfo")
"""How the names of modules begin that functions of ours import, so that any thread may be at it."""

_LONGEST_IMPORT = 5.0
"""Seconds."""

_LONGEST_USE = 10.0
"""Seconds that a fork waits for what :func:`unforked` keeps together, and that such work waits for a fork."""

_AGAIN = 0.001

_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_renewed: weakref.WeakSet[Renewed] = weakref.WeakSet()
_unforked: set[tuple[int, object]] = set()
_forking_until = 0.0
"""Not a lock: an exception in the thread that forks must not shut all others out for good."""


def fresh_lock() -> threading.Lock:
    """A lock that nobody holds in a forked process."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def fresh_rlock() -> threading.RLock:
    """The same, for threads that take it more than once."""
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def cached_property(function: Callable[[Any], T]) -> functools.cached_property[T]:
    """That of functools, which in Python 3.11 has a lock, shared by all objects of its class."""
    made = functools.cached_property(function)
    lock = getattr(made, "lock", None)
    if lock is not None:
        _locks.add(lock)
    return made


def renew_after_fork(owner: Renewed) -> None:
    """Have ``owner`` begin anew in each forked process. It is not kept alive for this."""
    _renewed.add(owner)


def under(lock: threading.Lock, work: Callable[..., T], *args: Any) -> T:
    """Do ``work`` while ``lock`` is held."""
    # On one line: no exception of a signal handler or a debugger comes between the ends of the work and of the lock.
    with lock: return work(*args)  # fmt: skip  # noqa: E701


@contextlib.contextmanager
def unforked() -> Iterator[None]:
    """Within, no other thread forks: for work of a library that has locks of its own, such as SQLite."""
    me = (threading.get_ident(), object())
    _unforked.add(me)
    try:
        while time.monotonic() < _forking_until:
            _unforked.discard(me)
            time.sleep(_AGAIN)
            _unforked.add(me)  # before the next look, as a fork says that it begins before it looks here
        yield
    finally:
        _unforked.discard(me)


def _before_fork() -> None:
    """Wait until no other thread is at an import of ours, or at work that no fork may interrupt."""
    global _forking_until  # noqa: PLW0603  # of the whole process
    _wait_for_imports()
    until = _forking_until = time.monotonic() + _LONGEST_USE
    me = threading.get_ident()
    while any(thread != me for thread, _ in _unforked.copy()) and time.monotonic() < until:
        time.sleep(_AGAIN)


def _after_fork_in_parent() -> None:
    global _forking_until  # noqa: PLW0603
    _forking_until = 0.0


def _wait_for_imports() -> None:
    until = time.monotonic() + _LONGEST_IMPORT
    while (names := _imports_of_others()) and time.monotonic() < until:
        for name in names:
            with contextlib.suppress(Exception):
                importlib.import_module(name)  # which waits for the thread that is at it


def _imports_of_others() -> list[str]:
    locks = getattr(sys.modules["importlib._bootstrap"], "_module_locks", {})  # of those that go on
    found = {name: known() for name, known in list(locks.items()) if name.startswith(_LATE)}
    ours = (None, threading.get_ident())
    return [name for name, lock in found.items() if getattr(lock, "owner", None) not in ours]


def _after_fork_in_child() -> None:
    global _forking_until  # noqa: PLW0603
    _forking_until = 0.0
    _unforked.clear()
    numbers = sys.modules.get("phonenumbers.phonemetadata")  # it has a lock as well
    theirs = [] if numbers is None else [numbers.PhoneMetadata._metadata_lock]  # noqa: SLF001
    for lock in [*_locks, *theirs]:
        lock._at_fork_reinit()  # noqa: SLF001  # as the standard library does with its own
    for owner in list(_renewed):
        owner.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
