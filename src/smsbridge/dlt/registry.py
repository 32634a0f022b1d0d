"""Find the template of a text, fill a template, and add the DLT ids to a message, by a registry of templates.

Only :meth:`Registry.load` does I/O.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from os import PathLike

from smsbridge.text.naming import name

from ..errors import ConfigurationError, RefusedError
from ..messages import Dlt, Message, Purpose
from . import files
from .contents import Contents
from .cutting import Cut, Text, cut, plain
from .difference import Difference
from .filling import filled
from .findings import Barred, Filled, Finding, Match, Near
from .index import Index
from .nearest import distance, most_changes
from .refusals import BARRED, content_error, differs, refusal
from .rules import Rules, in_turn
from .template import Header, Shape, Template

INDIA = "+91"
"""The beginning of the numbers that DLT is about."""

_OFFSET = timedelta(hours=5, minutes=30)
_ALIKE = 8
"""The number of templates whose distance is measured, to find the nearest."""

_SHOWN, _MANY = 3, 1000
_LONGEST_EXCESS = 2000
"""Characters to compare beyond the longest text that fits; later characters change nothing."""


def india_day(moment: datetime | None = None) -> date:
    """Return the date in India at ``moment``, or now."""
    if moment is None:
        # Imported here because it loads pydantic, which a registry does not need.
        from .. import reading

        moment = reading.now()
    return (moment.astimezone(UTC) + _OFFSET).date()


class Registry:
    """Hold the headers (sender ids) and templates that are registered for India. A registry never changes.

    Make a registry with :meth:`load` or :meth:`of`.
    """

    def __init__(
        self,
        templates: Iterable[Template],
        headers: Iterable[Header] = (),
        rules: Iterable[Rules] = (),
        entity_id: str | None = None,
    ) -> None:
        self.entity_id = entity_id
        """The principal entity of headers and templates without their own."""
        self.rules = in_turn(rules)
        """The rules, by their first day."""
        self.headers: Mapping[str, Header] = {header.name: header for header in headers}
        """The declared sender ids, by name."""
        self.templates: Mapping[str, Template] = {template.id: template for template in templates}
        """The templates, by id."""
        self._by_name: dict[str, Template] = {
            template.name: template for template in self.templates.values() if template.name
        }
        self._by_shape: defaultdict[Shape, list[Template]] = defaultdict(list)
        for template in self.templates.values():
            self._by_shape[template.shape].append(template)
        # By the place of their rules in self.rules.
        self._indexes: dict[int, Index] = {}
        self._index(self.rules_on(india_day()))

    @classmethod
    def of(
        cls,
        *templates: Template,
        headers: Iterable[Header] = (),
        rules: Rules | Iterable[Rules] = (),
        entity_id: str | None = None,
    ) -> Registry:
        """Make a registry of these templates, headers and rules.

        A header that is named only in a template counts as declared too. ``entity_id`` is for templates and headers
        without an entity id of their own. Raises ConfigurationError if two templates have the same id or name.
        """
        declared = {header.name: header for header in headers}
        for template in templates:
            for header in template.headers:
                declared.setdefault(header, Header(name=header, entity_id=template.entity_id))
        for label in ("id", "name"):
            seen: set[str] = set()
            for template in templates:
                value = getattr(template, label)
                if value and value in seen:
                    raise ConfigurationError(f"two templates have the {label} {value!r}: change or remove one")
                seen.add(value)
        return cls(templates, declared.values(), (rules,) if isinstance(rules, Rules) else rules, entity_id)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Registry:
        """Read a registry from a TOML file, or from a CSV export of a DLT portal (``.csv``, ``.tsv`` or ``.txt``).

        Raises ConfigurationError that names the file and, for each mistake in the file, the line and what was expected.
        """
        return cls.holding(files.read(path))

    @classmethod
    def holding(cls, contents: Contents) -> Registry:
        """Make a registry of the contents of a file. Raises ConfigurationError that lists every mistake in the file."""
        if contents.mistakes:
            raise ConfigurationError("; ".join(f"{contents.file}: {mistake}" for mistake in contents.mistakes))
        return cls(contents.templates, contents.headers, contents.rules, contents.entity_id)

    # --- looking things up --------------------------------------------------------------------------------------------

    def template(self, which: str) -> Template:
        """Return the template whose id or name is ``which``. Raises ContentError if there is none."""
        found = self.templates.get(which) or self._by_name.get(which)
        if found is None:
            close = get_close_matches(which, [*self._by_name, *self.templates], 1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise content_error("dlt-template", f"the registry has no template {which!r}{meant}")
        return found

    def entity_of(self, template: Template) -> str | None:
        """Return the principal entity id for ``template``: that of the template, of its headers, or of the registry.

        Returns None if none of them has an entity id.
        """
        if template.entity_id:
            return template.entity_id
        for header_name in template.headers:
            if (header := self.headers.get(header_name)) and header.entity_id:
                return header.entity_id
        return self.entity_id

    def rules_on(self, day: date) -> Rules:
        """Return the rules that are in force on ``day``."""
        return [rules for rules in self.rules if rules.since is None or rules.since <= day][-1]

    def find(
        self, text: str, *, sender: str | None = None, purpose: Purpose | None = None, on: date | None = None
    ) -> Finding:
        """Find every template that ``text`` fits, and whether ``sender`` may use it for ``purpose``.

        ``on`` is the day in India; default: today.
        """
        day = on or india_day()
        rules = self.rules_on(day)
        prepared = Text(text, rules)
        matches: list[Match] = []
        barred: list[Barred] = []
        for shape, how in self._index(rules).fitting(prepared):
            for template in self._by_shape[shape]:
                match = _match(template, prepared, how)
                why = template.barred(day, rules) or _unsuited(template, sender, purpose)
                if why is None:
                    matches.append(match)
                else:
                    barred.append(Barred(match=match, reason=why[0], words=why[1]))
        matches.sort(key=lambda match: match.template.id)
        barred.sort(key=lambda unusable: unusable.match.template.id)
        return Finding(matches=tuple(matches), barred=tuple(barred))

    def nearest(self, text: str, *, on: date | None = None, limit: int = _SHOWN) -> tuple[Near, ...]:
        """Return the templates that ``text`` nearly fits, at most ``limit``, the nearest first. The tuple may be empty.

        ``on`` is the day in India; default: today.
        """
        rules = self.rules_on(on or india_day())
        index = self._index(rules)
        shortened = text[: index.most + _LONGEST_EXCESS]
        prepared = Text(shortened, rules)
        near: list[Near] = []
        for shape in index.alike(shortened, max(_ALIKE, limit)):
            counted = sorted(candidate.changes for candidate in near if candidate.changes is not None)
            most = min(most_changes(shape), *counted[limit - 1 : limit], _MANY)
            found = distance(shape, prepared, most)
            if found is not None and found.changes != 0:
                near += [
                    Near(template=template, changes=found.changes, difference=found.difference)
                    for template in self._by_shape[shape]
                ]
        near.sort(
            key=lambda candidate: (candidate.changes or _MANY, -candidate.difference.position, candidate.template.id)
        )
        return tuple(near[:limit])

    def difference(self, template: Template, text: str, *, on: date | None = None) -> Difference | None:
        """Return the first difference between ``text`` and ``template``.

        Returns None if the text fits the template, or is not similar to the template at all. ``on`` is the day in
        India; default: today.
        """
        prepared = Text(text, self.rules_on(on or india_day()))
        if cut(template.shape, prepared):
            return None
        shortened = text[: template.shape.most(prepared.rules) + _LONGEST_EXCESS]
        found = distance(template.shape, Text(shortened, prepared.rules), most_changes(template.shape))
        return found.difference if found else None

    # --- one answer, or an error --------------------------------------------------------------------------------------

    def match(
        self, text: str, *, sender: str | None = None, purpose: Purpose | None = None, on: date | None = None
    ) -> Match:
        """Return the single template that ``text`` fits and that ``sender`` may use for ``purpose``.

        ``on`` is the day in India; default: today. Raises ContentError (``dlt-template``, ``dlt-variable``,
        ``dlt-expired``, ``dlt-ambiguous``) or SenderError (``dlt-header``); the errors name the difference and do not
        quote the text.
        """
        self._check_sender(sender)
        found = self.find(text, sender=sender, purpose=purpose, on=on)
        if len(found.matches) == 1:
            return found.matches[0]
        if found.matches:
            which = ", ".join(match.template.label for match in found.matches)
            raise content_error(
                "dlt-ambiguous", f"the text fits {len(found.matches)} templates: {which}; name one in the message"
            )
        if found.barred:
            unusable = min(found.barred, key=lambda unusable: BARRED.index(unusable.reason))
            raise refusal(
                unusable.reason, f"the text fits template {unusable.match.template.label}, which {unusable.words}"
            )
        if not text:
            raise content_error("dlt-template", "the text is empty")
        if half := _HALF.search(text):
            raise content_error("dlt-template", f"at character {half.start() + 1}, there is {name(half[0])}")
        near = self.nearest(text, on=on, limit=1)
        if not near:
            raise content_error("dlt-template", "the text is not similar to any template of the registry")
        raise differs(near[0].template, near[0].difference, text)

    def fill(
        self, which: str, values: Sequence[str] = (), *, sender: str | None = None, on: date | None = None
    ) -> Filled:
        """Fill the template whose id or name is ``which`` with ``values``, in order.

        Give a value for each variable; variables of the same tag side by side may share a value. ``sender`` is the
        sender id for the text, ``on`` the day in India (default: today). Raises ContentError (``dlt-variable``) if a
        value is wrong, and the errors of :meth:`match`.
        """
        template = self.template(which)
        day = on or india_day()
        rules = self.rules_on(day)
        self._check_sender(sender)
        if why := template.barred(day, rules) or _unsuited(template, sender, None):
            raise refusal(why[0], f"template {template.label} {why[1]}")
        text = filled(template, values, rules)
        how = cut(template.shape, Text(text, rules))
        if how is None:
            raise AssertionError("a template fits its own text")
        others = self.find(text, sender=sender, on=day).matches
        return Filled(
            template=template,
            text=text,
            sender=sender or (template.headers[0] if len(template.headers) == 1 else None),
            purpose=template.for_purpose,
            dlt=Dlt(entity_id=self.entity_of(template), template_id=template.id),
            unique=how.unique,
            also_fits=tuple(other.template.id for other in others if other.template is not template),
        )

    def resolve(self, message: Message) -> Message:
        """Return ``message`` with the ids of the template that its text fits.

        If the message has no sender and the template has only one, that sender is added too. ``message.to`` must be
        E.164; messages to other countries than India are returned unchanged. A message that names a template is checked
        only against that template. The day of the check is that of ``send_at``, or today. Does no I/O. Raises
        ContentError, SenderError or RefusedError with a reason that begins with ``dlt-``.
        """
        if not message.to.startswith(INDIA):
            return message
        try:
            template = self._template_of(message)
        except RefusedError as error:
            error.reference = message.reference
            raise
        sender = message.sender or (template.headers[0] if len(template.headers) == 1 else None)
        return replace(message, sender=sender, dlt=Dlt(entity_id=self.entity_of(template), template_id=template.id))

    def _template_of(self, message: Message) -> Template:
        day = india_day(message.send_at)
        given = message.dlt or Dlt()
        if given.template_id is None:
            template = self.match(message.text, sender=message.sender, purpose=message.purpose, on=day).template
        else:
            template = self._named(given.template_id, message, day)
        entity_id = self.entity_of(template)
        if given.entity_id and entity_id and given.entity_id != entity_id:
            raise RefusedError(
                reason="dlt-entity",
                fault="account",
                detail=f"template {template.label} is of entity {entity_id}, but the message names {given.entity_id}",
            )
        return template if entity_id or not given.entity_id else replace(template, entity_id=given.entity_id)

    def _named(self, template_id: str, message: Message, day: date) -> Template:
        template = self.templates.get(template_id)
        if template is None:
            raise content_error(
                "dlt-template", f"the registry has no template {template_id!r}, which the message names"
            )
        self._check_sender(message.sender)
        rules = self.rules_on(day)
        if not cut(template.shape, Text(message.text, rules)):
            raise differs(template, self.difference(template, message.text, on=day), message.text)
        if why := template.barred(day, rules) or _unsuited(template, message.sender, message.purpose):
            raise refusal(why[0], f"template {template.label} {why[1]}")
        return template

    def _check_sender(self, sender: str | None) -> None:
        if sender is not None and self.headers and sender not in self.headers:
            close = get_close_matches(sender.upper(), self.headers, 1)
            meant = f"did you mean {close[0]}?" if close else f"have {', '.join(list(self.headers)[:_SHOWN])}"
            raise refusal("dlt-header", f"the registry has no header {sender!r}; {meant}")

    def _index(self, rules: Rules) -> Index:
        number = self.rules.index(rules)
        if number not in self._indexes:
            self._indexes[number] = Index(self._by_shape, rules)
        return self._indexes[number]


_HALF = re.compile("[\ud800-\udfff]")


def _unsuited(template: Template, sender: str | None, purpose: Purpose | None) -> tuple[str, str] | None:
    """The reason why ``sender`` cannot use ``template`` for ``purpose``, as in :meth:`Template.barred`."""
    if sender is not None and template.headers and sender not in template.headers:
        return "dlt-header", f"is registered for {', '.join(template.headers)}, not for {sender}"
    if not template.suits(purpose):
        return "dlt-template", f"is registered as {template.category}, the text is {purpose}"
    return None


def _match(template: Template, text: Text, how: Cut) -> Match:
    values = tuple(plain(text.units[begin:end]) for begin, end in how.values)
    return Match(template=template, values=values, unique=how.unique)
