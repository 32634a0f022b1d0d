"""Make odd answers of a vendor: JSON of the wrong shape, fixed or derived from a good sample answer."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

ODD_JSON: dict[str, bytes] = {
    "null": b"null",
    "list": b"[]",
    "object": b"{}",
    "string": b'"x"',
    "number": b"1",
    "true": b"true",
    "list of null": b"[null]",
    "list of objects": b"[{}]",
    "nested": b'{"data":{"data":[[{}]]},"messages":[{}],"message":{},"errors":[null],"error":{},"status":[]}',
    "not a number": b'{"status":NaN,"id":Infinity}',
}
"""JSON that answers no request."""

UNREADABLE: dict[str, bytes] = {
    "a well-formed page": b"<html><body><p>It works</p></body></html>",
    "an empty element": b"<reply/>",
    "empty": b"",
    "blank": b" \r\n",
    "html": b"<!doctype html><html><body><h1>Welcome</h1></body></html>",
    "text": b"OK",
    "bytes": b"\xff\xfe\x00\x80",
    "endless nesting": b"[" * 100_000,
}
"""Bodies that are not JSON."""

_OTHERS: tuple[Any, ...] = (None, 7, True, "x", "", [], [None], {}, {"x": 1})
Path = tuple[Any, ...]


def mutants(data: Any) -> Iterator[tuple[str, Any]]:
    """Yield a description and a copy of the JSON value ``data`` for each small mistake that a vendor could make in it.

    A copy lacks a key or an item, or has another value in its place, mostly of another type.
    """
    for path in _paths(data):
        where = "".join(f"[{step!r}]" for step in path)
        yield f"without {where}", _without(data, path)
        for other in _OTHERS:
            if type(other) is not type(_at(data, path)) or other != _at(data, path):
                yield f"{where} = {json.dumps(other)}", _with(data, path, other)


def every_string(data: Any, change: Callable[[str], str]) -> Any:
    """Return a copy of the JSON value ``data`` in which ``change`` is applied to each string. Keys stay unchanged."""
    if isinstance(data, str):
        return change(data)
    if isinstance(data, dict):
        return {key: every_string(value, change) for key, value in data.items()}
    return [every_string(value, change) for value in data] if isinstance(data, list) else data


def _paths(data: Any, above: Path = ()) -> Iterator[Path]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*above, key)
        yield from _paths(value, (*above, key))


def _at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data


def _with(data: Any, path: Path, value: Any) -> Any:
    data = copy.deepcopy(data)
    _at(data, path[:-1])[path[-1]] = value
    return data


def _without(data: Any, path: Path) -> Any:
    data = copy.deepcopy(data)
    del _at(data, path[:-1])[path[-1]]
    return data
