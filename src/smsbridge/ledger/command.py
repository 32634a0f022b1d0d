"""Show what became of each text, by its reference: the commands ``smsbridge texts ...``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smsbridge.cli import stored
from smsbridge.cli.exits import Exit
from smsbridge.cli.output import Output
from smsbridge.cli.session import account_option, json_option, not_empty, policy_setting, to_number
from smsbridge.messages import Status
from smsbridge.stores.entries import State

from .asking import PAGE, all_of, asked, only_account_option, opened, path_option, seconds
from .polling import poll
from .settling import settle
from .stats import stats
from .view import COLUMNS, csv_line, csv_row, document, line, report_document
from .view import show as show_all

if TYPE_CHECKING:
    from smsbridge.stores.seam import Entries


@click.group()
def texts() -> None:
    """Show what became of each text that the ledger has, ask vendors about it, and settle what is in doubt.

    The ledger holds no message text and no full number, unless settings say so. With --account, only texts of that
    account are used.

    \b
    Examples:
      smsbridge texts show order-4711
      smsbridge texts list --status failed --status undelivered --since 1d
      smsbridge texts list --state uncertain --state open
      smsbridge texts stats --since 7d
      smsbridge texts poll
      smsbridge texts settle order-4711
      smsbridge texts settle order-4711 --as accepted
      smsbridge texts settle --all
      smsbridge texts prune --older-than 90d
      smsbridge texts init
    """  # noqa: D301  # click reads \b as "do not wrap"


@texts.command()
@account_option
@path_option
@json_option
def init(*, account: str | None, path: str | None, as_json: bool) -> Exit:
    """Create the ledger if it does not exist, and in SMSBRIDGE_STORE also the counts of caps and limits.

    An empty file becomes a ledger.

    Where SMSBRIDGE_ENV is production, only this command creates a ledger: a missing ledger is an error there.

    \b
    Examples:
      smsbridge texts init
      smsbridge texts init --path /var/lib/app/sms.db
    """  # noqa: D301  # click reads \b as "do not wrap"
    return stored.init(Output(as_json=as_json), stored.chosen(account, "ledger", path=path, create=True), "entries")


@texts.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State]),
    help="Only texts whose sending ended so; repeatable.",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in Status]),
    help="Only accepted texts that came so far; repeatable.",
)
@click.option("--since", metavar="AGE", help="Only texts first recorded within this time, such as 2h or 7d.")
@click.option("--to", metavar="NUMBER", callback=not_empty, help="Only texts to this phone number.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values, with a header.")
@only_account_option
@path_option
@json_option
def list_(
    *,
    states: tuple[str, ...],
    statuses: tuple[str, ...],
    since: str | None,
    to: str | None,
    as_csv: bool,
    account: str | None,
    path: str | None,
    as_json: bool,
) -> Exit:
    """List texts, the oldest first; with --json, one document per line.

    \b
    Examples:
      smsbridge texts list
      smsbridge texts list --state uncertain --since 1d --json
      smsbridge texts list --to +919876543210
      smsbridge texts list --since 7d --csv > texts.csv
    """  # noqa: D301  # click reads \b as "do not wrap"
    if as_csv and as_json:
        raise click.UsageError("give --csv or --json, not both")
    out = Output(as_json=as_json)
    entries = opened(account, path)
    wanted = {
        "states": [State(state) for state in states],
        "statuses": [Status(status) for status in statuses],
        "within": seconds(since),
        "account": account,
        "person": None if to is None else _person(entries, to, account),
    }
    if as_csv:
        out.verbatim(csv_line(COLUMNS))
    count = 0
    for entry in all_of(entries, **wanted):
        count += 1
        if as_csv:
            out.verbatim(csv_line(csv_row(entry)))
        elif as_json:
            out.json(document(entry), compact=True)
        else:
            out.line(line(entry))
    if not count and not as_json and not as_csv:
        out.line("the ledger has no such text")
    return Exit.OK


@texts.command()
@click.argument("reference")
@only_account_option
@path_option
@json_option
def show(*, reference: str, account: str | None, path: str | None, as_json: bool) -> Exit:
    """Show what became of the text under REFERENCE, its delivery reports, and what a repeat would do.

    \b
    Examples:
      smsbridge texts show order-4711
      smsbridge texts show order-4711 --account otp --json

    Exit code: 8 the ledger does not know the reference.
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    entries = opened(account, path)
    found = list(all_of(entries, reference=reference, account=account))
    reports = asked(entries.reports(reference)) if found else []
    if as_json:
        shown = [{**document(entry), "reports": [report_document(report) for report in reports]} for entry in found]
        out.json({"reference": reference, "entries": shown})
    for entry in found if not as_json else ():
        show_all(out, entry, reports)
    if not found and not as_json:
        out.line("the ledger does not know this reference: no text was recorded under it, or the entry was pruned")
    return Exit.OK if found else Exit.NOT_FOUND


@texts.command()
@click.option("--older-than", metavar="AGE", required=True, help="Such as 90d.")
@only_account_option
@path_option
@json_option
def prune(*, older_than: str, account: str | None, path: str | None, as_json: bool) -> Exit:
    """Delete entries that were accepted or refused longer ago than --older-than; entries in doubt stay.

    A repeat of a deleted text is sent again. Entries older than SMSBRIDGE_LEDGER_KEEP_DAYS (90) are deleted
    automatically.

    \b
    Examples:
      smsbridge texts prune --older-than 90d
      smsbridge texts prune --older-than 12h --path sms.db
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    entries = opened(account, path)
    age = seconds(older_than)
    count = 0
    while age is not None:
        dropped = asked(entries.prune(age, PAGE, account=account))
        count += dropped
        if dropped < PAGE:
            break
        out.progress(f"{count} deleted")
    if as_json:
        out.json({"pruned": count})
    else:
        out.line(f"{count} deleted", style="green")
    return Exit.OK


def _person(entries: Entries, to: str, account: str | None) -> bytes:
    """The hash by which the texts to a number are found."""
    from smsbridge.stores.entries import person_of

    given = policy_setting(account, "ledger", "key")
    key = asked(entries.identify(given.encode() if given is not None else None))
    return person_of(key, to_number(to))


for command in (settle, stats, poll):
    texts.add_command(command)
