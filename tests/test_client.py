"""Two clients with the same behaviour: both choose a provider and drive its flows."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import pickle
import socket
import threading
import time
import traceback
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smsbridge.client
from scripted import OK, TEXT, TO, URL, AsyncWire, BatchProvider, HttpProvider, Recorder, Wire, message, provider
from smsbridge.client import AsyncSmsClient, SmsClient, send
from smsbridge.errors import (
    ConfigurationError,
    ContentError,
    NoAnswer,
    NotConnected,
    ProviderBugError,
    QueryError,
    RecipientError,
    RefusedError,
    SendError,
    SmsBridgeError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
    WebhookError,
)
from smsbridge.http import Await, Call, HttpRequest, HttpResponse, Wait
from smsbridge.messages import Message, Purpose, Result, SentMessage, Verification
from smsbridge.plugins import Plugins, default_plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.known import BUILT_IN
from smsbridge.policies.policy import Policy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.provider import SmsProvider
from smsbridge.settings import Settings

SETTINGS = Settings()
PLUGINS = Plugins()


def client(*answers, wire=None, made=None, hooks=(), **options):
    wire = wire or Wire(*answers)
    return SmsClient(made or HttpProvider(), settings=Settings(**options), plugins=Plugins(*hooks), transport=wire)


def async_client(*answers, wire=None, made=None, hooks=(), **options):
    wire = wire or AsyncWire(*answers)
    return AsyncSmsClient(made or HttpProvider(), settings=Settings(**options), plugins=Plugins(*hooks), transport=wire)


def in_our_frames(error):
    """The private values in the locals of our frames."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = "".join(f"{frame.locals}" for frame in shown.stack if frame.filename != __file__)
    return [private for private in (TEXT, TO[1:], "98765 432") if private in ours]


# --- which provider -------------------------------------------------------------------------------------------------------


def test_without_any_setting_texts_are_printed_and_not_sent():
    assert SmsClient().provider.name == "console"


def test_the_environment_chooses_a_provider_or_an_account(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    assert SmsClient().provider.name == "memory"
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "otp")
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "memory")
    assert AsyncSmsClient().provider.account == "otp"


def test_a_dotenv_chooses_too():
    Path(".env").write_text("SMSBRIDGE_PROVIDER=memory\n")
    assert SmsClient().provider.name == "memory"


def test_a_name_goes_before_the_environment_and_a_provider_made_by_hand_is_taken_as_it_is(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "file")
    assert SmsClient("memory").provider.name == "memory"
    made = HttpProvider()
    assert SmsClient(made).provider is made


def test_an_unknown_provider_says_what_is_there_and_what_is_near():
    with pytest.raises(ConfigurationError, match=r"no provider 'memori'; have console, .*; did you mean 'memory'\?"):
        SmsClient("memori")


@pytest.mark.parametrize("given", [5, HttpProvider])
def test_what_is_neither_a_name_nor_a_provider_is_refused_in_words(given):
    with pytest.raises(ConfigurationError, match=f"or account, not {type(given).__name__}"):
        SmsClient(given)


def test_settings_given_by_hand_are_not_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_TIMEOUT", "nonsense")
    assert SmsClient(HttpProvider(), settings=SETTINGS).settings is SETTINGS
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_TIMEOUT is wrong"):
        SmsClient()


def test_a_client_says_who_it_is_and_shows_no_setting():
    assert repr(client()) == "<SmsClient of account 'scripted', provider 'scripted'>"


def test_a_policy_that_holds_several_accounts_is_called_one_and_names_them():
    policy = FailoverPolicy(accounts=(HttpProvider(account="a"), RetryPolicy(inner=HttpProvider(account="b"))))
    assert (
        repr(client(made=policy))
        == "<SmsClient of account 'failover', policy 'failover' over a (scripted), b (scripted)>"
    )
    assert repr(client(made=RetryPolicy(inner=HttpProvider(account="b")))) == repr(
        client(made=HttpProvider(account="b"))
    )


@pytest.mark.parametrize("name", sorted(BUILT_IN.keys() - {"failover"}))
def test_no_error_calls_a_policy_a_provider(name):
    with pytest.raises(ConfigurationError, match=f"^policy {name}: ") as caught:
        default_plugins().policies.get(name)(inner=HttpProvider(), nonsense=1)
    assert "provider" not in str(caught.value)


# --- messages -------------------------------------------------------------------------------------------------------------


