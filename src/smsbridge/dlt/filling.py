"""Fill a template with the values of its variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .cutting import Text
from .nearest import problem
from .refusals import content_error
from .rules import Rules
from .template import Template


def filled(template: Template, values: Sequence[str], rules: Rules) -> str:
    """Return the text of ``template`` with its variables replaced by ``values``, in order.

    Raises ContentError (``dlt-variable``) if a value is wrong under ``rules``, or if there are too many or too few
    values; the error gives the number of the value, from 1, and does not quote it. Raises TypeError if the values are
    not strings.
    """
    slots = template.shape.slots
    variables = sum(slot.count for slot in slots)
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise TypeError("values must be a sequence of strings, such as ['17', 'Asha']")
    if len(values) not in (variables, len(slots)):
        raise content_error(
            "dlt-variable",
            f"template {template.label} needs {variables} values, not {len(values)}: give one for each variable",
        )
    apart = len(values) == variables
    singles = [replace(slot, count=1) for slot in slots for _ in range(slot.count)] if apart else list(slots)
    for number, (slot, value) in enumerate(zip(singles, values, strict=True), 1):
        wrong = "has a placeholder in it" if "{#" in value else problem(slot, Text(value, rules))
        if wrong:
            raise content_error("dlt-variable", f"template {template.label}: value {number} {wrong}")
    rest = iter(values)
    pieces = []
    for part in template.shape.parts:
        if isinstance(part, str):
            pieces.append(part)
        else:
            pieces += [next(rest) for _ in range(part.count if apart else 1)]
    return "".join(pieces)
