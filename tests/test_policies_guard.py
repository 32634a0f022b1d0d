"""The guard: who may be texted, and how often."""

from __future__ import annotations

import contextlib
import gc
import itertools
import math
import pickle
import sys
import threading
import tracemalloc
from datetime import UTC, datetime
from functools import partial
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripted import OK, TEXT, TO, AsyncWire, BatchProvider, HttpProvider, Recorder, Wire, drive, message
from smsbridge.attempts import attempt, attempt_batch, attempt_verification, foresee
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.composite import each
from smsbridge.errors import (
    AuthenticationError,
    ConfigurationError,
    NoAnswer,
    NotConnected,
    SendError,
    UnsupportedError,
    VetoedError,
)
from smsbridge.guard import policy as room
from smsbridge.guard.policy import GuardPolicy
from smsbridge.http import HttpResponse
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.policy import Policy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.provider import vendor_of
from smsbridge.sending import deliver, deliver_batch, deliver_verification
from smsbridge.settings import Settings
from smsbridge.stores import caps as caps_room
from smsbridge.stores.caps import Cap, Caps
from smsbridge.stores.gcra import Rate
from smsbridge.testing import Outbox

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
OTHER = "+919876543211"
FAR = "+919899990000"
AMERICAN = "+14155550123"
BAHAMIAN = "+12423590123"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def guard(inner=None, clock=None, **settings):
    made = GuardPolicy(inner=inner or HttpProvider(), **settings)
    if clock is not None:
        made._rules.clock = clock
    return made


def refused(flow, *answers):
    with pytest.raises(VetoedError) as caught:
        drive(flow, *answers)
    return caught.value


def send(policy, number=TO, answer=OK, reference="ref-1"):
    return drive(attempt(policy, message(to=number, reference=reference)), answer)


# --- who may be texted ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allow", [[TO], ["+91 98765-43210"], ["+9198*"], [OTHER, "+91987*"]])
def test_those_who_are_allowed_are_texted(allow):
    assert send(guard(allow=allow)).id == "vendor-1"


@pytest.mark.parametrize("allow", [[OTHER], ["+9197*", "+1*"], ["+91987654321*", OTHER]])
def test_all_others_are_refused_before_anything_leaves(allow):
    error = refused(attempt(guard(allow=allow), message(to=FAR)))
    assert (error.reason, error.fault, error.reference, error.account) == ("allow-list", "local", "ref-1", "scripted")
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow", []),
        ("allow", ["*"]),
        ("allow", ["+*"]),
        ("allow", ["9198*"]),
        ("allow", ["9876543210"]),
        ("allow", ["+91*98"]),
        ("redirect", "9876543210"),
        ("redirect", "+9198*"),
        ("countries", []),
        ("countries", ["India"]),
        ("countries", ["+999"]),
        ("countries", ["²"]),
        ("per_recipient", "five"),
        ("total", "0/1h"),
        ("remembers", 999),
    ],
)
def test_a_wrong_setting_is_an_error_and_never_a_guard_that_lets_all_through(name, value):
    with pytest.raises(ConfigurationError, match=f"SMSBRIDGE_GUARD_{name.upper()} is wrong") as caught:
        guard(account="guard", **{name: value})
    assert "9876543210" not in str(caught.value)


def test_a_list_that_is_set_but_empty_is_an_error(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_GUARD_ALLOW", " , ")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_GUARD_ALLOW is wrong: it is empty"):
        Plugins().stack("memory")


def test_a_wrong_redirection_is_not_told_of_beginnings():
    with pytest.raises(
        ConfigurationError, match="GUARD_REDIRECT is wrong: write a number with its country code"
    ) as caught:
        guard(redirect="12345")
    assert "star" not in str(caught.value)


def test_what_is_no_provider_is_said_in_words():
    with pytest.raises(ConfigurationError, match="INNER is wrong: it has to be an object of the kind SmsProvider"):
        GuardPolicy(inner="memory")


def test_a_key_that_is_too_short_is_told_how_long_it_has_to_be():
    with pytest.raises(ConfigurationError, match="LEDGER_KEY is wrong: 16 or more are needed"):
        LedgerPolicy(inner=MemoryProvider(), account="ledger", path="x.db", key="FAKE-KEY")


