"""The internals of httpx, httpcore and h11: the ones that we use exist, and are used in one file only."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
import threading
from importlib.metadata import requires, version
from pathlib import Path

import h11
import pytest

import smsbridge
from smsbridge.http import HttpRequest
from smsbridge.wire import httpx_line
from smsbridge.wire.httpx_line import AsyncLine, Line, open_line, request_of
from smsbridge.wire.outgoing import Wire

PRIVATE = r"httpx\._main|_network_backend|_h11_state|_reading_trailer|\._pool\b|\._reader\b"


def blocking(request, look):
    line = open_line(Line, None)
    try:
        with contextlib.closing(line.handle_request(request).stream) as stream:
            look(line)
            assert b"".join(stream) == b"{}"
    finally:
        line.network.hang_up()


def asynchronous(request, look):
    async def run():
        line = open_line(AsyncLine, None)
        try:
            async with contextlib.aclosing((await line.handle_async_request(request)).stream) as stream:
                look(line)
                assert b"".join([chunk async for chunk in stream]) == b"{}"
        finally:
            line.network.hang_up()

    asyncio.run(run())


@pytest.fixture(params=[blocking, asynchronous])
def exchange(request):
    """Get an answer in chunks from a server; call ``look`` with the line before the body is read."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            wire, _ = listener.accept()
            with wire:
                wire.recv(65536)
                wire.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
                wire.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        yield lambda look: request.param(request_of(Wire(HttpRequest.get(url), {}), timeout=5), look)
        thread.join(10)


def test_the_sockets_are_ours(exchange):
    def look(line):
        assert line._pool._network_backend is line.network
        assert line.network.exchange.left

    exchange(look)


def test_a_line_tells_whether_its_connection_is_idle(exchange):
    lines = []
    exchange(lambda line: lines.append((line, [connection.is_idle() for connection in line._pool.connections])))
    ((line, before),) = lines
    assert before == [False]
    assert [connection.is_idle() for connection in line._pool.connections] == [True]


def test_the_parser_of_an_answer_is_found(exchange):
    parsers = []
    exchange(lambda line: parsers.append(httpx_line._parser(line)))
    assert isinstance(parsers[0], h11.Connection)
    assert parsers[0].trailing_data == (b"", False)


def test_the_reader_of_chunks_knows_where_the_body_ends(exchange):
    readers = []

    def look(line):
        readers.append(httpx_line._parser(line)._reader)
        assert readers[0]._reading_trailer is False

    exchange(look)
    assert readers[0]._reading_trailer is True


# --- their use -------------------------------------------------------------------------------------------------------------


def test_one_file_of_the_wire_uses_private_parts():
    folder = Path(smsbridge.__file__).parent
    users = {path.name for path in (folder / "wire").rglob("*.py") if re.search(PRIVATE, path.read_text("utf-8"))}
    assert users == {"httpx_line.py"}


@pytest.mark.parametrize("name", ["httpx", "httpcore", "h11"])
def test_a_version_that_may_have_other_insides_is_not_installed_beside_us(name):
    (bounds,) = [requirement for requirement in requires("smsbridge") if re.match(rf"{name}\b[<>=]", requirement)]
    (above,) = re.findall(r"<(\d+)\.(\d+)", bounds)
    major, minor, *_ = version(name).split(".")
    assert (int(major), int(minor) + 1) == tuple(map(int, above))


def test_the_command_line_of_httpx_stays_where_an_application_imported_it():
    code = "import httpx._main, sys; import smsbridge.wire.over_httpx; print(sys.modules['httpx._main'].__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "httpx._main\n"


def test_the_command_line_of_httpx_is_not_imported():
    code = "import smsbridge.wire.over_httpx, sys; print([m for m in ('rich', 'click', 'httpx._main') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport httpx._main"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
