"""Many messages: a Result for each, as they complete, in bounded memory; no text in flight is forgotten."""

# ruff: noqa: PT012, PT031, PERF402  # here, a loop or a del raises or warns

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import json
import threading
import traceback
import warnings
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripted import OK, TEXT, TO, AsyncWire, BatchProvider, HttpProvider, Recorder, Wire, message, provider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import (
    ConfigurationError,
    ContentError,
    NoAnswer,
    RecipientError,
    RefusedError,
    UncertainError,
    VetoedError,
)
from smsbridge.hookspecs import hookimpl
from smsbridge.http import HttpResponse
from smsbridge.messages import Message
from smsbridge.plain import kind_of
from smsbridge.plugins import Plugins
from smsbridge.settings import Settings

PLUGINS = Plugins()


def client(answer=OK, *, wire=None, made=None, hooks=(), concurrency=3):
    plugins = Plugins(*hooks) if hooks else PLUGINS
    settings, wire = Settings(concurrency=concurrency), wire or Wire(answer)
    return SmsClient(made or HttpProvider(), settings=settings, plugins=plugins, transport=wire)


def async_client(answer=OK, *, wire=None, made=None, hooks=(), concurrency=3):
    plugins = Plugins(*hooks) if hooks else PLUGINS
    settings, wire = Settings(concurrency=concurrency), wire or AsyncWire(answer)
    return AsyncSmsClient(made or HttpProvider(), settings=settings, plugins=plugins, transport=wire)


def number(n):
    return f"+919876{n:06}"


def texts(count):
    return [message(to=number(n), reference=str(n)) for n in range(count)]


def vendor(request):
    """Accepts single texts and batches."""
    body = json.loads(request.body)
    return HttpResponse.of_json({"id": body.get("to"), "ids": [to for to, _ in body.get("texts", [])]})


async def collect(results):
    async with results:
        return [result async for result in results]


def run_both(messages, answer=vendor, **options):
    with client(answer, **options) as sms, sms.send_many(messages) as results:
        found = list(results)

    async def main():
        async with async_client(answer, **options) as other:
            return await collect(other.send_many(messages))

    return found, asyncio.run(main())


# --- a result per message -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [HttpProvider(), BatchProvider()])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 40])
def test_each_message_has_one_result_with_its_place_in_the_input(made, count):
    for results in run_both(texts(count), made=made):
        assert sorted(result.index for result in results) == list(range(count))
        assert all(result.message.reference == str(result.index) for result in results)
        assert all(result.sent.id == result.sent.to == number(result.index) for result in results)


class Veto:
    @hookimpl
    def smsbridge_before_send(self, message):
        if message.text == "veto":
            raise LookupError


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(["good", "bad number", "empty", "veto", "refused", "lost"]), max_size=30), st.booleans()
)
def test_one_bad_message_never_fails_the_others(kinds, batches):
    messages = [
        message(
            to="unknown" if kind == "bad number" else number(n),
            text={"empty": "", "veto": "veto"}.get(kind, TEXT),
            reference=str(n),
        )
        for n, kind in enumerate(kinds)
    ]
    bad = {number(n) for n, kind in enumerate(kinds) if kind == "refused"}
    lost = {number(n) for n, kind in enumerate(kinds) if kind == "lost"}

    def answer(request):
        body = json.loads(request.body)
        numbers = {to for to, _ in body["texts"]} if "texts" in body else {body["to"]}
        if numbers & bad:
            return HttpResponse(status=422)
        return NoAnswer() if numbers & lost else vendor(request)

    made = BatchProvider() if batches else HttpProvider()
    classes = {"bad number": RecipientError, "empty": ContentError, "veto": VetoedError, "refused": RefusedError}
    for results in run_both(messages, answer, made=made, hooks=[Veto()]):
        assert sorted(result.index for result in results) == list(range(len(kinds)))
        for result in results:
            kind = kinds[result.index]
            assert result.message.reference == str(result.index)
            if result.error is not None:
                assert result.error.reference == str(result.index)
            if kind in classes:
                assert type(result.error) is classes[kind]
            elif kind == "lost" or (batches and result.error is not None):
                assert type(result.error) is UncertainError
            else:
                assert result.sent.to == number(result.index)


NO_TEXTS = [None, float("nan"), 919876543210, Decimal(5), True, b"+919876543210", [TO], {}, object()]