def test_every_text_is_redirected_and_nothing_else_of_it_changes():
    memory = MemoryProvider()
    policy = guard(memory, redirect="+91 98999 90000")
    original = message(sender="ACME")
    sent = drive(attempt(policy, original))
    (kept,) = memory.sent
    assert (kept.to, sent.to) == (FAR, FAR)
    assert (kept.text, kept.sender, kept.reference) == (original.text, "ACME", "ref-1")


def test_a_redirected_text_is_judged_by_the_number_that_was_asked_for():
    memory = MemoryProvider()
    policy = guard(memory, redirect=AMERICAN, countries=["IN"], per_recipient="1/1h")
    for number in (TO, OTHER):
        drive(attempt(policy, message(to=number)))
    assert refused(attempt(policy, message(to=TO))).reason == "cap-recipient"
    assert refused(attempt(policy, message(to=AMERICAN))).reason == "country"
    assert [sent.to for sent in memory.sent] == [AMERICAN, AMERICAN]


@pytest.mark.parametrize("countries", [["IN"], ["in"], ["+91"], ["91"], ["US", "+91"]])
def test_a_country_is_a_region_or_a_calling_code(countries):
    policy = guard(countries=countries)
    assert send(policy).id == "vendor-1"
    assert refused(attempt(policy, message(to="+447911123456"))).reason == "country"


def test_regions_that_share_a_calling_code_are_told_apart():
    """The Caribbean is +1 as the United States are, at a multiple of the price."""
    policy = guard(countries=["US"])
    assert send(policy, "+14155552671")
    assert refused(attempt(policy, message(to=BAHAMIAN))).reason == "country"
    assert send(guard(countries=["+1"]), BAHAMIAN)
    assert send(guard(countries=["BS"]), BAHAMIAN)


def test_a_number_that_belongs_to_no_region_is_in_none():
    assert refused(attempt(guard(countries=["US"]), message(to="+19995550123"))).reason == "country"
    assert refused(attempt(guard(countries=["US"]), message(to="+1"))).reason == "country"


# --- how often ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "second", "reason"),
    [
        ({"per_recipient": "1/1h"}, TO, "cap-recipient"),
        ({"per_prefix": "1/1h"}, OTHER, "cap-prefix"),
        ({"total": "1/1h"}, AMERICAN, "cap-total"),
        ({"total": "1/1h", "per_prefix": "1/1h", "per_recipient": "1/1h"}, TO, "cap-recipient"),
    ],
)
def test_a_cap_refuses_and_says_when_there_will_be_a_place(settings, second, reason):
    clock = Clock()
    policy = guard(clock=clock, **settings)
    send(policy)
    clock.now += 600
    error = refused(attempt(policy, message(to=second)))
    assert (error.reason, error.fault, error.retry_after) == (reason, "local", 3000)
    clock.now += 2999
    assert refused(attempt(policy, message(to=second))).reason == reason
    clock.now += 1
    assert send(policy, second)


@pytest.mark.parametrize(
    ("settings", "second"), [({"per_recipient": "1/1h"}, OTHER), ({"per_prefix": "1/1h"}, "+919876550000")]
)
def test_others_are_not_concerned(settings, second):
    policy = guard(**settings)
    send(policy)
    assert send(policy, second)


@pytest.mark.parametrize(
    ("answer", "gives_back"),
    [
        (HttpResponse(status=401), True),
        (NotConnected("refused"), True),
        (HttpResponse(status=500), False),
        (NoAnswer("time-out"), False),
    ],
)
def test_only_a_text_that_was_certainly_not_sent_gives_its_places_back(answer, gives_back):
    policy = guard(per_recipient="1/1h", per_prefix="1/1h", total="1/1h")
    with pytest.raises(SendError):
        send(policy, answer=answer)
    if gives_back:
        assert policy._rules.caps.texts == 0
        assert send(policy)
    else:
        assert refused(attempt(policy, message())).reason == "cap-recipient"


def test_a_text_that_the_provider_cannot_express_takes_no_place():
    policy = guard(HttpProvider(), per_recipient="1/1h")
    with pytest.raises(UnsupportedError):
        drive(attempt(policy, message(send_at=NOW)))
    assert send(policy)


