"""Measure smsbridge against its promises: ratios within one run, since absolute numbers mean nothing on a shared machine.

    python tests/benchmarks/run.py [name ...] [--rounds 5] [--quick] [--json] [--cpu]

Contestants take turns in each round; a ratio is the median of the rounds' ratios. Progress goes to stderr. Texts go to
a server on loopback, started and stopped here. On a busy machine, ``--cpu`` counts the CPU seconds of each side instead of
the time on the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import httpx
from pydantic import SecretStr
from server import loopback

from smsbridge import AsyncSmsClient, HttpRequest, Message, Settings, SmsClient, SmsProvider, Status
from smsbridge.plugins import default_plugins

HERE = Path(__file__).parent
NUMBER, TEXT = "+919876543210", "Your order has shipped"
TOKEN = "dummy-token"
VENDORS = {
    "infobip": {"api_key": TOKEN, "sender": "ACME"},
    "plivo": {"auth_id": "MA000000000000000000", "auth_token": TOKEN, "sender": "ACME"},
    "twilio": {"account_sid": f"AC{'0' * 32}", "auth_token": TOKEN, "sender": "+15005550006"},
    "twincle": {"access_token": TOKEN, "sender": "ACME"},
    "vonage": {"api_key": "abcd1234", "api_secret": TOKEN, "sender": "ACME"},
}


class Loopback(SmsProvider):
    """A provider like most: JSON in and out, a token in a header, no batches."""

    name = "loopback"
    url: str
    token: SecretStr = SecretStr(TOKEN)

    def send(self, message):
        headers = {"authorization": f"Bearer {self.token.get_secret_value()}"}
        data = {"to": message.to, "text": message.text}
        response = yield from HttpRequest.post_json(f"{self.url}/v1/messages", data, headers=headers, sends=True)
        if not response.ok:
            raise response.error()
        return self.accepted(message, id=response.json_object()["id"], status=Status.QUEUED)


@dataclass
class Measure:
    """``ratio`` is ours to theirs, in time or in rate as ``of`` says; ``limit`` what it should keep to."""

    name: str
    of: str
    ratio: float | None
    limit: str
    kept: bool | None
    ours: str = ""
    theirs: str = ""


def say(text):
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def now():
    """Seconds on the clock, or (``--cpu``) of the CPU."""
    return process_time() if "--cpu" in sys.argv else perf_counter()


def compare(name, of, limit, contestants, options):
    """Let two contestants, each a function that returns a rate, take turns; ``limit`` is on ours over theirs."""
    at_most = limit.startswith("<=")
    rates = []
    for number in range(options.rounds):
        rates.append([run() for run in contestants])
        say(f"{name}: round {number + 1} of {options.rounds}: {rates[-1][0]:,.0f} and {rates[-1][1]:,.0f} per s")
    ratio = median((theirs / ours) if at_most else (ours / theirs) for ours, theirs in rates)
    bound = float(limit[2:])
    ours, theirs = (f"{median(rate):,.0f}/s" for rate in zip(*rates, strict=True))
    return Measure(name, of, ratio, limit, ratio <= bound if at_most else ratio >= bound, ours, theirs)


# --- contestants ----------------------------------------------------------------------------------------------------------


def timed(count: int, work: Callable[[], object]) -> float:
    start = now()
    work()
    return count / (now() - start)


def post(client, url):
    headers = {"authorization": f"Bearer {TOKEN}"}
    return client.post(f"{url}/v1/messages", json={"to": NUMBER, "text": TEXT}, headers=headers)


def messages(count):
    return (Message(to=NUMBER, text=TEXT) for _ in range(count))


def bare(url, count):
    with httpx.Client() as client:
        post(client, url)
        return timed(count, lambda: [post(client, url).json()["id"] for _ in range(count)])


def ours(url, count):
    with SmsClient(Loopback(url=url)) as sms:
        sms.send(NUMBER, TEXT)
        return timed(count, lambda: [sms.send(NUMBER, TEXT).id for _ in range(count)])


def bare_async(url, count, concurrency):
    async def main():
        limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        async with httpx.AsyncClient(limits=limits) as client:
            todo = iter(range(count))

            async def work():
                for _ in todo:
                    (await post(client, url)).json()["id"]

            start = now()
            await asyncio.gather(*(work() for _ in range(concurrency)))
            return count / (now() - start)

    return asyncio.run(main())


def ours_async(url, count):
    async def main():
        async with AsyncSmsClient(Loopback(url=url)) as sms:
            await sms.send(NUMBER, TEXT)
            start = now()
            for _ in range(count):
                (await sms.send(NUMBER, TEXT)).id  # noqa: B018  # as theirs
            return count / (now() - start)

    return asyncio.run(main())


def many_async(provider, count, concurrency):
    async def main():
        async with AsyncSmsClient(provider, settings=Settings(concurrency=concurrency)) as sms:
            start = now()
            async with sms.send_many(messages(count)) as results:
                async for result in results:
                    if result.error is not None:
                        raise result.error
            return count / (now() - start)

    return asyncio.run(main())


def many_sync(provider, count, concurrency):
    with SmsClient(provider, settings=Settings(concurrency=concurrency)) as sms:
        start = now()
        with sms.send_many(messages(count)) as results:
            for result in results:
                if result.error is not None:
                    raise result.error
        return count / (now() - start)


def in_threads(count, threads, work):
    todo, lock = iter(range(count)), threading.Lock()

    def run():
        while True:
            with lock:
                if next(todo, None) is None:
                    return
            work()

    workers = [threading.Thread(target=run) for _ in range(threads)]
    start = now()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count / (now() - start)


def twilio_sdk(url, count, threads):
    from requests.adapters import HTTPAdapter
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    http = TwilioHttpClient()
    http.session.trust_env = False
    http.session.mount("http://", HTTPAdapter(pool_maxsize=threads))
    client = Client("AC" + "0" * 32, TOKEN, http_client=http)
    client.api.base_url = url
    return in_threads(count, threads, lambda: client.messages.create(to=NUMBER, from_="+15005550006", body=TEXT).sid)


# --- benchmarks -----------------------------------------------------------------------------------------------------------


def send_sync(options):
    """A blocking send, against the same request made with httpx."""
    count = 200 if options.quick else 500
    with loopback() as url:
        runs = (lambda: ours(url, count), lambda: bare(url, count))
        return [compare("send-sync", "time of one send / httpx.Client.post", "<=1.15", runs, options)]


def send_async(options):
    """An asynchronous send, against the same request made with httpx."""
    count = 200 if options.quick else 500
    with loopback() as url:
        runs = (lambda: ours_async(url, count), lambda: bare_async(url, count, 1))
        return [compare("send-async", "time of one send / httpx.AsyncClient.post", "<=1.15", runs, options)]


def send_providers(options):
    """A blocking send through each vendor's plugin, against the same request made with httpx."""
    count = 200 if options.quick else 500
    message = Message(to=NUMBER, text=TEXT, reference="benchmark")
    measures = []
    with loopback() as url:
        for name, settings in VENDORS.items():
            provider = default_plugins().provider_class(name)(**settings, base_url=url)
            request = next(provider.send(message))

            def theirs(request=request):
                arguments = {"headers": dict(request.headers), "content": request.body}
                with httpx.Client() as client:
                    send = lambda: client.request(request.method, request.url, **arguments).json()
                    send()
                    return timed(count, lambda: [send() for _ in range(count)])

            def ours(provider=provider):
                with SmsClient(provider) as sms:
                    sms.send(message)
                    return timed(count, lambda: [sms.send(message).id for _ in range(count)])

            of = "time of one send / the same by httpx.Client"
            measures.append(compare(f"send-{name}", of, "<=1.15", (ours, theirs), options))
    return measures


