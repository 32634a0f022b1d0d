"""``smsbridge send --many``: a file of JSON lines, one result per message as they complete."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

import click

from ..messages import Dlt, Message
from . import values
from .advice import document, exit_code
from .exits import Exit

if TYPE_CHECKING:
    from ..client import MessageFields, SmsClient
    from ..messages import Result
    from .output import Output

_KEYS = ("to", "text", "sender", "purpose", "reference", "send_at", "valid_until", "dlt", "options")
_MOST_COMPLAINTS = 5
_PRECEDENCE = (Exit.UNCERTAIN, Exit.REFUSED, Exit.UNSUPPORTED)


class _Input:
    """The messages of a file or of standard input. Ctrl-C ends it; what was taken from it until then is finished."""

    def __init__(self, lines: Iterator[bytes], defaults: MessageFields) -> None:
        self._lines = lines
        self._defaults = defaults
        self._reading = False
        self.stopped = False

    def __iter__(self) -> Iterator[Message]:
        for number, line in enumerate(self._read(), 1):
            if line.strip():
                yield parse(number, line, self._defaults)

    def _read(self) -> Iterator[bytes]:
        while not self.stopped:
            self._reading = True
            try:
                line = next(self._lines, b"")
            except KeyboardInterrupt:
                return
            finally:
                self._reading = False
            if not line:
                return
            yield line

    def interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        """The first Ctrl-C stops reading, and the second one everything."""
        again, self.stopped = self.stopped, True
        if again or self._reading:  # a read that waits for a keyboard would not notice the flag
            raise KeyboardInterrupt


def parse(number: int, line: bytes, defaults: MessageFields) -> Message:
    """One line as a Message. Raises click.UsageError that names the line and quotes nothing of it."""
    try:
        data = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise click.UsageError(f"line {number} is not JSON in UTF-8") from None
    if not isinstance(data, dict):
        raise click.UsageError(f"line {number} is not a JSON object")
    missing = [key for key in ("to", "text") if key not in data]
    unknown = [key for key in data if key not in _KEYS]
    if missing or unknown:
        what = f"has no {' and no '.join(missing)}" if missing else f"has {unknown[0]!r}; known are {', '.join(_KEYS)}"
        raise click.UsageError(f"line {number} {what}")
    try:
        return Message(**{**defaults, **_typed(data)})
    except (TypeError, ValueError) as error:
        raise click.UsageError(f"line {number}: {_reason(error)}") from None


def _typed(data: Mapping[str, Any]) -> dict[str, Any]:
    fields = {key: value for key, value in data.items() if value is not None}
    for key in ("send_at", "valid_until"):
        if key in fields:
            fields[key] = datetime.fromisoformat(fields[key])
    if "dlt" in fields:
        fields["dlt"] = Dlt(**fields["dlt"])
    return fields


def _reason(error: Exception) -> str:
    """Our own complaints say which field; Python's quote the value."""
    text = str(error)
    return (
        text if "no time zone" in text or text.partition(" ")[0] in _KEYS else "a field has a value that it cannot have"
    )


def send_many(out: Output, client: SmsClient, path: str, defaults: MessageFields) -> Exit:
    """Send the messages of the file at ``path`` (``-``: standard input) and print one result each."""
    with _opened(path) as stream:
        if path != "-":
            _check(stream, defaults)
            stream.seek(0)
        source = _Input(iter(stream), defaults)
        counts: Counter[Exit] = Counter()
        try:
            with _on_interrupt(source), client.send_many(iter(source)) as results:
                for result in results:
                    counts[_show(out, result)] += 1
                    out.progress(_words(counts))
        finally:
            _sum_up(out, counts, interrupted=source.stopped)
    if source.stopped:
        return Exit.INTERRUPTED
    return next((code for code in _PRECEDENCE if counts[code]), Exit.OK)


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(path).open("rb")  # noqa: SIM115  # it is closed below
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    with stream:
        yield stream


def _check(stream: IO[bytes], defaults: MessageFields) -> None:
    """Refuse a file with a wrong line before anything is sent."""
    complaints: list[str] = []
    for number, line in enumerate(stream, 1):
        try:
            if line.strip():
                parse(number, line, defaults)
        except click.UsageError as error:
            complaints.append(error.message)
            if len(complaints) == _MOST_COMPLAINTS:
                break
    if complaints:
        raise click.UsageError("; ".join(complaints) + "; nothing was sent")


@contextmanager
def _on_interrupt(source: _Input) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    before = signal.signal(signal.SIGINT, source.interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _show(out: Output, result: Result) -> Exit:
    if result.sent is not None:
        if out.as_json:
            sent = {"outcome": "accepted", **values.sent_message(result.sent, out)}
            out.json({"index": result.index, "sent": sent}, compact=True)
        else:
            _line(out, result, "accepted", f"{result.sent.id} {result.sent.status.value}", "green")
        return Exit.OK
    if result.error is None:
        raise AssertionError("a result has an outcome")
    error = document(result.error)
    if out.as_json:
        to = out.number(result.message.to)
        out.json(
            {"index": result.index, "error": {"to": to, "reference": result.message.reference, **error}}, compact=True
        )
    else:
        _line(out, result, error["outcome"], f"{error['message']} (reference {result.message.reference})", "red")
    return exit_code(result.error)


def _line(out: Output, result: Result, outcome: str, words: str, style: str) -> None:
    out.line(f"{outcome:<11}  {result.index + 1:>6}  {out.number(result.message.to):<16}  {words}", style=style)


def _sum_up(out: Output, counts: Counter[Exit], *, interrupted: bool) -> None:
    out.progress("")
    out.aside(_words(counts) + ("; interrupted: the rest was not sent" if interrupted else ""))
    if counts[Exit.UNCERTAIN]:
        out.aside("next: look the uncertain ones up (smsbridge status --reference REF) before sending them again")


def _words(counts: Counter[Exit]) -> str:
    words = {
        Exit.OK: "accepted",
        Exit.REFUSED: "refused",
        Exit.UNCERTAIN: "uncertain",
        Exit.UNSUPPORTED: "unsupported",
    }
    parts = [f"{counts[code]} {word}" for code, word in words.items() if counts[code]]
    return f"{counts.total()} messages: {', '.join(parts) or 'nothing was sent'}"
