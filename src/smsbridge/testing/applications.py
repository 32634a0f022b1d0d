"""Hand a webhook to an application, as a server would: ASGI, WSGI, or the test client of Django or Starlette."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlsplit

from smsbridge.http import HttpRequest, HttpResponse

HOST = "testserver"
"""The host of the webhooks, which Django's and Starlette's test clients use too."""

Application = Any
"""An ASGI or WSGI application, such as a FastAPI or Flask object or Django's handler, or a test client."""

Carrier = Callable[[HttpRequest], HttpResponse]


def carrier(app: Application) -> Carrier:
    """Return the function that hands a webhook to ``app`` and returns the answer of ``app``.

    ``app`` is an ASGI or WSGI application, or the test client of one of them. Raises TypeError if it is none of these.
    An error that ``app`` raises instead of an answer is raised unchanged.
    """
    is_client = hasattr(app, "request") and not inspect.iscoroutinefunction(app.request)
    if is_client and hasattr(app, "generic"):
        return partial(_by_django, app)
    if is_client and hasattr(app, "build_request"):
        return partial(_by_httpx, app)
    if _is_async(app):
        return partial(_by_asgi, app)
    if callable(app):
        return partial(_by_wsgi, app)
    raise TypeError(
        f"{type(app).__name__} is no application: give an ASGI or WSGI application (of FastAPI, Flask, Django, ...), "
        "or the test client of Django or Starlette that is not async"
    )


def _is_async(app: Application) -> bool:
    while isinstance(app, partial):
        app = app.func
    return inspect.iscoroutinefunction(app) or (callable(app) and inspect.iscoroutinefunction(type(app).__call__))


# --- test clients -----------------------------------------------------------------------------------------------------


def _by_django(client: Any, webhook: HttpRequest) -> HttpResponse:
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _headers(webhook).items()}
    answer = client.generic("POST", _target(webhook), webhook.body, content_type=webhook.content_type, **headers)
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return HttpResponse(status=answer.status_code, body=body)


def _by_httpx(client: Any, webhook: HttpRequest) -> HttpResponse:
    headers = {"content-type": webhook.content_type, **_headers(webhook)}
    answer = client.request("POST", _target(webhook), content=webhook.body, headers=headers, follow_redirects=False)
    return HttpResponse(status=answer.status_code, body=answer.content)


# --- applications -----------------------------------------------------------------------------------------------------


def _by_asgi(app: Application, webhook: HttpRequest) -> HttpResponse:
    # In a thread of its own, since the test may run an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, _call_asgi(app, webhook)).result()


async def _call_asgi(app: Application, webhook: HttpRequest) -> HttpResponse:
    path, _, query = _target(webhook).partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (name.encode(), value.encode())
            for name, value in {
                "host": HOST,
                "content-type": webhook.content_type,
                "content-length": str(len(webhook.body)),
                **_headers(webhook),
            }.items()
        ],
        "server": (HOST, 80),
        "client": ("testclient", 50000),
    }
    coming = [{"type": "http.request", "body": webhook.body, "more_body": False}]
    ended = asyncio.Event()
    status, body = 0, bytearray()

    async def receive() -> Mapping[str, Any]:
        if coming:
            return coming.pop()
        # A vendor waits for the answer, so it hangs up after it.
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                ended.set()

    await app(scope, receive, send)
    if not status:
        raise AssertionError("the application ended without an answer to the webhook")
    return HttpResponse(status=status, body=bytes(body))


def _by_wsgi(app: Application, webhook: HttpRequest) -> HttpResponse:
    path, _, query = _target(webhook).partition("?")
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": HOST,
        "CONTENT_TYPE": webhook.content_type,
        "CONTENT_LENGTH": str(len(webhook.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(webhook.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _headers(webhook).items()},
    }
    statuses: list[str] = []

    def start_response(status: str, _headers: object, _error: object = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return body.extend

    body = bytearray()
    parts = app(environ, start_response)
    try:
        for part in parts:
            body.extend(part)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    if not statuses:
        raise AssertionError("the application ended without an answer to the webhook")
    return HttpResponse(status=int(statuses[-1].split()[0]), body=bytes(body))


def _target(webhook: HttpRequest) -> str:
    parts = urlsplit(webhook.url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _headers(webhook: HttpRequest) -> dict[str, str]:
    """The headers that only webhooks of an outbox have."""
    return {name: value for name, value in webhook.headers.items() if name.lower() != "content-type"}
