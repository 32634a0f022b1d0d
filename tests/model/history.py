"""One history: an application sends through policies and faulty vendors, is cancelled, crashes, and repeats itself.

Every choice comes from one ``random.Random``, so a history is its seed; hypothesis brings a Random that it can shrink.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache

from smsbridge.errors import NoAnswer, RefusedError, SendError, UncertainError
from smsbridge.guard.policy import GuardPolicy
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Await, Call, HttpRequest, Wait
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import Message, Purpose, Result, SentMessage
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.policies.turns import StoredTurns
from smsbridge.sending import deliver, deliver_batch
from smsbridge.stores.gcra import Rate

from .ledgers import Ledger, timed
from .vendors import BAD, FAULTS, KINDS, OPTED_OUT, Vendor

ENOUGH = Rate(1_000_000, 3600)


class Cancelled(BaseException):
    """Like asyncio.CancelledError and KeyboardInterrupt."""


class Crashed(BaseException):
    """The process dies between two steps, without a report."""


class Clock:
    now = 1000.0


class Hooks:
    """The hooks' calls in a process."""

    def __init__(self):
        self.before = Counter()
        self.told = defaultdict(list)
        self.alive = True

    @hookimpl
    def smsbridge_before_send(self, message):
        self.before[message.reference] += 1

    @hookimpl
    def smsbridge_after_send(self, message, sent):
        if self.alive:
            self.told[message.reference].append(sent)

    @hookimpl
    def smsbridge_send_failed(self, message, error):
        if self.alive:
            self.told[message.reference].append(error)


class Relay:
    """Calls the hooks directly: a search for plugins takes longer than the rest of a history."""

    hooks = None

    @hookimpl
    def smsbridge_before_send(self, message):
        self.hooks.smsbridge_before_send(message)

    @hookimpl
    def smsbridge_after_send(self, message, sent):
        self.hooks.smsbridge_after_send(message, sent)

    @hookimpl
    def smsbridge_send_failed(self, message, error):
        self.hooks.smsbridge_send_failed(message, error)


@cache
def relayed():
    relay = Relay()
    return relay, Plugins(relay)


