"""Files for SQLite that nobody but their owner can read."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

_making = threading.Lock()


def make_private(path: Path) -> None:
    """Make the file at ``path``, or where a link there leads, with mode 0600 unless it is there. Raises OSError.

    SQLite gives those beside it the same mode. Closing a file drops this process's locks on it, those of SQLite included: so
    never one that may be in use already.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    with _making, contextlib.suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), flags, 0o600))
