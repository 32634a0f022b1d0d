"""Locks that a forked process finds free, and what else has to begin anew there.

``fork`` copies memory, but of all threads only the one that forks: a lock that another thread holds at that moment stays taken in the
child for ever. So every lock of ours comes from here. Those of imports are waited for: half a module is of no use to a child.
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
from collections.abc import Callable
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

_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_renewed: weakref.WeakSet[Renewed] = weakref.WeakSet()


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
    # On one line: no exception of a signal handler or a debugger comes between the end of the work and that of the lock.
    with lock: return work(*args)  # fmt: skip  # noqa: E701


def _before_fork() -> None:
    """Wait until no other thread is at an import of ours."""
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


def _after_fork() -> None:
    numbers = sys.modules.get("phonenumbers.phonemetadata")  # it has a lock as well
    theirs = [] if numbers is None else [numbers.PhoneMetadata._metadata_lock]  # noqa: SLF001
    for lock in [*_locks, *theirs]:
        lock._at_fork_reinit()  # noqa: SLF001  # as the standard library does with its own
    for owner in list(_renewed):
        owner.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
