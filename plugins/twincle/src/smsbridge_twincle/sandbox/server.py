"""The sandbox as a real server on loopback: `Sandbox` in a thread for tests, `serve` for the command."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from . import inbox, incoming
from .app import OptionNames, SandboxApp
from .faults import Faults
from .reading import BASE, Call
from .reports import OURS, Push
from .sending import LOOPBACK, is_loopback
from .state import Options, State, Text

T = TypeVar("T")
Peer = tuple[str, int | None] | None


class Sandbox:
    """A test server that runs during a `with` block, and answers as Twincle does.

    Keyword arguments are `port` (0: any free port), `host` (loopback only) and the fields of `Options`. All methods and
    properties are safe to use in the test's own thread.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **options: Unpack[OptionNames]) -> None:
        self.host = host
        self.port = port
        self.state = State(Options(**options))
        self.app = SandboxApp(self.state)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, and return once it listens.

        Raises:
            ValueError: the host is not loopback.
            OSError: the port is in use.

        """
        sock = listen(self.host, self.port)
        self.port = sock.getsockname()[1]
        listening = threading.Event()
        problem: list[BaseException] = []

        def ready() -> None:
            self._loop = asyncio.get_running_loop()
            listening.set()

        def run() -> None:
            try:
                self._server = Server(self.app, ready)
                asyncio.run(self._server.serve(sockets=[sock]))
            except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
                problem.append(error)
            finally:
                sock.close()
                listening.set()

        self._thread = threading.Thread(target=run, name="twincle-sandbox", daemon=True)
        self._thread.start()
        listening.wait()
        if problem:
            raise problem[0]

    def stop(self) -> None:
        """Stop the server, and return once it has ended."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = self._loop = None

    @property
    def base_url(self) -> str:
        """Return the base URL for a client: `http://127.0.0.1:PORT/api/v2/`"""
        return base_url(self.host, self.port)

    @property
    def inbox_url(self) -> str:
        """Return the URL of the inbox: `http://127.0.0.1:PORT/inbox`

        With `?to=919876543210` it lists the texts that a phone got.
        """
        return inbox_url(self.host, self.port)

    @property
    def inbound_url(self) -> str:
        """Return the URL of a page that acts as if a phone had sent a text: `http://127.0.0.1:PORT/inbound`"""
        return inbound_url(self.host, self.port)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables that point smsbridge at this sandbox."""
        return environment(self.base_url, self.state.options.token)

    @property
    def received(self) -> list[Text]:
        """Return the texts that the sandbox accepted, the oldest first. Texts that it refused are not among them."""
        return [text for text in list(self.state.texts) if not text.refused]

    @property
    def requests(self) -> list[Call]:
        """Return every request, without its token."""
        return list(self.app.requests)

    @property
    def codes(self) -> dict[str, str]:
        """Return the one-time codes that were sent, by the id of their verification."""
        return {code.id: code.code for code in list(self.state.codes.values())}

    @property
    def pushes(self) -> list[Push]:
        """Return every push that was tried, with its outcome."""
        return list(self.app.pusher.log)

    @property
    def faults(self) -> Faults:
        """Return the queue of programmed faults. To add a fault: `sandbox.faults.next(status=503, path="sms/send")`"""
        return self.app.faults

    def set_webhook(self, url: str, secret: str = "", *, handshake: bool = True) -> str:
        """Send reports to a loopback URL from now on. Returns the id of the webhook, for the setting `webhook_id`.

        Raises:
            ValueError: the URL is not on loopback.
            HandshakeError: the receiver did not answer the verification as documented.

        """
        if not is_loopback(url):
            raise ValueError(
                "the sandbox pushes to loopback only: give the webhook a URL on 127.0.0.1, ::1 or localhost"
            )
        webhook = self.state.add_webhook(url, secret)
        if handshake:
            self._call(self.app.pusher.handshake(webhook))
        webhook.verified = True
        return webhook.id

    def push_report(self, id: str, status: str | None = None) -> Push | None:
        """Give the text with this id its final status now, and push the delivery report.

        `status` is a word of Twincle; if it is None, the number of the text decides. Returns the push, or None if the
        text has no receiver of reports.

        Raises:
            KeyError: no text has this id.

        """

        async def report(text: Text) -> Push | None:
            text.reported, text.reported_at = status or text.ends, self.state.now()
            return await self.app.pusher.finish(text, text.reported)

        return self._call(report(self.state.by_id[id]))

    def inbound(self, text: str, *, sender: str = "919876543210", to: str = OURS) -> Push:
        """Push an incoming text to the webhook, as if the phone `sender` had sent it to the number `to`.

        Raises:
            ValueError: no webhook is set.

        """
        if self.state.subscribed is None:
            raise ValueError("no webhook is set: call set_webhook first")
        return self._call(self.app.pusher.inbound(self.state.subscribed, sender, to, text))

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock forward, and wait until all due reports are pushed."""

        async def move() -> None:
            self.state.skipped += seconds
            await self.app.pusher.settled()

        self._call(move())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            work.close()
            raise RuntimeError("the sandbox is not running: use it in a with block")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)


