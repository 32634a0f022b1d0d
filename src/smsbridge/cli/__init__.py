"""The ``smsbridge`` command: a thin shell over the client. It needs the extra ``cli``, which brings click."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from .exits import Exit


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command with ``args`` (default: those of the process), and exit with a code of :class:`exits.Exit`."""
    try:
        from .app import smsbridge
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write('error: the command line needs click\nnext: pip install "smsbridge[cli]"\n')
        sys.exit(Exit.CONFIGURATION)
    sys.exit(smsbridge.main(args))