def test_a_text_is_given_as_a_message_or_as_number_text_and_fields():
    wire = Wire()
    sms = client(wire=wire)
    assert replace(sms.send(message()), at=None) == replace(sms.send(TO, TEXT, reference="ref-1"), at=None)
    first, second = wire.requests
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((TO, 5), "text has to be a string, not int"),
        ((TO, b"text"), "text has to be a string, not bytes"),
        ((None, "text"), "to has to be a string with a phone number, not None"),
        (([TO], "text"), "to has to be a string with a phone number, not list"),
        ((919876543210, "text"), "to has to be a string with a phone number, not int"),
        ((float("nan"), None), "to has to be a string with a phone number, not float"),
    ],
)
@pytest.mark.parametrize("name", ["send", "start_verification"])
async def test_anything_else_is_a_type_error_and_a_refusal_that_name_the_field_and_the_type(name, arguments, words):
    with pytest.raises(RefusedError, match=words) as caught:
        getattr(client(), name)(*arguments, reference="mine")
    with pytest.raises(TypeError, match=words) as also:
        await getattr(async_client(), name)(*arguments, reference="mine")
    assert caught.value == also.value == pickle.loads(pickle.dumps(caught.value))
    assert isinstance(caught.value, ContentError if words.startswith("text") else RecipientError)
    assert (caught.value.account, caught.value.reference) == ("scripted", "mine")
    assert TO[1:] not in f"{caught.value!r}"


def test_a_text_has_to_be_given():
    for arguments in ((TO,), (TO, None)):
        with pytest.raises(TypeError, match="text has to be a string, not None"):
            client().send(*arguments)


MISTAKES = [
    {"send_at": datetime(2030, 1, 1)},  # noqa: DTZ001
    {"valid_until": TEXT},
    {"purpose": "marketing"},
    {"dlt": (TO, TEXT)},
    {"options": {"memory": TEXT}},
    {"sender": [TO]},
    {"reference": 919876543210},
    {"txt": TEXT},
]


