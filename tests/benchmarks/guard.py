"""Measure a guard: microseconds per text on top of the bare client, in one run, and memory over a million numbers.

    python tests/benchmarks/guard.py [--rounds 7] [--count 10000] [--numbers 1000000]

The guard has everything on: a list of allowed beginnings, a country, and a cap per recipient, per prefix and in total. Both
clients send through a provider that does nothing, taking turns, each text to a number of its own. Then ``--numbers`` numbers are let
through with a virtual clock, at a pace at which the guard has to forget and at one at which it may not, and the memory that
the process has at each tenth is printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from time import process_time

from smsbridge import Message, Settings, SmsClient, SmsProvider, Status, VetoedError
from smsbridge.attempts import attempt
from smsbridge.guard.policy import GuardPolicy
from smsbridge.policies.gate import Gate

ALL = {
    "allow": ["+9198*", "+919999988888"],
    "countries": ["IN"],
    "per_recipient": "5/1h",
    "per_prefix": "10000/1h",
    "total": "10000000/1d",
}


class Nothing(SmsProvider):
    name = "nothing"

    def send(self, message):
        yield from ()
        return self.accepted(message, id="1", status=Status.QUEUED)


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def seconds(client, first, count):
    texts = [Message(to=f"+9198{n:08d}", text="Your order has shipped") for n in range(first, first + count)]
    begun = process_time()
    for text in texts:
        client.send(text)
    return (process_time() - begun) / count


class Empty(Gate):
    """Lets all texts through: the cost of any policy of this kind."""

    name = "empty"


def cost(rounds, count):
    guard = GuardPolicy(inner=Nothing(), remembers=10_000_000, **ALL)
    clients = [SmsClient(provider, settings=Settings()) for provider in (Nothing(), Empty(inner=Nothing()), guard)]
    for client in clients:
        seconds(client, 50_000_000, 100)
    turns = [[seconds(client, n * count, count) for client in clients] for n in range(rounds)]
    for place, what in ((1, "an empty gate"), (2, "the guard")):
        added = median(turn[place] - turn[0] for turn in turns) * 1e6
        ratio = median(turn[place] / turn[0] for turn in turns)
        say(f"{what}: {added:.1f} us a text more than the bare client, {ratio:.2f} times as long")
    say(f"the bare client: {median(turn[0] for turn in turns) * 1e6:.1f} us a text")


def resident():
    """Memory in MiB, on systems with /proc."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), float("nan"))


def memory(numbers, pace):
    guard = GuardPolicy(inner=Nothing(), **ALL)
    now = 0.0
    guard._rules.clock = lambda: now
    refused = 0
    sizes = []
    for n in range(numbers):
        now += pace
        try:
            for _ in attempt(guard, Message(to=f"+9198{n:08d}", text="hello", reference="r")):
                pass
        except VetoedError:
            refused += 1
        if (n + 1) % (numbers // 10) == 0:
            sizes.append(f"{resident():.0f}")
    say(
        f"{numbers} numbers, one each {pace} s: {', '.join(sizes)} MiB; {guard._rules.caps.texts} texts remembered, "
        f"{refused} texts refused"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--numbers", type=int, default=1_000_000)
    given = parser.parse_args()
    cost(given.rounds, given.count)
    if given.numbers:
        say(f"before: {resident():.0f} MiB")
        memory(given.numbers, 0.05)
        memory(given.numbers // 4, 0.001)  # a refusal takes longer than a text
