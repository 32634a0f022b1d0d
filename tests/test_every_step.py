"""An interruption at every step of a send through all policies at once: one text, a batch, and a one-time code of the vendor's.

After each interruption, the outcome of each text was told once and is true, the ledger and the caps agree with it, and the exception came
out of the send unchanged.
"""

from __future__ import annotations

import asyncio
import itertools

import pytest

from scripted import REGISTRY
from smsbridge.cost.policy import CostPolicy
from smsbridge.dlt.policy import DltPolicy
from smsbridge.errors import RefusedError, UncertainError
from smsbridge.guard.policy import GuardPolicy
from smsbridge.hours.policy import HoursPolicy
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import Message, Purpose
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.purpose import PurposePolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.testing.policy.vendor import Async, Blocking, Strike, Vendor
from smsbridge.testing.policy.world import World
from smsbridge.text.policy import TextPolicy

TO = "+919876543210"
TEXT = "Dear customer, your order 17 has shipped. ACME"
RATES = '[[rate]]\nprice = "0.10"\ncurrency = "INR"\n'


class Stack(World):
    """New instances of all policies; ``kind`` is the client, ``shape`` is what is sent."""

    def __init__(self, folder, kind, shape, words, number):
        self.folder, self.shape, self.number = folder, shape, number
        self.references = ["a", "b", "c"] if shape == "batch" else ["a"]
        super().__init__(self._stack, kind, words)

    def _stack(self, _):
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
        inner = CostPolicy(inner=inner, prices=self.folder / "rates.toml").telling(self.plugins.cost_differs)
        inner = GuardPolicy(inner=inner, per_recipient=f"{count}/1h", total=f"{count}/1h")
        return TextPolicy(
            inner=LedgerPolicy(inner=inner, path=self.folder / f"ledger-{self.number}.db"), max_segments=3
        )

    def message(self, reference):
        return Message(to=TO, text=TEXT, reference=reference, purpose=Purpose.SERVICE)

    def sending(self):
        messages = list(map(self.message, self.references))
        if self.shape == "code":
            messages = [Message(to=TO, text="", reference="a", purpose=Purpose.OTP)]
        return self.flow(self.shape, messages)

    def single(self, reference):
        """Send another text. Returns its exception, if any."""
        return self.run(self.flow("text", [self.message(reference)]))

    # --- checks --------------------------------------------------------------------------------------------------------------

    def check(self, what):
        before, ends = self.hooks.begun_and_ended()
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
        held = sum(not isinstance(told.get(reference, RefusedError()), RefusedError) for reference in self.references)
        self.wire.words = ["ok"]
        if self.shape != "code":
            self.repeat(what, told)
        free = len(self.references) - held
        new = [f"new-{n}" for n in range(free + 1)] if self.shape == "code" else []
        for n, reference in enumerate(new):  # exactly the right places of caps are left
            problem = self.single(reference)
            assert (problem is None) == (n < free), f"{what}: place {n} of {free}: {problem!r}"

    def repeat(self, what, told):
        for reference in self.references:
            end = told.get(reference, RefusedError())
            problem = self.single(reference)
            taken = self.wire.taken[reference]
            assert taken <= 1, f"{what}: {reference} was sent twice, the second time as a repeat"
            if isinstance(end, UncertainError):
                assert problem is None or isinstance(problem, UncertainError), f"{what}: {reference}: {problem!r}"
            else:
                assert problem is None, f"{what}: a repeat of {reference}, which was {end!r}: {problem!r}"
                assert taken == 1, f"{what}: {reference} is in the ledger, and was not sent"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dlt.toml").write_text(REGISTRY)
    (tmp_path / "rates.toml").write_text(RATES)
    return tmp_path


STOPS = {Blocking: (KeyboardInterrupt, SystemExit), Async: (asyncio.CancelledError,)}
"""A signal handler may raise either exception; the tests alternate."""
WORDS = ["ok", "denied, ok", "busy, denied, busy, ok", "unanswered", "lost", "bad"]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("shape", ["text", "batch", "code"])
@pytest.mark.parametrize("kind", STOPS)
def test_wherever_it_is_interrupted_each_text_is_told_once_and_truly(folder, kind, shape, words):
    number = 0
    whole = Stack(folder, kind, shape, words, number)
    strike = Strike()
    whole.run(whole.sending(), strike)
    assert strike.steps >= 3
    whole.check("not interrupted")
    whole.close()
    for at, before in itertools.product(range(1, strike.steps + 1), (True, False)):
        number += 1
        world = Stack(folder, kind, shape, words, number)
        stop = STOPS[kind][at % len(STOPS[kind])]("x")
        raised = world.run(world.sending(), Strike(stop, at, before=before))
        what = f"{stop!r} {'before' if before else 'after'} step {at} of {strike.steps}"
        assert type(raised) is type(stop), f"{what}: {raised!r} came out"
        assert raised is stop or kind is Async, what  # asyncio makes a new CancelledError
        world.check(what)
        world.close()


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("shape", ["text", "batch", "code"])
def test_wherever_it_is_given_up_each_text_is_told_once_and_truly(folder, shape, words):
    for at in itertools.count():
        world = Stack(folder, Blocking, shape, words, at)
        goes_on = world.drop(world.sending(), at)
        world.check(f"given up after {at} steps")
        world.close()
        if not goes_on:
            break
    assert at >= 3
