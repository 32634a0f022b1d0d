"""The transports under test, and the client that each belongs to. A new transport is a new line in ``KINDS``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smsbridge import AsyncSmsClient, Plugins, Settings, SmsClient, SmsProvider
from smsbridge.wire.over_httpx import AsyncTransport, Transport

PLUGINS = Plugins()


class Blocking:
    """SmsClient."""

    def __init__(self, make: Callable[..., Any], provider: SmsProvider, timeout: float) -> None:
        self.limited = Limited(make(timeout=timeout))
        self._client = SmsClient(provider, settings=Settings(), plugins=PLUGINS, transport=self.limited)

    def send(self, text: str) -> Any:
        return self._client.send("+919876543210", text)

    def idle(self) -> None:
        """The client's work between two texts."""

    def close(self) -> None:
        self._client.close()


class Async:
    """AsyncSmsClient, whose event loop runs between two texts."""

    loop_factory = None

    def __init__(self, make: Callable[..., Any], provider: SmsProvider, timeout: float) -> None:
        self._runner = asyncio.Runner(loop_factory=self.loop_factory)
        self.limited = LimitedAsync(make(timeout=timeout))
        self._client = AsyncSmsClient(provider, settings=Settings(), plugins=PLUGINS, transport=self.limited)

    def send(self, text: str) -> Any:
        return self._runner.run(self._client.send("+919876543210", text))

    def idle(self) -> None:
        self._runner.run(asyncio.sleep(0.01))

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


class Asleep(Async):
    """AsyncSmsClient, whose event loop does not run between two texts, so it has not read new data."""

    def idle(self) -> None:
        pass


class Limited:
    """A transport with a time limit for its next request."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.within: float | None = None

    def send(self, request: Any, *, within: float | None = None) -> Any:
        return self._transport.send(request, within=self.within)

    def close(self) -> None:
        self._transport.close()


class LimitedAsync(Limited):
    async def send(self, request: Any, *, within: float | None = None) -> Any:
        return await self._transport.send(request, within=self.within)

    async def aclose(self) -> None:
        await self._transport.aclose()


@dataclass(frozen=True)
class Kind:
    """A transport and its client."""

    name: str
    driver: type[Blocking | Async]
    make: Callable[..., Any]


KINDS = [
    Kind("blocking", Blocking, Transport),
    Kind("async", Async, AsyncTransport),
    Kind("async, asleep", Asleep, AsyncTransport),
]

if "gevent.monkey" in sys.modules and sys.modules["gevent.monkey"].is_module_patched("threading"):
    # All its threads are a single real thread, which can run only one event loop of asyncio; these tests run several side by side.
    KINDS = [kind for kind in KINDS if not issubclass(kind.driver, Async)]
