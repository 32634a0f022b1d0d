"""Where hooks run, and which account they are told."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from functools import partial

import pytest

from scripted import AsyncWire, BatchProvider, HttpProvider, Recorder, Wire, message
from smsbridge import AsyncSmsClient, SmsClient, hookimpl
from smsbridge.cost.policy import CostPolicy
from smsbridge.errors import NotConnected, SendError
from smsbridge.http import HttpResponse
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy

SLOW = 0.15
"""Seconds that a hook takes; an event loop that waited for it would stand still."""


class Slow:
    """Slow hooks that record where they were called."""

    def __init__(self):
        self.calls = []

    def _call(self, name, reference):
        self.calls.append((name, reference, threading.get_ident()))
        time.sleep(SLOW)

    @hookimpl
    def smsbridge_before_send(self, message):
        self._call("before", message.reference)

    @hookimpl
    def smsbridge_after_send(self, message):
        self._call("after", message.reference)

    @hookimpl
    def smsbridge_send_failed(self, message):
        self._call("failed", message.reference)

    @hookimpl
    def smsbridge_cost_differs(self, message):
        self._call("cost", message.reference)


def client(made, wire, *hooks):
    return AsyncSmsClient(made, plugins=Plugins(*hooks), transport=wire)


async def longest_stall(work):
    """The longest standstill of the event loop during ``work``."""
    stalls, over = [0.0], asyncio.Event()

    async def beat():
        while not over.is_set():
            begun = time.monotonic()
            await asyncio.sleep(0.001)
            stalls.append(time.monotonic() - begun)

    beating = asyncio.create_task(beat())
    try:
        return await work, stalls
    finally:
        over.set()
        await beating


def priced(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text('[[rate]]\nprice = "0.10"\ncurrency = "INR"\n')

    class Counted(HttpProvider):
        def send(self, message):
            sent = yield from super().send(message)
            return self.accepted(message, id=sent.id, segments=9)

    return CostPolicy(inner=Counted(), prices=path)


@pytest.mark.parametrize("answer", [HttpResponse.of_json({"id": "1"}), HttpResponse(status=400), NotConnected()])
async def test_no_hook_holds_up_the_event_loop(answer):
    slow = Slow()
    sms = client(HttpProvider(), AsyncWire(answer), slow)
    result, stalls = await longest_stall(sms.try_send(message()))
    assert len(stalls) > 20, "the loop stood still"
    assert [name for name, _, _ in slow.calls] == ["before", "after" if result.sent else "failed"]
    assert threading.get_ident() not in {thread for _, _, thread in slow.calls}


async def test_nor_does_that_of_a_text_that_costs_something_else(tmp_path):
    slow = Slow()
    plugins = Plugins(slow)
    sms = AsyncSmsClient(priced(tmp_path).telling(plugins.cost_differs), plugins=plugins, transport=AsyncWire())
    await sms.send(message())
    assert [name for name, _, _ in slow.calls] == ["before", "cost", "after"]
    assert threading.get_ident() not in {thread for _, _, thread in slow.calls}


async def test_a_batch_is_one_hop_into_a_thread(monkeypatch):
    hops = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(
        loop, "run_in_executor", lambda *given, real=loop.run_in_executor: hops.append(1) or real(*given)
    )
    recorder = Recorder()
    sms = client(BatchProvider(), AsyncWire(HttpResponse(status=401)), recorder)
    results = [result async for result in sms.send_many(message(reference=f"r{n}") for n in range(5))]
    assert len(results) == 5
    assert len(hops) == 2
    assert sorted(recorder.names) == ["before"] * 5 + ["failed"] * 5


async def test_without_a_hook_there_is_no_hop(monkeypatch):
    class Other:
        @hookimpl
        def smsbridge_event(self, event):
            pass

    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", None)
    assert (await client(HttpProvider(), AsyncWire(), Other()).send(message())).id


async def test_the_blocking_client_calls_them_where_it_sends():
    slow = Slow()
    sms = SmsClient(HttpProvider(), plugins=Plugins(slow), transport=Wire())
    sms.send(message())
    assert {thread for _, _, thread in slow.calls} == {threading.get_ident()}


@pytest.mark.parametrize("when", ["before", "request", "after"])
async def test_whenever_a_send_is_cancelled_a_hook_that_runs_is_waited_for_and_each_is_called_once(when):
    slow, sent = Slow(), asyncio.Event()

    async def answer():
        sent.set()
        if when == "request":
            await asyncio.Event().wait()
        return HttpResponse.of_json({"id": "1"})

    task = asyncio.create_task(client(HttpProvider(), AsyncWire(lambda request: answer()), slow).send(message()))
    while len(slow.calls) < (2 if when == "after" else 1) or (when == "request" and not sent.is_set()):
        await asyncio.wait([task], timeout=0.001)
    task.cancel()
    _, stalls = await longest_stall(asyncio.wait([task]))
    assert task.cancelled()
    assert [name for name, _, _ in slow.calls] == ["before", "after" if when == "after" else "failed"]
    assert sent.is_set() == (when != "before")
    assert len(stalls) > 20, "the loop stood still"
    assert threading.get_ident() not in {thread for _, _, thread in slow.calls}


async def test_a_send_that_is_cancelled_again_and_again_tells_its_hooks_all_the_same():
    slow = Slow()
    task = asyncio.create_task(client(HttpProvider(), AsyncWire(), slow).send(message()))
    await asyncio.sleep(0)  # it begins
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.005)
    assert [name for name, _, _ in slow.calls] == ["before", "failed"]


class Told:
    def __init__(self):
        self.calls = []

    @hookimpl
    def smsbridge_before_send(self, account, provider):
        self.calls.append(("before", account, provider))

    @hookimpl
    def smsbridge_after_send(self, account, carried_by, provider):
        self.calls.append(("after", account, carried_by, provider))

    @hookimpl
    def smsbridge_send_failed(self, account, carried_by, provider):
        self.calls.append(("failed", account, carried_by, provider))


def failover():
    return FailoverPolicy(accounts=(HttpProvider(account="a"), HttpProvider(account="b")), account="all")


@pytest.mark.parametrize(
    ("answers", "name", "carried_by"),
    [
        ([HttpResponse.of_json({"id": "1"})], "after", "a"),
        ([NotConnected(), HttpResponse.of_json({"id": "1"})], "after", "b"),
        ([HttpResponse(status=400)], "failed", "a"),
        ([NotConnected(), HttpResponse(status=400)], "failed", "b"),
        ([NotConnected(), HttpResponse(status=500)], "failed", "b"),
    ],
)
@pytest.mark.parametrize("blocking", [True, False])
def test_hooks_are_told_which_account_was_asked_and_which_carried_the_text(answers, name, carried_by, blocking):
    told, made = Told(), failover()
    if blocking:
        sms = SmsClient(made, plugins=Plugins(told), transport=Wire(*answers))
        send = partial(sms.send, message())
    else:
        sms = client(made, AsyncWire(*answers), told)
        send = partial(asyncio.run, sms.send(message()))
    with contextlib.suppress(SendError):
        assert send().account == carried_by
    assert told.calls == [("before", "all", "failover"), (name, "all", carried_by, "failover")]
