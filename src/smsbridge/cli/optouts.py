"""``smsbridge optouts``: the list of those who do not want to be texted."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import click

from .exits import Exit
from .output import Output
from .session import account_option, json_option, number_option, policy_setting, to_number

if TYPE_CHECKING:
    from ..optouts import SqliteOptOuts

_SENDER = click.option("--from", "sender", metavar="SENDER", help="For this sender alone; default: for all.")


@click.group()
def optouts() -> None:
    """Show and change the list of those who have opted out: the file that SMSBRIDGE_OPTOUT_PATH names.

    \b
    Examples:
      smsbridge optouts list
      smsbridge optouts add +919876543210 --from ACMEIN
      smsbridge optouts remove +919876543210
      smsbridge optouts import numbers.csv
    """  # noqa: D301  # click reads \b as "do not wrap"


@optouts.command("list")
@account_option
@number_option
@json_option
def list_(*, account: str | None, show_numbers: bool, as_json: bool) -> Exit:
    """List all that have opted out. Numbers are masked unless asked for.

    \b
    Examples:
      smsbridge optouts list
      smsbridge optouts list --show-number --json
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json, show_numbers=show_numbers)
    found = [
        {
            "recipient": out.number(one.recipient),
            "sender": one.sender,
            "at": one.at.isoformat(timespec="seconds"),
            "source": one.source,
        }
        for one in _open(account)
    ]
    if as_json:
        out.json({"optouts": found})
    elif found:
        rows = [
            [one["recipient"] or "", one["sender"] or "(all)", one["at"] or "", one["source"] or ""] for one in found
        ]
        out.table(["recipient", "sender", "since", "source"], rows)
    else:
        out.line("nobody has opted out")
    return Exit.OK


@optouts.command()
@click.argument("number")
@_SENDER
@account_option
@number_option
@json_option
def add(*, number: str, sender: str | None, account: str | None, show_numbers: bool, as_json: bool) -> Exit:
    """Send no more texts to NUMBER.

    \b
    Examples:
      smsbridge optouts add +919876543210
      smsbridge optouts add +919876543210 --from ACMEIN
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json, show_numbers=show_numbers)
    return _change(out, account, number, sender, opted_out=True)


@optouts.command()
@click.argument("number")
@_SENDER
@account_option
@number_option
@json_option
def remove(*, number: str, sender: str | None, account: str | None, show_numbers: bool, as_json: bool) -> Exit:
    """Allow texts to NUMBER again; without --from, of all senders. Do this only if the person has asked for it.

    \b
    Examples:
      smsbridge optouts remove +919876543210
      smsbridge optouts remove +919876543210 --from ACMEIN
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json, show_numbers=show_numbers)
    return _change(out, account, number, sender, opted_out=False)


@optouts.command("import")
@click.argument("file", type=click.File("rb"))
@_SENDER
@account_option
@json_option
def import_(*, file: BinaryIO, sender: str | None, account: str | None, as_json: bool) -> Exit:
    """Add the numbers of FILE (- is standard input): one per line, or CSV of number and sender.

    Empty lines and those that begin with # are left out, and a first line without any digit, which names the columns. Nothing
    is added if a line is wrong.

    \b
    Examples:
      smsbridge optouts import numbers.csv
      smsbridge optouts import numbers.txt --from ACMEIN
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    known = _open(account)
    rows = list(_rows(file.read(), sender))
    known.add_all(rows, source="import")
    if as_json:
        out.json({"imported": len(rows)})
    else:
        out.line(f"imported: {len(rows)} {'line' if len(rows) == 1 else 'lines'}", style="green")
    return Exit.OK


def _rows(content: bytes, sender: str | None) -> Iterator[tuple[str | None, str]]:
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    except UnicodeDecodeError:
        raise click.UsageError("the file is not UTF-8; nothing was imported") from None
    begun = False
    for cells in lines:
        first, *more = [one.strip() for one in cells] or [""]
        if not first or first.startswith("#"):
            continue
        is_head = not begun and not any(map(str.isdigit, first))
        begun = True
        if is_head:
            continue
        if any(more[1:]):
            raise click.UsageError(f"line {lines.line_num}: it has more than number and sender; nothing was imported")
        try:
            number = to_number(first)
        except click.UsageError as error:
            raise click.UsageError(f"line {lines.line_num}: {error.message}; nothing was imported") from None
        yield (more[0] if more else "") or sender, number


def _open(account: str | None) -> SqliteOptOuts:
    from pathlib import Path

    from ..errors import ConfigurationError
    from ..optouts import SqliteOptOuts

    path = policy_setting(account, "optout", "path")
    if path is None:
        raise ConfigurationError("SMSBRIDGE_OPTOUT_PATH is not set: it names the file that holds the list of opt-outs")
    return SqliteOptOuts(Path(path))


def _change(out: Output, account: str | None, given: str, sender: str | None, *, opted_out: bool) -> Exit:
    number = to_number(given)
    known = _open(account)
    listed = known.holds([sender] if sender else None, number)
    (known.add if opted_out else known.remove)(sender, number, source="operator")
    if out.as_json:
        out.json({"recipient": out.number(number), "sender": sender, "opted_out": opted_out, "was_opted_out": listed})
    elif not opted_out and not listed:
        out.line(f"{out.number(number)} was not on the list for {sender or 'any sender'}, and may be texted")
    else:
        words = "gets no more texts" if opted_out else "may be texted again"
        out.line(f"done: {out.number(number)} {words} from {sender or 'any sender'}", style="green")
    return Exit.OK
