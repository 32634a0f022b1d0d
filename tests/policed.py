"""Policies with a clock that tests move, around providers whose wire is scripted."""

from __future__ import annotations

from scripted import BatchProvider, HttpProvider, Wire, driven
from smsbridge.composite import each
from smsbridge.errors import QueryError, SendError
from smsbridge.http import HttpResponse, Wait
from smsbridge.messages import SentMessage

BUSY = HttpResponse(status=429)
DENIED = HttpResponse(status=401)
DOWN = HttpResponse(status=500)


def busy_for(seconds):
    return HttpResponse(status=429, headers={"retry-after": f"{seconds}"})


class Clock:
    """``now`` is since the test began; the clock itself began long before, as only differences mean anything."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return 1000.0 + self.now


def timed(policy, clock=None):
    """``policy`` and all inside it, by one clock, and with the longest wait that jitter allows."""
    clock = clock or Clock()
    for layer in each(policy):
        layer._clock = clock
        layer._jitter = lambda longest: longest
    return policy


def play(flow, *answers, clock=None):
    """What becomes of ``flow``, and how long each of its waits was. All answers have to be asked for."""
    left, waits = list(answers), []

    def reply(step):
        if not isinstance(step, Wait):
            return left.pop(0)
        waits.append(step.seconds)
        if clock is not None:
            clock.now += step.seconds
        return None

    try:
        end = driven(flow, reply)
    except (SendError, QueryError) as error:
        end = error
    assert not left
    return end, waits


class Finds(HttpProvider):
    """Looks texts up by their reference."""

    def lookup(self, reference):
        data = yield from self._ask("/lookup", reference=reference)
        if data["id"] is None:
            return None
        return SentMessage(account=self.account, provider=self.name, id=data["id"], reference=reference)


class FindsBatches(BatchProvider, Finds):
    """Both."""


FOUND = HttpResponse.of_json({"id": "vendor-7"})
NOT_FOUND = HttpResponse.of_json({"id": None})


def paths(wire: Wire):
    """Where the requests of ``wire`` went."""
    return [request.url.rsplit("/", 1)[1] for request in wire.requests]
