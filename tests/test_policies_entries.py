"""The content of a ledger: claims, outcomes and entries."""

from __future__ import annotations

import os
import re
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgres_server import postgres_book
from scripted import TO, message
from smsbridge.errors import (
    AuthenticationError,
    ContentError,
    FundsError,
    OptedOutError,
    ProviderBugError,
    RateLimitedError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.messages import Money, Result, SentMessage, Status, Verification
from smsbridge.stores import entries as room
from smsbridge.stores.entries import Claim, Entry, Kind, Outcome, State, digest
from smsbridge.stores.memory import MemoryBook
from smsbridge.stores.sqlite import SqliteBook

KEY = b"k" * 32
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ERRORS = [
    AuthenticationError,
    ContentError,
    FundsError,
    OptedOutError,
    ProviderBugError,
    RateLimitedError,
    UnavailableError,
    UnsupportedError,
    UncertainError,
]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request, tmp_path):
    if request.param == "memory":
        book = MemoryBook()
    else:
        book = SqliteBook(tmp_path / "ledger.db") if request.param == "sqlite" else postgres_book(request, tmp_path)
    yield book
    book.close()


def claim(**fields):
    return Claim.of(message(**fields), account="scripted", kind=Kind.TEXT, key=KEY)


# --- outcomes -------------------------------------------------------------------------------------------------------------


def test_what_is_accepted_or_refused_is_settled():
    assert {state: state.settled for state in State} == {
        State.OPEN: False,
        State.UNCERTAIN: False,
        State.ACCEPTED: True,
        State.REFUSED: True,
    }


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize(("account", "provider"), [("otp", "acme"), (None, None)])
def test_of_an_error_its_class_its_account_its_code_and_its_reason_are_kept(kind, account, provider):
    error = kind("words that are not kept", code="c-1", reason="r-1")
    error.account, error.provider = account, provider
    outcome = Outcome.of(Result(index=0, message=message(), error=error))
    assert outcome.state is (State.UNCERTAIN if kind is UncertainError else State.REFUSED)
    assert (outcome.error, outcome.code, outcome.reason) == (kind.__name__, "c-1", "r-1")
    assert (outcome.taker, outcome.provider) == (account or "", provider or "")
    assert "words" not in repr(outcome)


@pytest.mark.parametrize(
    ("given", "kept"),
    [(None, None), ("", ""), ("x" * 64, "x" * 64), ("x" * 65, "x" * 64), (21, "21"), ("half \ud83d", "half \\ud83d")],
)
def test_a_code_of_a_vendor_is_kept_short_and_whole(given, kept):
    outcome = Outcome.of(Result(index=0, message=message(), error=ContentError(code=given, reason=given)))
    assert (outcome.code, outcome.reason) == (kept, kept)


def test_a_number_in_a_code_is_masked():
    outcome = Outcome.of(Result(index=0, message=message(), error=ContentError(code=f"bad {TO}")))
    assert TO not in outcome.code
    assert outcome.code.startswith("bad +91")


SENT = SentMessage(
    account="otp",
    provider="acme",
    id="v-1",
    to=TO,
    reference="ref-1",
    status=Status.SENT,
    segments=2,
    price=Money(amount=Decimal("0.250"), unit="INR"),
    at=NOON,
)
CODE = Verification(account="otp", provider="acme", id="v-1", to=TO, reference="ref-1", expires_at=NOON)


@pytest.mark.parametrize("reason", [None, "lookup"])
@pytest.mark.parametrize("sent", [SENT, CODE, None])
def test_what_was_accepted_is_answered_again_as_it_was(store, sent, reason):
    mine = claim()
    with store.together():
        store.claim([mine])
        store.record([Entry(claim=mine, outcome=Outcome.accepted(sent, reason=reason))])
        entry = store.find("ref-1")
    assert (entry.state, entry.outcome.reason, entry.outcome.error) == (State.ACCEPTED, reason, None)
    if sent is SENT:
        assert entry.sent_message(TO) == replace(SENT, repeated=True)
    elif sent is CODE:
        assert entry.verification(TO) == replace(CODE, repeated=True)


