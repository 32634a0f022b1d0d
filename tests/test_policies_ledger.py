"""The ledger: a text is recorded before it leaves, and sent once; in doubt, it is not sent again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import multiprocessing
import os
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partialmethod
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from postgres_server import postgres_book
from scripted import OK, TEXT, TO, AsyncWire, BatchProvider, HttpProvider, Wire, forget_writers, interrupt, message
from smsbridge import AsyncSmsClient, Settings, SmsClient
from smsbridge.attempts import attempt, attempt_each, foresee
from smsbridge.composite import each, inside
from smsbridge.errors import (
    ConfigurationError,
    ContentError,
    NoAnswer,
    NotConnected,
    RefusedError,
    SendError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.http import Await, HttpRequest, HttpResponse
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import Dlt, Message, Money, Purpose, Result, SentMessage, Status, Verification
from smsbridge.own_file import OwnFile
from smsbridge.plugins import Plugins
from smsbridge.policies.retry import RetryPolicy
from smsbridge.promise import Overdue, Promise
from smsbridge.provider import Capability, SmsProvider, vendor_of
from smsbridge.rehearsal import Rehearsal
from smsbridge.stores import entries as entries_room
from smsbridge.stores import sqlite, sqlite_file, writer
from smsbridge.stores.entries import Claim, Entry, EntryFilters, Kind, Outcome, State, Unwritable, digest
from smsbridge.stores.kept import FileEntries
from smsbridge.stores.sqlite import SqliteBook
from smsbridge.stores.writer import Writer

KEY = b"k" * 32
FOUND = HttpResponse.of_json({"id": "vendor-9"})


class Own(LedgerPolicy):
    """A ledger with its own book."""

    def _entries(self):
        if self._kept is None:
            self._kept = FileEntries(
                writer.Writer(self.book(), keep=timedelta(days=90)), self.path.absolute(), sqlite.LEDGER
            )
        return self._kept


@pytest.fixture(autouse=True)
def no_writer_is_left():
    yield
    forget_writers()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sms.db"


class Mute(HttpProvider):
    """A provider without a look-up."""

    lookup = SmsProvider.lookup


class Searching(HttpProvider):
    """A provider whose vendor finds accepted texts."""

    def lookup(self, reference):
        data = yield from self._ask("/lookup", reference=reference)
        if not data.get("id"):
            return None
        return SentMessage(account=self.account, provider=self.name, id=data["id"], to=TO, reference=reference)


def ledger(path, inner=None, **settings):
    return LedgerPolicy(inner=inner or Mute(), path=path, **settings)


@contextlib.contextmanager
def client(policy, *answers, wire=None):
    with SmsClient(policy, settings=Settings(), plugins=Plugins(), transport=wire or Wire(*answers)) as sms:
        yield sms


def send(policy, *answers, given=None):
    """The outcome of a text, and the number of its requests."""
    wire = Wire(*answers)
    with client(policy, wire=wire) as sms:
        try:
            outcome = sms.send(given or message())
        except SendError as error:
            outcome = error
        return outcome, len(wire.requests)


def kept(path, reference="ref-1"):
    """The entry, as another connection reads it after all pending writes."""
    writer.close_all()
    store = SqliteBook(path, create=False)
    with store.together():
        found = store.find(reference)
    store.close()
    return found


def claim(reference="ref-1", text=TEXT, account="scripted", **fields):
    given = message(reference=reference, text=text, **fields)
    return Claim.of(given, account=account, kind=Kind.TEXT, key=KEY)


# --- a text alone ---------------------------------------------------------------------------------------------------------


def test_a_text_is_in_the_ledger_before_it_leaves(path):
    seen = []

    def vendor(request):
        with sqlite3.connect(path) as db:
            seen.extend(db.execute("SELECT reference, state FROM smsbridge_ledger"))
        db.close()
        return OK

    send(ledger(path), vendor)
    assert seen == [("ref-1", "open")]
    assert kept(path).state is State.ACCEPTED


def test_a_reference_that_was_accepted_is_not_sent_again_and_has_the_same_answer(path):
    first, _ = send(ledger(path), OK)
    again, requests = send(ledger(path), OK)
    assert requests == 0
    assert again == replace(first, raw={}, at=again.at)
    assert abs(again.at - first.at) < timedelta(milliseconds=1)
    assert again.to == TO


def test_all_that_is_known_of_an_accepted_text_is_kept(path):
    class Priced(Mute):
        def send(self, given):
            yield from ()
            price = Money(amount=Decimal("0.250"), unit="INR")
            return self.accepted(given, id="p-1", status=Status.SCHEDULED, segments=3, price=price)

    send(ledger(path, Priced(account="otp")))
    again, _ = send(ledger(path, Priced(account="otp")))
    assert (again.account, again.provider, again.id, again.status) == ("otp", "scripted", "p-1", Status.SCHEDULED)
    assert (again.segments, str(again.price.amount), again.price.unit) == (3, "0.250", "INR")


def test_a_reference_that_was_refused_may_be_sent_again(path):
    refused, _ = send(ledger(path), HttpResponse(status=402))
    assert isinstance(refused, RefusedError)
    assert kept(path).state is State.REFUSED
    sent, requests = send(ledger(path), OK)
    assert (sent.id, requests) == ("vendor-1", 1)
    assert (kept(path).state, kept(path).claims) == (State.ACCEPTED, 2)


def test_a_text_that_may_have_been_sent_is_not_sent_again(path):
    first, _ = send(ledger(path), NoAnswer("cut"))
    assert isinstance(first, UncertainError)
    for _ in range(2):
        again, requests = send(ledger(path), OK)
        assert (type(again), again.reason, again.fault, requests) == (UncertainError, "in-ledger", "local", 0)
        assert re.fullmatch(r"uncertain since [-0-9]{10} [:0-9]{8} UTC", again.detail)
        assert again.reference == "ref-1"
    assert kept(path).state is State.UNCERTAIN


def test_a_text_in_doubt_that_the_provider_finds_is_accepted_and_settled(path):
    send(ledger(path, Searching()), NoAnswer("cut"))
    sent, requests = send(ledger(path, Searching()), FOUND)
    assert (sent.id, sent.repeated, requests) == ("vendor-9", True, 1)
    entry = kept(path)
    assert (entry.state, entry.outcome.id, entry.outcome.reason) == (State.ACCEPTED, "vendor-9", "lookup")
    assert send(ledger(path, Searching()), OK)[1] == 0


def test_a_text_in_doubt_that_is_not_found_stays_in_doubt(path):
    send(ledger(path, Searching()), NoAnswer("cut"))
    again, requests = send(ledger(path, Searching()), HttpResponse.of_json({}))
    assert (again.reason, requests) == ("in-ledger", 1)


def test_a_question_that_fails_settles_nothing(path):
    send(ledger(path, Searching()), NoAnswer("cut"))
    again, _ = send(ledger(path, Searching()), HttpResponse(status=500))
    assert again.reason == "in-ledger"


def test_where_the_vendor_proves_absence_a_text_in_doubt_is_settled_as_refused(path, monkeypatch):
    class Proving(Searching):
        absence_proven_after = timedelta(minutes=5)

    send(ledger(path, Proving()), NoAnswer("cut"))
    nothing = HttpResponse.of_json({})
    assert send(ledger(path, Proving()), nothing)[0].reason == "in-ledger"
    later = datetime.now(UTC) + timedelta(minutes=6)
    monkeypatch.setattr(entries_room, "utc_now", lambda: later)
    assert isinstance(send(ledger(path, Proving()), nothing)[0], UnavailableError)
    assert (kept(path).state, kept(path).outcome.reason) == (State.REFUSED, "absent")
    assert send(ledger(path, Proving()), OK)[0].id == "vendor-1"


def test_that_another_account_does_not_know_a_text_proves_nothing(path):
    class Proving(Searching):
        absence_proven_after = timedelta(0)

    send(ledger(path, Proving(account="one")), NoAnswer("cut"))
    assert send(ledger(path, Proving(account="two")), HttpResponse.of_json({}))[0].reason == "in-ledger"
    assert kept(path).state is State.UNCERTAIN


def test_of_an_open_text_absence_proves_nothing_because_it_may_still_be_on_its_way(path, monkeypatch):
    class Proving(Searching):
        absence_proven_after = timedelta(0)

    flow = attempt(ledger(path, Proving()), message())
    begin(flow)  # the request has left, and the process dies
    assert send(ledger(path, Proving()), HttpResponse.of_json({}))[0].reason == "in-ledger"
    assert kept(path).state is State.OPEN


def begin(flow):
    """Drive a flow up to its first request."""
    step = next(flow)
    while isinstance(step, Await):
        step = flow.send(step.future.result(10))
    assert isinstance(step, HttpRequest)
    return step


@pytest.mark.parametrize(
    "change",
    [
        {"text": "another text"},
        {"to": "+919876543211"},
        {"sender": "ACME"},
        {"purpose": Purpose.OTP},
        {"send_at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"dlt": Dlt(template_id="1107")},
        {"options": {"scripted": {"flash": True}}},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("answer", [OK, HttpResponse(status=402), NoAnswer("cut")], ids=["accepted", "refused", "lost"])
def test_the_same_reference_with_other_content_is_an_error_whatever_became_of_the_first(path, answer, change):
    send(ledger(path), answer)
    again, requests = send(ledger(path), OK, given=replace(message(), **change))
    assert (type(again), again.reason, again.fault, requests) == (ContentError, "reference-reused", "message", 0)


def test_how_long_a_text_is_of_use_is_no_part_of_its_content(path):
    until = datetime.now(UTC) + timedelta(hours=1)

    class Valid(Mute):
        supports = frozenset({"valid_until"})

    send(ledger(path, Valid()), OK, given=message(valid_until=until))
    again, requests = send(ledger(path, Valid()), OK, given=message(valid_until=until - timedelta(hours=2)))
    assert (again.id, requests) == ("vendor-1", 0)  # even after its expiry: it was sent


def test_what_one_account_took_is_not_sent_through_another(path):
    send(ledger(path, Mute(account="one")), OK)
    again, requests = send(ledger(path, Mute(account="two")), OK)
    assert (again.account, requests) == ("one", 0)


def test_retries_inside_are_one_claim(path):
    inner = RetryPolicy(inner=Mute(), first_wait=0)
    sent, requests = send(ledger(path, inner), HttpResponse(status=429), NotConnected("no route"), OK)
    assert (sent.id, requests, kept(path).claims) == ("vendor-1", 3, 1)


def test_an_unsupported_text_is_recorded_as_refused(path):
    with client(ledger(path), OK) as sms, pytest.raises(UnsupportedError):
        sms.send(message(valid_until=datetime.now(UTC) + timedelta(hours=1)))
    assert (kept(path).state, kept(path).outcome.error) == (State.REFUSED, "UnsupportedError")


def test_a_reference_that_no_store_can_take_is_refused_as_anywhere_else(path):
    refused, requests = send(ledger(path), OK, given=message(reference="half-\ud800"))
    assert (type(refused), refused.reason, requests) == (ContentError, "not-unicode", 0)


@given(st.lists(st.sampled_from(["taken", "taken, lost", "lost", "refused", "unreachable"]), min_size=1, max_size=6))
def test_whatever_happens_a_text_is_taken_once_at_most(histories):
    taken = []
    answers = {
        "taken": lambda _: (taken.append(1), OK)[1],
        "taken, lost": lambda _: (taken.append(1), HttpResponse(status=502))[1],
        "lost": lambda _: HttpResponse(status=502),
        "refused": lambda _: HttpResponse(status=402),
        "unreachable": lambda _: HttpResponse(status=429),
    }
    with tempfile.TemporaryDirectory() as folder:
        outcomes = [send(ledger(Path(folder, "sms.db")), answers[history])[0] for history in histories]
        writer.close_all()
    assert len(taken) <= 1
    for before, after in itertools.pairwise(outcomes):
        if isinstance(before, SentMessage):
            assert after.id == before.id
        if isinstance(before, UncertainError):
            assert isinstance(after, UncertainError)


# --- one-time codes -------------------------------------------------------------------------------------------------------


def test_a_code_is_recorded_too_and_a_repeated_reference_has_the_same_verification(path):
    wire = Wire(OK)
    with client(ledger(path, HttpProvider()), wire=wire) as sms:
        first = sms.start_verification(TO, reference="ref-1")
        again = sms.start_verification(TO, reference="ref-1")
        assert len(wire.requests) == 1
    assert isinstance(again, Verification)
    assert again == replace(first, reference="ref-1")
    assert kept(path).claim.kind is Kind.CODE


def test_a_code_in_doubt_is_not_looked_up_since_no_vendor_finds_it(path):
    wire = Wire(NoAnswer("cut"))
    with client(ledger(path, HttpProvider()), wire=wire) as sms:
        for _ in range(2):
            with pytest.raises(UncertainError):
                sms.start_verification(TO, reference="ref-1")
        assert len(wire.requests) == 1


def test_a_code_and_a_text_are_not_the_same_content(path):
    with client(ledger(path, HttpProvider()), OK) as sms:
        sms.start_verification(TO, TEXT, reference="ref-1", purpose=Purpose.TRANSACTIONAL)
        with pytest.raises(ContentError) as caught:
            sms.send(message())
    assert caught.value.reason == "reference-reused"


# --- many -----------------------------------------------------------------------------------------------------------------


def batch(*references):
    return [message(reference=reference) for reference in references]


def ids(count):
    return HttpResponse.of_json({"ids": [f"v-{n}" for n in range(count)]})


def test_a_batch_is_claimed_as_a_whole_and_sends_what_is_new(path):
    policy = ledger(path, BatchProvider())
    assert Capability.BATCH in policy.capabilities
    assert Capability.BATCH not in ledger(path).capabilities
    wire = Wire(OK, NoAnswer("cut"), ids(2))
    with client(policy, wire=wire) as sms:
        sms.send(message(reference="old"))
        with pytest.raises(UncertainError):
            sms.send(message(reference="lost"))
        with sms.send_many(
            [*batch("new-1", "old", "lost"), message(reference="old", text="x"), *batch("new-2")]
        ) as many:
            results = {result.index: result for result in many}
        bodies = [request.body for request in wire.requests]
    assert [results[n].sent and results[n].sent.id for n in range(5)] == ["v-0", "vendor-1", None, None, "v-1"]
    assert [getattr(results[n].error, "reason", None) for n in (2, 3)] == ["in-ledger", "reference-reused"]
    assert len([body for body in bodies if b'"texts"' in body]) == 1
    assert kept(path, "new-2").outcome.id == "v-1"


def test_a_reference_twice_in_a_batch_is_sent_once_and_answered_twice(path):
    with client(ledger(path, BatchProvider()), ids(2)) as sms, sms.send_many(batch("a", "b", "a", "a")) as many:
        results = sorted(many, key=lambda result: result.index)
    assert [result.sent.id for result in results] == ["v-0", "v-1", "v-0", "v-0"]
    assert [result.index for result in results] == [0, 1, 2, 3]


def test_each_text_of_a_batch_has_its_own_outcome(path):
    class Mixed(BatchProvider):
        def send_batch(self, messages):
            yield from ()
            refused = ContentError(reason="spam", code="17")
            return [
                Result(index=0, message=messages[0], sent=self.accepted(messages[0], id="1")),
                Result(index=1, message=messages[1], error=refused),
            ]

    with client(ledger(path, Mixed())) as sms, sms.send_many(batch("a", "b", "c")) as many:
        list(many)
    assert [kept(path, reference).state for reference in "abc"] == [State.ACCEPTED, State.REFUSED, State.UNCERTAIN]
    outcome = kept(path, "b").outcome
    assert (outcome.error, outcome.code, outcome.reason) == ("ContentError", "17", "spam")


async def test_both_clients_do_the_same(path, tmp_path):
    def answers():
        return [OK, NoAnswer("cut"), HttpResponse(status=402), OK]

    async def asynchronously():
        outcomes = []
        async with AsyncSmsClient(
            ledger(tmp_path / "async.db"), settings=Settings(), plugins=Plugins(), transport=AsyncWire(*answers())
        ) as sms:
            for reference in ("a", "a", "b", "b", "c", "c"):
                try:
                    outcomes.append((await sms.send(message(reference=reference))).id)
                except SendError as error:
                    outcomes.append((type(error), error.reason))
        return outcomes

    def blocking():
        outcomes = []
        with client(ledger(path), *answers()) as sms:
            for reference in ("a", "a", "b", "b", "c", "c"):
                try:
                    outcomes.append(sms.send(message(reference=reference)).id)
                except SendError as error:
                    outcomes.append((type(error), error.reason))
        return outcomes

    same = await asynchronously()
    assert same == await asyncio.to_thread(blocking)
    assert same[0] == same[1] == "vendor-1"
    assert same[3] == (UncertainError, "in-ledger")


# --- interrupted ----------------------------------------------------------------------------------------------------------


class Stop(BaseException):
    pass


def test_cancelled_before_the_text_left_it_is_refused_and_may_be_sent_again(path):
    policy = ledger(path)
    send(policy, OK, given=message(reference="first"))
    flow = attempt_each(policy, [message()])
    step = next(flow)
    assert isinstance(step, Await)
    (result,) = interrupt(flow, Stop())
    assert (type(result.error), result.error.reason) == (RefusedError, "cancelled")
    assert kept(path).state is State.REFUSED
    assert send(policy, OK)[0].id == "vendor-1"


def test_a_claim_that_was_given_up_before_it_was_made_is_not_made(path):
    policy = ledger(path)
    send(policy, OK, given=message(reference="first"))
    with policy._entries().writer._at_work:
        step = next(attempt(policy, message()))
        assert step.future.cancel()
    assert kept(path) is None


def test_cancelled_on_its_way_it_is_in_doubt(path):
    flow = attempt_each(ledger(path), [message()])
    begin(flow)
    (result,) = interrupt(flow, Stop())
    assert isinstance(result.error, UncertainError)
    entry = kept(path)
    assert (entry.state, entry.outcome.reason) == (State.UNCERTAIN, "cancelled")


def test_of_a_batch_that_is_cancelled_each_text_is_recorded_as_what_is_known_of_it(path):
    flow = attempt_each(ledger(path), batch("a", "b", "c"))
    begin(flow)
    flow.send(OK)
    results = interrupt(flow, Stop())
    states = [kept(path, reference).state for reference in "abc"]
    assert states == [State.ACCEPTED, State.UNCERTAIN, State.REFUSED]
    assert [type(result.error) for result in results] == [type(None), UncertainError, RefusedError]


def test_what_the_ledger_has_already_is_the_answer_also_where_the_rest_of_the_batch_is_cancelled(path):
    send(ledger(path), OK, given=message(reference="old"))
    send(ledger(path), NoAnswer("cut"), given=message(reference="lost"))
    send(ledger(path), OK, given=message(reference="used"))
    flow = attempt_each(ledger(path), [*batch("old", "lost"), message(reference="used", text="x"), *batch("new")])
    begin(flow)
    old, lost, used, new = interrupt(flow, Stop())
    assert (old.sent.id, old.sent.repeated) == ("vendor-1", True)
    assert (type(lost.error), lost.error.reason) == (UncertainError, "in-ledger")
    assert (type(used.error), used.error.reason) == (ContentError, "reference-reused")
    assert (type(new.error), new.error.reason) == (UncertainError, "cancelled")


def test_cancelled_while_it_is_looked_up_it_stays_in_doubt(path):
    send(ledger(path, Searching()), NoAnswer("cut"))
    flow = attempt_each(ledger(path, Searching()), [message()])
    begin(flow)
    (result,) = interrupt(flow, Stop())
    assert (type(result.error), result.error.reason) == (UncertainError, "in-ledger")


def test_a_flow_that_is_dropped_before_the_text_left_is_released(path):
    policy = ledger(path)
    send(policy, OK, given=message(reference="first"))
    flow = attempt(policy, message())
    next(flow)
    flow.close()
    assert kept(path) is None or kept(path).state is State.REFUSED


# --- a ledger that cannot be written --------------------------------------------------------------------------------------


def test_what_cannot_be_recorded_is_not_sent(tmp_path):
    for wrong in (tmp_path, tmp_path / "no" / "such" / "folder.db"):
        refused, requests = send(ledger(wrong), OK)
        assert (type(refused), refused.reason, refused.fault, requests) == (RefusedError, "ledger", "local", 0)


def test_a_file_that_is_no_ledger_is_left_alone(path):
    path.write_text("these are my notes, " * 100)
    refused, requests = send(ledger(path), OK)
    assert (refused.reason, requests) == ("ledger", 0)
    assert path.read_text().startswith("these are my notes")


def test_a_batch_that_cannot_be_recorded_is_refused_row_by_row(tmp_path):
    wire = Wire(ids(2))
    with client(ledger(tmp_path, BatchProvider()), wire=wire) as sms, sms.send_many(batch("a", "b")) as many:
        results = list(many)
        assert wire.requests == []
    assert [result.error.reason for result in results] == ["ledger", "ledger"]
    assert [result.error.reference for result in results] == ["a", "b"]


def test_while_another_process_holds_the_ledger_nothing_is_sent_and_afterwards_it_is(path):
    class Impatient(Own):
        def book(self):
            return SqliteBook(self.path, patience=0)

    policy = Impatient(inner=Mute(), path=path)
    send(policy, OK, given=message(reference="first"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused, requests = send(policy, OK)
    assert (refused.reason, requests) == ("ledger", 0)
    other.close()
    assert send(policy, OK)[0].id == "vendor-1"


def test_an_outcome_that_cannot_be_recorded_is_logged_and_the_text_accepted_all_the_same(path, caplog):
    class Failing(SqliteBook):
        def record(self, entries):
            raise Unwritable("disk full")

    class Full(Own):
        def book(self):
            return Failing(self.path)

    with caplog.at_level(logging.DEBUG):
        assert send(Full(inner=Mute(), path=path), OK)[0].id == "vendor-1"
        assert kept(path).state is State.OPEN
    (record,) = [record for record in caplog.records if record.name == "smsbridge.ledger"]
    assert (record.levelname, "disk full" in record.getMessage()) == ("ERROR", True)
    assert send(ledger(path), OK)[0].reason == "in-ledger"


@pytest.mark.parametrize("odd", [{"segments": "3"}, {"segments": 10**30}, {"price": "cheap"}, {"status": "sent"}])
def test_unexpected_values_do_not_turn_an_accepted_text_into_anything_else(path, caplog, odd):
    class Odd(Mute):
        def send(self, given):
            yield from ()
            return self.accepted(given, id="odd-\ud800", **odd)

    with caplog.at_level(logging.DEBUG):
        assert isinstance(send(ledger(path, Odd()))[0], SentMessage)
        assert kept(path).state in (State.ACCEPTED, State.OPEN)
    assert all(odd_value not in caplog.text for odd_value in ("cheap", "10000000000"))


# --- the content of the file ----------------------------------------------------------------------------------------------


def test_the_file_holds_no_text_and_no_full_number_and_only_its_owner_reads_it(path):
    wanted = message(options={"other": {"note": "SECRET-OPTION-4711"}})
    for answer in (NoAnswer("cut"), OK):
        send(
            ledger(path, Mute(token=SecretStr("SECRET-TOKEN-dummy"))),
            answer,
            given=replace(wanted, reference=str(answer)),
        )
    writer.close_all()
    everything = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"+91******3210" in everything
    for secret in (TEXT, "SECRET", TO, TO[1:], TO[3:]):
        assert secret.encode() not in everything
    if os.name != "nt":
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_equal_texts_cannot_be_told_from_different_ones():
    first_digest, same, other = (digest(KEY, message(reference=ref), Kind.TEXT) for ref in ("a", "a", "b"))
    assert first_digest == same != other
    assert digest(b"another key", message(reference="a"), Kind.TEXT) != first_digest


@given(st.tuples(*[st.text(max_size=3)] * 3), st.tuples(*[st.text(max_size=3)] * 3))
def test_no_two_contents_look_alike_however_their_parts_are_cut(first, second):
    def hashed(parts):
        sender, text, template = parts
        given = Message(to=TO, text=text, sender=sender, dlt=Dlt(template_id=template), reference="r")
        return digest(KEY, given, Kind.TEXT)

    assert (hashed(first) == hashed(second)) is (first == second)


def test_options_are_the_same_in_whatever_order_they_are_given():
    def hashed(options):
        return digest(KEY, message(options={"acme": options}), Kind.TEXT)

    assert hashed({"a": 1, "b": {2, 3}}) == hashed({"b": {3, 2}, "a": 1})
    assert hashed({"a": 1}) != hashed({"a": 2})
    at = datetime(2030, 1, 1, 12, tzinfo=UTC)
    elsewhere = at.astimezone(datetime.now().astimezone().tzinfo)
    assert digest(KEY, message(send_at=at), Kind.TEXT) == digest(KEY, message(send_at=elsewhere), Kind.TEXT)


def test_with_another_key_nothing_is_sent_rather_than_called_other_content(path):
    mine, other = SecretStr("FAKE-KEY-0123456789"), SecretStr("FAKE-KEY-9876543210")
    send(ledger(path, key=mine), OK)
    for wrong in (other, None):
        refused, requests = send(ledger(path, key=wrong), OK)
        assert (refused.reason, requests) == ("ledger", 0)
        assert "key" in refused.detail
        with pytest.raises(ConfigurationError, match="SMSBRIDGE_LEDGER_KEY"):
            ledger(path, key=wrong).checked()
    assert send(ledger(path, key=mine).checked(), OK)[0].id == "vendor-1"
    assert mine.get_secret_value().encode() not in path.read_bytes()


def test_without_a_key_one_is_made_and_kept(path):
    send(ledger(path), OK)
    with pytest.raises(ConfigurationError):
        ledger(path, key=SecretStr("FAKE-KEY-0123456789")).checked()
    writer._shared.clear()  # as in another process
    assert send(ledger(path), OK)[1] == 0


# --- configuration --------------------------------------------------------------------------------------------------------


def test_every_account_has_a_ledger_where_the_environment_names_one(monkeypatch, path):
    assert not any(isinstance(layer, LedgerPolicy) for layer in each(Plugins().stack("memory")))
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", f"sqlite:///{path}")
    with SmsClient("memory") as sms:
        sms.send(TO, "hello", reference="ref-1")
        sms.send(TO, "hello", reference="ref-1")
        (memory,) = [layer for layer in each(sms.provider) if not inside(layer)]
        assert len(memory.sent) == 1
        assert (vendor_of(sms.provider), sms.provider.account) == ("memory", "memory")
    assert kept(path).state is State.ACCEPTED


def test_a_wrong_key_is_found_when_the_client_is_made(monkeypatch, path):
    send(ledger(path), OK)
    monkeypatch.setenv("SMSBRIDGE_MEMORY_LEDGER_STORE", f"sqlite:///{path}")
    monkeypatch.setenv("SMSBRIDGE_LEDGER_KEY", "FAKE-KEY-0123456789")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_LEDGER_KEY"):
        SmsClient("memory")


def test_a_key_that_could_be_tried_out_is_a_configuration_error(path):
    with pytest.raises(ConfigurationError, match="16"):
        ledger(path, key=SecretStr("short"))


def test_a_ledger_without_a_path_is_a_configuration_error(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_LEDGER_SYNC", "full")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_STORE"):
        SmsClient("memory")


def test_what_is_answered_from_the_ledger_is_logged_without_anything_private(path, caplog):
    send(ledger(path), OK)
    with caplog.at_level(logging.INFO, "smsbridge.attempts"):
        send(ledger(path), OK)
    (record,) = [record for record in caplog.records if record.name == "smsbridge.attempts"]
    assert record.attempt["outcome"] == "accepted"
    assert "ledger" in record.attempt["decision"]
    assert TEXT not in caplog.text
    assert TO not in caplog.text


# --- the store ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, path):
    book = SqliteBook(path) if request.param == "sqlite" else postgres_book(request, path)
    yield book
    book.close()


def accepted(opened, id="v-1", **fields):
    sent = SentMessage(account="taker", provider="acme", id=id, **fields)
    return Entry(claim=opened, outcome=Outcome.accepted(sent))


def test_an_outcome_counts_only_for_its_own_claim(store):
    first, second = claim(), claim()
    with store.together():
        assert store.claim([first]) == [None]
        assert store.record([Entry(claim=first, outcome=Outcome.refused("spam"))]) == 1
        assert store.claim([second]) == [None]
        assert store.record([accepted(first)]) == 0
        assert store.find("ref-1").state is State.OPEN


def test_accepted_overrules_what_was_thought_before_and_is_never_overruled(store):
    opened = claim()
    doubt = Entry(claim=opened, outcome=replace(Outcome.refused("x"), state=State.UNCERTAIN))
    with store.together():
        store.claim([opened])
        assert [store.record([it]) for it in (doubt, Entry(claim=opened, outcome=Outcome.refused("operator")))] == [
            1,
            1,
        ]
        assert store.record([accepted(opened)]) == 1
        assert store.record([doubt]) == 0
        assert store.record([Entry(claim=opened, outcome=Outcome.refused("late"))]) == 0
        assert store.find("ref-1").state is State.ACCEPTED


def test_claims_of_one_transaction_see_each_other(store):
    first, second = claim(), claim()
    with store.together():
        assert store.claim([first, second]) == [
            None,
            Entry(claim=replace(first, at=store.find("ref-1").claim.at)),
        ]


def test_what_raises_undoes_the_whole_transaction(store):
    def breaks():
        with store.together():
            store.claim([claim()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    with store.together():
        assert store.find("ref-1") is None


def test_entries_come_in_their_order_as_far_as_they_match(store):
    claims = [claim(reference=f"r-{n}", account="a" if n % 2 else "b") for n in range(5)]
    with store.together():
        store.claim(claims)
        store.record([accepted(claims[1])])
        found = store.entries()
        assert [entry.claim.reference for _, entry in found] == [f"r-{n}" for n in range(5)]
        assert [entry.claim.reference for _, entry in store.entries(after=found[2][0])] == ["r-3", "r-4"]
        assert [
            entry.claim.reference for _, entry in store.entries(EntryFilters(account="a", states=[State.OPEN]))
        ] == ["r-3"]
        assert len(store.entries(limit=2)) == 2
        assert store.entries(EntryFilters(within=-3600.0)) == []
        assert len(store.entries(EntryFilters(within=3600.0))) == 5
        assert [entry.claim.account for _, entry in store.entries(EntryFilters(reference="r-2"))] == ["b"]


def test_only_what_is_settled_is_forgotten(store):
    claims = [claim(reference=reference) for reference in ("open", "uncertain", "accepted", "refused")]
    with store.together():
        store.claim(claims)
        store.record(
            [
                Entry(claim=claims[1], outcome=replace(Outcome.refused("x"), state=State.UNCERTAIN)),
                accepted(claims[2]),
                Entry(claim=claims[3], outcome=Outcome.refused("spam")),
            ]
        )
        assert store.prune(86400.0, 10) == 0
        assert [store.prune(-86400.0, 1) for _ in range(3)] == [1, 1, 0]
        assert [entry.claim.reference for _, entry in store.entries()] == ["open", "uncertain"]


def test_what_is_forgotten_may_be_that_of_one_account_alone(store):
    claims = [claim(reference=reference, account=reference) for reference in ("a", "b")]
    with store.together():
        store.claim(claims)
        store.record([accepted(claim) for claim in claims])
        assert [store.prune(-86400.0, 10, account=account) for account in ("c", "a")] == [0, 1]
        assert [entry.claim.account for _, entry in store.entries()] == ["b"]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_ledger_of_another_version_is_not_touched(store, path):
    with store.together():
        store.identify(None)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE smsbridge_ledger_about SET value = '99' WHERE name = 'version'")
    store.close()
    with pytest.raises(Unwritable, match="version"), store.together():
        pass


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (PermissionError(13, "Permission denied", "/somewhere/else"), "Permission denied"),
        (OSError("no file system"), "no file system"),
        (sqlite3.OperationalError("disk I/O error"), "disk I/O error"),
    ],
)
def test_what_keeps_a_store_from_working_is_said_with_its_path_once(store, path, monkeypatch, problem, words):
    def fail(_):
        raise problem

    monkeypatch.setattr(OwnFile, "check", fail)
    with pytest.raises(Unwritable) as caught, store.together():
        pass
    assert str(caught.value) == f"{words} ({path})"


@pytest.mark.parametrize(("busy", "patience", "works"), [(0, 0, True), (5, 0, False), (5, 8, True), (6, 5, False)])
def test_a_file_that_others_are_just_making_is_waited_for(path, monkeypatch, busy, patience, works):
    """SQLite itself does not wait when it changes to a write-ahead log."""
    passed = 0

    def wait(_):
        nonlocal passed
        passed += 1

    class Busy(sqlite3.Connection):
        def execute(self, words, *given):
            if "journal_mode" in words and passed < busy:
                raise sqlite3.OperationalError("database is locked")
            return super().execute(words, *given)

    book = SqliteBook(path, patience=patience)
    monkeypatch.setattr(OwnFile, "connect", partialmethod(OwnFile.connect, factory=Busy))
    monkeypatch.setattr(sqlite_file, "time", SimpleNamespace(monotonic=lambda: passed, sleep=wait))
    with contextlib.nullcontext() if works else pytest.raises(Unwritable, match="locked"), book.together():
        assert book.find("ref-1") is None
    book.close()
    assert passed == min(busy, patience)


def test_reading_makes_no_file(path):
    with pytest.raises(Unwritable), SqliteBook(path, create=False).together():
        pass
    assert not path.exists()


# --- the writer -----------------------------------------------------------------------------------------------------------


def hand_in(books, *claims):
    return books.do(lambda store: store.claim(claims))


def test_what_is_asked_after_an_outcome_sees_it(path):
    books = Writer(SqliteBook(path), keep=timedelta(days=1))
    opened = claim()
    hand_in(books, opened).result(10)
    books.record([accepted(opened)])
    assert books.do(lambda store: store.find("ref-1")).result(10).state is State.ACCEPTED


def test_what_is_handed_in_meanwhile_is_kept_together(path):
    class Counting(SqliteBook):
        transactions = 0

        def together(self):
            self.transactions += 1
            return super().together()

    store = Counting(path)
    books = Writer(store, keep=timedelta(days=1))
    books.do(lambda _: None).result(10)
    before = store.transactions
    with books._at_work:
        futures = [hand_in(books, claim(reference=f"r-{n}")) for n in range(50)]
    assert [future.result(10) for future in futures] == [[None]] * 50
    assert store.transactions - before <= 2  # the first outcome may be in work already


def test_a_work_that_fails_harms_no_other(path):
    books = Writer(SqliteBook(path), keep=timedelta(days=1))
    with books._at_work:
        good = [hand_in(books, claim(reference="a"))]
        bad = books.do(lambda _: 1 / 0)
        good.append(hand_in(books, claim(reference="b")))
    assert [promise.result(10) for promise in good] == [[None], [None]]
    assert isinstance(bad.exception(10), ZeroDivisionError)


def test_old_settled_entries_are_dropped_by_the_way(path):
    now = [0.0]
    books = Writer(SqliteBook(path), keep=timedelta(seconds=-1), clock=lambda: now[0])
    old, other = claim(reference="old"), claim(reference="open")
    hand_in(books, old, other).result(10)
    books.record([accepted(old)])
    books.do(lambda _: None).result(10)
    now[0] = 4000.0
    books.do(lambda _: None).result(10)
    assert [it.claim.reference for _, it in books.do(lambda store: store.entries()).result(10)] == ["open"]


@pytest.mark.parametrize(
    ("dropped", "looks"),
    [(0, [0, 3600]), (2, [0, 3600]), (3, [0, 1, 3599, 3600, 3601]), (Unwritable("disk full"), [0, 3600])],
)
def test_it_looks_for_old_entries_once_an_hour_unless_there_are_more_than_it_drops_at_once(
    path, monkeypatch, dropped, looks
):
    monkeypatch.setattr(writer, "_PRUNED_AT_ONCE", 3)
    now, looked = [0], []

    class Counting(SqliteBook):
        def prune(self, older_than, limit, *, account=None):
            looked.append(now[0])
            if isinstance(dropped, Exception):
                raise dropped
            return min(dropped, limit)

    books = Writer(Counting(path), keep=timedelta(days=1), clock=lambda: now[0])
    for now[0] in (0, 1, 3599, 3600, 3601):
        assert books.do(lambda _: "done").result(10) == "done"
        books.close()
    assert looked == looks


def test_a_writer_ends_when_there_is_nothing_to_do_and_begins_again(path, monkeypatch):
    monkeypatch.setattr(writer, "_IDLE", 0.001)
    monkeypatch.setattr(writer, "_PATIENCE", 0.001)
    books = Writer(SqliteBook(path), keep=timedelta(days=1))
    for n in range(3):
        assert hand_in(books, claim(reference=f"r-{n}")).result(10) == [None]
        thread = books._thread
        if thread is not None:
            thread.join(10)
        assert books._thread is None
        assert books._store._open is None


def test_an_outcome_alone_is_recorded_too(path, monkeypatch):
    monkeypatch.setattr(writer, "_IDLE", 30.0)
    books = Writer(SqliteBook(path), keep=timedelta(days=1))
    recorded = threading.Event()
    keep = books._store.record
    books._store.record = lambda entries: (keep(entries), recorded.set())
    opened = claim()
    hand_in(books, opened).result(10)
    for _ in range(10_000):
        if books._asleep:
            break
        time.sleep(0.001)
    books.record([accepted(opened)])
    assert recorded.wait(10)


# --- threads, tasks and processes -----------------------------------------------------------------------------------------


def test_threads_that_send_the_same_reference_at_once_send_it_once(path):
    policy = ledger(path)
    taken, barrier = [], threading.Barrier(8)

    def vendor(request):
        taken.append(1)
        return OK

    outcomes = []

    def work():
        barrier.wait(10)
        outcomes.append(send(policy, vendor)[0])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for worker in threads:
        worker.join(30)
    assert len(taken) == 1
    assert len(outcomes) == 8
    for outcome in outcomes:
        assert isinstance(outcome, SentMessage) or outcome.reason == "in-ledger"


async def test_tasks_that_send_the_same_reference_at_once_send_it_once(path):
    answered = asyncio.Event()

    async def later():
        await answered.wait()
        return OK

    wire = AsyncWire(lambda _: later())
    async with AsyncSmsClient(ledger(path), settings=Settings(), plugins=Plugins(), transport=wire) as sms:
        tasks = [asyncio.create_task(sms.send(message())) for _ in range(8)]
        ended = asyncio.as_completed(tasks)
        for _ in range(7):
            with pytest.raises(UncertainError):
                await next(ended)
        answered.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert len(wire.requests) == 1
    assert sum(isinstance(outcome, SentMessage) for outcome in outcomes) == 1
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, SendError)} == {"in-ledger"}


SENDS = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from scripted import *
from smsbridge import Settings, SmsClient
from smsbridge.errors import SendError
from smsbridge.ledger.policy import LedgerPolicy

class Mute(HttpProvider):
    lookup = SmsProvider.lookup

wire = Wire(OK)
with SmsClient(LedgerPolicy(inner=Mute(), path=Path(sys.argv[2])), settings=Settings(), plugins=Plugins(), transport=wire) as sms:
    for number in range(50):
        try:
            sms.send(message(reference=f"ref-{number}"))
        except SendError as error:
            assert error.reason == "in-ledger", error
    print(len(wire.requests))
"""


