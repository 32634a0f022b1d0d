"""At any end of ``send_many``, each message that was read is in a result or in ``unsent``, once, and its result is true."""

# ruff: noqa: PT031, TRY300  # here, a loop or a del warns or raises

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
import threading
import time
from collections import Counter

import pytest

import smsbridge.workers
from scripted import TEXT, message
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import ProviderBugError, RecipientError, RefusedError, VetoedError
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Call, Wait
from smsbridge.messages import Result
from smsbridge.plugins import Plugins
from smsbridge.policies.policy import Policy
from smsbridge.provider import SmsProvider
from smsbridge.settings import Settings
from smsbridge.told import Told

CLOSED = "this client is closed, so not all messages were read"


class Hooks:
    """Counts the calls of hooks, by reference."""

    def __init__(self):
        self.begun, self.ended = Counter(), Counter()

    @hookimpl
    def smsbridge_before_send(self, message):
        self.begun[message.reference] += 1

    @hookimpl
    def smsbridge_after_send(self, message):
        self.ended[message.reference] += 1

    @hookimpl
    def smsbridge_send_failed(self, message):
        self.ended[message.reference] += 1


class Vendor(SmsProvider):
    """A slow provider. ``left`` has the references that reached it."""

    name = "vendor"
    stub = True
    seconds: float = 0.0002

    def model_post_init(self, context):
        super().model_post_init(context)
        self.__dict__["left"] = []

    def send(self, message):
        yield from Wait(0)
        yield from Call(self._take, [message], sends=True)
        return self.accepted(message, id="1")

    def _take(self, messages):
        self.__dict__["left"].extend(message.reference for message in messages)
        time.sleep(self.seconds)


class Batches(Vendor):
    batch_size = 4

    def send_batch(self, messages):
        yield from Call(self._take, messages, sends=True)
        return [
            Result(index=n, message=message, sent=self.accepted(message, id="1")) for n, message in enumerate(messages)
        ]


KINDS = [Vendor, Batches]


class Run:
    """A run of ``send_many``: the messages read, their results, and the check of both."""

    def __init__(self, made, count=40, *, hooks=(), concurrency=3, kind=SmsClient):
        self.made, self.hooks = made, Hooks()
        plugins = Plugins(self.hooks, *hooks)
        self.client = kind(made, settings=Settings(concurrency=concurrency), plugins=plugins)
        self.texts = [message(reference=f"r{n}", to="unknown" if n % 9 == 8 else "+919876543210") for n in range(count)]
        self.input = iter(self.texts)
        self.results, self.problems = [], []

    def many(self):
        self.found = self.client.send_many(self.input)
        return self.found

    def collect(self, stop=(Exception, KeyboardInterrupt)):
        """Iterate to the end, past all exceptions."""
        while True:
            try:
                for result in self.found:
                    self.results.append(result)
                return self
            except stop as problem:
                self.problems.append(problem)

    async def acollect(self):
        while True:
            try:
                async for result in self.found:
                    self.results.append(result)
                return self
            except Exception as problem:  # noqa: BLE001  # looked at by the test
                self.problems.append(problem)

    @property
    def read(self):
        return [
            unsent_message.reference for unsent_message in self.texts[: len(self.texts) - self.input.__length_hint__()]
        ]

    def check(self):
        told = [result.message.reference for result in self.results]
        unsent = [unsent_message.reference for unsent_message in self.found.unsent]
        assert Counter(told) + Counter(unsent) == Counter(self.read)
        assert self.hooks.begun == self.hooks.ended
        assert not set(unsent) & set(self.hooks.begun)
        left = Counter(self.made.__dict__["left"])
        assert set(left.values()) <= {1}
        for result in self.results:
            assert not (result.sent is not None and result.message.reference not in left)
            assert not (isinstance(result.error, RefusedError) and result.message.reference in left)
        assert not set(unsent) & set(left)


# --- the client is closed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", KINDS)
@pytest.mark.parametrize("after", [0, 1, 7, 23])
async def test_after_the_client_was_closed_no_more_is_read_and_the_caller_is_told_so_at_the_end(made, after):
    run = Run(made())
    run.many()
    for _ in range(after):
        run.results.append(next(run.found))
    read = len(run.read)
    run.client.close()
    run.collect().check()
    assert len(run.read) == read
    assert [str(problem)[: len(CLOSED)] for problem in run.problems] == [CLOSED]
    assert list(run.found) == []

    run = Run(made(), kind=AsyncSmsClient)
    run.many()
    for _ in range(after):
        run.results.append(await anext(run.found))
    read = len(run.read)
    await run.client.aclose()
    (await run.acollect()).check()
    assert len(run.read) == read
    assert [str(problem)[: len(CLOSED)] for problem in run.problems] == [CLOSED]
    assert [result async for result in run.found] == []