class History:
    """``retry``, ``failover`` and ``ledger`` are the classes of the policies; a ledger survives crashes; some histories have none.

    With ``stored``, one of :mod:`.stores`, the ledger and the limits are kept there, and those of a guard, too.
    """

    def __init__(self, random, *, retry=RetryPolicy, failover=FailoverPolicy, ledger=LedgerPolicy, stored=None):
        self.random = random
        self.retry, self.failover = retry, failover
        self.clock = Clock()
        count = random.choice([1, 2, 2, 3, 4])
        faults = random.sample(FAULTS, random.choice([0, 1, 2, 4, len(FAULTS)]))
        self.vendors = [
            Vendor(random, self.clock, random.choice(KINDS), faults if random.random() < 0.8 else [])
            for _ in range(count)
        ]
        self.duplicates = frozenset({Purpose.OTP}) if random.random() < 0.4 else frozenset()
        self.shape = random.choice(["retry", "failover", "both", "nested"]) if count > 1 else "retry"
        self.limited = random.random() < 0.3
        self.persistence = {
            "attempts": random.choice([1, 2, 3, 5]),
            "seconds": random.choice([0, 5, 30]),
            "lookups": random.choice([0, 1, 3]),
        }
        self.patience = {"faults": random.choice([1, 2, 5]), "pause": random.choice([1, 10])}
        self.stored = stored
        if stored is not None:
            stored.begin(self.clock)
        self.ledger = Ledger(self, ledger, stored) if random.random() < 0.6 else None
        self.messages = {}
        self.told = defaultdict(list)
        self.graves = []
        self.begin()

    # --- the process ------------------------------------------------------------------------------------------------------

    def begin(self):
        """Begin a process: new policies; only the vendors and the ledger have a memory."""
        relay, self.plugins = relayed()
        self.hooks = relay.hooks = Hooks()
        leaves = [self.leaf(number, vendor) for number, vendor in enumerate(self.vendors)]
        if self.shape == "retry":
            made = self.retrying(leaves[0])
        elif self.shape == "failover":
            made = self.failing_over(leaves)
        elif self.shape == "both":
            made = self.retrying(self.failing_over(leaves))
        else:
            inner = [self.retrying(layer) for layer in leaves]
            if len(inner) > 2:
                inner = [self.failing_over(inner[:2], account="pair"), *inner[2:]]
            made = self.failing_over(inner)
        if self.stored is not None:
            made = self.guarded(made)
        self.provider = made if self.ledger is None else self.ledger.around(made)

    def leaf(self, number, vendor):
        made = vendor.kind(account=f"v{number}", vendor=number)
        if self.limited and number % 2 == 0:
            rate = Rate(self.random.choice([1, 100]), 1.0)
            longest = self.random.choice([0, 3, 60])
            made = self.timed(LimitPolicy(inner=made, sends=rate, queries=Rate(10, 1.0), longest_wait=longest))
            if self.stored is not None:
                made._limiters = {
                    kind: StoredTurns(self.stored.counters, f"{made.account} {kind}", rate, lambda: self.clock.now)
                    for kind, rate in made._rates().items()
                }
        return made

    def guarded(self, inner):
        """``inner`` in a guard that counts and refuses nothing."""
        made = GuardPolicy(inner=inner, total=ENOUGH, per_recipient=ENOUGH, store="memory:")
        self.caps = made._rules.stored
        self.caps._counters = self.stored.counters
        return made

    def retrying(self, inner):
        made = self.timed(self.retry(inner=inner, duplicates=self.duplicates, **self.persistence))
        made._jitter = lambda longest: longest * self.random.random()
        return made

    def failing_over(self, accounts, account=""):
        fields = {"duplicates": self.duplicates, **self.patience}
        return self.timed(self.failover(accounts=tuple(accounts), account=account, **fields))

    def timed(self, policy):
        policy._clock = lambda: self.clock.now
        return policy

    # --- steps of an application --------------------------------------------------------------------------------------------

    def send(self):
        self.deliver([self.message()])

    def send_batch(self):
        self.deliver([self.message() for _ in range(self.random.randint(1, 4))], batch=True)

    def repeat(self):
        """Repeat texts that were certainly not sent; with a ledger, any text."""
        again = [ref for ref, told in self.told.items() if self.ledger is not None or all(map(_refused, told))]
        if again:
            self.deliver([self.messages[self.random.choice(again)]])

    def advance(self):
        self.clock.now += self.random.choice([1, 60, 1000])

    def message(self):
        number = len(self.messages)
        last = self.random.choice(f"22334455667788{BAD}{BAD}{OPTED_OUT}")
        message = Message(
            to=f"+9198765{number:04}{last}",
            text="hello",
            reference=f"r{number}",
            purpose=self.random.choice([Purpose.OTP, Purpose.SERVICE]),
        )
        self.messages[message.reference] = message
        return message

    def deliver(self, messages, *, batch=False):
        hooks, begun = self.hooks, self.clock.now
        before = {
            message.reference: (hooks.before[message.reference], len(hooks.told[message.reference]))
            for message in messages
        }
        marks = [(vendor.turned_away.copy(), len(vendor.asked)) for vendor in self.vendors]
        for vendor in self.vendors:
            vendor.hushed.clear()  # a policy does not know that the application repeats a text
        try:
            with timed(self):
                results = self.drive(self.flow(messages, batch))
        except Crashed:
            for each_message in messages:
                self.told[each_message.reference] += hooks.told[each_message.reference][
                    before[each_message.reference][1] :
                ] or ["crashed"]
            hooks.alive = False
            self.begin()
            return
        except Cancelled:
            results = None
        if self.stored is not None:
            assert not self.caps._tickets, f"{len(self.caps._tickets)} texts that ended hold their places"
        for row, message in enumerate(messages):
            told = hooks.told[message.reference][before[message.reference][1] :]
            assert hooks.before[message.reference] - before[message.reference][0] == 1 == len(told), (
                "one hook after each before"
            )
            assert told[0].reference == message.reference, "the reference is kept"
            if results is not None:
                assert (results[row].index, results[row].message) == (row, message)
                assert (results[row].sent or results[row].error) is told[0], "hooks and caller are told the same"
            self.told[message.reference] += told
            self.check_fault_of_message(message, told[0], marks)
            self.check_good_number(message, told[0])
        self.check_budget(messages, marks, begun)

    def flow(self, messages, batch):
        if batch:
            return (yield from deliver_batch(self.plugins, self.provider, messages))
        try:
            sent = yield from deliver(self.plugins, self.provider, messages[0])
        except SendError as error:
            return [Result(index=0, message=messages[0], error=error)]
        return [Result(index=0, message=messages[0], sent=sent)]

    def drive(self, flow):
        """Perform a flow, unless something happens to the process on the way."""
        random = self.random
        stop = random.choice(["cancelled", "closed", "crashed"]) if random.random() < 0.25 else None
        last, before = random.randint(1, 11), random.random() < 0.5
        steps = 0
        try:
            step = next(flow)
            while True:
                if type(step).__name__ == "Tell":  # hooks are always told; earlier versions have no such step
                    step = flow.send(step.function(*step.args))
                    continue
                steps += 1
                hit = stop is not None and steps == last
                answer = self.perform(step) if not (hit and before) else None
                if hit:
                    answer = self.stop(stop, flow)
                step = flow.throw(answer) if isinstance(answer, BaseException) else flow.send(answer)
        except StopIteration as end:
            return end.value

    def stop(self, kind, flow):
        if kind == "crashed":
            self.graves.append(flow)  # kept: the end of a collected flow would call hooks
            raise Crashed
        if kind == "closed":
            flow.close()
            raise Cancelled
        return Cancelled()

    def perform(self, step):
        if isinstance(step, Wait):
            self.clock.now += step.seconds
            return None
        if isinstance(step, HttpRequest):
            self.clock.now += self.random.choice([0.01, 0.3, 2])
            answer = self.vendors[int(step.url.split("/")[-2])].answer(step)
            if isinstance(answer, NoAnswer):
                self.clock.now += self.random.choice([1, 10])
            return answer
        try:
            if isinstance(step, Await):
                return step.future.result(10)
            assert isinstance(step, Call)
            return step.function(*step.args)
        except Exception as error:  # noqa: BLE001  # it belongs to the flow
            return error

    # --- checks -----------------------------------------------------------------------------------------------------------------

    def check_fault_of_message(self, message, told, marks):
        """No vendor is asked again about a text that was refused for its own fault."""
        times = sum(
            vendor.turned_away[message.reference] - before[message.reference]
            for vendor, (before, _) in zip(self.vendors, marks, strict=True)
        )
        attempts = [told, *getattr(told, "attempts", ())]
        lost = any(
            isinstance(attempt, UncertainError) or getattr(attempt, "reason", "") == "absent" for attempt in attempts
        )
        assert times <= 1 or lost, f"{message.reference} was refused for its own fault {times} times"

    def check_good_number(self, message, told):
        """No good number fails because of a bad one.

        A text that was interrupted before may be in the ledger, or proven absent when it is repeated: sent next time.
        """
        healthy = not self.limited and not any(vendor.faults for vendor in self.vendors)
        if healthy and message.to[-1] not in (BAD, OPTED_OUT) and isinstance(told, SendError):
            assert told.reason in ("cancelled", "in-ledger", "absent"), f"a good number failed: {told!r}"

    def check_budget(self, messages, marks, begun):
        for vendor, (_, start) in zip(self.vendors, marks, strict=True):
            asked = vendor.asked[start:]
            for message in messages if len(messages) == 1 else ():
                times = sum(reference == message.reference for _, reference in asked)
                assert times <= self.persistence["attempts"], f"{times} attempts"
            if self.shape == "retry" and not self.limited and asked and len(messages) == 1:
                assert asked[-1][0] - begun <= self.persistence["seconds"] + 2 or len(asked) == 1, "an attempt too late"
            assert not vendor.broken_hush, f"asked before its Retry-After: {vendor.broken_hush}"

    def end(self):
        """Let all late events happen, and compare the reports with the truth."""
        self.clock.now += 1e6
        for vendor in self.vendors:
            vendor.tick()
        for reference, told in self.told.items():
            accepted = [vendor.accepted[reference] for vendor in self.vendors]
            allowed = self.messages[reference].purpose in self.duplicates
            assert sum(accepted) <= 1 or allowed, f"{reference} was accepted {sum(accepted)} times, told {told}"
            sent = [outcome for outcome in told if isinstance(outcome, SentMessage)]
            for text in sent:
                assert accepted[int(text.account[1:])], f"{reference}: {text.account} is said to have it, and has not"
            assert sent or not all(map(_refused, told)) or not sum(accepted), (
                f"{reference} was refused, and is accepted"
            )
            for outcome in told:
                if isinstance(outcome, UncertainError) and outcome.attempts:
                    assert any(isinstance(attempt, UncertainError) for attempt in outcome.attempts)
                if isinstance(outcome, SendError):
                    assert all(isinstance(attempt, SendError) for attempt in outcome.attempts)
        self.hooks.alive = False
        for flow in self.graves:
            try:
                flow.close()
            except BaseException:  # noqa: BLE001  # the process is over
                continue

    def live(self):
        """Run a whole history."""
        rules = (self.send, self.send, self.send_batch, self.send_batch, self.repeat, self.advance)
        for _ in range(self.random.randint(1, 7)):
            self.random.choice(rules)()
        self.end()


def _refused(told):
    return isinstance(told, RefusedError)