@pytest.mark.parametrize("call", ["send", "try_send", "start_verification"])
@pytest.mark.parametrize("fields", MISTAKES, ids=lambda fields: next(iter(fields)))
async def test_a_mistake_in_a_field_leaves_neither_number_nor_text_in_a_frame(call, fields, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    calls = [getattr(client(), call), getattr(async_client(), call)]
    if call != "start_verification":
        calls.append(getattr(smsbridge, call))
    for each_call in calls:
        with pytest.raises((TypeError, ValueError), match=next(iter(fields))) as caught:
            await each_call(TO, TEXT, **fields)
        assert in_our_frames(caught.value) == []
        assert caught.value.__context__ is None


class Broken:
    """A lazy text that cannot be rendered."""

    def __str__(self):
        raise LookupError("no such translation")


Broken.__name__ = "LazyString"


@pytest.mark.parametrize("call", ["send", "try_send", "start_verification"])
async def test_neither_does_a_lazy_text_that_cannot_be_rendered_and_its_place_is_known(call):
    for sms in (client(), async_client()):
        with pytest.raises(LookupError, match="no such translation") as caught:
            await getattr(sms, call)(TO, Broken())
        assert in_our_frames(caught.value) == []
        assert "in __str__" in "".join(caught.value.__notes__)


async def test_neither_do_a_message_with_a_text_and_a_number_that_is_refused():
    for arguments in ((message(), TEXT), ("98765 432", TEXT), ([TO], TEXT)):
        for sending in (client().send, async_client().send):
            with pytest.raises((TypeError, RecipientError)) as caught:
                await sending(*arguments)
            assert in_our_frames(caught.value) == []


def test_a_shared_client_that_cannot_be_made_leaves_neither_in_a_frame(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "no-such")
    for sending in (smsbridge.send, smsbridge.try_send):
        with pytest.raises(ConfigurationError) as caught:
            sending(TO, TEXT)
        assert in_our_frames(caught.value) == []


@pytest.mark.parametrize("kind", [SmsClient, AsyncSmsClient])
def test_a_client_whose_making_failed_can_be_shown(kind):
    with pytest.raises(ConfigurationError) as caught:
        kind("no-such")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert f"<{kind.__name__} without a provider>" in "".join(shown.format())


def test_a_message_and_fields_are_too_much():
    with pytest.raises(TypeError, match="but not both"):
        client().send(message(), sender="ACME")


async def test_a_bad_number_is_refused_before_the_hooks_and_the_wire():
    recorder = Recorder()
    wire, async_wire = Wire(), AsyncWire()
    sync, other = client(wire=wire, hooks=[recorder]), async_client(wire=async_wire, hooks=[recorder])
    for bad in ("", "+91", "+919876543210,+919876543211", "+919876543210\nX-Y: z", "9876543210"):
        with pytest.raises(RecipientError) as caught:
            sync.send(bad, TEXT, reference="mine")
        with pytest.raises(RecipientError) as also:
            await other.send(bad, TEXT, reference="mine")
        assert caught.value == also.value
        assert (caught.value.account, caught.value.reference) == ("scripted", "mine")
    assert recorder.calls == []
    assert wire.requests == async_wire.requests == []


def test_a_national_number_needs_the_default_region():
    assert client(default_region="IN").send("98765 43210", TEXT).to == TO


def test_a_reference_is_made_where_none_is_given_and_kept_where_one_is():
    sms = client()
    made = [sms.send(TO, TEXT).reference for _ in range(2)]
    assert made[0] != made[1]
    assert all(len(reference) == 32 for reference in made)
    assert sms.send(TO, TEXT, reference="mine").reference == "mine"


def test_a_code_is_for_an_otp_unless_said_otherwise():
    seen = []

    def start_verification(self, message):
        seen.append(message)
        yield from ()
        return Verification(account=self.account, provider=self.name, id="1")

    sms = client(made=provider(start_verification=start_verification))
    sms.start_verification(TO)
    sms.start_verification(TO, "{code}", purpose=Purpose.SERVICE)
    sms.start_verification(message(text="{code}", purpose="promotional"))
    assert [(each.purpose, each.text) for each in seen] == [
        ("otp", ""),
        ("service", "{code}"),
        ("promotional", "{code}"),
    ]


# --- sync equals async ----------------------------------------------------------------------------------------------------

ANSWERS = {
    "ok": OK,
    "not connected": NotConnected("refused"),
    "no answer": NoAnswer("time-out"),
    "bug": RuntimeError("x"),
    "html": HttpResponse(status=200, body=b"<html>"),
    "cut": HttpResponse(status=200, body=b"{", complete=False),
    **{
        str(status): HttpResponse(status=status, headers={"retry-after": "3"})
        for status in (400, 401, 403, 404, 409, 429, 500, 502)
    },
}
CALLS = {
    "send": lambda sms: sms.send(message()),
    "send bad": lambda sms: sms.send("unknown", TEXT, reference="r"),
    "send none": lambda sms: sms.send(None, TEXT, reference="r"),
    "try": lambda sms: sms.try_send(message()),
    "try bad": lambda sms: sms.try_send("unknown", TEXT, reference="r"),
    "try none": lambda sms: sms.try_send(TO, None, reference="r"),
    "try empty": lambda sms: sms.try_send(TO, "", reference="r"),
    "try unsupported": lambda sms: sms.try_send(message(options={"scripted": {"x": 1}})),
    "send empty": lambda sms: sms.send(TO, "", reference="r"),
    "send unsupported": lambda sms: sms.send(message(options={"scripted": {"x": 1}})),
    "status": lambda sms: sms.status("id-1"),
    "status elsewhere": lambda sms: sms.status("id-1", account="other"),
    "lookup": lambda sms: sms.lookup("ref-1"),
    "balance": lambda sms: sms.balance(),
    "start": lambda sms: sms.start_verification(TO, reference="r"),
    "check": lambda sms: sms.check_verification("id-1", "123456"),
    "cancel": lambda sms: sms.cancel_verification("id-1"),
    "receive": lambda sms: sms.receive(HttpRequest(method="POST", url="https://us.example", body=b"[]")),
}


def plain(value):
    if isinstance(value, Result):
        return replace(value, sent=plain(value.sent))
    return replace(value, at=None) if isinstance(value, SentMessage) else value


def sync_outcome(call, answer):
    recorder = Recorder()
    wire = Wire(answer)
    with client(wire=wire, hooks=[recorder]) as sms:
        try:
            result = plain(CALLS[call](sms))
        except (SmsBridgeError, RuntimeError) as error:
            result = error
    return result, recorder.names, wire.requests


async def async_outcome(call, answer):
    recorder = Recorder()
    wire = AsyncWire(answer)
    async with async_client(wire=wire, hooks=[recorder]) as sms:
        try:
            result = plain(await CALLS[call](sms))
        except (SmsBridgeError, RuntimeError) as error:
            result = error
    return result, recorder.names, wire.requests


@pytest.mark.parametrize("call", CALLS)
def test_both_clients_do_the_same_whatever_the_answer(call):
    async def everything():
        return [await async_outcome(call, answer) for answer in ANSWERS.values()]

    assert [sync_outcome(call, answer) for answer in ANSWERS.values()] == asyncio.run(everything())


# --- outcomes without exceptions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize(
    "given", [message(), message(text=""), message(to="unknown"), message(to=None), message(text=7)]
)
def test_try_send_says_what_send_would_have_raised(answer, given):
    sent = error = None
    recorder = Recorder()
    try:
        sent = client(answer, hooks=[recorder]).send(given)
    except SendError as failure:
        error = failure
    also = Recorder()
    result = client(answer, hooks=[also]).try_send(given)
    assert (plain(result.sent), result.error, result.index) == (plain(sent), error, 0)
    assert (result.message.reference, result.message.text) == ("ref-1", given.text)
    assert recorder.names == also.names
    assert result.may_have_arrived == (error is None or isinstance(error, UncertainError))