def test_a_text_that_one_cap_refuses_takes_no_place_at_another():
    policy = guard(per_recipient="1/1h", total="2/1h")
    send(policy)
    for _ in range(5):
        refused(attempt(policy, message()))
    assert send(policy, FAR)


def test_a_text_holds_its_place_while_it_is_on_its_way_and_for_the_whole_time_after():
    """A text may leave as late as its end. Another text, admitted a window after its beginning, could leave at the same moment."""
    clock = Clock()
    policy = guard(clock=clock, per_recipient="1/1m")
    flow = attempt(policy, message())
    next(flow)
    clock.now += 3600
    error = refused(attempt(policy, message()))
    assert (error.reason, error.retry_after) == ("cap-recipient", None)
    with pytest.raises(StopIteration):
        flow.send(OK)
    clock.now += 59
    assert refused(attempt(policy, message())).retry_after == 1
    clock.now += 1
    assert send(policy)


def test_a_flow_that_is_dropped_counts_as_one_that_may_have_left():
    clock = Clock()
    policy = guard(clock=clock, per_recipient="1/1m")
    flow = attempt(policy, message())
    next(flow)
    del flow
    gc.collect()
    assert refused(attempt(policy, message())).retry_after == 60


WINDOW = 10
BY = {"recipient": lambda to: to, "prefix": lambda to: to[:-4], "total": lambda to: ""}


class Text:
    def __init__(self, number, begun):
        self.number, self.begun, self.left, self.ended = number, begun, None, None


def holds(text, kind, number, now):
    """The definition of a taken place: on its way, or sent and ended less than a window ago."""
    same = BY[kind](text.number) == BY[kind](number)
    return same and (text.ended is None or (text.left is not None and text.ended > now - WINDOW))


STEP = st.tuples(
    st.integers(0, 4),
    st.sampled_from(["begin", "begin", "leave", "end"]),
    st.sampled_from([TO, OTHER, FAR, AMERICAN]),
    st.integers(0, 9),
)


MOST = st.fixed_dictionaries(dict.fromkeys(BY, st.integers(1, 5)))


def run(caps, clock, steps, judge):
    """Play ``steps``. ``judge`` gets the answer to each text that wants to begin, and the texts before it."""
    texts = []
    for seconds, action, number, which in steps:
        clock.now += seconds
        flying = [text for text in texts if text.ended is None]
        if action == "begin":
            full = caps.take(number, clock)
            judge(full, number, texts)
            if full is None:
                texts.append(Text(number, clock.now))
        elif flying:
            flight = flying[which % len(flying)]
            if action == "leave":
                flight.left = clock.now
            else:
                flight.ended = clock.now
                caps.end(flight.number, clock, sent=flight.left is not None)
    return [text for text in texts if text.left is not None]


def never_more(left, most):
    for kind, by in BY.items():
        for first in left:
            same = [flight for flight in left if by(flight.number) == by(first.number)]
            assert sum(first.left <= flight.left < first.left + WINDOW for flight in same) <= most[kind]


@settings(max_examples=300)
@given(MOST, st.lists(STEP, max_size=80))
def test_no_window_sees_more_texts_leave_than_a_cap_says_and_no_place_is_wasted(most, steps):
    clock = Clock()

    def judge(full, number, texts):
        taken = {kind: [text for text in texts if holds(text, kind, number, clock.now)] for kind in BY}
        assert (full and full.kind) == next((kind for kind in BY if len(taken[kind]) >= most[kind]), None)
        if full is not None:
            ends = [flight.ended for flight in taken[full.kind] if flight.ended is not None]
            assert full.wait == (min(ends) + WINDOW - clock.now if ends else None)

    caps = Caps({kind: Rate(count, WINDOW) for kind, count in most.items()}, 1000)
    never_more(run(caps, clock, steps, judge), most)


@settings(max_examples=300)
@given(MOST, st.lists(STEP, max_size=80))
def test_nor_where_texts_are_remembered_in_groups_and_places_come_back_a_little_late(most, steps):
    clock = Clock()
    grain = WINDOW / 2

    def judge(full, number, texts):
        if full is not None:
            late = [text for text in texts if holds(text, full.kind, number, clock.now - grain)]
            assert len(late) >= most[full.kind]

    with mock.patch.object(caps_room, "_MANY", 2):
        caps = Caps({kind: Rate(count, WINDOW) for kind, count in most.items()}, 1000)
        never_more(run(caps, clock, steps, judge), most)


