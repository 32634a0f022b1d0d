"""Send this many messages from a generator to a stub that counts them; print the peak of the process's memory in MiB."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from smsbridge import AsyncSmsClient, Message, SmsClient, SmsProvider, Status


class Counting(SmsProvider):
    name = "counting"

    def send(self, message):
        yield from ()
        return self.accepted(message, id="1", status=Status.QUEUED)


def messages(count):
    return (Message(to="+919876543210", text=f"Your code is {number}") for number in range(count))


def blocking(count):
    with SmsClient(Counting()) as sms, sms.send_many(messages(count)) as results:
        return sum(result.sent is not None for result in results)


async def asynchronous(count):
    async with AsyncSmsClient(Counting()) as sms, sms.send_many(messages(count)) as results:
        sent = 0
        async for result in results:
            sent += result.sent is not None
        return sent


def now_used():
    """Memory of the process in MiB: now (Linux), or its maximum so far."""
    return _from_status("VmRSS") or peak()


def peak():
    """In MiB. Avoid ru_maxrss where possible: Linux includes the memory of the parent process."""
    return _from_status("VmHWM") or _from_usage()


def _from_status(name):
    status = Path("/proc/self/status")
    return int(re.search(rf"{name}:\s+(\d+) kB", status.read_text())[1]) / 1024 if status.exists() else None


def _from_usage():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * (1024 if sys.platform == "darwin" else 1))


if __name__ == "__main__":
    colour, wanted = sys.argv[1], int(sys.argv[2])
    sent = blocking(wanted) if colour == "sync" else asyncio.run(asynchronous(wanted))
    assert sent == wanted
    sys.stdout.write(f"{peak():.1f}\n")
