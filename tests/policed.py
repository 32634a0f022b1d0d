"""Policies with a clock that tests move, around providers with a scripted wire."""

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
    """``now`` counts from the start of the test. The clock itself starts at another value, because only differences matter."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return 1000.0 + self.now


def timed(policy, clock=None):
    """``policy`` and all policies inside it, with the same clock and the longest wait that jitter allows."""
    clock = clock or Clock()
    for layer in each(policy):
        layer._clock = clock
        layer._jitter = lambda longest: longest
    return policy


def play(flow, *answers, clock=None):
    """The outcome of ``flow``, and the length of each wait. The flow has to use all answers."""
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
    """Looks texts up, and sends batches."""


FOUND = HttpResponse.of_json({"id": "vendor-7"})
NOT_FOUND = HttpResponse.of_json({"id": None})


def paths(wire: Wire):
    """The account of each request of ``wire``."""
    return [request.url.rsplit("/", 1)[1] for request in wire.requests]
