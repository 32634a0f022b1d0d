"""Pushes to webhooks: delivery reports, incoming texts, and the handshake before the first push."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import secrets
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import httpx

from . import shapes
from .answers import DISCLAIMER
from .sending import is_loopback
from .state import State, Text, Webhook

RETRIES = 3  # after the first attempt, documented
ACKNOWLEDGED = (200, 202)
OURS = "919000000000"
"""The number of ours that gets a text, unless its sender names another."""


class HandshakeError(Exception):
    """Raised when the receiver of a webhook does not answer the check of a new webhook as documented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """An HTTP request to the receiver of a webhook, and its outcome.

    `answer` is the HTTP status of the receiver's answer, or None without an answer.
    """

    kind: str
    method: str
    url: str = field(repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    webhook: Webhook | None = None
    attempt: int = 1
    answer: int | None = None
    problem: str = ""

    @property
    def acknowledged(self) -> bool:
        return self.answer in ACKNOWLEDGED


class Pusher:
    """Pushes delivery reports to their receivers when they are due."""

    def __init__(self, state: State, announce: Callable[[Push], None]) -> None:
        self.state = state
        self.announce = announce
        self.log: deque[Push] = deque(maxlen=10_000)
        self._due: list[tuple[float, int, Text | Push]] = []
        self._order = itertools.count()
        self._changed: asyncio.Event | None = None
        self._pump: asyncio.Task[None] | None = None
        self._flying: set[asyncio.Task[Any]] = set()
        self._client: httpx.AsyncClient | None = None

    def schedule(self, text: Text) -> None:
        """Plan the delivery report of a text for the time when it is due, if the text has a receiver of reports."""
        if text.due is not None and (text.dlr_url or self.state.webhook_for(text)):
            self._later(text.due, text)

    async def report(self, text: Text, status: str) -> Push | None:
        """Push a delivery report with this `status` of the text now.

        Returns the push, or None if the text has no receiver of reports, because neither a webhook nor a dlr_url is
        set.
        """
        at = text.reported_at if text.reported else self.state.now()
        body = shapes.report(self.state, text, status, at)
        if text.dlr_url:
            url = text.dlr_url
            for name, value in body.items():
                url = url.replace(f"{{{name}}}", quote(str(value), safe=""))
            return await self.push(Push(kind="report", method="GET", url=url, body=body))
        webhook = self.state.webhook_for(text)
        return None if webhook is None else await self.push(_post("report", webhook, body))

    async def finish(self, text: Text, status: str) -> Push | None:
        """Push the final report of a text with this `status`, and the further reports that its magic number asks for.

        Returns the push of the final report, or None if the text has no receiver of reports.
        """
        first = await self.report(text, status)
        for encore in text.encores:
            await self.report(text, encore)
        return first

    async def inbound(self, webhook: Webhook, sender: str, to: str, message: str) -> Push:
        """Push an incoming text (`vmn:message:in`) to a webhook."""
        return await self.push(_incoming(webhook, sender, to, message))

    def inbound_soon(self, webhook: Webhook, sender: str, message: str) -> None:
        """Push an incoming text to a webhook as soon as the event loop can."""
        self._later(self.state.now(), _incoming(webhook, sender, OURS, message))

    async def handshake(self, webhook: Webhook) -> None:
        """Check that the receiver of a webhook knows the webhook, as the platform does before the first push.

        Epoch E1 of the platform expects the validation key back, E2 and E3 the challenge; a receiver may return both.

        Raises:
            HandshakeError: the receiver gave another answer, or none.

        """
        key, challenge = secrets.token_hex(16), secrets.token_hex(16)
        wanted = {"validation_key": key} if self.state.options.epoch == "E1" else {"challenge": challenge}
        mark = "&" if "?" in webhook.url else "?"
        push = _post("handshake", webhook, {"validation_key": key, "challenge": challenge})
        done, content = await self._send(replace(push, url=f"{webhook.url}{mark}token={key}"))
        said = content if isinstance(content, dict) else {}
        if done.answer == 200 and all(said.get(name) == value for name, value in wanted.items()):
            webhook.verified = True
        else:
            done = replace(
                done, problem=done.problem or f"the answer must be 200 with JSON holding {', '.join(wanted)}"
            )
        self._note(done)
        if not webhook.verified:
            raise HandshakeError(f"HTTP {done.answer}: {done.problem}" if done.answer else done.problem)

    async def push(self, push: Push) -> Push:
        """Send `push` to its receiver, and return it with the outcome.

        If the receiver does not acknowledge the push, it is repeated at most 3 times.
        """
        if push.webhook and not push.webhook.verified:
            try:
                await self.handshake(push.webhook)
            except HandshakeError as error:
                return self._note(self._again(replace(push, problem=f"handshake: {error}")))
        done, _ = await self._send(push)
        return self._note(done if done.acknowledged else self._again(done))

    async def settled(self) -> None:
        """Push all reports that are due, and wait until they were sent."""
        self._launch()
        while self._flying:
            await asyncio.gather(*self._flying)

    async def aclose(self) -> None:
        """Stop pushing, and forget the entries that still wait."""
        tasks = [*self._flying, *([self._pump] if self._pump else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
        self._pump = self._client = self._changed = None

    def _again(self, push: Push) -> Push:
        if push.attempt <= RETRIES:
            self._later(self.state.now() + self.state.options.retry_interval, replace(push, attempt=push.attempt + 1))
        return push

    def _note(self, push: Push) -> Push:
        self.log.append(push)
        self.announce(push)
        return push

    async def _send(self, push: Push) -> tuple[Push, Any]:
        if not is_loopback(push.url):
            return replace(push, problem="the sandbox pushes to loopback only"), None
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=5.0,
                trust_env=False,
                verify=False,  # noqa: S501 - loopback only, where certificates are self-made
                headers={"x-sandbox": DISCLAIMER},
            )
        secret = push.webhook.secret if push.webhook else ""
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        body = push.body if push.method == "POST" else None
        try:
            response = await self._client.request(push.method, push.url, json=body, headers=headers)
        except httpx.HTTPError as error:
            return replace(push, answer=None, problem=f"no answer ({type(error).__name__})"), None
        try:
            content = response.json()
        except ValueError:
            content = None
        return replace(push, answer=response.status_code, problem=""), content

    def _later(self, due: float, entry: Text | Push) -> None:
        heapq.heappush(self._due, (due, next(self._order), entry))
        if self._pump is None or self._changed is None:
            self._changed = asyncio.Event()
            self._pump = asyncio.get_running_loop().create_task(self._run(self._changed))
        self._changed.set()

    async def _run(self, changed: asyncio.Event) -> None:
        while True:
            changed.clear()
            self._launch()
            wait = max(0.001, self._due[0][0] - self.state.now()) if self._due else None
            try:
                await asyncio.wait_for(changed.wait(), wait)
            except TimeoutError:
                continue

    def _launch(self) -> None:
        while self._due and self._due[0][0] <= self.state.now():
            task = asyncio.get_running_loop().create_task(self._fire(heapq.heappop(self._due)[2]))
            self._flying.add(task)
            task.add_done_callback(self._flying.discard)

    async def _fire(self, entry: Text | Push) -> None:
        if isinstance(entry, Push):
            await self.push(replace(entry, answer=None, problem=""))
        elif not entry.reported:
            await self.finish(entry, entry.ends)


def _post(kind: str, webhook: Webhook, body: Mapping[str, Any]) -> Push:
    return Push(kind=kind, method="POST", url=webhook.url, body=body, webhook=webhook)


def _incoming(webhook: Webhook, sender: str, to: str, message: str) -> Push:
    user = {"id": str(uuid.uuid4()), "username": sender, "first_name": "", "last_name": "", "email": None}
    user_info = {"picture": None, "gender": None, "title": None}
    payload = {
        "id": str(uuid.uuid4()),
        "channels": [{"name": "vmn", "to": to}],
        "recipient": {"from": sender, "user": {**user, "phone": sender, "user_info": user_info}},
        "message": {"type": "text", "payload": {"text": message}},
    }
    return _post("inbound", webhook, {"event": "vmn:message:in", "payload": payload})
