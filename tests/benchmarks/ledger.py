"""Measure a ledger: microseconds per message on top of the bare client, and memory, within one run.

    python tests/benchmarks/ledger.py [--rounds 5] [--count 5000] [--sync normal full] [--memory 200000]

The provider answers at once and does nothing, so that it does not hide the ledger's cost. Contestants take turns; a figure is
the median of the rounds' differences. Beside each stands a promise. ``--cpu`` counts seconds of computing.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from memory import peak

from smsbridge import AsyncSmsClient, Message, Result, Settings, SmsClient, SmsProvider, Status
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.stores.writer import close_all

NUMBER, TEXT = "+919876543210", "Your order has shipped"
PROMISES = {"alone": 1000.0, "many": 400.0, "batches": 100.0}
"""In microseconds."""


class Single(SmsProvider):
    name = "single"

    def send(self, message):
        yield from ()
        return self.accepted(message, id="1", status=Status.QUEUED)


class Batching(Single):
    name = "batching"
    batch_size = 100

    def send_batch(self, messages):
        yield from ()
        return [
            Result(index=index, message=message, sent=self.accepted(message, id="1", status=Status.QUEUED))
            for index, message in enumerate(messages)
        ]


def messages(count):
    return (Message(to=NUMBER, text=TEXT) for _ in range(count))


def now():
    return process_time() if "--cpu" in sys.argv else perf_counter()


def alone(provider, count):
    with SmsClient(provider, settings=Settings()) as sms:
        sms.send(NUMBER, TEXT)
        start = now()
        for _ in range(count):
            sms.send(NUMBER, TEXT)
        return now() - start


def many(provider, count):
    with SmsClient(provider, settings=Settings()) as sms:
        start = now()
        with sms.send_many(messages(count)) as results:
            assert all(result.sent for result in results)
        return now() - start


def alone_async(provider, count):
    async def main():
        async with AsyncSmsClient(provider, settings=Settings()) as sms:
            await sms.send(NUMBER, TEXT)
            start = now()
            for _ in range(count):
                await sms.send(NUMBER, TEXT)
            return now() - start

    return asyncio.run(main())


def many_async(provider, count):
    async def main():
        async with AsyncSmsClient(provider, settings=Settings()) as sms:
            start = now()
            async with sms.send_many(messages(count)) as results:
                async for result in results:
                    assert result.sent
            return now() - start

    return asyncio.run(main())


WAYS = {
    "alone": (alone, Single, "alone"),
    "alone, async": (alone_async, Single, "alone"),
    "send_many": (many, Single, "many"),
    "send_many, async": (many_async, Single, "many"),
    "send_many in batches": (many, Batching, "batches"),
    "send_many in batches, async": (many_async, Batching, "batches"),
}


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def costs(options, folder):
    kept = True
    for sync in options.sync:
        for name, (run, provider, promise) in WAYS.items():
            bare, more = [], []
            count = options.count if promise != "alone" else max(1, options.count // 5)
            for number in range(options.rounds + 1):  # the first round warms up
                policy = LedgerPolicy(inner=provider(), path=folder / f"{sync}.db", sync=sync)
                without, within = run(provider(), count), run(policy, count)
                close_all()  # outcomes that still have to be recorded must not delay the next contestant
                if number:
                    bare.append(without / count * 1e6)
                    more.append((within - without) / count * 1e6)
            good = median(more) <= PROMISES[promise]
            kept = kept and (good or sync != "normal")
            say(
                f"{sync:6}  {name:28} {median(more):7.0f} us more than {median(bare):5.0f} us"
                f"   at most {PROMISES[promise]:5.0f}   {'kept' if good else 'MISSED'}"
            )
    return kept


def memory(count, folder):
    """Peaks of memory in separate processes: after a few messages, and after many."""
    peaks = []
    for number, wanted in enumerate((10_000, count)):
        command = [sys.executable, __file__, "--peak", str(wanted), "--path", str(folder / f"memory-{number}.db")]
        peaks.append(float(subprocess.run(command, capture_output=True, check=True, text=True).stdout))
    few, all_of_them = peaks
    good = all_of_them - few <= 20
    say(
        f"memory: {few:.0f} MiB after 10,000 messages, {all_of_them:.0f} MiB after {count:,}: {'flat' if good else 'GROWS'}"
    )
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often contestants take turns (default 5)")
    parser.add_argument("--count", type=int, default=5000, help="messages a round (default 5000; alone: a fifth)")
    parser.add_argument("--sync", nargs="+", default=["normal", "full"], help="normal, full or both (default)")
    parser.add_argument(
        "--memory", type=int, default=200_000, help="messages for memory (default 200000; 0: leave out)"
    )
    parser.add_argument("--cpu", action="store_true", help="count seconds of computing instead of those on the clock")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        many_async(LedgerPolicy(inner=Single(), path=options.path), options.peak)
        close_all()
        say(f"{peak():.1f}")
        return 0
    with tempfile.TemporaryDirectory(prefix="smsbridge-ledger-") as folder:
        kept = costs(options, Path(folder))
        flat = memory(options.memory, Path(folder)) if options.memory else True
    return 0 if kept and flat else 1


if __name__ == "__main__":
    sys.exit(main())
