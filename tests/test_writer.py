"""The writer of a ledger: closing records everything, a fork inherits nothing, and no thread waits for an ended thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import threading
import warnings
from collections import deque
from datetime import timedelta
from functools import partial

import pytest

from scripted import OK, AsyncWire, HttpProvider, Wire, forget_writers, message
from smsbridge import AsyncSmsClient, Settings, SmsClient, own_file
from smsbridge.errors import RefusedError
from smsbridge.http import Await
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.plugins import Plugins
from smsbridge.promise import Promise
from smsbridge.provider import SmsProvider
from smsbridge.stores import sqlite_file, writer
from smsbridge.stores.entries import Claim, Kind
from smsbridge.stores.kept import WrittenEntries
from smsbridge.stores.sqlite import SqliteBook
from smsbridge.stores.writer import Writer

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
seen_files = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files cannot be seen here")  # noqa: PTH112


@pytest.fixture(autouse=True)
def no_writer_is_left():
    yield
    forget_writers()
    own_file.forget_all()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sms.db"


class Mute(HttpProvider):
    """Answers no question and sends no reports, so that a ledger looks for no early ones."""

    lookup = SmsProvider.lookup
    parse = SmsProvider.parse


def books(path, **options):
    return Writer(SqliteBook(path), keep=timedelta(days=1), **options)


def claim(reference="ref-1"):
    return Claim.of(message(reference=reference), account="scripted", kind=Kind.TEXT, key=b"k" * 32)


def states(path):
    """The entries that another process would find, before the writer is closed."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT reference, state FROM smsbridge_ledger"))


def blocking(path, **settings):
    return SmsClient(
        LedgerPolicy(inner=Mute(), path=path, **settings), settings=Settings(), plugins=Plugins(), transport=Wire(OK)
    )


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "smsbridge-ledger"]


# --- closing ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(monkeypatch):
    """Outcomes wait for more outcomes without limit: only closing writes them."""
    monkeypatch.setattr(writer, "_PATIENCE", 600.0)
    monkeypatch.setattr(writer, "_IDLE", 600.0)


def test_closing_a_client_records_what_became_of_its_texts(path, slow):
    with blocking(path) as sms:
        sms.send(message())
        assert states(path) == {"ref-1": "open"}
    assert states(path) == {"ref-1": "accepted"}


async def test_closing_an_async_client_too(path, slow):
    async with AsyncSmsClient(
        LedgerPolicy(inner=Mute(), path=path), settings=Settings(), plugins=Plugins(), transport=AsyncWire(OK)
    ) as sms:
        await sms.send(message())
        assert states(path) == {"ref-1": "open"}
    assert states(path) == {"ref-1": "accepted"}


def test_closing_lets_go_of_the_file_and_ends_the_thread(path, slow):
    with blocking(path) as sms:
        sms.send(message())
        (thread,) = threads()
    assert thread.daemon  # a process that ends does not wait until it is idle
    thread.join(10)
    assert threads() == []
    assert [file.name for file in path.parent.iterdir()] == ["sms.db"]  # SQLite has put all of it into one file


def test_a_client_that_never_sent_is_closed_without_a_file_or_a_thread(path):
    for _ in range(2):
        blocking(path).close()
    assert (threads(), path.exists()) == ([], False)


def test_closing_twice_does_no_more_and_afterwards_another_client_sends(path):
    sms = blocking(path)
    sms.send(message())
    for _ in range(2):
        sms.close()
    with blocking(path) as other:
        assert other.send(message(reference="ref-2")).id == "vendor-1"
    assert states(path) == {"ref-1": "accepted", "ref-2": "accepted"}


def test_closing_one_client_does_not_close_the_ledger_of_another(path):
    with blocking(path) as first:
        blocking(path).close()
        first.send(message())
        blocking(path).close()
        first.send(message(reference="ref-2"))
    assert states(path) == {"ref-1": "accepted", "ref-2": "accepted"}


def test_closing_has_an_end_and_says_what_it_left_undone(path, monkeypatch, caplog):
    monkeypatch.setattr(writer, "_LONGEST_CLOSE", 0.05)
    opened, over = books(path), threading.Event()
    stuck = opened.do(lambda _: over.wait(10))
    opened.close()
    over.set()
    assert stuck.result(10)
    (record,) = [record for record in caplog.records if record.name == "smsbridge.ledger"]
    assert "could not be closed" in record.getMessage()


