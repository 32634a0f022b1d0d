"""Ask for the balance of an account: the command ``smsbridge balance``."""

from __future__ import annotations

import click

from ..provider import vendor_of
from . import values
from .exits import Exit
from .output import Output
from .session import account_option, json_option, open_client


@click.command()
@account_option
@json_option
def balance(*, account: str | None, as_json: bool) -> Exit:
    """Ask the provider for the balance of the account, for each service. Sends no text.

    \b
    Examples:
      smsbridge balance
      smsbridge balance --account otp --json
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    with open_client(account, out) as client:
        left = client.balance()
        provider = client.provider
    if out.as_json:
        balances = [values.balance(entry) for entry in left]
        out.json({"account": provider.account, "provider": vendor_of(provider), "balances": balances})
    elif left:
        out.table(["service", "left", "unit"], [list(values.balance(entry).values()) for entry in left])
    else:
        out.line(f"{values.provider_words(provider.account, vendor_of(provider))} reports no balance")
    return Exit.OK
