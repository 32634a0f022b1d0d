"""Keep the delivery reports that a ledger gets, and answer questions about the texts that it keeps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self, TypeVar

from pydantic import PrivateAttr

from smsbridge.errors import ConfigurationError
from smsbridge.flow import Call, Flow
from smsbridge.forks import cached_property
from smsbridge.history import History, TextRecord, Wanted
from smsbridge.logs import logger
from smsbridge.messages import DeliveryReport, Event
from smsbridge.policies.policy import Policy
from smsbridge.promise import Overdue
from smsbridge.provider import Capability
from smsbridge.stores.entries import (
    Change,
    Entry,
    EntryFilters,
    Outcome,
    State,
    Unwritable,
    new_ticket,
    person_of,
    unicode,
)
from smsbridge.stores.folding import proven, taker_of
from smsbridge.stores.kept import FileEntries
from smsbridge.stores.seam import Entries

from .records import record_of

T = TypeVar("T")
_log = logger("smsbridge.ledger")
_LEASE = 60.0
"""Seconds in which a process tells of a change, before another one may."""


class Reporting(Policy):
    """Base of the ledger policy that handles delivery reports: it keeps them, tells hooks, and answers questions."""

    _tell: Callable[[str, str, TextRecord], None] | None = PrivateAttr(default=None)

    def telling(self, tell: Callable[[str, str, TextRecord], None]) -> Self:
        """Make this policy call ``tell`` for each text whose status a delivery report changed. Returns this policy.

        ``tell`` gets the account that was asked, the provider and the TextRecord. In a client from the environment,
        ``tell`` is ``Plugins.status_changed``.
        """
        self._tell = tell
        return self

    @abstractmethod
    def _entries(self) -> Entries:
        """Where the entries are kept."""

    @abstractmethod
    def _identified(self) -> Flow[bytes]:
        """The key of the hashes."""

    # --- reports ------------------------------------------------------------------------------------------------------

    def observe(self, event: Event) -> Flow[Event | None]:
        """Keep the delivery report ``event`` in the ledger, update the status of its text, and then tell hooks.

        The change is kept first, so that hooks are told of nothing that could be lost. Returns the event, with the
        reference and context of its text if the ledger knows that text. Events other than delivery reports are returned
        unchanged.
        """
        known = (yield from super().observe(event)) or event
        if not isinstance(known, DeliveryReport):
            return known
        report = replace(known, key=known.key or _key(known), reference=unicode(known.reference), id=unicode(known.id))
        yield from self._entries().note([report])
        found = yield from self._fold([report.reference] if report.reference else [], [(report.account, report.id)])
        about = [entry.claim for entry in found if entry.outcome is None or taker_of(entry) == report.account]
        if len(about) != 1:
            return known
        return replace(known, reference=about[0].reference, context=about[0].context)

    def _fold(self, references: Sequence[str], ids: Sequence[tuple[str, str]]) -> Flow[list[Entry]]:
        """Move these texts as their reports say, and tell of those that came further. Returns their entries."""
        entries, ticket = self._entries(), None if self._tell is None else new_ticket()
        changes = yield from self._moved(references, ids, ticket)
        known = {change.entry.claim.reference: change.entry for change in changes}
        while ticket is not None and (untold := [change for change in changes if change.to_tell]):
            for place, change in enumerate(untold):
                done = False
                try:
                    yield from Call(self._told, change.entry)
                    done = True
                finally:
                    entries.told([change] if done else untold[place:], ticket, done=done)
            # Meanwhile another process may have moved them, and left that to tell to this one.
            ids = [(taker_of(change.entry), change.entry.outcome.id) for change in untold if change.entry.outcome]
            changes = yield from self._moved((), ids, ticket)
            known |= {change.entry.claim.reference: change.entry for change in changes}
        return list(known.values())

    def _moved(
        self, references: Sequence[str], ids: Sequence[tuple[str, str]], ticket: str | None
    ) -> Flow[list[Change]]:
        """Ask the store to move these texts. After an interruption, another one may tell what this one was to tell."""
        answered = False
        try:
            changes = yield from self._entries().fold(references, ids, ticket=ticket, lease=_LEASE)
            answered = True
        finally:
            if ticket is not None and not answered:
                self._entries().let_go(references, ids, ticket)
        return changes

    def _told(self, entry: Entry) -> None:
        if self._tell is not None:
            record = record_of(entry)
            self._tell(self.account, record.provider or self._vendor, record)

    def _catch_up(self, references: Sequence[str]) -> Flow[None]:
        """Look for reports that came before the answers to these texts. Their outcomes stay what they are."""
        if not references or not self._may_report:
            return
        try:
            yield from self._fold(references, [])
        # The store has logged why it cannot be asked; the next report of the text moves it.
        except (Unwritable, Overdue):
            return
        except Exception as problem:  # noqa: BLE001  # of a hook, whose words may quote anything
            _log.error("a hook failed for a report that came early: %s", type(problem).__name__)

    @cached_property
    def _may_report(self) -> bool:
        """Whether a vendor inside sends reports."""
        return Capability.WEBHOOKS in self.inner.capabilities

    # --- looking ------------------------------------------------------------------------------------------------------

    def history(self, reference: str) -> Flow[History | None]:
        """Return the text under ``reference`` with its delivery reports; None if the ledger does not know it.

        Raises ConfigurationError if the store cannot be asked.
        """
        if self._is_empty():
            return None
        reference = unicode(reference)
        entry = yield from self._read(lambda: self._entries().find(reference))
        if entry is None:
            return None
        reports = yield from self._read(lambda: self._entries().reports(reference))
        return History(text=record_of(entry), reports=tuple(self._known_report(report, entry) for report in reports))

    def page(self, wanted: Wanted, *, after: int = 0, limit: int = 500) -> Flow[list[tuple[int, TextRecord]]]:
        """Return at most ``limit`` texts that match ``wanted``, each with its number in the ledger.

        The numbers count up; only texts with a number above ``after`` are returned. Raises ConfigurationError if the
        store cannot be asked.
        """
        if self._is_empty():
            return []
        person = None
        if wanted.to is not None:
            person = person_of((yield from self._read(self._identified)), wanted.to)
        filters = EntryFilters(
            account=wanted.account,
            states=wanted.states,
            statuses=wanted.statuses,
            final=wanted.final,
            person=person,
            within=wanted.within,
            beyond=wanted.beyond,
        )
        found = yield from self._read(lambda: self._entries().page(filters, after=after, limit=limit))
        return [(number, record_of(entry)) for number, entry in found]

    # --- settling -----------------------------------------------------------------------------------------------------

    def settle(self, reference: str, state: State) -> Flow[State | None]:
        """Settle a text in doubt as accepted or refused, which a person knows from elsewhere.

        Returns its state then; None if nothing is kept under ``reference``. Reports that prove that the text was
        accepted count more, and a settled text is never changed. Raises ConfigurationError if the store cannot be
        asked.
        """
        if not state.settled:
            raise ValueError("a text is settled as accepted or refused")
        reference = unicode(reference)
        entry = None if self._is_empty() else (yield from self._read(lambda: self._entries().find(reference)))
        if entry is None:
            return None
        if entry.state.settled:
            return entry.state
        reports = yield from self._read(lambda: self._entries().reports(reference))
        said = Outcome.refused("operator") if state is State.REFUSED else Outcome.accepted(None, reason="operator")
        settled = Entry(claim=entry.claim, outcome=proven(entry, reports) or said)
        yield from self._read(lambda: self._entries().settle([settled]))
        yield from self._catch_up([reference])
        after = yield from self._read(lambda: self._entries().find(reference))
        return None if after is None else after.state

    def _is_empty(self) -> bool:
        """Whether no file was made yet, which no look makes."""
        entries = self._entries()
        return isinstance(entries, FileEntries) and not entries.is_made

    def _read(self, ask: Callable[[], Flow[T]]) -> Flow[T]:
        try:
            return (yield from ask())
        except (Unwritable, Overdue) as error:
            problem = str(error)
        raise ConfigurationError(f"the ledger cannot be read: {problem}")

    def _known_report(self, report: DeliveryReport, entry: Entry) -> DeliveryReport:
        claim = entry.claim
        return replace(report, reference=claim.reference, to=claim.number or claim.to, context=claim.context)


def _key(report: DeliveryReport) -> str:
    """What a report without a key is known by when it comes again."""
    return "/".join((report.id, report.status.value, str(report.final), report.code or ""))