# --- a thread that ends ---------------------------------------------------------------------------------------------------


def test_what_is_handed_in_while_the_thread_ends_is_done(path, monkeypatch):
    monkeypatch.setattr(writer, "_IDLE", 0.001)
    monkeypatch.setattr(writer, "_PATIENCE", 0.001)
    opened, late = books(path), Promise()
    close = opened._store.close

    def hand_in():
        opened._store.close = close
        # After the thread's last look at the queue.
        late.set_result(opened.do(lambda store: store.claim([claim("late")])))
        close()

    opened._store.close = hand_in
    opened.do(lambda _: None).result(10)
    assert late.result(10).result(10) == [None]


class Late(deque):
    """A queue that is empty at the thread's first look, and not empty at the second."""

    looks = 0

    def __len__(self):
        self.looks += 1
        if self.looks == 2:
            self.append("an outcome")
        return super().__len__()


def test_an_outcome_that_is_handed_in_while_the_thread_falls_asleep_is_recorded(path, monkeypatch):
    monkeypatch.setattr(writer, "_IDLE", 600.0)
    monkeypatch.setattr(writer, "_PATIENCE", 0.001)
    opened, recorded = books(path), threading.Event()
    opened._store.record = lambda _: recorded.set()
    opened._outcomes = Late()
    opened._see_to_it()
    assert recorded.wait(10)


def test_texts_never_wait_for_a_thread_that_has_ended(path, monkeypatch):
    monkeypatch.setattr(writer, "_IDLE", 0.0)
    monkeypatch.setattr(writer, "_PATIENCE", 0.0)
    opened = books(path)
    for number in range(200):
        assert opened.do(lambda store, number=number: store.claim([claim(f"ref-{number}")])).result(10) == [None]


