"""``smsbridge send --many``: a file of JSON lines, one result per message as they complete."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from ..messages import Result
from . import lines, values
from .advice import document, exit_code
from .exits import Exit

if TYPE_CHECKING:
    from ..client import MessageFields, SmsClient
    from .output import Output

_WORDS = {
    Exit.OK: "accepted",
    Exit.REFUSED: "refused",
    Exit.UNCERTAIN: "uncertain",
    Exit.UNSUPPORTED: "unsupported",
}
_PRECEDENCE = (Exit.UNCERTAIN, Exit.REFUSED, Exit.UNSUPPORTED)


def send_many(out: Output, client: SmsClient, path: str, defaults: MessageFields) -> Exit:
    """Send the messages of the file at ``path`` (``-``: standard input) and print one result each."""
    counts: Counter[Exit] = Counter()
    interrupted = False
    with _opened(path) as stream:
        if path != "-":
            lines.check(stream, defaults)
            stream.seek(0)
        results = client.send_many(lines.messages(stream, defaults))
        unshown: list[Result] = []  # the one at hand: better shown twice than never
        try:
            with results:
                for result in results:
                    unshown.append(result)
                    counts[_show(out, result)] += 1
                    unshown.clear()
                    out.progress(_words(counts))
        except KeyboardInterrupt:  # by now, what was in flight is done
            interrupted = True
            for result in chain(unshown, results):
                counts[_show(out, result)] += 1
        finally:
            _sum_up(out, counts, interrupted=interrupted)
    if interrupted:
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
        if not stream.seekable():
            raise click.UsageError(f"{path} cannot be read twice; use --many - < {path}")
        yield stream


def _show(out: Output, result: Result) -> Exit:
    to = out.number(result.message.to)
    if result.sent is not None:
        if out.as_json:
            one = {"index": result.index, "outcome": "accepted", **values.sent_message(result.sent, out)}
            out.json(one, compact=True)
        else:
            _line(out, result, "accepted", f"{result.sent.id} {result.sent.status.value}", "green")
        return Exit.OK
    if result.error is None:
        raise AssertionError("a result has an outcome")
    error = {"to": to, "reference": result.message.reference, **document(result.error)}
    if out.as_json:
        out.json({"index": result.index, "outcome": error["outcome"], "error": error}, compact=True)
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
    parts = [f"{counts[code]} {word}" for code, word in _WORDS.items() if counts[code]]
    return f"{counts.total()} messages: {', '.join(parts) or 'nothing was sent'}"
