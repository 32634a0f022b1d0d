"""``smsbridge providers``: what is installed, and what it can do."""

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
"""Short column heads by capability; a capability that is not here has its own name as head."""


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--markdown", is_flag=True, help="Print the capability table in Markdown.")
@json_option
def providers(*, names: tuple[str, ...], markdown: bool, as_json: bool) -> Exit:
    """List the installed providers, built-in ones included, and what they can do.

    With NAME: all about it, every setting with its environment variable included. The first table is what a provider
    can do besides sending ("codes": verify start and check, "cancel": verify cancel), the second the optional fields of
    a message that it can express.

    \b
    Examples:
      smsbridge providers
      smsbridge providers console
      smsbridge providers --json
      smsbridge providers --markdown
    """  # noqa: D301  # click reads \b as "do not wrap"
    if markdown and as_json:
        raise click.UsageError("--markdown goes without --json")
    from .. import plugins

    out = Output(as_json=as_json)
    known = plugins.default_plugins()
    found = _describe(known, names)
    if as_json:
        out.json({"providers": [asdict(one) for one in found]})
    elif markdown:
        for row in markdown_table(known, names).splitlines():
            out.line(row)
    elif names:
        for one in found:
            _show_one(out, one)
    else:
        _show_all(out, found, known.policies.names())
    return Exit.CONFIGURATION if names and any(one.broken for one in found) else Exit.OK


def markdown_table(plugins: Plugins, names: Sequence[str] = ()) -> str:
    """The capability table of the providers ``names`` (default: all that are installed), as the README shows it."""
    from .describe import provider

    head = ["Provider", "Package", *_capabilities(), *(f"`{field}`" for field in _fields())]
    lines = [head, ["---", "---", *[":-:"] * (len(head) - 2)]]
    for one in (provider(plugins, name) for name in names or plugins.names()):
        package = one.origin.partition(" ")[0]
        lines.append([f"`{one.name}`", f"`{package}`", *_cells(one, yes="yes", no="")])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _describe(plugins: Plugins, names: Sequence[str]) -> list[Provider]:
    from .describe import provider

    for name in names:
        if name not in (*plugins.names(), *plugins.policies.names()):
            plugins.provider_class(name)  # it says what is there, and what to install
    return [provider(plugins, name) for name in names or plugins.names()]


def _capabilities() -> list[str]:
    from ..provider import Capability

    return [one.value for one in Capability]


def _fields() -> tuple[str, ...]:
    from ..provider import OPTIONAL_FIELDS

    return OPTIONAL_FIELDS


def _cells(one: Provider, *, yes: str, no: str) -> list[str]:
    if one.broken:
        return ["?" for _ in (*_capabilities(), *_fields())]
    return [
        *(yes if capability in one.capabilities else no for capability in _capabilities()),
        *(yes if field in one.fields else no for field in _fields()),
    ]


def _show_all(out: Output, found: Sequence[Provider], policies: Sequence[str]) -> None:
    # Two tables, because one would be wider than a terminal of 80 columns.
    can = len(_capabilities())
    cells = {one.name: _cells(one, yes="yes", no="-") for one in found}
    heads = [_HEADS.get(one, one) for one in _capabilities()]
    out.table(["provider", *heads], [[one.name, *cells[one.name][:can]] for one in found])
    out.line()
    out.table(["provider", *_fields(), "from"], [[one.name, *cells[one.name][can:], one.origin] for one in found])
    for one in found:
        if one.broken:
            out.line()
            out.line(f"{one.name} is broken: {one.broken}", style="red")
    for row in textwrap.wrap(f"policies hold other accounts: {', '.join(policies)}", 80, subsequent_indent="  "):
        out.aside(row)
    out.aside("next: smsbridge providers NAME shows all about one, its settings included")


def _show_one(out: Output, one: Provider) -> None:
    out.line(f"{one.name}, from {one.origin}", style="bold")
    if one.broken:
        out.line(f"  broken: {one.broken}", style="red")
        return
    for line in one.description.replace("``", "").splitlines():
        out.line(f"  {line}".rstrip())
    out.line()
    if one.policy:
        out.rows({"can": "what the accounts that it holds can", "stands": one.stands})
        _show_settings(out, "settings", one.settings)
        out.line()
        return
    out.rows(
        {
            "can": ", ".join(["send", *one.capabilities]),
            "fields of a message": ", ".join(one.fields) or "to and text only",
            "fields of a code": ", ".join(one.verification_fields),
            "texts per batch": one.batch_size,
        }
    )
    _show_settings(out, "settings", one.settings)
    _show_settings(out, "options of one message (--option)", one.options)
    out.line()


def _show_settings(out: Output, title: str, settings: Sequence[Setting]) -> None:
    if not settings:
        return
    out.line()
    out.line(f"  {title}", style="bold")
    for one in settings:
        need = "required" if one.required else f"default {one.default}" if one.default is not None else "optional"
        out.line(f"    {one.variable or one.name}  ({one.type}, {need})")
        if one.description:
            out.line(f"        {one.description}")
        if one.deprecated:
            out.line(f"        deprecated: {one.deprecated}", style="yellow")
