"""Check whether other users can read files with settings."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from .. import snapshot

if TYPE_CHECKING:
    pass

_ALIKE = 0.85


def readable_by_others(path: Path) -> bool:
    """Return whether another user of this machine may read the file at ``path``. Always false on Windows.

    Windows has no such permission bits.
    """
    try:
        return os.name != "nt" and bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def file_of(source: str, variable: str) -> Path | None:
    """Return the path of the file from which ``variable`` was read, or None if it was not read from a file.

    ``source`` says where the value comes from, as ``smsbridge doctor`` shows it.
    """
    if source == snapshot.ENV_FILE:
        return Path(snapshot.ENV_FILE)
    return (snapshot.current().files or {}).get(variable) if source == snapshot.SECRETS else None