@pytest.mark.parametrize("seed", range(40))
def test_at_whatever_moment_another_thread_closes_the_client_nothing_is_forgotten(seed):
    chance = random.Random(seed)
    run = Run(chance.choice(KINDS)(), 200, concurrency=chance.choice([1, 3, 8]))
    run.many()
    closing = threading.Timer(chance.random() * 0.02, run.client.close)
    closing.start()
    run.collect().check()
    closing.join()
    assert (len(run.results) < 200) <= len(run.problems) <= 1


@pytest.mark.parametrize("seed", range(20))
async def test_at_whatever_moment_another_task_closes_the_client_nothing_is_forgotten(seed):
    chance = random.Random(seed)
    run = Run(chance.choice(KINDS)(), 100, concurrency=chance.choice([1, 3, 8]), kind=AsyncSmsClient)

    async def close():
        await asyncio.sleep(chance.random() * 0.02)
        await run.client.aclose()

    run.many()
    closing = asyncio.create_task(close())
    (await run.acollect()).check()
    await closing
    assert (len(run.results) < 100) <= len(run.problems) <= 1


async def test_a_text_that_was_on_its_way_when_the_client_was_closed_is_told_as_it_ended():
    """The request that left is answered; the other texts are certainly not sent; hooks are told of both."""

    def send(self, message):
        yield from Call(self._take, [message], sends=True)
        return self.accepted(message, id="1")

    for kind in (SmsClient, AsyncSmsClient):
        run = Run(type("Closes", (Vendor,), {"send": send, "__module__": __name__})(), 1, kind=kind)
        run.made._take = lambda messages, run=run: (run.made.__dict__["left"].append("r0"), setattr_closed(run.client))
        run.many()
        run.collect() if kind is SmsClient else await run.acollect()
        run.check()
        assert run.results[0].sent is not None


def setattr_closed(client):
    client._closed = True


# --- the iteration ends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", KINDS)
@pytest.mark.parametrize("after", [0, 1, 7, 23])
async def test_who_leaves_early_finds_the_rest_in_unsent(made, after):
    run = Run(made())
    with run.many():
        for _ in range(after):
            run.results.append(next(run.found))
        run.found._started = True
    run.collect().check()
    assert run.problems == []

    run = Run(made(), kind=AsyncSmsClient)
    async with run.many():
        for _ in range(after):
            run.results.append(await anext(run.found))
        run.found._started = True
    (await run.acollect()).check()
    assert run.problems == []


@pytest.mark.parametrize("made", KINDS)
@pytest.mark.parametrize("error", [LookupError("the database went away"), RuntimeError("x")])
async def test_what_the_input_raises_costs_no_message(made, error):
    def failing(texts):
        yield from texts[:10]
        raise error

    for kind in (SmsClient, AsyncSmsClient):
        run = Run(made(), 10, kind=kind)
        run.found = run.client.send_many(failing(run.texts))
        run.input = iter(())
        run.collect() if kind is SmsClient else await run.acollect()
        run.check()
        assert (len(run.results), run.problems) == (10, [error])


def test_what_is_dropped_says_how_much_was_read_for_nothing():
    run = Run(Batches(), concurrency=1)
    run.texts = [message(reference="r0"), *[message(to="unknown", reference=f"bad{n}") for n in range(9)]]
    run.input = iter(run.texts)
    next(run.many())
    with pytest.warns(ResourceWarning, match="before its end; use it in a with block; messages read and not sent: 1"):
        del run.found
        gc.collect()


# --- interrupts -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def interrupts(chance, seconds):
    """KeyboardInterrupt in this thread, at a random moment within so many ``seconds``."""

    def handler(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, chance.random() * seconds + 1e-6)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # an interrupt within a finalizer is lost
@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("seed", range(50))
def test_at_whatever_point_the_iterating_thread_is_interrupted_nothing_is_forgotten(seed, close):
    """Two interrupts at random moments, and then iteration to the end, or an early end."""
    chance = random.Random(seed)
    run = Run(chance.choice(KINDS)(), chance.choice([1, 20, 60]), concurrency=chance.choice([1, 3, 8]))
    run.many()
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt), interrupts(chance, 0.005):
            for result in run.found:
                run.results.append(result)
            if close:
                run.found.close()
    if close:
        run.found.close()
    run.collect().check()
    assert close or len(run.results) + len(run.found.unsent) == len(run.texts)


async def test_who_is_cancelled_twice_still_gets_all_results():
    started = asyncio.Event()

    def send(self, message):
        loop.call_soon_threadsafe(started.set)
        yield from Wait(60)
        return self.accepted(message, id="1")

    loop = asyncio.get_running_loop()
    run = Run(type("Slow", (Vendor,), {"send": send, "__module__": __name__})(), 20, kind=AsyncSmsClient)

    async def iterate():
        async with run.many():
            async for result in run.found:
                run.results.append(result)

    task = asyncio.create_task(iterate())
    await started.wait()
    for _ in range(2):
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    (await run.acollect()).check()
    assert {(type(result.error), result.error.reason) for result in run.results} == {(RefusedError, "cancelled")}


