"""A client with all policies, a vendor that counts the texts it took, and the checks after each strike."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter

from smsbridge import AsyncSmsClient, Settings, SmsClient
from smsbridge.errors import NoAnswer, RefusedError, SendError, UncertainError
from smsbridge.guard.policy import GuardPolicy
from smsbridge.hookspecs import hookimpl
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import Message, Purpose, Result, Verification
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.provider import SmsProvider
from smsbridge.stores import known
from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import State
from smsbridge.stores.kept import MemoryEntries
from smsbridge.stores.memory_counters import MemoryCounters
from smsbridge.stores.sqlite import SqliteBook

TO = "+919876543210"
OUTCOMES = ("ok", "ok", "ok", "busy", "elsewhere", "bad number", "lost", "lost, taken")
STORES = ("memory", "sqlite")
LONGEST = 10.0
"""Seconds that a text may take after a strike."""


class Vendor(SmsProvider):
    """A provider with a request for each text, each batch and each code."""

    name = "vendor"
    batch_size = 4

    def _ask(self, path, messages):
        body = {"account": self.account, "texts": [message.reference for message in messages]}
        response = yield from HttpRequest.post_json(f"https://vendor.example/{path}", body, sends=True)
        if not response.ok:
            raise response.error()
        return response.json_object()["ids"]

    def send(self, message):
        (found,) = yield from self._ask("send", [message])
        return self.accepted(message, id=found)

    def send_batch(self, messages):
        ids = yield from self._ask("batch", messages)
        return [
            Result(index=n, message=message, sent=self.accepted(message, id=ids[n]))
            for n, message in enumerate(messages)
        ]

    def start_verification(self, message):
        (found,) = yield from self._ask("code", [message])
        return Verification(account=self.account, provider=self.name, id=found, to=message.to)


class Wire:
    """The vendor's side: ``outcome`` is the outcome of the next request."""

    def __init__(self):
        self.taken = Counter()
        self.outcome = "ok"

    def send(self, request, within=None):
        body = json.loads(request.body)
        outcome, first = self.outcome, body["account"] == "one"
        if outcome == "busy":
            self.outcome = "ok"
            return HttpResponse(status=429)
        if outcome == "elsewhere" and first:
            return HttpResponse(status=401)
        if outcome == "bad number":
            return HttpResponse(status=400)
        if outcome == "lost":
            raise NoAnswer
        self.taken.update(body["texts"])
        if outcome == "lost, taken":
            raise NoAnswer
        return HttpResponse.of_json({"ids": [f"id-{text}" for text in body["texts"]]})

    def close(self):
        pass


class AsyncWire(Wire):
    async def send(self, request, within=None):
        await asyncio.sleep(0)
        return super().send(request)

    async def aclose(self):
        pass


class Hooks:
    """Records the calls of hooks, in single steps."""

    def __init__(self):
        self.before = []
        self.told = []

    @hookimpl
    def smsbridge_before_send(self, message):
        self.before.append(message.reference)

    @hookimpl
    def smsbridge_after_send(self, message, sent):
        self.told.append((message.reference, sent))

    @hookimpl
    def smsbridge_send_failed(self, message, error):
        self.told.append((message.reference, error))