def test_processes_share_a_ledger_and_send_each_reference_once(path):
    command = [sys.executable, "-c", SENDS, str(Path(__file__).parent), str(path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert sum(map(int, outputs)) == 50
    # At its normal end, a process has recorded every outcome.
    assert {kept(path, f"ref-{number}").state for number in range(50)} == {State.ACCEPTED}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_opens_the_ledger_anew(path):
    policy = ledger(path)
    assert send(policy, OK, given=message(reference="before"))[1] == 1

    def child(results):
        again = send(policy, OK, given=message(reference="before"))
        new = send(policy, OK, given=message(reference="in the child"))
        writer.close_all()
        results.put((again[1], new[1]))

    forking = multiprocessing.get_context("fork")
    results = forking.SimpleQueue()
    process = forking.Process(target=child, args=(results,))
    process.start()
    assert results.get() == (0, 1)
    process.join(30)
    assert send(policy, OK, given=message(reference="in the child"))[1] == 0
    assert send(policy, OK, given=message(reference="after"))[1] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_of_multiprocessing_that_just_returns_has_recorded_what_became_of_its_texts(path):
    def child():
        sms = SmsClient(ledger(path), settings=Settings(), plugins=Plugins(), transport=Wire(OK))
        sms.send(message(reference="in the child"))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    assert kept(path, "in the child").state is State.ACCEPTED


LATE = """
import atexit

@atexit.register
def late():  # registered first, called last
    with SmsClient(LedgerPolicy(inner=Mute(), path=Path(sys.argv[2])), settings=Settings(), plugins=Plugins(), transport=Wire(OK)) as sms:
        sms.send(message(reference="late"))
"""


def test_a_text_sent_while_the_interpreter_goes_is_recorded_too(path):
    command = [sys.executable, "-W", "error", "-c", LATE + SENDS, str(Path(__file__).parent), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "50\n"
    assert done.stderr.splitlines() == [f"a new ledger was made at {path}: it knows of no text that was sent before"]
    assert {kept(path, reference).state for reference in ("ref-49", "late")} == {State.ACCEPTED}


def test_drive_by_hand_needs_no_network(path):
    policy = ledger(path).checked()
    writer.close_all()
    policy._hash_key = KEY
    step = next(attempt(policy, message()))
    assert isinstance(step, Await)
    assert step.future.result(10) == [None]


@pytest.mark.parametrize("key", [None, SecretStr("k" * 32)], ids=["a key of the file", "a key of ours"])
@pytest.mark.parametrize(
    ("before", "given", "verdict"),
    [
        ([], message(), "would send"),
        ([OK], message(), "would skip"),
        ([HttpResponse(status=402)], message(), "would send"),
        ([NoAnswer("cut")], message(), "would refuse"),
        ([OK], message(text="another"), "would refuse"),
        ([HttpResponse(status=402)], message(text="another"), "would refuse"),
        ([OK], message(reference="ref-2"), "would send"),
    ],
)
def test_what_is_foreseen_is_what_comes(path, key, before, given, verdict):
    used, policy = ledger(path, key=key), ledger(path, key=key)
    for answer in before:
        send(used, answer)
    views = [foresee(asked, given, now=datetime.now(UTC)) for asked in (used, policy, policy)]
    assert path.exists() is bool(before)
    outcome, requests = send(policy, OK, given=given)
    for view in views:
        assert view.verdict == verdict
        assert (type(view.error), str(view.error)) == (
            (type(outcome), str(outcome)) if verdict == "would refuse" else (type(None), "None")
        )
        words = {"would skip": "has it recorded as accepted", "would send": "records it first"}.get(
            verdict, str(outcome)
        )
        assert words in view.words
    assert requests == (verdict == "would send")


def test_in_a_rehearsal_it_says_that_the_real_ledger_is_not_looked_into(path):
    policy = ledger(path)
    assert foresee(policy, message(), now=datetime.now(UTC)).words == "records it first"
    policy.forget(Rehearsal())
    assert "not looked into here" in foresee(policy, message(), now=datetime.now(UTC)).words
    assert not path.exists()


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (LookupError(TEXT), "LookupError"),
        (Unwritable("no space"), "no space"),
        (Overdue("it took too long"), "it took"),
    ],
)
def test_a_store_that_fails_refuses_the_text_in_its_own_words_and_in_no_others(path, problem, words):
    class Failing(SqliteBook):
        def find(self, reference):
            raise problem

        def claim(self, claims):
            raise problem

    class Kept(Own):
        def book(self):
            return Failing(self.path.absolute(), sync=self.sync)

    policy = Kept(inner=Mute(), path=path)
    outcome, requests = send(policy, OK)
    path.touch()
    view = foresee(policy, message(), now=datetime.now(UTC))
    for error in (outcome, view.error):
        assert (type(error), error.reason, error.fault) == (RefusedError, "ledger", "local")
        assert words in error.detail
        assert TEXT not in error.detail
    assert requests == 0


@pytest.mark.parametrize("between", [lambda inner: inner, lambda inner: RetryPolicy(inner=inner)])
def test_a_ledger_around_another_is_refused(path, tmp_path, between):
    with pytest.raises(ConfigurationError, match="ledger around another"):
        ledger(path, between(ledger(tmp_path / "other.db")))


@pytest.mark.parametrize(("sync", "level"), [("normal", 1), ("full", 2)])
def test_how_safe_it_is_from_a_power_cut_is_a_setting(path, sync, level):
    store = ledger(path, sync=sync)._entries().writer._store
    with store.together():
        assert store._db.execute("PRAGMA synchronous").fetchone() == (level,)
    store.close()


def test_a_ledger_that_cannot_be_read_would_refuse_the_text(path):
    path.write_bytes(b"no ledger at all" * 100)
    view = foresee(ledger(path, Mute()), message(), now=datetime.now(UTC))
    assert (view.verdict, view.error.reason) == ("would refuse", "ledger")


def test_its_writer_is_waited_for_as_long_with_a_client_as_without():
    assert Await(Promise()).seconds == writer._LONGEST_CLOSE


def test_a_writer_without_work_opens_nothing_when_it_is_closed(path):
    books = writer.Writer(SqliteBook(path), keep=timedelta(days=1))
    books.close()
    assert not path.exists()


def test_a_relative_path_is_that_of_the_folder_in_which_the_first_text_was_sent(tmp_path, monkeypatch):
    policy = ledger(Path("sms.db"))
    send(policy, OK)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    writer.close_all()
    assert send(policy, OK, given=message(reference="ref-2"))[1] == 1
    writer.close_all()
    assert not Path("sms.db").exists()