@pytest.mark.parametrize("made", [HttpProvider(), BatchProvider()])
@pytest.mark.parametrize(("field", "kind"), [("to", RecipientError), ("text", ContentError)])
def test_what_is_no_text_in_a_row_of_a_table_fails_alone_and_is_named(made, field, kind):
    def rows():
        for n, odd in enumerate(NO_TEXTS):
            yield message(reference=f"odd-{n}", **{field: odd})
            yield message(to=number(n), reference=f"{n}")

    for results in run_both(list(rows()), made=made):
        assert len(results) == 2 * len(NO_TEXTS)
        for result in results:
            odd = NO_TEXTS[result.index // 2]
            if result.index % 2:
                assert result.sent.to == number(result.index // 2)
                continue
            assert isinstance(result.error, kind)
            assert result.error.reason == {"to": "not-a-number", "text": "not-text"}[field]
            assert f"{field} has to be a string" in str(result.error)
            assert str(result.error).partition(" [")[0].endswith(f"not {kind_of(odd)}")
            assert (result.error.reference, result.error.account) == (result.message.reference, "scripted")


def test_rows_that_a_generator_makes_do_not_end_it():
    def rows():
        yield from (Message(to=odd, text=TEXT) for odd in [TO, None, TO])

    with client() as sms, sms.send_many(rows()) as results:
        assert [result.error is None for result in sorted(results, key=lambda result: result.index)] == [
            True,
            False,
            True,
        ]


@pytest.mark.parametrize("odd", [TO, (TO, TEXT), {"to": TO, "text": TEXT}, None])
def test_what_is_no_message_ends_the_input_and_is_in_no_frame(odd):
    async def main():
        async with async_client() as other, other.send_many([odd]) as results:
            return [result async for result in results]

    def blocking():
        with client() as sms, sms.send_many([odd]) as results:
            return list(results)

    for send in (blocking, lambda: asyncio.run(main())):
        with pytest.raises(TypeError, match=f"takes Messages, not {kind_of(odd)}: write Message") as caught:
            send()
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        ours = "".join(f"{frame.locals}" for frame in shown.stack if "smsbridge" in frame.filename)
        assert not [private for private in (TEXT, TO[1:]) if private in ours]


def test_a_message_without_reference_gets_one_in_its_result():
    for results in run_both([Message(to=TO, text=TEXT), Message(to="unknown", text=TEXT)]):
        references = [result.message.reference for result in results]
        assert all(len(reference) == 32 for reference in references)
        assert {(result.sent or result.error).reference for result in results} == set(references)


def test_the_end_stays_the_end():
    with client() as sms, sms.send_many(texts(1)) as results:
        assert len(list(results)) == 1
        assert list(results) == []


# --- batches --------------------------------------------------------------------------------------------------------------


def bodies(wire):
    return [json.loads(request.body) for request in wire.requests]


def test_only_messages_with_equal_keys_share_a_batch():
    made = provider(base=BatchProvider, batch_key=lambda self, message: message.sender)
    wire = Wire(vendor)
    sms = client(wire=wire, made=made)
    messages = [message(to=number(n), sender=f"S{n % 3}", reference=str(n)) for n in range(60)]
    with sms.send_many(messages) as results:
        assert len(list(results)) == 60
    sent = [[int(to[-6:]) % 3 for to, _ in body["texts"]] for body in bodies(wire)]
    assert all(len(set(row)) == 1 for row in sent)
    assert Counter(len(row) for row in sent) == {8: 6, 4: 3}


def test_more_open_batches_than_memory_should_hold_are_sent_before_they_are_full():
    made = provider(base=BatchProvider, batch_key=lambda self, message: message.reference)
    taken = []
    sms = client(vendor, made=made, concurrency=1)
    with sms.send_many(counted(taken)) as results:
        next(results)
        assert len(taken) < 40
    assert len(results.unsent) <= 16


def test_a_message_whose_key_cannot_be_told_goes_alone():
    made = provider(base=BatchProvider, batch_key=lambda self, message: 1 / 0)
    for results in run_both(texts(3), made=made):
        assert [result.sent is not None for result in results] == [True] * 3


# --- bounded reading ------------------------------------------------------------------------------------------------------


def counted(taken, make=lambda n: message(to=number(n), reference=str(n))):
    for n in itertools.count():
        taken.append(n)
        yield make(n)


async def acounted(taken, make=lambda n: message(to=number(n), reference=str(n))):
    for text in counted(taken, make):
        await asyncio.sleep(0)
        yield text


BAD = lambda n: message(to="unknown", reference=str(n))


@pytest.mark.parametrize(("made", "bound"), [(HttpProvider(), 6), (BatchProvider(), 48)])
@pytest.mark.parametrize("make", [None, BAD], ids=["good", "bad"])
async def test_an_endless_input_is_read_no_further_than_needed(made, bound, make):
    """With a slow consumer, the number of messages that are read ahead stays bounded."""
    arguments = [] if make is None else [make]
    taken = []
    with client(vendor, made=made) as sms, sms.send_many(counted(taken, *arguments)) as results:
        for consumed in range(300):
            next(results)
            assert len(taken) <= consumed + 1 + bound
    for source in (counted, acounted):
        taken = []
        async with async_client(vendor, made=made) as sms, sms.send_many(source(taken, *arguments)) as results:
            for consumed in range(300):
                await anext(results)
                assert len(taken) <= consumed + 1 + bound


def test_no_more_requests_are_in_flight_than_allowed():
    running, most, lock = [], [], threading.Lock()

    def answer(request):
        with lock:
            running.append(1)
            most.append(len(running))
        running.pop()
        return OK

    with client(answer, concurrency=2) as sms, sms.send_many(texts(50)) as results:
        assert len(list(results)) == 50
    assert max(most) <= 2


async def test_no_more_tasks_are_in_flight_than_allowed():
    running, most = [], []

    async def answer():
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0)
        running.pop()
        return OK

    async with async_client(lambda request: answer(), concurrency=2) as sms:
        assert len(await collect(sms.send_many(texts(50)))) == 50
    assert max(most) == 2


def test_nothing_is_read_before_the_first_result_is_asked_for():
    taken = []
    with client() as sms, sms.send_many(counted(taken)) as results:
        assert taken == []
        next(results)


def test_input_is_read_in_the_thread_that_iterates_and_requests_are_made_in_others():
    readers, senders = set(), set()
    context = contextvars.ContextVar("context")
    context.set("kept")

    def read():
        for text in texts(10):
            readers.add(threading.current_thread())
            yield text

    def answer(request):
        senders.add((threading.current_thread().name[:9], context.get(None)))
        return OK

    with client(answer) as sms, sms.send_many(read()) as results:
        assert len(list(results)) == 10
    assert readers == {threading.current_thread()}
    assert senders == {("smsbridge", "kept")}


async def test_input_is_read_in_the_task_that_iterates():
    readers = set()

    async def read():
        for text in texts(10):
            await asyncio.sleep(0)
            readers.add(asyncio.current_task())
            yield text

    async with async_client() as sms:
        assert len(await collect(sms.send_many(read()))) == 10
    assert readers == {asyncio.current_task()}


# --- an input that fails --------------------------------------------------------------------------------------------------


def failing(error):
    yield from texts(11)
    raise error


async def afailing(error):
    for text in texts(11):
        yield text
    raise error


@pytest.mark.parametrize("made", [HttpProvider(), BatchProvider()])
async def test_what_the_input_raises_comes_after_the_last_result(made):
    error, found = LookupError("the database went away"), []
    with client(vendor, made=made) as sms, sms.send_many(failing(error)) as results:
        with pytest.raises(LookupError, match="went away"):
            found.extend(results)
        assert list(results) == []
    assert sorted(result.index for result in found if result.sent) == list(range(11))
    for source in (failing, afailing):
        found = []
        async with async_client(vendor, made=made) as sms, sms.send_many(source(error)) as results:
            with pytest.raises(LookupError, match="went away"):
                async for result in results:
                    found.append(result)
        assert sorted(result.index for result in found if result.sent) == list(range(11))


async def test_something_else_than_a_message_ends_the_input():
    messages = [*texts(2), ("+919876543210", "hello")]
    found = []
    with (
        client() as sms,
        sms.send_many(messages) as results,
        pytest.raises(TypeError, match="takes Messages, not tuple"),
    ):
        for result in results:
            found.append(result)
    assert len(found) == 2
    async with async_client() as sms:
        with pytest.raises(TypeError, match="takes Messages, not tuple"):
            await collect(sms.send_many(messages))


async def test_something_that_cannot_be_iterated_is_refused_at_once():
    with pytest.raises(TypeError):
        client().send_many(5)
    with pytest.raises(TypeError):
        async_client().send_many(5)
    gc.collect()


def test_an_interrupt_while_reading_goes_through_and_waits_for_what_is_in_flight():
    recorder = Recorder()
    with (
        pytest.raises(KeyboardInterrupt),
        client(hooks=[recorder]) as sms,
        sms.send_many(failing(KeyboardInterrupt())) as r,
    ):
        list(r)
    assert Counter(recorder.names) == {"before": 11, "after": 11}


# --- an early end ---------------------------------------------------------------------------------------------------------


def test_a_close_waits_for_what_is_in_flight_and_tells_the_hooks():
    recorder, closing, release = Recorder(), threading.Event(), iter([True])

    def answer(request):
        if not next(release, False):
            closing.wait(10)  # all but the first are answered once closing has begun
        return OK

    wire = Wire(answer)
    sms = client(wire=wire, hooks=[recorder])
    with sms.send_many(texts(50)) as results:
        first = next(results)
        stop = results._stop
        results._stop = lambda: (stop(), closing.set())
    counts = Counter(recorder.names)
    assert counts["before"] == counts["after"] == len(wire.requests)
    assert 1 < counts["after"] < 50
    rest = list(results)
    assert {result.message.reference for result in [first, *rest]} == {
        reference for name, reference, _ in recorder.calls if name == "after"
    }
    assert len(rest) == counts["after"] - 1
    assert list(results) == []


async def test_an_async_close_waits_for_what_is_in_flight_and_tells_the_hooks():
    recorder, closing, release = Recorder(), asyncio.Event(), iter([True])

    async def answer():
        if not next(release, False):
            await closing.wait()
        return OK

    wire = AsyncWire(lambda request: answer())
    sms = async_client(wire=wire, hooks=[recorder])
    async with sms.send_many(texts(50)) as results:
        first = await anext(results)
        asyncio.get_running_loop().call_soon(closing.set)
    counts = Counter(recorder.names)
    assert counts["before"] == counts["after"] == len(wire.requests)
    assert 1 < counts["after"] < 50
    rest = [result async for result in results]
    assert {result.message.reference for result in [first, *rest]} == {
        reference for name, reference, _ in recorder.calls if name == "after"
    }
    assert len(rest) == counts["after"] - 1
    assert [result async for result in results] == []


async def test_after_a_close_nothing_more_is_read_or_sent_and_what_the_input_raised_comes_last():
    def source():
        yield message(reference="a")
        yield message(reference="b")
        raise LookupError

    wire, async_wire = Wire(), AsyncWire()
    blocking, other = client(wire=wire), async_client(wire=async_wire)
    results = blocking.send_many(source())
    next(results)
    results.close()
    assert next(results).sent
    with pytest.raises(LookupError):
        next(results)
    assert list(results) == []
    async with other.send_many(source()) as results:
        await anext(results)
    assert (await anext(results)).sent
    with pytest.raises(LookupError):
        await anext(results)
    assert [each async for each in results] == []
    assert len(wire.requests) == len(async_wire.requests) == 2


def some_good_then_bad():
    yield from texts(2)
    for n in itertools.count():
        yield message(to="unknown", reference=f"bad-{n}")


async def test_what_was_read_and_not_sent_is_listed():
    with client(vendor, made=BatchProvider(), concurrency=1) as sms, sms.send_many(some_good_then_bad()) as results:
        assert next(results).error
    assert [each.reference for each in results.unsent] == ["0", "1"]
    wire = AsyncWire(vendor)
    async with async_client(wire=wire, made=BatchProvider(), concurrency=1) as other:
        async with other.send_many(some_good_then_bad()) as results:
            assert (await anext(results)).error
        assert [each.reference for each in results.unsent] == ["0", "1"]
        assert wire.requests == []


async def test_what_waited_for_company_is_not_sent_after_an_early_end():
    made = provider(base=BatchProvider, batch_size=2, batch_key=lambda self, given: given.text)
    mixed = [message(to=number(n), text=text, reference=str(n)) for n, text in enumerate("abab")]
    first, other = (kind(vendor, made=made, concurrency=1) for kind in (client, async_client))
    blocking, awaited = first.send_many(mixed), other.send_many(mixed)
    next(blocking)
    await anext(awaited)
    blocking.close()
    await awaited.aclose()
    assert [each.message.reference for each in blocking] == ["2"]
    assert [each.message.reference async for each in awaited] == ["2"]
    for results, sms in ((blocking, first), (awaited, other)):
        assert [each.reference for each in results.unsent] == ["1"]
        assert len(sms._transport.requests) == 1


async def test_a_closing_that_is_cancelled_waits_for_all_that_is_in_flight_all_the_same():
    begun, ended, all_begun = [], [], asyncio.Event()

    async def hangs(turn):
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(5 * turn):
                await asyncio.sleep(0)
            ended.append(turn)

    def answer(request):
        begun.append(request)
        if len(begun) == 3:
            all_begun.set()
        return hangs(len(begun))

    results = async_client(answer).send_many(texts(3))
    for work in (anext(results), results.aclose()):
        task = asyncio.ensure_future(work)
        await all_begun.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    assert ended == [1, 2, 3]
    assert [each.error.reason async for each in results] == ["cancelled"] * 3


def test_at_the_end_nothing_is_unsent():
    with client(vendor, made=BatchProvider()) as sms, sms.send_many(texts(11)) as results:
        assert len(list(results)) == 11
    assert results.unsent == []


async def test_a_cancelled_iteration_waits_for_what_is_in_flight():
    recorder, started, gate = Recorder(), asyncio.Event(), asyncio.Event()

    async def answer():
        started.set()
        await gate.wait()
        return OK

    sms = async_client(lambda request: answer(), hooks=[recorder])
    task = asyncio.create_task(collect(sms.send_many(texts(2))))
    await started.wait()
    task.cancel()
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert Counter(recorder.names) == {"before": 2, "after": 2}


async def test_a_second_cancellation_cancels_what_is_in_flight_and_the_hooks_are_told():
    recorder, started = Recorder(), asyncio.Barrier(3)

    async def answer():
        await started.wait()
        await asyncio.Event().wait()

    sms = async_client(lambda request: answer(), hooks=[recorder])
    task = asyncio.create_task(collect(sms.send_many(texts(2))))
    await started.wait()
    for _ in range(2):
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert {type(recorder.outcome(str(n))) for n in range(2)} == {UncertainError}


async def test_a_failure_of_ours_reaches_the_iteration_and_is_not_lost():
    def closing(sms):
        yield message(reference="a")
        sms._closed = True
        yield message(reference="b")

    sms = client(concurrency=1)
    with sms.send_many(closing(sms)) as results:
        assert next(results).sent
        with pytest.raises(RuntimeError, match="this client is closed"):
            next(results)
    other = async_client(concurrency=1)
    async with other.send_many(closing(other)) as results:
        assert (await anext(results)).sent
        with pytest.raises(RuntimeError, match="this client is closed"):
            await anext(results)


# --- forgotten ------------------------------------------------------------------------------------------------------------


async def test_never_iterated_warns_that_nothing_was_sent():
    for wire, kind in ((Wire(), client), (AsyncWire(), async_client)):
        sms = kind(wire=wire)
        with pytest.warns(RuntimeWarning, match="never iterated, so nothing was sent"):
            del_me = sms.send_many(texts(1))
            del del_me
            gc.collect()
        assert wire.requests == []


async def test_a_with_block_that_does_not_iterate_warns_too():
    with pytest.warns(RuntimeWarning, match="never iterated"), client().send_many(texts(1)):
        pass
    with pytest.warns(RuntimeWarning, match="never iterated"):
        async with async_client().send_many(texts(1)):
            pass


async def test_that_it_was_never_iterated_is_said_once():
    blocking, other = client().send_many(texts(1)), async_client().send_many(texts(1))
    with pytest.warns(RuntimeWarning, match="never iterated") as warned:
        for _ in "12":
            blocking.close()
            await other.aclose()
    assert len(warned) == 2


async def test_a_with_block_that_is_left_by_an_exception_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LookupError), client().send_many(texts(1)):
            raise LookupError
        with pytest.raises(LookupError):
            async with async_client().send_many(texts(1)):
                raise LookupError


def test_left_before_the_end_without_closing_warns():
    sms = client()
    results = sms.send_many(texts(20))
    next(results)
    with pytest.warns(ResourceWarning, match="left before its end"):
        del results
        gc.collect()


def test_a_loop_that_runs_to_its_end_needs_no_with_block():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(client().send_many(texts(5)))) == 5
        gc.collect()


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_below_one_is_refused_before_anything_is_read(size):
    made = provider(base=BatchProvider, batch_size=size)
    with client(vendor, made=made) as sms, pytest.raises(ConfigurationError, match="batch_size"):
        sms.send_many(texts(3))


async def test_who_is_cancelled_while_reading_is_told_that_the_rest_was_not_sent():
    waiting = asyncio.Event()

    async def slow():
        yield texts(1)[0]
        waiting.set()
        await asyncio.Event().wait()
        yield texts(2)[1]

    async with async_client(vendor) as sms, sms.send_many(slow()) as results:
        reading = asyncio.ensure_future(anext(results))
        await waiting.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert (await anext(results)).sent is not None
        with pytest.raises(RuntimeError, match="the rest was not sent"):
            await anext(results)
