"""Kill senders at random moments, let others repeat their references, and count what arrived."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import State
from smsbridge.stores.known import open_store
from smsbridge_twincle.sandbox import Sandbox

from .sender import send_all

FIRST_GUESS = 0.2
"""Seconds that a sender may need for all of its texts: the first guess, until a kill was too late."""

LONGER = 1.2
"""The guess grows by this factor with each kill in time: otherwise no kill would reach the last texts."""

ROUNDS = 5
"""Rounds per kill in time, at most."""

QUICK = multiprocessing.get_context("forkserver")
"""Fork from a process that has imported everything and done nothing."""

QUICK.set_forkserver_preload([f"{__package__}.sender", "smsbridge.wire.over_httpx", "smsbridge.ledger.policy"])
PLAIN = multiprocessing.get_context("spawn")
"""Start a new process: slower, but without sockets, which the tests forbid."""


@dataclass
class Count:
    """The outcomes of all references, over all rounds."""

    kills: int = 0  # kills of processes that had not reported all their texts
    late: int = 0  # kills of processes that had reported all texts; only their references count
    references: int = 0
    once: int = 0
    in_doubt: int = 0
    in_doubt_and_sent: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self):
        return (
            f"{self.kills} kills while sending (and {self.late} after it), {self.references} references: {self.once} exactly once at the "
            f"sandbox and settled, {self.in_doubt} listed as in doubt (of which {self.in_doubt_and_sent} at the sandbox, once), "
            f"{len(self.problems)} problems"
        )


def _everything(said):
    """The messages of the process until its end."""
    while True:
        try:
            yield said.recv()
        except (EOFError, OSError):
            return


class Murder:
    """A sandbox, and a ledger in the store at the URL ``store``."""

    def __init__(self, random, store, sandbox, count, processes=PLAIN):
        self.processes = processes
        self.random = random
        self.store = store
        self.count = count
        self.sandbox = sandbox
        self.needed = {}  # seconds for all texts, by way of sending and number of texts
        self.environment = {
            **sandbox.environment,
            "SMSBRIDGE_LEDGER_STORE": store,
            "SMSBRIDGE_TWINCLE_SENDER": "SMSBRG",
            "SMSBRIDGE_RETRY_LOOKUPS": "0",
            "SMSBRIDGE_TIMEOUT": "10",
            "SMSBRIDGE_CONCURRENCY": "4",
        }

    def start(self, how, references):
        here, there = self.processes.Pipe(duplex=False)
        process = self.processes.Process(target=send_all, args=(self.environment, how, references, there))
        process.start()
        there.close()
        return process, here

    def round(self, number):
        """Run a victim, then a process that repeats the victim's texts."""
        how = self.random.choice(["one by one", "many"])
        size = self.random.randint(1, 12) if how == "one by one" else self.random.randint(5, 60)
        references = [f"k{number}x{n}" for n in range(size)]
        told = self.kill(self.start(how, references), how, references)
        again = self.finish(self.start(self.random.choice(["one by one", "many"]), references))
        self.check(references, told, again)

    def kill(self, victim, how, references):
        process, said = victim
        said.recv()  # it is about to send
        kind = how, len(references) // 10
        begun = time.monotonic()
        timer = threading.Timer(self.random.random() * self.needed.get(kind, FIRST_GUESS), process.kill)
        timer.start()
        told = {}
        for reference, outcome in _everything(said):
            told[reference] = outcome
            if len(told) == len(references):
                self.needed[kind] = time.monotonic() - begun
        timer.join()
        process.join(30)
        hit = process.exitcode == -signal.SIGKILL and len(told) < len(references)
        if hit:
            self.needed[kind] = self.needed.get(kind, FIRST_GUESS) * LONGER
        self.count.kills += hit
        self.count.late += not hit
        return told

    def finish(self, sender):
        process, said = sender
        told = dict(_everything(said))
        process.join(60)
        assert process.exitcode == 0
        return told

    def check(self, references, told, again):
        arrived = Counter(sent.custom for sent in self.sandbox.received)
        entries = open_store(self.store, create=False).entries(keep=timedelta(days=36500))
        states = {
            reference: (entry and entry.state)
            for reference in references
            for entry in [at_once(entries.find(reference))]
        }
        entries.close()
        for reference in references:
            self.count.references += 1
            times, state = arrived[reference], states[reference]
            doubt = state in (State.OPEN, State.UNCERTAIN)
            self.count.once += times == 1 and state is State.ACCEPTED
            self.count.in_doubt += doubt
            self.count.in_doubt_and_sent += doubt and times == 1
            good = (times == 1 and state is State.ACCEPTED) or (doubt and times <= 1)
            lied = (told.get(reference) == "accepted" and times != 1) or (again[reference] == "accepted") != (
                state is State.ACCEPTED
            )
            if not good or lied:
                self.count.problems.append(
                    f"{reference}: {times} times at the sandbox, {state}, told {told.get(reference)}, {again[reference]}"
                )


def kill_many(random, store, kills, progress=lambda count: None, processes=PLAIN):
    """Run rounds until ``kills`` were in time. Returns the Count."""
    count = Count()
    with Sandbox(balance=10**6, pull_limit=0) as sandbox:
        murder = Murder(random, store, sandbox, count, processes)
        for number in range(kills * ROUNDS):
            murder.round(number)
            progress(count)
            if count.kills == kills:
                return count
    count.problems.append(f"only {count.kills} of {kills} kills hit a process while it was sending")
    return count


def timed(work):
    begun = time.monotonic()
    return work(), time.monotonic() - begun
