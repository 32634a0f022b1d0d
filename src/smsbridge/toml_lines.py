"""Find the lines of tables and keys in a TOML file, so that errors can name the line.

``tomllib`` gives only the line of a syntax error. So the source of a valid TOML file is searched again for the
beginnings of tables and keys, outside of strings, comments and the brackets of values.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

_STRING = r'"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'"
_PART = rf"(?:[\w-]+|{_STRING})"
_NAME = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_BLOCK = r'"""(?:[^\\]|\\.)*?"{3,5}' + r"|'''.*?'{3,5}"
_REST = rf"{_STRING}|\#[^\n]*|(?P<bracket>[\[\]{{}}])"
_FLAGS = re.DOTALL | re.MULTILINE | re.ASCII
_HEADS = re.compile(
    rf"{_BLOCK}|(?P<table>^[ \t]*\[\[?[ \t]*(?P<name>{_NAME})[ \t]*\]\]?)"
    rf"|(?P<key>^[ \t]*(?P<word>{_NAME})[ \t]*=)|{_REST}",
    _FLAGS,
)
_VALUES = re.compile(rf"{_BLOCK}|{_REST}", _FLAGS)
_PARTS = re.compile(_PART, re.ASCII)


class Lines:
    """The line numbers of tables and keys in ``source``, the text of a TOML file.

    A table is found by its name and its number among the tables of this name, counted from 0.
    """

    def __init__(self, source: str) -> None:
        self._found: dict[tuple[str, int, str | None], int] = {}
        seen: Counter[str] = Counter()
        table, number = "", 0
        line, counted = 1, 0
        depth, position = 0, 0
        while token := (_VALUES if depth else _HEADS).search(source, position):
            position = token.end()
            if token["bracket"]:
                depth += 1 if token["bracket"] in "[{" else -1
                continue
            if depth or not (token["table"] or token["key"]):
                continue
            line, counted = line + source.count("\n", counted, token.start()), token.start()
            parts = _parts(token["name"] or token["word"])
            if token["table"]:
                table = ".".join(parts)
                number = seen[table]
                seen[table] += 1
                self._found[table, number, None] = line
                self._found.setdefault(("", 0, parts[0]), line)
            else:
                self._found.setdefault((table, number, parts[0]), line)

    def entry(self, table: str, number: int) -> int | None:
        """Return the line on which a table begins.

        None if the file writes it in another way, as ``templates = [{...}]``.

        ``table`` is the name of the table; ``number`` counts the tables of that name from 0.
        """
        return self._found.get((table, number, None))

    def of(self, table: str, number: int) -> Callable[[str | None], int | None]:
        """Return a function that gives the line of a key in a table.

        ``number`` counts the tables with the name ``table`` from 0. For None or an unknown key, the function gives the
        line of the table itself.
        """
        entry = self.entry(table, number) or self.at_top(table)
        return lambda key: self._found.get((table, number, key), entry)

    def at_top(self, key: str) -> int | None:
        """Return the line of a ``key`` that stands before all tables, or of the first table with that name.

        None if neither exists.
        """
        return self._found.get(("", 0, key))


def _parts(name: str) -> list[str]:
    """Return the parts between the dots, without quotes."""
    # Most names are.
    if name.isidentifier():
        return [name]
    return [part[1:-1] if part[0] in "\"'" else part for part in _PARTS.findall(name)]
