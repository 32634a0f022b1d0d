"""Settle texts that may have been sent: ask the provider, or take a person's word."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from smsbridge.cli.exits import Exit
from smsbridge.cli.output import Output
from smsbridge.cli.session import json_option, open_client, standard_input
from smsbridge.stores.entries import Entry, Kind, Outcome
from smsbridge.stores.folding import proven, taker_of

from .asking import all_of, asked, only_account_option, opened, path_option
from .view import DOUBTFUL, document, line, state_of

if TYPE_CHECKING:
    from smsbridge.client import SmsClient
    from smsbridge.stores.seam import Entries


def by_reports(store: Entries, doubtful: list[Entry]) -> Iterator[Entry]:
    """Find the texts in doubt that arrived after all: a delivery report proves that the vendor accepted them.

    ``doubtful`` are entries of texts that may have been sent. Yields each entry with such a report, settled as
    accepted.
    """
    for entry in doubtful:
        outcome = proven(entry, asked(store.reports(entry.claim.reference)))
        if outcome is not None:
            yield Entry(claim=entry.claim, outcome=outcome)


def by_hand(out: Output, doubtful: list[Entry], state: str, *, yes: bool) -> Iterator[Entry]:
    """Settle the texts in doubt, ``doubtful``, by what a person knows: as ``state``, accepted or refused. Yields each.

    The person confirms each text at the terminal, unless ``yes`` is set. Raises click.UsageError if the input is not a
    terminal.
    """
    repeats = "a repeat of it is sent" if state == "refused" else "a repeat of it is not sent"
    for entry in doubtful:
        if not yes:
            if not standard_input().isatty():
                raise click.UsageError("--as asks for confirmation, and the input is no terminal: give --yes")
            out.aside(line(entry))
            if not click.confirm(f"settle it as {state}, so that {repeats}?", err=True):
                raise click.Abort
        outcome = Outcome.refused("operator") if state == "refused" else Outcome.accepted(None, reason="operator")
        yield Entry(claim=entry.claim, outcome=outcome)


def by_lookup(out: Output, doubtful: list[Entry]) -> Iterator[Entry]:
    """Look up each text in doubt, ``doubtful``, at its provider by the reference.

    Yields the entries for which the provider gave a clear answer, each settled by that answer.
    """
    with ExitStack() as clients:
        by_account: dict[str, SmsClient] = {}
        for number, entry in enumerate(doubtful, 1):
            out.progress(f"{number} of {len(doubtful)} looked up")
            account = entry.claim.account
            if account not in by_account:
                by_account[account] = clients.enter_context(open_client(account, out))
            found = _look_up(out, by_account[account], entry)
            if found is not None:
                yield Entry(claim=entry.claim, outcome=found)
        out.progress("")


def _look_up(out: Output, client: SmsClient, entry: Entry) -> Outcome | None:
    from smsbridge.errors import QueryError
    from smsbridge.policies.asking import was_accepted

    reference = entry.claim.reference
    if entry.claim.kind is Kind.CODE:
        out.aside(f"{reference}: no provider finds a one-time code by its reference; say what you know with --as")
        return None
    try:
        found = client.lookup(reference)
    except QueryError as error:
        cannot = "the provider cannot look it up; say what you know with --as"
        out.aside(f"{reference}: {cannot if error.reason == 'unsupported' else error}", style="yellow")
        return None
    if found is not None:
        if was_accepted(found, reference, entry.claim.to):
            return Outcome.accepted(found, reason="lookup")
        words = "the provider knows the reference, but for a rejected attempt or another number"
    elif entry.proven_absent(client.provider.absence_proven_after):
        return Outcome.refused("absent")
    else:
        words = "the provider does not find the text, which does not prove that it was not sent"
    out.aside(f"{reference}: {words}", style="yellow")
    return None


@click.command()
@click.argument("reference", required=False)
@click.option("--all", "every", is_flag=True, help="Settle all texts that are open or uncertain.")
@click.option(
    "--as",
    "state",
    type=click.Choice(["accepted", "refused"]),
    help="The outcome, which you know from elsewhere; the provider is not asked.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@only_account_option
@path_option
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
      smsbridge texts settle order-4711
      smsbridge texts settle --all --account otp
      smsbridge texts settle order-4711 --as refused --yes

    Exit code: 0 all is settled, 2 the text is already settled with another outcome than --as, 5 a text stays in doubt,
    8 the ledger does not know the reference.
    """  # noqa: D301  # click reads \b as "do not wrap"
    if (reference is None) is not every:
        raise click.UsageError("give REFERENCE, or --all")
    if state is not None and reference is None:
        raise click.UsageError("--as is for one text: give its REFERENCE")
    out = Output(as_json=as_json)
    store = opened(account, path)
    there = list(all_of(store, reference=reference, account=account, states=DOUBTFUL if reference is None else ()))
    doubtful = [entry for entry in there if entry.state in DOUBTFUL]
    if reference is not None and not there:
        return _unknown(out, reference)
    if not doubtful and any(state not in (None, entry.state) for entry in there):
        raise click.UsageError(f"the text is already settled, and stays so: {state_of(there[0])}")
    count, told = _record(out, store, by_reports(store, doubtful))
    unproven = [entry for entry in doubtful if entry.claim not in [settled.claim for settled in told]]
    settled = by_hand(out, unproven, state, yes=yes) if state else by_lookup(out, unproven)
    more, others = _record(out, store, settled)
    count, told = count + more, told + others
    left = len(doubtful) - count
    if as_json:
        entries = told if doubtful else there
        out.json({"settled": count, "in_doubt": left, "entries": [document(entry) for entry in entries]})
    elif reference is not None and not doubtful:
        out.line(f"the text is already settled: {state_of(there[0])}")
    else:
        out.line(f"{count} settled, {left} still in doubt", style="green" if not left else "yellow")
    if left:
        again = f"smsbridge texts settle {shlex.quote(reference) if reference else 'REF'}"
        out.aside(f"next: look for the text in the provider's own list, then {again} --as accepted, or --as refused")
    return Exit.OK if not left else Exit.UNCERTAIN


def _record(out: Output, store: Entries, settled: Iterator[Entry]) -> tuple[int, list[Entry]]:
    """Record and print each entry as it is settled. Returns how many were in doubt until then, and all entries."""
    count, told = 0, []
    for entry in settled:
        count += asked(store.settle([entry]))
        asked(store.fold([entry.claim.reference], [(taker_of(entry), entry.outcome.id if entry.outcome else "")]))
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
            "advice": "smsbridge texts list shows the references that it knows",
            "exit_code": Exit.NOT_FOUND,
        },
        word="not found",
    )
    return Exit.NOT_FOUND
