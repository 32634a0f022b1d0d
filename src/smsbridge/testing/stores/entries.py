"""Test the entries of a store, in which a ledger records texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from smsbridge.attempts import utc_now
from smsbridge.errors import ConfigurationError
from smsbridge.messages import Message, Money, SentMessage, Status
from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import Claim, Entry, EntryFilters, Kind, Outcome, State

from .kit import MOMENTS, Kit, Moment, interrupt

KEY = b"0123456789abcdef"
SENT = SentMessage(
    account="acme",
    provider="acme",
    id="vendor-1",
    to="+919876543210",
    reference="order-1",
    status=Status.QUEUED,
    segments=2,
    price=Money(amount=Decimal("0.0075"), unit="USD"),
    at=datetime(2030, 1, 31, 12, 0, 1, 500_000, tzinfo=UTC),
)


def claim(reference: str = "order-1", text: str = "Your order has shipped", account: str = "acme") -> Claim:
    """Make a Claim, the record of a text that is about to be sent through ``account`` under ``reference``."""
    message = Message(to="+919876543210", text=text, reference=reference)
    return Claim.of(message, account=account, kind=Kind.TEXT, key=KEY)


def accepted(of: Claim) -> Entry:
    """Make the Entry that records that the vendor accepted the text of the Claim ``of``."""
    return Entry(claim=of, outcome=Outcome.accepted(SENT))


def refused(of: Claim) -> Entry:
    """Make the Entry that records that the vendor refused the text of the Claim ``of``."""
    return Entry(claim=of, outcome=Outcome.refused("rejected"))


def uncertain(of: Claim) -> Entry:
    """Make the Entry that records that the text of the Claim ``of`` may have been sent, but no answer says so."""
    return Entry(claim=of, outcome=Outcome(state=State.UNCERTAIN, at=utc_now()))


class EntryTests(Kit):
    """Test how a store keeps entries, the records of texts, within one process."""

    @pytest.fixture
    def entries(self, store: Any) -> Iterator[Any]:
        entries = store.entries(keep=self.keep)
        yield entries
        entries.close()

    def test_a_reference_is_claimed_once(self, entries: Any) -> None:
        first = claim()
        assert at_once(entries.claim([first])) == [None]
        (there,) = at_once(entries.claim([claim()]))
        assert (there.claim.token, there.state) == (first.token, State.OPEN)

    def test_the_second_of_two_claims_in_one_question_is_in_the_way_of_the_first(self, entries: Any) -> None:
        first, second = at_once(entries.claim([claim(), claim()]))
        assert first is None
        assert second is not None

    def test_what_is_recorded_is_seen_by_the_next_question(self, entries: Any) -> None:
        for number in range(20):
            text_claim = claim(f"order-{number}")
            at_once(entries.claim([text_claim]))
            entries.record([accepted(text_claim)])
            assert at_once(entries.find(text_claim.reference)).state is State.ACCEPTED

    def test_an_entry_comes_back_as_it_was_told(self, entries: Any) -> None:
        text_claim = claim("Bestellung \u00e4\u20ac\U0001f642")
        at_once(entries.claim([text_claim]))
        entries.record([accepted(text_claim)])
        there = at_once(entries.find(text_claim.reference))
        at = timedelta(milliseconds=1)
        assert abs(there.claim.at - text_claim.at) < at
        assert replace(there.claim, at=text_claim.at) == text_claim
        assert there.claim.content == text_claim.content
        told = Outcome.accepted(SENT)
        assert abs(there.outcome.at - told.at) < timedelta(minutes=1)
        assert replace(there.outcome, at=told.at) == told

    def test_what_was_refused_gives_way_to_the_same_text_and_to_no_other(self, entries: Any) -> None:
        text_claim = claim()
        at_once(entries.claim([text_claim]))
        entries.record([refused(text_claim)])
        assert at_once(entries.claim([claim(text="Another text")]))[0].state is State.REFUSED
        again = claim()
        assert at_once(entries.claim([again])) == [None]
        there = at_once(entries.find(text_claim.reference))
        assert (there.claim.token, there.claims, there.state) == (again.token, 2, State.OPEN)

    def test_an_outcome_whose_claim_has_given_way_is_ignored(self, entries: Any) -> None:
        old, new = claim(), claim()
        at_once(entries.claim([old]))
        entries.record([refused(old)])
        at_once(entries.claim([new]))
        entries.record([accepted(old)])
        assert at_once(entries.find("order-1")).state is State.OPEN

    def test_what_is_settled_stays_but_for_an_accepted_text(self, entries: Any) -> None:
        text_claim = claim()
        at_once(entries.claim([text_claim]))
        assert at_once(entries.settle([uncertain(text_claim)])) == 1
        assert at_once(entries.settle([refused(text_claim)])) == 1
        assert at_once(entries.settle([uncertain(text_claim)])) == 0
        assert at_once(entries.settle([accepted(text_claim)])) == 1
        assert at_once(entries.settle([refused(text_claim)])) == 0
        assert at_once(entries.find("order-1")).state is State.ACCEPTED

    @pytest.mark.parametrize("moment", MOMENTS)
    def test_an_interrupted_claim_that_is_released_blocks_no_other_claim(self, entries: Any, moment: Moment) -> None:
        at_once(entries.identify(KEY))
        text_claim = claim()
        goes_on = interrupt(entries.claim([text_claim]), moment)
        entries.release([text_claim])
        goes_on()
        assert at_once(entries.claim([claim()])) == [None]

    def test_a_reference_without_a_claim_is_not_found(self, entries: Any) -> None:
        assert at_once(entries.find("order-1")) is None

    def test_the_key_of_the_hashes_is_kept_and_another_is_refused(self, entries: Any) -> None:
        made = at_once(entries.identify(None))
        assert len(made) >= 16
        assert at_once(entries.identify(None)) == made
        with pytest.raises(ConfigurationError):
            at_once(entries.identify(b"another-key-of-16"))

    def test_pages_are_in_the_order_of_the_claims_and_keep_to_what_is_asked(self, entries: Any) -> None:
        claims = [claim(f"order-{number}", account="acme" if number % 2 else "other") for number in range(7)]
        at_once(entries.claim(claims))
        entries.record([accepted(claims[1]), uncertain(claims[3])])
        pages: list[list[str]] = []
        after = 0
        while page := at_once(entries.page(after=after, limit=3)):
            after = page[-1][0]
            pages += [[entry.claim.reference for _, entry in page]]
        assert [reference for page in pages for reference in page] == [claimed.reference for claimed in claims]
        assert max(map(len, pages)) == 3
        assert self._found(entries, account="other") == ["order-0", "order-2", "order-4", "order-6"]
        assert self._found(entries, states=[State.ACCEPTED, State.UNCERTAIN]) == ["order-1", "order-3"]
        assert self._found(entries, reference="order-5") == ["order-5"]
        assert self._found(entries, within=-3600.0) == []
        assert self._found(entries, within=3600.0) == [claimed.reference for claimed in claims]

    def test_what_is_settled_is_pruned_and_nothing_else(self, entries: Any) -> None:
        claims = [claim(f"order-{number}") for number in range(4)]
        at_once(entries.claim(claims))
        entries.record([accepted(claims[0]), refused(claims[1]), uncertain(claims[2])])
        assert at_once(entries.prune(3600.0, 10)) == 0
        # A store that ends with its process may keep all entries.
        if at_once(entries.prune(-3600.0, 1)):
            assert at_once(entries.prune(-3600.0, 10)) == 1
            assert self._found(entries) == ["order-2", "order-3"]

    def test_it_may_be_closed_and_used_again(self, entries: Any) -> None:
        text_claim = claim()
        at_once(entries.claim([text_claim]))
        entries.record([accepted(text_claim)])
        entries.close()
        assert at_once(entries.find("order-1")).state is State.ACCEPTED
        entries.close()

    def _found(self, entries: Any, **wanted: Any) -> list[str]:
        return [entry.claim.reference for _, entry in at_once(entries.page(EntryFilters(**wanted)))]


class SharedEntryTests(Kit):
    """Test how a store keeps entries, the records of texts, if several processes share the store."""

    def test_what_one_process_recorded_another_knows(self, tmp_path: Any) -> None:
        entries = self.open(tmp_path).entries(keep=self.keep)
        assert entries is not None
        text_claim = claim()
        key = at_once(entries.identify(None))
        at_once(entries.claim([text_claim]))
        entries.record([accepted(text_claim)])
        entries.close()
        others = self.open(tmp_path).entries(keep=self.keep)
        assert others is not None
        assert at_once(others.identify(None)) == key
        (there,) = at_once(others.claim([claim()]))
        assert there is not None
        assert there.state is State.ACCEPTED
        others.close()