def many_100(options):
    """send_many with 100 in flight, no batches, against one httpx.AsyncClient with 100 in flight."""
    count, their = (2000, 200) if options.quick else (6000, 600)
    of = "rate of send_many / httpx.AsyncClient"
    with loopback() as url:
        provider = Loopback(url=url)
        runs = (lambda: many_async(provider, count, 100), lambda: bare_async(url, their, 100))
        return [compare("many-async-100", of, ">=15", runs, options)]


def many_10(options):
    """The blocking send_many with 10 threads, against Twilio's own SDK with 10 threads."""
    name, of, limit = "many-sync-10", "rate of send_many / twilio SDK", ">=1"
    if importlib.util.find_spec("twilio") is None:
        say(f"{name}: the package twilio is not installed")
        return [Measure(name, of, None, limit, None, theirs="not installed")]
    count = 500 if options.quick else 2000
    with loopback() as url:
        provider = Loopback(url=url)
        runs = (lambda: many_sync(provider, count, 10), lambda: twilio_sdk(url, count, 10))
        return [compare(name, of, limit, runs, options)]


def batches(options):
    """10,000 recipients through Twincle's batches, against one by one with httpx, 10 in flight."""
    name, of, limit = "twincle-10000", "recipients per s of send_many / one by one with httpx.AsyncClient", ">=20"
    try:
        from smsbridge_twincle import TwincleProvider
    except ImportError:
        say(f"{name}: the plugin smsbridge-twincle is not installed")
        return [Measure(name, of, None, limit, None, ours="not installed")]
    with loopback() as url:
        provider = TwincleProvider(access_token=TOKEN, base_url=f"{url}/api/v2", sender="ACME")
        runs = (lambda: many_async(provider, 10_000, 10), lambda: bare_async(url, 500, 10))
        return [compare(name, of, limit, runs, options)]


