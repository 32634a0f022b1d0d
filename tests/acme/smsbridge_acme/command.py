"""A third party's command, unknown to the core."""

from __future__ import annotations

import click

from smsbridge.cli.kit import Exit, Output, account_option, json_option, open_client
from smsbridge.composite import each

from .night import NightPolicy


@click.command()
@account_option
@json_option
def night(account: str | None, *, as_json: bool) -> Exit:
    """Say whether it is night."""
    out = Output(as_json=as_json)
    with open_client(account, out) as client:
        quiet = any(isinstance(layer, NightPolicy) and layer.quiet for layer in each(client.provider))
    if as_json:
        out.json({"night": quiet})
    else:
        out.line("it is night" if quiet else "it is day")
    return Exit.OK
