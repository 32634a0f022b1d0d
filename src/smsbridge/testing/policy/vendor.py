"""Simulate the surroundings of a policy under test: a vendor inside it, a wire, recording hooks, and two clients."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import NoAnswer, SendError
from smsbridge.flow import Call, Flow, Step, Wait
from smsbridge.hookspecs import hookimpl
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Message, Result, SentMessage, Verification
from smsbridge.provider import SmsProvider

URL = "https://vendor.example/"
STATUSES = {"busy": 429, "denied": 401, "bad": 400}
"""The HTTP status of each of the vendor's refusals."""
WORDS = ("ok", *STATUSES, "lost", "unanswered")
"""The vendor's reaction to a request.

``ok``: accepted; a key of ``STATUSES``: refused; ``lost``: neither taken nor answered; ``unanswered``: taken, but not
answered.
"""


class Vendor(SmsProvider):
    """Simulate the provider inside a policy, for tests.

    It makes one HTTP request for each text, batch, one-time code and look-up.
    """

    name = "vendor"
    batch_size = 9
    supports = frozenset({"sender", "dlt", "valid_until", "send_at"})
    verification_supports = frozenset({"valid_until"})

    def _ask(self, path: str, *references: str | None, rows: Sequence[Message] = ()) -> Flow[list[str]]:
        body = {"account": self.account, "path": path, "texts": references, "rows": [_row(message) for message in rows]}
        response = yield from HttpRequest.post_json(f"{URL}{path}", body, sends=path != "lookup")
        if not response.ok:
            raise response.error()
        found: list[str] = response.json_object()["ids"]
        return found

    def send(self, message: Message) -> Flow[SentMessage]:
        (found,) = yield from self._ask("send", message.reference, rows=[message])
        return self.accepted(message, id=found, segments=9)

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        ids = yield from self._ask("batch", *[message.reference for message in messages], rows=messages)
        return [
            Result(index=n, message=message, sent=self.accepted(message, id=ids[n]))
            for n, message in enumerate(messages)
        ]

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        (found,) = yield from self._ask("lookup", reference)
        return self.accepted(Message(to="", text="", reference=reference), id=found) if found else None

    def start_verification(self, message: Message) -> Flow[Verification]:
        (found,) = yield from self._ask("code", message.reference, rows=[message])
        return Verification(account=self.account, provider=self.name, id=found, to=message.to)


class Preparing(Vendor):
    """Simulate a vendor that takes a step before each request, such as for a token.

    An interruption at that step sends nothing.
    """

    def _ask(self, path: str, *references: str | None, rows: Sequence[Message] = ()) -> Flow[list[str]]:
        yield from Call(str)
        return (yield from super()._ask(path, *references, rows=rows))


def _row(message: Message) -> dict[str, Any]:
    """The fields of ``message`` that have a value; times are replaced, because policies count them from now."""
    values = {field.name: getattr(message, field.name) for field in fields(message)}
    return {name: "a time" if isinstance(value, datetime) else str(value) for name, value in values.items() if value}


class Wire:
    """Simulate the network to the vendor, with a word for the vendor's reaction to each request.

    ``words`` is a string with a comma and a space between the words, such as ``"lost, ok"``: each request uses the next
    word, and the last word is used again and again. ``elsewhere`` answers requests to other hosts than the vendor's.
    """

    def __init__(self, words: str = "ok", elsewhere: Callable[[HttpRequest], HttpResponse] | None = None) -> None:
        self.words = words.split(", ")
        self._elsewhere = elsewhere
        self.taken: Counter[str] = Counter()
        """How often the vendor took each text, by its reference."""
        self.asked: dict[str, Mapping[str, Any]] = {}
        """The fields of each text when it was last sent, by its reference."""
        self.requests = 0

    def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        if self._elsewhere is not None and not request.url.startswith(URL):
            return self._elsewhere(request)
        self.requests += 1
        body = json.loads(request.body)
        if body["path"] == "lookup":
            return HttpResponse.of_json(
                {"ids": [f"id-{reference}" if self.taken[reference] else None for reference in body["texts"]]}
            )
        self.asked.update(zip(body["texts"], body["rows"], strict=True))
        word = self.words.pop(0) if len(self.words) > 1 else self.words[0]
        if word in STATUSES:
            return HttpResponse(status=STATUSES[word])
        if word != "lost":
            self.taken.update(body["texts"])
        if word in ("lost", "unanswered"):
            raise NoAnswer
        return HttpResponse.of_json({"ids": [f"id-{reference}" for reference in body["texts"]]})

    def close(self) -> None:
        """Do nothing, because this wire holds no connection."""


