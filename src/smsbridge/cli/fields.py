"""Offer the optional fields of a message as options of a command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from ..message_fields import FIELDS
from ..messages import Purpose
from .session import not_empty

if TYPE_CHECKING:
    from ..message_fields import MessageField
    from ..messages import MessageFields

F = TypeVar("F", bound=Callable[..., Any])


def aware(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """Read the value of an option as a date and time in ISO 8601 with a time zone.

    Without a time zone the moment is unknown, and the option is refused.
    """
    if value is None:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("this is no date and time: write it as 2030-01-31T09:30+05:30") from None
    if when.utcoffset() is None:
        raise click.BadParameter("the zone is missing: write 2030-01-31T09:30+05:30, or Z for UTC")
    return when


def _pairs(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Read values of the form ``KEY=VALUE``; a value that begins with ``[`` or ``{`` is JSON."""
    pairs: dict[str, Any] = {}
    for value in values:
        key, equals, content = value.partition("=")
        if not key or not equals:
            raise click.BadParameter("a value has no key or no = in it: write KEY=VALUE")
        try:
            pairs[key] = json.loads(content) if content.startswith(("[", "{")) else content
        except (ValueError, RecursionError):
            raise click.BadParameter(
                f"the value of {key} begins with [ or {{ but is not JSON: correct the JSON"
            ) from None
    return pairs


def _strings(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """``KEY=VALUE`` each."""
    pairs = [value.partition("=") for value in values]
    if not all(key and equals for key, equals, _ in pairs):
        raise click.BadParameter("a value has no key or no = in it: write KEY=VALUE")
    return {key: content for key, _, content in pairs}


def _purpose(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Purpose | None:
    return None if value is None else Purpose(value)


_READERS: Mapping[type, Mapping[str, Any]] = {
    str: {"callback": not_empty},
    datetime: {"callback": aware},
    Mapping: {"callback": _pairs, "multiple": True},
    dict: {"callback": _strings, "multiple": True},
    Purpose: {"type": click.Choice([purpose.value for purpose in Purpose]), "callback": _purpose},
}
"""How click reads the value of a field of each type; click calls any other type."""
_EMPTY_IS_UNSET = frozenset({"sender"})


def _options(field: MessageField) -> Iterator[Callable[[F], F]]:
    """The option that sets ``field``, or an option for each part of its value."""
    if field.parts:
        for part, about in field.parts.items():
            option = f"{field.option}-{part.removesuffix('_id')}"
            yield click.option(option, _given_as(field, part), metavar="ID", help=about.get("help"))
        return
    reader = {} if field.name in _EMPTY_IS_UNSET else _READERS.get(field.kind, {"type": field.kind})
    yield click.option(field.option, field.name, metavar=field.metavar, help=field.help, **reader)


def _given_as(field: MessageField, part: str) -> str:
    return f"{field.name}_{part}"


def message_options(command: F) -> F:
    """Add ``--from``, ``--purpose`` and the options for all other fields of a message to ``command``."""
    for option in reversed([option for field in FIELDS for option in _options(field)]):
        command = option(command)
    return command


def given_fields(provider: str, given: Mapping[str, Any]) -> MessageFields:
    """Return the fields of a message that the user gave by options of a command, ``given``.

    The values of ``--option`` become options of the message for ``provider``.
    """
    fields: dict[str, Any] = {}
    for field in FIELDS:
        if field.parts:
            parts = {part: given[_given_as(field, part)] for part in field.parts}
            value = field.kind(**parts) if any(parts.values()) else None
        else:
            value = given[field.name]
        if value not in (None, "", {}):
            fields[field.name] = {provider: value} if field.kind is Mapping else value
    return cast("MessageFields", fields)
