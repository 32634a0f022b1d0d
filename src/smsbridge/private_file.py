"""Create and open files that hold texts and numbers, so that only their owner can read them."""

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
_LINKED = "it has a second name (a hard link), so it may belong to another program: name another file"
_NOT_OURS = "it belongs to another user, who could read what is written"
_OPEN_TO_ALL = (
    "every user can read or change it, and we may not change its rights: remove the rights of others (chmod o=)"
)
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
_AT_ONCE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Do not follow a link, and do not wait for the reader of a pipe."""


# --- files that are written to ----------------------------------------------------------------------------------------


def open_private(path: Path) -> int:
    """Open the file at ``path`` to read and append, with mode 0600 from now on. Creates the file if it is missing.

    Returns a descriptor. Raises OSError immediately if smsbridge may not use the file: if it is a symbolic or hard
    link, a pipe, a device, a folder or a file of another user.
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
    """Return why ``path`` may not be opened, without opening it: opening some devices has effects."""
    try:
        mode = os.lstat(path).st_mode
    # Opening it reports the error.
    except OSError:
        return None
    return _LINK if stat.S_ISLNK(mode) else None if stat.S_ISREG(mode) else _ODD


def _keep_to_ourselves(descriptor: int) -> None:
    """Remove the rights of others. Checks the open file, since the path may have changed after the first check."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _ODD)
    if found.st_nlink > 1:
        raise OSError(errno.EMLINK, _LINKED)
    # Windows has neither owners nor rights of this kind.
    if os.name == "nt":
        return
    if found.st_uid != os.geteuid():
        raise OSError(errno.EPERM, _NOT_OURS)
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.fchmod(descriptor, 0o600)


# --- files of SQLite --------------------------------------------------------------------------------------------------


def make_private(path: Path) -> None:
    """Create the file at ``path``, or at the target of a link there, with mode 0600. Raises OSError if that fails.

    The file may exist already. SQLite gives the files beside it the same mode. An existing file is not opened, since it
    may be in use: closing a file drops all locks of this process on this file, also those of SQLite.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    with _making, contextlib.suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), flags, 0o600))
    close_to_others(path)


def close_to_others(path: Path) -> None:
    """Remove the rights of all other users from the SQLite file at ``path`` and the files beside it.

    The rights of the file's group stay unchanged.
    """
    real = os.path.realpath(path)
    for name in (real, f"{real}-wal", f"{real}-shm"):
        with contextlib.suppress(FileNotFoundError):
            _close_to_others(name)


def _close_to_others(name: str) -> None:
    # Without making a Path of it.
    found = os.stat(name)  # noqa: PTH116
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _ODD)
    if os.name == "nt" or not stat.S_IMODE(found.st_mode) & stat.S_IRWXO:
        return
    if found.st_uid != os.geteuid():
        raise OSError(errno.EPERM, _OPEN_TO_ALL)
    os.chmod(name, stat.S_IMODE(found.st_mode) & ~stat.S_IRWXO)  # noqa: PTH101


def obstacle(path: Path) -> str | None:
    """Return why no file can be created or used at ``path``; None if no reason is known. Creates nothing."""
    real = os.path.realpath(path)
    # A Path raises if it may not read a folder.
    folder = os.path.dirname(real)  # noqa: PTH120
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
