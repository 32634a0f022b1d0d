"""Define the group ``smsbridge``: it lists the commands, runs them and explains their errors.

A command's module is imported when the command is invoked, not before: ``smsbridge --help`` must be fast.
"""

from __future__ import annotations

import importlib
import io
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import click

from ..display import screen_line
from . import exits
from .exits import Exit
from .output import CannotPrint, Output, finish
from .signals import as_interrupts, code_of

COMMANDS = {
    "send": "Send a text, or many.",
    "status": "Ask for the status of a text.",
    "balance": "Ask for the balance of the account.",
    "verify": "Send one-time codes, and check them.",
    "segments": "Show what a text costs: its encoding, its segments, and why.",
    "texts": "Show what became of texts, and settle those in doubt.",
    "hours": "Say whether a text may reach a person now.",
    "optouts": "Show and change the list of opt-outs.",
    "dlt": "Check texts against India's DLT templates.",
    "webhooks": "Print the URLs of webhooks to give to vendors.",
    "store": "Make and upgrade what a store keeps things in.",
    "providers": "List the installed providers and what they can do.",
    "explain": "Show what would happen to a text, and send nothing.",
    "doctor": "Explain the configuration and its problems.",
    "new": "Make a plugin for another provider, or a policy.",
}
"""Each command with its short help."""

OF_FEATURES = {
    "segments": "smsbridge.text.command",
    "texts": "smsbridge.ledger.command",
    "hours": "smsbridge.hours.command",
    "optouts": "smsbridge.optouts.command",
    "dlt": "smsbridge.dlt.command",
    "webhooks": "smsbridge.web.command",
}
"""The modules of commands that live with their feature; every other command has a module here."""


_HALVES = re.compile("[\ud800-\udfff]")


class _Commands(click.Group):
    """The commands, imported when needed, and the single handler of their errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *self._others()]

    def _others(self) -> dict[str, str]:
        """The commands of plugins, each with its origin. A command with one of our names cannot be reached."""
        from . import installed

        return {name: origin for name, origin in installed.names().items() if name not in COMMANDS}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            from . import installed

            return installed.command(cmd_name)
        command: click.Command = getattr(
            importlib.import_module(OF_FEATURES.get(cmd_name, f"{__package__}.{cmd_name}")), cmd_name
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and args[0] not in (others := self._others()):
            from difflib import get_close_matches

            known = [*COMMANDS, *others]
            close = get_close_matches(args[0], known, 1)
            have = f"did you mean {close[0]!r}?" if close else f"have {', '.join(known)}"
            ctx.fail(f"there is no command {args[0]!r}; {have}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        others = self._others()
        if others:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(screen_line(name), screen_line(f"from {of}")) for name, of in others.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command with a single snapshot of the environment.

        Changes of the environment during the command have no effect.
        """
        from ..snapshot import Reading

        return Reading().run(partial(super().invoke, ctx))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002  # click's own signature
        windows_expand_args: bool = False,  # noqa: FBT001, FBT002  # a text may contain * and ?
        **extra: Any,
    ) -> Any:
        """Run a command and exit with its code. Each error is explained, and no traceback is shown."""
        given = list(sys.argv[1:] if args is None else args)
        options = given[: given.index("--")] if "--" in given else given
        out = Output(as_json="--json" in options)
        with _warnings_as_lines(out), as_interrupts():
            try:
                _refuse_what_is_not_unicode(given)
                code = super().main(
                    given,
                    prog_name or "smsbridge",
                    complete_var,
                    standalone_mode=False,
                    windows_expand_args=windows_expand_args,
                    **extra,
                )
            except Exception as error:  # noqa: BLE001  # no other code can explain it
                code = _explain(out, error, debug="--debug" in options)
            except KeyboardInterrupt as interrupt:
                code = _interrupted(out, interrupt)
            finally:
                finish()
        code = Exit.OK if code is None else code
        if standalone_mode:
            sys.exit(code)
        return code


