"""Read tables that users write in TOML files, such as hours and rates.

Errors name the file and line, and show no value.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .complaints import plain
from .errors import ConfigurationError
from .toml_lines import Lines

R = TypeVar("R", bound=BaseModel)


def read(path: Path, name: str, model: type[R]) -> list[R]:
    """Read all tables ``[[name]]`` in the TOML file ``path``, in order.

    Returns an object of the class ``model`` for each.

    Numbers keep all their digits. Raises ConfigurationError, which names the file and the line of a wrong table.
    """
    text = _text(path)
    found = _parse(path, text)
    unknown = sorted(found.keys() - {name})
    if unknown:
        raise ConfigurationError(f"{path}{_line_of_key(text, unknown[0])}: {unknown[0]} is not known; write [[{name}]]")
    rows = found.get(name, [])
    if not isinstance(rows, list):
        raise ConfigurationError(f"{path}: {name} has to be several tables: write [[{name}]]")
    return [_row(row, model, partial(_where, path, text, name, place)) for place, row in enumerate(rows)]


def place_of(path: Path, name: str, place: int) -> str:
    """Describe where a table ``[[name]]`` stands in the file ``path``, such as ``rates.toml, line 7``.

    ``place`` is the number of the table among the tables of this name, counted from 0.
    """
    return _where(path, _text(path), name, place)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        problem = f"{path} is not UTF-8: save it in this encoding"
    raise ConfigurationError(problem)


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        problem = _words(error)
    except RecursionError:
        problem = "it is nested too deeply"
    # Raised here, so that the error does not keep its cause, which holds the file.
    raise ConfigurationError(f"{path} is not TOML: {problem}")


def _row(row: object, model: type[R], where: Callable[[], str]) -> R:
    try:
        return model.model_validate(row)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, fault['loc'])) or 'it'} {_what(fault['type'], fault['msg'], fault.get('ctx', {}))}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
    raise ConfigurationError(f"{where()}: {'; '.join(problems)}")


def _what(kind: str, words: str, context: dict[str, Any]) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not known"
    return f"is wrong: {plain(kind, words, context)}"


def _where(path: Path, text: str, name: str, place: int) -> str:
    line = Lines(text).entry(name, place)
    return f"{path}, {name} {place + 1}" if line is None else f"{path}, line {line}"


def _line_of_key(text: str, key: str) -> str:
    line = Lines(text).at_top(key)
    return "" if line is None else f", line {line}"


def _words(error: Exception) -> str:
    """Return the TOML parser's message with a small first letter: ``invalid value (at line 3, column 5)``."""
    words = str(error)
    return words[:1].lower() + words[1:]
