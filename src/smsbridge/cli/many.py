"""Send a file of JSON lines, for ``smsbridge send --many``, and print the result of each message once it is known."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from ..messages import Result
from ..text.wording import count
from . import lines, signals, values
from .advice import document, exit_code
from .exits import Exit
from .output import CannotPrint

if TYPE_CHECKING:
    from ..client import SmsClient
    from ..messages import MessageFields
    from .output import Output
    from .session import Journal

_WORDS = {
    Exit.OK: "accepted",
    Exit.REFUSED: "refused",
    Exit.UNCERTAIN: "uncertain",
    Exit.UNSUPPORTED: "unsupported",
}
_PRECEDENCE = (Exit.UNCERTAIN, Exit.REFUSED, Exit.UNSUPPORTED)


def send_many(out: Output, client: SmsClient, path: str, defaults: MessageFields, journal: Journal) -> Exit:
    """Send the messages of the file at ``path`` (``-``: standard input), and print a result for each.

    ``defaults`` are the message fields that count where a line leaves them out. ``journal`` is a hook of ``client``.
    After the first Ctrl-C, SIGTERM or SIGHUP, the function waits for the texts that were started; after the second, it
    ends without their results.
    """
    with lines.opened(path) as stream:
        if path != "-":
            if not stream.seekable():
                raise click.UsageError(f"{path} cannot be read twice; use --many - < {path}")
            lines.check(stream, defaults)
            stream.seek(0)
        results = client.send_many(lines.messages(stream, defaults))
        tally = _Tally(out, journal)
        try:
            for result in results:
                with signals.held():
                    tally.take(result)
        except KeyboardInterrupt as interrupt:
            tally.interrupted = signals.code_of(interrupt)
            with suppress(KeyboardInterrupt):
                tally.resume()
                results.close()
                for result in results:
                    with signals.held():
                        tally.take(result)
        # Raised after all earlier messages have their results.
        except lines.WrongLine as wrong:
            # A file was checked before, so it has changed.
            if path != "-":
                raise
            raise click.UsageError(
                f"{wrong.message}; of the lines before it: {tally.words()}; correct it, resume at line {wrong.number}"
            ) from None
        except BaseException:
            results.close()
            raise
        finally:
            # Another Ctrl-C must not stop the summary of sent texts.
            with signals.ignored():
                tally.sum_up()
    return tally.exit_code()


class _Tally:
    """Counts and prints results: an outcome counts before it is printed, even if printing fails."""

    def __init__(self, out: Output, journal: Journal) -> None:
        self.counts: Counter[Exit] = Counter()
        self.interrupted: Exit | None = None
        self._out = out
        self._journal = journal
        self._at_hand: Result | None = None
        self._unprinted = 0

    def take(self, result: Result) -> None:
        self._at_hand = result
        self._journal.forget(result.message)
        self.counts[_exit(result)] += 1
        self._print(result)
        self._at_hand = None
        self._out.progress(self.words())

    def resume(self) -> None:
        """Continue after an interrupt: print the result that the interrupt may have kept from being printed.

        That result may be printed twice.
        """
        if on_their_way := self._journal.unsettled():
            self._out.aside(
                f"interrupted: waiting for {count(on_their_way, 'text')}; interrupt again to leave them uncertain"
            )
        if self._at_hand is not None:
            self._print(self._at_hand)
            self._at_hand = None

    def sum_up(self) -> None:
        out = self._out
        out.progress("")
        if self._at_hand is not None:
            _show_aside(out, self._at_hand)
        for started in self._journal.close():
            # Read each outcome once: if it changes later, the text was uncertain at this moment.
            code = Exit.OK if started.sent else exit_code(started.error) if started.error else Exit.UNCERTAIN
            self.counts[code] += 1
            identity = f"id {started.sent.id}, reference" if started.sent else "reference"
            out.aside(
                f"{_WORDS[code]:<11}  {out.number(started.message.to):<16}  {identity} {started.message.reference}"
            )
        out.aside(self.words() + ("; interrupted: the rest was not sent" if self.interrupted else ""))
        if self._unprinted:
            out.aside(f"{count(self._unprinted, 'result')} printed above, on standard error: {out.lost}")
        if self.counts[Exit.UNCERTAIN]:
            out.aside("next: look up the uncertain texts (smsbridge status --reference REF) before sending them again")

    def exit_code(self) -> Exit:
        return self.interrupted or next((code for code in _PRECEDENCE if self.counts[code]), Exit.OK)

    def _print(self, result: Result) -> None:
        if self._out.lost is None:
            with suppress(CannotPrint):
                _show(self._out, result)
        if self._out.lost is not None:
            self._unprinted += 1
            _show_aside(self._out, result)

    def words(self) -> str:
        """Return the number of texts with each outcome, in words."""
        parts = [f"{self.counts[code]} {word}" for code, word in _WORDS.items() if self.counts[code]]
        return f"{count(self.counts.total(), 'message')}: {', '.join(parts) or 'nothing was sent'}"


def _exit(result: Result) -> Exit:
    if result.error is not None:
        return exit_code(result.error)
    if result.sent is None:
        raise AssertionError("a result has an outcome")
    return Exit.OK


def _show(out: Output, result: Result) -> None:
    if not out.as_json:
        words, style = _line(out, result)
        out.line(words, style=style)
    elif result.sent is not None:
        accepted = {"index": result.index, "outcome": "accepted", **values.sent_message(result.sent, out)}
        out.json(accepted, compact=True)
    elif result.error is not None:
        error = {
            "to": out.number(result.message.to),
            "reference": result.message.reference,
            **document(result.error),
        }
        out.json({"index": result.index, "outcome": error["outcome"], "error": error}, compact=True)


def _show_aside(out: Output, result: Result) -> None:
    """Print a result on standard error, with the reference, which a later lookup needs."""
    words, style = _line(out, result)
    out.aside(words if result.error else f"{words} (reference {result.message.reference})", style=style)


def _line(out: Output, result: Result) -> tuple[str, str]:
    if result.error is not None:
        known = document(result.error)
        outcome, style = known["outcome"], "red"
        words = f"{known['message']} (reference {result.message.reference})"
    else:
        outcome, style = "accepted", "green"
        before = " (before, so nothing was sent now)" if result.sent and result.sent.repeated else ""
        words = f"{result.sent.id} {result.sent.status.value}{before}" if result.sent else ""
    return f"{outcome:<11}  {result.index + 1:>6}  {out.number(result.message.to):<16}  {words}", style
