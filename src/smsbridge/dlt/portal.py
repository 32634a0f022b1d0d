"""Read the CSV exports of DLT portals, with many names of columns and several separators.

No portal documents its export. The names are those seen in public code and help pages that read or show such files
(Airtel's list with ``Communication Type`` and ``Content``, Fast2SMS's with ``TEMPLATE_ID`` and ``TEMPLATE_CONTENT``,
and names of fields in operators' forms and of message providers); for another name, add a word to a table here.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from .contents import Collector, Contents, LineOf
from .template import Category, State

_COLUMNS: dict[str, str] = {
    # Keys have only letters and digits, in lower case.
    name: column
    for column, names in {
        "id": (
            "templateid dlttemplateid dltid contenttemplateid templateidentifier dltcontenttemplateid ctid dltteid "
            "tempid"
        ),
        "name": "templatename name title contenttemplatename dlttemplatename templatetitle",
        "headers": "header headers senderid sender senderids headername headernames headerid cli associatedheaders",
        "category": "communicationtype templatetype category templatecategory contenttype type messagetype",
        "text": (
            "templatecontent content text templatetext templatemessage message messagecontent template contenttemplate "
            "templatebody body registeredtext approvedcontent"
        ),
        "valid_from": "validfrom approvedon approvaldate registeredon registrationdate startdate effectivefrom",
        "valid_until": "validuntil validto validtill expirydate expiry expireson enddate validity",
        "status": "status templatestatus approvalstatus state",
        "entity_id": "entityid peid principalentityid dltentityid principalentity pe",
    }.items()
    for name in names.split()
}
_REQUIRED = ("id", "text")
_SEPARATORS = ",;\t|"
_CATEGORIES = {
    "t": Category.TRANSACTIONAL,
    "trans": Category.TRANSACTIONAL,
    "transactional": Category.TRANSACTIONAL,
    "si": Category.SERVICE_IMPLICIT,
    "service": Category.SERVICE_IMPLICIT,
    "serviceimplicit": Category.SERVICE_IMPLICIT,
    "implicit": Category.SERVICE_IMPLICIT,
    "se": Category.SERVICE_EXPLICIT,
    "serviceexplicit": Category.SERVICE_EXPLICIT,
    "explicit": Category.SERVICE_EXPLICIT,
    "p": Category.PROMOTIONAL,
    "promo": Category.PROMOTIONAL,
    "promotional": Category.PROMOTIONAL,
    "promotion": Category.PROMOTIONAL,
}
_STATES = {
    # The first word decides: "REGISTERED VIA AIRTEL".
    "active": State.ACTIVE,
    "approved": State.ACTIVE,
    "registered": State.ACTIVE,
    "whitelisted": State.ACTIVE,
    "enabled": State.ACTIVE,
    "pending": State.PENDING,
    "submitted": State.PENDING,
    "new": State.PENDING,
    "rejected": State.REJECTED,
    "declined": State.REJECTED,
    "inactive": State.INACTIVE,
    "deactivated": State.INACTIVE,
    "disabled": State.INACTIVE,
    "expired": State.INACTIVE,
    "deleted": State.INACTIVE,
    "blacklisted": State.BLOCKED,
    "blocked": State.BLOCKED,
    "suspended": State.BLOCKED,
}
_DATES = ("%Y-%m-%d", "%d-%m-%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%b-%Y", "%d %b %Y", "%d-%B-%Y", "%Y/%m/%d")
"""Days come before months, as in India."""

_NOT_WORD = re.compile(r"[^a-z0-9]")
_ROUNDED = re.compile(r"\d[.,]\d+E\+?\d+", re.IGNORECASE)
_AS_TEXT = re.compile(r'="?([0-9]*)"?|\'([0-9]+)')
_NAMES = re.compile(r"[\s,;|/]+")


def _key(word: str) -> str:
    return _NOT_WORD.sub("", word.lower())


def read(file: str, source: str) -> Contents:
    """Read the templates in ``source``, the text of a CSV export of a DLT portal.

    ``file`` is the name of the file, as the returned contents and errors show it.
    """
    collector = Collector(file)
    rows = csv.reader(io.StringIO(source, newline=""), delimiter=_separator(source), strict=True)
    columns: dict[int, str] = {}
    begun = 1
    try:
        for row in rows:
            line, begun = begun, rows.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if not columns:
                columns = _columns(row)
                missing = [name for name in _REQUIRED if name not in columns.values()]
                if missing:
                    collector.mistake(line, f"no column for {' or '.join(missing)} among: {_shown(row)}")
                    break
            else:
                _take(collector, line, {name: row[place] for place, name in columns.items() if place < len(row)})
    except csv.Error as error:
        collector.mistake(rows.line_num, f"this is not CSV: {error}")
    if not columns and not collector.mistakes:
        collector.mistake(None, "the file is empty; expected a line with the names of the columns")
    return collector.contents()


def _separator(source: str) -> str:
    first = next((line for line in source.splitlines() if line.strip()), "")
    return max(_SEPARATORS, key=first.count)


def _columns(row: list[str]) -> dict[int, str]:
    """The meaning of each column; of two columns with the same meaning, only the first counts."""
    found: dict[int, str] = {}
    for place, cell in enumerate(row):
        name = _COLUMNS.get(_key(cell))
        if name and name not in found.values():
            found[place] = name
    return found


def _shown(row: list[str]) -> str:
    longest = 60
    words = ", ".join(cell.strip() for cell in row)
    return words if len(words) <= longest else f"{words[:longest]}..."


def _take(collector: Collector, line: int, cells: Mapping[str, str]) -> None:
    line_of: LineOf = lambda _: line  # noqa: E731  # a row is an entry
    fields: dict[str, Any] = {}
    for name, cell in cells.items():
        try:
            value = cell if name == "text" else _READERS[name](cell.strip())
        except ValueError as error:
            collector.mistake(line, f"{name} {error}")
            return
        if value not in ("", None, []):
            fields[name] = value
    collector.template(fields, line_of)


def _id(cell: str) -> str:
    if _ROUNDED.fullmatch(cell):
        raise ValueError("was rounded by a spreadsheet: export it again, and open it with that column as text")
    if as_text := _AS_TEXT.fullmatch(cell):
        return as_text[1] or as_text[2] or ""
    return cell


def _headers(cell: str) -> list[str]:
    return [name for name in _NAMES.split(cell) if name]


def _category(cell: str) -> Category | None:
    if not cell:
        return None
    if _key(cell) not in _CATEGORIES:
        raise ValueError(f"must be one of {', '.join(Category)}, or T, SI, SE, P")
    return _CATEGORIES[_key(cell)]


def _state(cell: str) -> State | None:
    first = _key(cell.split(maxsplit=1)[0]) if cell else ""
    if first and first not in _STATES:
        raise ValueError(f"is not known; known are {', '.join(_STATES)}")
    return _STATES.get(first)


def _date(cell: str) -> date | None:
    day = cell.partition("T")[0] if cell[:4].isdigit() else cell
    for form in _DATES:
        for words in (day, day.rpartition(" ")[0], day.partition(" ")[0]):
            try:
                return datetime.strptime(words, form).date()  # noqa: DTZ007  # a day has no zone
            except ValueError:
                continue
    if cell and cell.lower() not in ("-", "na", "n/a", "null", "none"):
        raise ValueError("must be a date such as 2026-01-31 or 31-01-2026")
    return None


_READERS: dict[str, Callable[[str], Any]] = {
    "id": _id,
    "name": str,
    "headers": _headers,
    "category": _category,
    "valid_from": _date,
    "valid_until": _date,
    "status": _state,
    "entity_id": _id,
}
