"""``smsbridge ledger``: show what was sent under each reference, and settle what is in doubt."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from smsbridge.cli import stored
from smsbridge.cli.exits import Exit
from smsbridge.cli.output import Output
from smsbridge.cli.session import account_option, json_option, not_empty
from smsbridge.durations import duration
from smsbridge.stores.entries import Entry, State

from .entry_view import DOUBTFUL, document, line, show, state_of
from .settling import by_hand, by_lookup

if TYPE_CHECKING:
    from smsbridge.flow import Flow
    from smsbridge.stores.seam import Entries

T = TypeVar("T")
_PAGE = 1000
_FOREVER = timedelta(days=36500)
_only_account_option = click.option(
    "--account",
    metavar="NAME",
    callback=not_empty,
    help="Only texts sent through this account; default: through any.",
)
_path_option = click.option(
    "--path", metavar="FILE", help="The SQLite file; default: that of SMSBRIDGE_LEDGER_STORE, or of SMSBRIDGE_STORE."
)


@click.group()
def ledger() -> None:
    """Show and settle the entries of the ledger: each text by its reference, and its outcome.

    The ledger holds no message text and no full number. With --account, only entries of that account are used.

    \b
    Examples:
      smsbridge ledger list --state uncertain --state open
      smsbridge ledger explain order-4711
      smsbridge ledger settle order-4711
      smsbridge ledger settle order-4711 --as accepted
      smsbridge ledger settle --all
      smsbridge ledger prune --older-than 90d
      smsbridge ledger init
    """  # noqa: D301  # click reads \b as "do not wrap"


@ledger.command()
@account_option
@_path_option
@json_option
def init(*, account: str | None, path: str | None, as_json: bool) -> Exit:
    """Create the ledger if it does not exist; an empty file becomes a ledger.

    Where SMSBRIDGE_ENV is production, only this command creates a ledger: a missing ledger is an error there.

    \b
    Examples:
      smsbridge ledger init
      smsbridge ledger init --path /var/lib/app/sms.db
    """  # noqa: D301  # click reads \b as "do not wrap"
    return stored.init(Output(as_json=as_json), stored.chosen(account, "ledger", path=path, create=True), "entries")


@ledger.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([one.value for one in State]),
    help="Only texts in this state; repeatable.",
)
@click.option("--since", metavar="AGE", help="Only texts first recorded within this time, such as 2h or 7d.")
@_only_account_option
@_path_option
@json_option
def list_(*, states: tuple[str, ...], since: str | None, account: str | None, path: str | None, as_json: bool) -> Exit:
    """List texts, the oldest first; with --json, one document per line.

    \b
    Examples:
      smsbridge ledger list
      smsbridge ledger list --state uncertain --since 1d --json
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    store = _store(account, path)
    count = 0
    for entry in _all(store, states=[State(one) for one in states], within=_seconds(since), account=account):
        count += 1
        if as_json:
            out.json(document(entry), compact=True)
        else:
            out.line(line(entry))
    if not count and not as_json:
        out.line("the ledger has no such text")
    return Exit.OK