def test_try_send_keeps_the_number_as_it_went_out_and_the_reference_that_was_made():
    result = client(default_region="IN").try_send("98765 43210", TEXT)
    assert (result.message.to, result.message.reference) == (TO, result.sent.reference)


def test_try_send_does_not_hide_what_is_no_outcome():
    sms = client()
    sms.close()
    with pytest.raises(RuntimeError, match="closed"):
        sms.try_send(TO, TEXT)
    with pytest.raises(KeyboardInterrupt):
        client(KeyboardInterrupt()).try_send(TO, TEXT)


# --- status and codes by id -----------------------------------------------------------------------------------------------


def test_an_id_will_do_where_the_object_is_not_at_hand():
    sms = client()
    sent = sms.send(message())
    assert sms.status(sent).id == sms.status(sent.id).id == sms.status(sent.id, account="scripted").id
    started = sms.start_verification(TO)
    assert sms.check_verification(started, "1") == sms.check_verification(started.id, "1", account="scripted")


def test_what_another_account_sent_is_not_asked_here():
    sent = SentMessage(account="other", provider="memory", id="1")
    started = Verification(account="other", provider="memory", id="1")
    wire = Wire()
    sms = client(wire=wire)
    for call in (
        lambda: sms.status(sent),
        lambda: sms.status("1", account="other"),
        lambda: sms.check_verification(started, "1"),
        lambda: sms.cancel_verification(started),
    ):
        with pytest.raises(ConfigurationError, match="this client has no account 'other'; its accounts are: scripted"):
            call()
    assert wire.requests == []


def test_a_wrapper_answers_for_the_accounts_that_it_holds():
    class Plain(Policy):
        name = "plain"

    sms = client(made=Plain(inner=HttpProvider(account="inner")))
    assert sms.status("1", account="inner").account == "inner"
    assert sms.send(message()).account == "inner"


# --- steps ----------------------------------------------------------------------------------------------------------------


def stepping(*steps, seen=None):
    def send(self, message):
        for step in steps:
            answer = yield from step
            if seen is not None:
                seen.append(answer)
        return self.accepted(message, id="1")

    return provider(send)


