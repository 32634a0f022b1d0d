"""Where commands write: results to standard output, as text or as one JSON document; the rest to standard error.

Safe on any terminal: what its encoding lacks becomes ``?``, control characters cannot reach it, colours are for terminals
only (and not where ``NO_COLOR`` is set), and a reader that went away is no error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import click

_CONTROLS = {code: 0x2400 + code for code in range(0x20) if code not in b"\t\n"} | {0x7F: 0x2421}
_CONTROLS |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


class Output:
    """Standard output and standard error of one command. Keeps the streams as they were when it was made."""

    def __init__(self, *, as_json: bool = False, show_numbers: bool = False) -> None:
        self.as_json = as_json
        self.show_numbers = show_numbers
        self._out = sys.stdout
        self._err = sys.stderr

    def number(self, number: str) -> str:
        """A phone number for people to read: masked unless asked otherwise."""
        from ..phone import mask

        return number if self.show_numbers else mask(number)

    def json(self, document: Any, *, compact: bool = False) -> None:
        """One JSON document; ``compact`` keeps it on one line."""
        import json

        unicode = _encoding(self._out).lower().replace("-", "").startswith("utf")
        text = json.dumps(document, ensure_ascii=not unicode, indent=None if compact else 2, default=_plain)
        _write(self._out, text, clean=False)

    def line(self, text: str = "", *, style: str | None = None) -> None:
        """A line of the result."""
        _write(self._out, text, style=style)

    def aside(self, text: str, *, style: str | None = None) -> None:
        """A line that is not part of the result: progress, a warning, advice."""
        _write(self._err, text, style=style)

    def rows(self, rows: Mapping[str, Any], *, indent: int = 2) -> None:
        """Labels and values, aligned; those without a value are left out."""
        shown = {label: _words(value) for label, value in rows.items() if value not in (None, "", [], {})}
        width = max(map(len, shown), default=0)
        margin = " " * (indent + width + 2)
        for label, value in shown.items():
            self.line(" " * indent + f"{label:<{width}}  " + value.replace("\n", f"\n{margin}"))

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, indent: int = 0) -> None:
        """A table with aligned columns."""
        lines = [list(head), *map(list, rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        for line in lines:
            cells = [f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)]
            text = " " * indent + "  ".join(cells).rstrip()
            self.line(text, style="bold" if line is lines[0] else None)

    def progress(self, text: str) -> None:
        """A line that takes the place of the last one, for a terminal that does not show the results themselves."""
        if self._err.isatty() and not self._out.isatty():
            click.echo(f"\r\033[K{text}", file=self._err, nl=False)

    def failure(self, error: Mapping[str, Any], *, word: str = "error") -> None:
        """What went wrong: to standard error, or, as JSON, the one document on standard output."""
        if self.as_json:
            self.json({"error": error}, compact=True)
            return
        self.aside(f"{word}: {error['message']}", style="red")
        if error.get("advice"):
            self.aside(f"next: {error['advice']}")


def _plain(value: Any) -> Any:
    """What JSON has no type for, as a string: decimals keep their digits, datetimes are ISO 8601."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "isoformat"):
        return str(value.isoformat(sep=" ", timespec="seconds"))
    return str(value)


def _encoding(stream: TextIO) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def _write(stream: TextIO, text: str, *, style: str | None = None, clean: bool = True) -> None:
    encoding = _encoding(stream)
    text = (text.translate(_CONTROLS) if clean else text).encode(encoding, "replace").decode(encoding)
    coloured = style is not None and _takes_colour(stream)
    if coloured:
        text = click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)
    try:
        click.echo(text, file=stream, color=coloured)
    except BrokenPipeError:
        _silence(stream)


def _takes_colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _silence(stream: TextIO) -> None:
    """Whoever read this stream has gone: let the rest, and what is left in its buffer, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
