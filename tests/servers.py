"""Real servers on the loopback, each in a thread while a ``with`` block lasts."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


@contextmanager
def uvicorn_serves(app: Any, **options: Any) -> Iterator[int]:
    import uvicorn

    config = uvicorn.Config(app, log_config=None, log_level="error", ws="none", **{"lifespan": "off"} | options)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


class ThreadingWsgiServer(ThreadingMixIn, WSGIServer):
    daemon_threads = False


class QuietWsgi(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def wsgiref_serves(app: Any) -> Iterator[int]:
    with serving(make_server("127.0.0.1", 0, app, ThreadingWsgiServer, QuietWsgi)) as port:
        yield port


@contextmanager
def serving(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
