"""Files with texts and numbers in them, which only their owner can read."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from .forks import fresh_lock

_making = fresh_lock()
_ODD = "it is no ordinary file"
_LINK = "it is a link, which may lead anywhere: name the file itself"
_LINKED = "it has a second name (a hard link), by which it may be a file of something else: name another file"
_NOT_OURS = "it belongs to another user, who could read what is written"
_OPEN_TO_ALL = (
    "every user can read or change it, and it is not ours to close: take the rights of others away (chmod o=)"
)
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
_AT_ONCE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Do not follow a link, and do not wait for the reader of a pipe."""


# --- files that are written to ----------------------------------------------------------------------------------------


def open_private(path: Path) -> int:
    """A descriptor that reads, and appends to, the file at ``path``, made if need be, and of mode 0600 from now on.

    Raises OSError, at once, for what is no file of ours: a link of either kind, a pipe, a device, a folder, a file of
    another user.
    """
    problem = _not_to_open(path)
    if problem is not None:
        raise OSError(errno.EINVAL, problem)
    descriptor = os.open(path, _APPEND | _AT_ONCE, 0o600)
    try:
        _keep_to_ourselves(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _not_to_open(path: Path) -> str | None:
    """What is wrong with what is at ``path`` now: to open some devices is to use them."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:  # opening it says why
        return None
    return _LINK if stat.S_ISLNK(mode) else None if stat.S_ISREG(mode) else _ODD


def _keep_to_ourselves(descriptor: int) -> None:
    """Take the rights of others away. What is at the path may have become something else since it was looked at."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _ODD)
    if found.st_nlink > 1:
        raise OSError(errno.EMLINK, _LINKED)
    if os.name == "nt":  # which has neither owners nor rights of this kind
        return
    if found.st_uid != os.geteuid():
        raise OSError(errno.EPERM, _NOT_OURS)
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.fchmod(descriptor, 0o600)


# --- files of SQLite --------------------------------------------------------------------------------------------------


def make_private(path: Path) -> None:
    """Make the file at ``path``, or where a link there leads, with mode 0600. Raises OSError.

    SQLite gives the files beside it the same mode. Closing a file drops this process's locks on it, those of SQLite
    included: so never one that may be in use already.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    with _making, contextlib.suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), flags, 0o600))
    close_to_others(path)


def close_to_others(path: Path) -> None:
    """Let the file at ``path``, and those beside it, keep the rights of their group, and lose those of all others."""
    real = os.path.realpath(path)
    for name in (real, f"{real}-wal", f"{real}-shm"):
        with contextlib.suppress(FileNotFoundError):
            _close_to_others(name)


def _close_to_others(name: str) -> None:
    found = os.stat(name)  # noqa: PTH116  # a Path would be made of it
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _ODD)
    if os.name == "nt" or not stat.S_IMODE(found.st_mode) & stat.S_IRWXO:
        return
    if found.st_uid != os.geteuid():
        raise OSError(errno.EPERM, _OPEN_TO_ALL)
    os.chmod(name, stat.S_IMODE(found.st_mode) & ~stat.S_IRWXO)  # noqa: PTH101


def obstacle(path: Path) -> str | None:
    """What would keep a file from being made or used at ``path``, without making it; None if nothing is known."""
    real = os.path.realpath(path)
    folder = os.path.dirname(real)  # noqa: PTH120  # a Path raises where it may not look
    if os.path.isdir(real):  # noqa: PTH112
        code = errno.EISDIR
    elif os.path.isfile(real):  # noqa: PTH113
        return None
    elif os.path.exists(real):  # noqa: PTH110
        return f"{_ODD} ({path})"
    elif not os.path.isdir(folder):  # noqa: PTH112
        code = errno.ENOENT
    elif not os.access(folder, os.W_OK | os.X_OK):
        code = errno.EACCES
    else:
        return None
    return f"{os.strerror(code)} ({path})"
