"""``smsbridge optouts``: the list of those who do not want to be texted."""

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
_SENDER = click.option("--from", "sender", metavar="SENDER", help="For this sender alone; default: for all.")


@click.group()
def optouts() -> None:
    """Show and change the list of those who have opted out: in the store that SMSBRIDGE_OPTOUT_STORE
    names, or SMSBRIDGE_STORE.

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
    """Make the list, if there is none yet; an empty file is made one.

    Where SMSBRIDGE_ENV is production, no list is made in another way: one that is not where it should be is an error
    there.

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
        for one in _asked(_open(account).everyone())
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

    Empty lines and those that begin with # are left out, and a first line without any digit, which names the columns
    (the second is "sender"; needed where senders are phone numbers). Nothing is added if a line is odd: a wrong number,
    no sender but a date, a quote that does not fit, more columns, another encoding than UTF-8.

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
    """The sender and the number of each row.

    Any odd one refuses the file: what is guessed wrong is texted, or never again.
    """
    named = headed = False
    for line_number, line in enumerate(_LINE_END.split(_text(content)), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        first, *more = _cells(line_number, line)
        is_head = not named and not any(map(str.isdigit, line))
        named = True
        if any(more[1:]):
            raise _wrong(line_number, "it has more than number and sender")
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
    """Refuse columns in another order or of another kind: a time as the sender would be an opt-out from nothing."""
    if _NAMES_SENDERS.search(first) or (second and not _NAMES_SENDERS.search(second)):
        raise _wrong(line_number, "its columns are not number and sender")


def _check_sender(line_number: int, sender: str, *, headed: bool) -> None:
    """Refuse what is no sender; and a number as one, unless a first line says so: it may be another person's."""
    if not sender:
        return
    bare = re.sub(r"[ ().-]", "", sender)
    is_one = len(sender) <= _LONGEST_SENDER and sender.isprintable() and _SENDER_ID.fullmatch(bare)
    if not is_one or _DATE.fullmatch(sender):
        raise _wrong(line_number, "what stands where the sender would is none")
    if not headed and _PHONE.fullmatch(bare):
        raise _wrong(
            line_number, "it has two numbers; if the second is a sender, begin the file with the line number,sender"
        )


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_number = len(re.findall(rb"\r\n|\n|\r", content[: error.start])) + 1
    raise _wrong(line_number, "it is not UTF-8")


def _cells(line_number: int, line: str) -> list[str]:
    """The cells of one line: a quote that is left open ends with it, and takes no other line along."""
    try:
        (cells,) = csv.reader([line], strict=True)
    except csv.Error:
        raise _wrong(line_number, "its quotes do not fit") from None
    if any('"' in cell for cell in cells):
        raise _wrong(line_number, "it has a quote inside a cell")
    if _CONTROL.search(line):
        raise _wrong(line_number, "it has a control character")
    return [cell.strip() for cell in cells]


def _wrong(line_number: int, why: str) -> click.UsageError:
    return click.UsageError(f"line {line_number}: {why}; nothing was imported")


def _open(account: str | None) -> OptOuts:
    from smsbridge import environment
    from smsbridge.stores.choice import part_of

    store = stored.chosen(account, "optout", create=not environment.in_production()).store
    return part_of(store, "opt_outs", store.opt_outs())


def _asked(flow: Flow[T]) -> T:
    from smsbridge.stores.blocking import at_once

    return at_once(flow)


def _change(out: Output, account: str | None, given: str, sender: str | None, *, opted_out: bool) -> Exit:
    number = to_number(given)
    known = _open(account)
    listed = _asked(known.holds([sender] if sender else None, number))
    _asked((known.add if opted_out else known.remove)(sender, number, source="operator"))
    if out.as_json:
        out.json({"recipient": out.number(number), "sender": sender, "opted_out": opted_out, "was_opted_out": listed})
    elif not opted_out and not listed:
        out.line(f"{out.number(number)} was not on the list for {sender or 'any sender'}, and may be texted")
    else:
        words = "gets no more texts" if opted_out else "may be texted again"
        out.line(f"done: {out.number(number)} {words} from {sender or 'any sender'}", style="green")
    return Exit.OK
