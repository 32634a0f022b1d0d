"""Test how delivery reports change the entries of a store."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from smsbridge.messages import DeliveryReport, Money, SentMessage, Status
from smsbridge.stores.blocking import at_once
from smsbridge.stores.digests import new_ticket, person_of
from smsbridge.stores.entries import Claim, Entry, EntryFilters, Outcome, State

from .entries import KEY, claim, refused, uncertain
from .kit import MOMENTS, Kit, Moment, interrupt

AT = datetime(2030, 1, 31, 12, 0, 5, tzinfo=UTC)
_LEASE = 60.0
_FAILURES = (Status.EXPIRED, Status.CANCELLED, Status.FAILED, Status.UNDELIVERED, Status.REJECTED)


def report(status: Status, *, seconds: float = 0.0, **fields: Any) -> DeliveryReport:
    """Make a delivery report for the text ``order-1``, which account ``acme`` sent with the vendor's id ``vendor-1``.

    ``seconds`` is the time of the report after the moment ``AT``; ``fields`` replace fields of the report.
    """
    final = fields.pop("final", status.final)
    about = {"account": "acme", "provider": "acme", "id": "vendor-1", "reference": "order-1", **fields}
    at = about.pop("at", AT + timedelta(seconds=seconds))
    key = about.pop("key", f"{about['id']}/{status.value}/{final}")
    return DeliveryReport(status=status, final=final, at=at, key=key, **about)


def accepted(of: Claim, *, id: str = "vendor-1", account: str = "acme", **fields: Any) -> Entry:
    """Make the Entry that records that the vendor accepted and queued the text of the Claim ``of``.

    ``id`` is the id that the vendor gave to the text; ``fields`` replace fields of the SentMessage.
    """
    given = {"status": Status.QUEUED, "at": AT, **fields}
    sent = SentMessage(account=account, provider="acme", id=id, reference=of.reference, **given)
    return Entry(claim=of, outcome=Outcome.accepted(sent))


class ReportTests(Kit):
    """Test how delivery reports change the entries, the records of texts, in any store."""

    @pytest.fixture
    def entries(self, store: Any) -> Any:
        return store.entries(keep=self.keep)

    @pytest.fixture
    def begun(self, entries: Any) -> Claim:
        """Record in ``entries`` a text that the vendor accepted, and return the Claim of that text."""
        made = claim()
        at_once(entries.claim([made]))
        entries.record([accepted(made)])
        return made

    def test_a_report_moves_its_text(self, entries: Any, begun: Claim) -> None:
        self._brings(entries, report(Status.DELIVERED, segments=2, price=Money(amount=Decimal("0.01"), unit="USD")))
        standing = self._standing(entries)
        assert (standing.status, standing.final, standing.at) == (Status.DELIVERED, True, AT)
        assert (standing.segments, standing.delivered_at) == (2, AT)
        assert standing.price == Money(amount=Decimal("0.01"), unit="USD")
        assert at_once(entries.find("order-1")).outcome.status is Status.QUEUED

    def test_a_text_never_moves_down(self, entries: Any, begun: Claim) -> None:
        for status in (Status.DELIVERED, Status.SENT, Status.FAILED, Status.QUEUED, Status.UNKNOWN):
            self._brings(entries, report(status))
            assert self._standing(entries).status is Status.DELIVERED
        assert self._standing(entries).sent_at == AT

    @pytest.mark.parametrize("failure", _FAILURES)
    def test_delivered_is_above_each_failure(self, entries: Any, begun: Claim, failure: Status) -> None:
        self._brings(entries, report(failure, code="7", reason="expired"))
        assert (self._standing(entries).status, self._standing(entries).code) == (failure, "7")
        self._brings(entries, report(Status.DELIVERED))
        assert (self._standing(entries).status, self._standing(entries).disputed) == (Status.DELIVERED, False)

    def test_of_two_failures_the_first_stays_and_the_text_is_disputed(self, entries: Any, begun: Claim) -> None:
        self._brings(entries, report(Status.FAILED, code="1"))
        self._brings(entries, report(Status.UNDELIVERED, code="2"))
        standing = self._standing(entries)
        assert (standing.status, standing.code, standing.disputed) == (Status.FAILED, "1", True)

    def test_reports_in_any_order_lead_to_the_same(self, entries: Any) -> None:
        came = [
            report(Status.QUEUED),
            report(Status.SENT, seconds=1),
            report(Status.UNDELIVERED, seconds=2, final=False),
            report(Status.UNDELIVERED, seconds=3),
            report(Status.DELIVERED, seconds=4),
        ]
        order = random.Random(1)  # noqa: S311  # the same each time
        found = set()
        for number in range(12):
            reference = f"order-{number}"
            made = claim(reference)
            at_once(entries.claim([made]))
            entries.record([accepted(made, id=reference)])
            for each in order.sample(came * 2, len(came) * 2):
                key = f"{reference}/{each.key}"
                self._brings(entries, self._of(each, reference=reference, id=reference, key=key))
            standing = self._standing(entries, reference)
            found.add((standing.status, standing.final, standing.sent_at, standing.delivered_at, standing.disputed))
        assert found == {(Status.DELIVERED, True, AT + timedelta(seconds=1), AT + timedelta(seconds=4), False)}

    def test_a_report_that_comes_twice_is_kept_once(self, entries: Any, begun: Claim) -> None:
        first = report(Status.SENT)
        at_once(entries.note([first, first]))
        at_once(entries.note([first]))
        assert [each.status for each in at_once(entries.reports("order-1"))] == [Status.SENT]

    def test_reports_come_back_as_they_came_in_the_order_in_which_they_came(self, entries: Any, begun: Claim) -> None:
        price = Money(amount=Decimal("0.0075"), unit="EUR")
        came = [
            report(Status.UNDELIVERED, seconds=9, code="27", reason="absent", segments=3, price=price, part=True),
            report(Status.SENT, seconds=1),
        ]
        for each in came:
            at_once(entries.note([each]))
        assert at_once(entries.reports("order-1")) == came

    def test_a_report_without_a_time_gets_that_at_which_it_came(self, entries: Any, begun: Claim) -> None:
        self._brings(entries, report(Status.DELIVERED, at=None))
        assert self._standing(entries).delivered_at is not None

    def test_a_report_is_of_the_text_with_its_id_where_it_has_no_reference(self, entries: Any, begun: Claim) -> None:
        self._brings(entries, report(Status.DELIVERED, reference=""))
        assert self._standing(entries).status is Status.DELIVERED
        assert len(at_once(entries.reports("order-1"))) == 1

    def test_a_report_of_another_account_with_the_same_id_is_of_another_text(self, entries: Any, begun: Claim) -> None:
        other = claim("order-2", account="other")
        at_once(entries.claim([other]))
        entries.record([accepted(other, account="other")])
        self._brings(entries, report(Status.DELIVERED, account="other", reference=""))
        assert self._standing(entries, "order-1").status is Status.QUEUED
        assert self._standing(entries, "order-2").status is Status.DELIVERED

    def test_a_report_of_an_account_that_did_not_take_the_text_moves_nothing(self, entries: Any, begun: Claim) -> None:
        self._brings(entries, report(Status.FAILED, account="other"))
        assert self._standing(entries).status is Status.QUEUED

    def test_a_report_of_an_unknown_text_is_kept_and_moves_nothing(self, entries: Any, begun: Claim) -> None:
        assert self._brings(entries, report(Status.DELIVERED, id="vendor-9", reference="order-9")) == []
        assert self._standing(entries).status is Status.QUEUED

    @pytest.mark.parametrize("reference", ["order-1", ""])
    def test_a_report_that_comes_before_the_answer_waits_for_it(self, entries: Any, reference: str) -> None:
        made = claim()
        at_once(entries.claim([made]))
        assert self._brings(entries, report(Status.DELIVERED, reference=reference)) == []
        assert at_once(entries.find("order-1")).state is State.OPEN
        entries.record([accepted(made)])
        (change,) = at_once(entries.fold(["order-1"], ticket=new_ticket(), lease=_LEASE))
        assert (change.entry.standing.status, change.to_tell) == (Status.DELIVERED, True)
        assert self._standing(entries).status is Status.DELIVERED

    def test_a_report_settles_a_text_that_may_have_been_sent(self, entries: Any) -> None:
        made = claim()
        at_once(entries.claim([made]))
        entries.record([uncertain(made)])
        self._brings(entries, report(Status.SENT))
        there = at_once(entries.find("order-1"))
        assert (there.state, there.outcome.id, there.outcome.reason) == (State.ACCEPTED, "vendor-1", "report")
        assert there.standing.status is Status.SENT

    def test_only_a_report_that_it_has_left_settles_a_text_that_was_refused(self, entries: Any) -> None:
        made = claim()
        at_once(entries.claim([made]))
        entries.record([refused(made)])
        self._brings(entries, report(Status.REJECTED))
        assert at_once(entries.find("order-1")).state is State.REFUSED
        self._brings(entries, report(Status.DELIVERED))
        assert at_once(entries.find("order-1")).state is State.ACCEPTED

    def test_a_text_that_is_sent_again_begins_anew(self, entries: Any) -> None:
        old, new = claim(), claim()
        at_once(entries.claim([old]))
        entries.record([refused(old)])
        at_once(entries.claim([new]))
        entries.record([accepted(new, id="vendor-2")])
        self._brings(entries, report(Status.DELIVERED, id="vendor-2"))
        there = at_once(entries.find("order-1"))
        assert (there.claims, there.outcome.id, there.standing.status) == (2, "vendor-2", Status.DELIVERED)

    def test_a_long_text_is_delivered_once_all_its_parts_are(self, entries: Any) -> None:
        made = claim()
        at_once(entries.claim([made]))
        entries.record([accepted(made, segments=2)])
        self._brings(entries, report(Status.DELIVERED, part=True))
        assert self._standing(entries).status is Status.SENT
        self._brings(entries, report(Status.DELIVERED, part=True, id="vendor-2", seconds=1))
        assert self._standing(entries).status is Status.DELIVERED

    @pytest.mark.parametrize("order", [0, 1])
    def test_a_part_that_is_delivered_does_not_hide_one_that_is_not(self, entries: Any, order: int) -> None:
        made = claim()
        at_once(entries.claim([made]))
        entries.record([accepted(made, segments=2)])
        came = [report(Status.DELIVERED, part=True), report(Status.UNDELIVERED, part=True, id="vendor-2")]
        for each in came if order else reversed(came):
            self._brings(entries, each)
        assert self._standing(entries).status is Status.UNDELIVERED

    def test_each_change_is_returned_until_it_was_told(self, entries: Any, begun: Claim) -> None:
        first, second = new_ticket(), new_ticket()
        changes = self._brings(entries, report(Status.SENT), ticket=first)
        assert [change.entry.standing.status for change in changes] == [Status.SENT]
        assert self._brings(entries, report(Status.SENT), ticket=second) == []  # the first one is about to tell
        entries.told(changes, first, done=False)
        changes = self._brings(entries, report(Status.SENT), ticket=second)
        assert len(changes) == 1
        entries.told(changes, second, done=True)
        assert self._brings(entries, report(Status.SENT), ticket=first) == []
        assert len(self._brings(entries, report(Status.DELIVERED), ticket=first)) == 1

    def test_a_change_that_comes_while_another_is_told_is_returned_afterwards(self, entries: Any, begun: Claim) -> None:
        first, second = new_ticket(), new_ticket()
        changes = self._brings(entries, report(Status.SENT), ticket=first)
        assert self._brings(entries, report(Status.DELIVERED), ticket=second) == []
        entries.told(changes, first, done=True)
        (change,) = self._brings(entries, report(Status.DELIVERED), ticket=first)
        assert change.entry.standing.status is Status.DELIVERED

    def test_a_lease_ends_the_telling_of_a_dead_process(self, entries: Any, begun: Claim) -> None:
        at_once(entries.note([report(Status.SENT)]))
        (change,) = at_once(entries.fold(["order-1"], [("acme", "vendor-1")], ticket="dead", lease=0.0))
        assert change.to_tell
        assert len(self._brings(entries, report(Status.SENT), ticket="alive")) == 1

    @pytest.mark.parametrize("moment", MOMENTS)
    def test_a_change_whose_question_was_interrupted_is_returned_again(
        self, entries: Any, begun: Claim, moment: Moment
    ) -> None:
        came, ids = report(Status.SENT), [("acme", "vendor-1")]
        at_once(entries.note([came]))
        goes_on = interrupt(entries.fold(["order-1"], ids, ticket="gone", lease=_LEASE), moment)
        goes_on()
        entries.let_go(["order-1"], ids, "gone")
        assert len(self._brings(entries, came)) == 1

    def test_what_the_answer_said_is_not_a_change(self, entries: Any) -> None:
        made = claim()
        at_once(entries.claim([made]))
        entries.record([accepted(made, status=Status.SENT)])
        assert self._brings(entries, report(Status.SENT)) == []
        assert self._brings(entries, report(Status.QUEUED)) == []

    def test_context_and_what_a_setting_keeps_come_back(self, entries: Any) -> None:
        made = self._claimed(
            entries, context={"customer": "41", "größe": "\u2603"}, number="+919876543210", text="Hi \U0001f642"
        )
        there = at_once(entries.find("order-1")).claim
        assert (there.context, there.number, there.text) == (made.context, made.number, made.text)

    def test_texts_are_found_by_status_number_and_time(self, entries: Any, begun: Claim) -> None:
        at_once(entries.claim([claim("order-2")]))
        self._brings(entries, report(Status.DELIVERED))
        assert self._found(entries, statuses=[Status.DELIVERED, Status.FAILED]) == ["order-1"]
        assert self._found(entries, statuses=[Status.FAILED]) == []
        assert self._found(entries, final=True) == ["order-1"]
        assert self._found(entries, final=False) == []
        assert self._found(entries, person=person_of(KEY, "+919876543210")) == ["order-1", "order-2"]
        assert self._found(entries, person=person_of(KEY, "+919876543211")) == []

    def _claimed(self, entries: Any, **fields: Any) -> Claim:
        made = replace(claim(), **fields)
        at_once(entries.claim([made]))
        return made

    def _brings(self, entries: Any, came: DeliveryReport, ticket: str | None = "teller") -> list[Any]:
        """A webhook brings a report, as a ledger takes it in; returns the changes."""
        at_once(entries.note([came]))
        references = [came.reference] if came.reference else []
        changes = at_once(entries.fold(references, [(came.account, came.id)], ticket=ticket, lease=_LEASE))
        untold = [change for change in changes if change.to_tell]
        if ticket == "teller":
            entries.told(untold, ticket, done=True)
        return untold

    def _standing(self, entries: Any, reference: str = "order-1") -> Any:
        return at_once(entries.find(reference)).standing

    def _of(self, came: DeliveryReport, **fields: Any) -> DeliveryReport:
        return replace(came, **fields)

    def _found(self, entries: Any, **wanted: Any) -> list[str]:
        return [entry.claim.reference for _, entry in at_once(entries.page(EntryFilters(**wanted)))]


class SharedReportTests(Kit):
    """Test that a process sees the delivery reports that another process adds to the same store."""

    def test_a_report_that_another_process_brings_moves_the_text(self, tmp_path: Any) -> None:
        entries = self.open(tmp_path).entries(keep=self.keep)
        assert entries is not None
        made = claim()
        at_once(entries.identify(None))
        at_once(entries.claim([made]))
        entries.record([accepted(made)])
        entries.close()
        others = self.open(tmp_path).entries(keep=self.keep)
        assert others is not None
        at_once(others.note([report(Status.DELIVERED)]))
        assert len(at_once(others.fold(["order-1"], ticket="other", lease=_LEASE))) == 1
        others.close()
        there = at_once(entries.find("order-1"))
        assert there is not None
        assert there.standing is not None
        assert there.standing.status is Status.DELIVERED
        entries.close()
