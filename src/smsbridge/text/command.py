"""Show what a text costs, and why: the command ``smsbridge segments``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smsbridge.cli.exits import Exit
from smsbridge.cli.output import Output
from smsbridge.cli.segment_view import figures, show_segments
from smsbridge.cli.session import account_option, json_option, text_from_stdin
from smsbridge.cli.values import price, price_words

if TYPE_CHECKING:
    from smsbridge.messages import Money

    from . import Guilty, Simplified, TextInfo

_HELP = """Show what TEXT costs before it is sent: encoding, segments, and the characters that make it expensive.

    A single character that GSM-7 lacks makes the whole text UCS-2, with 70 units per segment instead of 160. Such
    characters are marked and named, with a replacement. TEXT - reads standard input. Nothing is sent.

    --simplify prints only the simplified text to standard output, so that you can pipe it; the changes go to standard
    error. A text that would gain nothing is printed unchanged. Do not change a text that must match a registered
    template (DLT in India).

    \b
    Examples:
      smsbridge segments "Your order has shipped"
      smsbridge segments - < text.txt
      smsbridge segments "That is ₹500…" --simplify
      smsbridge segments "नमस्ते" --json
      smsbridge segments "Your order has shipped" --to +919876543210
    """

_PLACES = 5
"""For a character that occurs more often, the table shows the count instead of the places."""


@click.command(help=_HELP)
@click.argument("text")
@click.option(
    "--to", metavar="NUMBER", help="Also show the cost to this number, by the rates in SMSBRIDGE_COST_PRICES."
)
@account_option
@click.option(
    "--simplify", "simplified", is_flag=True, help="Print the text with GSM-7 characters if that saves segments."
)
@json_option
def segments(*, text: str, to: str | None, account: str | None, simplified: bool, as_json: bool) -> Exit:
    if simplified and as_json:
        raise click.UsageError("--json includes the simplified text: leave out --simplify")
    from . import measure, simplify

    out = Output(as_json=as_json)
    content = text_from_stdin() if text == "-" else text
    info, simple = measure(content), simplify(content)
    cost = None if to is None else _cost(info, to, account)
    if as_json:
        out.json({**_document(info, simple), **({} if to is None else {"cost": price(cost)})})
    elif simplified:
        _print_simple(out, simple)
    else:
        _show(out, info, simple, cost)
    return Exit.OK


def _cost(info: TextInfo, to: str, account: str | None) -> Money | None:
    from smsbridge.cli.session import policy_setting, to_number
    from smsbridge.cost import Rates
    from smsbridge.messages import Message
    from smsbridge.plugins import default_plugins
    from smsbridge.settings import Settings

    name = account or Settings.from_env().provider
    message = Message(to=to_number(to), text=info.text)
    prices = policy_setting(name, "cost", "prices")
    if prices is None:
        return None
    provider = default_plugins().account_provider(name)
    return Rates.load(Path(prices)).estimate(message, name, provider, segments=info.segments)


def _document(info: TextInfo, simple: Simplified) -> dict[str, Any]:
    from smsbridge.cli.values import text_info

    from . import measure, split

    return {
        **text_info(info),
        "parts": split(info.text),
        "guilty": [
            {
                "index": character.index,
                "characters": character.characters,
                "name": character.name,
                "suggestion": character.suggestion,
            }
            for character in info.guilty
        ],
        "simplified": {"text": simple.text, **text_info(measure(simple.text))} if simple.changes else None,
    }


def _print_simple(out: Output, simple: Simplified) -> None:
    out.verbatim(simple.text)
    for label, where, instead in _table(simple.changes):
        out.aside(f"changed: {label}, {where}, into {instead}")
    if not simple.changes:
        out.aside("nothing was changed: it would gain nothing")


def _show(out: Output, info: TextInfo, simple: Simplified, cost: Money | None) -> None:

    show_segments(out, info)
    out.line()
    out.rows({**figures(info), "cost": price_words(cost)})
    guilty = info.guilty
    if guilty:
        out.line()
        out.table(["forces UCS-2", "where", "instead"], _table(guilty), indent=2)
    if simple.changes:
        out.aside("next: the same with --simplify prints the simplified text")


def _table(guilty: tuple[Guilty, ...]) -> Iterator[tuple[str, str, str]]:
    """Rows of character, places and replacement, for each kind of character or each script."""
    kinds: dict[tuple[str, str | None], list[int]] = {}
    for character in guilty:
        kinds.setdefault((character.script or character.label, character.suggestion), []).append(character.index)
    for (label, suggestion), indexes in kinds.items():
        yield label, _where(indexes), _instead(suggestion)


def _where(indexes: list[int]) -> str:
    """Places in words, counted from 1."""
    if len(indexes) > _PLACES:
        return f"{len(indexes)} times, from character {indexes[0] + 1}"
    return f"character{'s' if len(indexes) > 1 else ''} {', '.join(str(index + 1) for index in indexes)}"


def _instead(suggestion: str | None) -> str:
    words = {None: "-", "": "(leave it out)", " ": "(a space)", "\n": "(a line end)"}
    return words.get(suggestion) or str(suggestion)
