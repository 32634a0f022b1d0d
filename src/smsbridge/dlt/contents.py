"""Check the entries of a file of templates, make templates of them, and collect every mistake with its line.

The readers of TOML and CSV pass plain values to the Collector. Mistakes name the expected value and quote no text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

from .rules import Rules
from .template import Header, Template, check_id

LineOf = Callable[[str | None], int | None]
"""The line of a key of an entry, or (for None) of the entry itself; None if it is not known."""

_DATES = ("valid_from", "valid_until")
_KEYS = {
    "template": ("id", "name", "headers", "category", "purpose", "text", *_DATES, "status", "entity_id"),
    "header": ("name", "entity_id"),
    "rules": Rules.names(),
}
_REQUIRED = {"template": ("id", "text"), "header": ("name",), "rules": ()}


@dataclass(frozen=True, slots=True)
class Mistake:
    """Describe a mistake in a DLT registry file. ``line`` is None if the line of the mistake is not known."""

    line: int | None
    words: str

    def __str__(self) -> str:
        return self.words if self.line is None else f"line {self.line}: {self.words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Hold the headers (sender ids), templates and rules in a DLT registry file, and the mistakes in that file.

    ``lines`` has the line number of each template, by the id of the template.
    """

    file: str
    entity_id: str | None = None
    headers: tuple[Header, ...] = ()
    templates: tuple[Template, ...] = ()
    rules: tuple[Rules, ...] = ()
    lines: Mapping[str, int | None] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()


def meant(word: str, known: Iterable[str]) -> str:
    """Return words for an error about the unknown word ``word``.

    They are ``did you mean ...?`` if one of the ``known`` words is similar, otherwise the list of ``known`` words.
    """
    there = list(known)
    close = get_close_matches(word, there, 1)
    return f"did you mean {close[0]!r}?" if close else f"have {', '.join(there)}"


