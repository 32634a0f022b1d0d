"""Describe a registered text: its fixed parts, variables, sender ids and days of validity."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from ..forks import cached_property
from ..messages import Purpose
from .rules import Rules
from .tags import TAGS

_PLACEHOLDER = re.compile(r"\{#([A-Za-z0-9_]{1,30})#\}")
_NO_PLACEHOLDER = re.compile(
    # Wrong forms of {#var#}; the providers' help pages name all but the last as invalid.
    r"\{\#[^{}\n]{0,30}\#?\}?"  # {#var1#}, {#Var#}, {#var}
    r"|\#\#\w{1,30}\#\#"  # ##var##
    r"|\#(?i:var)\d{0,3}\#"  # #VAR#, #VAR1#
    r"|(?<![\d%])%[sd]\b"  # %s
    r"|\{\{\s?\w{1,30}\s?\}\}"  # {{1}}
)
_HALF = re.compile("[\ud800-\udfff]")
_DIGITS = re.compile(r"[0-9]{1,40}")
_HEADER = re.compile(r"[A-Za-z0-9]{3,11}")
_SUGGESTED = "; a variable is {#var#}, or one of " + ", ".join(f"{{#{tag}#}}" for tag in TAGS if tag != "var")


class Category(StrEnum):
    """Name the registered category of a template.

    *Transactional* is for the one-time codes of banks; *explicit* needs the recipient's consent.
    """

    TRANSACTIONAL = "transactional"
    SERVICE_IMPLICIT = "service-implicit"
    SERVICE_EXPLICIT = "service-explicit"
    PROMOTIONAL = "promotional"

    @property
    def purpose(self) -> Purpose:
        """Return the purpose of texts of this category, if the template itself names none."""
        return _PURPOSES[self]


_PURPOSES = {
    Category.TRANSACTIONAL: Purpose.TRANSACTIONAL,
    Category.SERVICE_IMPLICIT: Purpose.SERVICE,
    Category.SERVICE_EXPLICIT: Purpose.SERVICE,
    Category.PROMOTIONAL: Purpose.PROMOTIONAL,
}


class State(StrEnum):
    """Name the state of a template on the DLT platform; only an active template is usable."""

    ACTIVE = "active"
    PENDING = "pending"
    REJECTED = "rejected"
    INACTIVE = "inactive"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Slot:
    """Describe a variable of a template, or several variables with the same tag side by side.

    Several variables side by side count as one slot, and ``count`` is their number.
    """

    tag: str
    count: int = 1

    def least(self, rules: Rules) -> int:
        """Return the smallest number of characters that values for this slot may have in all."""
        return 0 if rules.empty_values else self.count

    def most(self, rules: Rules) -> int:
        """Return the largest number of characters that values for this slot may have in all."""
        return self.count * rules.longest_of(self.tag)


@dataclass(frozen=True, repr=False)
class Shape:
    """Hold the fixed parts and the variables (slots) of a registered text, in order.

    Templates with equal shapes accept the same texts.
    """

    parts: tuple[str | Slot, ...]

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Parse a registered text with placeholders such as ``{#var#}`` into its shape.

        Raises ValueError for an empty text, and for wrong forms of placeholders.
        """
        if not text:
            raise ValueError("text is empty: write the registered text")
        if _HALF.search(text):
            raise ValueError("text has half of a character (a lone surrogate): remove it")
        parts: list[str | Slot] = []
        for place, piece in enumerate(_PLACEHOLDER.split(text)):
            if place % 2 == 0:
                _check_fixed(piece)
                parts += [piece] if piece else []
            elif piece not in TAGS:
                raise ValueError(f"text has {{#{piece}#}}, which is not a placeholder{_SUGGESTED}")
            elif parts and isinstance(before := parts[-1], Slot) and before.tag == piece:
                parts[-1] = Slot(piece, before.count + 1)
            else:
                parts.append(Slot(piece))
        return cls(tuple(parts))

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Return the slots (variables) of the text, in order."""
        return tuple(part for part in self.parts if isinstance(part, Slot))

    @cached_property
    def fixed(self) -> tuple[str, ...]:
        """Return the fixed parts of the text, in order."""
        return tuple(part for part in self.parts if isinstance(part, str))

    def least(self, rules: Rules) -> int:
        """Return the smallest number of UTF-16 units in a text that fits this shape."""
        return self._fixed_units + sum(slot.least(rules) for slot in self.slots)

    def most(self, rules: Rules) -> int:
        """Return the largest number of UTF-16 units in a text that fits this shape."""
        return self._fixed_units + sum(slot.most(rules) for slot in self.slots)

    @cached_property
    def _fixed_units(self) -> int:
        return sum(len(part) if part.isascii() else len(part.encode("utf-16-le")) // 2 for part in self.fixed)

    @property
    def prefix(self) -> str:
        """Return the fixed part at the beginning of the text; empty if the text begins with a variable."""
        return first if isinstance(first := self.parts[0], str) else ""

    @property
    def suffix(self) -> str:
        """Return the fixed part at the end of the text; empty if the text ends with a variable."""
        return last if isinstance(last := self.parts[-1], str) else ""


def _check_fixed(piece: str) -> None:
    if wrong := _NO_PLACEHOLDER.search(piece):
        raise ValueError(f"text has {wrong[0]}, which is not a placeholder{_SUGGESTED}")


def check_id(name: str, value: object) -> None:
    """Raise ValueError unless ``value`` is an id of a DLT platform, a string of digits.

    The message begins with ``name``.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"{name} must be a string of digits: put it in quotes")  # noqa: TRY004  # a value in a file
    if not (isinstance(value, str) and _DIGITS.fullmatch(value)):
        raise ValueError(f"{name} must be digits only, in quotes")


