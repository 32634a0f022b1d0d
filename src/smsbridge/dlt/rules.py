"""What a DLT platform accepts, where public sources contradict each other: settings, each with the cautious default.

A default is cautious if a text that keeps to it is accepted whoever of the sources is right. No operator publishes how
it scrubs; almost all of this is what message providers tell their customers, read in November 2026. Settle a point with
your operator, then set it in ``[rules]`` of the registry's file; several ``[[rules]]`` with ``since`` take turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

TAGS = ("var", "numeric", "number", "alphanumeric", "url", "urlott", "cbn", "email")
"""The names of the tags that a variable may have; ``tags`` says what their values may be."""
_SHORTEST_CAPACITY, _LONGEST_CAPACITY = 1, 1000
_LONGEST_BY_FORM = {"url": 255, "urlott": 255, "email": 255}
"""Of what is judged by its form and not by its length, see ``longest_by_tag``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How values and fixed text are judged. Raises ValueError that begins with the name of the setting that is wrong.

    ``since``: the first day on which these rules hold; None for always.

    ``longest``: characters in one value. 30: AWS, Kaleyra, MSG91's FAQ, and the 30 that most cite. Exotel wants *under*
    30, MSG91's page on mismatches allows 40, an older page (2021) 20. Counted in UTF-16 units, the larger of the
    readings, since no source says whether a character is one of those, a code point or a cluster; they differ for emoji
    only. Spaces and punctuation count (AWS; Kaleyra says that they do not).

    ``longest_by_tag``: other lengths for single tags. alphanumeric has 40 at MSG91 and FoneArena (2025), 30 at
    startmessaging (2026), which also gives numeric 15; notes on Jio give number 30, and 40. ``url``, ``urlott`` and
    ``email`` have 255 where this says nothing: MSG91 judges them by their form and by what is registered, and limits
    alphanumeric alone; its sample of a registered link has 129 characters, Fyno's for urlott is a link to the Play
    Store of 55, and a dynamic link goes on behind its ``?``. startmessaging gives links 50, which fits neither.

    ``empty_values``: whether a value may be empty. Kaleyra: 0 to 30 characters; notes on Jio (2026): at least 1.

    ``line_breaks``: whether a value may hold line breaks. No source limits what ``{#var#}`` holds, and none shows one.

    ``punctuation_counts``: whether spaces, line breaks and punctuation of the fixed text have to be the same. Everybody
    says yes, but for MSG91's page on mismatches, which says that they may be added or left out.

    ``alphanumeric_also``: characters that ``{#alphanumeric#}`` may hold besides letters and digits. MSG91: none. A note
    on Vi (April 2026): space ``_ / .``; notes on Jio: spaces, and for or against hyphen and underscore.

    ``decimal_point``: whether ``{#numeric#}`` and ``{#number#}`` may have one. MSG91, Textguru: digits only; a note on
    Jio (2026) allows it.

    ``callback_hyphens``: whether ``{#cbn#}`` may have hyphens. MSG91: digits; Fyno's sample is 1800-123-4567.

    ``app_links``: whether ``{#url#}`` and ``{#urlott#}`` may be links of an app (``myapp://home``, Fyno's sample).
    MSG91: a link begins with http, https or www.

    ``untyped_until``: the last day on which texts of templates with plain ``{#var#}`` are accepted; None for no such
    day. TRAI's direction of 18 November 2025 wants typed tags (new templates from 14 or 15 January 2026, existing ones
    within 60 days); at SmartPing and Tata the text keeps ``{#var#}`` for good, and whether old texts are still accepted
    in November 2026 was not found. Refusing all of them by default would refuse what is known to be right there.
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
                raise ValueError(f"{where} has to be a whole number from {_SHORTEST_CAPACITY} to {_LONGEST_CAPACITY}")

    def longest_of(self, tag: str) -> int:
        """The most characters in a value of ``tag``."""
        return self.longest_by_tag.get(tag, _LONGEST_BY_FORM.get(tag, self.longest))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The settings, as they are called in a file."""
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
        raise ValueError(f"{name} has to be {words}")


def in_turn(rules: Iterable[Rules]) -> tuple[Rules, ...]:
    """``rules`` by the day from which they hold, preceded by the defaults where the first has one.

    Raises ValueError if two hold from the same day.
    """
    ordered = sorted(rules, key=lambda entry: entry.since or date.min)
    days = [entry.since for entry in ordered]
    if len(set(days)) < len(days):
        raise ValueError("since has to differ from one set of rules to the next")
    return tuple(ordered) if ordered and ordered[0].since is None else (Rules(), *ordered)
