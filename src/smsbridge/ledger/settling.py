"""Settle texts that may have been sent: ask the provider, or take a person's word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from smsbridge.cli.output import Output
from smsbridge.cli.session import open_client, standard_input
from smsbridge.stores.entries import Entry, Kind, Outcome

from .entry_view import line

if TYPE_CHECKING:
    from smsbridge.client import SmsClient


def by_hand(out: Output, doubtful: list[Entry], state: str, *, yes: bool) -> Iterator[Entry]:
    """Settle all entries as ``state``, which a person knows from elsewhere and confirms for each unless ``yes``."""
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
    """Ask the provider of each entry, through the entry's account. Yields the entries with a clear answer."""
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
