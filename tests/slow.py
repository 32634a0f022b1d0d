"""A vendor on loopback that is slow, or hangs up, at any stage, and a provider for it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from scripted import HttpProvider
from smsbridge.messages import SentMessage

BODY = b'{"id": "vendor-1"}'
HEAD = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"


class Vendor:
    """Answers each request by its path. ``asked`` has the time and the path of each request; ``open`` has the connections."""

    def __init__(self):
        self.asked = []
        self.open = []
        self._stop = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self):
        self._stop.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def wait_for(self, count):
        """Wait until ``count`` requests have come."""
        _until(lambda: len(self.asked) >= count)

    def nothing_open(self):
        """Wait until no connection is open."""
        _until(lambda: not self.open)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._threads.append(threading.Thread(target=self._serve, args=[connection]))
                self._threads[-1].start()

    def _serve(self, connection):
        self.open.append(connection)
        with connection, contextlib.suppress(OSError):
            self._read(connection)
        self.open.remove(connection)

    def _read(self, connection):
        with connection.makefile("rb") as read:
            while line := read.readline():
                length = 0
                while (header := read.readline()) not in (b"\r\n", b""):
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.partition(b":")[2])
                read.read(length)
                path = line.split()[1].decode().strip("/")
                self.asked.append((time.monotonic(), path))
                if not self._answer(connection, *path.split("/")):
                    return

    def _answer(self, connection, operation, how):
        body = b'{"id": null}' if how == "absent" else BODY
        match how:
            case "silent":
                return self._stop.wait(30)
            case "drip":
                connection.sendall(HEAD % (200, 1000, b""))
                while not self._stop.wait(0.02):
                    connection.sendall(b" ")
                return False
            case "cut":
                return False
            case "late":
                self._stop.wait(0.1)
        status = int(how) if how.isdecimal() else 200
        if how == "busy":
            return not connection.sendall(HEAD % (429, len(body), b"retry-after: 60\r\n") + body)
        connection.sendall(HEAD % (status, len(body), b"") + body)
        return True


def _until(holds):
    end = time.monotonic() + 3
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


class Slow(HttpProvider):
    """``sends`` and ``finds`` are the paths of a send and a look-up."""

    name = "slow"
    url: str
    sends: str = "ok"
    finds: str = "silent"

    def _ask(self, path, sends=False, **body):
        how = self.sends if sends else self.finds
        flow = super()._ask(path, sends=sends, **body)
        step = next(flow)
        answer = yield type(step)(
            method="POST", url=f"{self.url}{path}/{how}", headers=step.headers, body=step.body, sends=sends
        )
        try:
            flow.send(answer)
        except StopIteration as stop:
            return stop.value

    def lookup(self, reference):
        data = yield from self._ask("/lookup", reference=reference)
        if data["id"] is None:
            return None
        return SentMessage(account=self.account, provider=self.name, id=data["id"], reference=reference)
