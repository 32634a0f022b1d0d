"""What a registry answers: the templates that a text fits or nearly fits, and a template that is filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..messages import Dlt, Purpose
from .difference import Difference
from .template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A template that a text fits, and the values, one for each variable or row of variables side by side.

    ``unique`` if the text can be cut in no other way; if it can, ``values`` are the shortest, from the left.
    """

    template: Template
    values: tuple[str, ...] = field(repr=False)
    unique: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """A template that a text fits, but which cannot be used for it: a reason as in errors, and words."""

    match: Match
    reason: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Every template that a text fits: those that can be used, and those that cannot."""

    matches: tuple[Match, ...] = ()
    barred: tuple[Barred, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A template that a text nearly fits. ``changes`` is None if there are more than were counted."""

    template: Template
    changes: int | None
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A template with its values. ``Message(to=..., **filled.fields)`` is the message.

    ``unique`` if the text reads back as these values only, ``also_fits`` are other templates that it fits as well:
    neither keeps it from being delivered, since the template's id goes with it.
    """

    template: Template = field(repr=False)
    text: str = field(repr=False)
    sender: str | None
    purpose: Purpose
    dlt: Dlt
    unique: bool = True
    also_fits: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a Message, all but its recipient."""
        fields = {"text": self.text, "purpose": self.purpose, "dlt": self.dlt}
        return fields if self.sender is None else {**fields, "sender": self.sender}
