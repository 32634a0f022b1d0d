"""List the installed providers and their capabilities: the command ``smsbridge providers``."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .exits import Exit
from .output import Output
from .session import json_option

if TYPE_CHECKING:
    from ..plugins import Plugins
    from .describe import Provider, Setting

_HEADS = {
    "batch": "batch",
    "status": "status",
    "lookup": "lookup",
    "balance": "balance",
    "verification": "codes",
    "cancel verification": "cancel",
    "webhooks": "webhooks",
}
"""Short column heads by capability; the default head is the name of the capability."""


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--markdown", is_flag=True, help="Print the capability table in Markdown.")
@json_option
def providers(*, names: tuple[str, ...], markdown: bool, as_json: bool) -> Exit:
    """List the installed providers, built-in ones included, and what they can do.

    With NAME: all details of that provider, with the environment variable of every setting. The first table shows what
    a provider can do besides sending ("codes": verify start and check, "cancel": verify cancel). The second table shows
    the optional fields of a message that it can express.

    \b
    Examples:
      smsbridge providers
      smsbridge providers console
      smsbridge providers --json
      smsbridge providers --markdown
    """  # noqa: D301  # click reads \b as "do not wrap"
    if markdown and as_json:
        raise click.UsageError("give either --markdown or --json, not both")
    from .. import plugins

    out = Output(as_json=as_json)
    known = plugins.default_plugins()
    found = _describe(known, names)
    if as_json:
        out.json({"providers": [asdict(provider) for provider in found]})
    elif markdown:
        for row in markdown_table(known, names).splitlines():
            out.line(row)
    elif names:
        for provider in found:
            _show_one(out, provider)
    else:
        _show_all(out, found, known.policies.names())
    return Exit.CONFIGURATION if names and any(provider.broken for provider in found) else Exit.OK


def markdown_table(plugins: Plugins, names: Sequence[str] = ()) -> str:
    """Return the table of what providers can do in Markdown, as the README shows it.

    The table has the providers called ``names``; without ``names``, all installed providers.
    """
    from .describe import provider

    head = ["Provider", "Package", *_capabilities(), *(f"`{field}`" for field in _fields())]
    lines = [head, ["---", "---", *[":-:"] * (len(head) - 2)]]
    for known in (provider(plugins, name) for name in names or plugins.names()):
        package = known.origin.partition(" ")[0]
        lines.append([f"`{known.name}`", f"`{package}`", *_cells(known, yes="yes", no="")])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _describe(plugins: Plugins, names: Sequence[str]) -> list[Provider]:
    from .describe import provider

    for name in names:
        if name not in (*plugins.names(), *plugins.policies.names()):
            # Raises an error that names the installed providers and what to install.
            plugins.provider_class(name)
    return [provider(plugins, name) for name in names or plugins.names()]


def _capabilities() -> list[str]:
    from ..provider import Capability

    return [capability.value for capability in Capability]


def _fields() -> tuple[str, ...]:
    from ..provider import OPTIONAL_FIELDS

    return OPTIONAL_FIELDS


def _cells(provider: Provider, *, yes: str, no: str) -> list[str]:
    if provider.broken:
        return ["?" for _ in (*_capabilities(), *_fields())]
    return [
        *(yes if capability in provider.capabilities else no for capability in _capabilities()),
        *(yes if field in provider.fields else no for field in _fields()),
    ]


def _show_all(out: Output, found: Sequence[Provider], policies: Sequence[str]) -> None:
    # Two tables, because a single table is wider than a terminal of 80 columns.
    can = len(_capabilities())
    cells = {provider.name: _cells(provider, yes="yes", no="-") for provider in found}
    heads = [_HEADS.get(capability, capability) for capability in _capabilities()]
    out.table(["provider", *heads], [[provider.name, *cells[provider.name][:can]] for provider in found])
    out.line()
    out.table(
        ["provider", *_fields(), "from"],
        [[provider.name, *cells[provider.name][can:], provider.origin] for provider in found],
    )
    for provider in found:
        if provider.broken:
            out.line()
            out.line(f"{provider.name} is broken: {provider.broken}", style="red")
    for row in textwrap.wrap(f"policies hold other accounts: {', '.join(policies)}", 80, subsequent_indent="  "):
        out.aside(row)
    out.aside("next: smsbridge providers NAME shows the details and settings of a provider")


def _show_one(out: Output, provider: Provider) -> None:
    out.line(f"{provider.name}, from {provider.origin}", style="bold")
    if provider.broken:
        out.line(f"  broken: {provider.broken}", style="red")
        return
    for line in provider.description.replace("``", "").splitlines():
        out.line(f"  {line}".rstrip())
    out.line()
    if provider.policy:
        out.rows({"can": "what its accounts can do", "stands": provider.stands})
        _show_settings(out, "settings", provider.settings)
        out.line()
        return
    out.rows(
        {
            "can": ", ".join(["send", *provider.capabilities]),
            "fields of a message": ", ".join(provider.fields) or "to and text only",
            "fields of a code": ", ".join(provider.verification_fields),
            "texts per batch": provider.batch_size,
        }
    )
    _show_settings(out, "settings", provider.settings)
    _show_settings(out, "options of a message (--option)", provider.options)
    out.line()


def _show_settings(out: Output, title: str, settings: Sequence[Setting]) -> None:
    if not settings:
        return
    out.line()
    out.line(f"  {title}", style="bold")
    for setting in settings:
        need = (
            "required"
            if setting.required
            else f"default {setting.default}"
            if setting.default is not None
            else "optional"
        )
        out.line(f"    {setting.variable or setting.name}  ({setting.type}, {need})")
        if setting.description:
            out.line(f"        {setting.description}")
        if setting.deprecated:
            out.line(f"        deprecated: {setting.deprecated}", style="yellow")
