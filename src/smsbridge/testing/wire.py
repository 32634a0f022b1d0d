"""Run flows and clients of smsbridge in tests, without a network and without sleeping: FakeWire and drive.

::

    sent = drive(provider.send(message), HttpResponse.of_json({"id": "7"}))

    wire = FakeWire(HttpResponse(status=503))
    with wire.client(provider) as sms, pytest.raises(UncertainError):
        sms.send("+919876543210", "Hello")
    assert wire.requests[0].url == "https://api.acme.example/messages"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import pytest

from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.flow import Await, Call, Driven, Flow, Step, Wait
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.plugins import Plugins
from smsbridge.provider import SmsProvider
from smsbridge.settings import Settings

T = TypeVar("T")
Answer = HttpResponse | Exception
"""The wire's reaction to a request: an answer, or an exception to raise (NotConnected, NoAnswer or any other)."""
Reply = Answer | Callable[[HttpRequest], Answer]
_MOST_REQUESTS = 100


class FakeWire:
    """Replace the network in a test: answer requests from a script, and keep all requests in ``requests``.

    Each argument answers one request; a function gets the request and returns the answer. ``always`` answers every
    later request. A request without an answer fails the test.
    """

    def __init__(self, *answers: Reply, always: Reply | None = None) -> None:
        self.requests: list[HttpRequest] = []
        self._answers = list(answers)
        self._always = always

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Record ``request`` and return the next answer of the script. If that answer is an exception, raise it.

        The test fails if the script has no answer left.
        """
        self.requests.append(request)
        if len(self.requests) > _MOST_REQUESTS:
            pytest.fail(f"the flow made {_MOST_REQUESTS} requests and did not end: let it end")
        reply = self._answers.pop(0) if self._answers else self._always
        if reply is None:
            pytest.fail(f"request {len(self.requests)} has no answer in the script: {request!r}")
        answer = reply if isinstance(reply, HttpResponse | Exception) else reply(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, provider: SmsProvider, *, plugins: Plugins | None = None) -> SmsClient:
        """Make a real SmsClient that sends the requests of ``provider`` to this wire.

        It reads nothing from the environment and does not sleep.
        """
        return _Client(provider, settings=Settings(), plugins=plugins or Plugins(), transport=_Transport(self))

    def async_client(self, provider: SmsProvider, *, plugins: Plugins | None = None) -> AsyncSmsClient:
        """Make a real AsyncSmsClient that sends the requests of ``provider`` to this wire.

        It reads nothing from the environment and does not sleep.
        """
        return _AsyncClient(
            provider, settings=Settings(), plugins=plugins or Plugins(), transport=_AsyncTransport(self)
        )


class _Transport:
    def __init__(self, wire: FakeWire) -> None:
        self._wire = wire

    def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        return self._wire.answer(request)

    def close(self) -> None:
        pass


class _AsyncTransport:
    def __init__(self, wire: FakeWire) -> None:
        self._wire = wire

    async def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        return self._wire.answer(request)

    async def aclose(self) -> None:
        pass


class _Client(SmsClient):
    def _perform(self, step: Step[Any], until: float | None = None) -> Any:
        return None if isinstance(step, Wait) else super()._perform(step, until)


class _AsyncClient(AsyncSmsClient):
    async def _perform(self, step: Step[Any], until: float | None = None) -> Any:
        return None if isinstance(step, Wait) else await super()._perform(step, until)


def drive(flow: Flow[T], *answers: Reply | FakeWire) -> T:
    """Run ``flow`` without a client, and return the result of the flow or raise its error.

    Each HTTP request gets the next of ``answers``; a single FakeWire answers all requests. A step ``Wait`` ends at
    once, and the function of a step ``Call`` is called.
    """
    first = answers[0] if answers else None
    wire = first if isinstance(first, FakeWire) else FakeWire(*cast("tuple[Reply, ...]", answers))
    try:
        run = Driven(flow)
        while run.step is not None:
            run.perform(_perform, run.step, wire)
        return run.value
    finally:
        flow.close()


def _perform(step: Step[Any], wire: FakeWire) -> Any:
    if isinstance(step, HttpRequest):
        return wire.answer(step)
    if isinstance(step, Call):
        return step.function(*step.args)
    if isinstance(step, Await):
        return step.future.result()
    if isinstance(step, Wait):
        return None
    raise TypeError(f"a flow yields steps (HttpRequest, Call, Wait), not {type(step).__name__}: use 'yield from'")
