"""Vendors with faults, and the providers that speak to them. Time is the model's own."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

from smsbridge.errors import AuthenticationError, FundsError, NoAnswer, NotConnected, OptedOutError, RecipientError
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Result, SentMessage
from smsbridge.provider import SmsProvider

FAULTS = (
    "refused connection",
    "lost request",
    "lost answer",
    "late",  # accepted after the time-out
    "500",
    "500 after acceptance",
    "cut answer",
    "429",
    "bad credentials",
    "no credit",
    "odd rows",
)
ERRORS = {
    "bad number": RecipientError,
    "opted out": OptedOutError,
    "bad credentials": AuthenticationError,
    "no credit": FundsError,
}
BAD, OPTED_OUT = "0", "1"
"""The last digits of numbers that no vendor takes."""

PROOF = 5.0
"""Seconds after which vendors that promise it show accepted texts."""


class Plain(SmsProvider):
    """A provider with a request per text, and no look-up."""

    name = "model"
    vendor: int = 0

    def ask(self, path, *, sends=False, **body):
        response = yield from HttpRequest.post_json(f"https://vendor.example/{self.vendor}/{path}", body, sends=sends)
        if response.status == 400:
            raise response.error(ERRORS[response.json_object()["error"]])
        if not response.ok:
            raise response.error()
        return response.json_object()

    def send(self, message):
        data = yield from self.ask("send", sends=True, rows=[[message.reference, message.to]])
        return self.accepted(message, id=data["rows"][0]["id"])


class WithLookup(Plain):
    def lookup(self, reference):
        found = (yield from self.ask("lookup", reference=reference))["id"]
        return SentMessage(account=self.account, provider=self.name, id=found, reference=reference) if found else None


class WithBatch(Plain):
    batch_size = 4

    def send_batch(self, messages):
        rows = [[message.reference, message.to] for message in messages]
        results = []
        for row in (yield from self.ask("batch", sends=True, rows=rows))["rows"]:
            message = messages[row["row"]]
            if "error" in row:
                results.append(Result(index=row["row"], message=message, error=ERRORS[row["error"]]()))
            else:
                results.append(Result(index=row["row"], message=message, sent=self.accepted(message, id=row["id"])))
        return results


class WithBoth(WithBatch, WithLookup):
    pass


class WithProof(WithLookup):
    absence_proven_after = timedelta(seconds=PROOF)


class WithAll(WithBoth):
    absence_proven_after = timedelta(seconds=PROOF)


KINDS = (Plain, WithLookup, WithBatch, WithBoth, WithProof, WithAll)


class Vendor:
    """A vendor: it answers requests with faults, and knows which texts it accepted."""

    def __init__(self, random, clock, kind, faults):
        self.random = random
        self.clock = clock
        self.kind = kind
        self.faults = faults
        self.all_or_nothing = random.random() < 0.4
        self.accepted = Counter()
        self.asked = []  # (time, reference) of every request that would send
        self.turned_away = Counter()  # by reference, only for faults of the message
        self.hushed = {}  # by reference: the time until which it must not be asked again
        self.broken_hush = []
        self._visible = {}
        self._late = []

    @property
    def proves_absence(self):
        return self.kind.absence_proven_after is not None

    def tick(self):
        """Accept the texts that are due."""
        for due, reference in [report for report in self._late if report[0] <= self.clock.now]:
            self._late.remove((due, reference))
            self._accept(reference, due)

    def answer(self, request):
        """The answer to ``request``: an HttpResponse, or an exception from the wire."""
        self.tick()
        path = request.url.rsplit("/", 1)[1]
        body = json.loads(request.body)
        fault = self.random.choice(self.faults) if self.faults and self.random.random() < 0.6 else "works"
        return self._look_up(fault, body["reference"]) if path == "lookup" else self._send(fault, body["rows"], path)

    def _look_up(self, fault, reference):
        if fault in ("refused connection", "lost request", "lost answer", "late"):
            return NotConnected() if fault == "refused connection" else NoAnswer()
        if fault in ("500", "429"):
            return HttpResponse(status=int(fault))
        visible = self._visible.get(reference, float("inf")) <= self.clock.now
        return HttpResponse.of_json({"id": f"id-{reference}" if visible else None})

    def _send(self, fault, rows, path):  # noqa: PLR0911  # one for each fault
        for reference, _ in rows:
            self.asked.append((self.clock.now, reference))
            if self.clock.now < self.hushed.get(reference, 0):
                self.broken_hush.append(reference)
        if fault in ("refused connection", "lost request"):
            return NotConnected() if fault == "refused connection" else NoAnswer()
        if fault == "500":
            return HttpResponse(status=500)
        if fault == "429":
            return self._hush(rows)
        if fault in ERRORS:
            return HttpResponse.of_json({"error": fault}, status=400)
        if fault == "late":
            self._accept_later(rows)
            return NoAnswer()
        wrong = [_wrong(to) for _, to in rows]
        if path == "send" and wrong[0]:
            self.turned_away[rows[0][0]] += 1
        if any(wrong) and (path == "send" or self.all_or_nothing):
            return HttpResponse.of_json({"error": next(filter(None, wrong))}, status=400)
        response = HttpResponse.of_json({"rows": self._odd(fault, self._take(rows, wrong))})
        if fault in ("lost answer", "500 after acceptance"):
            return NoAnswer() if fault == "lost answer" else HttpResponse(status=502)
        if fault == "cut answer":
            return HttpResponse(status=200, body=response.body[:-3], complete=False)
        return response

    def _take(self, rows, wrong):
        answers = []
        for row, (reference, _) in enumerate(rows):
            if wrong[row]:
                self.turned_away[reference] += 1
                answers.append({"row": row, "error": wrong[row]})
            else:
                self._accept(reference, self.clock.now)
                answers.append({"row": row, "id": f"id-{reference}"})
        return answers

    def _odd(self, fault, answers):
        if fault == "odd rows" and len(answers) > 1:
            row = self.random.randrange(len(answers))
            return [*answers, answers[row]] if self.random.random() < 0.5 else answers[:row] + answers[row + 1 :]
        return answers

    def _hush(self, rows):
        seconds = self.random.choice([None, 1, 2, 60])
        if seconds is None:
            return HttpResponse(status=429)
        for reference, _ in rows:
            self.hushed[reference] = self.clock.now + seconds
        return HttpResponse(status=429, headers={"retry-after": str(seconds)})

    def _accept_later(self, rows):
        for reference, to in rows:
            if not _wrong(to):
                self._late.append((self.clock.now + self._delay([0.3, 1.5, 4, 50, 500]), reference))

    def _accept(self, reference, at):
        self.accepted[reference] += 1
        self._visible.setdefault(reference, at + self._delay([0, 0, 0.5, 2, 20]) if self.faults else at)

    def _delay(self, choices):
        seconds = self.random.choice(choices)
        return min(seconds, PROOF / 2 - 0.1) if self.proves_absence else seconds


def _wrong(to):
    return {BAD: "bad number", OPTED_OUT: "opted out"}.get(to[-1])
