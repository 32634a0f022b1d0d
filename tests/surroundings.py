"""Runs the tests of transports, clients and ledger as applications run them: under uvloop, patched by gevent, in a second event
loop, in a forked process; and the tests of tools that guard tests, which the main environment lacks in part.

It needs an environment of its own: ``--block-network`` does not stop uvloop, and gevent patches the whole process::

    uv run --isolated --with uvloop --with gevent --with respx --with pytest-httpx --with pytest-socket tests/surroundings.py

Names of surroundings, such as ``uvloop``, run these alone; other words go to pytest. Also a plugin of pytest: ``-p surroundings --surroundings=fork``, with this folder on the path.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = [
    *("wire/test_over_httpx.py", "wire/test_dialing.py", "test_torture.py", "test_guards.py", "test_client.py"),
    *("test_send_many.py", "test_sending.py", "test_model.py", "test_outbox.py"),
    *("test_policies_ledger.py", "test_policies_limit.py", "test_policies_retry.py", "test_policies_failover.py"),
]
PLACES = ("uvloop", "gevent", "second-loop", "fork")


def pytest_addoption(parser):
    parser.addoption("--surroundings", choices=PLACES, help="where the tests run")


def pytest_configure(config):
    place = config.getoption("--surroundings")
    if place == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    elif place == "gevent":
        from gevent import monkey

        assert monkey.is_module_patched("socket"), "start pytest with python -m gevent.monkey --module pytest"
    elif place == "second-loop":
        config.pluginmanager.register(SecondLoop(), "smsbridge-second-loop")
    elif place == "fork":
        config.pluginmanager.register(Forks(), "smsbridge-forks")


def pytest_report_header(config):
    return f"surroundings: {config.getoption('--surroundings')}, event loops are {type(asyncio.new_event_loop()).__module__}"


# --- a second event loop ---------------------------------------------------------------------------------------------------


class Warm:
    """A server that echoes requests and keeps connections open."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            sock, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with sock, contextlib.suppress(OSError):
            while sock.recv(65536):
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


def elsewhere(make):
    """The result of a coroutine in another thread's event loop, which is then closed."""
    result = []
    thread = threading.Thread(target=lambda: result.append(asyncio.run(make())))
    thread.start()
    thread.join()
    return result[0]


class Used:
    """Give tests transports that were used before, with an idle connection, in place of new ones."""

    MANY = 4  # of each kind; beyond that, transports are new

    def __init__(self, *kinds):
        self._warm = Warm()
        self._used = {kind: [] for kind in kinds}
        for kind in kinds:
            self._adopt(kind, kind.__init__)

    def _adopt(self, kind, make):
        def made(transport, *, timeout):
            make(transport, timeout=timeout)
            if self._used[kind]:
                transport.__dict__.update({**self._used[kind].pop().__dict__, "_timeout": timeout})

        kind.__init__ = made

    def prepare(self):
        """Use enough transports for a test."""
        from smsbridge import HttpRequest
        from smsbridge.wire.over_httpx import Transport

        request = HttpRequest.get(self._warm.url)
        for kind, used in self._used.items():
            kept, used[:] = used[:], []
            kept += [kind(timeout=5.0) for _ in range(self.MANY - len(kept))]
            for transport in kept:
                answer = transport.send(request) if kind is Transport else elsewhere(partial(transport.send, request))
                assert answer.ok
            used.extend(kept)


class SecondLoop:
    """Use each transport and each client first in an event loop that has ended."""

    def __init__(self):
        from smsbridge import AsyncSmsClient
        from smsbridge.wire.over_httpx import AsyncTransport

        self._used = Used(AsyncTransport)
        run = AsyncSmsClient._run

        def nothing():
            yield from ()

        async def running(client, flow, *arguments):
            if not client.__dict__.get("was_elsewhere") and not client._closed:
                client.was_elsewhere = True
                elsewhere(lambda: run(client, nothing()))
            return await run(client, flow, *arguments)

        AsyncSmsClient._run = running

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self):
        self._used.prepare()


# --- a forked process ------------------------------------------------------------------------------------------------------


class Forks:
    """Run each test in a forked process whose parent has used its transports, a client and a ledger before."""

    def __init__(self):
        from smsbridge.wire.over_httpx import AsyncTransport, Transport

        self._used = Used(Transport, AsyncTransport)
        self._client = self._use_a_ledger()

    def _use_a_ledger(self):
        import tempfile

        from smsbridge import Plugins, SmsClient
        from smsbridge.builtin.memory import MemoryProvider
        from smsbridge.ledger.policy import LedgerPolicy

        path = Path(tempfile.mkdtemp(), "parent.db")
        client = SmsClient(LedgerPolicy(inner=MemoryProvider(), path=path), plugins=Plugins())
        client.send("+919876543210", "of the parent")
        return client

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        from _pytest.runner import runtestprotocol

        self._used.prepare()
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            os.close(ours)
            reports = runtestprotocol(item, log=False, nextitem=None)
            told = [
                item.config.hook.pytest_report_to_serializable(config=item.config, report=report) for report in reports
            ]
            with os.fdopen(theirs, "w") as pipe:
                json.dump(told, pipe, default=str)
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            told = pipe.read()
        os.waitpid(child, 0)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in json.loads(told) if told else [self._crash(item)]:
            made = item.config.hook.pytest_report_from_serializable(config=item.config, data=report)
            item.ihook.pytest_runtest_logreport(report=made)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _crash(self, item):
        pytest.exit(f"the process of {item.nodeid} ended without a report", 1)


# --- all surroundings ------------------------------------------------------------------------------------------------------


def main():
    failed = []
    words = sys.argv[1:]
    for place in [word for word in words if word in PLACES] or PLACES:
        runner = ["-m", "gevent.monkey", "--module", "pytest"] if place == "gevent" else ["-m", "pytest"]
        workers = "-n0" if place == "gevent" else "-nauto"
        files = [str(HERE / name) for name in FILES]
        command = [
            sys.executable,
            *runner,
            "-q",
            workers,
            "-p",
            "surroundings",
            f"--surroundings={place}",
            *(word for word in words if word not in PLACES),
            *files,
        ]
        began = time.monotonic()
        done = subprocess.run(command, cwd=HERE.parent, env={**os.environ, "PYTHONPATH": str(HERE)}, check=False)
        word = "FAILED" if done.returncode else "passed"
        sys.stdout.write(f"--- {place}: {word} in {time.monotonic() - began:.0f} s\n")
        sys.stdout.flush()
        failed += [place] if done.returncode else []
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
