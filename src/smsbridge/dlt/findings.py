"""The answers of a registry: the templates that a text fits or nearly fits, and a filled template."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..messages import Dlt, Purpose
from .difference import Difference
from .template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Describe a template that a text fits, and the values of its variables.

    Variables of the same tag side by side have one value in common. ``unique`` is true if the text can be divided into
    values in one way only; otherwise each value, from left to right, is as short as possible.
    """

    template: Template
    values: tuple[str, ...] = field(repr=False)
    unique: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Describe a template that a text fits, but that may not be used for the text.

    ``reason`` is the reason as in errors, such as ``dlt-expired``; ``words`` say why the template may not be used.
    """

    match: Match
    reason: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """List all templates that a text fits.

    ``matches`` are the templates that may be used for the text, ``barred`` those that may not.
    """

    matches: tuple[Match, ...] = ()
    barred: tuple[Barred, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """Describe a template that a text nearly fits, and the first difference between them.

    ``changes`` is the smallest number of changes after which the text would fit; None if there are too many to count.
    """

    template: Template
    changes: int | None
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """Hold the text of a template filled with values. Send it as ``Message(to=..., **filled.fields)``.

    ``unique`` is true if the text can be read only as these values. ``also_fits`` has the ids of other templates that
    the text fits. The text is delivered even then, because the message carries the id of its template.
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
