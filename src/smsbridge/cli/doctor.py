"""Explain the configuration, its sources and its problems: the command ``smsbridge doctor``."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ..provider import vendor_of
from .exits import Exit
from .output import Output
from .session import account_option, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..builtin._http_rules import Look
    from ..client import SmsClient
    from ..provider import SmsProvider
    from .diagnosis import Diagnosis, Value

_STYLES = {"error": "red", "warning": "yellow", "note": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Hold the result of the harmless call that ``smsbridge doctor --live`` makes through an account.

    ``call`` is the name of the call. It is None if the provider has no harmless call, and if the account holds other
    accounts: then each of those was called, and ``members`` has the results.
    """

    account: str
    call: str | None
    ok: bool
    message: str
    advice: str = ""
    members: tuple[Live, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Hold how the provider ``http`` understands a vendor's answer by the rules in the settings.

    ``outcome`` is accepted, refused or uncertain; ``rules`` says what each rule looked at and found.
    """

    outcome: str
    message: str
    rules: tuple[Look, ...]


@click.command()
@account_option
@click.option("--live", is_flag=True, help="Also make a harmless call to the provider; nothing is sent.")
@click.option(
    "--answer",
    "body",
    type=click.File("rb"),
    metavar="FILE",
    help="For the provider http: explain how its rules read an answer whose body is in FILE (- is standard input).",
)
@click.option(
    "--answer-status",
    "status",
    type=click.IntRange(100, 599),
    default=200,
    metavar="CODE",
    help="HTTP status of that answer; default: 200.",
)
@json_option
def doctor(*, account: str | None, live: bool, body: BinaryIO | None, status: int, as_json: bool) -> Exit:
    """Explain the configuration: the chosen provider and why, each setting with its source, and all problems.

    A text may go through policies and accounts. They are drawn from the outside in, with the settings of each, and with
    what an account cannot do that another can.

    Secrets are never shown. With --live, each account is asked for its balance, or gets another call that sends
    nothing.

    With --answer, the rules of a vendor that settings describe (provider http) are applied to an answer: for each rule,
    what it looked at and what it found there; then the outcome of the text. Parts of the answer are shown unchanged.

    \b
    Examples:
      smsbridge doctor
      smsbridge doctor --account otp
      smsbridge doctor --live --json
      smsbridge doctor --account mygw --answer answer.json --answer-status 202

    Exit code: 0 sending can work, 3 a setting or a plugin is missing or wrong, 7 the live call failed.
    """  # noqa: D301  # click reads \b as "do not wrap"
    from .diagnosis import diagnose

    out = Output(as_json=as_json)
    found, provider = diagnose(account)
    answer = _ask(provider) if live and provider is not None and found.works else None
    explained = _explain(found, provider, body.read(), status) if body is not None else None
    if as_json:
        out.json(
            {
                "works": found.works and (answer is None or answer.ok),
                **asdict(found),
                "live": asdict(answer) if answer else None,
                **({"answer": asdict(explained)} if explained else {}),
            }
        )
    else:
        _show(out, found, answer, live=live)
        if body is not None:
            _show_answer(out, explained)
    if not found.works:
        return Exit.CONFIGURATION
    return Exit.OK if answer is None or answer.ok else Exit.QUERY_FAILED


def _ask(provider: SmsProvider) -> Live:
    """Make a harmless call to each account at the end of ``provider``."""
    from ..composite import each, inside

    members = tuple(_ask_one(account) for account in each(provider) if not inside(account))
    if len(members) == 1:
        return members[0]
    answered = sum(member.ok for member in members)
    message = f"{answered} of {len(members)} accounts answered"
    return Live(account=provider.account, call=None, ok=answered == len(members), message=message, members=members)


def _ask_one(provider: SmsProvider) -> Live:
    """Make a call that sends nothing: the balance, the lookup of an unused reference, or the status of an unused id."""
    import uuid

    from ..client import SmsClient
    from ..errors import NotFoundError, SmsBridgeError
    from .advice import advise_doctor

    call = _harmless(provider)
    if call is None:
        return Live(
            account=provider.account,
            call=None,
            ok=True,
            message=f"{vendor_of(provider)} has no call that sends nothing",
        )
    advice, ok = "", True
    try:
        with SmsClient(provider) as client:
            message = _perform(client, call, f"smsbridge-doctor-{uuid.uuid4().hex[:8]}")
    except NotFoundError:
        message = "it answered that it does not know an id that was never used"
    except SmsBridgeError as error:
        ok, message, advice = False, str(error), advise_doctor(error, _base_url(provider))
    return Live(account=provider.account, call=call, ok=ok, message=message, advice=advice)


def _base_url(provider: SmsProvider) -> str | None:
    """The environment variable of the provider's URL."""
    from .. import environment

    fields = [name for name in ("base_url", "url") if name in type(provider).model_fields]
    return environment.variable(provider.account, fields[0]) if fields else None


def _explain(found: Diagnosis, provider: SmsProvider | None, body: bytes, status: int) -> Explained | None:
    from ..builtin.http import HttpProvider
    from ..http import HttpResponse
    from .advice import document
    from .diagnosis import innermost

    if provider is None:
        return None
    provider = innermost(provider)
    if not isinstance(provider, HttpProvider):
        raise click.UsageError(
            f"--answer is for accounts of the provider http; {found.account!r} is {vendor_of(provider)}"
        )
    verdict = provider.explain(HttpResponse(status=status, body=body))
    if verdict.error is None:
        words = verdict.looks[-1].found if verdict.id is None else f"its id is {verdict.id}"
        return Explained(outcome="accepted", message=words, rules=verdict.looks)
    error = document(verdict.error)
    return Explained(outcome=error["outcome"], message=f"{error['type']}: {error['message']}", rules=verdict.looks)


def _harmless(provider: SmsProvider) -> str | None:
    from ..provider import Capability

    order = (Capability.BALANCE, Capability.LOOKUP, Capability.STATUS)
    return next((capability.value for capability in order if capability in provider.capabilities), None)


def _perform(client: SmsClient, call: str, unknown: str) -> str:
    if call == "balance":
        left = client.balance()
        return (
            ", ".join(f"{balance.service}: {balance.amount:f} {balance.unit}" for balance in left)
            or "it answered without a balance"
        )
    if call == "lookup":
        client.lookup(unknown)
    else:
        client.status(unknown)
    return "it answered"


def _kind(found: Diagnosis) -> str:
    """The kind of the account: a provider, or a policy that holds other accounts."""
    from ..plugins import default_plugins
    from ..provider import title_of

    return title_of(default_plugins().provider_class(found.provider)).split()[0] if found.provider else "provider"


def _show(out: Output, found: Diagnosis, answer: Live | None, *, live: bool) -> None:
    chosen = found.provider or "no usable provider"
    if found.provider and found.provider != found.account:
        chosen += f" (account {found.account})"
    out.rows(
        {
            _kind(found): chosen if found.provider else f"{found.account!r}: {chosen}",
            "because of": found.because,
            "package": found.origin,
            "versions": textwrap.wrap(", ".join(f"{name} {version}" for name, version in found.versions.items()), 80),
            "hooks": ", ".join(found.hooks) or "none",
        },
        indent=0,
    )
    _show_tree(out, found)
    _show_values(out, "settings of smsbridge", found.settings)
    _show_values(out, f"settings of {found.account}", found.provider_settings)
    for section in found.other_settings:
        _show_values(out, f"settings of {section.of}", section.settings)
    if found.findings:
        out.line()
    for finding in found.findings:
        out.line(f"{finding.level}: {finding.message}", style=_STYLES[finding.level])
        if finding.advice:
            out.line(f"  next: {finding.advice}")
    if live:
        out.line()
        _show_live(out, answer)
    out.line()
    _conclude(out, found, answer)


def _show_tree(out: Output, found: Diagnosis) -> None:
    """Show the way of a text, if it goes through more than one provider."""
    from .tree import draw

    if found.tree is not None and found.tree.inside:
        out.line()
        out.line("a text goes through", style="bold")
        draw(out, found.tree)


def _show_values(out: Output, title: str, values: Sequence[Value]) -> None:
    if not values:
        return
    out.line()
    out.line(title, style="bold")
    width = max(len(setting.variable) for setting in values)
    shown: list[tuple[str, Any]] = [
        (setting.value if setting.value is not None else "-", setting) for setting in values
    ]
    value_width = min(40, max(len(value) for value, _ in shown))
    for value, setting in shown:
        style = "red" if setting.source == "missing" else None
        out.line(f"  {setting.variable:<{width}}  {value:<{value_width}}  {setting.source}", style=style)


def _show_live(out: Output, answer: Live | None) -> None:
    if answer is None:
        out.line("live: not tried, because the configuration is not complete")
    elif answer.members:
        for member in answer.members:
            _show_one_live(out, member, f"{member.account}: ")
        out.line(f"live: {answer.message}", style="green" if answer.ok else "red")
    else:
        _show_one_live(out, answer)


def _show_one_live(out: Output, answer: Live, who: str = "") -> None:
    if answer.call is None:
        out.line(f"live: {who}{answer.message}")
    else:
        out.line(f"live: {who}{answer.call}: {answer.message}", style="green" if answer.ok else "red")
        if answer.advice:
            out.line(f"  next: {answer.advice}")


def _show_answer(out: Output, explained: Explained | None) -> None:
    out.line()
    if explained is None:
        out.line("the answer: not explained, because the configuration is not complete")
        return
    out.line("the answer", style="bold")
    for look in explained.rules:
        out.line(f"  {look.rule}: {'holds' if look.matched else f'does not hold, as {look.why}'}")
        if look.found:
            out.line(f"    {look.found}")
    out.line(f"  {explained.outcome}: {explained.message}", style="green" if explained.outcome == "accepted" else "red")


def _conclude(out: Output, found: Diagnosis, answer: Live | None) -> None:
    errors = sum(finding.level == "error" for finding in found.findings)
    if errors:
        out.line(f"sending cannot work: {errors} error{'s' if errors > 1 else ''} above", style="red")
    elif answer is not None and not answer.ok:
        out.line("the configuration is complete, but the live call failed", style="red")
    else:
        out.line("sending can work", style="green")
