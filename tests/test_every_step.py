"""An interruption at every step of a send through all policies at once: one text, a batch, and a one-time code of the vendor's.

After each, the outcome of each text was told once and is true, the ledger and the caps fit it, and what interrupted the send came out of
it unchanged.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter

import pytest

from scripted import Recorder
from smsbridge import AsyncSmsClient, Settings, SmsClient, SmsProvider
from smsbridge.cost.policy import CostPolicy
from smsbridge.dlt.policy import DltPolicy
from smsbridge.errors import NoAnswer, RefusedError, SendError, UncertainError
from smsbridge.flow import Driven, Wait
from smsbridge.guard.policy import GuardPolicy
from smsbridge.hours.policy import HoursPolicy
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import Message, Purpose, Result, Verification
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.purpose import PurposePolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.text.policy import TextPolicy

TO = "+919876543210"
REGISTRY = """
entity_id = "1101234567890123456"

[[headers]]
name = "ACMEIN"

[[templates]]
id = "1107161234567890001"
name = "order-shipped"
category = "service-implicit"
headers = ["ACMEIN"]
text = "Dear customer, your order {#numeric#} has shipped. ACME"
"""
TEXT = "Dear customer, your order 17 has shipped. ACME"
RATES = '[[rate]]\nprice = "0.10"\ncurrency = "INR"\n'


class Vendor(SmsProvider):
    """One request for each text, each batch, each code and each look-up."""

    name = "vendor"
    batch_size = 9
    supports = frozenset({"sender", "dlt", "valid_until", "send_at"})
    verification_supports = frozenset({"valid_until"})

    def _ask(self, path, *references, sends=True):
        body = {"account": self.account, "path": path, "texts": references}
        response = yield from HttpRequest.post_json(f"https://vendor.example/{path}", body, sends=sends)
        if not response.ok:
            raise response.error()
        return response.json_object()["ids"]

    def send(self, message):
        (found,) = yield from self._ask("send", message.reference)
        return self.accepted(message, id=found, segments=9)

    def send_batch(self, messages):
        ids = yield from self._ask("batch", *[one.reference for one in messages])
        return [Result(index=n, message=one, sent=self.accepted(one, id=ids[n])) for n, one in enumerate(messages)]

    def lookup(self, reference):
        (found,) = yield from self._ask("lookup", reference, sends=False)
        return found and self.accepted(Message(to=TO, text="", reference=reference), id=found)

    def start_verification(self, message):
        (found,) = yield from self._ask("code", message.reference)
        return Verification(account=self.account, provider=self.name, id=found, to=message.to)


class Wire:
    """The vendor's side: what becomes of one request after another; the last word holds for the rest."""

    def __init__(self, words):
        self.words = words.split(", ")
        self.taken = Counter()

    def send(self, request, within=None):
        body = json.loads(request.body)
        if body["path"] == "lookup":
            return HttpResponse.of_json({"ids": [f"id-{one}" if self.taken[one] else None for one in body["texts"]]})
        word = self.words.pop(0) if len(self.words) > 1 else self.words[0]
        if word in ("busy", "denied", "bad"):
            return HttpResponse(status={"busy": 429, "denied": 401, "bad": 400}[word])
        if word != "lost":
            self.taken.update(body["texts"])
        if word in ("lost", "unanswered"):
            raise NoAnswer
        return HttpResponse.of_json({"ids": [f"id-{one}" for one in body["texts"]]})

    def close(self):
        pass


class AsyncWire(Wire):
    async def send(self, request, within=None):
        await asyncio.sleep(0)
        return super().send(request)

    async def aclose(self):
        pass


class Strike:
    """Raises ``stop`` at a step, before it is performed or once that is done."""

    def __init__(self, stop, at, *, before):
        self.stop, self.at, self.before, self.steps = stop, at, before, 0

    def hits(self, *, before):
        if before:
            self.steps += 1
        if self.steps == self.at and before == self.before:
            raise self.stop


class Blocking(SmsClient):
    strike = Strike(None, 0, before=True)

    def _perform(self, step, until=None):
        self.strike.hits(before=True)
        try:
            return None if isinstance(step, Wait) else super()._perform(step, until)
        finally:
            self.strike.hits(before=False)


class Async(AsyncSmsClient):
    strike = Strike(None, 0, before=True)

    async def _perform(self, step, until=None):
        self.strike.hits(before=True)
        try:
            return None if isinstance(step, Wait) else await super()._perform(step, until)
        finally:
            self.strike.hits(before=False)