class Server(uvicorn.Server):
    """A uvicorn server that calls `ready` when it listens, can cut connections, and waits for no delayed answer."""

    def __init__(self, app: SandboxApp, ready: Callable[[], None]) -> None:
        connections: dict[tuple[Peer, Peer], asyncio.Transport] = {}

        class Cuttable(H11Protocol):
            """A protocol that registers its transport under the two addresses of an ASGI scope."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                connections[self.client, self.server] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop((self.client, self.server), None)
                super().connection_lost(exc)

        def hang_up(scope: Scope, at_once: bool) -> None:  # noqa: FBT001
            transport = connections.get((scope["client"], scope["server"]))
            if transport:
                (transport.abort if at_once else transport.close)()

        app.hang_up = hang_up
        self.app = app
        self.ready = ready
        super().__init__(
            uvicorn.Config(
                app,
                http=Cuttable,
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.app.aclose()
        await super().shutdown(sockets)


def serve(app: SandboxApp, sock: socket.socket, ready: Callable[[], None], stop_after: float) -> bool:
    """Run the sandbox `app` on the socket `sock` in the main thread, and call `ready` once it listens.

    Returns false after an interrupt, and true after `stop_after` seconds without a request.
    """
    server = Server(app, ready)

    async def run() -> bool:
        watch = asyncio.create_task(_idle(app, server, stop_after))
        await server.serve(sockets=[sock])
        watch.cancel()
        return watch.done() and not watch.cancelled()

    idle = False
    with suppress(KeyboardInterrupt):
        idle = asyncio.run(run())
    return idle


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on loopback.

    Raises:
        ValueError: the host is not loopback, so that other machines could read the texts.
        OSError: the port is in use.

    """
    if not LOOPBACK.fullmatch(host):
        raise ValueError(f"a test server listens on loopback only (127.0.0.1, ::1, localhost), not on {host}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the protocol is named; without it, each answer takes 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2048)
    except OSError:
        sock.close()
        raise
    return sock


def base_url(host: str, port: int) -> str:
    """Return the base URL of a sandbox, for a client."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{BASE}"


def inbox_url(host: str, port: int) -> str:
    """Return the URL of the inbox of a sandbox, for programs."""
    return f"{base_url(host, port).removesuffix(BASE)}/{inbox.PATH}"


def inbound_url(host: str, port: int) -> str:
    """Return the URL of a sandbox that acts as if a phone had sent a text."""
    return f"{base_url(host, port).removesuffix(BASE)}/{incoming.PATH}"


def environment(url: str, token: str) -> dict[str, str]:
    """Return the environment variables that make smsbridge use a sandbox."""
    return {
        "SMSBRIDGE_PROVIDER": "twincle",
        "SMSBRIDGE_TWINCLE_BASE_URL": url,
        "SMSBRIDGE_TWINCLE_ACCESS_TOKEN": token,
        "SMSBRIDGE_TWINCLE_SENDER": "SNDBOX",
    }


async def _idle(app: SandboxApp, server: Server, stop_after: float) -> None:
    app.last_request = time.monotonic()
    while (left := app.last_request + stop_after - time.monotonic()) > 0:  # noqa: ASYNC110 - only time can end it
        await asyncio.sleep(left)
    server.should_exit = True