@settings(max_examples=25)
@given(st.sampled_from([101, 150, 200]), st.lists(st.tuples(st.floats(0, 40), st.integers(0, 60)), max_size=60))
def test_nor_does_a_cap_of_more_than_a_hundred(most, steps):
    cap, now, left = Cap("total", Rate(most, 100.0), 10**6), 0.0, []
    for seconds, count in steps:
        now += seconds
        for _ in range(count):
            if cap.full("", now) is None:
                cap.take("", now)
                cap.end("", now, sent=True)
                left.append(now)
            else:
                assert sum(then > now - 101 for then in left) >= most
    for first in left:
        assert sum(first <= then < first + 100 for then in left) <= most


@pytest.mark.parametrize("most", [3, 150])
def test_a_cap_counts_what_it_remembers_and_a_place_comes_back_when_the_time_is_over(most):
    cap = Cap("recipient", Rate(most, 100.0), 1000)
    for now in (10.0, 20.0, 30.0):
        cap.take(TO, now)
        cap.end(TO, now, sent=True)
    remembered = []
    for now in (30.0, 109.5, 110.0, 119.5, 120.0, 130.0):
        cap.full(TO, now)
        remembered.append(cap.texts)
    assert remembered == [3, 3, 2, 2, 1, 0]


@pytest.mark.parametrize(("most", "remembered_as", "kept"), [(90, float, list), (150, math.ceil, set)])
@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from([TO, OTHER]), st.integers(1, 3)), max_size=25))
def test_a_cap_remembers_what_is_in_its_window_and_has_all_other_places(most, remembered_as, kept, steps):
    cap, now, ends = Cap("recipient", Rate(most, 100.0), 10**6), 0.0, {TO: [], OTHER: []}
    for quarters, number, count in steps:
        now += quarters / 4
        for _ in range(count):
            cap.take(number, now)
            cap.end(number, now, sent=True)
            ends[number].append(remembered_as(now))
    inside = {number: [end for end in ends[number] if end > now - 100] for number in ends}
    assert [cap.full(number, now) for number in ends] == [None, None]
    assert cap.texts == sum(len(kept(each)) for each in inside.values())
    for number, taken in inside.items():
        free = 0
        while cap.full(number, now) is None:
            cap.take(number, now)
            free += 1
        assert free == most - len(taken)


def test_a_number_that_is_texted_on_and_on_does_not_keep_what_is_remembered_of_others():
    cap = Cap("recipient", Rate(5, 100.0), 3)
    for number, now in ((TO, 0.0), (OTHER, 1.0), (TO, 50.0)):
        cap.take(number, now)
        cap.end(number, now, sent=True)
    assert cap.full(FAR, 100.0).crowded
    assert cap.full(FAR, 101.0) is None


@pytest.mark.parametrize("most", [2, 150])
def test_an_end_that_is_told_late_ends_no_earlier_than_the_one_before_it(most):
    cap = Cap("recipient", Rate(most, 100.0), 1000)
    for _ in range(most):
        cap.take(TO, 0.0)
    for _ in range(most - 1):
        cap.end(TO, 60.0, sent=True)
    cap.end(TO, 40.0, sent=True)
    cap.take(OTHER, 150.0)
    assert cap.full(TO, 150.0).wait == 10
    assert cap.full(TO, 160.0) is None


def test_only_a_text_that_has_a_place_and_has_not_ended_can_give_it_back():
    caps, clock = Caps({"recipient": Rate(2, 60), "total": Rate(9, 60)}, 100), Clock()
    assert [caps.take(TO, clock, ticket) for ticket in ("first", "second")] == [None, None]
    for ticket in ("first", "first", "unknown", None):
        caps.end(TO, clock, sent=False, ticket=ticket)
    assert caps.texts == 2
    assert caps.take(TO, clock, "third") is None
    assert caps.full(TO, clock).kind == "recipient"


def test_texts_of_one_ticket_have_a_place_each():
    caps, clock = Caps({"total": Rate(2, 60)}, 100), Clock()
    for _ in "12":
        assert caps.take(TO, clock) is None
    assert caps.full(OTHER, clock).wait is None
    caps.end(TO, clock, sent=False)
    assert caps.full(OTHER, clock) is None
    assert caps.take(TO, clock) is None
    for _ in "12":
        caps.end(TO, clock, sent=False)
    assert caps.texts == 0