@pytest.mark.parametrize("outcome", [None, Outcome.accepted(None, reason="operator")], ids=["open", "by hand"])
def test_of_what_is_only_known_to_be_accepted_the_account_is_that_of_the_claim(outcome):
    entry = Entry(claim=claim(), outcome=outcome)
    sent, code = entry.sent_message(TO), entry.verification(TO)
    for answer in (sent, code):
        assert (answer.account, answer.provider, answer.id, answer.to) == ("scripted", "", "", TO)
        assert (answer.reference, answer.repeated) == ("ref-1", True)
    assert (sent.status, sent.segments, sent.price, sent.at, code.expires_at) == (
        Status.UNKNOWN,
        None,
        None,
        None,
        None,
    )


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # they get one
WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
OUTCOMES = st.builds(
    Outcome,
    state=st.sampled_from([State.ACCEPTED, State.REFUSED, State.UNCERTAIN]),
    at=MOMENTS,
    taker=WORDS,
    provider=WORDS,
    id=WORDS,
    status=st.none() | st.sampled_from(Status),
    segments=st.none() | st.integers(0, 9),
    price=st.none() | st.builds(Money, amount=st.decimals(0, 99, places=3), unit=st.just("INR")),
    accepted_at=st.none() | MOMENTS,
    expires_at=st.none() | MOMENTS,
    error=st.none() | WORDS,
    code=st.none() | WORDS,
    reason=st.none() | WORDS,
)


def near(number, other):
    """Files keep times as seconds."""
    return (number is None and other is None) or abs(number - other) < timedelta(milliseconds=1)


@given(OUTCOMES)
def test_all_that_is_recorded_is_read_again(tmp_path_factory, outcome):
    kept = SqliteBook(tmp_path_factory.mktemp("kept") / "ledger.db")
    mine = claim()
    with kept.together():
        kept.claim([mine])
        kept.record([Entry(claim=mine, outcome=outcome)])
        entry = kept.find("ref-1")
    kept.close()
    times = {name: getattr(outcome, name) for name in ("at", "accepted_at", "expires_at")}
    assert all(near(getattr(entry.outcome, name), time) for name, time in times.items())
    assert replace(entry.outcome, **times) == outcome
    assert (replace(entry.claim, at=mine.at), entry.claims) == (mine, 1)
    assert near(entry.claim.at, mine.at)


def test_claims_are_counted_also_while_the_last_one_is_open(store):
    for count in (1, 2, 3):
        mine = claim()
        with store.together():
            assert store.claim([mine]) == [None]
            assert (store.find("ref-1").claims, store.find("ref-1").state) == (count, State.OPEN)
            store.record([Entry(claim=mine, outcome=Outcome.refused("spam"))])
            assert (store.find("ref-1").claims, store.find("ref-1").state) == (count, State.REFUSED)


# --- entries --------------------------------------------------------------------------------------------------------------


def test_a_state_is_as_old_as_what_brought_it_about():
    mine = replace(claim(), at=NOON)
    later = NOON + timedelta(hours=1)
    assert Entry(claim=mine).since == NOON
    assert Entry(claim=mine, outcome=replace(Outcome.refused("spam"), at=later)).since == later


@pytest.mark.parametrize("state", State)
def test_only_the_same_text_takes_the_place_of_what_was_refused(state):
    outcome = None if state is State.OPEN else replace(Outcome.refused("spam"), state=state)
    entry = Entry(claim=claim(), outcome=outcome)
    assert entry.gives_way_to(claim()) is (state is State.REFUSED)
    assert entry.gives_way_to(claim(text="another")) is False


@pytest.mark.parametrize("reason", ["absent", "operator", "cancelled"])
def test_a_refusal_that_no_attempt_brought_says_who_knows_it(reason):
    outcome = Outcome.refused(reason)
    assert (outcome.state, outcome.reason, outcome.error) == (State.REFUSED, reason, "RefusedError")


