"""Ask for the status of a text: the command ``smsbridge status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..provider import vendor_of
from . import values
from .exits import Exit
from .output import Output
from .session import account_option, json_option, not_empty, number_option, open_client

if TYPE_CHECKING:
    from ..client import SmsClient


@click.command()
@click.argument("id", required=False)
@click.option(
    "--reference", metavar="REF", callback=not_empty, help="Look up by your own reference instead of the provider's id."
)
@account_option
@number_option
@json_option
def status(
    *,
    id: str | None,
    reference: str | None,
    account: str | None,
    show_numbers: bool,
    as_json: bool,
) -> Exit:
    """Ask for the status of the text with the provider's ID.

    With --reference: ask whether a text with this reference was accepted. If it is found, an uncertain send is settled.
    If it is not found, nothing is proven, unless the provider promises otherwise.

    \b
    Examples:
      smsbridge status 8a7f3c
      smsbridge status 8a7f3c --account otp --json
      smsbridge status --reference order-17

    Exit code: 0 the provider knows the text, 7 the query failed, 8 the provider does not know the text.
    """  # noqa: D301  # click reads \b as "do not wrap"
    if (id is None) == (reference is None):
        raise click.UsageError("give either ID or --reference REF")
    out = Output(as_json=as_json, show_numbers=show_numbers)
    with open_client(account, out) as client:
        if id is not None:
            _show_report(out, client, id)
        elif reference is not None:
            _show_found(out, client, reference)
    return Exit.OK


def _show_report(out: Output, client: SmsClient, id: str) -> None:
    report = client.status(id)
    if out.as_json:
        out.json(values.report(report, out))
        return
    more = "final" if report.final else "more may come"
    out.line(f"{report.status.value} ({more})", style="green" if report.status == "delivered" else "bold")
    out.rows(
        {
            "to": report.to and out.number(report.to),
            "provider": values.provider_words(report.account, report.provider),
            "id": report.id,
            "reference": report.reference,
            "code": report.code,
            "reason": report.reason,
            "segments": report.segments,
            "price": values.price_words(report.price),
            "at": report.at,
        }
    )


def _show_found(out: Output, client: SmsClient, reference: str) -> None:
    from ..errors import NotFoundError, QueryError

    try:
        sent = client.lookup(reference)
    except QueryError as error:
        if _has_ledger(client, reference):
            # With a reference, the advice names the command that asks the ledger.
            error.reference = reference
        raise
    if sent is None:
        after = client.provider.absence_proven_after
        proof = f"; {after} after sending, this proves that the text was not sent" if after is not None else ""
        raise NotFoundError(
            f"no text with this reference is known{proof}",
            account=client.provider.account,
            provider=vendor_of(client.provider),
            reference=reference,
        )
    if out.as_json:
        out.json({"outcome": "accepted", **values.sent_message(sent, out)})
        return
    out.line("accepted: a text with this reference was taken; do not send it again", style="green")
    out.rows(
        {
            "to": sent.to and out.number(sent.to),
            "provider": values.provider_words(sent.account, sent.provider),
            "id": sent.id,
            "reference": sent.reference,
            "status": sent.status.value,
            "segments": sent.segments,
            "price": values.price_words(sent.price),
            "at": sent.at,
        }
    )


def _has_ledger(client: SmsClient, reference: str) -> bool:
    """Return whether the client has a ledger that can be read."""
    from ..errors import ConfigurationError

    try:
        client.history(reference)
    except ConfigurationError:
        return False
    return True
