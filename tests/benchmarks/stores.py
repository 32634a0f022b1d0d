"""Measure how a slow store blocks an event loop: the longest standstill of the loop while texts are sent.

    python tests/benchmarks/stores.py [--texts 200] [--slow 0.02]

Ledger, opt-outs, guard and limit are in one SQLite file, whose transactions are slowed down by ``--slow`` seconds.
Texts are sent ten at a time, and a task of the loop looks at the clock each millisecond. The same is measured without the delay,
to know the machine's own noise; the difference is at most the delay of one transaction.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from unittest import mock

from smsbridge import AsyncSmsClient, Message, Settings, SmsProvider, Status
from smsbridge.guard.policy import GuardPolicy
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.own_file import OwnFile
from smsbridge.policies.limit import LimitPolicy
from smsbridge.stores.sqlite_file import SqliteFile


class Direct(SmsProvider):
    name = "direct"

    def send(self, message):
        yield from ()
        return self.accepted(message, id="1", status=Status.QUEUED)


@contextlib.contextmanager
def slow(seconds):
    """Each transaction and each opening of a file takes ``seconds`` longer."""
    together, connect = SqliteFile.together, OwnFile.connect

    @contextlib.contextmanager
    def slower(self):
        with together(self):
            yield
            time.sleep(seconds)

    def later(self, **options):
        time.sleep(seconds)
        return connect(self, **options)

    with mock.patch.object(SqliteFile, "together", slower), mock.patch.object(OwnFile, "connect", later):
        yield


async def longest_stall(policy, texts):
    stalls, going = [], True
    messages = [Message(to=f"+9198765{n:05d}", text="Hello", reference=f"ref-{n}") for n in range(texts)]

    async def watch():
        last = time.perf_counter()
        while going:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            stalls.append(now - last - 0.001)
            last = now

    async with AsyncSmsClient(policy, settings=Settings()) as sms:
        await sms.send("+919876500000", "Hello", reference="first")  # late imports happen now
        watching = asyncio.create_task(watch())
        begun = time.perf_counter()
        for first in range(0, texts, 10):
            await asyncio.gather(*map(sms.send, messages[first : first + 10]))
        took = time.perf_counter() - begun
        going = False
        await watching
    return max(stalls), took


def measured(slowness, texts):
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/sms.db"
        inner = LimitPolicy(inner=Direct(), sends="999999/1s", store=url)
        guard = GuardPolicy(inner=inner, per_recipient="9/1h", total="99999/1h", store=url)
        policy = LedgerPolicy(inner=OptoutPolicy(inner=guard, store=url), store=url)
        with slow(slowness):
            stall, took = asyncio.run(longest_stall(policy, texts))
    sys.stdout.write(f"{slowness * 1e3:.0f} ms slower: {stall * 1e3:.1f} ms is the longest stall, ")
    sys.stdout.write(f"{took / texts * 1e3:.1f} ms a text\n")
    return stall


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--slow", type=float, default=0.02)
    options = parser.parse_args()
    machine = measured(0.0, options.texts)
    return int(measured(options.slow, options.texts) > machine + options.slow)


if __name__ == "__main__":
    sys.exit(main())