@ledger.command()
@click.argument("reference")
@_only_account_option
@_path_option
@json_option
def explain(*, reference: str, account: str | None, path: str | None, as_json: bool) -> Exit:
    """Show what happened under REFERENCE, and what a repeat would do. Exit code 8: the ledger does not know it.

    \b
    Examples:
      smsbridge ledger explain order-4711
      smsbridge ledger explain order-4711 --account otp --json
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    found = list(_all(_store(account, path), reference=reference, account=account))
    if as_json:
        out.json({"reference": reference, "entries": [document(one) for one in found]})
    for entry in found if not as_json else ():
        show(out, entry)
    if not found and not as_json:
        out.line("the ledger does not know this reference: no text was recorded under it, or the entry was pruned")
    return Exit.OK if found else Exit.NOT_FOUND


@ledger.command()
@click.argument("reference", required=False)
@click.option("--all", "every", is_flag=True, help="Settle all texts that are open or uncertain.")
@click.option(
    "--as",
    "state",
    type=click.Choice(["accepted", "refused"]),
    help="The outcome, which you know from elsewhere; the provider is not asked.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@_only_account_option
@_path_option
@json_option
def settle(
    *,
    reference: str | None,
    every: bool,
    state: str | None,
    yes: bool,
    account: str | None,
    path: str | None,
    as_json: bool,
) -> Exit:
    """Settle a text that may have been sent: ask the provider for its reference, or say what you know.

    If the provider finds the text, it is settled as accepted. If not, that proves nothing, and the text stays in doubt.
    A text settled as refused may be sent again: use --as refused only for a text that is certainly not on its way any
    more. A settled text is never changed.

    \b
    Examples:
      smsbridge ledger settle order-4711
      smsbridge ledger settle --all --account otp
      smsbridge ledger settle order-4711 --as refused --yes

    Exit code: 0 all is settled, 2 the text is already settled with another outcome than --as, 5 a text stays in doubt,
    8 the ledger does not know the reference.
    """  # noqa: D301  # click reads \b as "do not wrap"
    if (reference is None) is not every:
        raise click.UsageError("give REFERENCE, or --all")
    if state is not None and reference is None:
        raise click.UsageError("--as is for one text: give its REFERENCE")
    out = Output(as_json=as_json)
    store = _store(account, path)
    there = list(_all(store, reference=reference, account=account, states=DOUBTFUL if reference is None else ()))
    doubtful = [one for one in there if one.state in DOUBTFUL]
    if reference is not None and not there:
        return _unknown(out, reference)
    if not doubtful and any(state not in (None, one.state) for one in there):
        raise click.UsageError(f"the text is already settled, and stays so: {state_of(there[0])}")
    settled = by_hand(out, doubtful, state, yes=yes) if state else by_lookup(out, doubtful)
    count, told = _record(out, store, settled)
    left = len(doubtful) - count
    if as_json:
        entries = told if doubtful else there
        out.json({"settled": count, "in_doubt": left, "entries": [document(entry) for entry in entries]})
    elif reference is not None and not doubtful:
        out.line(f"the text is already settled: {state_of(there[0])}")
    else:
        out.line(f"{count} settled, {left} still in doubt", style="green" if not left else "yellow")
    if left:
        again = f"smsbridge ledger settle {shlex.quote(reference) if reference else 'REF'}"
        out.aside(f"next: look for the text in the provider's own list, then {again} --as accepted, or --as refused")
    return Exit.OK if not left else Exit.UNCERTAIN


@ledger.command()
@click.option("--older-than", metavar="AGE", required=True, help="Such as 90d.")
@_only_account_option
@_path_option
@json_option
def prune(*, older_than: str, account: str | None, path: str | None, as_json: bool) -> Exit:
    """Delete entries that were accepted or refused longer ago than that; entries in doubt stay.

    A repeat of a deleted text is sent again. Entries older than SMSBRIDGE_LEDGER_KEEP_DAYS (90) are deleted
    automatically.

    \b
    Examples:
      smsbridge ledger prune --older-than 90d
      smsbridge ledger prune --older-than 12h --path sms.db
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    store = _store(account, path)
    seconds = _seconds(older_than)
    count = 0
    while seconds is not None:
        dropped = _asked(store.prune(seconds, _PAGE, account=account))
        count += dropped
        if dropped < _PAGE:
            break
        out.progress(f"{count} deleted")
    if as_json:
        out.json({"pruned": count})
    else:
        out.line(f"{count} deleted", style="green")
    return Exit.OK


# --- inside -----------------------------------------------------------------------------------------------------------


def _store(account: str | None, path: str | None) -> Entries:
    from smsbridge.errors import ConfigurationError
    from smsbridge.stores.choice import part_of

    found = stored.chosen(account, "ledger", path=path)
    found.refuse_unusable("entries", "ledger")
    if found.is_absent:
        raise ConfigurationError(
            f"there is no ledger at {found.name}: it is created with the first text, or by smsbridge ledger init"
        )
    entries = part_of(found.store, "entries", found.store.entries(keep=_FOREVER))
    click.get_current_context().call_on_close(entries.close)
    return entries


def _asked(flow: Flow[T]) -> T:
    from smsbridge.errors import ConfigurationError
    from smsbridge.promise import Overdue
    from smsbridge.stores.blocking import at_once
    from smsbridge.stores.entries import Unwritable

    try:
        return at_once(flow)
    except (Unwritable, Overdue) as error:
        problem = str(error)
    raise ConfigurationError(f"the ledger cannot be used: {problem}")


def _all(store: Entries, **wanted: Any) -> Iterator[Entry]:
    after = 0
    while True:
        page = _asked(store.page(after=after, limit=_PAGE, **wanted))
        for _, entry in page:
            yield entry
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def _record(out: Output, store: Entries, settled: Iterator[Entry]) -> tuple[int, list[Entry]]:
    """Record and print each entry as it is settled. Returns how many were in doubt until then, and all entries."""
    count, told = 0, []
    for entry in settled:
        count += _asked(store.settle([entry]))
        told.append(entry)
        if not out.as_json:
            out.line(line(entry), style="green")
    return count, told


def _unknown(out: Output, reference: str) -> Exit:
    out.failure(
        {
            "type": "NotFoundError",
            "message": "the ledger does not know this reference",
            "reference": reference,
            "advice": "smsbridge ledger list shows the references that it knows",
            "exit_code": Exit.NOT_FOUND,
        },
        word="not found",
    )
    return Exit.NOT_FOUND


def _seconds(age: str | None) -> float | None:
    if age is None:
        return None
    found = duration(age)
    if found is not None and found <= _FOREVER:
        return found.total_seconds()
    raise click.UsageError("write an age as 90d, 12h or 30m")
