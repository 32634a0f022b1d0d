"""``smsbridge ledger``: what was sent under which reference, and what is still in doubt."""

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
    help="Only what was sent through this account; default: through any.",
)
_path_option = click.option(
    "--path", metavar="FILE", help="The SQLite file; default: what SMSBRIDGE_LEDGER_STORE says, or SMSBRIDGE_STORE."
)


@click.group()
def ledger() -> None:
    """Show and settle what the ledger has: each text that was to be sent, by its reference, and what became of it.

    The ledger holds no text and no full number. With --account, only what was sent through that account is looked at.

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
    """Make the ledger, if there is none yet; an empty file is made one.

    Where SMSBRIDGE_ENV is production, no ledger is made in another way: one that is not where it should be is an error
    there.

    \b
    Examples:
      smsbridge ledger init
      smsbridge ledger init --path /var/lib/app/sms.db
    """  # noqa: D301  # click reads \b as "do not wrap"
    return stored.init(Output(as_json=as_json), stored.chosen(account, "ledger", path=path, create=True), "entries")


@ledger.command("list")
@click.option(
    "--state", "states", multiple=True, type=click.Choice([one.value for one in State]), help="Only these; repeatable."
)
@click.option("--since", metavar="AGE", help="Only those that were begun within this time, such as 2h or 7d.")
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
        out.line("nothing of that kind is in the ledger")
    return Exit.OK


@ledger.command()
@click.argument("reference")
@_only_account_option
@_path_option
@json_option
def explain(*, reference: str, account: str | None, path: str | None, as_json: bool) -> Exit:
    """Say what happened under REFERENCE, and what a repeat of it would do. Exit code 8: nothing is known of it.

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
        out.line("the ledger does not know this reference: it was never about to be sent, or that was pruned")
    return Exit.OK if found else Exit.NOT_FOUND


@ledger.command()
@click.argument("reference", required=False)
@click.option("--all", "every", is_flag=True, help="All that are open or uncertain.")
@click.option(
    "--as", "state", type=click.Choice(["accepted", "refused"]), help="What you know of it from elsewhere; asks nobody."
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

    A find settles it as accepted. No find proves nothing, and it stays as it is. What is settled as refused may be sent
    again: say so only of what is certainly not on its way any more. What is settled already is never changed.

    \b
    Examples:
      smsbridge ledger settle order-4711
      smsbridge ledger settle --all --account otp
      smsbridge ledger settle order-4711 --as refused --yes

    Exit code: 0 all is settled, 2 it is settled already, and not --as you say, 5 something stays in doubt, 8 the ledger
    does not know the reference.
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
        raise click.UsageError(f"it is settled already, and stays so: {state_of(there[0])}")
    settled = by_hand(out, doubtful, state, yes=yes) if state else by_lookup(out, doubtful)
    count, told = _record(out, store, settled)
    left = len(doubtful) - count
    if as_json:
        entries = told if doubtful else there
        out.json({"settled": count, "in_doubt": left, "entries": [document(entry) for entry in entries]})
    elif reference is not None and not doubtful:
        out.line(f"it is settled already: {state_of(there[0])}")
    else:
        out.line(f"{count} settled, {left} still in doubt", style="green" if not left else "yellow")
    if left:
        again = f"smsbridge ledger settle {shlex.quote(reference) if reference else 'REF'}"
        out.aside(
            f"next: look for it where the provider shows what it sent, then {again} --as accepted, or --as refused"
        )
    return Exit.OK if not left else Exit.UNCERTAIN


@ledger.command()
@click.option("--older-than", metavar="AGE", required=True, help="Such as 90d.")
@_only_account_option
@_path_option
@json_option
def prune(*, older_than: str, account: str | None, path: str | None, as_json: bool) -> Exit:
    """Forget what was accepted or refused before that; what is in doubt stays.

    A repeat of what is forgotten is sent again. What is older than SMSBRIDGE_LEDGER_KEEP_DAYS (90) is forgotten by
    itself.

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
        out.progress(f"{count} forgotten")
    if as_json:
        out.json({"pruned": count})
    else:
        out.line(f"{count} forgotten", style="green")
    return Exit.OK


# --- inside -----------------------------------------------------------------------------------------------------------


def _store(account: str | None, path: str | None) -> Entries:
    from smsbridge.errors import ConfigurationError
    from smsbridge.stores.choice import part_of

    found = stored.chosen(account, "ledger", path=path)
    found.refuse_unusable("entries", "ledger")
    if found.is_absent:
        raise ConfigurationError(
            f"there is no ledger at {found.name}: it is made when the first text is sent, or by smsbridge ledger init"
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
    """Write down each as it is settled, and say so. Returns how many were open until then, and all."""
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
            "advice": "smsbridge ledger list shows those that it knows",
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