@pytest.mark.parametrize(
    ("state", "passed", "proof", "proven"),
    [
        (State.UNCERTAIN, 60, timedelta(seconds=60), True),
        (State.UNCERTAIN, 59.9, timedelta(seconds=60), False),
        (State.UNCERTAIN, 10**6, None, False),
        (State.REFUSED, 10**6, timedelta(0), False),
        (State.OPEN, 10**6, timedelta(0), False),
    ],
)
def test_absence_is_proven_of_what_has_been_uncertain_for_so_long(monkeypatch, state, passed, proof, proven):
    outcome = None if state is State.OPEN else replace(Outcome.refused("x"), state=state, at=NOON)
    monkeypatch.setattr(room, "utc_now", lambda: NOON + timedelta(seconds=passed))
    assert Entry(claim=replace(claim(), at=NOON), outcome=outcome).proven_absent(proof) is proven


@pytest.mark.parametrize("kind", [Claim, Outcome, Entry])
def test_an_entry_and_its_parts_are_made_by_name(kind):
    assert all(field.kw_only for field in fields(kind))


# --- claims ---------------------------------------------------------------------------------------------------------------


def test_a_claim_is_told_from_all_others_by_its_process_a_word_of_it_and_a_number():
    tokens = [claim().token for _ in "123"]
    parts = [re.fullmatch(r"(\d+)-([0-9a-f]{12})-(\d+)", token).groups() for token in tokens]
    assert {process for process, _, _ in parts} == {str(os.getpid())} == {claim().process}
    assert len({word for _, word, _ in parts}) == 1
    assert [int(number) - int(parts[0][2]) for _, _, number in parts] == [0, 1, 2]


def test_a_process_with_the_number_of_an_earlier_one_has_another_word(monkeypatch):
    mine = claim().token
    for process in (os.getpid() + 1, os.getpid()):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        assert claim().token.split("-")[0] == str(process)
    assert claim().token.split("-")[1] != mine.split("-")[1]


def test_a_claim_holds_a_masked_number_and_a_reference_that_a_store_can_take():
    assert claim(reference=None).reference == ""
    assert claim(reference="half \ud83d").reference == "half \\ud83d"
    assert TO not in repr(claim())


SAME = [
    ({"acme": {"a": 1, "b": 2}}, {"acme": {"b": 2, "a": 1}}),
    ({"acme": {"a": {"x": 1}}}, MappingProxyType({"acme": MappingProxyType({"a": MappingProxyType({"x": 1})})})),
    ({"acme": {"a": {"x", "y", "z"}}}, {"acme": {"a": frozenset({"z", "y", "x"})}}),
    ({"acme": {"a": {1, "y", None}}}, {"acme": {"a": {None, 1, "y"}}}),
    ({"acme": {"a": Decimal("1.50")}}, {"acme": {"a": Decimal("1.50")}}),
]
DIFFERENT = [
    ({"acme": {"a": 1}}, {"acme": {"a": 2}}),
    ({"acme": {"a": {"x"}}}, {"acme": {"a": {"y"}}}),
    ({"acme": MappingProxyType({"a": 1})}, {"acme": MappingProxyType({"a": 2})}),
    ({"acme": {"a": date(2030, 1, 1)}}, {"acme": {"a": date(2030, 1, 2)}}),
    ({"acme": {"a": Decimal("1.5")}}, {"acme": {"a": Decimal("1.6")}}),
    ({}, {"acme": {}}),
]


@pytest.mark.parametrize(("first", "second"), [*SAME, *DIFFERENT])
def test_options_of_any_kind_are_part_of_a_content_and_their_order_is_not(first, second):
    first_digest, other = (digest(KEY, message(options=options), Kind.TEXT) for options in (first, second))
    assert (first_digest == other) is ((first, second) in SAME)
