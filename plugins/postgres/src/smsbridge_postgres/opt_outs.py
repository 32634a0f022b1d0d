"""PostgresOptOuts: a list of opt-outs in a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from smsbridge.stores.opt_outs import MOST_EVENTS, OptOut, Word, WordList, in_force, shown_of, to_confirm

from .shelf import Shelf
from .words import storable

_LOCK = "SELECT 1 FROM smsbridge_locks WHERE name = 'optouts' FOR UPDATE"
_WORDS = "SELECT recipient, sender, is_out, at, shown, source FROM smsbridge_optouts"
_PUT = """INSERT INTO smsbridge_optouts (recipient, sender, shown, is_out, at, source) VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (recipient, sender) DO UPDATE SET
    shown = excluded.shown, is_out = excluded.is_out, at = excluded.at, source = excluded.source"""
_FORGET_EVENTS = """DELETE FROM smsbridge_optout_events WHERE recipient = %s AND number <= (
    SELECT number FROM smsbridge_optout_events WHERE recipient = %s ORDER BY number DESC LIMIT 1 OFFSET %s)"""
_CONFIRM = """INSERT INTO smsbridge_optout_confirmations VALUES (%s, %s, %s)
    ON CONFLICT (recipient, sender) DO UPDATE SET at = excluded.at"""


class PostgresOptOuts(Shelf, WordList):
    """A list of opt-outs in the database at ``url``. All methods but ``close`` are called within :meth:`together`.

    Changes of the list are made one after the other, also by several processes. Questions wait for no change.
    """

    def holds(self, senders: Iterable[str] | None, recipient: str) -> bool:
        """Return whether ``recipient`` has opted out of texts from one of ``senders``; None means any sender.

        The other methods without a docstring are described in :class:`smsbridge.stores.opt_outs.OptOuts`.
        """
        return not self._is_absent() and bool(in_force(self._words_of(recipient), senders))

    def confirm(self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True) -> bool:
        if take:
            self._lock()
        elif self._is_absent():
            return False
        found = to_confirm(self._words_of(recipient), senders, within)
        rows = [[storable(recipient), word.key or "", word.moment] for word in found]
        done = "SELECT 1 FROM smsbridge_optout_confirmations WHERE recipient = %s AND sender = %s AND at = %s"
        if not rows or any(self._ask(done, row).fetchone() for row in rows):
            return False
        for row in rows if take else ():
            self._ask(_CONFIRM, row)
        return True

    def everyone(self) -> list[OptOut]:
        """Return all opt-outs in force, ordered by recipient."""
        words: dict[str, dict[str | None, Word]] = {}
        for recipient, *row in [] if self._is_absent() else self._ask(f"{_WORDS} ORDER BY recipient, sender"):
            words.setdefault(recipient, {})[row[0] or None] = _read(row)
        return [out for recipient, known in words.items() for out in shown_of(recipient, known)]

    # --- inside -------------------------------------------------------------------------------------------------------

    def _put(self, rows: Iterable[tuple[str, Word, str]]) -> None:
        self._lock()
        for recipient, said, event in rows:
            if not event or self._is_new(recipient, event):
                words = self._words_of(recipient)
                word = said.among(words)
                if word.outlasts(words.get(word.key)):
                    shown = None if word.sender is None else storable(word.sender)
                    values = [
                        storable(recipient),
                        storable(word.key or ""),
                        shown,
                        word.out,
                        word.moment,
                        storable(word.source),
                    ]
                    self._ask(_PUT, values)

    def _is_new(self, recipient: str, event: str) -> bool:
        put = "INSERT INTO smsbridge_optout_events (recipient, event) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        if not self._ask(put, [storable(recipient), storable(event)]).rowcount:
            return False
        self._ask(_FORGET_EVENTS, [storable(recipient), storable(recipient), MOST_EVENTS])
        return True

    def _words_of(self, recipient: str) -> dict[str | None, Word]:
        return {
            row[1] or None: _read(row[1:]) for row in self._ask(f"{_WORDS} WHERE recipient = %s", [storable(recipient)])
        }

    def _lock(self) -> None:
        """Keep all others from changing the list until the end of this transaction."""
        self._need()
        self._ask(_LOCK)


def _read(row: Sequence[Any]) -> Word:
    _, out, at, shown, source = row
    moment: datetime = at
    return Word(out, moment.astimezone(UTC), shown, source)
