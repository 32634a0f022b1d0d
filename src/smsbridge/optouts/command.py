"""Show and change the list of recipients who want no texts: the commands ``smsbridge optouts ...``."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import click

from smsbridge.cli import stored
from smsbridge.cli.exits import Exit
from smsbridge.cli.output import Output
from smsbridge.cli.session import account_option, json_option, number_option, to_number

if TYPE_CHECKING:
    from smsbridge.flow import Flow
    from smsbridge.stores.seam import OptOuts

T = TypeVar("T")
_LINE_END = re.compile(r"\r\n|\n|\r")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_NAMES_SENDERS = re.compile(r"sender|from", re.IGNORECASE)
_SENDER_ID = re.compile(r"\+?[0-9]{3,15}|(?=.*[^\W\d_]).+")
_LONGEST_SENDER = 40
_PHONE = re.compile(r"\+?[0-9]{7,}")
_DATE = re.compile(r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}.*")
_SENDER = click.option("--from", "sender", metavar="SENDER", help="Only for this sender; default: for all senders.")


@click.group()
def optouts() -> None:
    """Show and change the list of opt-outs, in the store of SMSBRIDGE_OPTOUT_STORE or SMSBRIDGE_STORE.

    \b
    Examples:
      smsbridge optouts list
      smsbridge optouts add +919876543210 --from ACMEIN
      smsbridge optouts remove +919876543210
      smsbridge optouts import numbers.csv
      smsbridge optouts init
    """  # noqa: D301  # click reads \b as "do not wrap"


@optouts.command()
@account_option
@json_option
def init(*, account: str | None, as_json: bool) -> Exit:
    """Create the list of opt-outs if it does not exist; an empty file becomes a list.

    Where SMSBRIDGE_ENV is production, only this command creates a list: a missing list is an error there.

    \b
    Examples:
      smsbridge optouts init
      smsbridge optouts init --account otp
    """  # noqa: D301  # click reads \b as "do not wrap"
    return stored.init(Output(as_json=as_json), stored.chosen(account, "optout", create=True), "opt_outs")


@optouts.command("list")
@account_option
@number_option
@json_option
def list_(*, account: str | None, show_numbers: bool, as_json: bool) -> Exit:
    """List all opt-outs. Numbers are masked without --show-number.

    \b
    Examples:
      smsbridge optouts list
      smsbridge optouts list --show-number --json
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json, show_numbers=show_numbers)
    found = [
        {
            "recipient": out.number(opt_out.recipient),
            "sender": opt_out.sender,
            "at": opt_out.at.isoformat(timespec="seconds"),
            "source": opt_out.source,
        }
        for opt_out in _asked(_open(account).everyone())
    ]
    if as_json:
        out.json({"optouts": found})
    elif found:
        rows = [
            [row["recipient"] or "", row["sender"] or "(all)", row["at"] or "", row["source"] or ""] for row in found
        ]
        out.table(["recipient", "sender", "since", "source"], rows)
    else:
        out.line("the list has no opt-outs")
    return Exit.OK


@optouts.command()
@click.argument("number")
@_SENDER
@account_option
@number_option
@json_option
def add(*, number: str, sender: str | None, account: str | None, show_numbers: bool, as_json: bool) -> Exit:
    """Record that NUMBER has opted out, so that it gets no more texts.

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
    """Allow texts to NUMBER again; without --from, from all senders. Do this only if the person has asked for it.

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

    Empty lines and lines that begin with # are skipped. So is a first line without digits, which names the columns (the
    second is "sender"); it is needed if senders are phone numbers. Nothing is added if any line is wrong: a wrong
    number, a date instead of a sender, an unmatched quote, more columns, another encoding than UTF-8.

    \b
    Examples:
      smsbridge optouts import numbers.csv
      smsbridge optouts import numbers.txt --from ACMEIN
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    known = _open(account)
    rows = list(_rows(file.read(), sender))
    _asked(known.add_all(rows, source="import"))
    if as_json:
        out.json({"imported": len(rows)})
    else:
        out.line(f"imported: {len(rows)} {'line' if len(rows) == 1 else 'lines'}", style="green")
    return Exit.OK


