"""Tell the hours in which texts of each purpose may arrive in each country. The rules are data, see ``hours.toml``.

Reading the rules is the only I/O.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationInfo, field_validator
from pydantic_core import CoreSchema, core_schema

from smsbridge import tables
from smsbridge.complaints import matching
from smsbridge.errors import ConfigurationError
from smsbridge.messages import Purpose
from smsbridge.phone import regions

BUILTIN = Path(__file__).with_name("hours.toml")
"""The built-in rules, which need no file of the user."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))? )?(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_DAY = timedelta(days=1)
_STRIDE = 8
"""Days that are searched in a step for the next permitted moment."""
_HORIZON = 400
"""Days after which the search for a permitted moment ends."""


@dataclass(frozen=True, slots=True)
class Span:
    """Hold the hours of some weekdays, from ``start`` to just before ``end``, in minutes after midnight.

    If ``end`` is not after ``start``, the hours end on the next day.
    """

    days: frozenset[int]
    start: int
    end: int
    words: str

    @classmethod
    def of(cls, written: str) -> Span:
        """Parse hours such as ``10:00-21:00``, ``mon-sat 08:00-22:00`` or ``fri 22:00-02:00``. Raises ValueError."""
        words = " ".join(written.lower().split())
        match = _SPAN.fullmatch(words)
        days = cls._days(match[1], match[2]) if match else None
        if match is None or days is None:
            raise ValueError("write hours as 10:00-21:00, or with days as mon-sat 08:00-22:00")
        hour, minute, end_hour, end_minute = map(int, match.groups()[2:])
        start, end = 60 * hour + minute, 60 * end_hour + end_minute
        if minute > 59 or end_minute > 59 or start >= 1440 or end > 1440 or start == end:
            raise ValueError("write hours from 00:00 to 24:00, whose end is not their start")
        return cls(days, start, end, words)

    @staticmethod
    def _days(first: str | None, last: str | None) -> frozenset[int] | None:
        if first is None:
            return frozenset(range(7))
        if first not in _DAYS or (last is not None and last not in _DAYS):
            return None
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        return frozenset((start + step) % 7 for step in range((end - start) % 7 + 1))

    def holds(self, local: datetime) -> bool:
        """Return whether the local time ``local`` is within these hours."""
        minute, day = 60 * local.hour + local.minute, local.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls.of, core_schema.str_schema())


class HoursRule(BaseModel):
    """Hold the hours in which texts of some purposes may arrive in a country, from the day ``since`` to ``until``.

    In a country with several time ``zones``, the local time must be within these hours in all of them. If several rules
    are in force for a country and purpose, all of them must permit the time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    country: Annotated[str, matching(r"[A-Z]{2}", "write two letters, such as IN (ISO 3166)")]
    purposes: frozenset[Purpose] = Field(min_length=1)
    zones: tuple[str, ...] = Field(min_length=1)
    hours: tuple[Span, ...]
    since: date | None = None
    until: date | None = None
    source: str = ""

    @field_validator("until")
    @classmethod
    def _not_before_since(cls, until: date | None, info: ValidationInfo) -> date | None:
        since = info.data.get("since")
        if since is not None and until is not None and until < since:
            raise ValueError("this is before since, so the rule would never be in force")
        return until

    @property
    def words(self) -> str:
        """Return the hours of the rule in words, for people."""
        return " and ".join(span.words for span in self.hours) or "never"

    def permits(self, local: datetime) -> bool:
        """Return whether the rule permits a text at the local time ``local``."""
        return not self.in_force(local.date()) or any(span.holds(local) for span in self.hours)

    def in_force(self, day: date) -> bool:
        """Return whether the rule is in force on the local date ``day``."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class _Zoned:
    """A rule and its time zones, and the rules that replace it while they are in force."""

    rule: HoursRule
    zones: tuple[tzinfo, ...]
    instead: Sequence[_Zoned] = ()

    def permits(self, at: datetime) -> bool:
        return self._is_replaced(at) or all(self.rule.permits(at.astimezone(zone)) for zone in self.zones)

    def has_a_say(self, at: datetime) -> bool:
        try:
            return any(self.in_force(at)) and not self._is_replaced(at)
        # The last day of the calendar, in a zone where it is the next day.
        except OverflowError:
            return True

    def _is_replaced(self, at: datetime) -> bool:
        """Return whether a rule that is in force in all its zones replaces this rule: no moment is without a rule."""
        return any(all(rule.in_force(at)) for rule in self.instead)

    def in_force(self, at: datetime) -> Iterator[bool]:
        """Yield, for each time zone of the rule, whether the rule is in force there at the time ``at``."""
        return (self.rule.in_force(at.astimezone(zone).date()) for zone in self.zones)

    def changes(self, day: date) -> Iterator[datetime]:
        """Yield each moment of the local ``day`` at which the rule may begin to permit texts.

        Some of the moments may change nothing: the caller checks each.
        """
        for zone in self.zones:
            for minute in {0, *(span.start for span in self.rule.hours)}:
                yield from _moments(day, minute, zone)
            yield from _jump(day, zone)


