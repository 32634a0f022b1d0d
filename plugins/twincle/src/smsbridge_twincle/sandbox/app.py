"""The ASGI application: reads a request, applies programmed faults, finds the handler, writes the answer."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypedDict, Unpack
from urllib.parse import parse_qsl

import httpx
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from . import codes, inbox, incoming, magic, pulling, sending
from .answers import DISCLAIMER, HTML, LOGIN_PAGE, UNAUTHENTICATED, Answer, Refused, error, refuse
from .faults import Faults
from .reading import BASE, Call, relative
from .reports import Push, Pusher
from .state import Epoch, Options, State

LARGEST = 32 * 1024 * 1024
Handler = Callable[[State, Call], Answer]


class OptionNames(TypedDict, total=False):
    """The fields of `Options`, as keyword arguments of the functions that start a sandbox."""

    token: str
    epoch: Epoch
    balance: int
    services: tuple[str, ...]
    senders: tuple[str, ...] | None
    report_delay: float | None
    retry_interval: float
    slow: float
    shuffle: bool
    pull_limit: int
    keep: int


class Watcher(Protocol):
    """An observer that is called for each request and each push, such as the printer of the sandbox command."""

    def request(self, call: Call, answer: Answer, state: State) -> None: ...

    def push(self, push: Push) -> None: ...


def create_app(*, clock: Callable[[], float] = time.time, **options: Unpack[OptionNames]) -> SandboxApp:
    """Return the sandbox as an ASGI application, for `httpx.ASGITransport` or for a server of your own."""
    return SandboxApp(State(Options(**options), clock))


class SandboxApp:
    """The sandbox as an ASGI application. `requests` has the last 10000 requests, without their access token."""

    def __init__(self, state: State, watcher: Watcher | None = None) -> None:
        self.state = state
        self.faults = Faults()
        self.requests: deque[Call] = deque(maxlen=10_000)
        self.watcher = watcher
        self.last_request = time.monotonic()
        self.pusher = Pusher(state, self._pushed)
        state.on_text = self.pusher.schedule
        self.hang_up: Callable[[Scope, bool], None] | None = None
        self._stopping = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            self.last_request = time.monotonic()
            call, answer = await self._read(scope, receive)
            # These are not part of Twincle: faults do not apply, and the request is neither kept nor shown.
            if inbox.is_asked(call):
                await self._write(answer or inbox.answer(self.state, call), scope, receive, send)
                return
            if incoming.is_asked(call):
                await self._write(answer or await incoming.answer(self.pusher, call), scope, receive, send)
                return
            if answer is None:
                answer = self.answer(call)
            answer = replace(answer, delay=self.state.options.slow) if answer.delay == magic.SLOW else answer
            shown = call.without(self.state.options.token)
            self.requests.append(shown)
            if self.watcher:
                self.watcher.request(shown, answer, self.state)
            await self._write(answer, scope, receive, send)

    def answer(self, call: Call) -> Answer:
        """Return the answer to a request.

        If a test programmed a fault for the request, the answer has that fault.
        """
        fault = self.faults.take(call.path)
        return fault.apply(self._normal(call) if fault.normal else None) if fault else self._normal(call)

    async def aclose(self) -> None:
        """End the answers that are still delayed, and stop pushing reports."""
        self._stopping.set()
        await self.pusher.aclose()

    def _normal(self, call: Call) -> Answer:
        if not call.inside:
            return _site(call)
        try:
            if call.token() != self.state.options.token:
                return UNAUTHENTICATED if call.wants_json() else _to_login(call)
            return self._route(call)(self.state, call)
        except Refused as refused:
            return refused.answer

    def _route(self, call: Call) -> Handler:
        epoch, path = self.state.options.epoch, call.path
        head, _, rest = path.partition("/")
        if head == "verify" and rest.count("/") >= 1 and (found := _verification(rest)):
            methods, handler = "GET", found
        else:
            known = ROUTES.get((path, epoch)) or ROUTES.get((path, ""))
            if known is None:
                raise refuse(f"Not found: the sandbox has no {path!r} in {epoch}.", 404)
            methods, handler = known
        if call.method not in methods.split():
            raise Refused(
                error(405, f"Method not allowed: {methods} only in {epoch}.", Allow=methods.replace(" ", ", "))
            )
        pull = call.method == "GET" and (epoch == "E3" or handler in (pulling.status, pulling.balance))
        if pull and not self.state.pull_allowed():
            raise refuse("Too Many Requests", 429)
        return handler

    async def _read(self, scope: Scope, receive: Receive) -> tuple[Call, Answer | None]:
        chunks: list[bytes] = []
        size, problem, more = 0, None, True
        while more:
            message = await receive()
            chunk, more = message.get("body", b""), message.get("more_body", False)
            size += len(chunk)
            if size > LARGEST:
                problem, chunks = error(413, "Request body too large."), []
            else:
                chunks.append(chunk)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        call = Call(
            method=scope["method"],
            path=relative(scope["path"]),
            origin=f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}",
            query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
            headers=headers,
            body=b"".join(chunks),
        )
        return call, problem

    async def _write(self, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        in_time = not answer.delay or await self._pause(answer.delay, receive)
        if not in_time or answer.cut == "before":
            await self._cut(scope, receive, at_once=True)
            return
        body, content_type = answer.payload()
        own = {name.lower(): value for name, value in answer.headers.items()}
        headers = {"content-type": content_type, **own, "x-sandbox": DISCLAIMER}
        response = Response(body, answer.status, headers)
        if answer.cut == "middle":
            await send({"type": "http.response.start", "status": answer.status, "headers": response.raw_headers})
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            await self._cut(scope, receive, at_once=False)
            return
        await response(scope, receive, send)

    async def _cut(self, scope: Scope, receive: Receive, *, at_once: bool) -> None:
        if self.hang_up is None:
            # In the same process there is no connection to cut.
            raise httpx.ReadError("cut by the sandbox")
        self.hang_up(scope, at_once)
        await _disconnected(receive)

    async def _pause(self, seconds: float, receive: Receive) -> bool:
        """Wait; false if the client leaves or the sandbox stops before the time is over."""
        ends = [asyncio.ensure_future(self._stopping.wait()), asyncio.ensure_future(_disconnected(receive))]
        done, _ = await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        return not done

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message: Message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.aclose()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    def _pushed(self, push: Push) -> None:
        if self.watcher:
            self.watcher.push(push)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _to_login(call: Call) -> Answer:
    return Answer(status=302, body=LOGIN_PAGE, headers={"location": f"{call.origin}/login", "content-type": HTML})


def _site(call: Call) -> Answer:
    """Paths outside the API: the login page, and a hint for people who open the sandbox in a browser."""
    if call.path.rstrip("/") == "/login":
        return Answer(body=LOGIN_PAGE)
    if call.path == "/":
        return Answer(
            body=f"<!DOCTYPE html><title>Sandbox</title><p>Sandbox, {DISCLAIMER}. The API is under {BASE},"
            f" and <a href=/{inbox.PATH}>/{inbox.PATH}?to=</a> lists the texts that a phone got.</p>"
        )
    return Answer(status=404, body=f"<!DOCTYPE html><title>Not found</title><p>Sandbox, {DISCLAIMER}: not found.</p>")


def _verification(rest: str) -> Handler | None:
    """`check/{id}/{token}`, `cancel/{id}`, `search/{id}`"""
    match rest.split("/"):
        case ["check", id, token]:
            return lambda state, _: codes.check(state, id, token)
        case ["cancel", id]:
            return lambda state, _: codes.cancel(state, id)
        case ["search", id]:
            return lambda state, _: codes.search(state, id)
    return None


# Path and epoch ("" for any other) to the methods allowed and the handler.
ROUTES: dict[tuple[str, str], tuple[str, Handler]] = {
    ("sms/send", ""): ("POST", sending.send),
    ("sms/send", "E1"): ("GET POST", sending.send),
    ("sms/send/json", ""): ("POST", sending.send_json),
    ("sms/status", ""): ("GET POST", pulling.status),
    ("sms/status", "E3"): ("GET", pulling.status),
    ("account/balance", "E1"): ("GET POST", pulling.balance),
    ("account/balance", "E2"): ("GET POST", pulling.balance),
    ("finance/balance", "E2"): ("GET", pulling.balance),
    ("finance/balance", "E3"): ("GET", pulling.balance),
    ("verify", ""): ("POST", codes.send),
    ("verify/send", ""): ("POST", codes.send),
}
