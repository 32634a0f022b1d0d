"""Explain what would happen to a text, and send nothing: the command ``smsbridge explain``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..provider import vendor_of
from . import values
from .exits import Exit
from .fields import given_fields, message_options
from .output import Output
from .session import account_option, json_option, number_option

if TYPE_CHECKING:
    from ..messages import Foresight, Message
    from ..provider import SmsProvider
    from .diagnosis import Diagnosis, Value

_SOME_TEXT = "A text, because none was given."
_HELP = """Show what would happen to TEXT to the phone number TO, and send nothing.

    From the outside in: what each policy would do, which account would take the text, and why. Without TEXT, a sample
    text is used. The vendor is not asked, so its answer is not known. The ledger and the list of opt-outs are not read:
    smsbridge texts show says whether the reference was used before, and smsbridge optouts list says who opted out.
    Limits, caps and circuit breakers are as in a new process. Hooks are not called.

    \b
    Examples:
      smsbridge explain +919876543210
      smsbridge explain +919876543210 "Your code is 123456" --purpose otp --account otp
      smsbridge explain +919876543210 "Hello" --from ACMEIN --at 2030-01-31T09:30+05:30
      smsbridge explain +919876543210 --json

    Exit code: 0 it would be sent, 4 it would be refused, 6 no account can express it, 3 a setting is missing or wrong.
    """


@click.command(help=_HELP)
@click.argument("to")
@click.argument("text", required=False)
@message_options
@account_option
@number_option
@json_option
def explain(*, to: str, text: str | None, account: str | None, show_numbers: bool, as_json: bool, **given: Any) -> Exit:
    from ..messages import Message

    if text is None and given["reference"] is not None:
        raise click.UsageError("--reference needs TEXT: a reference belongs to a text")
    out = Output(as_json=as_json, show_numbers=show_numbers)
    found, provider = chosen(account)
    message = Message(to=to, text=_SOME_TEXT if text is None else text, **given_fields(vendor_of(provider), given))
    view, message = foretell(provider, message)
    if as_json:
        out.json(described(out, found, view, message))
    else:
        show(out, found, view, message)
    return verdict(out, view)


def chosen(account: str | None) -> tuple[Diagnosis, SmsProvider]:
    """Diagnose ``account``, and make a copy of the account's provider for a rehearsal, which sends nothing.

    Returns the diagnosis and the copy. The copy opens none of the files in which policies remember texts. Raises
    ConfigurationError if the settings permit no sending.
    """
    from ..display import joined
    from ..errors import ConfigurationError
    from ..rehearsal import Rehearsal
    from .diagnosis import diagnose

    with Rehearsal() as rehearsal:
        found, provider = diagnose(account)
        if provider is None or not found.works:
            raise ConfigurationError(joined(finding.message for finding in found.findings if finding.level == "error"))
        return found, rehearsal.provider(provider)


def foretell(provider: SmsProvider, message: Message) -> tuple[Foresight, Message]:
    """Return what would happen to ``message`` through ``provider``, without sending it.

    Also returns the message as a client would prepare it, such as with the number in E.164.
    """
    from datetime import UTC, datetime

    from ..attempts import foresee, prepare, refusal
    from ..errors import RecipientError
    from ..privacy import own
    from ..settings import Settings
    from .diagnosis import innermost

    try:
        message = prepare(message, Settings.from_env().default_region)
    # This error comes before any provider sees the message.
    except RecipientError as error:
        return refusal(innermost(provider), own(error, provider, message)), message
    return foresee(provider, message, now=datetime.now(UTC)), message


def verdict(out: Output, view: Foresight) -> Exit:
    """Return the exit code of the rehearsed send ``view``, and print advice on its error, if it has one.

    With JSON output, no advice is printed.
    """
    from .advice import document, exit_code

    if view.error is None:
        return Exit.OK
    if not out.as_json:
        out.aside(f"next: {document(view.error)['advice']}")
    return exit_code(view.error)


def described(out: Output, found: Diagnosis, view: Foresight, message: Message) -> dict[str, Any]:
    """Return the JSON document of what would happen to ``message``, and which settings decide it.

    ``found`` is the diagnosis of the account, and ``view`` the outcome of the rehearsal.
    """
    from .advice import document

    taker = view.taker
    return {
        "sends": taker is not None,
        "account": taker and taker.account,
        "provider": taker and taker.provider,
        "asked": found.account,
        "because": found.because,
        "to": out.number(message.to),
        "plan": _plan(view),
        "settings": [asdict(setting) for setting in _decisive(found)],
        "error": None if view.error is None else document(view.error),
    }


def _plan(view: Foresight) -> dict[str, Any]:
    return {
        "provider": view.provider,
        "account": view.account,
        "verdict": view.verdict,
        "words": view.words,
        "inside": [_plan(part) for part in view.inside],
    }


def show(out: Output, found: Diagnosis, view: Foresight, message: Message) -> None:
    """Print for people what would happen to ``message``, and which settings decide it.

    ``found`` is the diagnosis of the account, and ``view`` the outcome of the rehearsal.
    """
    from . import tree

    taker = view.taker
    if taker is not None:
        out.line(f"would be sent through {values.provider_words(taker.account, taker.provider)}", style="green")
    elif view.error is not None:
        out.line(f"would not be sent: {view.error}", style="red")
    else:
        out.line(f"would not be sent: {view.words}", style="green")
    out.rows({"to": out.number(message.to), "account": f"{found.account}, because of {found.because}"})
    out.line()
    tree.draw(out, tree.of_foresight(view))
    decisive = _decisive(found)
    if decisive:
        out.line()
        out.line("by these settings", style="bold")
        out.rows({setting.variable: f"{setting.value}  ({setting.source})" for setting in decisive})


def _decisive(found: Diagnosis) -> list[Value]:
    """The settings of policies that have a value from the user."""
    from .diagnosis import NOWHERE

    shown = [*found.provider_settings] if found.is_policy else []
    for section in found.other_settings:
        shown += section.settings if section.policy else []
    return [setting for setting in shown if setting.source not in NOWHERE]
