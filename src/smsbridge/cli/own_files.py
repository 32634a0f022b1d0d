"""Making a file of ours on purpose, for ``smsbridge ledger init`` and ``smsbridge optouts init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .exits import Exit

if TYPE_CHECKING:
    from ..own_file import Kind
    from .output import Output


def init(out: Output, kind: Kind, path: str) -> Exit:
    """Make the file of ``kind`` at ``path``, unless it is there.

    Raises ConfigurationError if something else is, or if it cannot be.
    """
    import sqlite3

    from ..errors import ConfigurationError
    from ..own_file import NotOurs, OwnFile
    from ..private_file import obstacle

    made, problem = False, obstacle(Path(path))
    try:
        if problem is None:
            made = OwnFile(Path(path), kind).init()
    except NotOurs as error:
        problem = error.problem
    except (OSError, sqlite3.Error) as error:
        problem = getattr(error, "strerror", None) or str(error)
    if problem is not None:
        raise ConfigurationError(f"the {kind.what} {path} cannot be made: {problem}")
    if out.as_json:
        out.json({"path": path, "made": made})
    else:
        out.line(f"made: {path}" if made else f"there is one already: {path}", style="green")
    return Exit.OK
