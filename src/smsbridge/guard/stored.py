"""Count the caps of a guard in a store."""

from __future__ import annotations

from collections.abc import Mapping

from smsbridge.flow import Flow
from smsbridge.messages import Message
from smsbridge.stores.caps import KEYS, Full
from smsbridge.stores.choice import CountersAt
from smsbridge.stores.entries import new_ticket
from smsbridge.stores.gcra import Rate
from smsbridge.stores.seam import Cap

_LEASE = 900.0
"""Seconds after which a text on its way counts as sent, since its process may be gone."""


class StoredCaps:
    """Count the texts of a guard in a store, and compare the counts with the guard's caps.

    ``counters`` returns the counters of the store. ``rates`` has the highest count and the time for each kind of cap.
    ``scope`` is part of each key in the store, so that guards of other accounts have counts of their own.
    """

    def __init__(self, counters: CountersAt, scope: str, rates: Mapping[str, Rate], remembers: int) -> None:
        self._counters = counters
        self._scope = scope
        self._rates = rates
        self._remembers = remembers
        self._tickets: dict[int, list[str]] = {}
        """By the id of a message object: the same message may be on its way twice."""

    def peek(self, number: str) -> Flow[Full | None]:
        """Return the first cap that would refuse a text to ``number``; None if no cap would. Counts nothing."""
        return self._counters().peek(self._caps(number))

    def take(self, message: Message) -> Flow[Full | None]:
        """Count ``message`` under each cap and return None; if a cap is full, count nothing and return that cap."""
        ticket = new_ticket()
        self._tickets.setdefault(id(message), []).append(ticket)
        full = yield from self._counters().take(ticket, self._caps(message.to), _LEASE)
        if full is not None:
            self._pop(message, ticket)
        return full

    def end(self, message: Message, *, sent: bool) -> None:
        """Record that the send of ``message`` has ended, also if it was interrupted.

        If it was not ``sent``, it no longer counts under any cap.
        """
        tickets = self._tickets.get(id(message))
        ticket = tickets[-1] if tickets else None  # an interruption may come before its first ticket is noted
        if ticket is not None:
            self._counters().give_back(ticket, sent=sent)
        self._pop(message, ticket)

    def close(self) -> None:
        """Close the counters of the store, if they were opened."""
        self._counters.close()

    def _pop(self, message: Message, ticket: str | None) -> None:
        tickets = self._tickets.get(id(message), [])
        if ticket in tickets:
            tickets.remove(ticket)
        if not tickets:
            self._tickets.pop(id(message), None)

    def _caps(self, number: str) -> list[Cap]:
        return [
            Cap(scope=self._scope, kind=kind, key=key(number), rate=self._rates[kind], remembers=self._remembers)
            for kind, key in KEYS.items()
            if kind in self._rates
        ]
