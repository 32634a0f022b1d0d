"""Read a registry from TOML, with the line of every entry, and write it as TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Any

from ..toml_lines import Lines
from .contents import Collector, Contents, meant
from .template import Header, Template

_KEYS = ("entity_id", "headers", "templates", "rules")
_AT = re.compile(r"\(at line (\d+), column \d+\)")


def read(file: str, source: str) -> Contents:
    """Read the headers, rules and templates in ``source``, the text of a TOML file.

    ``file`` is the name of the file, as the returned contents and errors show it.
    """
    collector = Collector(file)
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        line = int(at[1]) if at else source.count("\n") + 1 if "end of document" in str(error) else None
        collector.mistake(line, f"this is not TOML: {_AT.sub('', str(error)).strip()}")
        return collector.contents()
    lines = Lines(source)
    for key in data:
        if key not in _KEYS:
            collector.mistake(lines.at_top(key), f"there is no key {key!r}; {meant(key, _KEYS)}")
    if "entity_id" in data:
        collector.entity(data["entity_id"], lines.at_top("entity_id"))
    takers = {"rules": collector.rules, "headers": collector.header, "templates": collector.template}
    for key, take in takers.items():
        for number, entry in enumerate(_entries(key, data.get(key, []))):
            take(entry, lines.of(key, number))
    return collector.contents()


def _entries(key: str, value: Any) -> list[Any]:
    """A list of tables; rules may be a single table. Any other value becomes an entry that is not a table."""
    if isinstance(value, list):
        return value
    return [value] if key == "rules" or not isinstance(value, Mapping) else [None]


def write(contents: Contents) -> str:
    """Return the headers and templates of ``contents`` as the text of a TOML file."""
    blocks = [f"entity_id = {_string(contents.entity_id)}"] if contents.entity_id else []
    blocks += [_block("headers", _header(header)) for header in contents.headers]
    blocks += [_block("templates", _template(template)) for template in contents.templates]
    return "\n\n".join(blocks) + "\n"


def _header(header: Header) -> dict[str, Any]:
    return {"name": header.name, "entity_id": header.entity_id}


def _template(template: Template) -> dict[str, Any]:
    return {
        "id": template.id,
        "name": template.name,
        "headers": list(template.headers),
        "entity_id": template.entity_id,
        "category": template.category,
        "purpose": template.purpose,
        "text": template.text,
        "valid_from": template.valid_from,
        "valid_until": template.valid_until,
        "status": template.status,
    }


def _block(table: str, values: Mapping[str, Any]) -> str:
    rows = [f"{key} = {_written(value)}" for key, value in values.items() if value not in (None, "", [])]
    return "\n".join([f"[[{table}]]", *rows])


def _written(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(_string, value))}]"
    return _string(value)


_ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\t"): "\\t"}
_ESCAPES |= {code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in _ESCAPES}
# People compare the file with a portal, so it shows invisible characters.
_ESCAPES |= {code: f"\\u{code:04x}" for code in (0xA0, 0xAD, *range(0x200B, 0x2010), *range(0x2028, 0x2030), 0xFEFF)}


def _string(value: str) -> str:
    return f'"{str(value).translate(_ESCAPES)}"'
