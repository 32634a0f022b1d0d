"""Collect what an operation shows to logs, error trackers and terminals, and search it for private data."""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import smsbridge
from smsbridge.errors import SendError, SmsBridgeError
from smsbridge.http import HttpRequest
from smsbridge.messages import Result

_CORE = Path(smsbridge.__file__).parent
_FRACTION = re.compile(r"(?<![\w.])\d+\.\d{3,}(?![\w.])", re.ASCII)


@dataclass(slots=True)
class Seen:
    """Collect the output of an operation, such as logs and errors, to search it for private data.

    Each piece of output is kept with the place where it was found.
    """

    places: list[tuple[str, str]] = field(default_factory=list)
    requests: list[HttpRequest] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    """Output that must be a single line: each log record, and each error as text."""

    def add(self, place: str, text: object) -> None:
        self.places.append((place, str(text)))

    def add_value(self, value: Any, is_ours: Callable[[Path], bool]) -> None:
        """Add the repr and the str of ``value`` and of the values inside it. Errors also go to :meth:`add_error`.

        ``is_ours`` says whether a file belongs to the code under test.
        """
        for item in _flat(value):
            self.add(f"repr of {type(item).__name__}", repr(item))
            self.add(f"str of {type(item).__name__}", str(item))
            if isinstance(item, SmsBridgeError):
                self.add_error(item, is_ours)

    def add_error(self, error: BaseException, is_ours: Callable[[Path], bool]) -> None:
        """Add all that ``error`` and its causes show: words, attributes, notes, pickle, and variables in the traceback.

        ``is_ours`` says whether a file belongs to the code under test: variables of code in other files are not read.
        """
        name = type(error).__name__
        self.add(f"str of {name}", error)
        self.lines += [
            (f"str of {name}", str(error)),
            *((f"a note of {name}", note) for note in getattr(error, "__notes__", ())),
        ]
        self.add(f"repr of {name}", repr(error))
        self.add(f"the attributes of {name}", vars(error))
        self.add(f"the notes of {name}", getattr(error, "__notes__", ()))
        if isinstance(error, SmsBridgeError):
            bare = copy.copy(error).with_traceback(None)
            self.add(f"the pickle of {name}", pickle.dumps(bare))
        for cause in _chain(error):
            if cause is not error:
                self.add(f"the cause of {name}", f"{cause!r} {cause}")
            self._add_frames(name, cause, is_ours)

    def _add_frames(self, name: str, error: BaseException, is_ours: Callable[[Path], bool]) -> None:
        """Add the local variables, as error trackers collect them."""
        trace = traceback.TracebackException.from_exception(error, capture_locals=True, compact=False)
        for frame in trace.stack:
            if is_ours(Path(frame.filename)):
                for variable, value in (frame.locals or {}).items():
                    place = f"the local variable {variable} of {frame.name}, {Path(frame.filename).name}:{frame.lineno}"
                    self.add(f"{place}, in the traceback of {name}", _without_times(value))

    def refuse(self, words: Mapping[str, str], advice: str) -> None:
        """Fail the test if the collected output contains a key of ``words``, such as a token.

        The value of the key in ``words`` says in the message what was found. ``advice`` says there how to mend the
        leak.
        """
        for place, text in self.places:
            for word, what in words.items():
                assert word not in text, f"{what} can be read in {place}. {advice} Seen: {text[:300]!r}"


def owned_by(kind: type) -> Callable[[Path], bool]:
    """Return a function that says whether a file belongs to smsbridge or to the package of ``kind``.

    ``kind`` is the class of the provider or policy under test.
    """
    home = Path(inspect.getfile(kind))
    if home.name == "__init__.py":
        home = home.parent

    def is_ours(path: Path) -> bool:
        core = _CORE in path.parents and _CORE / "testing" not in path.parents
        return core or path == home or home in path.parents

    return is_ours


@contextmanager
def watched() -> Iterator[Seen]:
    """Collect all log records, at DEBUG, and all warnings inside a ``with`` block, and yield them as Seen."""
    seen = Seen()
    handler = _Handler(seen)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield seen
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    for warning in caught:
        seen.add("a warning", warning.message)


class _Handler(logging.Handler):
    def __init__(self, seen: Seen) -> None:
        super().__init__(logging.DEBUG)
        self._seen = seen

    def emit(self, record: logging.LogRecord) -> None:
        self._seen.lines.append((f"a log record of {record.name}", record.getMessage()))
        words = f"{record.getMessage()} {record.args} {_without_times(str(vars(record)))}"
        self._seen.add(f"a log record of {record.name}", words)
        if record.exc_info:
            self._seen.add(f"a logged traceback of {record.name}", logging.Formatter().formatException(record.exc_info))


def _without_times(text: str) -> str:
    """``text`` without decimal fractions, such as clock times: their digits may contain a short code by chance."""
    return _FRACTION.sub("", text)


def _chain(error: BaseException | None) -> list[BaseException]:
    """``error`` with the causes and contexts that its traceback shows."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)
        return
    yield value
    if isinstance(value, Result):
        yield value.error or value.sent
        yield value.message
    elif is_dataclass(value) and not isinstance(value, SendError):
        yield from (inner for field in fields(value) if is_dataclass(inner := getattr(value, field.name)))
