"""Test that both clients agree: the same answers of the vendor lead to the same outcomes and the same requests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from smsbridge.errors import NoAnswer, NotConnected
from smsbridge.http import HttpResponse
from smsbridge.testing.wire import FakeWire, Reply

from .kit import Kit, Operation, plugins
from .refusals import answer

_CLOCKS = frozenset({"at", "expires_at"})


class Parity(Kit):
    """Test that a provider behaves the same under SmsClient and AsyncSmsClient."""

    def test_sync_equals_async(self, operation: Operation) -> None:
        for what, reply in self._replies(operation):
            blocking = self._blocking(operation, reply)
            awaited = asyncio.run(self._awaited(operation, reply))
            assert blocking[0] == awaited[0], f"{operation.name} after {what}: {blocking[0]!r} is not {awaited[0]!r}"
            assert blocking[1] == awaited[1], f"{operation.name} after {what}: the two clients made different requests"

    def _replies(self, operation: Operation) -> Iterator[tuple[str, Reply | None]]:
        yield "a good answer", self._good(operation)
        if not self.uses_http():
            return
        yield "a time-out", NoAnswer("no answer in time")
        yield "no connection", NotConnected("no route")
        yield "an empty answer", HttpResponse(status=200)
        for status in (400, 401, 503):
            yield f"HTTP {status}", answer(status, b'{"message":"Sorry"}')
        yield "HTTP 429", answer(429, b"", **{"retry-after": "17"})
        if operation.name == "send":
            for name, sample in self.refusals.items():
                yield f"the refusal {name!r}", sample.answer

    def _blocking(self, operation: Operation, reply: Reply | None) -> tuple[Any, list[Any]]:
        wire = self.wire(reply)
        with wire.client(self.make(), plugins=plugins()) as client:
            try:
                value = operation.call(self, client)
            except Exception as error:  # noqa: BLE001  # it is compared
                value = error
        return _timeless(value), self._prints(wire)

    async def _awaited(self, operation: Operation, reply: Reply | None) -> tuple[Any, list[Any]]:
        wire = self.wire(reply)
        async with wire.async_client(self.make(), plugins=plugins()) as client:
            try:
                value = operation.call(self, client)
                if inspect.isawaitable(value):
                    value = await value
            except Exception as error:  # noqa: BLE001  # it is compared
                value = error
        return _timeless(value), self._prints(wire)

    def _prints(self, wire: FakeWire) -> list[Any]:
        return [self.fingerprint(request) for request in wire.requests]


def _timeless(value: Any) -> Any:
    """``value`` without the times read from the clock."""
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes = {
        field.name: None if field.name in _CLOCKS else _timeless(getattr(value, field.name))
        for field in fields(value)
        if field.init
    }
    return replace(value, **changes)
