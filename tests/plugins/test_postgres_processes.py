"""PostgreSQL: many threads and processes with one database. Each text leaves once, and no cap lets more through."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import re
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta

import pytest

from kill.murder import kill_many
from postgres_work import KEY, claim_all, claims_of, report_all, report_of, reserve_many, sent_as, take_many
from scripted import HttpProvider, forget_writers
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import DeliveryReport, SentMessage, Status
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import Entry, Outcome, State
from smsbridge.stores.gcra import Rate
from smsbridge.stores.seam import Cap
from smsbridge.stores.writer import Writer
from smsbridge.testing.stores.kit import comes
from smsbridge_postgres import statements as sql
from smsbridge_postgres.book import PostgresBook
from smsbridge_postgres.counts import PostgresCounts
from smsbridge_postgres.opt_outs import PostgresOptOuts
from smsbridge_postgres.store import PostgresStore
from test_stores import send

SPAWNED = multiprocessing.get_context("spawn")


pytestmark = pytest.mark.usefixtures("nothing_is_open")


@pytest.fixture
def url(postgres, tmp_path):
    return postgres.url(schema=postgres.schema(tmp_path))


# --- ledgers --------------------------------------------------------------------------------------------------------------


def test_several_processes_that_claim_the_same_references_get_each_once(url):
    references = [f"order-{number}" for number in range(400)]
    with ProcessPoolExecutor(3, mp_context=SPAWNED) as pool:
        taken = list(pool.map(claim_all, [url] * 3, range(3), [references] * 3))
    assert sorted(itertools.chain(*taken)) == sorted(references)
    entries = PostgresStore(url).entries(keep=timedelta(days=1))
    assert {entry.state for _, entry in at_once(entries.page(limit=1000))} == {State.ACCEPTED}


def test_many_threads_that_claim_the_same_references_get_each_once(url):
    references = [f"order-{number}" for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda seed: claim_all(url, seed, [*references]), range(8)))
    assert sorted(itertools.chain(*taken)) == sorted(references)


def test_threads_whose_writers_are_apart_send_each_text_once(url):
    """As on several machines: each has a connection of its own."""
    books = [PostgresBook(url) for _ in range(4)]
    with books[0].together():
        books[0].identify(b"0123456789abcdef")
    ready, won = threading.Barrier(4), []

    def work(book):
        for number in range(60):
            ready.wait()
            with book.together():
                (answer,) = book.claim(claims_of([f"order-{number}"]))
            won.extend([number] if answer is None else [])
        book.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, books))
    assert sorted(won) == [*range(60)]


def test_of_two_that_claim_anew_what_was_refused_one_does(url):
    books = [PostgresBook(url) for _ in range(2)]
    ready = threading.Barrier(2)
    for number in range(20):
        (first,) = claims_of([f"order-{number}"])
        with books[0].together():
            books[0].claim([first])
            books[0].record([Entry(claim=first, outcome=Outcome.refused("spam"))])

        def again(book, reference=first.reference):
            ready.wait()
            with book.together():
                return book.claim(claims_of([reference]))[0]

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(again, books))
        assert sorted(answer is None for answer in answers) == [False, True]
    for book in books:
        book.close()


def test_two_that_lock_each_other_out_try_again(url):
    """Each holds a reference that the other asks for next."""
    PostgresStore(url).upgrade()
    writers = [Writer(PostgresBook(url), keep=timedelta(days=1)) for _ in range(2)]
    met, tries = threading.Barrier(2), []

    def meet(_):
        tries.append(None)
        if len(tries) <= 2:
            met.wait(10)

    answers = []
    for writer, references in zip(writers, ("ab", "ba"), strict=True):
        first, second = claims_of(references)
        with writer._at_work:
            answers.append(writer.do(lambda book, one=first: book.claim([one])))
            writer.do(meet)
            answers.append(writer.do(lambda book, one=second: book.claim([one])))
    won = [answer.result(30) == [None] for answer in answers]
    assert len(tries) > 2
    assert won in ([True, True, False, False], [False, False, True, True])


def test_the_numbers_of_entries_follow_the_order_of_the_claims(url):
    entries = PostgresStore(url).entries(keep=timedelta(days=1))
    references = ["m", "z", "a", "k"]
    at_once(entries.claim(claims_of(references)))
    assert [entry.claim.reference for _, entry in at_once(entries.page())] == references


def test_two_processes_make_one_key_of_the_hashes(url):
    PostgresStore(url).upgrade()
    books = [PostgresBook(url) for _ in range(2)]
    ready = threading.Barrier(2)

    def identify(book):
        ready.wait()
        with book.together():
            return book.identify(None)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(identify, books)
    assert one == other
    for book in books:
        book.close()


def test_senders_that_are_killed_leave_no_text_doubled_or_lost(url, tmp_path):
    count = kill_many(random.Random(7719), url, 4)
    assert count.problems == []
    assert count.kills == 4


# --- reports --------------------------------------------------------------------------------------------------------------


def test_a_report_that_comes_while_its_text_is_recorded_moves_it_whoever_sees_the_other(url):
    """It has no reference, so it finds its text by the id alone, which comes with the outcome."""
    senders, webhooks = (PostgresStore(url).entries(keep=timedelta(days=days)) for days in (1, 2))
    at_once(senders.identify(KEY))
    rounds, ready = 80, threading.Barrier(2)
    told = []

    def tell(changes, entries, ticket):
        found = [change for change in changes if change.to_tell]
        told.extend(change.entry.claim.reference for change in found)
        entries.told(found, ticket, done=True)

    def send_all():
        for number in range(rounds):
            (one,) = claims_of([f"order-{number}"])
            at_once(senders.claim([one]))
            ready.wait()
            sent = SentMessage(account="acme", provider="acme", id=f"v-{number}", status=Status.QUEUED)
            senders.record([Entry(claim=one, outcome=Outcome.accepted(sent))])
            tell(at_once(senders.fold([one.reference], ticket="sender", lease=60.0)), senders, "sender")

    def receive_all():
        for number in range(rounds):
            came = DeliveryReport(
                account="acme",
                provider="acme",
                id=f"v-{number}",
                status=Status.DELIVERED,
                final=True,
                key=f"k-{number}",
            )
            ready.wait()
            at_once(webhooks.note([came]))
            tell(at_once(webhooks.fold([], [("acme", came.id)], ticket="webhook", lease=60.0)), webhooks, "webhook")

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(send_all), pool.submit(receive_all)]:
            done.result()
    found = [entry for _, entry in at_once(senders.page(limit=1000))]
    assert {entry.standing and entry.standing.status for entry in found} == {Status.DELIVERED}
    assert sorted(told) == sorted(entry.claim.reference for entry in found)


def test_reports_that_several_processes_bring_move_each_text_once(url):
    references = [f"order-{number}" for number in range(60)]
    entries = PostgresStore(url).entries(keep=timedelta(days=1))
    claims = claims_of(references)
    at_once(entries.claim(claims))
    entries.record([Entry(claim=claim, outcome=Outcome.accepted(sent_as(claim.reference))) for claim in claims])
    entries.close()
    with ProcessPoolExecutor(3, mp_context=SPAWNED) as pool:
        told = list(itertools.chain(*pool.map(report_all, [url] * 3, range(3), [references] * 3)))
    standings = [entry.standing for _, entry in at_once(entries.page(limit=1000))]
    assert {(standing.status, standing.sent_at is not None) for standing in standings} == {(Status.DELIVERED, True)}
    assert {told.count((reference, "delivered")) for reference in references} == {1}
    assert len(told) == len(set(told))


def test_a_report_goes_with_its_text_and_one_that_waits_for_none_after_its_time(postgres, url, tmp_path):
    entries = PostgresStore(url).entries(keep=timedelta(days=1))
    (one,) = claims_of(["order-1"])
    at_once(entries.claim([one]))
    entries.record([Entry(claim=one, outcome=Outcome.accepted(sent_as("order-1")))])
    at_once(entries.note([report_of("order-1", Status.DELIVERED), report_of("order-9", Status.DELIVERED)]))
    schema = postgres.schema(tmp_path)
    assert at_once(entries.prune(60.0, 10)) == 0
    assert postgres.ask("SELECT count(*) FROM smsbridge_reports", schema=schema) == [(2,)]
    assert at_once(entries.prune(-60.0, 10)) == 1
    assert postgres.ask("SELECT count(*) FROM smsbridge_reports", schema=schema) == [(0,)]


@pytest.mark.parametrize(
    ("statement", "values", "column"),
    [
        (sql.PRUNE, [60.0, None, None, 10], "recorded_at"),
        (sql.PRUNE_WAITING, [60.0, 10], "came_at"),
        (sql.FIND, [["order-1"]], "reference"),
        (sql.EARLY, [["order-1"]], "came_at"),
        (sql.FIND_BY_IDS, [["order-1"], ["acme"], ["v-1"]], "id"),
        (sql.REPORTS, ["order-1", "v-1", "acme"], "id"),
    ],
)
def test_what_is_asked_for_each_text_has_an_index(url, statement, values, column):
    book = PostgresBook(url)
    with book.together():
        book.identify(KEY)
        book._ask("SET LOCAL enable_seqscan = off")
        plan = "\n".join(line for (line,) in book._ask(f"EXPLAIN {statement}", values))
    book.close()
    assert "Seq Scan" not in plan
    assert re.search(rf"Index Cond: .*\b{column}\b", plan), plan


# --- counts ---------------------------------------------------------------------------------------------------------------


def test_a_cap_holds_for_several_processes_and_their_tally_fits(postgres, url, tmp_path):
    with ProcessPoolExecutor(3, mp_context=SPAWNED) as pool:
        sent = list(pool.map(take_many, [url] * 3, range(3)))
    assert sum(sent) == 60
    rows = postgres.ask(
        "SELECT key, count(*) FROM smsbridge_places GROUP BY key ORDER BY key", schema=postgres.schema(tmp_path)
    )
    tallies = postgres.ask("SELECT key, places FROM smsbridge_tallies ORDER BY key", schema=postgres.schema(tmp_path))
    assert tallies == rows


def test_no_two_processes_get_the_same_turn(url):
    with ProcessPoolExecutor(2, mp_context=SPAWNED) as pool:
        waits = sorted(itertools.chain(*pool.map(reserve_many, [url] * 2)))
    assert waits == pytest.approx([5.0 * number for number in range(80)], abs=4.0)


def test_what_counts_no_more_is_forgotten(postgres, url, tmp_path):
    counts = PostgresCounts(url)
    cap = Cap(scope="guard", kind="total", key="", rate=Rate(1000, 60))
    with counts.together():
        for number in range(50):
            assert counts.take(f"t{number}", [cap], 60.0) is None
    schema = postgres.schema(tmp_path)
    postgres.ask("UPDATE smsbridge_places SET at = at - 600, gone = gone - 600", schema=schema)
    with counts.together():
        assert counts.prune(0.0, 30) == 30
        assert counts.prune(0.0, 1000) == 20
    assert postgres.ask("SELECT * FROM smsbridge_places", "SELECT * FROM smsbridge_tallies", schema=schema) == []
    counts.close()


def test_a_take_whose_answer_was_lost_may_be_asked_again(url):
    counts = PostgresCounts(url)
    cap = Cap(scope="guard", kind="total", key="", rate=Rate(1, 60))
    with counts.together():
        assert [counts.take("mine", [cap], 60.0) for _ in range(2)] == [None, None]
        assert counts.take("another", [cap], 60.0) is not None
    counts.close()


def test_no_number_can_be_read_in_the_counts(postgres, url, tmp_path):
    counts = PostgresCounts(url)
    with counts.together():
        counts.take("mine", [Cap(scope="guard", kind="recipient", key="+919876543210", rate=Rate(1, 60))], 60.0)
        counts.reserve("limit +919876543210", 1.0, 1, 1.0)
    counts.close()
    schema = postgres.schema(tmp_path)
    said = str([postgres.ask(f"SELECT * FROM smsbridge_{table}", schema=schema) for table in ("places", "turns")])
    assert "9876543210" not in said


# --- opt-outs -------------------------------------------------------------------------------------------------------------


def test_one_text_alone_confirms_an_opt_out_whatever_the_process(url):
    lists = [PostgresStore(url).opt_outs() for _ in range(2)]
    at_once(lists[0].add("ACMEIN", "+919876543210", source="reply"))
    forget_writers()
    others = [PostgresStore(url).opt_outs() for _ in range(2)]
    minute = timedelta(minutes=1)
    answers = [at_once(known.confirm(["ACMEIN"], "+919876543210", within=minute)) for known in others]
    assert sorted(answers) == [False, True]


def test_two_that_confirm_an_opt_out_at_once_do_not_both(postgres, url):
    one, other = PostgresOptOuts(url), PostgresOptOuts(url)
    with one.together():
        one.add("ACMEIN", "+919876543210", source="reply")
    minute = timedelta(minutes=1)

    def confirm():
        with other.together():
            return other.confirm(["ACMEIN"], "+919876543210", within=minute)

    with ThreadPoolExecutor(1) as pool:
        with one.together():
            assert one.confirm(["ACMEIN"], "+919876543210", within=minute)
            second = pool.submit(confirm)
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'smsbridge'"
            assert comes(lambda: postgres.ask(waiting) != [])
        assert second.result() is False
    one.close()
    other.close()


def test_who_opted_out_is_texted_by_no_machine_and_events_are_forgotten_by_their_age(postgres, url, tmp_path):
    opt_outs = PostgresStore(url).opt_outs()
    for number in range(105):
        at_once(opt_outs.add("ACMEIN", "+919876543210", event=f"stop-{number}"))
    (count,) = postgres.ask("SELECT count(*) FROM smsbridge_optout_events", schema=postgres.schema(tmp_path))[0]
    assert count == 100
    policy = LedgerPolicy(inner=OptoutPolicy(inner=HttpProvider(), store=url), store=url)
    error, requests, _ = send(policy)
    assert (error.reason, requests) == ("opt-out", 0)


def test_words_of_many_processes_about_one_person_are_all_heard(url):
    known_lists = [PostgresStore(url).opt_outs() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        jobs = [(known_lists[number % 3], f"sender{number}") for number in range(30)]
        list(pool.map(lambda job: at_once(job[0].add(job[1], "+919876543210")), jobs))
    assert len(at_once(known_lists[0].everyone())) == 30
