"""A server on the loopback: it passes each request to a function, or records requests and gives a scripted answer."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from smsbridge.http import HttpRequest, HttpResponse


@contextmanager
def serving(answer):
    """The address of a server that answers each request (its URL without the host) by calling ``answer``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet, or each answer waits for an acknowledgement

        def _serve(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            given = answer(HttpRequest(method=self.command, url=self.path, headers=self.headers.items(), body=body))
            self.send_response(given.status)
            for name, value in {**given.headers, "content-length": str(len(given.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(given.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  # the names that http.server looks for

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Recorder:
    """Records the ``requests``, and gives each the same ``answer``."""

    def __init__(self):
        self.url = ""
        self.requests = []
        self.answer = HttpResponse(status=500)

    @classmethod
    @contextmanager
    def running(cls):
        recorder = cls()
        with serving(recorder._take) as recorder.url:
            yield recorder

    def _take(self, request):
        self.requests.append(request)
        return self.answer

    def answers(self, data, status=200):
        """Answer with ``data`` as JSON from now on, and forget earlier requests."""
        self.answer = HttpResponse.of_json(data, status=status)
        self.requests.clear()

    def taken(self):
        """The requests since the last call; they are then forgotten."""
        requests, self.requests[:] = self.requests[:], []
        return requests
