"""Offer the parts of a plugin's command: the output, exit codes, options and client of the commands of smsbridge.

A distribution adds a command with an entry point of the group ``smsbridge.commands``. Its name is the name of the
command, and its object is a ``click.Command``. Return an :class:`Exit`, print through :class:`Output`, and do not catch
errors of smsbridge: the group ``smsbridge`` explains them, in words or, with ``--json``, as a document. ``smsbridge
--help`` imports no command.
"""

from __future__ import annotations

from .exits import Exit
from .output import CannotPrint, Output
from .session import account_option, json_option, not_empty, number_option, open_client, text_from_stdin

__all__ = [
    "CannotPrint",
    "Exit",
    "Output",
    "account_option",
    "json_option",
    "not_empty",
    "number_option",
    "open_client",
    "text_from_stdin",
]
