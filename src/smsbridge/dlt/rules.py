"""Set the rules of a DLT platform on points where public sources disagree, each with a cautious default.

A default is cautious: a text that follows it is accepted under every source. No operator publishes its checks; almost
all of these rules come from message providers' pages for customers, read in November 2026. Ask your operator about a
point, then set it in ``[rules]`` of the registry's file; several ``[[rules]]`` with ``since`` follow each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

TAGS = ("var", "numeric", "number", "alphanumeric", "url", "urlott", "cbn", "email")
"""The names of the tags of variables; ``tags.py`` defines their values."""
_SHORTEST_CAPACITY, _LONGEST_CAPACITY = 1, 1000
_LONGEST_BY_FORM = {"url": 255, "urlott": 255, "email": 255}
"""The maximum length of values that are judged by their form; see ``longest_by_tag``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Set how the values and the fixed text of templates are checked.

    Raises ValueError whose message begins with the name of the wrong setting.

    ``since``: the first day of these rules; None for always.

    ``longest``: the maximum of characters in a value. 30: AWS, Kaleyra, MSG91's FAQ, and the 30 that most cite. Exotel
    requires *under* 30, MSG91's page on mismatches allows 40, an older page (2021) 20. Counted in UTF-16 units, which
    give the highest count, because no source says whether a character is such a unit, a code point or a cluster; they
    differ for emoji only. Spaces and punctuation count (AWS; Kaleyra says that they do not).

    ``longest_by_tag``: other lengths for single tags. alphanumeric has 40 at MSG91 and FoneArena (2025), 30 at
    startmessaging (2026), which also gives numeric 15; notes on Jio give number 30, and 40. ``url``, ``urlott`` and
    ``email`` have 255 by default: MSG91 judges them by their form and by the registration, and limits alphanumeric
    only; its sample of a registered link has 129 characters, Fyno's for urlott is a link to the Play Store of 55, and a
    dynamic link continues after its ``?``. startmessaging gives links 50, which fits neither.

    ``empty_values``: whether a value may be empty. Kaleyra: 0 to 30 characters; notes on Jio (2026): at least 1.

    ``line_breaks``: whether a value may hold line breaks. No source restricts ``{#var#}``, and none
    shows a line break.

    ``punctuation_counts``: whether spaces, line breaks and punctuation of the fixed text must be the same. All sources
    say yes, except MSG91's page on mismatches, which says that they may be added or left out.

    ``alphanumeric_also``: characters that ``{#alphanumeric#}`` may hold besides letters and digits. MSG91: none. A note
    on Vi (April 2026): space ``_ / .``; notes on Jio: spaces, and for or against hyphen and underscore.

    ``decimal_point``: whether ``{#numeric#}`` and ``{#number#}`` may have a decimal point. MSG91, Textguru: digits
    only; a note on Jio (2026) allows it.

    ``callback_hyphens``: whether ``{#cbn#}`` may have hyphens. MSG91: digits; Fyno's sample is 1800-123-4567.

    ``app_links``: whether ``{#url#}`` and ``{#urlott#}`` may be links of an app (``myapp://home``, Fyno's sample).
    MSG91: a link begins with http, https or www.

    ``untyped_until``: the last day on which texts of templates with plain ``{#var#}`` are accepted; None for no such
    day. TRAI's direction of 18 November 2025 requires typed tags (new templates from 14 or 15 January 2026, existing
    templates within 60 days); at SmartPing and Tata the text keeps ``{#var#}`` for good, and no source says whether old
    texts are still accepted in November 2026. Refusing all of them by default would refuse texts that are right there.
    """

    since: date | None = None
    longest: int = 30
    longest_by_tag: Mapping[str, int] = field(default_factory=dict)
    empty_values: bool = False
    line_breaks: bool = False
    punctuation_counts: bool = True
    alphanumeric_also: str = ""
    decimal_point: bool = False
    callback_hyphens: bool = False
    app_links: bool = False
    untyped_until: date | None = None

    def __post_init__(self) -> None:
        for setting in fields(self):
            _check_type(setting.name, getattr(self, setting.name))
        for name, length in {"longest": self.longest, **self.longest_by_tag}.items():
            where = name if name == "longest" else f"longest_by_tag: {name}"
            if name not in ("longest", *TAGS):
                raise ValueError(f"longest_by_tag: there is no tag {name!r}; have {', '.join(TAGS)}")
            if type(length) is not int or not _SHORTEST_CAPACITY <= length <= _LONGEST_CAPACITY:
                raise ValueError(f"{where} must be a whole number from {_SHORTEST_CAPACITY} to {_LONGEST_CAPACITY}")

    def longest_of(self, tag: str) -> int:
        """Return the largest number of characters that a value of a variable with this ``tag`` may have."""
        return self.longest_by_tag.get(tag, _LONGEST_BY_FORM.get(tag, self.longest))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the settings that a set of rules can have in a DLT registry file."""
        return tuple(field.name for field in fields(cls))


_KINDS: dict[str, tuple[type, str]] = {
    "since": (date, "a date such as 2026-01-31"),
    "untyped_until": (date, "a date such as 2026-01-31"),
    "longest": (int, "a whole number"),
    "longest_by_tag": (Mapping, "a table of tags and lengths"),
    "alphanumeric_also": (str, "a string of characters"),
}
_OPTIONAL = ("since", "untyped_until")


def _check_type(name: str, value: Any) -> None:
    kind, words = _KINDS.get(name, (bool, "true or false"))
    right = type(value) in (int, bool, date) if kind in (int, bool, date) else isinstance(value, kind)
    if not (right and isinstance(value, kind) and (kind is bool or not isinstance(value, bool))) and not (
        value is None and name in _OPTIONAL
    ):
        raise ValueError(f"{name} must be {words}")


def in_turn(rules: Iterable[Rules]) -> tuple[Rules, ...]:
    """Return the sets of rules in ``rules`` in the order of their first days (``since``).

    If the earliest set has a first day, the default rules come before it. Raises ValueError if two sets have the same
    first day.
    """
    ordered = sorted(rules, key=lambda entry: entry.since or date.min)
    days = [entry.since for entry in ordered]
    if len(set(days)) < len(days):
        raise ValueError("since must differ in each set of rules: two sets have the same first day")
    return tuple(ordered) if ordered and ordered[0].since is None else (Rules(), *ordered)
