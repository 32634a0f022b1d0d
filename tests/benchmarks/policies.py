"""Measure the policies: the time that they add to a send, and the memory of many messages.

    python tests/benchmarks/policies.py [--rounds 15] [--messages 100000] [--store URL]

Both sides send through the same client and the same wire, which answers at once, and take turns; the figure is the median of the
rounds. Memory is the growth of the process between the first tenth of the messages and the last. At most 40 microseconds, and
no growth to speak of; with a store in memory (``--store memory:``) 60, with another store the figure is only printed.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median
from time import perf_counter, process_time

from memory import messages, now_used

from smsbridge import HttpRequest, HttpResponse, Message, Settings, SmsClient, SmsProvider, Status
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.retry import RetryPolicy

MOST_MICROSECONDS = {None: 40, "memory:": 60}
MOST_GROWTH = 8
"""MiB; the allocator's own noise is less."""
ANSWER = HttpResponse.of_json({"id": "1"})


class Direct(SmsProvider):
    name = "direct"

    def send(self, message):
        response = yield from HttpRequest.post_json("https://direct.example/", {"to": message.to}, sends=True)
        return self.accepted(message, id=response.json_object()["id"], status=Status.QUEUED)


class Wire:
    """A wire that answers at once."""

    def send(self, request, *, within=None):
        return ANSWER

    def close(self):
        pass


def stack(store=None):
    """Retry around a failover over two accounts, each with a limit that is never reached."""
    accounts = [LimitPolicy(inner=Direct(account=name), sends="999999999/1s", store=store) for name in ("one", "two")]
    return RetryPolicy(inner=FailoverPolicy(accounts=tuple(accounts)))


def client(provider):
    return SmsClient(provider, settings=Settings(concurrency=2), transport=Wire())


def microseconds(sms, message, count=1000, clock=perf_counter):
    begun = clock()
    for _ in range(count):
        sms.send(message)
    return (clock() - begun) / count * 1e6


def say(text):
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def added(rounds, store=None, clock=perf_counter):
    message = Message(to="+919876543210", text="Your order has shipped", reference="ref-1")
    with client(Direct()) as bare, client(stack(store)) as within:
        for sms in (bare, within):
            microseconds(sms, message)
        pairs = []
        for number in range(rounds):
            pairs.append((microseconds(bare, message, clock=clock), microseconds(within, message, clock=clock)))
            say(f"round {number + 1} of {rounds}: {pairs[-1][0]:.1f} and {pairs[-1][1]:.1f} microseconds")
    return median(mine - theirs for theirs, mine in pairs)


def growth(count, store=None):
    """MiB by which the process grew after the first tenth of ``count`` messages."""
    early = None
    with client(stack(store)) as sms, sms.send_many(messages(count)) as results:
        for number, result in enumerate(results, 1):
            assert result.error is None
            if number == count // 10:
                early = now_used()
    return now_used() - early


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--cpu", action="store_true", help="count the seconds of computing, on a busy machine")
    parser.add_argument("--store", help="URL of a store that the limits ask")
    options = parser.parse_args()
    more = added(options.rounds, options.store, process_time if options.cpu else perf_counter)
    grown = growth(options.messages, options.store)
    most = MOST_MICROSECONDS.get(options.store, float("inf"))
    sys.stdout.write(f"{more:.1f} microseconds more a send (at most {most})\n")
    sys.stdout.write(f"{grown:.1f} MiB more after {options.messages:,} messages (at most {MOST_GROWTH})\n")
    return int(more > most or grown > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