def test_threads_that_hand_in_at_once_have_one_writer(path):
    writer, working, most = books(path), [], []

    def work(_):
        working.append(1)
        most.append(len(working))
        working.pop()

    barrier = threading.Barrier(8)

    def hand_in():
        barrier.wait(10)
        writer.do(work).result(10)

    callers = [threading.Thread(target=hand_in) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert max(most) == 1
    assert len(threads()) == 1


def test_where_no_thread_can_be_started_the_caller_does_it(path, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(writer._thread, "start_new_thread", refuse)
    opened = books(path)
    assert opened.do(lambda store: store.claim([claim()])).result(0) == [None]
    opened.record([])
    assert (threads(), opened._store._open) == ([], None)


def test_a_thread_that_fails_fails_those_that_wait_and_another_begins(path, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    writer = books(path)

    class Struck(BaseException):
        pass

    def strike(_):
        raise Struck

    with pytest.raises(Exception, match="interrupted"):
        writer.do(strike).result(10)
    assert writer.do(lambda store: store.claim([claim()])).result(10) == [None]


# --- waiting threads ------------------------------------------------------------------------------------------------------


class Stuck(SqliteBook):
    """A job of a given duration."""

    going = threading.Event()

    def claim(self, claims):
        self.going.wait(10)
        return super().claim(claims)


class StuckLedger(LedgerPolicy):
    def _entries(self):
        if self._kept is None:
            self._kept = WrittenEntries(Writer(Stuck(self.path), keep=timedelta(days=90)))
        return self._kept


@pytest.fixture
def stuck(path):
    Stuck.going.clear()
    yield StuckLedger(inner=Mute(), path=path)
    Stuck.going.set()


async def test_a_ledger_that_takes_its_time_does_not_hold_up_the_event_loop(stuck):
    async with AsyncSmsClient(stuck, settings=Settings(), plugins=Plugins(), transport=AsyncWire(OK)) as sms:
        sending = asyncio.create_task(sms.send(message()))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not sending.done()
        Stuck.going.set()
        assert (await sending).id == "vendor-1"


def test_a_ledger_that_does_not_answer_refuses_the_text_in_the_end_and_gives_its_claim_up(stuck, path, monkeypatch):
    monkeypatch.setattr("smsbridge.stores.kept.Await", partial(Await, seconds=0.05))
    stuck._hash_key = b"k" * 32
    wire = Wire(OK)
    with SmsClient(stuck, settings=Settings(), plugins=Plugins(), transport=wire) as sms:
        with pytest.raises(RefusedError) as caught:
            sms.send(message())
        assert (caught.value.reason, caught.value.detail) == ("ledger", "no answer within 0.05 seconds")
        assert wire.requests == []
        Stuck.going.set()
    assert set(states(path).values()) <= {"refused"}


def test_a_log_that_cannot_be_written_to_does_not_hold_up_the_writer(path, monkeypatch):
    monkeypatch.setattr(writer, "_LONGEST_WORD", 0.05)
    going = threading.Event()

    class Held(logging.Handler):
        """The lock stayed taken."""

        def emit(self, record):
            going.wait(10)

    handler = Held()
    logging.getLogger("smsbridge.ledger").addHandler(handler)
    opened = books(path)
    try:
        opened._store.record = lambda _: 1 / 0
        opened.record(["an outcome"])
        assert opened.do(lambda _: "done").result(10) == "done"
        assert [thread.daemon for thread in threading.enumerate() if thread.name == "smsbridge-ledger-log"] == [True]
    finally:
        going.set()
        logging.getLogger("smsbridge.ledger").removeHandler(handler)


# --- forking --------------------------------------------------------------------------------------------------------------


def in_a_child(work):
    """The result of ``work`` in a forked process, 0 to 99."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        code = 100
        with contextlib.suppress(BaseException):
            code = work()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def files_of(path):
    """The number of open files of the ledger in this process."""
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(path))  # noqa: PTH115
    return found


@forking
@seen_files
def test_no_connection_of_the_store_crosses_a_fork(path, slow):
    sms = blocking(path)
    sms.send(message())
    assert files_of(path) > 0
    assert in_a_child(lambda: files_of(path)) == 0
    sms.send(message(reference="ref-2"))
    sms.close()
    assert states(path) == {"ref-1": "accepted", "ref-2": "accepted"}


@forking
@seen_files
def test_a_fork_waits_for_a_transaction_that_is_under_way(path):
    writer, begun = books(path), threading.Event()

    def work(store):
        begun.set()
        threading.Event().wait(0.2)
        return store.claim([claim()])

    promise = writer.do(work)
    assert begun.wait(10)
    assert in_a_child(lambda: files_of(path)) == 0
    assert promise.result(10) == [None]


@forking
def test_after_a_fork_the_parent_goes_on_at_once(path):
    writer = books(path)
    assert writer.do(lambda store: store.claim([claim()])).result(10) == [None]
    assert in_a_child(lambda: 0) == 0
    assert writer._at_work.acquire(timeout=5)
    writer._at_work.release()


@forking
@seen_files
def test_a_connection_that_came_along_all_the_same_is_never_closed_in_the_child(path, monkeypatch):
    monkeypatch.setattr(writer, "_LONGEST_FORK", 0.05)
    opened, begun, over = books(path), threading.Event(), threading.Event()

    def work(store):
        found = store.claim([claim()])  # its file is open now
        begun.set()
        over.wait(10)
        return found

    promise = opened.do(work)
    assert begun.wait(10)

    def child():
        before, strays = files_of(path), len(sqlite_file._strays)
        opened._store.close()
        assert opened._store._open is None
        return 0 if before and files_of(path) == before and len(sqlite_file._strays) == strays + 1 else 1

    assert in_a_child(child) == 0
    over.set()
    assert promise.result(10) == [None]


@forking
def test_what_the_parent_is_to_do_is_not_done_again_by_a_child(path, slow):
    sms = blocking(path)
    sms.send(message())  # the outcome waits
    assert in_a_child(lambda: len(sms.provider._entries().writer._outcomes) + len(threads())) == 0
    sms.close()
    assert states(path) == {"ref-1": "accepted"}


@forking
def test_a_lock_that_a_fork_left_taken_is_given_up_after_a_while(path, monkeypatch):
    monkeypatch.setattr(writer, "_LONGEST_FORK", 0.05)
    opened = books(path)
    opened._at_work.acquire()  # by a thread whose fork was interrupted
    assert opened.do(lambda store: store.claim([claim()])).result(10) == [None]
    opened._at_work.acquire(timeout=10)
    opened._at_work.release()
