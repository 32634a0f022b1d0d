"""``smsbridge send``, as a process that gets a signal: its report of each text is what the vendor knows."""

# ruff: noqa: PT012  # the end of a block raises

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from smsbridge.cli import signals
from smsbridge.cli.exits import Exit

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
COUNT = 3000
ENDS = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED, signal.SIGHUP: Exit.HUNG_UP}


class Vendor(ThreadingHTTPServer):
    """Twincle's API for batches and single texts, on loopback. ``took`` has the accepted references."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self, seconds):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seconds, self.took, self.asked = seconds, Counter(), threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/api/v2/"

    def wait_for(self, count):
        until = time.monotonic() + 30
        while self.took.total() < count:
            assert time.monotonic() < until
            time.sleep(0.002)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        given = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.set()
        data = json.loads(given) if given.startswith(b"{") else {"nodes": []}  # a single text is a form
        rows = [
            {"id": f"id-{node['custom']}", "custom": node["custom"], "mobile": node["to"], "status": "AWAITING-DLR"}
            for node in data["nodes"]
        ]
        self.server.took.update(row["custom"] for row in rows)
        time.sleep(self.server.seconds)
        body = json.dumps({"status": "OK", "message": "Submitted", "data": rows}).encode()
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def vendor(request):
    with Vendor(getattr(request, "param", 0.01)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "messages.jsonl"
    rows = ({"to": f"+9198{number:08}", "text": f"Hi {number}", "reference": f"r-{number}"} for number in range(COUNT))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def command(vendor, *args, **more):
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("SMSBRIDGE_")} | {
        "SMSBRIDGE_PROVIDER": "twincle",
        "SMSBRIDGE_TWINCLE_BASE_URL": vendor.url,
        "SMSBRIDGE_TWINCLE_ACCESS_TOKEN": "not-a-token",
        "SMSBRIDGE_TWINCLE_SENDER": "ACMEIN",
        "SMSBRIDGE_CONCURRENCY": "4",
        "PYTHONUNBUFFERED": "",
    }
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "smsbridge", "send", *args], env=surroundings, **{**pipes, **more})


def told(stdout, stderr=b""):
    """The outcome of each text by its reference, from both outputs."""
    documents = [json.loads(line) for line in stdout.splitlines()]
    found = [
        (document.get("reference") or document["error"]["reference"], document["outcome"]) for document in documents
    ]
    aside = re.findall(r"^(accepted|refused|uncertain) .*reference (r-\d+)", stderr.decode(), re.MULTILINE)
    return [*found, *((reference, outcome) for outcome, reference in aside)]


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_finishes_what_is_in_flight_and_tells_every_result(vendor, texts, number):
    with command(vendor, "--many", str(texts), "--json") as child:
        vendor.wait_for(200)
        child.send_signal(number)
        stdout, stderr = child.communicate(timeout=60)
    outcomes = told(stdout, stderr)
    assert Counter(reference for reference, _ in outcomes) == vendor.took
    assert {outcome for _, outcome in outcomes} == {"accepted"}
    assert 200 <= len(outcomes) < COUNT
    assert f"{len(outcomes)} messages: {len(outcomes)} accepted; interrupted: the rest was not sent" in stderr.decode()
    assert child.returncode == ENDS[number]


@pytest.mark.parametrize("seed", range(3))
def test_at_whatever_moment_it_comes_the_results_told_are_the_texts_at_the_vendor(vendor, texts, seed):
    chance = random.Random(seed)
    vendor.seconds = chance.choice([0.0, 0.005])
    with command(vendor, "--many", str(texts), "--json") as child:
        vendor.asked.wait(30)
        time.sleep(chance.random() * 0.3)
        child.send_signal(chance.choice(list(ENDS)))
        stdout, stderr = child.communicate(timeout=60)
    outcomes = told(stdout, stderr)
    assert Counter(reference for reference, _ in outcomes) == vendor.took
    assert {outcome for _, outcome in outcomes} <= {"accepted"}
    assert f"{len(outcomes)} messages: " in stderr.decode()


@pytest.mark.parametrize("vendor", [30], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_a_second_signal_ends_it_at_once_and_what_it_leaves_is_told_as_uncertain(vendor, texts, number):
    with command(vendor, "--many", str(texts), "--json") as child:
        vendor.wait_for(4)
        child.send_signal(number)
        assert b"interrupted: waiting for" in child.stderr.readline()
        begun = time.monotonic()
        child.send_signal(number)
        stdout, stderr = child.communicate(timeout=60)
    assert time.monotonic() - begun < 10
    outcomes = told(stdout, stderr)
    assert set(vendor.took) <= {reference for reference, _ in outcomes}
    assert {outcome for _, outcome in outcomes} == {"uncertain"}
    assert child.returncode == ENDS[number]


@pytest.mark.parametrize("vendor", [30], indirect=True)
def test_a_single_text_that_was_on_its_way_is_told_as_uncertain(vendor):
    with command(vendor, "+919876543210", "Hi", "--reference", "r-1") as child:
        assert vendor.asked.wait(30)
        child.send_signal(signal.SIGTERM)
        stdout, stderr = child.communicate(timeout=60)
    assert (child.returncode, stdout) == (Exit.TERMINATED, b"")
    assert b"may have been sent" in stderr
    assert b"r-1" in stderr
    assert b"Traceback" not in stderr


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="files of Linux")
def test_a_signal_while_nothing_is_read_yet_ends_it_with_nothing_sent(vendor):
    with command(vendor, "--many", "-", stdin=subprocess.PIPE) as child:
        until = time.monotonic() + 30
        while b"SigCgt" in (status := status_of(child)) and not caught(status, signal.SIGTERM):
            assert time.monotonic() < until
        time.sleep(0.2)
        child.send_signal(signal.SIGTERM)
        stdout, stderr = child.communicate(timeout=60)
    assert (child.returncode, stdout) == (Exit.TERMINATED, b"")
    assert b"Traceback" not in stderr
    assert not vendor.took


def status_of(child):
    return Path(f"/proc/{child.pid}/status").read_bytes()


def caught(status, number):
    mask = int(re.search(rb"SigCgt:\s*([0-9a-f]+)", status)[1], 16)
    return mask >> (number - 1) & 1


def test_a_reader_that_goes_away_costs_no_result(vendor, texts):
    """As with ``| head -3``: the other texts are reported on standard error."""
    with command(vendor, "--many", str(texts), "--json") as child:
        for _ in range(3):
            child.stdout.readline()
        child.stdout.close()
        stderr = child.stderr.read().decode()
        child.wait(60)
    outcomes = told(b"", stderr.encode())
    assert vendor.took.total() == COUNT
    assert len(set(outcomes)) >= COUNT - 500  # the content of the pipe is lost with its reader
    assert f"{COUNT} messages: {COUNT} accepted" in stderr
    assert "standard output cannot be written" in stderr
    assert child.returncode == Exit.OK


# --- the signals themselves -----------------------------------------------------------------------------------------------


def test_what_others_ignore_or_handle_is_left_to_them():
    seen = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        with signals.as_interrupts():
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(signals.Ended) as interrupt:
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert (seen, interrupt.value.code) == ([1], Exit.INTERRUPTED)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_is_held_comes_at_the_end_and_a_second_one_at_once():
    done = []
    with signals.as_interrupts():
        with pytest.raises(signals.Ended) as interrupt, signals.held():
            signal.raise_signal(signal.SIGTERM)
            done.append(1)
        assert (done, interrupt.value.code) == ([1], Exit.TERMINATED)
        with pytest.raises(signals.Ended) as interrupt, signals.held():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            done.append(2)
        assert (done, interrupt.value.code) == ([1], Exit.TERMINATED)


def test_in_another_thread_signals_stay_as_they_are():
    before = signal.getsignal(signal.SIGTERM)

    def work():
        with signals.as_interrupts(), signals.ignored():
            assert signal.getsignal(signal.SIGTERM) is before

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
