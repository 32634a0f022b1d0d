"""Print the output of commands: results to standard output, as text or as a JSON document; all else to standard error.

Output is safe on any terminal. Characters that its encoding lacks become ``?``, control characters do not reach it, and
text from outside cannot begin a line. Colours are for terminals only (and not if ``NO_COLOR`` is set). A reader that
has gone away is no error. If standard output is full or closed, CannotPrint is raised, so that a command can write lost
results elsewhere; failures of standard error are ignored.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO, cast

import click

from ..display import LONGEST_ON_SCREEN, json_text, line, screen, screen_line


class CannotPrint(Exception):
    """Raised if standard output cannot be written; the message says why."""


class Output:
    """Print the results of a command to standard output, and warnings and progress to standard error, as text or JSON.

    The streams are ``sys.stdout`` and ``sys.stderr`` at the moment when this object was made.
    """

    def __init__(self, *, as_json: bool = False, show_numbers: bool = False) -> None:
        self.as_json = as_json
        self.show_numbers = show_numbers
        self.lost: str | None = None
        """Why output was lost; None if none was."""
        # None if the process was started with the stream closed.
        self._out: TextIO | None = sys.stdout
        self._err: TextIO | None = sys.stderr

    def number(self, number: str) -> str:
        """Return ``number``, a phone number, as people may see it: masked, unless ``show_numbers`` is set."""
        from ..phone import mask

        return number if self.show_numbers else mask(number)

    def json(self, document: Any, *, compact: bool = False) -> None:
        """Print ``document`` as JSON, on a single line if ``compact`` is true.

        On a terminal, very long strings are cut.
        """
        import json

        unicode = _encoding(self._out).lower().replace("-", "").startswith("utf")
        shown = _bounded(document) if _is_terminal(self._out) else document
        text = json.dumps(shown, ensure_ascii=not unicode, indent=None if compact else 2, default=_plain)
        self._print((json_text(text), None))

    def line(self, text: str = "", *, style: str | None = None) -> None:
        """Print ``text`` as a line of the result. It stays a single line, also if the text holds line ends."""
        self._print((screen_line(text), style))

    def spans(self, spans: Sequence[tuple[str, str | None]]) -> None:
        """Print a line of the result that is made of parts. Each part is a text and its style; None means no style."""
        self._print(*[(screen_line(text), style) for text, style in spans])

    def verbatim(self, text: str) -> None:
        """Print ``text`` and a line end: unchanged if a program reads it, and made safe if a terminal shows it."""
        self._print((screen(text) if _is_terminal(self._out) else text, None), verbatim=True)

    def aside(self, text: str, *, style: str | None = None) -> None:
        """Print a line to standard error: progress, a warning or advice."""
        _write(self._err, (screen_line(text), style))

    def rows(self, rows: Mapping[str, Any], *, indent: int = 2) -> None:
        """Print labels with their values, aligned. Empty values are left out, and only a list takes several lines."""
        shown = {label: _lines(value) for label, value in rows.items() if value not in (None, "", [], {})}
        width = max(map(len, shown), default=0)
        for label, lines in shown.items():
            for number, text in enumerate(lines):
                self._print((" " * indent + f"{'' if number else label:<{width}}  " + text, None))

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, indent: int = 0) -> None:
        """Print a table with aligned columns. ``head`` has the titles of the columns."""
        lines = [list(head), *(list(map(line, row)) for row in rows)]
        widths = [max(len(cells[column]) for cells in lines) for column in range(len(head))]
        for cells in lines:
            padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
            text = " " * indent + "  ".join(padded).rstrip()
            self._print((text, "bold" if cells is lines[0] else None))

    def progress(self, text: str) -> None:
        """Show ``text`` as the progress line, in place of the previous progress text.

        There is a progress line only if standard error is a terminal and the results do not go to a terminal.
        """
        if _is_terminal(self._err) and not _is_terminal(self._out):
            with contextlib.suppress(OSError, ValueError):
                click.echo(f"\r\033[K{screen_line(text)}", file=self._err, nl=False)

    def failure(self, error: Mapping[str, Any], *, word: str = "error") -> None:
        """Print an error to standard error, or, with JSON, as the document on standard output if that can be written.

        ``word`` begins the line, such as ``refused``.
        """
        if self.as_json:
            with contextlib.suppress(CannotPrint):
                self.json({"error": error}, compact=True)
            if self.lost is None:
                return
        self.aside(f"{word}: {error['message']}", style="red")
        if self.as_json and error.get("reference"):
            self.aside(f"reference: {error['reference']}")
        if error.get("advice"):
            self.aside(f"next: {error['advice']}")

    def aside_stream(self) -> TextIO:
        """Return standard error as a stream for other code.

        Output that cannot be written to standard error is dropped without an error.
        """
        return cast("TextIO", _Aside(self._err))

    def _print(self, *spans: tuple[str, str | None], verbatim: bool = False) -> None:
        problem = _write(self._out, *spans, verbatim=verbatim)
        if problem is None:
            return
        gone = isinstance(problem, BrokenPipeError)
        why = "its reader has gone" if gone else getattr(problem, "strerror", None) or "it is closed"
        self.lost = self.lost or f"standard output cannot be written: {why}"
        if not gone:
            raise CannotPrint(self.lost)


class _Aside(io.TextIOBase):
    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only in TextIOBase too, whatever its stub says
        return _encoding(self._stream)

    def isatty(self) -> bool:
        return _is_terminal(self._stream)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.flush()


def finish() -> None:
    """Flush standard output and standard error at the end of a command, so that Python's own flush cannot fail."""
    for stream in (sys.stdout, sys.stderr):
        # The process was started with the stream closed.
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            _silence(stream)


def _plain(value: Any) -> Any:
    """A value that JSON has no type for, as a string: decimals keep their digits, datetimes are ISO 8601."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _bounded(value: Any) -> Any:
    """``value`` with long strings cut for a terminal."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_ON_SCREEN else f"{value[:LONGEST_ON_SCREEN]}…"
    if isinstance(value, Mapping):
        return {_bounded(key): _bounded(inner) for key, inner in value.items()}
    return [_bounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def _lines(value: Any) -> list[str]:
    """The lines of a value in a row: a list has a line for each item; any other value is a single line."""
    return [screen(text) for text in value] if isinstance(value, list) else [line(_words(value))]


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "isoformat"):
        return str(value.isoformat(sep=" ", timespec="seconds"))
    return str(value)


def _encoding(stream: TextIO | None) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def _write(
    stream: TextIO | None, *spans: tuple[str, str | None], verbatim: bool = False
) -> OSError | ValueError | None:
    """Write a line that is safe to show; return the error if it cannot be written."""
    if stream is None:
        return OSError(errno.EBADF, "it is closed")
    encoding = _encoding(stream)
    try:
        coloured = any(style for _, style in spans) and _takes_colour(stream)
        line = ""
        for text, style in spans:
            shown = text.encode(encoding, "replace").decode(encoding)
            line += _styled(shown, style) if coloured and style else shown
        # Without color=True, click removes everything that looks like a colour code.
        click.echo(line, file=stream, color=coloured or verbatim)
    except (OSError, ValueError) as problem:
        return problem
    return None


def _styled(text: str, style: str) -> str:
    return click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    # The stream is closed.
    except ValueError:
        return False


def _takes_colour(stream: TextIO) -> bool:
    return _is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _silence(stream: TextIO) -> None:
    """Send the rest of the stream's buffer to nowhere."""
    # A stream without a file raises here.
    with contextlib.suppress(OSError, ValueError):
        file = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, file)
        os.close(nowhere)