def interrupted(number, work, *given):
    """Whether Ctrl-C came at line ``number`` of the caps' code in ``work``; ``work`` may have fewer lines."""
    before, lines = sys.gettrace(), itertools.count(1)

    def trace(frame, event, _):
        if event == "line" and frame.f_code.co_filename == caps_room.__file__ and next(lines) == number:
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        work(*given)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("most", [4, 150])
@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("at", ["take", "end", "ask", "count"])
def test_an_interruption_between_any_two_steps_neither_loses_a_place_nor_gives_one_twice(most, sent, at):
    for number in itertools.count(1):
        caps, clock = Caps({"recipient": Rate(most, 60), "total": Rate(most + 1, 60)}, 10_000), Clock()
        for ticket in ("sent", "sent too", "given back", "interrupted"):
            assert caps.take(TO, clock, ticket) is None
        for ticket in ("sent", "sent too", "given back"):
            caps.end(TO, clock, sent=ticket != "given back", ticket=ticket)
        end = partial(caps.end, TO, clock, sent=sent, ticket="interrupted")
        struck = {
            "take": lambda: interrupted(number, caps.take, TO, clock, "new"),  # noqa: B023  # called at once
            "end": lambda: interrupted(number, end),  # noqa: B023
            "ask": lambda: end() or interrupted(number, caps.full, OTHER, clock),  # noqa: B023
            "count": lambda: end() or interrupted(number, lambda: caps.texts),  # noqa: B023
        }[at]()
        caps.end(TO, clock, sent=False, ticket="new")
        end()
        kept = 3 if sent else 2
        assert caps.texts == 2 * (kept if most == 4 else 1)
        assert sum(caps.take(TO, clock, ticket) is None for ticket in range(most)) == most - kept
        assert caps.take(OTHER, clock, "another") is None
        assert caps.full(OTHER, clock).kind == "total"
        if not struck:
            break


def test_threads_share_a_cap():
    policy = guard(MemoryProvider(), total="100/1h")
    refusals = []

    def work():
        for _ in range(50):
            try:
                drive(attempt(policy, message()))
            except VetoedError as error:
                refusals.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for worker in threads:
        worker.join()
    assert (len(policy.inner.sent), len(refusals)) == (100, 100)


def test_a_flow_that_is_collected_while_its_own_thread_is_at_the_caps_does_not_lock_it():
    caps = Caps({"total": Rate(1, 60)}, 10)
    clock = Clock()
    assert caps.take(TO, clock) is None

    def interrupted_clock():
        caps.end(TO, clock, sent=False)  # as garbage collection would, at the worst moment
        return clock.now

    assert caps.take(TO, interrupted_clock).kind == "total"
    assert caps.take(TO, clock) is None


def test_caps_of_accounts_from_the_environment_are_shared_by_all_clients_of_the_process(monkeypatch):
    monkeypatch.setattr(room, "_shared", {})
    monkeypatch.setenv("SMSBRIDGE_GUARD_PER_RECIPIENT", "1/1h")
    for name in ("a", "b"):
        monkeypatch.setenv(f"SMSBRIDGE_{name.upper()}_PROVIDER", "memory")
    first, second, other = (SmsClient(name, plugins=Plugins()) for name in ("a", "a", "b"))
    first.send(message())
    with pytest.raises(VetoedError):
        second.send(message())
    assert other.send(message())
    monkeypatch.setenv("SMSBRIDGE_A_GUARD_PER_RECIPIENT", "5/1h")
    assert SmsClient("a", plugins=Plugins()).send(message())


# --- memory ---------------------------------------------------------------------------------------------------------------


def test_a_cap_that_can_remember_no_more_texts_refuses_others_until_it_can():
    clock = Clock()
    policy = guard(clock=clock, per_recipient="2/1m")
    policy._rules.caps = Caps({"recipient": Rate(2, 60)}, 2)
    send(policy, TO)
    clock.now += 10
    send(policy, OTHER)
    for number in (TO, FAR):
        error = refused(attempt(policy, message(to=number)))
        assert (error.reason, error.retry_after) == ("cap-recipient", 50)
        assert "cannot remember" in str(error)
    clock.now += 50
    assert send(policy, FAR)
    assert refused(attempt(policy, message(to=TO))).retry_after == 10
    assert policy._rules.caps.texts == 2