def _rows(content: bytes, sender: str | None) -> Iterator[tuple[str | None, str]]:
    """Yield the sender and the number of each row. Raises a usage error for any wrong row.

    A wrong guess would text a person who opted out, or never text another person again.
    """
    named = headed = False
    for line_number, line in enumerate(_LINE_END.split(_text(content)), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        first, *more = _cells(line_number, line)
        is_head = not named and not any(map(str.isdigit, line))
        named = True
        if any(more[1:]):
            raise _wrong(line_number, "it has more columns than number and sender")
        own = more[0] if more else ""
        if is_head and any(map(str.isalpha, first)):
            _check_head(line_number, first, own)
            headed = True
            continue
        try:
            number = to_number(first)
        except click.UsageError as error:
            raise _wrong(line_number, error.message) from None
        _check_sender(line_number, own, headed=headed)
        yield own or sender, number


def _check_head(line_number: int, first: str, second: str) -> None:
    """Refuse columns in another order or of another kind: a time as the sender would be an opt-out without effect."""
    if _NAMES_SENDERS.search(first) or (second and not _NAMES_SENDERS.search(second)):
        raise _wrong(line_number, "its columns are not number and sender: give them these names and this order")


def _check_sender(line_number: int, sender: str, *, headed: bool) -> None:
    """Refuse an invalid sender, and a phone number unless a first line names the column: it may be a recipient's."""
    if not sender:
        return
    bare = re.sub(r"[ ().-]", "", sender)
    is_one = len(sender) <= _LONGEST_SENDER and sender.isprintable() and _SENDER_ID.fullmatch(bare)
    if not is_one or _DATE.fullmatch(sender):
        raise _wrong(line_number, "its second column is no sender: write a sender id or a number, or leave it empty")
    if not headed and _PHONE.fullmatch(bare):
        raise _wrong(
            line_number, "it has two numbers; if the second is a sender, begin the file with the line number,sender"
        )


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_number = len(re.findall(rb"\r\n|\n|\r", content[: error.start])) + 1
    raise _wrong(line_number, "it is not UTF-8: convert the file to UTF-8")


def _cells(line_number: int, line: str) -> list[str]:
    """Return the cells of a line. An unclosed quote is an error of this line, and does not include the next."""
    try:
        (cells,) = csv.reader([line], strict=True)
    except csv.Error:
        raise _wrong(line_number, "its quotes do not match") from None
    if any('"' in cell for cell in cells):
        raise _wrong(line_number, "it has a quote inside a cell: remove the quote")
    if _CONTROL.search(line):
        raise _wrong(line_number, "it has a control character: remove it")
    return [cell.strip() for cell in cells]


def _wrong(line_number: int, why: str) -> click.UsageError:
    return click.UsageError(f"line {line_number}: {why}; nothing was imported")


def _open(account: str | None) -> OptOuts:
    from smsbridge import environment
    from smsbridge.stores.choice import part_of

    store = stored.chosen(account, "optout", create=not environment.in_production()).store
    return part_of(store, "opt_outs", store.opt_outs())


def _asked(flow: Flow[T]) -> T:
    from smsbridge.errors import ConfigurationError
    from smsbridge.promise import Overdue
    from smsbridge.stores.blocking import at_once
    from smsbridge.stores.entries import Unwritable

    try:
        return at_once(flow)
    except (Unwritable, Overdue) as error:
        problem = str(error)
    raise ConfigurationError(f"the list of opt-outs cannot be used: {problem}")


def _change(out: Output, account: str | None, given: str, sender: str | None, *, opted_out: bool) -> Exit:
    number = to_number(given)
    known = _open(account)
    listed = _asked(known.holds([sender] if sender else None, number))
    _asked((known.add if opted_out else known.remove)(sender, number, source="operator"))
    if out.as_json:
        out.json({"recipient": out.number(number), "sender": sender, "opted_out": opted_out, "was_opted_out": listed})
    elif not opted_out and not listed:
        out.line(f"{out.number(number)} was not on the list for {sender or 'any sender'}, and may get texts")
    else:
        words = "gets no more texts" if opted_out else "may get texts again"
        out.line(f"done: {out.number(number)} {words} from {sender or 'any sender'}", style="green")
    return Exit.OK
