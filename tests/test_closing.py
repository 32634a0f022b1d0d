"""A client that is closed while texts are on their way: texts that left are reported, and no more texts begin."""

from __future__ import annotations

import asyncio
import threading

import pytest

from policed import BUSY
from scripted import OK, TO, URL, AsyncWire, HttpProvider, Recorder, Wire, message, provider
from slow import Slow, Vendor
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import NoAnswer, QueryError, UnavailableError, UncertainError
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Call, HttpRequest, HttpResponse, Wait
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.settings import Settings

CLIENTS = [SmsClient, AsyncSmsClient]


class Client:
    """A client of either kind, whose wire closes it at each answer ``CLOSES``."""

    def __init__(self, kind, made, *answers, hooks=()):
        self.recorder = Recorder()
        wire = Wire if kind is SmsClient else AsyncWire
        self.wire = wire(*[self._closing(answer) for answer in answers])
        self.sms = kind(made, settings=Settings(), plugins=Plugins(self.recorder, *hooks), transport=self.wire)

    def _closing(self, answer):
        def answered(_request):
            self.close()
            return answer

        return answered

    def close(self):
        self.sms._closed = True  # as if another thread or task closed it at this moment

    async def ask(self, call):
        end = call(self.sms)
        return await end if hasattr(end, "__await__") else end


@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_request_that_had_left_is_told_as_it_is_answered(kind):
    client = Client(kind, HttpProvider(), OK)
    assert (await client.ask(lambda sms: sms.send(message()))).id == "vendor-1"
    client = Client(kind, RetryPolicy(inner=HttpProvider()), NoAnswer("it was cut"))
    with pytest.raises(UncertainError, match="it was cut"):
        await client.ask(lambda sms: sms.send(message()))
    assert type(client.recorder.outcome("ref-1")) is UncertainError


@pytest.mark.parametrize("kind", CLIENTS)
async def test_what_had_not_left_is_certainly_not_sent(kind):
    def send(self, text):
        yield from Call(client.close)
        yield from HttpRequest.get(URL, sends=True)

    client = Client(kind, provider(send), OK)
    with pytest.raises(UnavailableError, match="the client was closed before it was sent") as caught:
        await client.ask(lambda sms: sms.send(message()))
    assert (caught.value.reason, caught.value.fault, client.wire.requests) == ("closed", "local", [])
    assert client.recorder.outcome("ref-1") == caught.value


@pytest.mark.parametrize("kind", CLIENTS)
async def test_no_other_attempt_is_begun_and_the_refusals_are_told(kind):
    client = Client(kind, RetryPolicy(inner=HttpProvider()), BUSY)
    with pytest.raises(UnavailableError, match="the client was closed") as caught:
        await client.ask(lambda sms: sms.send(message()))
    assert [error.code for error in caught.value.attempts] == ["429", None]
    assert len(client.wire.requests) == 1


@pytest.mark.parametrize("kind", CLIENTS)
async def test_that_is_no_fault_of_the_account(kind):
    """A counted fault would pause the account for other clients."""
    made = FailoverPolicy(accounts=[HttpProvider(account="a"), HttpProvider(account="b")], faults=1)
    client = Client(kind, made, OK)
    client.close()
    with pytest.raises(RuntimeError):
        await client.ask(lambda sms: sms.send(message()))

    def send(self, text):
        yield from Call(client.close)
        yield from HttpRequest.get(URL, sends=True)

    first = provider(send).model_copy(update={"account": "a"})
    made = FailoverPolicy(accounts=[first, HttpProvider(account="b")], faults=1)
    client = Client(kind, made, OK)
    with pytest.raises(UnavailableError, match="the client was closed"):
        await client.ask(lambda sms: sms.send(message()))
    assert made._breakers["a"].closed
    assert client.wire.requests == []


@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_question_that_was_not_asked_has_failed(kind):
    def balance(self):
        yield from Call(client.close)
        yield from HttpRequest.get(URL)

    client = Client(kind, provider(balance=balance), OK)
    with pytest.raises(QueryError, match="the client was closed before the answer came") as caught:
        await client.ask(lambda sms: sms.balance())
    assert (caught.value.reason, caught.value.retryable) == ("closed", False)


@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_webhook_is_taken_in_to_its_end(kind):
    """The vendor gets its answer: otherwise it would deliver an event again that some hooks know already."""
    told = []

    class Hook:
        @hookimpl
        def smsbridge_event(self, event):
            told.append(event.key)
            client.close()

    client = Client(kind, HttpProvider(webhook_secret="SECRET"), hooks=[Hook()])
    webhook = HttpRequest(method="POST", url=URL, headers={"x-secret": "SECRET"}, body=b'[{"id": "1"}, {"id": "2"}]')
    received = await client.ask(lambda sms: sms.receive(webhook))
    assert told == ["1", "2"]
    assert received.response.ok


@pytest.mark.parametrize("kind", CLIENTS)
async def test_over_real_connections_too(kind):
    vendor = Vendor()
    try:
        sms = kind(Slow(url=vendor.url, sends="late"), settings=Settings(), plugins=Plugins())
        work = asyncio.to_thread(sms.try_send, TO, "Hi") if kind is SmsClient else sms.try_send(TO, "Hi")
        sending = asyncio.create_task(work)
        await asyncio.to_thread(vendor.wait_for, 1)
        sms.close() if kind is SmsClient else await sms.aclose()
        assert (await sending).sent is not None
        assert len(vendor.asked) == 1
    finally:
        vendor.close()


def test_a_wait_ends_and_then_nothing_follows():
    def send(self, text):
        yield from Call(timer.start)
        yield from Wait(0.1)
        timer.join()
        yield from HttpRequest.get(URL, sends=True)

    sms = Client(SmsClient, provider(send), HttpResponse(status=200))
    timer = threading.Timer(0.01, sms.sms.close)
    with pytest.raises(UnavailableError, match="the client was closed"):
        sms.sms.send(message())
    assert sms.wire.requests == []
