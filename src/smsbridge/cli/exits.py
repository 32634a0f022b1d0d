"""Define the exit codes of all commands, for scripts to rely on."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Name the exit codes of commands."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    CONFIGURATION = 3
    REFUSED = 4
    UNCERTAIN = 5
    UNSUPPORTED = 6
    QUERY_FAILED = 7
    NOT_FOUND = 8
    WRONG_CODE = 9
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


MEANING = {
    Exit.OK: "done: accepted, found, approved, or ready to send",
    Exit.INTERNAL: "an error in smsbridge itself: please report it; or standard output cannot be written",
    Exit.USAGE: "wrong arguments or options",
    Exit.CONFIGURATION: "a setting or a plugin is missing or wrong",
    Exit.REFUSED: "the text was certainly not sent",
    Exit.UNCERTAIN: "the text may have been sent: look it up before sending it again",
    Exit.UNSUPPORTED: "the provider cannot do this; nothing was sent",
    Exit.QUERY_FAILED: "a query, which sends nothing, failed",
    Exit.NOT_FOUND: "the provider does not know this id or reference",
    Exit.WRONG_CODE: "verify check: the code is not approved",
    Exit.HUNG_UP: "the terminal was closed (SIGHUP); texts on their way are listed",
    Exit.INTERRUPTED: "interrupted from the keyboard; texts on their way are listed",
    Exit.TERMINATED: "ended by SIGTERM; texts on their way are listed",
}


def table() -> str:
    """Return a table of all exit codes with their meaning, as lines for the help of ``smsbridge``."""
    return "\n".join(f"{code.value:>5}  {meaning}" for code, meaning in MEANING.items())
