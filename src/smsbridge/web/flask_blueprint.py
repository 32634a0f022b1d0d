"""Webhooks as a blueprint of Flask, which is imported when one is made."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from smsbridge.client import SmsClient
from smsbridge.http import HttpRequest
from smsbridge.webhook_body import announced, read_wsgi

from .core import METHODS, Webhooks

if TYPE_CHECKING:
    from flask import Blueprint, Response


def blueprint(client: SmsClient | None = None, *, accounts: Collection[str] | None = None) -> Blueprint:
    """Make a Flask blueprint that receives webhooks, with a route for each account of ``client``.

    Register the blueprint under a path: ``app.register_blueprint(blueprint(), url_prefix="/sms")``. Without ``client``
    it uses the shared client behind ``smsbridge.send``. ``accounts`` are the accounts that get a route, by default all
    that can receive webhooks. Raises ConfigurationError if a secret that is needed to verify webhooks is not set.
    """
    from flask import Blueprint, Response, request

    webhooks = Webhooks(client, accounts=accounts)
    found = Blueprint("smsbridge", __name__)

    def read() -> HttpRequest:
        # A body that Flask was asked for before is in no stream: Flask has kept it.
        body = b""
        if length := request.environ.get("CONTENT_LENGTH"):
            announced(length)
        else:
            body = read_wsgi({**request.environ, "wsgi.input": request.stream})
        return HttpRequest.from_wsgi(request.environ, body or request.get_data(cache=False))

    def webhook(account: str) -> Response:
        answer = webhooks.answer(request.method, account, read)
        return Response(answer.body, answer.status, dict(answer.headers))

    found.add_url_rule("/<account>", view_func=webhook, methods=METHODS, provide_automatic_options=False)
    return found
