"""Send and check one-time codes that the provider makes: the commands ``smsbridge verify ...``."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING, Any

import click

from ..provider import vendor_of
from . import values
from .exits import Exit
from .fields import given_fields, message_options
from .output import CannotPrint, Output
from .session import Watcher, account_option, json_option, number_option, open_client, standard_input

if TYPE_CHECKING:
    from ..messages import Verification


@click.group()
def verify() -> None:
    """Send one-time codes, and check them. The provider makes, sends and remembers the code.

    \b
    Examples:
      smsbridge verify start +919876543210
      smsbridge verify check 8a7f3c 123456
      smsbridge verify cancel 8a7f3c
    """  # noqa: D301  # click reads \b as "do not wrap"


@verify.command()
@click.argument("to")
@click.argument("text", required=False)
@message_options
@account_option
@number_option
@json_option
def start(
    *,
    to: str,
    text: str | None,
    account: str | None,
    show_numbers: bool,
    as_json: bool,
    **given: Any,
) -> Exit:
    """Send a one-time code to the phone number TO. TEXT may be a template with {code}.

    \b
    Examples:
      smsbridge verify start +919876543210
      smsbridge verify start +919876543210 "{code} is your Acme code" --from ACMEIN

    Exit codes are those of smsbridge send.
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json, show_numbers=show_numbers)
    watcher = Watcher()
    with open_client(account, out, watcher=watcher) as client:
        try:
            started = client.start_verification(to, text, **given_fields(vendor_of(client.provider), given))
        except KeyboardInterrupt as interrupt:
            return watcher.conclude(out, interrupt)
    with contextlib.suppress(CannotPrint):
        _show_started(out, started)
    if out.lost:
        out.aside(f"{values.accepted(started, 'is sending a code')}, id {started.id}; {out.lost}")
    return Exit.OK


def _show_started(out: Output, started: Verification) -> None:
    if out.as_json:
        out.json({"outcome": "accepted", **values.verification(started, out)})
        return
    out.line(values.accepted(started, "is sending a code"), style="green")
    out.rows(
        {
            "to": out.number(started.to),
            "provider": values.provider_words(started.account, started.provider),
            "id": started.id,
            "reference": started.reference,
            "expires at": started.expires_at,
        }
    )
    out.aside(f"next: smsbridge verify check {shlex.quote(started.id)} CODE --account {started.account}")


@verify.command()
@click.argument("id")
@click.argument("code")
@account_option
@json_option
def check(*, id: str, code: str, account: str | None, as_json: bool) -> Exit:
    """Ask whether CODE is right for the verification ID. With - as CODE, it is read from standard input.

    \b
    Examples:
      smsbridge verify check 8a7f3c 123456
      echo 123456 | smsbridge verify check 8a7f3c - --json

    Exit code: 0 approved, 9 not approved.
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    given = standard_input().readline().decode("utf-8-sig", "replace").strip() if code == "-" else code
    with open_client(account, out) as client:
        answer = client.check_verification(id, given)
    if out.as_json:
        out.json({"approved": answer.approved, "reason": answer.reason})
    elif answer.approved:
        out.line("approved", style="green")
    else:
        out.line(f"not approved: {answer.reason or 'no reason given'}", style="red")
    return Exit.OK if answer.approved else Exit.WRONG_CODE


@verify.command()
@click.argument("id")
@account_option
@json_option
def cancel(*, id: str, account: str | None, as_json: bool) -> Exit:
    """Tell the provider to forget the code of the verification ID.

    \b
    Example:
      smsbridge verify cancel 8a7f3c
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    with open_client(account, out) as client:
        client.cancel_verification(id)
    if out.as_json:
        out.json({"cancelled": True})
    else:
        out.line("cancelled")
    return Exit.OK
