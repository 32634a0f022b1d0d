"""Send a text, or many: the command ``smsbridge send``."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ..message_fields import FIELDS
from ..provider import vendor_of
from . import values
from .exits import Exit
from .fields import given_fields, message_options
from .output import CannotPrint, Output
from .session import Journal, Watcher, account_option, json_option, number_option, open_client, text_from_stdin

if TYPE_CHECKING:
    from ..client import SmsClient
    from ..messages import SentMessage


def _other_keys() -> str:
    """The keys of a line that the example does not show, in words."""
    words = [
        f"{field.name} (by provider)"
        if field.kind is Mapping
        else f"{field.name} ({', '.join(field.parts)})"
        if field.parts
        else field.name
        for field in FIELDS
        if field.name != "reference"
    ]
    return f"{', '.join(words[:-1])} and {words[-1]}"


_HELP = f"""Send TEXT to the phone number TO (with its country code), or the texts of a file.

    TEXT - reads standard input. "Accepted" means that the provider took the text, not that it was delivered.

    \b
    Examples:
      smsbridge send +919876543210 "Your order has shipped"
      smsbridge send +919876543210 - < text.txt
      smsbridge send +919876543210 "Hello" --from ACMEIN --at 2030-01-31T09:30+05:30
      smsbridge send +919876543210 "Hello" --account otp --purpose otp --json
      smsbridge send --many messages.jsonl
      smsbridge send --many messages.jsonl --dry-run

    --many FILE (- for standard input) holds one JSON object per line:

    \b
      {{"to": "+919876543210", "text": "Hello", "reference": "order-17"}}

    It may also have {_other_keys()}; the
    options of the command are the defaults. A file is checked completely before anything is sent; standard input is
    sent line by line, up to the first wrong line. A line is printed for each message when it is complete; with --json,
    a JSON document per line.

    Exit code: 0 accepted, 4 certainly not sent, 5 may have been sent, 6 the provider cannot do this; with --many, the
    first of 5, 4, 6 that happened. 2 a line is wrong: the message says what was sent before it, and where to resume.
    """


@click.command(help=_HELP)
@click.argument("to", required=False)
@click.argument("text", required=False)
@click.option("--many", metavar="FILE", help="Send the messages of a file of JSON lines.")
@click.option("--dry-run", "dry", is_flag=True, help="Show everything that would happen, and send nothing.")
@message_options
@account_option
@number_option
@json_option
def send(
    *,
    to: str | None,
    text: str | None,
    many: str | None,
    dry: bool,
    account: str | None,
    show_numbers: bool,
    as_json: bool,
    **given: Any,
) -> Exit:
    out = Output(as_json=as_json, show_numbers=show_numbers)
    if many is not None:
        if to is not None or given["reference"] is not None:
            raise click.UsageError("--many reads TO, TEXT and the reference from the file: leave them out")
        return _send_many(out, account, many, given, dry=dry)
    if to is None or text is None:
        raise click.UsageError("there is nothing to send: give TO and TEXT, or --many FILE")
    content = text_from_stdin() if text == "-" else text
    if dry:
        from .dry_run import dry_run

        return dry_run(out, account, to, content, given)
    watcher = Watcher()
    with open_client(account, out, watcher=watcher) as client:
        try:
            with _printing_aside(out):
                sent = client.send(to, content, **given_fields(vendor_of(client.provider), given))
            with contextlib.suppress(CannotPrint):
                _show(out, client, sent, content, given["sender"])
        except KeyboardInterrupt as interrupt:
            return watcher.conclude(out, interrupt)
        if out.lost:
            words = values.accepted(sent, "took the text")
            out.aside(f"{words}, id {sent.id}, reference {sent.reference}; {out.lost}")
            out.aside("next: do not send it again")
    return Exit.OK


def _send_many(out: Output, account: str | None, path: str, given: dict[str, Any], *, dry: bool) -> Exit:
    if dry:
        from .dry_run import dry_run_many

        return dry_run_many(out, account, path, given)
    from .many import send_many

    journal = Journal()
    with open_client(account, out, watcher=journal) as client, _printing_aside(out):
        return send_many(out, client, path, given_fields(vendor_of(client.provider), given), journal)


def _printing_aside(out: Output) -> contextlib.AbstractContextManager[Any]:
    """With ``--json``, send the prints of a provider to standard error: standard output is for the document."""
    return contextlib.redirect_stdout(out.aside_stream()) if out.as_json else contextlib.nullcontext()


def _show(out: Output, client: SmsClient, sent: SentMessage, text: str, sender: str | None) -> None:
    if out.as_json:
        out.json({"outcome": "accepted", **values.sent_message(sent, out)})
        return
    # The provider console has printed the text already.
    if sent.provider == "console" and not sent.repeated:
        out.line("accepted: printed above, and not sent", style="green")
        out.aside(f"reference: {sent.reference}")
        out.aside("next: to send texts, set SMSBRIDGE_PROVIDER; smsbridge providers lists the installed providers")
        return
    out.line(values.accepted(sent, "took the text, which is not yet delivered"), style="green")
    out.rows(
        {
            "to": out.number(sent.to),
            "from": sender or "(the provider's default)",
            "text": text.split("\n"),
            "provider": values.provider_words(sent.account, sent.provider),
            "id": sent.id,
            "reference": sent.reference,
            "status": sent.status.value,
            "segments": sent.segments,
            "price": values.price_words(sent.price),
            "at": sent.at,
        }
    )
    from ..provider import Capability

    if Capability.STATUS in client.provider.capabilities:
        out.aside(f"next: smsbridge status {shlex.quote(sent.id)} --account {sent.account}")
