"""What a command of a plugin is made of: the output, the exit codes, the options and the client of our own commands.

A distribution brings a command by an entry point of the group ``smsbridge.commands``, whose name is the command's; it
names a ``click.Command``. Return an :class:`Exit`, print through :class:`Output`, and let errors of smsbridge come
through: they are explained in one place, in words or, with ``--json``, as a document. ``smsbridge --help`` imports no
command.
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