class Collector:
    """Collect the headers, rules and templates of a DLT registry file, and the mistakes in them.

    The methods never raise because of a mistake in the file.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.entity_id: str | None = None
        self.mistakes: list[Mistake] = []
        self._headers: dict[str, Header] = {}
        self._rules: list[Rules] = []
        self._templates: list[tuple[Template, LineOf]] = []
        self._lines: dict[str, int | None] = {}
        self._names: dict[str, int | None] = {}

    def mistake(self, line: int | None, words: str) -> None:
        """Record a mistake in the file, described by ``words``; ``line`` is None if it is not known."""
        self.mistakes.append(Mistake(line, words))

    def entity(self, value: Any, line: int | None) -> None:
        """Set the entity id for all headers and templates of the file that have no entity id of their own.

        A wrong id is recorded as a mistake. ``line`` is the line of the id, or None if it is not known.
        """
        try:
            check_id("entity_id", value)
        except ValueError as error:
            self.mistake(line, str(error))
        else:
            self.entity_id = value

    def header(self, data: Any, line_of: LineOf) -> None:
        """Add a header (sender id) from ``data``; a wrong or repeated header is recorded as a mistake.

        ``data`` is the value of the header in the file. ``line_of`` returns the line of a key of ``data``.
        """
        if self._is_table("header", data, line_of):
            header = self._made(lambda: Header(**data), line_of)
            if header and header.name in self._headers:
                self.mistake(line_of("name"), f"the header {header.name} is declared twice: remove one declaration")
            elif header:
                self._headers[header.name] = header

    def rules(self, data: Any, line_of: LineOf) -> None:
        """Add a set of rules from ``data``; wrong rules are recorded as a mistake.

        ``data`` is the value of the rules in the file. ``line_of`` returns the line of a key of ``data``.
        """
        if self._is_table("rules", data, line_of) and (rules := self._made(lambda: Rules(**data), line_of)):
            if any(known.since == rules.since for known in self._rules):
                self.mistake(
                    line_of("since"), "since must differ in each set of rules: two sets have the same first day"
                )
            else:
                self._rules.append(rules)

    def template(self, data: Any, line_of: LineOf) -> None:
        """Add a template from ``data``; a wrong or repeated template is recorded as a mistake.

        ``data`` is the value of the template in the file. ``line_of`` returns the line of a key of ``data``.
        """
        if not self._is_table("template", data, line_of):
            return
        template = self._made(lambda: Template(**_typed(data)), line_of)
        if template is None:
            return
        for label, value, seen in (("id", template.id, self._lines), ("name", template.name, self._names)):
            if value and value in seen:
                where = f"; the other is on line {seen[value]}" if seen[value] else ""
                self.mistake(line_of(label), f"two templates have the {label} {value!r}{where}: change or remove one")
                return
            seen[value] = line_of(label)
        self._templates.append((template, line_of))

    def contents(self) -> Contents:
        """Return the contents of the file and the mistakes in it. Call this after everything in the file was added."""
        declared = bool(self._headers)
        for template, line_of in self._templates:
            for name in template.headers:
                if name not in self._headers and declared:
                    words = f"headers: {name!r} is not declared in [[headers]]; {meant(name, self._headers)}"
                    self.mistake(line_of("headers"), words)
        headers = self._headers if declared else self._implied()
        for template, line_of in self._templates:
            owners = {headers[name].entity_id or self.entity_id for name in template.headers if name in headers}
            if len(owners | ({template.entity_id} - {None})) > 1:
                words = "headers: they belong to several entities, or not to the template's: correct an entity_id"
                self.mistake(line_of("headers"), words)
        return Contents(
            file=self.file,
            entity_id=self.entity_id,
            headers=tuple(headers.values()),
            templates=tuple(template for template, _ in self._templates),
            rules=tuple(self._rules),
            lines={template.id: line_of(None) for template, line_of in self._templates},
            mistakes=tuple(sorted(self.mistakes, key=lambda mistake: mistake.line or 0)),
        )

    def _implied(self) -> dict[str, Header]:
        """The headers that templates name, for a file that declares no headers."""
        found: dict[str, Header] = {}
        for template, _ in self._templates:
            for name in template.headers:
                known = found.get(name, Header(name=name))
                found[name] = replace(known, entity_id=known.entity_id or template.entity_id)
        return found

    def _is_table(self, what: str, data: Any, line_of: LineOf) -> bool:
        """Whether ``data`` is a table with the keys of a ``what``."""
        before = len(self.mistakes)
        if not isinstance(data, Mapping):
            self.mistake(line_of(None), f"expected a table, as in [[{what}s]]")
            return False
        for key in data:
            if key not in _KEYS[what]:
                self.mistake(line_of(key), f"there is no key {key!r}; {meant(key, _KEYS[what])}")
        for key in _REQUIRED[what]:
            if key not in data:
                self.mistake(line_of(None), f"{key} is missing: every {what} needs it")
        return len(self.mistakes) == before

    def _made(self, make: Callable[[], Any], line_of: LineOf) -> Any:
        try:
            return make()
        # The message begins with the key.
        except ValueError as error:
            words = str(error)
            self.mistake(line_of(words.partition(" ")[0].rstrip(":")), words)
            return None


def _typed(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Template. Raises ValueError that begins with the wrong key."""
    fields = dict(data)
    for key in ("name", "text"):
        if key in fields and not isinstance(fields[key], str):
            raise ValueError(f"{key} must be a string")
    if "text" in fields:
        # The line ends of a file are not part of a text.
        fields["text"] = fields["text"].replace("\r\n", "\n")
    if "headers" in fields:
        headers = fields["headers"]
        if isinstance(headers, str) or not isinstance(headers, list | tuple):
            raise ValueError('headers must be a list, as in ["ACMEIN"]')
        fields["headers"] = tuple(headers)
    for key in _DATES:
        if key in fields and (not isinstance(fields[key], date) or isinstance(fields[key], datetime)):
            raise ValueError(f"{key} must be a date without quotes, as in 2026-01-31")
    return fields
