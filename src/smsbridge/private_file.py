"""Files for SQLite that nobody but their owner can read."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from .forks import fresh_lock

_making = fresh_lock()


def make_private(path: Path) -> None:
    """Make the file at ``path``, or where a link there leads, with mode 0600 unless it is there. Raises OSError.

    SQLite gives those beside it the same mode. Closing a file drops this process's locks on it, those of SQLite included: so
    never one that may be in use already.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    with _making, contextlib.suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), flags, 0o600))


def obstacle(path: Path) -> str | None:
    """What would keep a file from being made or used at ``path``, found out without making it; None if nothing is known to."""
    real = os.path.realpath(path)
    folder = os.path.dirname(real)  # noqa: PTH120  # a Path raises where it may not look
    if os.path.isdir(real):  # noqa: PTH112
        code = errno.EISDIR
    elif os.path.isfile(real):  # noqa: PTH113
        return None
    elif os.path.exists(real):  # noqa: PTH110
        return f"it is no ordinary file ({path})"
    elif not os.path.isdir(folder):  # noqa: PTH112
        code = errno.ENOENT
    elif not os.access(folder, os.W_OK | os.X_OK):
        code = errno.EACCES
    else:
        return None
    return f"{os.strerror(code)} ({path})"