_PATHS = ("--many", "--answer", "--registry", "--text-file", "--output", "-o")


def _refuse_what_is_not_unicode(given: Sequence[str]) -> None:
    """Refuse bytes that are not UTF-8: Python makes surrogates of them, which would later look like a wrong text."""
    for place, (before, argument) in enumerate(pairwise(["", *given]), 1):
        option, equals, _ = argument.partition("=")
        if not _HALVES.search(argument) or before in _PATHS or (equals and option in _PATHS):
            # A file may have any name.
            continue
        if option.startswith("--") and equals and not _HALVES.search(option):
            which = f"the value of {option}"
        else:
            which = f"argument {place}" + (f", after {before}," if before.startswith("-") else "")
        raise click.UsageError(f"{which} is not UTF-8: set the terminal or the script to UTF-8")


def _interrupted(out: Output, interrupt: BaseException | None) -> Exit:
    code = code_of(interrupt)
    out.failure({"type": "KeyboardInterrupt", "message": "interrupted", "exit_code": code})
    return code


def _explain(out: Output, error: Exception, *, debug: bool) -> Exit:
    # click turns an interrupt into Abort.
    if isinstance(error, click.Abort):
        return _interrupted(out, error.__cause__)
    if isinstance(error, click.ClickException):
        if out.as_json:
            out.failure({"type": "UsageError", "message": error.format_message(), "exit_code": Exit.USAGE})
        else:
            for row in _usage(error):
                out.aside(row)
        return Exit.USAGE
    if isinstance(error, CannotPrint):
        out.aside(f"error: {error}", style="red")
        return Exit.INTERNAL
    # Imported only after a failure.
    from ..errors import SmsBridgeError
    from .advice import exit_code, explain

    if isinstance(error, SmsBridgeError):
        explain(out, error)
        # The notes are lines of code without values.
        for row in getattr(error, "__notes__", ()) if debug else ():
            out.aside(row)
        return exit_code(error)
    frames = list(traceback.walk_tb(error.__traceback__))
    where = f"{frames[-1][0].f_globals.get('__name__')}:{frames[-1][1]}" if frames else "an unknown place"
    # Show neither the exception's text nor local variables: both may hold a token, a text or a number.
    if debug:
        for row in "".join(traceback.format_tb(error.__traceback__)).splitlines():
            out.aside(row)
    out.failure(
        {
            "type": type(error).__name__,
            "message": f"internal error: {type(error).__name__} at {where}",
            "advice": "please report this, with the output of: smsbridge --debug ... and smsbridge doctor",
            "exit_code": Exit.INTERNAL,
        }
    )
    return Exit.INTERNAL


def _usage(error: click.ClickException) -> list[str]:
    """The lines of click's own message: the usage and the problem, which may quote the name of a file."""
    words = io.StringIO()
    click.UsageError(screen_line(error.format_message()), getattr(error, "ctx", None)).show(words)
    return words.getvalue().rstrip("\n").split("\n")


@contextmanager
def _warnings_as_lines(out: Output) -> Iterator[None]:
    """Show each warning for the user once, as a single line."""
    seen: set[str] = set()

    def show(message: Warning | str, *_where: object, **_more: object) -> None:
        text = " ".join(str(message).split())
        if text not in seen:
            seen.add(text)
            out.aside(f"warning: {text}", style="yellow")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"smsbridge {version('smsbridge')}")
        ctx.exit()


EPILOG = f"""
\b
Examples:
  smsbridge send +919876543210 "Your order has shipped"
  smsbridge doctor
  SMSBRIDGE_PROVIDER=twincle smsbridge balance --json

\b
Exit codes:
{exits.table()}
"""


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
@click.option("--debug", is_flag=True, expose_value=False, help="On an internal error, show its traceback.")
def smsbridge() -> None:
    """Send text messages through any provider.

    SMSBRIDGE_PROVIDER chooses the provider, in the environment or in .env; the default, console, prints texts and sends
    nothing. With --json, each command prints one JSON document.
    """