def test_texts_on_their_way_are_remembered_for_as_long_as_it_takes():
    caps, clock = Caps({"recipient": Rate(2, 60)}, 1), Clock()
    assert caps.take(TO, clock) is None
    full = caps.full(OTHER, clock)
    assert (full.crowded, full.wait) == (True, None)


@pytest.mark.parametrize("seconds", [0.0, 0.1])
@pytest.mark.parametrize("most", [5, 1_000_000])
def test_memory_stays_bounded_however_many_texts_are_sent(seconds, most):
    """1,000,000 of them: tests/benchmarks/guard.py."""
    clock = Clock()
    caps = Caps(dict.fromkeys(("recipient", "prefix", "total"), Rate(most, 60)), 500)
    peaks = []
    tracemalloc.start()
    for n in range(10_000):
        number = f"+91{9000000000 + n * 10007}"
        clock.now += seconds
        if caps.take(number, clock) is None:
            caps.end(number, clock, sent=True)
        assert caps.texts <= 3 * 500
        if n in (2_000, 9_999):
            peaks.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.1


def test_a_cap_with_many_places_remembers_few_groups():
    clock = Clock()
    caps = Caps({"total": Rate(10_000, 3600)}, 1000)
    for _ in range(10_000):
        clock.now += 0.36
        assert caps.take(TO, clock) is None
        caps.end(TO, clock, sent=True)
    assert caps.texts <= 101
    assert caps.full(TO, clock).wait <= 2 * 36


def test_what_is_forgotten_leaves_nothing_behind():
    for most in (1, 1000):
        cap = Cap("recipient", Rate(most, 60), 1000)
        for n in range(1000):
            cap.take(f"{n}", 0.0)
            cap.end(f"{n}", 0.0, sent=True)
        assert cap.texts == 1000
        for n in range(1000):
            assert cap.full(f"x{n}", 61.0 + n) is None
            cap.take(f"x{n}", 61.0 + n)
            cap.end(f"x{n}", 61.0 + n, sent=False)
        assert (cap.texts, len(cap._ended), len(cap._flying)) == (0, 0, 0)


# --- with other policies --------------------------------------------------------------------------------------------------


def texts(*numbers):
    return [message(to=number, reference=f"ref-{n}", text=f"{TEXT} {n}") for n, number in enumerate(numbers)]


def test_of_a_batch_each_text_is_judged_alone():
    hooks = Recorder()
    policy = guard(BatchProvider(), per_recipient="1/1h", countries=["IN"])
    flow = deliver_batch(Plugins(hooks), policy, texts(TO, AMERICAN, TO, OTHER))
    results = drive(flow, HttpResponse.of_json({"ids": ["a", "b"]}))
    assert [result.sent and result.sent.id for result in results] == ["a", None, None, "b"]
    assert [getattr(result.error, "reason", None) for result in results] == [None, "country", "cap-recipient", None]
    assert [hooks.outcome(f"ref-{n}") for n in range(4)] == [result.sent or result.error for result in results]
    assert [result.message.to for result in results] == [TO, AMERICAN, TO, OTHER]


def test_of_a_batch_that_is_refused_each_text_gives_its_place_back():
    policy = guard(BatchProvider(), per_recipient="1/1h", total="4/1h")
    assert {
        type(result.error) for result in drive(attempt_batch(policy, texts(TO, OTHER)), HttpResponse(status=401))
    } == {AuthenticationError}
    assert policy._rules.caps.texts == 0


def test_one_time_codes_are_guarded_too():
    hooks = Recorder()
    policy = guard(per_recipient="1/1h", redirect=FAR)
    flow = deliver_verification(Plugins(hooks), policy, message())
    assert drive(flow, OK).to == FAR
    error = refused(deliver_verification(Plugins(hooks), policy, message(reference="ref-2")))
    assert error.reason == "cap-recipient"
    assert hooks.outcome("ref-2") == error
    assert refused(attempt_verification(policy, message())).reason == "cap-recipient"


