"""Locks that are free in a forked process, and other state that must be renewed there.

``fork`` copies memory, but only the forking thread: a lock that another thread holds at that moment stays taken in the
child forever. So all our locks come from here. A fork waits for imports: a half-imported module is useless to a child.
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
    """An object that has to forget a part of its state in a forked process.

    An example of such state is the work of the parent's threads.
    """

    def begin_anew(self) -> None:
        """Forget the state of the parent process.

        This is called first in a forked process, and must not raise an error.
        """


_LATE = ("smsbridge", "phonenumbers", "pydantic_settings", "dotenv", "httpx", "wcwidth", "zoneinfo")
"""The beginnings of the names of modules that our functions import, in any thread."""

_LONGEST_IMPORT = 5.0
"""Seconds for which a fork waits for imports."""

_LONGEST_USE = 10.0
"""Seconds for which a fork waits for work inside :func:`unforked`, and such work for a fork."""

_AGAIN = 0.001

_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_renewed: weakref.WeakSet[Renewed] = weakref.WeakSet()
_unforked: set[tuple[int, object]] = set()
_forking_until = 0.0
"""Not a lock: an exception in the forking thread must not shut out all other threads forever."""


def fresh_lock() -> threading.Lock:
    """Return a new lock that is free in a forked process, even if another thread held the lock during the fork."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def fresh_rlock() -> threading.RLock:
    """Return a new lock that is free in a forked process, and that a thread may take more than once."""
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def cached_property(function: Callable[[Any], T]) -> functools.cached_property[T]:
    """Make a cached property like that of functools, which also works in a forked process.

    In Python 3.11 all objects of a class share the lock of such a property; here that lock is free after a fork.
    """
    made = functools.cached_property(function)
    lock = getattr(made, "lock", None)
    if lock is not None:
        _locks.add(lock)
    return made


def renew_after_fork(owner: Renewed) -> None:
    """Have ``owner.begin_anew()`` called in each forked process, as long as ``owner`` exists.

    This keeps no reference that would keep ``owner`` alive.
    """
    _renewed.add(owner)


def under(lock: threading.Lock, work: Callable[..., T], *args: Any) -> T:
    """Call ``work`` with ``args`` while this thread holds ``lock``, and return the result of ``work``."""
    # On one line: no exception of a signal handler or a debugger comes between the ends of the work and of the lock.
    with lock: return work(*args)  # fmt: skip  # noqa: E701


@contextlib.contextmanager
def unforked() -> Iterator[None]:
    """Keep all other threads from forking this process during the ``with`` block.

    This is for a library that has locks of its own, such as SQLite.
    """
    me = (threading.get_ident(), object())
    _unforked.add(me)
    try:
        while time.monotonic() < _forking_until:
            _unforked.discard(me)
            time.sleep(_AGAIN)
            # Before the next check: a fork announces itself before it checks this set.
            _unforked.add(me)
        yield
    finally:
        _unforked.discard(me)


def _before_fork() -> None:
    """Wait until no other thread does an import of ours, or work that no fork may interrupt."""
    global _forking_until  # noqa: PLW0603  # for the whole process
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
                # This waits for the importing thread.
                importlib.import_module(name)


def _imports_of_others() -> list[str]:
    # The locks of the present imports.
    locks = getattr(sys.modules["importlib._bootstrap"], "_module_locks", {})
    found = {name: known() for name, known in list(locks.items()) if name.startswith(_LATE)}
    ours = (None, threading.get_ident())
    return [name for name, lock in found.items() if getattr(lock, "owner", None) not in ours]


def _after_fork_in_child() -> None:
    global _forking_until  # noqa: PLW0603
    _forking_until = 0.0
    _unforked.clear()
    # This module has a lock too.
    numbers = sys.modules.get("phonenumbers.phonemetadata")
    theirs = [] if numbers is None else [numbers.PhoneMetadata._metadata_lock]  # noqa: SLF001
    for lock in [*_locks, *theirs]:
        lock._at_fork_reinit()  # noqa: SLF001  # the standard library does the same with its locks
    for owner in list(_renewed):
        owner.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