class World:
    """Goes through many strikes, until there is a ``problem``."""

    def __init__(self, folder, store=None):
        self.path = folder / "ledger.db"
        known.forget_all()  # a store in memory for this world alone
        url = {None: None, "memory": "memory:", "sqlite": f"sqlite:///{folder}/counts.db"}[store]
        self.hooks, self.wire = Hooks(), AsyncWire()
        self.blocking_wire = Wire()
        self.blocking_wire.taken = self.wire.taken
        accounts = [LimitPolicy(inner=Vendor(account=name), sends="1000000/s", store=url) for name in ("one", "two")]
        self.failover = FailoverPolicy(accounts=tuple(accounts), faults=3, pause=0.001)
        inside = RetryPolicy(inner=self.failover, first_wait=0.0001, attempts=3)
        self.guard = GuardPolicy(inner=inside, total="100000000/1h", per_recipient="100000000/1h", store=url)
        self.ledger = LedgerPolicy(inner=self.guard, **({"store": url} if store == "memory" else {"path": self.path}))
        self.plugins = Plugins(self.hooks)
        self.settings = Settings(concurrency=2)
        self.client = self.made(SmsClient, self.blocking_wire)
        self.number = self.taken = self.doubts = 0
        self.problem = None
        self.go_on()

    def made(self, kind, wire):
        return kind(self.ledger, settings=self.settings, plugins=self.plugins, transport=wire)

    def message(self, **fields):
        self.number += 1
        return Message(to=TO, text="hello", reference=f"r{self.number}", purpose=Purpose.SERVICE, **fields)

    # --- scenes -------------------------------------------------------------------------------------------------------------

    def single(self, messages):
        self.client.send(messages[0])

    def code(self, messages):
        self.client.start_verification(messages[0])

    def batch(self, messages):
        rows = [Result(index=n, message=self.client._prepare(message)) for n, message in enumerate(messages)]
        self.client._run(self.client._job(rows, []))

    def many(self, messages):
        with self.client.send_many(iter(messages)) as results:
            list(results)

    def task(self, messages):
        async def main():
            async with self.made(AsyncSmsClient, self.wire) as client:
                await client.send(messages[0])

        asyncio.run(main())

    SCENES = ("single", "code", "batch", "many", "task")

    def strike(self, scene, outcome, way, at, kind):
        """Strike ``scene``. Returns the counter of events."""
        self.wire.outcome = self.blocking_wire.outcome = outcome
        messages = [self.message() for _ in range({"batch": 4, "many": 9}.get(scene, 1))]
        counter = None
        try:
            with way(at, kind, ours=scene == "task") as counter:
                getattr(self, scene)(messages)
        except (SendError, kind):
            pass
        except RuntimeError:  # from an event loop that was struck itself
            if scene != "task":
                raise
        self.check(messages, f"{scene}, {outcome}, {kind.__name__} at {at}: {counter and counter.where}")
        return counter

    # --- checks --------------------------------------------------------------------------------------------------------------

    def check(self, messages, what):
        try:
            self.go_on()
            entries = self.entries(messages)
            for message in messages:
                told = [end for reference, end in self.hooks.told if reference == message.reference]
                self.check_text(message.reference, entries[message.reference], told)
                self.taken += self.wire.taken[message.reference]
                self.doubts += any(isinstance(end, UncertainError) for end in told)
            self.check_places()
            self.hooks.before.clear()
            self.hooks.told.clear()
        except AssertionError as problem:
            self.problem = f"{what}: {problem}"

    def go_on(self):
        """Check that a later text is sent in time."""
        self.wire.outcome = self.blocking_wire.outcome = "ok"
        done, later = threading.Event(), self.message()

        def work():
            self.client.send(later)
            done.set()

        threading.Thread(target=work, daemon=True).start()
        assert done.wait(LONGEST), "a later text is not sent"
        assert self.wire.taken[later.reference] == 1, "a later text was not taken"
        self.taken += 1

    def entries(self, messages):
        kept = self.ledger._entries()
        kept.close()
        if isinstance(kept, MemoryEntries):
            return {message.reference: at_once(kept.find(message.reference)) for message in messages}
        store = SqliteBook(self.path, create=False)
        with store.together():
            found = {message.reference: store.find(message.reference) for message in messages}
        store.close()
        return found

    def check_text(self, reference, entry, told):
        taken, before = self.wire.taken[reference], self.hooks.before.count(reference)
        state = entry and entry.state
        assert taken <= 1, f"{reference} was taken {taken} times"
        assert before == len(told), (
            f"{reference}: {before} before, {[type(outcome).__name__ for outcome in told]} after"
        )
        assert not taken or state in (State.OPEN, State.UNCERTAIN, State.ACCEPTED), (
            f"{reference} was taken, and is {state}"
        )
        assert taken or state is not State.ACCEPTED, f"{reference} was not taken, and is accepted"
        for outcome in told:
            known = not isinstance(outcome, UncertainError)
            refused = isinstance(outcome, RefusedError)
            assert not known or refused is not bool(taken), f"{reference} was taken {taken} times, told {outcome!r}"

    def check_places(self):
        for account, breaker in self.failover._breakers.items():
            assert breaker._probed is None, f"the probe of {account} is never over"
        stored = self.guard._rules.stored
        if stored is None:
            self.check_caps(self.guard._rules.caps)
            return
        assert not stored._tickets, f"{len(stored._tickets)} tickets are never given back"
        counters = stored._counters()
        if isinstance(counters, MemoryCounters):
            assert not counters._taken
            for caps in counters._caps.values():
                self.check_caps(caps)
            return
        ended = counters._writer.do(ended_places).result(LONGEST)
        most = self.taken + self.doubts
        for kind, (flying, places) in ended.items():
            assert not flying, f"{flying} places are never given back"
            assert self.taken <= places <= most, (
                f"{places} places of {kind}, {self.taken} taken, {self.doubts} in doubt"
            )

    def check_caps(self, caps):
        assert caps._lock.acquire(timeout=LONGEST), "the lock of the caps is not given back"
        caps._lock.release()
        assert caps.texts >= 0
        assert not caps._flying, f"{len(caps._flying)} places are never given back"
        for _, cap in caps._caps:
            ended = sum(value.places for value in cap._ended.values())
            most = self.taken + self.doubts
            assert self.taken <= ended <= most, (
                f"{ended} places of {cap.kind}, {self.taken} taken, {self.doubts} in doubt"
            )


def ended_places(counts):
    """For each key of a cap: the texts on their way, and the texts that have ended."""
    asked = "SELECT hex(key), sum(at > ?), sum(at <= ?) FROM smsbridge_places GROUP BY key"
    now = counts._now()
    return {key: (flying, ended) for key, flying, ended in counts._db.execute(asked, (now, now))}
