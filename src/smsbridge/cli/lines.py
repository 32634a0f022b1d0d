"""Read messages from JSON lines, for commands with ``--many``. Errors name the line and never quote it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from ..messages import KINDS, Dlt, Message, Purpose
from .session import standard_input

if TYPE_CHECKING:
    from ..messages import MessageFields

_READERS: Mapping[type, tuple[Callable[[Any], Any], str]] = {
    datetime: (datetime.fromisoformat, "a date and time such as 2030-01-31T09:30+05:30"),
    Dlt: (lambda value: Dlt(**value), "entity_id and template_id"),
    Purpose: (Purpose, f"one of {', '.join(purpose.value for purpose in Purpose)}"),
}
"""The reader, and the form in words, for types that JSON does not have."""
_MOST_COMPLAINTS = 5
LONGEST_LINE = 1 << 20
"""In bytes; far more than any message needs."""


class WrongLine(click.UsageError):
    """Raised for a line that is not a message. ``number`` is the number of the line, from 1."""

    def __init__(self, number: int, complaint: str) -> None:
        super().__init__(f"line {number}{complaint}")
        self.number = number


class EndlessLine(WrongLine):
    """Raised for a line that is too long or cannot be read. The lines after it cannot be read either."""


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Open the file at ``path``, or standard input for ``-``, inside a ``with`` block.

    Raises click.UsageError if it cannot be opened.
    """
    if path == "-":
        yield standard_input()
        return
    try:
        stream = Path(path).open("rb")  # noqa: SIM115  # it is closed below
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    with stream:
        yield stream


def messages(stream: IO[bytes], defaults: MessageFields) -> Iterator[Message]:
    """Yield a message for each line of ``stream`` that is not blank.

    ``defaults`` are the message fields that count where a line leaves them out. Raises WrongLine for a line that is not
    a message.
    """
    for number, line in _numbered(stream):
        if line.strip():
            yield _parse(number, line, defaults)


def check(stream: IO[bytes], defaults: MessageFields) -> None:
    """Raise click.UsageError if ``stream`` has lines that are not messages. The error names the first of these lines.

    ``defaults`` are the message fields that count where a line leaves them out.
    """
    complaints: list[str] = []
    try:
        for number, line in _numbered(stream):
            try:
                if line.strip():
                    _parse(number, line, defaults)
            except WrongLine as error:
                complaints.append(error.message)
                if len(complaints) == _MOST_COMPLAINTS:
                    break
    except EndlessLine as error:
        complaints.append(error.message)
    if complaints:
        raise click.UsageError(f"{'; '.join(complaints)}; nothing was sent")


def _numbered(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield numbers and lines, with a single bounded line in memory."""
    for number in count(1):
        try:
            line = stream.readline(LONGEST_LINE + 1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise EndlessLine(number, f" cannot be read: {why}") from None
        if len(line) > LONGEST_LINE:
            raise EndlessLine(number, f" is longer than {LONGEST_LINE} bytes: write one message on each line")
        if not line:
            return
        yield number, line


def _parse(number: int, line: bytes, defaults: MessageFields) -> Message:
    try:
        data = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise WrongLine(number, " is not JSON in UTF-8: write one JSON object on each line") from None
    if not isinstance(data, dict):
        raise WrongLine(number, ' is not a JSON object: write {"to": ..., "text": ...}')
    missing = [key for key in ("to", "text") if key not in data]
    if missing:
        raise WrongLine(number, f" has no {' and no '.join(missing)}: each message needs to and text")
    unknown = [key for key in data if key not in KINDS]
    if unknown:
        raise WrongLine(number, f" has an unknown key {unknown[0]!r}; the known keys are {', '.join(KINDS)}")
    odd = [key for key in ("to", "text") if not isinstance(data[key], str)]
    if odd:
        raise WrongLine(number, f": {odd[0]} must be a string")
    given = {key: value for key, value in data.items() if value is not None}
    fields = {**defaults, **{key: _typed(number, key, value) for key, value in given.items()}}
    try:
        return Message(**fields)
    except (TypeError, ValueError) as error:
        # The error names the field and quotes no value.
        raise WrongLine(number, f": {error}") from None


def _typed(number: int, key: str, value: Any) -> Any:
    if KINDS[key] not in _READERS:
        return value
    read, wanted = _READERS[KINDS[key]]
    try:
        return read(value)
    except (TypeError, ValueError):
        raise WrongLine(number, f": {key} must be {wanted}") from None
