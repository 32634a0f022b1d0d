"""The list of opt-outs: the latest word counts, in any order of arrival."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsbridge.errors import ConfigurationError
from smsbridge.optouts import MOST_EVENTS, REPLY, MemoryOptOuts, OptOut, SqliteOptOuts, same_sender

WHO = "+919876543210"
OTHER = "+919876543211"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["memory", "sqlite"])
def known(request, tmp_path):
    return MemoryOptOuts() if request.param == "memory" else SqliteOptOuts(tmp_path / "optouts.db")


# --- senders --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "other", "same"),
    [
        ("ACMEIN", "acmein", True),
        ("+15550001111", "15550001111", True),
        (" ACMEIN", "ACMEIN", True),
        ("ACMEIN", "ACMEON", False),
    ],
)
def test_a_sender_is_the_same_however_it_is_written(sender, other, same):
    assert same_sender(sender, other) is same


# --- a list ---------------------------------------------------------------------------------------------------------------


def test_an_empty_list_holds_no_opt_out(known):
    assert not known.holds(None, WHO)
    assert not known.holds(["ACMEIN"], WHO)
    assert list(known) == []


def test_an_opt_out_is_from_one_sender(known):
    known.add("ACMEIN", WHO, at=NOON, source="reply")
    assert known.holds(["acmein"], WHO)
    assert known.holds(["OTHER", "ACMEIN"], WHO)
    assert known.holds(None, WHO)
    assert not known.holds(["OTHER"], WHO)
    assert not known.holds(None, OTHER)
    assert list(known) == [OptOut(recipient=WHO, sender="ACMEIN", at=NOON, source="reply")]


def test_or_from_all(known):
    known.add(None, WHO)
    assert known.holds(["ACMEIN"], WHO)
    assert known.holds(None, WHO)
    known.remove(None, WHO)
    assert not known.holds(None, WHO)
    assert list(known) == []


def test_of_the_same_said_twice_in_one_moment_the_first_counts(known):
    moment = datetime.now(UTC)
    known.add("ACMEIN", WHO, at=moment, source=REPLY)
    known.add("AcmeIn", WHO, at=moment, source="report")
    assert list(known) == [OptOut(recipient=WHO, sender="ACMEIN", at=moment, source=REPLY)]
    assert known.confirm(["ACMEIN"], WHO, within=MINUTE)


def test_a_word_to_all_senders_is_a_word_to_each(known):
    known.add("ACMEIN", WHO, at=NOON)
    known.remove(None, WHO, at=NOON + MINUTE)
    assert not known.holds(["ACMEIN"], WHO)
    assert list(known) == []


def test_and_a_later_word_to_one_counts_for_that_one(known):
    known.add(None, WHO, at=NOON)
    known.remove("ACMEIN", WHO, at=NOON + MINUTE)
    assert not known.holds(["ACMEIN"], WHO)
    assert known.holds(["OTHER"], WHO)
    assert [opt_out.sender for opt_out in known] == [None]


def test_only_opt_outs_are_shown(known):
    known.remove("ACMEIN", WHO, at=NOON)
    known.add(None, WHO, at=NOON + MINUTE)
    assert [(out.sender, out.at) for out in known] == [(None, NOON + MINUTE)]
    assert known.holds(["ACMEIN"], WHO)


def test_a_webhook_that_comes_late_changes_nothing(known):
    known.remove("ACMEIN", WHO, at=NOON)
    known.add("ACMEIN", WHO, at=NOON - MINUTE)
    assert not known.holds(["ACMEIN"], WHO)
    known.add("ACMEIN", WHO, at=NOON + MINUTE)
    known.remove("ACMEIN", WHO, at=NOON)
    assert known.holds(["ACMEIN"], WHO)


def test_of_two_words_of_one_moment_the_opt_out_counts(known):
    known.add("ACMEIN", WHO, at=NOON)
    known.remove("ACMEIN", WHO, at=NOON)
    assert known.holds(["ACMEIN"], WHO)
    known.remove(None, OTHER, at=NOON)
    known.add("ACMEIN", OTHER, at=NOON)
    assert known.holds(["ACMEIN"], OTHER)


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=5.5)), timezone(-12 * 60 * MINUTE), None])
def test_a_time_of_another_zone_is_kept_in_utc(known, zone):
    known.add(None, WHO, at=NOON.astimezone(zone) if zone else NOON.astimezone().replace(tzinfo=None))
    (out,) = known
    assert (out.at, out.at.utcoffset()) == (NOON, timedelta(0))


def test_a_sender_without_a_name_is_all(known):
    known.add("", WHO)
    known.add("+", WHO)
    assert known.holds(["ACMEIN"], WHO)


SAID = st.tuples(
    st.booleans(),
    st.sampled_from([None, "ACMEIN", "acmein", "+15550001111"]),
    st.sampled_from([WHO, OTHER]),
    st.integers(0, 5),
)


@given(words=st.lists(SAID), shuffled=st.randoms(use_true_random=False))
def test_the_order_in_which_words_come_does_not_matter_and_both_lists_agree(tmp_path_factory, words, shuffled):
    path = tmp_path_factory.mktemp("optouts") / "optouts.db"
    lists = [MemoryOptOuts(), SqliteOptOuts(path), MemoryOptOuts()]
    for each_list in lists:
        for out, sender, recipient, minutes in words:
            (each_list.add if out else each_list.remove)(sender, recipient, at=NOON + minutes * MINUTE)
        shuffled.shuffle(words)
    asked = [(senders, who) for who in (WHO, OTHER) for senders in (None, ["ACMEIN"], ["15550001111"], ["X"])]
    answers = [[each_list.holds(*question) for question in asked] for each_list in lists]
    assert answers[0] == answers[1] == answers[2]
    assert [{(out.recipient, out.at) for out in each_list} for each_list in lists[1:]] == [
        {(out.recipient, out.at) for out in lists[0]}
    ] * 2
    # The shown list and the answers agree.
    assert all(any(out.recipient == who for out in lists[0]) == lists[0].holds(None, who) for who in (WHO, OTHER))


# --- repeated events ------------------------------------------------------------------------------------------------------


def test_an_event_that_comes_again_changes_nothing(known):
    known.remove("ACMEIN", WHO, event="start")
    known.add("ACMEIN", WHO, event="stop")
    known.remove("ACMEIN", WHO, event="start")
    assert known.holds(["ACMEIN"], WHO)
    known.remove("ACMEIN", WHO, event="another start")
    known.add("ACMEIN", WHO, event="stop")
    assert not known.holds(["ACMEIN"], WHO)


def test_not_even_with_another_time_or_another_sender(known):
    known.add("ACMEIN", WHO, at=NOON, event="stop")
    known.remove(None, WHO, at=NOON + MINUTE, event="start")
    known.add("ACMEIN", WHO, at=NOON + 2 * MINUTE, event="stop")
    known.add(None, WHO, event="stop")
    assert not known.holds(None, WHO)


def test_an_event_is_known_for_each_recipient(known):
    known.add(None, WHO, event="both")
    known.add(None, OTHER, event="both")
    assert known.holds(None, WHO)
    assert known.holds(None, OTHER)


def test_what_has_no_name_is_new_each_time(known):
    for change in (known.add, known.remove, known.add, known.remove):
        change("ACMEIN", WHO)
    assert not known.holds(None, WHO)
    known.add("ACMEIN", WHO)
    assert known.holds(None, WHO)


def test_of_each_recipient_so_many_events_are_remembered_and_the_oldest_are_forgotten(known):
    known.add(None, OTHER, event="0")
    for number in range(MOST_EVENTS + 1):
        known.add(None, WHO, event=str(number))
    known.remove(None, WHO)
    known.remove(None, OTHER)
    for number in range(1, MOST_EVENTS + 1):
        known.add(None, WHO, event=str(number))
    known.add(None, OTHER, event="0")
    assert not known.holds(None, WHO)
    assert not known.holds(None, OTHER)
    known.add(None, WHO, event="0")
    assert known.holds(None, WHO)


def test_a_word_without_a_time_is_later_than_what_is_known_whatever_a_clock_says(known):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    known.add("ACMEIN", WHO, at=tomorrow)
    known.remove("ACMEIN", WHO)
    assert not known.holds(["ACMEIN"], WHO)
    known.add(None, WHO)
    assert known.holds(["ACMEIN"], WHO)
    known.remove("ACMEIN", WHO)
    assert not known.holds(["ACMEIN"], WHO)
    assert known.holds(["OTHER"], WHO)


def test_but_not_than_what_is_known_of_another_sender_or_another_person(known):
    soon = datetime.now(UTC) + timedelta(hours=1)
    known.add("OTHER", WHO, at=soon + MINUTE)
    known.add("ACMEIN", OTHER, at=soon + MINUTE)
    known.remove("ACMEIN", WHO)
    known.add("ACMEIN", WHO, at=soon)
    assert known.holds(["ACMEIN"], WHO)


def test_a_time_at_the_end_of_all_times_is_no_trouble(known):
    known.add("ACMEIN", WHO, at=datetime.max.replace(tzinfo=UTC))
    known.remove("ACMEIN", WHO)
    assert known.holds(["ACMEIN"], WHO)
    assert known.confirm(["ACMEIN"], WHO, within=MINUTE) is False


EVENTS = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([None, "ACMEIN", "+15550001111"]),
        st.sampled_from([WHO, OTHER]),
        st.none() | st.integers(0, 5),
    ),
    max_size=8,
)


def tell(known, events, number):
    out, sender, recipient, minutes = events[number]
    at = None if minutes is None else NOON + minutes * MINUTE
    (known.add if out else known.remove)(sender, recipient, at=at, source=REPLY, event=str(number))


def state(known):
    asked = [(senders, who) for who in (WHO, OTHER) for senders in (None, ["ACMEIN"], ["15550001111"], ["X"])]
    return {(out.recipient, out.sender) for out in known}, [known.holds(*question) for question in asked]


@given(events=EVENTS, chance=st.randoms(use_true_random=False))
def test_no_event_changes_anything_when_it_comes_again_in_whatever_order(events, chance):
    known = MemoryOptOuts()
    for number in range(len(events)):
        tell(known, events, number)
        before = state(known)
        for earlier in chance.choices(range(number + 1), k=3):
            tell(known, events, earlier)
        assert state(known) == before


@settings(max_examples=15)  # each writes to a disk
@given(events=EVENTS, chance=st.randoms(use_true_random=False))
def test_a_file_agrees_with_the_memory_also_when_events_come_again(tmp_path_factory, events, chance):
    path = tmp_path_factory.mktemp("optouts") / "optouts.db"
    memory, file = MemoryOptOuts(), SqliteOptOuts(path)
    for number in range(len(events)):
        for known in (memory, file):
            tell(known, events, number)
        earlier = chance.randrange(number + 1)
        tell(memory, events, earlier)
        tell(SqliteOptOuts(path) if chance.random() < 0.3 else file, events, earlier)
        assert state(memory) == state(file)


# --- confirmations --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "sqlite"])
def stopped(request, tmp_path):
    """Lists in which WHO has just texted STOP to ACMEIN."""
    known = MemoryOptOuts() if request.param == "memory" else SqliteOptOuts(tmp_path / "optouts.db")
    known.add("ACMEIN", WHO, source=REPLY, event="stop")
    return known


def test_a_stop_is_confirmed_once(stopped):
    assert stopped.confirm(["acmein"], WHO, within=MINUTE) is True
    assert stopped.confirm(["ACMEIN"], WHO, within=MINUTE) is False
    assert stopped.holds(["ACMEIN"], WHO)


def test_a_look_takes_nothing(stopped):
    assert [stopped.confirm(["ACMEIN"], WHO, within=MINUTE, take=False) for _ in "12"] == [True, True]
    assert stopped.confirm(["ACMEIN"], WHO, within=MINUTE) is True
    assert stopped.confirm(["ACMEIN"], WHO, within=MINUTE, take=False) is False


def test_a_stop_that_comes_again_gives_no_second_confirmation_and_another_stop_does(stopped):
    assert stopped.confirm(["ACMEIN"], WHO, within=MINUTE)
    stopped.add("ACMEIN", WHO, source=REPLY, event="stop")
    assert not stopped.confirm(["ACMEIN"], WHO, within=MINUTE)
    stopped.add("ACMEIN", WHO, source=REPLY, event="another stop")
    assert stopped.confirm(["ACMEIN"], WHO, within=MINUTE)
    assert not stopped.confirm(["ACMEIN"], WHO, within=MINUTE)


@pytest.mark.parametrize(
    ("senders", "who"), [(["OTHER"], WHO), (["ACMEIN"], OTHER), ([], WHO)], ids=["sender", "person", "no sender"]
)
def test_only_who_said_stop_is_told_and_only_by_whom_it_was_said_to(stopped, senders, who):
    assert not stopped.confirm(senders, who, within=MINUTE)
    assert stopped.confirm(["ACMEIN"], WHO, within=MINUTE)


def test_where_the_sender_is_not_known_it_may_be_any(stopped):
    assert stopped.confirm(None, WHO, within=MINUTE)
    assert not stopped.confirm(["ACMEIN"], WHO, within=MINUTE)


@pytest.mark.parametrize("source", ["vendor", "report", "operator", "import", ""])
def test_what_no_text_of_the_person_said_is_not_confirmed(known, source):
    known.add("ACMEIN", WHO, source=source)
    assert not known.confirm(["ACMEIN"], WHO, within=MINUTE)


def test_who_stopped_all_and_one_is_told_only_if_both_are_new(known):
    known.add("ACMEIN", WHO, source=REPLY)
    known.add("OTHER", WHO, source="operator")
    assert not known.confirm(["ACMEIN", "OTHER"], WHO, within=MINUTE)
    assert not known.confirm(None, WHO, within=MINUTE)
    assert known.confirm(["ACMEIN"], WHO, within=MINUTE)
    known.add("OTHER", WHO, source=REPLY)
    assert not known.confirm(["ACMEIN", "OTHER"], WHO, within=MINUTE)
    assert known.confirm(["OTHER"], WHO, within=MINUTE)


def test_a_stop_to_all_is_confirmed_by_one_of_them(known):
    known.add(None, WHO, source=REPLY)
    assert known.confirm(["ACMEIN"], WHO, within=MINUTE)
    assert not known.confirm(["OTHER"], WHO, within=MINUTE)
    assert not known.confirm(None, WHO, within=MINUTE)


def test_a_stop_is_confirmed_soon_or_not_at_all(known):
    known.add("ACMEIN", WHO, at=datetime.now(UTC) - MINUTE, source=REPLY)
    assert not known.confirm(["ACMEIN"], WHO, within=MINUTE)
    assert known.confirm(["ACMEIN"], WHO, within=2 * MINUTE)


def test_two_senders_that_one_person_stopped_at_one_moment_are_confirmed_by_each(known):
    now = datetime.now(UTC)
    for sender in ("ACMEIN", "OTHER"):
        known.add(sender, WHO, at=now, source=REPLY)
    assert [known.confirm([sender], WHO, within=MINUTE) for sender in ("ACMEIN", "OTHER")] == [True, True]
    assert [known.confirm([sender], WHO, within=MINUTE) for sender in ("ACMEIN", "OTHER")] == [False, False]


def test_who_opted_in_again_needs_no_confirmation(stopped):
    stopped.remove("ACMEIN", WHO, source=REPLY, event="start")
    assert not stopped.confirm(["ACMEIN"], WHO, within=MINUTE)


def test_of_many_that_confirm_at_once_one_may(stopped):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(stopped.confirm(["ACMEIN"], WHO, within=MINUTE)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 7 + [True]


def test_many_threads_may_use_it_at_once(known):
    def work(number):
        for step in range(5):
            known.add("ACMEIN", f"+9198765{number:02}{step:03}")

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for worker in threads:
        worker.join()
    assert len(list(known)) == 40


def test_an_opt_out_shows_no_number():
    shown = repr(OptOut(recipient=WHO, sender="+15550001111", at=NOON, source="reply"))
    assert shown == "OptOut(recipient=+91******3210, sender=+15*****1111, at=2026-11-25T12:00:00+00:00, source='reply')"
    assert "sender=all" in repr(OptOut(recipient=WHO, at=NOON))


# --- the file -------------------------------------------------------------------------------------------------------------


def test_the_file_is_for_its_owner_and_outlives_the_process(tmp_path):
    path = tmp_path / "optouts.db"
    SqliteOptOuts(path).add("ACMEIN", WHO, at=NOON, source="reply")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert list(SqliteOptOuts(path)) == [OptOut(recipient=WHO, sender="ACMEIN", at=NOON, source="reply")]


def test_what_came_and_what_was_confirmed_outlives_the_process_too(tmp_path):
    path = tmp_path / "optouts.db"
    SqliteOptOuts(path).remove("ACMEIN", WHO, event="start")
    SqliteOptOuts(path).add("ACMEIN", WHO, source=REPLY, event="stop")
    SqliteOptOuts(path).remove("ACMEIN", WHO, event="start")
    assert SqliteOptOuts(path).holds(["ACMEIN"], WHO)
    assert [SqliteOptOuts(path).confirm(["ACMEIN"], WHO, within=MINUTE) for _ in "12"] == [True, False]


def test_a_list_of_an_earlier_version_is_used_on(tmp_path):
    path = tmp_path / "optouts.db"
    SqliteOptOuts(path).add("ACMEIN", WHO, at=NOON)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript("DROP TABLE events; DROP TABLE confirmations")
    known = SqliteOptOuts(path)
    assert known.holds(["ACMEIN"], WHO)
    known.remove("ACMEIN", WHO, event="start")
    assert not known.holds(["ACMEIN"], WHO)


def test_where_a_link_leads_is_for_its_owner_too(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "optouts.db")
    SqliteOptOuts(tmp_path / "link.db").add(None, WHO)
    assert stat.S_IMODE((tmp_path / "optouts.db").stat().st_mode) == 0o600


def test_another_list_of_the_same_file_drops_no_lock_that_this_process_holds(tmp_path):
    path = tmp_path / "optouts.db"
    SqliteOptOuts(path)
    code = f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("BEGIN IMMEDIATE")
        SqliteOptOuts(path)
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "database is locked" in other.stderr


def test_several_processes_may_use_it_at_once(tmp_path):
    path = tmp_path / "optouts.db"
    known = SqliteOptOuts(path)
    code = f"import pathlib; from smsbridge.optouts import *; SqliteOptOuts(pathlib.Path({str(path)!r})).add(None, {OTHER!r})"
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    known.add(None, WHO)
    assert [process.wait(timeout=60) for process in others] == [0, 0]
    assert [out.recipient for out in known] == [WHO, OTHER]


def test_several_are_added_together_or_not_at_all(tmp_path):
    known = SqliteOptOuts(tmp_path / "optouts.db")
    known.add_all([("ACMEIN", WHO), (None, OTHER)], source="import")
    assert [(opt_out.recipient, opt_out.sender, opt_out.source) for opt_out in known] == [
        (WHO, "ACMEIN", "import"),
        (OTHER, None, "import"),
    ]

    def rows():
        yield None, "+919876543299"
        raise LookupError

    with pytest.raises(LookupError):
        known.add_all(rows())
    assert len(list(known)) == 2


def broken_directory(path):
    path.mkdir()


def broken_text(path):
    path.write_text("these are numbers: 1, 2, 3 " * 100)


def broken_table(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE words (recipient)")
    database.close()


@pytest.mark.parametrize("spoil", [broken_directory, broken_text, broken_table])
def test_a_file_that_cannot_be_a_list_is_named_at_once(tmp_path, spoil):
    path = tmp_path / "optouts.db"
    spoil(path)
    with pytest.raises(ConfigurationError, match=r"the list of opt-outs .*optouts\.db cannot be used"):
        SqliteOptOuts(path)


def test_so_is_one_in_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be used: No such file"):
        SqliteOptOuts(tmp_path / "none" / "optouts.db")


def test_so_is_one_that_could_only_be_read(monkeypatch, tmp_path):
    path = tmp_path / "optouts.db"
    SqliteOptOuts(path)
    monkeypatch.setattr(os, "access", lambda at, mode: at != path or not mode & os.W_OK)
    with pytest.raises(ConfigurationError, match="cannot be used: Permission denied"):
        SqliteOptOuts(path)


def test_one_that_breaks_later_is_an_error_without_numbers(tmp_path):
    path = tmp_path / "optouts.db"
    known = SqliteOptOuts(path)
    os.truncate(path, 0)
    path.write_bytes(b"x" * 5000)
    for work in (lambda: known.holds(None, WHO), lambda: known.add(None, WHO), lambda: list(known)):
        with pytest.raises(OSError, match="cannot be used") as raised:
            work()
        assert WHO not in str(raised.value)
