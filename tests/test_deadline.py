"""SMSBRIDGE_DEADLINE: when the time of a call is over, it reports what it knows, and begins nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import sqlite3
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

import smsbridge.wire.over_httpx  # noqa: F401  # which takes its time, and then a deadline is no matter of this test
from scripted import TO, HttpProvider, Recorder, drive, message, provider
from slow import Slow, Vendor
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.deadline import Stopped, time_left
from smsbridge.errors import (
    AuthenticationError,
    ConfigurationError,
    QueryError,
    RateLimitedError,
    RefusedError,
    SendError,
    UnavailableError,
    UncertainError,
)
from smsbridge.guard.policy import GuardPolicy
from smsbridge.http import Await, Call, HttpResponse, Wait
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import SentMessage
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.sending import deliver
from smsbridge.settings import Settings

DEADLINE = 0.8
MARGIN = 1.0  # machines are busy
CLIENTS = [SmsClient, AsyncSmsClient]


@pytest.fixture
def vendor():
    vendor = Vendor()
    yield vendor
    vendor.close()


@pytest.fixture
def deaf():
    """A URL to which connections neither succeed nor fail."""
    with socket.socket() as server, contextlib.ExitStack() as others:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                other.connect(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


# --- both clients ---------------------------------------------------------------------------------------------------------


class Outcome:
    def __init__(self, end, seconds, recorder):
        self.end, self.seconds, self.recorder = end, seconds, recorder
        self.kind = type(end)

    def __repr__(self):
        return f"<{self.end!r} after {self.seconds:.2f} s>"


def ask(kind, made, call, *, deadline=DEADLINE, timeout=15.0, after=lambda: None):
    """The result of ``call`` with a client of this ``kind``, and its duration in seconds."""
    recorder = Recorder()
    sms = kind(made, settings=Settings(deadline=deadline, timeout=timeout), plugins=Plugins(recorder))
    begun = time.monotonic()

    async def both():
        try:
            end = call(sms)
            end = await end if hasattr(end, "__await__") else end
        except (SendError, QueryError) as error:
            end = error
        seconds = time.monotonic() - begun
        after()
        sms.close() if isinstance(sms, SmsClient) else await sms.aclose()
        return Outcome(end, seconds, recorder)

    return asyncio.run(both())


def send(kind, made, **more):
    return ask(kind, made, lambda sms: sms.send(message()), **more)


def in_time(outcome, vendor=None):
    assert outcome.seconds < DEADLINE + MARGIN, outcome
    assert outcome.recorder.names.count("before") == len(outcome.recorder.names) / 2 <= 1
    if vendor is not None and vendor.asked:
        known = len(vendor.asked)
        assert vendor.asked[-1][0] - vendor.asked[0][0] < DEADLINE
        time.sleep(0.05)
        assert len(vendor.asked) == known  # no further attempt begins
    return True


def retry(inner, **more):
    return RetryPolicy(inner=inner, **{"attempts": 10, "seconds": 60, "first_wait": 0.05, "longest_wait": 0.1, **more})


STAGES = {
    # the vendor's answer to the send and to a look-up: the outcome of the text, without and with retries
    ("silent", "silent"): (UncertainError, UncertainError),
    ("drip", "silent"): (UncertainError, UncertainError),
    ("cut", "silent"): (UncertainError, UncertainError),
    ("cut", "absent"): (UncertainError, UncertainError),
    ("cut", "drip"): (UncertainError, UncertainError),
    ("500", "silent"): (UncertainError, UncertainError),
    ("429", "silent"): (RateLimitedError, RateLimitedError),
    ("busy", "silent"): (RateLimitedError, RateLimitedError),
    ("401", "silent"): (AuthenticationError, AuthenticationError),
    ("late", "silent"): (SentMessage, SentMessage),
    ("ok", "silent"): (SentMessage, SentMessage),
}


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(("stage", "ends"), STAGES.items(), ids=map("-".join, STAGES))
def test_however_slow_the_vendor_the_call_ends_in_time_with_what_is_known(vendor, kind, stage, ends):
    inner = Slow(url=vendor.url, sends=stage[0], finds=stage[1])
    for made, end in zip((inner, retry(inner, lookups=20)), ends, strict=True):
        vendor.asked.clear()
        outcome = send(kind, made)
        assert in_time(outcome, vendor)
        assert outcome.kind is end, outcome
        told = outcome.recorder.outcome("ref-1")
        assert (told.id if end is SentMessage else type(told)) == ("vendor-1" if end is SentMessage else end)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_connection_that_is_never_made_is_certain(deaf, kind):
    inner = Slow(url=deaf)
    for made in (inner, retry(inner), FailoverPolicy(accounts=[inner, Slow(account="b", url=deaf)])):
        outcome = send(kind, made)
        assert in_time(outcome)
        assert isinstance(outcome.end, RefusedError), outcome


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("first", "second", "end"),
    [
        ("401", "silent", UncertainError),
        ("401", "drip", UncertainError),
        ("busy", "401", RefusedError),
        ("silent", "ok", UncertainError),
        ("late", "ok", SentMessage),
        ("401", "late", SentMessage),
    ],
)
def test_so_it_is_with_several_accounts(vendor, kind, first, second, end):
    accounts = [Slow(account=name, url=vendor.url, sends=how) for name, how in (("a", first), ("b", second))]
    for made in (FailoverPolicy(accounts=accounts), retry(FailoverPolicy(accounts=accounts))):
        vendor.asked.clear()
        outcome = send(kind, made)
        assert in_time(outcome, vendor)
        assert outcome.kind is end, outcome


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_first_account_that_cannot_be_reached_leaves_time_for_the_second(deaf, vendor, kind):
    accounts = [Slow(account="a", url=deaf), Slow(account="b", url=vendor.url)]
    outcome = send(kind, FailoverPolicy(accounts=accounts), timeout=0.2)
    assert in_time(outcome, vendor)
    assert outcome.end.account == "b"


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_wait_that_would_end_too_late_is_not_begun_and_the_refusal_says_how_long_it_lasts(vendor, kind):
    outcome = send(kind, retry(Slow(url=vendor.url, sends="busy"), longest_wait=60))
    assert (outcome.kind, outcome.end.retry_after) == (RateLimitedError, 60)
    assert outcome.seconds < DEADLINE
    assert len(vendor.asked) == 1

    outcome = send(kind, provider(lambda self, text: (yield Wait(7))))
    assert (outcome.kind, outcome.end.reason, outcome.end.retry_after) == (RefusedError, "deadline", 7)
    assert "SMSBRIDGE_DEADLINE would end before it was sent" in str(outcome.end)
    assert outcome.seconds < DEADLINE


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_text_that_would_wait_too_long_for_its_turn_takes_no_place(vendor, kind):
    """Otherwise refused texts would delay texts that can still be sent."""
    limit = LimitPolicy(inner=Slow(url=vendor.url), sends="2/60s", longest_wait=600)
    assert send(kind, limit).kind is SentMessage
    for _ in range(5):
        outcome = send(kind, limit)
        assert in_time(outcome, vendor)
        assert (outcome.kind, outcome.end.reason) == (RateLimitedError, "limit")
        assert outcome.end.retry_after <= 30


def test_many_messages_have_no_deadline_and_may_wait_for_their_turn(vendor):
    limit = LimitPolicy(inner=Slow(url=vendor.url), sends="10/2s")
    settings = Settings(deadline=0.1)
    texts = [message(reference=f"r{n}") for n in range(4)]
    with SmsClient(limit, settings=settings, plugins=Plugins()) as sms, sms.send_many(texts) as results:
        assert all(result.sent for result in results)

    async def main():
        async with AsyncSmsClient(limit, settings=settings, plugins=Plugins()) as sms, sms.send_many(texts) as results:
            return [result.sent is not None async for result in results]

    assert all(asyncio.run(main()))


@pytest.mark.parametrize(
    ("answers", "end"),
    [
        ([HttpResponse(status=429), Stopped("deadline", wait=1)], RateLimitedError),
        ([HttpResponse(status=429), None, Stopped("deadline")], RateLimitedError),
        ([HttpResponse(status=429), None, Stopped("deadline", begun=True)], UncertainError),
        ([Stopped("deadline")], RefusedError),
        ([Stopped("deadline", begun=True)], UncertainError),
    ],
)
def test_a_refusal_that_is_known_says_more_than_that_no_time_was_left(answers, end):
    recorder = Recorder()
    with pytest.raises(end) as caught:
        drive(deliver(Plugins(recorder), retry(HttpProvider()), message()), *answers)
    assert type(caught.value) is type(recorder.outcome("ref-1")) is end


# --- work in threads, and the ledger --------------------------------------------------------------------------------------


def calling(work, *, sends):
    def send(self, text):
        yield from Call(work, sends=sends)
        return self.accepted(text, id="1")

    return provider(send, stub=True)


@pytest.mark.parametrize(("sends", "kind"), [(True, UncertainError), (False, RefusedError)])
def test_work_that_takes_too_long_is_left_alone_and_is_uncertain_if_it_sends(sends, kind):
    release = threading.Event()
    try:
        outcome = send(AsyncSmsClient, calling(lambda: None, sends=sends))
        assert outcome.kind is SentMessage
        outcome = send(AsyncSmsClient, calling(lambda: release.wait(DEADLINE + 0.3), sends=sends))
    finally:
        release.set()
    assert (outcome.kind, outcome.end.reason) == (kind, "deadline")


@pytest.mark.parametrize("kind", CLIENTS)
def test_what_took_too_long_is_the_last_that_was_begun(kind):
    """The blocking client runs a Call in its own thread, so it ends late, but then nothing follows."""
    done = []

    def send(self, text):
        yield from Call(time.sleep, DEADLINE + 0.1)
        yield from Call(done.append, 1, sends=True)
        return self.accepted(text, id="1")

    outcome = ask(kind, provider(send, stub=True), lambda sms: sms.send(message()))
    assert (outcome.kind, outcome.end.reason, done) == (RefusedError, "deadline", [])


async def test_work_for_which_no_thread_was_free_is_certainly_not_done():
    done, release = [], threading.Event()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as threads:
        loop.set_default_executor(threads)
        busy = loop.run_in_executor(None, release.wait, 10)
        made = calling(lambda: done.append(1), sends=True)
        async with AsyncSmsClient(made, settings=Settings(deadline=0.1), plugins=Plugins()) as sms:
            with pytest.raises(RefusedError, match="ended before it was sent") as caught:
                await sms.send(message())
            release.set()
            await busy
    assert (type(caught.value), caught.value.reason, done) == (RefusedError, "deadline", [])


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_result_of_another_thread_is_awaited_no_longer(kind):
    work = Future()
    outcome = send(kind, provider(lambda self, text: (yield Await(work))))
    assert in_time(outcome)
    assert (outcome.kind, outcome.end.reason) == (RefusedError, "deadline")
    assert work.cancelled()


@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_time_out_of_the_work_itself_is_its_own(kind):
    def raises():
        raise TimeoutError

    late = Future()
    late.set_exception(TimeoutError())
    for step in (Call(raises), Await(late)):

        def send(self, text, step=step):
            try:
                yield step
            except TimeoutError:
                return self.accepted(text, id="1")

        sms = kind(provider(send), settings=Settings(), plugins=Plugins())
        sent = sms.send(message())
        assert (await sent if kind is AsyncSmsClient else sent).id == "1"
        sms.close() if kind is SmsClient else await sms.aclose()


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_ledger_that_cannot_be_written_in_time_refuses_the_text_and_has_it_sent_another_time(vendor, kind, tmp_path):
    ledger = LedgerPolicy(inner=Slow(url=vendor.url), path=tmp_path / "ledger.db")
    assert send(kind, ledger).kind is SentMessage
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcome = ask(
            kind, ledger, lambda sms: sms.send(message(reference="ref-2")), after=lambda: other.execute("ROLLBACK")
        )
    assert outcome.seconds < DEADLINE + MARGIN
    assert (outcome.kind, outcome.end.reason) == (RefusedError, "deadline")
    assert ask(kind, ledger, lambda sms: sms.send(message(reference="ref-2"))).kind is SentMessage


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_list_of_opt_outs_that_is_being_changed_is_waited_for_no_longer(vendor, kind, tmp_path):
    policy = OptoutPolicy(inner=Slow(url=vendor.url), path=tmp_path / "optouts.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "optouts.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        outcome = ask(kind, policy, lambda sms: sms.send(message()), after=lambda: other.execute("ROLLBACK"))
    assert outcome.seconds < DEADLINE + MARGIN
    assert isinstance(outcome.end, RefusedError)
    assert ask(kind, policy, lambda sms: sms.send(message())).kind is SentMessage


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_ledger_keeps_what_the_deadline_left_in_doubt(vendor, kind, tmp_path):
    ledger = LedgerPolicy(inner=Slow(url=vendor.url, sends="silent", finds="absent"), path=tmp_path / "ledger.db")
    assert send(kind, ledger).kind is UncertainError
    again = send(kind, ledger)
    assert (again.kind, again.end.reason) == (UncertainError, "in-ledger")
    assert [path for _, path in vendor.asked].count("send/silent") == 1


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_guard_gives_the_place_back_of_what_was_certainly_not_sent(deaf, vendor, kind):
    guard = GuardPolicy(inner=retry(Slow(url=deaf)), per_recipient="1/1h")
    assert isinstance(send(kind, guard).end, RefusedError)
    assert isinstance(send(kind, guard).end, UnavailableError)
    guard = GuardPolicy(inner=Slow(url=vendor.url, sends="silent"), per_recipient="1/1h")
    assert send(kind, guard).kind is UncertainError
    assert send(kind, guard).end.reason == "cap-recipient"


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("call", "end"),
    [
        (lambda sms: sms.start_verification(TO, reference="ref-1"), UncertainError),
        (lambda sms: sms.try_send(message()), UncertainError),
        (lambda sms: sms.lookup("ref-1"), QueryError),
        (lambda sms: sms.status("id-1"), QueryError),
        (lambda sms: sms.balance(), QueryError),
        (lambda sms: sms.check_verification("id-1", "123456"), QueryError),
        (lambda sms: sms.cancel_verification("id-1"), QueryError),
    ],
    ids=["start_verification", "try_send", "lookup", "status", "balance", "check", "cancel"],
)
def test_no_call_takes_longer(vendor, kind, call, end):
    outcome = ask(kind, Slow(url=vendor.url, sends="silent"), call)
    assert in_time(outcome, vendor)
    error = getattr(outcome.end, "error", None) or outcome.end
    assert type(error) is end, outcome


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_question_that_would_wait_too_long_has_failed(kind):
    outcome = ask(kind, provider(balance=lambda self: (yield Wait(7))), lambda sms: sms.balance())
    assert (outcome.kind, outcome.end.reason, outcome.end.retry_after) == (QueryError, "deadline", 7)
    assert outcome.end.retryable


# --- the setting ----------------------------------------------------------------------------------------------------------


def test_the_deadline_is_below_that_of_web_servers_and_above_that_of_a_request():
    settings = Settings()
    assert settings.timeout < settings.deadline < 30


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "inf", "1e9", "soon", "25s"])
def test_a_deadline_that_makes_no_sense_is_refused(monkeypatch, wrong):
    monkeypatch.setenv("SMSBRIDGE_DEADLINE", wrong)
    monkeypatch.setenv("SMSBRIDGE_TIMEOUT", wrong)
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_DEADLINE is wrong") as caught:
        Settings.from_env()
    assert "SMSBRIDGE_TIMEOUT is wrong" in str(caught.value)


@pytest.mark.parametrize("wrong", [0, -1, None, float("nan"), float("inf"), 1e9, "soon"])
def test_nor_can_it_be_given_by_hand(wrong):
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_DEADLINE is wrong"):
        Settings(deadline=wrong)


def test_a_policy_can_ask_how_much_time_is_left_and_only_within_the_call():
    seen = []

    def send(self, text):
        yield from Call(lambda: None)
        seen.append(time_left())
        return self.accepted(text, id="1")

    made = provider(send)
    ask(SmsClient, made, lambda sms: sms.send(message()), deadline=100)
    ask(AsyncSmsClient, made, lambda sms: sms.send(message()), deadline=100)
    assert all(90 < timeout <= 100 for timeout in seen)
    assert len(seen) == 2
    assert time_left() == float("inf")


async def test_of_two_calls_at_once_each_has_its_own_time():
    seen = {}

    def send(self, text):
        yield from Wait(0.01)
        seen[text.reference] = time_left()
        return self.accepted(text, id="1")

    made = provider(send)
    async with (
        AsyncSmsClient(made, settings=Settings(deadline=100), plugins=Plugins()) as long,
        AsyncSmsClient(made, settings=Settings(deadline=10), plugins=Plugins()) as short,
    ):
        await asyncio.gather(long.send(message(reference="long")), short.send(message(reference="short")))
    assert 90 < seen["long"] <= 100
    assert 5 < seen["short"] <= 10


def test_what_is_said_holds_no_number_and_no_text(vendor):
    for made in (Slow(url=vendor.url, sends="silent"), provider(lambda self, text: (yield Wait(7)))):
        said = repr(send(SmsClient, made).end) + json.dumps(str(made))
        assert not re.search(r"\d{8}|SECRET-T", said)
