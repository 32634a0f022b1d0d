"""An AsyncSmsClient of a module, which several event loops use: one after another, or in threads at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripted import message
from slow import Slow, Vendor
from smsbridge.client import AsyncSmsClient
from smsbridge.errors import NotConnected
from smsbridge.http import Call
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.plugins import Plugins
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.settings import Settings


@pytest.fixture
def vendor():
    vendor = Vendor()
    yield vendor
    vendor.close()


def client(made):
    return AsyncSmsClient(made, settings=Settings(), plugins=Plugins())


async def three(sms, name=""):
    sent = await asyncio.gather(*[sms.send(message(reference=f"{name}-{n}")) for n in range(3)])
    return [text.id for text in sent]


OK = ["vendor-1"] * 3


def test_one_loop_after_another_leaves_nothing_open(vendor):
    sms = client(Slow(url=vendor.url))
    for _ in range(3):
        assert asyncio.run(three(sms)) == OK
        vendor.nothing_open()
    gc.collect()  # a warning about open connections would be an error


def test_within_a_loop_connections_are_kept(vendor):
    sms = client(Slow(url=vendor.url))
    seen = []

    async def main():
        for _ in range(5):
            await sms.send(message())
            seen.append(len(vendor.open))

    asyncio.run(main())
    assert seen == [1] * 5


def test_loops_of_several_threads_at_the_same_time_do_not_meet(vendor):
    sms = client(Slow(url=vendor.url, sends="late"))
    begin = threading.Barrier(4)

    def work(name):
        begin.wait(10)
        return [asyncio.run(three(sms, f"{name}-{turn}")) for turn in range(3)]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, "abcd")) == [[OK] * 3] * 4
    vendor.nothing_open()
    assert len(vendor.asked) == 36


def stack(inner, folder):
    """With everything that waits: a ledger's thread, a turn, another attempt."""
    limited = LimitPolicy(inner=inner, sends="1000/1s")
    return LedgerPolicy(inner=RetryPolicy(inner=limited), path=folder / "ledger.db")


def test_a_ledger_and_all_that_waits_serve_every_loop(vendor, tmp_path):
    sms = client(stack(Slow(url=vendor.url), tmp_path))

    def work(name):
        return [asyncio.run(three(sms, f"{name}-{turn}")) for turn in range(2)]

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(work, "abc")) == [[OK] * 2] * 3
    assert work("a") == [OK] * 2  # from the ledger
    assert len(vendor.asked) == 18
    asyncio.run(sms.aclose())


def test_many_messages_are_sent_from_every_loop(vendor):
    sms = client(Slow(url=vendor.url))

    async def main():
        async with sms.send_many(message(reference=f"r{n}") for n in range(20)) as results:
            return [result.sent is not None async for result in results]

    for _ in range(2):
        assert asyncio.run(main()) == [True] * 20
        vendor.nothing_open()


def by_hand(coroutine):
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def test_what_a_loop_left_open_that_was_ended_by_hand_is_closed_with_the_next_or_with_the_client(vendor):
    sms = client(Slow(url=vendor.url))
    assert by_hand(three(sms)) == OK
    assert asyncio.run(three(sms)) == OK
    vendor.nothing_open()
    assert by_hand(three(sms)) == OK
    assert len(vendor.open) == 3
    by_hand(sms.aclose())
    vendor.nothing_open()
    gc.collect()


def test_a_client_that_is_closed_is_closed_in_every_loop(vendor):
    sms = client(Slow(url=vendor.url, sends="late"))
    asked, closed = threading.Event(), threading.Event()

    async def other():
        await sms.send(message())
        sending = asyncio.create_task(sms.try_send(message()))
        await asyncio.to_thread(vendor.wait_for, 2)
        asked.set()
        await asyncio.to_thread(closed.wait, 10)
        result = await sending
        with pytest.raises(RuntimeError, match="closed"):
            await sms.send(message())
        return result

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(asyncio.run, other())
        assert asked.wait(10)
        asyncio.run(sms.aclose())
        closed.set()
        assert running.result(20).sent is not None
    vendor.nothing_open()


def test_a_loop_that_is_cut_off_leaves_nothing_open(vendor):
    """For example when a test fails, or Ctrl-C comes, while a text is on its way."""
    sms = client(Slow(url=vendor.url, sends="drip"))

    async def main():
        task = asyncio.create_task(sms.send(message()))
        await asyncio.to_thread(vendor.wait_for, 1)
        return task

    task = asyncio.run(main())
    assert task.cancelled()
    vendor.nothing_open()
    with contextlib.suppress(NotConnected):
        asyncio.run(sms.aclose())


def test_two_loops_that_come_first_at_the_same_time_share_what_there_is_one_of():
    """Otherwise connections of a second maker would stay open."""
    made, begin = set(), threading.Barrier(8)

    def send(self, text):
        yield from Call(begin.wait, 10)
        made.add(id(sms._connect()))
        return self.accepted(text, id="1")

    sms = client(type("Made", (Slow,), {"send": send, "stub": True, "__module__": __name__})(url="http://127.0.0.1:9"))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: asyncio.run(sms.send(message(reference=f"r{n}"))), range(8)))
    assert len(made) == 1