def test_what_is_refused_is_told_to_the_hooks_once():
    hooks = Recorder()
    error = refused(deliver(Plugins(hooks), guard(allow=[OTHER]), message()))
    assert hooks.names == ["before", "failed"]
    assert hooks.outcome("ref-1") == error


@pytest.mark.parametrize("answers", [Wire, AsyncWire])
async def test_both_clients_refuse_alike(answers):
    wire = answers()
    policy = guard(allow=[OTHER])
    if answers is Wire:
        client = SmsClient(policy, settings=Settings(), plugins=Plugins(), transport=wire)
        with pytest.raises(VetoedError) as caught:
            client.send(message())
        with client.send_many([message(), message(to=OTHER)]) as many:
            results = list(many)
    else:
        client = AsyncSmsClient(policy, settings=Settings(), plugins=Plugins(), transport=wire)
        with pytest.raises(VetoedError) as caught:
            await client.send(message())
        async with client.send_many([message(), message(to=OTHER)]) as many:
            results = [result async for result in many]
    assert caught.value.reason == "allow-list"
    assert sorted(result.sent is not None for result in results) == [False, True]
    assert len(wire.requests) == 1


def test_neither_retry_nor_failover_acts_on_a_refusal_of_a_guard():
    other = HttpProvider(account="b")
    failover = FailoverPolicy(accounts=[guard(HttpProvider(account="a"), allow=[OTHER]), other])
    error = refused(attempt(RetryPolicy(inner=failover), message()))
    assert (error.reason, error.attempts) == ("allow-list", ())
    assert failover._breakers["a"].peek(0) is None


def test_attempts_of_one_text_take_one_place():
    policy = guard(RetryPolicy(inner=HttpProvider(), first_wait=0), per_recipient="1/1h")
    assert drive(attempt(policy, message()), NotConnected(), OK).id == "vendor-1"
    assert refused(attempt(policy, message())).reason == "cap-recipient"


def test_it_is_the_outermost_policy_and_only_there_where_one_of_its_settings_is_set(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "twincle")
    monkeypatch.setenv("SMSBRIDGE_OTP_ACCESS_TOKEN", "FAKE-TOKEN-DO-NOT-USE")
    monkeypatch.setenv("SMSBRIDGE_OTP_BASE_URL", "https://twincle.example/api/v2/")
    assert [type(layer).name for layer in each(Plugins().stack("otp"))] == ["retry", "limit", "twincle"]
    monkeypatch.setenv("SMSBRIDGE_OTP_GUARD_TOTAL", "5/1h")
    stack = Plugins().stack("otp")
    assert [type(layer).name for layer in each(stack)] == ["guard", "retry", "limit", "twincle"]
    assert (stack.account, vendor_of(stack), stack.total) == ("otp", "twincle", Rate(5, 3600))


