"""Webhooks as a WSGI application: for any WSGI server, alone or under a dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from smsbridge.client import SmsClient
from smsbridge.http import HttpRequest
from smsbridge.http_status import phrase

from .core import Webhooks, headers_of

Start = Callable[[str, list[tuple[str, str]]], Any]


class WsgiWebhooks(Webhooks):
    """The WSGI application for webhooks that :func:`wsgi` returns."""

    def __call__(self, environ: Mapping[str, Any], start_response: Start) -> list[bytes]:
        """Answer one request."""
        account = environ.get("PATH_INFO", "").removeprefix("/")
        answer = self.answer(environ["REQUEST_METHOD"], account, partial(HttpRequest.from_wsgi, environ))
        start_response(phrase(answer.status), headers_of(answer))
        return [answer.body]


def wsgi(client: SmsClient | None = None, *, accounts: Collection[str] | None = None) -> WsgiWebhooks:
    """Make a WSGI application that receives webhooks, with a route for each account of ``client``.

    Without ``client`` it uses the shared client behind ``smsbridge.send``. ``accounts`` are the accounts that get a
    route, by default all that can receive webhooks. Raises ConfigurationError if a secret that is needed to verify
    webhooks is not set.
    """
    return WsgiWebhooks(client, accounts=accounts)
