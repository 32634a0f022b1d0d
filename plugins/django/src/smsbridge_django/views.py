"""The webhook of each account. One plain view, under WSGI and under ASGI.

Under ASGI, Django runs it in a thread, as every plain view. So receivers of signals may use the ORM, and Django closes
their connections at the end of the request, which it does not do in threads of other libraries.
"""

from __future__ import annotations

from django.http import HttpRequest as Request
from django.http import HttpResponse as Response

from smsbridge import ConfigurationError, HttpRequest
from smsbridge.logs import logger
from smsbridge.web import Webhooks
from smsbridge.webhook_body import announced

from . import conf
from .clients import client

_log = logger("smsbridge.django")


def webhook(request: Request, account: str) -> Response:
    """Handle a webhook for the account named ``account``. The vendor gets the answer after all work is done."""
    try:
        webhooks = Webhooks(client(), accounts=conf.accounts())
    except ConfigurationError as error:
        # Raised, it would be reported with the person's text, which the request holds.
        _log.error("webhooks cannot be taken in: %s", error)
        return Response(status=500)
    answer = webhooks.answer(request.method or "", account, lambda: _read(request))
    response = Response(answer.body, status=answer.status, headers=dict(answer.headers))
    if "content-type" not in {name.lower() for name in answer.headers}:
        del response["content-type"]  # Django says text/html where nothing is said
    return response


def _read(request: Request) -> HttpRequest:
    length = request.META.get("CONTENT_LENGTH")
    if length:
        announced(length)
    scope = getattr(request, "scope", None)
    if scope is not None:
        return HttpRequest.from_asgi(scope, request.body)
    if not length and "HTTP_TRANSFER_ENCODING" in request.META:
        # Django reads no body of unknown length.
        return HttpRequest.from_wsgi(request.META)
    return HttpRequest.from_wsgi(request.META, request.body)
