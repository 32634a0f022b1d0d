"""Checks of files with settings that other users can read."""

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
    """Whether any user of this machine can read the file (always false on Windows, which has no such bits)."""
    try:
        return os.name != "nt" and bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def file_of(source: str, variable: str) -> Path | None:
    """The file of a value; None if its source is not a file."""
    if source == snapshot.ENV_FILE:
        return Path(snapshot.ENV_FILE)
    return (snapshot.current().files or {}).get(variable) if source == snapshot.SECRETS else None