def memory(options):
    """Peak memory of send_many with a million messages from a generator, against ten thousand."""
    many = 200_000 if options.quick else 1_000_000
    measures = []
    for colour in ("async", "sync"):
        peaks = []
        for count in (10_000, many):
            say(f"memory-{colour}: {count:,} messages")
            command = [sys.executable, str(HERE / "memory.py"), colour, str(count)]
            peaks.append(float(subprocess.run(command, capture_output=True, check=True, text=True).stdout))
        few, all_of_them = peaks
        of = f"MiB more for {many:,} messages than for 10,000"
        more = all_of_them - few
        measures.append(
            Measure(f"memory-{colour}", of, more, "<=20", more <= 20, f"{all_of_them:.0f} MiB", f"{few:.0f} MiB")
        )
    return measures


def start(options):
    """From nothing to the first text on the console, and to the help, against importing httpx and pydantic-settings."""
    command = Path(sysconfig.get_path("scripts"), "smsbridge")
    runs = {
        "first": [sys.executable, "-c", f"import smsbridge; smsbridge.send({NUMBER!r}, {TEXT!r})"],
        "help": [str(command), "--help"],
        "import": [sys.executable, "-c", "import httpx, pydantic_settings"],
    }
    times = {name: [] for name in runs}
    for number in range(options.rounds * 3 + 1):  # the first round warms up
        for name, argv in runs.items():
            begin = perf_counter()
            subprocess.run(argv, capture_output=True, check=True)
            times[name] += [perf_counter() - begin] if number else []
    say(f"start: {options.rounds * 3} rounds")

    def ratio(name):
        return median(taken / base for taken, base in zip(times[name], times["import"], strict=True))

    base = f"{median(times['import']) * 1000:.0f} ms"
    return [
        Measure(
            name, of, ratio(key), limit, ratio(key) <= float(limit[2:]), f"{median(times[key]) * 1000:.0f} ms", base
        )
        for name, key, of, limit in (
            (
                "first-text",
                "first",
                "time to a first text on the console / to import httpx, pydantic_settings",
                "<=1.3",
            ),
            ("help", "help", "time of smsbridge --help / to import httpx, pydantic_settings", "<=0.5"),
        )
    ]


def lazy(options):
    """The heavy modules that ``import smsbridge`` loads: none."""
    heavy = ("httpx", "httpcore", "pydantic_settings", "asyncio", "smsbridge_twincle")
    code = f"import sys, smsbridge; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    loaded = done.stdout.split()
    return [
        Measure("lazy", "heavy modules that import smsbridge loads", len(loaded), "<=0", not loaded, " ".join(loaded))
    ]


BENCHMARKS = {
    "send-sync": send_sync,
    "send-async": send_async,
    "send-providers": send_providers,
    "many-async-100": many_100,
    "many-sync-10": many_10,
    "twincle-10000": batches,
    "memory": memory,
    "start": start,
    "lazy": lazy,
}


def table(measures):
    rows = [("benchmark", "ratio", "promise", "", "ours", "theirs", "of")]
    for measure in measures:
        verdict = {True: "kept", False: "MISSED", None: "-"}[measure.kept]
        ratio = "-" if measure.ratio is None else f"{measure.ratio:.2f}"
        rows.append(
            (measure.name, ratio, measure.limit, verdict, measure.ours or "-", measure.theirs or "-", measure.of)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def main():
    names = "\n".join(f"  {name:16} {run.__doc__}" for name, run in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=f"benchmarks:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="name", help="which to run; default: all")
    parser.add_argument("--rounds", type=int, default=5, help="how often contestants take turns (default 5)")
    parser.add_argument("--quick", action="store_true", help="fewer messages: a first impression")
    parser.add_argument("--cpu", action="store_true", help="compare computing time instead of time on the clock")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; have {', '.join(BENCHMARKS)}")
    measures = []
    for name in options.names or BENCHMARKS:
        say(f"{name}: {BENCHMARKS[name].__doc__}")
        measures += BENCHMARKS[name](options)
    output = json.dumps([asdict(measure) for measure in measures], indent=2) if options.json else table(measures)
    sys.stdout.write(f"{output}\n")


if __name__ == "__main__":
    main()