async def test_waiting_does_not_block_the_loop(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(("async", seconds))

    monkeypatch.setattr(time, "sleep", lambda seconds: slept.append(("sync", seconds)))
    monkeypatch.setattr(asyncio, "sleep", sleep)
    client(made=stepping(Wait(7))).send(message())
    await async_client(made=stepping(Wait(8))).send(message())
    assert slept == [("sync", 7), ("async", 8)]


CONTEXT = contextvars.ContextVar("CONTEXT", default=None)


async def test_a_call_runs_here_or_beside_the_loop_and_keeps_the_context():
    seen = []
    CONTEXT.set("kept")
    work = Call(lambda: (threading.current_thread() is threading.main_thread(), CONTEXT.get()))
    client(made=stepping(work, seen=seen)).send(message())
    await async_client(made=stepping(work, seen=seen)).send(message())
    assert seen == [(True, "kept"), (False, "kept")]


async def test_the_work_of_another_thread_is_awaited_beside_the_loop_and_its_error_belongs_to_the_flow():
    seen, caught = [], []
    work = Future()
    work.set_result(7)
    broken = Future()
    broken.set_exception(LookupError("SECRET"))

    def send(self, message):
        seen.append((yield from Await(work)))
        try:
            yield from Await(broken)
        except LookupError as error:
            caught.append(error)
        return self.accepted(message, id="1")

    client(made=provider(send)).send(message())
    await async_client(made=provider(send)).send(message())
    assert (seen, len(caught)) == ([7, 7], 2)


async def test_what_a_call_raises_belongs_to_the_flow():
    def send(self, message):
        try:
            yield from Call(int, "x")
        except ValueError:
            return self.accepted(message, id="caught")

    assert client(made=provider(send)).send(message()).id == "caught"
    assert (await async_client(made=provider(send)).send(message())).id == "caught"


async def test_something_else_than_a_step_is_a_bug_of_the_provider():
    def send(self, message):
        yield "request"

    with pytest.raises(ProviderBugError, match="TypeError"):
        client(made=provider(send)).send(message())
    with pytest.raises(ProviderBugError, match="TypeError"):
        await async_client(made=provider(send)).send(message())


@pytest.mark.parametrize("answer", [OK, NoAnswer(), KeyboardInterrupt()])
def test_every_flow_is_closed(answer):
    closed = []

    def send(self, message):
        try:
            yield from HttpRequest.get(URL, sends=True)
            return self.accepted(message, id="1")
        finally:
            closed.append(True)

    with contextlib.suppress(UncertainError, KeyboardInterrupt):
        client(answer, made=provider(send)).send(message())
    assert closed == [True]


# --- your own transport -----------------------------------------------------------------------------------------------------


async def test_a_transport_that_is_given_carries_the_requests_and_is_closed_with_the_client():
    wire, other = Wire(), AsyncWire()
    with SmsClient(HttpProvider(), transport=wire) as sms:
        sms.send(message())
        assert not wire.closed
    async with AsyncSmsClient(HttpProvider(), transport=other) as sms:
        await sms.send(message())
    assert [len(carried.requests) for carried in (wire, other)] == [1, 1]
    assert wire.closed
    assert other.closed


@pytest.mark.parametrize(
    ("broken", "kind"),
    [(NotConnected("x"), UnavailableError), (NoAnswer("x"), UncertainError), (ZeroDivisionError("x"), UncertainError)],
)
def test_what_another_transport_raises_means_what_ours_does(broken, kind):
    sms = SmsClient(HttpProvider(), transport=Wire(broken))
    assert type(sms.try_send(message()).error) is kind


# --- interruptions --------------------------------------------------------------------------------------------------------


async def test_a_cancelled_send_is_cancelled_and_the_hooks_are_told_that_it_may_have_been_sent():
    recorder = Recorder()
    started = asyncio.Event()

    async def hang():
        started.set()
        await asyncio.Event().wait()

    sms = async_client(lambda request: hang(), hooks=[recorder])
    task = asyncio.create_task(sms.send(message()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(recorder.outcome("ref-1"), UncertainError)


async def test_a_send_that_is_cancelled_while_it_connects_was_certainly_not_sent(monkeypatch):
    recorder = Recorder()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections, but does no TLS handshake
        silent.setblocking(False)
        monkeypatch.setattr("scripted.URL", f"https://127.0.0.1:{silent.getsockname()[1]}")
        async with AsyncSmsClient(HttpProvider(), settings=SETTINGS, plugins=Plugins(recorder)) as sms:
            task = asyncio.create_task(sms.send(message()))
            connection, _ = await asyncio.get_running_loop().sock_accept(silent)
            task.cancel()
            with connection, pytest.raises(asyncio.CancelledError):
                await task
    error = recorder.outcome("ref-1")
    assert isinstance(error, RefusedError)
    assert error.reason == "cancelled"


@pytest.mark.sms_real
@pytest.mark.parametrize("broken", [ImportError("x"), OSError("x"), RuntimeError("x")])
@pytest.mark.parametrize("transport", ["Transport", "AsyncTransport"])
def test_where_http_cannot_be_used_a_text_was_certainly_not_sent(monkeypatch, broken, transport):
    def fail(**_):
        raise broken

    def send_async():
        asyncio.run(AsyncSmsClient(HttpProvider(), settings=SETTINGS, plugins=PLUGINS).send(message()))

    def send_blocking():
        SmsClient(HttpProvider(), settings=SETTINGS, plugins=PLUGINS).send(message())

    monkeypatch.setattr(f"smsbridge.wire.over_httpx.{transport}", fail)
    with pytest.raises(UnavailableError, match=f"HTTP cannot be used here .{type(broken).__name__}"):
        (send_blocking if transport == "Transport" else send_async)()


async def test_a_time_limit_around_a_send_is_a_time_out_for_the_caller():
    recorder = Recorder()
    sms = async_client(lambda request: asyncio.Event().wait(), hooks=[recorder])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await sms.send(message())
    assert isinstance(recorder.outcome("ref-1"), UncertainError)


def test_an_interrupt_from_the_keyboard_goes_through_and_the_hooks_are_told():
    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        client(KeyboardInterrupt(), hooks=[recorder]).send(message())
    assert isinstance(recorder.outcome("ref-1"), UncertainError)


def test_a_coroutine_that_is_dropped_half_way_tells_the_hooks():
    class Never:
        def __await__(self):
            yield

    recorder = Recorder()
    coroutine = async_client(lambda request: Never(), hooks=[recorder]).send(message())
    coroutine.send(None)
    coroutine.close()
    assert isinstance(recorder.outcome("ref-1"), UncertainError)


# --- open and closed ------------------------------------------------------------------------------------------------------


@pytest.fixture
def connected(monkeypatch):
    """Record the transports that clients make."""
    made = []
    for name, wire in (("Transport", Wire), ("AsyncTransport", AsyncWire)):
        monkeypatch.setattr(f"smsbridge.wire.over_httpx.{name}", lambda wire=wire, **_: made.append(wire()) or made[-1])
    return made


@pytest.mark.sms_real
async def test_nothing_is_connected_before_a_request(connected):
    for steps, connections in [([Call(len, ())], 0), ([Call(len, ()), HttpRequest.get(URL, sends=True)], 2)]:
        with SmsClient(stepping(*steps), settings=SETTINGS, plugins=PLUGINS) as sms:
            sms.send(message())
        async with AsyncSmsClient(stepping(*steps), settings=SETTINGS, plugins=PLUGINS) as other:
            await other.send(message())
        assert len(connected) == connections


async def test_leaving_closes_the_provider_too():
    closed = []

    def close(self):
        closed.append(self)

    carrier = provider(close=close)
    with SmsClient(carrier, settings=SETTINGS, plugins=PLUGINS):
        pass
    async with AsyncSmsClient(carrier, settings=SETTINGS, plugins=PLUGINS):
        pass
    assert closed == [carrier, carrier]


async def test_leaving_closes_the_wire_and_closing_again_does_nothing():
    wire, async_wire = Wire(), AsyncWire()
    with client(wire=wire) as sms:
        pass
    sms.close()
    async with async_client(wire=async_wire) as other:
        pass
    await other.aclose()
    assert wire.closed
    assert async_wire.closed


@pytest.mark.parametrize("call", ["send", "status", "lookup", "balance", "start", "check", "cancel", "receive"])
async def test_a_closed_client_refuses_and_tells_no_hook(call):
    recorder = Recorder()
    blocking, other = client(hooks=[recorder]), async_client(hooks=[recorder])
    blocking.close()
    await other.aclose()
    with pytest.raises(RuntimeError, match="this client is closed"):
        CALLS[call](blocking)
    with pytest.raises(RuntimeError, match="this client is closed"):
        await CALLS[call](other)
    assert recorder.calls == []


async def test_a_closed_client_refuses_many_too():
    blocking, other = client(), async_client()
    blocking.close()
    await other.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        blocking.send_many([])
    with pytest.raises(RuntimeError, match="closed"):
        other.send_many([])


@pytest.mark.parametrize("kind", [SmsClient, AsyncSmsClient])
async def test_a_client_closed_during_a_send_does_not_connect_again(kind, connected):
    def send(self, message):
        yield from Call(setattr, sms, "_closed", True)  # as if another thread or task closed it here
        yield from HttpRequest.get(URL, sends=True)

    sms = kind(provider(send), settings=SETTINGS, plugins=PLUGINS)
    with pytest.raises(UnavailableError, match="the client was closed"):
        await asyncio.ensure_future(sms.send(message()))
    assert connected == []


def test_threads_may_share_a_client():
    recorder = Recorder()
    sms = client(lambda request: HttpResponse.of_json({"id": request.body.decode()}), hooks=[recorder])
    sent = {}

    def work(name):
        for n in range(50):
            sent[f"{name}-{n}"] = sms.send(TO, f"{name}-{n}", reference=f"{name}-{n}")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 200
    assert all(f'"{reference}"' in item.id and item.reference == reference for reference, item in sent.items())
    assert len(recorder.calls) == 400


# --- the shared client ----------------------------------------------------------------------------------------------------


def test_send_uses_one_client_of_the_environment(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    assert send(TO, "hello").provider == "memory"
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "console")
    assert send(message()).provider == "memory"
    assert len(smsbridge.client._shared_client().provider.sent) == 2


def test_what_else_there_is_uses_the_same_client(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    sms = smsbridge.client()
    assert smsbridge.client() is sms
    assert isinstance(sms, SmsClient)
    sent = smsbridge.try_send(TO, "hello", reference="r-1").sent
    assert smsbridge.lookup("r-1") == sent
    with smsbridge.send_many([message(reference="r-2"), message(reference="r-3")]) as results:
        assert all(result.sent for result in results)
    assert [each.reference for each in sms.provider.sent] == ["r-1", "r-2", "r-3"]
    assert smsbridge.try_send(None, "hello").may_have_arrived is False


def test_send_with_wrong_settings_fails_and_works_once_they_are_right(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "acme")
    with pytest.raises(ConfigurationError):
        send(TO, "hello")
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    assert send(TO, "hello").provider == "memory"


@given(st.sampled_from(["sender", "send_at", "valid_until", "dlt"]))
def test_a_field_that_cannot_be_expressed_is_never_dropped(field):
    from datetime import UTC, datetime

    from smsbridge.messages import Dlt

    value = {"sender": "ACME", "dlt": Dlt(entity_id="1")}.get(field, datetime.now(UTC))
    wire = Wire()
    sms = client(wire=wire, made=provider(supports=frozenset()))
    with pytest.raises(UnsupportedError, match=field):
        sms.send(Message(to=TO, text=TEXT, **{field: value}))
    assert wire.requests == []


class OnlySends(SmsProvider):
    """A minimal provider that accepts all webhooks."""

    name = "only"

    def send(self, message):
        yield from ()
        return self.accepted(message, id="1")

    def verify(self, webhook):
        pass


UNSUPPORTED = {
    "send": (lambda sms: sms.send(TO, TEXT, sender="ACME", reference="r"), UnsupportedError),
    "start": (lambda sms: sms.start_verification(TO, reference="r"), UnsupportedError),
    "status": (lambda sms: sms.status("id-1"), QueryError),
    "lookup": (lambda sms: sms.lookup("ref-1"), QueryError),
    "balance": (lambda sms: sms.balance(), QueryError),
    "check": (lambda sms: sms.check_verification("id-1", "123456"), QueryError),
    "cancel": (lambda sms: sms.cancel_verification("id-1"), QueryError),
    "receive": (lambda sms: sms.receive(HttpRequest(method="POST", url="https://us.example")), WebhookError),
}


@pytest.mark.parametrize("wrap", [lambda inner: inner, lambda inner: RetryPolicy(inner=inner)])
@pytest.mark.parametrize(("call", "kind"), UNSUPPORTED.values(), ids=UNSUPPORTED)
async def test_what_cannot_be_expressed_is_a_refusal_where_it_sends_and_a_failed_question_where_it_asks(
    call, kind, wrap
):
    with pytest.raises(SmsBridgeError) as caught:
        call(client(made=wrap(OnlySends())))
    with pytest.raises(SmsBridgeError) as also:
        await call(async_client(made=wrap(OnlySends())))
    assert caught.value == also.value
    assert type(caught.value) is kind
    assert isinstance(caught.value, RefusedError | QueryError | WebhookError)
    if kind is QueryError:
        assert (caught.value.reason, caught.value.retryable) == ("unsupported", False)


def test_of_a_batch_only_the_row_that_cannot_be_expressed_fails():
    rows = [message(reference=f"{row}", sender="ACME" if row == 1 else None) for row in range(3)]
    wire = Wire(HttpResponse.of_json({"ids": ["a", "b"]}))
    sms = client(wire=wire, made=provider(base=BatchProvider, supports=frozenset()))
    with sms.send_many(rows) as results:
        ends = {result.index: type(result.error) for result in results}
    assert ends == {0: type(None), 1: UnsupportedError, 2: type(None)}
    assert len(wire.requests) == 1


@pytest.mark.parametrize("ask", ["status", "cancel_verification"])
def test_asking_about_nothing_says_what_to_give(ask):
    with SmsClient("memory") as sms, pytest.raises(TypeError, match="or its id"):
        getattr(sms, ask)(None)


LONG = "x" * 5000


@pytest.mark.parametrize(
    "variables",
    [
        {"SMSBRIDGE_PROVIDER": LONG},
        {"SMSBRIDGE_PROVIDER": "otp", "SMSBRIDGE_OTP_PROVIDER": LONG},
        {"SMSBRIDGE_PROVIDER": "failover", "SMSBRIDGE_FAILOVER_ACCOUNTS": f"console,{LONG}"},
        {"SMSBRIDGE_PROVIDER": "failover", "SMSBRIDGE_FAILOVER_ACCOUNTS": f"{LONG},{LONG}"},
        {"SMSBRIDGE_PROVIDER": "retry", "SMSBRIDGE_RETRY_INNER": LONG},
        {"SMSBRIDGE_ENV": LONG},
        {"SMSBRIDGE_DEFAULT_REGION": LONG},
        {f"SMSBRIDGE_GUARD_{LONG.upper()}": "1"},
        {"SMSBRIDGE_HOURS_COUNTRIES": LONG},
        {"SMSBRIDGE_HOURS_ZONES": f'{{"IN": "{LONG}"}}'},
        {"SMSBRIDGE_LIMIT_SENDS": LONG},
        {"SMSBRIDGE_LEDGER_STORE": f"sqlite:///{LONG}"},
        {"SMSBRIDGE_OPTOUT_STORE": f"sqlite:///{LONG}"},
        {"SMSBRIDGE_DLT_REGISTRY": LONG},
        {"SMSBRIDGE_COST_PRICES": LONG},
        {"SMSBRIDGE_SECRETS_DIR": LONG},
    ],
    ids=lambda variables: " ".join(variables)[:40],
)
def test_an_error_repeats_no_name_that_is_as_long_as_a_book(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises((ConfigurationError, RefusedError)) as caught:
        SmsClient().send("+919876543210", "hello")
    assert len(str(caught.value)) < 1000


def test_nor_is_one_that_is_given_by_hand():
    for ask in (Plugins().account, Plugins().provider_class, lambda name: SmsClient().status("id", account=name)):
        for name in (LONG, f"{LONG}\n", "x\n"):
            with pytest.raises(ConfigurationError) as caught:
                ask(name)
            assert len(str(caught.value)) < 1000
            assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"PROVIDER": "retri"},
            r"no provider 'retri'; have console, .*; did you mean the policy 'retry'\? for an account",
        ),
        ({"PROVIDER": "consol"}, r"no provider 'consol'; have console, .*; did you mean 'console'\? for an account"),
        ({"PROVIDER": "env"}, r"^'env' cannot be the name of an account: settings of smsbridge begin with this word$"),
        ({"PROVIDER": "env", "ENV_PROVIDER": "console"}, r"'env' cannot be the name of an account"),
        (
            {"PROVIDER": "otp", "OTP_PROVIDER": "consol"},
            r"^SMSBRIDGE_OTP_PROVIDER: no provider 'consol'; .*'console'\?$",
        ),
        (
            {"PROVIDER": "otp", "OTP_PROVIDER": "otp"},
            r"^SMSBRIDGE_OTP_PROVIDER: 'otp' is an account: name its provider$",
        ),
        (
            {"PROVIDER": "otp", "OTP_PROVIDER": "backup", "BACKUP_PROVIDER": "console"},
            r"^SMSBRIDGE_OTP_PROVIDER: 'backup' is an account: name its provider$",
        ),
        ({"CONSOLE_PROVIDER": "memory"}, r"SMSBRIDGE_CONSOLE_PROVIDER is set, but 'console' is a provider: "),
        ({"PROVIDER": "failover", "FAILOVER_PROVIDER": "memory"}, r"_PROVIDER is set, but 'failover' is a policy: "),
        ({"PROVIDER": "failover"}, r"^SMSBRIDGE_FAILOVER_ACCOUNTS is missing: it names the accounts to send through$"),
        ({"PROVIDER": "ledger"}, r"^SMSBRIDGE_LEDGER_INNER is missing: it names the account to send through$"),
    ],
)
def test_an_error_of_a_name_says_what_it_is_and_what_helps(monkeypatch, variables, words):
    for name, value in variables.items():
        monkeypatch.setenv(f"SMSBRIDGE_{name}", value)
    with pytest.raises(ConfigurationError, match=words):
        SmsClient()
