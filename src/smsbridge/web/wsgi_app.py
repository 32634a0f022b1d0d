"""Webhooks as a WSGI application: for any WSGI server, alone or under a dispatcher."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from smsbridge.client import SmsClient
from smsbridge.http import HttpRequest
from smsbridge.http_status import phrase

from .core import Webhooks

Start = Callable[[str, list[tuple[str, str]]], Any]


class WsgiWebhooks(Webhooks):
    """A WSGI application. ``client`` is the client that takes the webhooks in."""

    def __call__(self, environ: Mapping[str, Any], start_response: Start) -> list[bytes]:
        """Answer one request."""
        account = environ.get("PATH_INFO", "").removeprefix("/")
        answer = self.answer(environ["REQUEST_METHOD"], account, partial(HttpRequest.from_wsgi, environ))
        headers = {**answer.headers, "content-length": str(len(answer.body))}
        start_response(phrase(answer.status), list(headers.items()))
        return [answer.body]


def wsgi(client: SmsClient | None = None, *, accounts: Collection[str] | None = None) -> WsgiWebhooks:
    """A WSGI application with a route for each account of ``client``.

    Without ``client``, the environment describes one, which is made now. ``accounts`` are those that get a route, by
    default all that can take webhooks. Raises ConfigurationError if a secret is not set.
    """
    return WsgiWebhooks(sync_client(client, "wsgi"), accounts)


def sync_client(client: SmsClient | None, by: str) -> SmsClient:
    """``client``, or one of our own, which is closed when the process ends."""
    if not isinstance(client, SmsClient | None):
        raise TypeError(f"{by}() takes an SmsClient, as nothing here runs an event loop")
    if client is None:
        client = SmsClient()
        atexit.register(client.close)
    return client