class Hours:
    """Hold the rules for the hours in which texts may arrive.

    For each country and purpose, ``rules`` count; where none of them is in force, the rules in ``otherwise`` count
    instead. Raises ConfigurationError if this machine does not know the time zone of a rule.
    """

    def __init__(self, rules: Iterable[HoursRule], otherwise: Iterable[HoursRule] = ()) -> None:
        self.rules, self.otherwise = tuple(rules), tuple(otherwise)
        self._known: dict[tuple[str, Purpose], list[_Zoned]] = {}
        self._shut: dict[tuple[int, ...], tuple[datetime, datetime | None]] = {}
        """By their rules, a time in which no text is permitted, so that the search is made once for a night."""
        for rule in self.rules:
            self._know(rule, {})
        instead = {which: tuple(known) for which, known in self._known.items()}
        for rule in self.otherwise:
            self._know(rule, instead)
        self._purposes = {purpose for _, purpose in self._known}

    def _know(self, rule: HoursRule, instead: Mapping[tuple[str, Purpose], Sequence[_Zoned]]) -> None:
        zones = tuple(map(_zone, rule.zones))
        for purpose in rule.purposes:
            which = (rule.country, purpose)
            self._known.setdefault(which, []).append(_Zoned(rule, zones, instead.get(which, ())))

    @classmethod
    def load(cls, path: Path | None = None) -> Hours:
        """Read the rules from the TOML file at ``path``; without ``path``, return the built-in rules.

        The built-in rules also count for each country and purpose for which no rule of the file is in force. Raises
        ConfigurationError if the file cannot be read or a rule is wrong.
        """
        own = tables.read(path, "rule", HoursRule) if path is not None else []
        return cls(own, tables.read(BUILTIN, "rule", HoursRule))

    def of(self, number: str, purpose: Purpose, at: datetime) -> list[HoursRule]:
        """Return the rules in force for texts of ``purpose`` to ``number`` (E.164) at the time ``at``."""
        return [zoned.rule for zoned in self._of(number, purpose) if zoned.has_a_say(at)]

    def next(self, number: str, purpose: Purpose, at: datetime, last: datetime | None = None) -> datetime | None:
        """Return the first moment, from ``at`` on, when a text of ``purpose`` to ``number`` is permitted.

        ``last`` is the latest time at which a text sent at ``at`` may arrive. The rules must permit that time, too.
        None if there is no permitted moment within a year.
        """
        rules = self._of(number, purpose)
        if _all_permit(rules, at):
            if last is None or _all_permit(rules, last):
                return at
            at = last
        key = tuple(map(id, rules))
        begin, end = self._shut.get(key, (at, at))
        if begin <= at and end is not None and at < end:
            return end
        try:
            found = self._search(rules, at)
        # The end of the calendar.
        except OverflowError:
            found = None
        self._shut[key] = (at, found)
        return found

    def _search(self, rules: Sequence[_Zoned], at: datetime) -> datetime | None:
        for passed in range(0, _HORIZON, _STRIDE):
            begin, end = at + passed * _DAY, at + (passed + _STRIDE) * _DAY
            # Two more days at each end cover all time zones.
            days = [begin.date() + step * _DAY for step in range(-2, _STRIDE + 3)]
            moments = {
                moment for rule in rules for day in days for moment in rule.changes(day) if begin < moment <= end
            }
            for moment in sorted(moments):
                if _all_permit(rules, moment):
                    return moment
        return None

    def _of(self, number: str, purpose: Purpose) -> list[_Zoned]:
        if purpose not in self._purposes:
            return []
        return [rule for region in regions(number) for rule in self._known.get((region, purpose), ())]


def _all_permit(rules: Sequence[_Zoned], at: datetime) -> bool:
    try:
        return all(rule.permits(at) for rule in rules)
    # The last day of the calendar, in a zone where it is the next day.
    except OverflowError:
        return False


def _moments(day: date, minute: int, zone: tzinfo) -> Iterator[datetime]:
    """Yield when clocks in ``zone`` show this minute of ``day``: two different times if they are set back then."""
    local = datetime.combine(day, time(minute // 60, minute % 60), zone)
    yield local.astimezone(UTC)
    yield local.replace(fold=1).astimezone(UTC)


def _jump(day: date, zone: tzinfo) -> Iterator[datetime]:
    """Yield the moment of ``day`` at which clocks in ``zone`` are set forward or back, if there is such a moment."""
    early, late = min(_moments(day, 0, zone)), max(_moments(day + _DAY, 0, zone))
    before = early.astimezone(zone).utcoffset()
    if before == late.astimezone(zone).utcoffset():
        return
    while late - early > timedelta(seconds=1):
        middle = (early + (late - early) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    yield late


def _zone(name: str) -> tzinfo:
    for wanted in (name, "UTC"):
        try:
            found = zoneinfo.ZoneInfo(wanted)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            continue
        if wanted == name:
            return found
        raise ConfigurationError(f"there is no time zone {name!r}; write a name such as Asia/Kolkata")
    raise ConfigurationError("this machine has no time zone data, which permitted hours need: pip install tzdata")