class World:
    """All policies, new; ``kind`` says which client, ``shape`` what is sent."""

    def __init__(self, folder, kind, shape, words, number):
        self.folder, self.shape, self.number = folder, shape, number
        self.hooks = Recorder()
        self.wire = (AsyncWire if kind is Async else Wire)(words)
        self.references = ["a", "b", "c"] if shape == "batch" else ["a"]
        plugins = Plugins(self.hooks)
        self.sms = kind(self._stack(plugins), settings=Settings(), plugins=plugins, transport=self.wire)

    def _stack(self, plugins):
        count = len(self.references)
        accounts = [
            DltPolicy(
                inner=LimitPolicy(inner=Vendor(account=name), sends="1000000/s"), registry=self.folder / "dlt.toml"
            )
            for name in ("one", "two")
        ]
        inner = HoursPolicy(inner=FailoverPolicy(accounts=tuple(accounts), faults=1, pause=0.000001))
        inner = PurposePolicy(
            inner=RetryPolicy(inner=inner, first_wait=0.001, attempts=3, lookups=1), service_expiry="1h"
        )
        inner = OptoutPolicy(inner=inner, path=self.folder / f"optouts-{self.number}.db")
        inner = CostPolicy(inner=inner, prices=self.folder / "rates.toml").telling(plugins.cost_differs)
        inner = GuardPolicy(inner=inner, per_recipient=f"{count}/1h", total=f"{count}/1h")
        return TextPolicy(
            inner=LedgerPolicy(inner=inner, path=self.folder / f"ledger-{self.number}.db"), max_segments=3
        )

    def message(self, reference):
        return Message(to=TO, text=TEXT, reference=reference, purpose=Purpose.SERVICE)

    def flow(self, references=None):
        messages = list(map(self.message, references or self.references))
        if self.shape == "code":
            return self.sms._start_verification(Message(to=TO, text="", reference="a", purpose=Purpose.OTP))
        if len(messages) == 1:
            return self.sms._send(messages[0])
        return self.sms._job([Result(index=n, message=one) for n, one in enumerate(messages)], [])

    def run(self, strike, flow):
        """What comes out of it, if anything is raised."""
        self.sms.strike = strike
        try:
            if isinstance(self.sms, AsyncSmsClient):
                asyncio.run(self._awaited(flow))
            else:
                self.sms._run(flow)
        except BaseException as error:  # noqa: BLE001
            return error
        finally:
            self.sms.strike = Strike(None, 0, before=True)
        return None

    async def _awaited(self, flow):
        return await self.sms._run(flow)

    def drop(self, at, flow):
        """Perform so many steps, and then give it up; false if it was over by then."""
        run = Driven(flow)
        try:
            for _ in range(at):
                run.perform(self.sms._perform, run.step, None)
                if run.step is None:
                    return False
        except SendError:
            return False
        run.drop()
        return True

    # --- what has to hold ----------------------------------------------------------------------------------------------------

    def check(self, what):
        before = [reference for name, reference, _ in self.hooks.calls if name == "before"]
        ends = [(reference, end) for name, reference, end in self.hooks.calls if name != "before"]
        told = dict(ends)
        assert len(told) == len(ends), f"{what}: told twice"
        assert sorted(told) == sorted(before), f"{what}: begun and ended do not fit"
        for reference in self.references:
            end = told.get(reference, RefusedError())
            taken = self.wire.taken[reference]
            assert taken <= 1, f"{what}: {reference} was sent twice"
            assert not (isinstance(end, RefusedError) and taken), (
                f"{what}: {reference} is told as refused, and was taken"
            )
            assert isinstance(end, RefusedError | UncertainError) or taken, (
                f"{what}: {reference} is told as sent, and was not"
            )
        held = sum(not isinstance(told.get(one, RefusedError()), RefusedError) for one in self.references)
        self.wire.words = ["ok"]
        if self.shape != "code":
            self.repeat(what, told)
        free = len(self.references) - held
        new = [f"new-{n}" for n in range(free + 1)] if self.shape == "code" else []
        for n, reference in enumerate(new):  # the places of caps that are left: no more and no fewer
            problem = self.run(Strike(None, 0, before=True), self.sms._send(self.message(reference)))
            assert (problem is None) == (n < free), f"{what}: place {n} of {free}: {problem!r}"

    def repeat(self, what, told):
        for reference in self.references:
            end = told.get(reference, RefusedError())
            problem = self.run(Strike(None, 0, before=True), self.sms._send(self.message(reference)))
            taken = self.wire.taken[reference]
            assert taken <= 1, f"{what}: {reference} was sent twice, the second time as a repeat"
            if isinstance(end, UncertainError):
                assert problem is None or isinstance(problem, UncertainError), f"{what}: {reference}: {problem!r}"
            else:
                assert problem is None, f"{what}: a repeat of {reference}, which was {end!r}: {problem!r}"
                assert taken == 1, f"{what}: {reference} is in the ledger, and was not sent"

    def close(self):
        if isinstance(self.sms, AsyncSmsClient):
            asyncio.run(self.sms.aclose())
        else:
            self.sms.close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dlt.toml").write_text(REGISTRY)
    (tmp_path / "rates.toml").write_text(RATES)
    return tmp_path


STOPS = {Blocking: (KeyboardInterrupt, SystemExit), Async: (asyncio.CancelledError,)}
"""A signal handler may raise either; they take turns."""
WORDS = ["ok", "denied, ok", "busy, denied, busy, ok", "unanswered", "lost", "bad"]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("shape", ["text", "batch", "code"])
@pytest.mark.parametrize("kind", STOPS)
def test_wherever_it_is_interrupted_each_text_is_told_once_and_truly(folder, kind, shape, words):
    number = 0
    whole = World(folder, kind, shape, words, number)
    strike = Strike(None, 0, before=True)
    whole.run(strike, whole.flow())
    assert strike.steps >= 3
    whole.check("not interrupted")
    whole.close()
    for at, before in itertools.product(range(1, strike.steps + 1), (True, False)):
        number += 1
        world = World(folder, kind, shape, words, number)
        stop = STOPS[kind][at % len(STOPS[kind])]("x")
        raised = world.run(Strike(stop, at, before=before), world.flow())
        what = f"{stop!r} {'before' if before else 'after'} step {at} of {strike.steps}"
        assert type(raised) is type(stop), f"{what}: {raised!r} came out"
        assert raised is stop or kind is Async, what  # asyncio makes a cancellation anew
        world.check(what)
        world.close()


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("shape", ["text", "batch", "code"])
def test_wherever_it_is_given_up_each_text_is_told_once_and_truly(folder, shape, words):
    for at in itertools.count():
        world = World(folder, Blocking, shape, words, at)
        goes_on = world.drop(at, world.flow())
        world.check(f"given up after {at} steps")
        world.close()
        if not goes_on:
            break
    assert at >= 3
