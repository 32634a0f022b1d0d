"""Kill senders at random moments, let others repeat their references, and count what arrived."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from smsbridge.policies.entries import State
from smsbridge.policies.sqlite import SqliteStore
from smsbridge_twincle.sandbox import Sandbox

from .sender import send_all

LONGEST_LIFE = 0.4
"""Seconds from the first text to the latest kill: about as long as an undisturbed sender needs."""

QUICK = multiprocessing.get_context("forkserver")
"""Forked from a process that has imported everything and done nothing."""

QUICK.set_forkserver_preload([f"{__package__}.sender", "smsbridge.transport", "smsbridge.policies.ledger"])
PLAIN = multiprocessing.get_context("spawn")
"""Started anew: slower, but without sockets, which the tests forbid."""


@dataclass
class Count:
    """What became of all references, over all rounds."""

    kills: int = 0
    early: int = 0  # processes that had ended before their kill
    references: int = 0
    once: int = 0
    in_doubt: int = 0
    in_doubt_and_sent: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self):
        return (
            f"{self.kills} kills ({self.early} came after the end), {self.references} references: {self.once} exactly once at the "
            f"sandbox and settled, {self.in_doubt} listed as in doubt (of which {self.in_doubt_and_sent} at the sandbox, once), "
            f"{len(self.problems)} problems"
        )


def _everything(said):
    """What comes until the process ends, or is ended."""
    while True:
        try:
            yield said.recv()
        except (EOFError, OSError):
            return


class Murder:
    """One sandbox, and a ledger in ``folder``."""

    def __init__(self, random, folder, sandbox, count, processes=PLAIN):
        self.processes = processes
        self.random = random
        self.path = folder / "ledger.db"
        self.count = count
        self.sandbox = sandbox
        self.environment = {
            **sandbox.environment,
            "SMSBRIDGE_LEDGER_PATH": str(self.path),
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
        """One victim, and one that repeats what the victim was to send."""
        how = self.random.choice(["one by one", "many"])
        size = self.random.randint(1, 12) if how == "one by one" else self.random.randint(5, 60)
        references = [f"k{number}x{n}" for n in range(size)]
        told = self.kill(self.start(how, references))
        again = self.finish(self.start(self.random.choice(["one by one", "many"]), references))
        self.check(references, told, again)

    def kill(self, victim):
        process, said = victim
        said.recv()  # it is about to send
        timer = threading.Timer(self.random.random() * LONGEST_LIFE, process.kill)
        timer.start()
        told = dict(_everything(said))
        timer.join()
        process.join(30)
        self.count.kills += 1
        self.count.early += process.exitcode != -signal.SIGKILL
        return told

    def finish(self, sender):
        process, said = sender
        told = dict(_everything(said))
        process.join(60)
        assert process.exitcode == 0
        return told

    def check(self, references, told, again):
        arrived = Counter(one.custom for one in self.sandbox.received)
        store = SqliteStore(self.path, create=False)
        with store.together():
            states = {one: (entry and entry.state) for one in references for entry in [store.find("twincle", one)]}
        store.close()
        for one in references:
            self.count.references += 1
            times, state = arrived[one], states[one]
            doubt = state in (State.OPEN, State.UNCERTAIN)
            self.count.once += times == 1 and state is State.ACCEPTED
            self.count.in_doubt += doubt
            self.count.in_doubt_and_sent += doubt and times == 1
            good = (times == 1 and state is State.ACCEPTED) or (doubt and times <= 1)
            lied = (told.get(one) == "accepted" and times != 1) or (again[one] == "accepted") != (
                state is State.ACCEPTED
            )
            if not good or lied:
                self.count.problems.append(
                    f"{one}: {times} times at the sandbox, {state}, told {told.get(one)}, {again[one]}"
                )


def kill_many(random, folder, kills, progress=lambda count: None, processes=PLAIN):
    """``kills`` rounds; returns the Count."""
    count = Count()
    with Sandbox(balance=10**6, pull_limit=0) as sandbox:
        for number in range(kills):
            Murder(random, folder, sandbox, count, processes).round(number)
            progress(count)
    return count


def timed(work):
    begun = time.monotonic()
    return work(), time.monotonic() - begun
