"""A promise: a thread keeps it once, any threads wait for it, and no waiter blocks it."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from smsbridge.promise import Overdue, Promise, wait_for, wait_for_async


def kept(value=None):
    promise = Promise()
    promise.set_result(value)
    return promise


def test_what_is_set_is_the_result_for_all_who_ask_however_often():
    promise = kept(7)
    assert [promise.result(), promise.result(0), promise.exception()] == [7, 7, None]
    assert promise.done()


def test_an_exception_is_raised_by_the_result_and_returned_when_asked_for():
    promise, error = Promise(), LookupError()
    promise.set_exception(error)
    assert promise.exception() is error
    with pytest.raises(LookupError):
        promise.result()


def test_threads_that_wait_are_all_woken():
    promise, found = Promise(), []
    threads = [threading.Thread(target=lambda: found.append(promise.result(10))) for _ in range(8)]
    for thread in threads:
        thread.start()
    promise.set_result("there")
    for worker in threads:
        worker.join(10)
    assert found == ["there"] * 8


def test_what_does_not_come_in_time_is_overdue():
    with pytest.raises(Overdue, match=r"^no answer within 0\.01 seconds$"):
        Promise().result(0.01)


def test_a_thread_that_is_not_woken_looks_for_itself(monkeypatch):
    monkeypatch.setattr("smsbridge.promise._GLANCE", 0.01)
    promise = Promise()
    monkeypatch.setattr(Promise, "_call_back", lambda _: None)
    threading.Timer(0.02, promise.set_result, [7]).start()
    assert promise.result(10) == 7


def test_a_callback_is_called_once_whether_it_comes_before_or_after_the_result():
    promise, calls = Promise(), []
    promise.add_done_callback(lambda it: calls.append(("before", it.result())))
    promise.set_result(1)
    promise.add_done_callback(lambda it: calls.append(("after", it.result())))
    assert calls == [("before", 1), ("after", 1)]


def test_a_callback_that_fails_holds_up_no_other():
    promise, calls = Promise(), []
    promise.add_done_callback(calls.append)
    promise.add_done_callback(lambda _: 1 / 0)
    promise.add_done_callback(calls.append)
    promise.set_result(1)
    assert calls == [promise, promise]


def test_cancelling_says_whether_it_comes_in_time():
    early, late = Promise(), kept()
    assert (early.cancel(), late.cancel()) == (True, False)
    assert early.cancelled


def test_who_gives_up_waiting_cancels():
    promise = Promise()
    with pytest.raises(Overdue):
        wait_for(promise, 0.01)
    assert promise.cancelled


async def test_a_task_waits_without_holding_up_the_event_loop():
    promise, ticks = Promise(), []

    async def tick():
        while not promise.done():
            ticks.append(1)
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    threading.Timer(0.05, promise.set_result, [7]).start()
    assert await wait_for_async(promise, 10) == 7
    await ticking
    assert len(ticks) > 3


async def test_a_task_is_told_what_is_there_already_and_what_fails():
    assert await wait_for_async(kept(7), 10) == 7
    broken = Promise()
    broken.set_exception(LookupError())
    with pytest.raises(LookupError):
        await wait_for_async(broken, 10)


async def test_for_a_task_too_every_wait_has_an_end_and_cancels():
    promise = Promise()
    begun = time.monotonic()
    with pytest.raises(Overdue):
        await wait_for_async(promise, 0.02)
    assert time.monotonic() - begun < 5
    assert promise.cancelled


async def test_a_task_that_is_cancelled_cancels():
    promise = Promise()
    task = asyncio.create_task(wait_for_async(promise, 10))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert promise.cancelled
    promise.set_result(1)  # too late, and harmless


def test_a_result_that_comes_when_the_event_loop_is_closed_is_ignored():
    promise = Promise()

    async def begin():
        waiting = asyncio.ensure_future(wait_for_async(promise, 10))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(begin())
    promise.set_result(7)
    assert promise.result() == 7
