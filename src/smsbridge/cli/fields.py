"""The optional fields of a message as options of a command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..messages import Dlt, Purpose
from .session import not_empty

if TYPE_CHECKING:
    from ..messages import MessageFields

F = TypeVar("F", bound=Callable[..., Any])


def aware(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """A date and time in ISO 8601 with its zone; without one nobody could tell when it is."""
    if value is None:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("not a date and time such as 2030-01-31T09:30+05:30") from None
    if when.utcoffset() is None:
        raise click.BadParameter("the zone is missing: write 2030-01-31T09:30+05:30, or Z for UTC")
    return when


def _pairs(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """``KEY=VALUE`` each; a value that begins with ``[`` or ``{`` is JSON."""
    pairs: dict[str, Any] = {}
    for value in values:
        key, equals, content = value.partition("=")
        if not key or not equals:
            raise click.BadParameter("write KEY=VALUE")
        try:
            pairs[key] = json.loads(content) if content.startswith(("[", "{")) else content
        except (ValueError, RecursionError):
            raise click.BadParameter(f"the value of {key} begins like JSON but is none") from None
    return pairs


_OPTIONS = (
    click.option("--from", "sender", metavar="SENDER", help="Sender id shown on the phone."),
    click.option("--purpose", type=click.Choice([one.value for one in Purpose]), help="Why the text is sent."),
    click.option(
        "--reference", metavar="REF", callback=not_empty, help="Your own id for the message; default: a random one."
    ),
    click.option("--at", "send_at", callback=aware, metavar="WHEN", help="Send later: ISO 8601 with zone."),
    click.option("--valid-until", callback=aware, metavar="WHEN", help="The text is of no use after this."),
    click.option("--dlt-entity", metavar="ID", help="DLT principal entity id (India)."),
    click.option("--dlt-template", metavar="ID", help="DLT content template id (India)."),
    click.option(
        "--option",
        "options",
        callback=_pairs,
        metavar="KEY=VALUE",
        multiple=True,
        help="An option of the chosen provider alone; may be repeated.",
    ),
)


def message_options(command: F) -> F:
    """Add ``--from``, ``--purpose`` and the other fields of a message."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given_fields(provider: str, given: Mapping[str, Any]) -> MessageFields:
    """The fields of a message that were given as options; ``--option`` is for ``provider``."""
    fields: MessageFields = {}
    if given["sender"]:
        fields["sender"] = given["sender"]
    if given["purpose"]:
        fields["purpose"] = Purpose(given["purpose"])
    if given["reference"]:
        fields["reference"] = given["reference"]
    if given["send_at"]:
        fields["send_at"] = given["send_at"]
    if given["valid_until"]:
        fields["valid_until"] = given["valid_until"]
    if given["dlt_entity"] or given["dlt_template"]:
        fields["dlt"] = Dlt(entity_id=given["dlt_entity"], template_id=given["dlt_template"])
    if given["options"]:
        fields["options"] = {provider: given["options"]}
    return fields
