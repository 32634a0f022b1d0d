"""The torture server: it follows the script of a behaviour on its first connection, and is sound on all others.

A sound connection answers each request with the text in it, as the id: a client that takes the answer of another request
gets a wrong id.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable

from .certificates import Certificates

Script = Callable[["Peer"], object]
"""The script of a connection. True: it continues as a sound connection."""

_DIGITS = "9876543210"
"""The recipient's number, in which errors may not quote any part, in whatever direction."""

_LINGER = struct.pack("ii", 1, 0)


def answer(text: str, *headers: str, status: str = "200 OK", body: bytes | None = None, length: object = None) -> bytes:
    """A whole answer that accepts ``text``, with changes."""
    body = json.dumps({"id": text}).encode() if body is None else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Peer:
    """A connection on the server's side."""

    def __init__(self, server: Torture, sock: socket.socket) -> None:
        self.server = server
        self.sock: socket.socket | ssl.SSLSocket | Inner = sock
        self._data = b""
        self._size = 0
        self.text = ""
        """The text of the last request."""

    def asked(self) -> None:
        """Wait until a part of a request is there, and take nothing."""
        select.select([self.server.raw[self]], [], [], 10)

    def head(self) -> bytes | None:
        """The head of the next request; None if there is none."""
        while b"\r\n\r\n" not in self._data:
            chunk = self.sock.recv(65536)
            if not chunk:
                return None
            self._data += chunk
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        self._size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or b"0")
        return head

    def request(self) -> str | None:
        """The text of the next request, recorded when it is whole; None if there is none."""
        return None if self.head() is None else self.rest()

    def rest(self) -> str | None:
        """Like :meth:`request`, after its head was read."""
        parts, have = [self._data], len(self._data)
        while have < self._size:
            chunk = self.sock.recv(1024 * 1024)
            if not chunk:
                return None
            parts.append(chunk)
            have += len(chunk)
        body, self._data = b"".join(parts), b""
        self.text = json.loads(body)["text"].partition("|")[0]
        self.server.texts.append(self.text)
        return self.text

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def accept(self, *headers: str, **options: object) -> None:
        """Answer the last request."""
        self.send(answer(self.text, *headers, **options))

    def ready(self) -> None:
        """The behaviour is done: the next text may come."""
        self.server.ready.set()

    def hold(self) -> None:
        """Stay silent until the client hangs up or the test is over."""
        self.ready()
        self.server.raw[self].settimeout(0.1)
        while not self.server.stopped.is_set():
            try:
                if not self.sock.recv(65536):
                    return
            except TimeoutError:
                continue

    def drip(self, data: bytes) -> None:
        """Send ``data`` again and again until the client hangs up."""
        while not self.server.stopped.wait(0.02):
            self.send(data)

    def pour(self, data: bytes, size: int = 64 * 1024 * 1024) -> None:
        """Send ``data`` again and again, as fast as possible, until the client hangs up, but not for ever."""
        block = data * (65536 // len(data) + 1)
        for _ in range(size // len(block)):
            self.send(block)

    def reset(self) -> None:
        """Hang up with an error."""
        self.server.raw[self].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)

    def farewell(self) -> None:
        """Close TLS properly; most servers just hang up."""
        if isinstance(self.sock, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                self.sock.settimeout(0.05)
                self.sock.unwrap()

    def shake(self, context: ssl.SSLContext) -> None:
        """Become a TLS server, also inside TLS."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock = Inner(self.sock, context)
        else:
            # Raises OSError for a client that has hung up. Wrapping its socket would raise too, and leave the socket open.
            self.sock.getpeername()
            self.sock = context.wrap_socket(self.sock, server_side=True)
            self.server.raw[self] = self.sock

    def sound(self) -> None:
        """Answer all requests."""
        while self.request() is not None:
            self.accept()
            self.ready()


class Inner:
    """A TLS server inside TLS; the standard library does not wrap a wrapped socket."""

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext) -> None:
        self._outer = outer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._in, self._out, server_side=True)
        self._do(self._ssl.do_handshake)

    def _do(self, work, *arguments):
        while True:
            try:
                done = work(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                data = self._outer.recv(65536)
                self._in.write(data) if data else self._in.write_eof()
                continue
            finally:
                self._flush()
            return done

    def _flush(self) -> None:
        if data := self._out.read():
            self._outer.sendall(data)

    def recv(self, size: int) -> bytes:
        try:
            return self._do(self._ssl.read, size)
        except ssl.SSLEOFError:
            return b""

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._do(self._ssl.write, view) :]


def _listening() -> socket.socket:
    """A listening socket whose port is not a part of the recipient's number: errors would hide those digits."""
    while True:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # so that a large request does not fit
        listener.bind(("127.0.0.1", 0))
        if str(listener.getsockname()[1]) not in f"{_DIGITS} {_DIGITS[::-1]}":
            listener.listen(20)
            return listener
        listener.close()


class Torture:
    """A server on the loopback. ``route`` names the proxies and TLS between the client and the requests."""

    def __init__(self, route: str, stage: str, script: Script, certificates: Certificates) -> None:
        self._route = route
        self._stage = stage
        self._script = script
        self.certificates = certificates
        self._listener = _listening()
        self._threads: list[threading.Thread] = []
        self.raw: dict[Peer, socket.socket] = {}
        self.texts: list[str] = []
        self.connections = 0
        self.ready = threading.Event()
        self.begun = threading.Event()  # its immediate action
        self.stopped = threading.Event()
        self.address = self._listener.getsockname()
        self.place = f"127.0.0.1:{self.address[1]}"
        self._start(self._accept)

    def stop(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self.raw.values()):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(10)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._start(self._serve, Peer(self, sock), sock, self.connections == 1)

    def _serve(self, peer: Peer, sock: socket.socket, first: bool) -> None:
        self.raw[peer] = sock
        try:
            if self._stages(peer, self._script if first else None):
                peer.sound()
        except (OSError, ValueError):  # the client hung up
            pass
        finally:
            self.raw[peer].close()
            sock.close()
            self.begun.set()
            self.ready.set()

    def _stages(self, peer: Peer, script: Script | None) -> bool:
        """Do the proxy and TLS steps before the requests, and the script at its stage. Returns whether the connection continues as a sound one."""
        context = self.certificates.contexts["sound"]
        if script is not None and self._stage == "accept" and not script(peer):
            return False
        if self._route.endswith("tls proxy"):
            peer.shake(context)
        if "tunnel" in self._route:
            if peer.head() is None:
                return False
            if script is not None and self._stage == "proxy":
                if not script(peer):
                    return False
            else:
                peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if script is not None and self._stage == "handshake":
            if not script(peer):
                return False
        elif "tunnel" in self._route or self._route == "tls":
            peer.shake(context)
        return script is None or self._stage != "open" or bool(script(peer))
