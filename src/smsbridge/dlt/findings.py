"""The answers of a registry: the templates that a text fits or nearly fits, and a filled template."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..messages import Dlt, Purpose
from .difference import Difference
from .template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Describe a template that a text fits, with a value for each variable, or for each row of variables side by side.

    ``unique``: the text can be cut in no other way; otherwise ``values`` are the shortest, from the left.
    """

    template: Template
    values: tuple[str, ...] = field(repr=False)
    unique: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Describe a template that a text fits, but that may not be used for it: the reason, as in errors, and words."""

    match: Match
    reason: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """List all templates that a text fits: those that may be used for it (``matches``), and the others (``barred``)."""

    matches: tuple[Match, ...] = ()
    barred: tuple[Barred, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """Describe a template that a text nearly fits, with the first difference.

    ``changes`` is the least number of changes that make the text fit; None if there are too many to count.
    """

    template: Template
    changes: int | None
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """Hold a template filled with values. Send it as ``Message(to=..., **filled.fields)``.

    ``unique``: the text can be read only as these values. ``also_fits`` are ids of other templates that it fits. The
    text is delivered in any case, because it carries the template's id.
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
        """Return the fields of a Message for this text, except its recipient ``to``."""
        fields = {"text": self.text, "purpose": self.purpose, "dlt": self.dlt}
        return fields if self.sender is None else {**fields, "sender": self.sender}
