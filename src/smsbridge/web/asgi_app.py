"""Webhooks as an ASGI application: for Starlette, FastAPI, Django under ASGI, or a server alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any

from smsbridge.client import AsyncSmsClient
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.webhook_body import Asgi

from .core import AsyncWebhooks, headers_of

Send = Callable[[Any], Awaitable[None]]


class AsgiWebhooks(AsyncWebhooks):
    """The ASGI application for webhooks that :func:`asgi` returns."""

    _has_ended = False
    """Whether the server that it was for has ended, and our own client with it."""

    async def __call__(self, scope: Mapping[str, Any], receive: Asgi, send: Send) -> None:
        """Answer one request, or follow the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            read = partial(HttpRequest.read_asgi, scope, receive)
            await _send(send, await self.answer(scope["method"], _account(scope), read))
        else:
            await send({"type": "websocket.close"})  # before it is accepted, which is a 403

    async def _live(self, receive: Asgi, send: Send) -> None:
        """Close our own client at the end, and have another if the server begins again."""
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup" and self._has_ended:
                self.client, self._has_ended = AsyncSmsClient(), False
            elif kind == "lifespan.shutdown" and self._is_ours:
                await self.client.aclose()
                self._has_ended = True
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return


def asgi(client: AsyncSmsClient | None = None, *, accounts: Collection[str] | None = None) -> AsgiWebhooks:
    """Make an ASGI application that receives webhooks, with a route for each account of ``client``.

    Mount the application under a path: ``app.mount("/sms", asgi())``. Without ``client`` it makes a client from the
    environment. ``accounts`` are the accounts that get a route, by default all that can receive webhooks. Raises
    ConfigurationError if a secret that is needed to verify webhooks is not set.
    """
    return AsgiWebhooks(client, accounts=accounts)


def _account(scope: Mapping[str, Any]) -> str:
    """What is left of the path behind the mount; some frameworks cut the mount off, most leave it there."""
    path, mount = scope["path"], scope.get("root_path", "").rstrip("/")
    return str(path.removeprefix(f"{mount}/") if path.startswith(f"{mount}/") else path.removeprefix("/"))


async def _send(send: Send, answer: HttpResponse) -> None:
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers_of(answer)]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": answer.body})