def check_header(name: str, value: object) -> None:
    """Raise ValueError unless ``value`` is a header (sender id). The message begins with ``name``."""
    if not (isinstance(value, str) and _HEADER.fullmatch(value)):
        raise ValueError(f"{name} must be 3 to 11 letters and digits, as in ACMEIN")


def _word(name: str, value: Any, kind: type[StrEnum]) -> StrEnum | None:
    try:
        return None if value is None and name != "status" else kind(value)
    except ValueError:
        raise ValueError(f"{name} must be one of {', '.join(kind)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Describe a header: a sender id that a company or other principal entity has registered for India."""

    name: str
    entity_id: str | None = None

    def __post_init__(self) -> None:
        check_header("name", self.name)
        if self.entity_id is not None:
            check_id("entity_id", self.entity_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Describe a registered text. Raises ValueError whose message begins with the name of the wrong field.

    ``name`` is a name of your own choice. ``headers`` are the registered sender ids of the template; it is empty if the
    file does not say. ``purpose`` is the purpose of the texts, if the category does not say enough (a one-time code
    from a sender other than a bank is *service-implicit*). ``valid_from`` and ``valid_until`` are days in India, both
    included.
    """

    id: str
    text: str = field(repr=False)
    name: str = ""
    headers: tuple[str, ...] = ()
    entity_id: str | None = None
    category: Category | None = None
    purpose: Purpose | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    status: State = State.ACTIVE
    shape: Shape = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_id("id", self.id)
        for header in self.headers:
            check_header("headers", header)
        if self.entity_id is not None:
            check_id("entity_id", self.entity_id)
        for name, kind in (("category", Category), ("purpose", Purpose), ("status", State)):
            object.__setattr__(self, name, _word(name, getattr(self, name), kind))
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("valid_until is before valid_from: correct one of these days")
        object.__setattr__(self, "shape", Shape.parse(self.text))

    @property
    def label(self) -> str:
        """Return the id of the template, followed by its name if it has a name, for messages to people."""
        return f"{self.id} ({self.name})" if self.name else self.id

    @property
    def typed(self) -> bool:
        """Return whether all variables of the template have typed tags, so that none is a plain ``{#var#}``."""
        return all(slot.tag != "var" for slot in self.shape.slots)

    @property
    def for_purpose(self) -> Purpose:
        """Return the purpose of texts of this template: its own ``purpose``, or that of its category."""
        return self.purpose or (self.category.purpose if self.category else Purpose.TRANSACTIONAL)

    def barred(self, day: date, rules: Rules) -> tuple[str, str] | None:
        """Return why the template may not be used on ``day``; None if it may be used.

        The answer is a reason as in errors (``dlt-expired``, ``dlt-template``), and words for people.
        """
        if self.status is not State.ACTIVE:
            return "dlt-template", f"is {self.status}"
        if self.valid_until and day > self.valid_until:
            return "dlt-expired", f"expired on {self.valid_until}"
        if self.valid_from and day < self.valid_from:
            return "dlt-template", f"is not valid before {self.valid_from}"
        if rules.untyped_until and day > rules.untyped_until and not self.typed:
            return "dlt-template", f"has {{#var#}}, which is not accepted after {rules.untyped_until}"
        return None

    def suits(self, purpose: Purpose | None) -> bool:
        """Return whether the template may be used for a text of ``purpose``.

        A text for promotion needs a template of the category promotional; any other text needs another category.
        """
        if purpose is None or self.category is None:
            return True
        return (purpose is Purpose.PROMOTIONAL) == (self.category is Category.PROMOTIONAL)
