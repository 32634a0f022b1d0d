"""Run the ``smsbridge`` command, a thin shell around the client. It needs the extra ``cli``, which installs click."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from .exits import Exit


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command ``smsbridge`` with ``args`` and exit the process with the code of an :class:`exits.Exit`.

    Without ``args``, the arguments of the process are used.
    """
    try:
        code = _run(args)
    # An interrupt during the imports.
    except KeyboardInterrupt:
        given = sys.argv[1:] if args is None else args
        _write_interrupted(as_json="--json" in given)
        code = Exit.INTERRUPTED
    if code in (Exit.INTERRUPTED, Exit.TERMINATED, Exit.HUNG_UP) and threading.active_count() > 1:
        if (writer := sys.modules.get("smsbridge.stores.writer")) is not None:
            # A ledger may still have outcomes to record.
            writer.close_all()
        # Leave running requests behind: the output lists the texts that they may have sent.
        os._exit(code)
    sys.exit(code)


def _run(args: Sequence[str] | None) -> int:
    try:
        from .app import smsbridge
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write('error: the command line needs click\nnext: pip install "smsbridge[cli]"\n')
        return Exit.CONFIGURATION
    return int(smsbridge.main(args, standalone_mode=False))


def _write_interrupted(*, as_json: bool) -> None:
    document = (
        f'{{"error": {{"type": "KeyboardInterrupt", "message": "interrupted", "exit_code": {Exit.INTERRUPTED:d}}}}}'
    )
    stream, text = (sys.stdout, document) if as_json else (sys.stderr, "error: interrupted")
    try:
        if stream is not None:
            stream.write(f"{text}\n")
            stream.flush()
    except (OSError, ValueError):
        return