@pytest.mark.parametrize("seed", range(20))
async def test_at_whatever_moment_the_task_is_cancelled_nothing_is_forgotten(seed):
    chance = random.Random(seed)
    run = Run(chance.choice(KINDS)(), 100, concurrency=chance.choice([1, 3, 8]), kind=AsyncSmsClient)

    async def iterate():
        async with run.many():
            async for result in run.found:
                run.results.append(result)

    task = asyncio.create_task(iterate())
    for _ in range(chance.choice([1, 2, 3])):
        await asyncio.sleep(chance.random() * 0.01)
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    (await run.acollect()).check()


async def test_a_flight_that_is_cancelled_before_it_begins_was_not_sent():
    run = Run(Vendor(), 3, kind=AsyncSmsClient)
    run.many()
    ours = asyncio.current_task()
    asking = asyncio.create_task(anext(run.found))
    await asyncio.sleep(0)  # time to read, and to begin three tasks
    assert len(run.read) == 3
    for task in asyncio.all_tasks() - {ours}:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await run.found.aclose()
    (await run.acollect()).check()
    assert [unsent_message.reference for unsent_message in run.found.unsent] == ["r0", "r1", "r2"]


# --- failing threads, and bugs --------------------------------------------------------------------------------------------


def cannot_start(*_arguments, **_more):
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("made", KINDS)
def test_where_no_thread_can_be_started_texts_are_sent_one_after_the_other(monkeypatch, made):
    monkeypatch.setattr(smsbridge.workers._thread, "start_new_thread", cannot_start)
    run = Run(made())
    with run.many():
        run.collect().check()
    assert (len(run.results), run.problems) == (40, [])


@pytest.mark.parametrize("made", KINDS)
def test_where_threads_end_after_a_few_the_others_do_the_work(monkeypatch, made):
    start, started = smsbridge.workers._thread.start_new_thread, []

    def at_most_two(*arguments):
        started.append(1)
        return start(*arguments) if len(started) <= 2 else cannot_start()

    monkeypatch.setattr(smsbridge.workers._thread, "start_new_thread", at_most_two)
    run = Run(made(), concurrency=8)
    with run.many():
        run.collect().check()
    assert (len(run.results), run.problems) == (40, [])


def test_threads_that_python_cannot_start_do_no_harm_either(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", cannot_start)
    run = Run(Vendor())
    with run.many():
        run.collect().check()
    assert (len(run.results), run.problems) == (40, [])


class Mute(Exception):
    def __str__(self):
        raise ValueError("no words")


class Leave(BaseException):
    """An exception like SystemExit."""


def hook(name, error):
    def raises(self, message):
        if message.reference == "r3":
            raise error

    return type(
        "Broken", (), {name: hookimpl(type(raises)(raises.__code__, globals(), name, None, raises.__closure__))}
    )()


@pytest.mark.parametrize("name", ["smsbridge_before_send", "smsbridge_after_send", "smsbridge_send_failed"])
@pytest.mark.parametrize("error", [LookupError(), Mute(), Leave(), SystemExit(), KeyboardInterrupt()])
@pytest.mark.parametrize("made", KINDS)
def test_a_hook_that_fails_costs_no_message(name, error, made):
    run = Run(made(), 12, hooks=[hook(name, error)])
    with contextlib.suppress(BaseException), run.many():
        run.collect(BaseException)
    run.check()
    if name == "smsbridge_before_send" and isinstance(error, Exception):
        assert {type(result.error) for result in run.results if result.message.reference == "r3"} == {VetoedError}


class Broken(Policy):
    """A policy with a bug, before or after the attempt inside."""

    name = "broken"
    early: bool = False

    def carry(self, batch):
        rows = range(len(batch.messages))
        answers = None if self.early else (yield from batch.through(self.inner, rows))
        if "r3" in [message.reference for message in batch.messages]:
            raise KeyError(TEXT)
        batch.take(answers or (yield from batch.through(self.inner, rows)))
        batch.give_up(rows)


@pytest.mark.parametrize("early", [False, True])
async def test_a_bug_of_a_policy_is_an_error_of_its_text_alone_and_what_was_accepted_before_it_stays(early):
    for kind in (SmsClient, AsyncSmsClient):
        inner = Vendor()
        run = Run(Broken(inner=inner, early=early), 12, kind=kind)
        run.made.__dict__["left"] = inner.__dict__["left"]
        run.many()
        run.collect() if kind is SmsClient else await run.acollect()
        run.check()
        assert run.problems == []
        errors = {result.message.reference: type(result.error) for result in run.results if result.error}
        assert errors == ({"r3": ProviderBugError} if early else {}) | {"r8": RecipientError}


async def test_a_fault_of_ours_before_the_text_left_is_certain_and_the_hooks_are_told(monkeypatch):
    begin = Told.begin
    monkeypatch.setattr(Told, "begin", lambda told: begin(told) or 1 / 0)
    for kind in (SmsClient, AsyncSmsClient):
        run = Run(Vendor(), 3, kind=kind)
        run.many()
        run.collect() if kind is SmsClient else await run.acollect()
        run.check()
        assert {type(result.error) for result in run.results} == {ProviderBugError}