class AsyncWire:
    """Simulate the network to the vendor for AsyncSmsClient: each request is passed on to the Wire ``blocking``."""

    def __init__(self, blocking: Wire) -> None:
        self.blocking = blocking

    async def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        await asyncio.sleep(0)
        return self.blocking.send(request)

    async def aclose(self) -> None:
        """Do nothing, because this wire holds no connection."""


class Recorder:
    """Record each call of a hook of smsbridge as a tuple of three values in ``calls``.

    The values are: ``before``, ``after``, ``failed`` or ``event``; the reference of the text, or the key of the event;
    the result, the error or the event.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []

    @hookimpl
    def smsbridge_before_send(self, message: Message) -> None:
        self.calls.append(("before", message.reference, None))

    @hookimpl
    def smsbridge_after_send(self, message: Message, sent: SentMessage | Verification) -> None:
        self.calls.append(("after", message.reference, sent))

    @hookimpl
    def smsbridge_send_failed(self, message: Message, error: SendError) -> None:
        self.calls.append(("failed", message.reference, error))

    @hookimpl
    def smsbridge_event(self, event: Any) -> None:
        self.calls.append(("event", event.key, event))

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]

    def outcome(self, reference: str) -> Any:
        """Return how the text with this ``reference`` ended: its result or its error."""
        (end,) = [what for name, ref, what in self.calls if ref == reference and name in ("after", "failed")]
        return end

    def begun_and_ended(self) -> tuple[list[str], list[tuple[str, Any]]]:
        """Return which sends began and which ended.

        The first list has the references of all texts whose send began; the second has a pair of reference and outcome
        for each text whose send ended.
        """
        begun = [reference for name, reference, _ in self.calls if name == "before"]
        return begun, [(reference, end) for name, reference, end in self.calls if name in ("after", "failed")]


class Strike:
    """Interrupt a client at a chosen step: raise the exception ``stop`` at the step with the number ``at``, from 1.

    The exception is raised before the step is performed or, if ``before`` is false, after it. If ``stop`` is None,
    steps are only counted.
    """

    def __init__(self, stop: BaseException | None = None, at: int = 0, *, before: bool = True) -> None:
        self.stop, self.at, self.before, self.steps = stop, at, before, 0

    def hits(self, *, before: bool) -> None:
        """Count a step, and raise the interruption if this is the chosen step. Call this before and after each step.

        ``before`` says which of the two calls it is.
        """
        if before:
            self.steps += 1
        if self.stop is not None and self.steps == self.at and before == self.before:
            raise self.stop


class Blocking(SmsClient):
    """Make a blocking client for tests: it does not sleep, and ``strike`` can interrupt it at each step."""

    strike = Strike()

    def _perform(self, step: Step[Any], until: float | None = None) -> Any:
        self.strike.hits(before=True)
        try:
            return None if isinstance(step, Wait) else super()._perform(step, until)
        finally:
            self.strike.hits(before=False)


class Async(AsyncSmsClient):
    """Make an asyncio client for tests: it does not sleep, and ``strike`` can interrupt it at each step."""

    strike = Strike()

    async def _perform(self, step: Step[Any], until: float | None = None) -> Any:
        self.strike.hits(before=True)
        try:
            return None if isinstance(step, Wait) else await super()._perform(step, until)
        finally:
            self.strike.hits(before=False)