def test_a_guard_that_one_account_of_several_has_spares_the_others_none(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_SAFE_PROVIDER", "guard")
    monkeypatch.setenv("SMSBRIDGE_SAFE_INNER", "memory")
    monkeypatch.setenv("SMSBRIDGE_SAFE_TOTAL", "9/1h")
    monkeypatch.setenv("SMSBRIDGE_BOTH_PROVIDER", "failover")
    monkeypatch.setenv("SMSBRIDGE_BOTH_ACCOUNTS", "safe,console")
    monkeypatch.setenv("SMSBRIDGE_GUARD_COUNTRIES", "IN")
    assert [type(layer).name for layer in each(Plugins().stack("safe"))] == ["guard", "memory"]
    names = [type(layer).name for layer in each(Plugins().stack("both"))]
    assert [name for name in names if name != "retry"] == ["guard", "failover", "guard", "memory", "console"]


@pytest.mark.parametrize(
    "variables",
    [{"SMSBRIDGE_GUARD_REMEMBERS": "5000"}, {"SMSBRIDGE_MEMORY_GUARD_REMEMBERS": "5000"}],
)
def test_a_guard_without_a_rule_is_refused(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        ConfigurationError, match=r"a guard without a rule .*SMSBRIDGE_GUARD_ALLOW, .*SMSBRIDGE_GUARD_TOTAL"
    ):
        Plugins().stack("memory")


def test_an_account_that_is_a_guard_without_a_rule_is_refused_too(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_SAFE_PROVIDER", "guard")
    monkeypatch.setenv("SMSBRIDGE_SAFE_INNER", "memory")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_SAFE_ALLOW"):
        Plugins().stack("safe")


def test_in_an_outbox_a_guard_is_as_it_will_be(monkeypatch):
    monkeypatch.setattr(room, "_shared", {})
    monkeypatch.setenv("SMSBRIDGE_GUARD_REDIRECT", FAR)
    monkeypatch.setenv("SMSBRIDGE_GUARD_PER_RECIPIENT", "1/1h")
    with Outbox() as outbox, SmsClient("console", plugins=Plugins()) as client:
        client.send(message())
        with pytest.raises(VetoedError):
            client.send(message())
    assert outbox.pairs == [(FAR, TEXT)]


# --- repr and logs --------------------------------------------------------------------------------------------------------


def test_no_number_and_no_text_is_shown():
    policy = guard(allow=[OTHER], redirect=FAR)
    error = refused(attempt(policy, message()))
    view = foresee(guard(redirect=FAR), message(), now=NOW)
    for shown in (repr(policy), str(error), repr(error), repr(RetryPolicy(inner=policy)), repr(view)):
        for private in (TO, OTHER, FAR, TEXT, TO[-8:], FAR[-8:]):
            assert private not in shown
    assert "+91******0000" in view.words
    assert pickle.loads(pickle.dumps(error)) == error


def test_what_is_redirected_is_foreseen_for_the_number_that_gets_it():
    seen = []

    class Watching(Policy):
        name = "watching"

        def foresee(self, message, *, now):
            seen.append(message.to)
            return super().foresee(message, now=now)

    view = foresee(guard(Watching(inner=HttpProvider()), redirect=OTHER), message(), now=NOW)
    assert (view.verdict, seen) == ("would send", [OTHER])
    assert OTHER not in view.words


@pytest.mark.parametrize("name", ["allow", "redirect", "countries", "per_recipient", "per_prefix", "total"])
def test_a_rule_that_is_none_is_no_rule(name):
    assert send(guard(**{name: None}))


def test_a_place_that_was_taken_for_a_text_that_went_nowhere_is_given_back():
    policy, given = guard(total="1/1h"), message()
    with pytest.raises(StopIteration):
        next(policy.admit(given))
    assert refused(attempt(policy, message(reference="ref-2"))).reason == "cap-total"
    policy.give_back(given)
    policy.give_back(given)
    assert send(policy)
    assert refused(attempt(policy, message(reference="ref-2"))).reason == "cap-total"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"per_recipient": "1/1h"}, "the guard allows 1 texts in 1h to"),
        ({"per_prefix": "1/90s"}, "the guard allows 1 texts in 90s to"),
        ({"total": "1/7d"}, "the guard allows 1 texts in 7d"),
    ],
)
def test_a_refusal_names_the_cap_and_its_time(settings, words):
    policy = guard(**settings)
    send(policy)
    assert words in str(refused(attempt(policy, message())))


def test_what_it_would_do_is_foreseen_without_taking_a_place():
    clock = Clock()
    policy = guard(clock=clock, per_recipient="1/1h", countries=["IN"])
    for _ in range(3):
        view = foresee(policy, message(), now=NOW)
        assert (view.provider, view.verdict, view.words) == ("guard", "would send", "lets it through")
        assert [layer.provider for layer in view.inside] == ["scripted"]
    send(policy)
    view = foresee(policy, message(), now=NOW)
    assert (view.verdict, view.error.reason, view.inside) == ("would refuse", "cap-recipient", ())
    assert view.error == refused(attempt(policy, message()))
    assert foresee(policy, message(to=AMERICAN), now=NOW).error.reason == "country"


@given(st.sampled_from([TO, OTHER, FAR, AMERICAN]), st.lists(st.sampled_from([TO, FAR, AMERICAN]), max_size=4))
def test_what_is_foreseen_is_what_comes(number, before):
    clock = Clock()
    policy = guard(clock=clock, allow=["+91*"], per_recipient="1/1h", total="3/1h")
    for flight in before:
        with contextlib.suppress(VetoedError):
            send(policy, flight)
    view = foresee(policy, message(to=number), now=NOW)
    if view.error is None:
        assert send(policy, number)
    else:
        assert view.error == refused(attempt(policy, message(to=number)))
