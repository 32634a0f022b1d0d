"""The table of behaviours of a server, and the outcome of the text. The next text is always accepted, unless the table says otherwise."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from smsbridge import HttpResponse, RefusedError

from .server import Peer, Script, answer

ACCEPTED, REFUSED, UNCERTAIN = "accepted", "refused", "uncertain"
PLAIN = ("direct", "forward proxy")
TUNNELS = ("tunnel proxy", "tunnel, tls proxy")
ENCRYPTED = ("tls", *TUNNELS)  # outcomes of the server itself
FEW = ("direct", "tls")  # for slow behaviours
ROUTES = (*PLAIN, "tls", "tunnel proxy", "forward, tls proxy", "tunnel, tls proxy")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = 1_500_000  # bytes, more than the buffers between the client and a server that does not read
SOON = 0.8  # seconds for a text if the server is silent


@dataclass(frozen=True)
class Behaviour:
    """The behaviour of the first connection at ``stage``, and the outcomes of the text ``first`` and of the next text, ``second``."""

    name: str
    script: Script
    first: str
    second: str = ACCEPTED
    stage: str = "open"
    """``open``: the request is coming; before it ``accept``, ``proxy`` (asked for a tunnel), ``handshake`` (of the server)."""
    routes: tuple[str, ...] = ROUTES
    within: float | None = None
    ahead: bool = False
    """The client begins late, so an immediate action of the server comes before the request."""
    size: int = 0
    """Bytes of the request without the text."""


def after_request(
    reply: bytes | Callable[[Peer], bytes] = b"", *, then: Callable[[Peer], object] | None = None
) -> Script:
    """Take the request, send ``reply``, and do ``then`` (by default, hang up)."""

    def script(peer: Peer) -> object:
        peer.request()
        data = reply if isinstance(reply, bytes) else reply(peer)
        if data:
            peer.send(data)
        return then(peer) if then is not None else None

    return script


def goes_on(reply: bytes | Callable[[Peer], bytes] = b"") -> Script:
    """Take the request, send ``reply``, and continue as a sound server."""
    return after_request(reply, then=lambda peer: peer.ready() or True)


def at_once(data: bytes = b"", then: Callable[[Peer], object] | None = None) -> Script:
    """Send ``data`` before any request."""

    def script(peer: Peer) -> object:
        if data:
            peer.send(data)
        if then in (hold, go_on):
            peer.server.begun.set()
        return then(peer) if then is not None else None

    return script


def idle(data: bytes = b"", then: Callable[[Peer], object] | None = None) -> Script:
    """Answer the request, and after the client has read it, send data that it did not ask for."""

    def script(peer: Peer) -> object:
        peer.request()
        peer.accept()
        peer.server.stopped.wait(0.05)
        if data:
            peer.send(data)
        result = then(peer) if then is not None else None
        if result:  # otherwise it is ready when it has hung up
            peer.ready()
        return result

    return script


def early(
    *parts: bytes, after: Callable[[Peer], object] = Peer.head, then: Callable[[Peer], object] = Peer.hold
) -> Script:
    """Send ``parts``, one after the other, after the head of a request, and do not read its body."""

    def script(peer: Peer) -> object:
        after(peer)
        for part in parts:
            peer.send(part)
            peer.server.stopped.wait(0.03)
        return then(peer)

    return script


def half(peer: Peer) -> None:
    """Take the head of a request and a good part of what follows."""
    peer.head()
    for _ in range(5):
        peer.sock.recv(65536)


def byte_by_byte(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


def reads_no_more(peer: Peer) -> None:
    """Take only the head of a request."""
    peer.head()
    peer.ready()
    peer.server.stopped.wait(10)


def continues_early(data: bytes) -> Script:
    """After the head, tell the client to send the body."""

    def script(peer: Peer) -> bool:
        peer.head()
        peer.send(data)
        peer.rest()
        peer.accept()
        peer.ready()
        return True

    return script


def with_headers(*lines: str) -> Script:
    return goes_on(lambda peer: answer(peer.text, *lines))


def with_body(body: Callable[[bytes], bytes], *lines: str, **options: object) -> Script:
    return goes_on(lambda peer: answer(peer.text, *lines, body=body(acceptance(peer)), **options))


def acceptance(peer: Peer) -> bytes:
    return json.dumps({"id": peer.text}).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def cut(size: int) -> Callable[[Peer], bytes]:
    return lambda peer: answer(peer.text)[:size]


def continued(*heads: bytes) -> Script:
    return goes_on(lambda peer: b"".join(heads) + answer(peer.text))


def at_reuse(then: Callable[[Peer], object]) -> Script:
    """Answer the first request; when the second has begun, do ``then``."""

    def script(peer: Peer) -> object:
        peer.request()
        peer.accept()
        peer.ready()
        peer.sock.recv(10)
        return then(peer)

    return script


def hold(peer: Peer) -> None:
    peer.hold()


def reset(peer: Peer) -> None:
    peer.reset()


def go_on(peer: Peer) -> bool:
    return True


def farewell(peer: Peer) -> None:
    peer.farewell()


BOMB = gzip.compress(bytes(64 * 1024 * 1024), 9)

CONNECTING = [
    Behaviour("accepts and hangs up", at_once(), REFUSED, stage="accept", ahead=True),
    Behaviour("accepts and resets", at_once(then=reset), REFUSED, stage="accept", ahead=True),
    Behaviour("greets like a mail server", at_once(b"220 smtp ready\r\n", hold), REFUSED, stage="accept", ahead=True,
              within=SOON),
    Behaviour("greets like ssh and hangs up", at_once(b"SSH-2.0-x\r\n"), REFUSED, stage="accept", ahead=True),
    Behaviour("answers before it is asked", at_once(answer("early"), go_on), REFUSED, stage="accept", ahead=True),
    Behaviour("answers before it is asked, inside", at_once(answer("early"), go_on), REFUSED, ahead=True),
    Behaviour("continues before it is asked", at_once(b"HTTP/1.1 100 Continue\r\n\r\n", go_on), REFUSED, ahead=True),
    Behaviour("sends a time-out before it is asked", at_once(answer("", status="408 Request Timeout")), REFUSED, ahead=True),
    Behaviour("hangs up inside before it is asked", at_once(), REFUSED, ahead=True),
    Behaviour("says goodbye before it is asked", at_once(then=farewell), REFUSED, ahead=True, routes=("tls", "tunnel proxy")),
    Behaviour("accepts and is silent", at_once(then=hold), UNCERTAIN, stage="accept", routes=PLAIN, within=SOON),
    Behaviour(
        "accepts and is silent where there is TLS", at_once(then=hold), REFUSED, stage="accept",
        routes=tuple(route for route in ROUTES if route not in PLAIN), within=SOON,
    ),
]  # fmt: skip

HANDSHAKES = [
    Behaviour(f"its certificate is {name}", lambda peer, name=name: peer.shake(peer.server.certificates.contexts[name]), REFUSED,
              stage="handshake", routes=ENCRYPTED)
    for name in ("expired", "of another host", "untrusted")
] + [
    Behaviour("hangs up instead of a handshake", at_once(), REFUSED, stage="handshake", routes=ENCRYPTED),
    Behaviour("cuts the handshake", lambda peer: peer.sock.recv(10) and None, REFUSED, stage="handshake", routes=ENCRYPTED),
    Behaviour("resets the handshake", lambda peer: peer.sock.recv(10) and peer.reset(), REFUSED, stage="handshake", routes=ENCRYPTED),
    Behaviour("answers in the clear", at_once(answer("clear")), REFUSED, stage="handshake", routes=ENCRYPTED),
    Behaviour("sends garbage as a handshake", lambda peer: peer.sock.recv(10) and peer.send(b"\x16\x03\x03\x00\x05hello"), REFUSED,
              stage="handshake", routes=ENCRYPTED),
    Behaviour("alerts", lambda peer: peer.sock.recv(10) and peer.send(b"\x15\x03\x03\x00\x02\x02\x28"), REFUSED,
              stage="handshake", routes=ENCRYPTED),
    Behaviour("is silent in the handshake", lambda peer: peer.sock.recv(10) and peer.hold(), REFUSED,
              stage="handshake", routes=ENCRYPTED, within=SOON),
    Behaviour("drips the handshake", lambda peer: peer.drip(b"\x16"), REFUSED, stage="handshake", routes=ENCRYPTED, within=SOON),
]  # fmt: skip

PROXIES = [
    *(
        Behaviour(f"its proxy says {status}", at_once(answer("", status=status)), REFUSED, stage="proxy", routes=TUNNELS)
        for status in ("302 Found", "400 Bad Request", "403 Forbidden", "407 Proxy Authentication Required", "429 Slow Down",
                       "500 Oops", "502 Bad Gateway", "503 Busy", "504 Timeout")
    ),
    Behaviour("its proxy says garbage", at_once(b"\x00\x01\x02\x03"), REFUSED, stage="proxy", routes=TUNNELS),
    Behaviour("its proxy hangs up", at_once(), REFUSED, stage="proxy", routes=TUNNELS),
    Behaviour("its proxy resets", at_once(then=reset), REFUSED, stage="proxy", routes=TUNNELS),
    Behaviour("its proxy cuts its answer", at_once(b"HTTP/1.1 200 Conn"), REFUSED, stage="proxy", routes=TUNNELS),
    Behaviour("its proxy opens and hangs up", at_once(b"HTTP/1.1 200 OK\r\n\r\n"), REFUSED, stage="proxy", routes=TUNNELS),
    Behaviour("its proxy is silent", at_once(then=hold), REFUSED, stage="proxy", routes=TUNNELS, within=SOON),
    Behaviour("its proxy drips", lambda peer: peer.drip(b"H"), REFUSED, stage="proxy", routes=TUNNELS, within=SOON),
    Behaviour("its proxy has endless headers", lambda peer: (peer.send(b"HTTP/1.1 200 OK\r\n"), peer.pour(b"X: y\r\n")), REFUSED,
              stage="proxy", routes=TUNNELS),
    Behaviour("its proxy talks into the tunnel", at_once(b"HTTP/1.1 200 OK\r\n\r\nhello", go_on), REFUSED, stage="proxy", routes=TUNNELS),
    Behaviour("its proxy answers in the place of the server", at_once(b"HTTP/1.1 200 OK\r\n\r\n" + answer("proxy"), hold), REFUSED,
              stage="proxy", routes=TUNNELS),
    Behaviour("its proxy continues first", at_once(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", go_on), ACCEPTED,
              stage="proxy", routes=TUNNELS),
    Behaviour("its proxy speaks HTTP/1.0", at_once(b"HTTP/1.0 200 OK\r\n\r\n", go_on), ACCEPTED, stage="proxy", routes=TUNNELS),
    Behaviour("its proxy says 204", at_once(b"HTTP/1.1 204 OK\r\n\r\n", go_on), ACCEPTED, stage="proxy", routes=TUNNELS),
    Behaviour("its proxy has odd headers", at_once(b"HTTP/1.1 200\r\nContent-Length: 9\r\nX Y: \x00\r\n\r\n", go_on), ACCEPTED,
              stage="proxy", routes=TUNNELS),
    Behaviour("its proxy wants a password", goes_on(answer("", status="407 Proxy Authentication Required")), REFUSED,
              routes=("forward proxy", "forward, tls proxy")),
]  # fmt: skip

ENDINGS = [
    Behaviour("hangs up after the request", after_request(), UNCERTAIN),
    Behaviour("says goodbye after the request", after_request(then=farewell), UNCERTAIN),
    Behaviour("resets after the request", after_request(then=reset), UNCERTAIN),
    Behaviour("hangs up within the request", lambda peer: peer.sock.recv(10) and None, UNCERTAIN),
    Behaviour("resets within the request", lambda peer: peer.sock.recv(10) and peer.reset(), UNCERTAIN),
    *(Behaviour(f"hangs up after {size} bytes of its answer", after_request(cut(size)), UNCERTAIN) for size in (1, 8, 12, 17, 30, 40)),
    *(Behaviour(f"resets after {size} bytes of its answer", after_request(cut(size), then=reset), UNCERTAIN) for size in (1, 17, 45)),
    Behaviour("is silent after the request", after_request(then=hold), UNCERTAIN, within=SOON),
    Behaviour("is silent within the head", after_request(cut(20), then=hold), UNCERTAIN, within=SOON),
    Behaviour("is silent within the body", after_request(cut(45), then=hold), UNCERTAIN, within=SOON),
    Behaviour("drips its head", after_request(b"HTTP/1.1 200 OK\r\n", then=lambda peer: peer.drip(b"X: y\r\n")), UNCERTAIN, within=SOON),
    Behaviour("drips its status", after_request(then=lambda peer: [peer.drip(b"H")]), UNCERTAIN, within=SOON),
    Behaviour("drips its body", after_request(OK % 9999, then=lambda peer: peer.drip(b".")), UNCERTAIN, within=SOON),
    Behaviour("drips chunks", after_request(CHUNKED, then=lambda peer: peer.drip(chunk(b"."))), UNCERTAIN, within=SOON),
    Behaviour("drips informational answers", after_request(then=lambda peer: peer.drip(b"HTTP/1.1 102 Processing\r\n\r\n")), UNCERTAIN,
              within=SOON),
    Behaviour("has endless headers", after_request(b"HTTP/1.1 200 OK\r\n", then=lambda peer: peer.pour(b"X: y\r\n")), UNCERTAIN),
    Behaviour("has an endless header", after_request(b"HTTP/1.1 200 OK\r\nX: ", then=lambda peer: peer.pour(b"y")), UNCERTAIN),
    Behaviour("has an endless status line", after_request(b"HTTP/1.1 200 ", then=lambda peer: peer.pour(b"y")), UNCERTAIN),
    Behaviour("has an endless body", after_request(OK % 10**15, then=lambda peer: peer.pour(b"{")), UNCERTAIN),
    Behaviour("has an endless body without length", after_request(b"HTTP/1.1 200 OK\r\n\r\n", then=lambda peer: peer.pour(b"{")), UNCERTAIN),
    Behaviour("has endless chunks", after_request(CHUNKED, then=lambda peer: peer.pour(chunk(b"{" * 1000))), UNCERTAIN),
    Behaviour("has endless small chunks", after_request(CHUNKED, then=lambda peer: peer.pour(chunk(b"{"), 2**20)), UNCERTAIN, within=2, routes=FEW),
    Behaviour("has endless trailers", after_request(CHUNKED + b"0\r\n", then=lambda peer: peer.pour(b"X: y\r\n")), UNCERTAIN),
    Behaviour("has endless blank lines", after_request(then=lambda peer: peer.pour(b"\r\n")), UNCERTAIN, within=2, routes=FEW),
    Behaviour("has endless informational answers", after_request(then=lambda peer: peer.pour(b"HTTP/1.1 102 \r\n\r\n", 2**24)), UNCERTAIN,
              within=2, routes=FEW),
    Behaviour("sends a bomb", after_request(answer("", "Content-Encoding: gzip", body=BOMB)), UNCERTAIN),
]  # fmt: skip

CROSSTALK = [
    Behaviour("answers twice at once", goes_on(lambda peer: answer(peer.text) + answer("stale")), ACCEPTED),
    Behaviour("answers three times at once", goes_on(lambda peer: answer(peer.text) + answer("stale") * 2), ACCEPTED),
    Behaviour("answers twice while idle", idle(answer("stale"), go_on), ACCEPTED),
    Behaviour("answers twice and hangs up", idle(answer("stale")), ACCEPTED),
    Behaviour("sends a time-out while idle", idle(answer("", status="408 Request Timeout")), ACCEPTED),
    Behaviour("sends garbage while idle", idle(b"\x00\x01\x02", go_on), ACCEPTED),
    Behaviour("sends a blank line while idle", idle(b"\r\n", go_on), ACCEPTED),
    Behaviour("continues while idle", idle(b"HTTP/1.1 100 Continue\r\n\r\n", go_on), ACCEPTED),
    Behaviour("begins an answer while idle", idle(answer("stale")[:30], go_on), ACCEPTED),
    Behaviour("sends one byte while idle", idle(b"H", go_on), ACCEPTED),
    Behaviour("hangs up while idle", idle(), ACCEPTED),
    Behaviour("says goodbye while idle", idle(then=farewell), ACCEPTED),
    Behaviour("resets while idle", idle(then=reset), ACCEPTED),
    Behaviour("asks to close and answers twice", goes_on(lambda peer: answer(peer.text, "Connection: close") + answer("stale")), ACCEPTED),
    Behaviour("asks to close and does not", with_headers("Connection: close"), ACCEPTED),
    Behaviour("hangs up at reuse", at_reuse(lambda peer: None), ACCEPTED, second=UNCERTAIN),
    Behaviour("resets at reuse", at_reuse(reset), ACCEPTED, second=UNCERTAIN),
    Behaviour("pads its answer with a line end", goes_on(lambda peer: answer(peer.text) + b"\r\n"), ACCEPTED),
    Behaviour("pads its answer with a page", goes_on(lambda peer: answer(peer.text) + b"<!-- padding -->" * 1000), ACCEPTED),
    Behaviour("pads its answer with half an answer", goes_on(lambda peer: answer(peer.text) + answer("stale")[:30]), ACCEPTED),
    Behaviour("pads its chunks", goes_on(lambda peer: CHUNKED + chunk(acceptance(peer)) + b"0\r\n\r\n" + answer("stale")), ACCEPTED),
    Behaviour("says 204 and a body", goes_on(answer("stale", status="204 No Content")), UNCERTAIN),
    Behaviour("says 304 and a body", goes_on(answer("stale", status="304 Not Modified")), UNCERTAIN),
    Behaviour("answers 204 and then 200", goes_on(b"HTTP/1.1 204 No Content\r\n\r\n" + answer("stale")), UNCERTAIN),
]  # fmt: skip

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
TOO_LARGE = answer("early", status="413 Content Too Large")

EARLY = [
    Behaviour(f"answers {status[:3]} to a large request {when}", script, outcome, size=LARGE)
    for status, outcome in [
        ("200 OK", UNCERTAIN), ("401 Unauthorized", REFUSED), ("413 Content Too Large", REFUSED), ("429 Slow Down", REFUSED),
        ("500 Oops", UNCERTAIN),
    ]
    for reply in [answer("early", status=status)]
    for when, script in [
        ("early", early(reply)),
        ("early and hangs up", early(reply, then=lambda peer: None)),
        ("behind a 100", early(CONTINUE, reply)),
        ("with a 100", early(CONTINUE + reply)),
    ]
] + [
    Behaviour(f"refuses a large request {when}", script, REFUSED, size=LARGE)
    for when, script in [
        ("behind a 100 and hangs up", early(CONTINUE, TOO_LARGE, then=lambda peer: None)),
        ("behind a 100 and goes on", early(CONTINUE, TOO_LARGE, then=lambda peer: peer.rest() or peer.ready() or True)),
        ("behind several that inform", early(CONTINUE, HINTS, CONTINUE, HINTS, TOO_LARGE)),
        ("behind many that inform, at once", early(CONTINUE * 9000, HINTS + TOO_LARGE)),
        ("behind half a 100", early(HINTS[:20], HINTS[20:] + TOO_LARGE)),
        ("byte by byte", early(*byte_by_byte(TOO_LARGE))),
        ("byte by byte behind a 100", early(CONTINUE, *byte_by_byte(TOO_LARGE))),
        ("behind blank lines", early(b"\r\n", CONTINUE, b"\r\n\r\n", TOO_LARGE)),
        ("when a part of it is there", early(TOO_LARGE, after=half)),
        ("behind a 100, when a part of it is there", early(CONTINUE, TOO_LARGE, after=half)),
        ("before it reads any", early(TOO_LARGE, after=Peer.asked)),
        ("behind a 100, before it reads any", early(CONTINUE, TOO_LARGE, after=Peer.asked)),
    ]
] + [
    Behaviour("hangs up within a large request", early(then=lambda peer: None), UNCERTAIN, size=LARGE),
    Behaviour("hangs up within a large request behind a 100", early(CONTINUE, then=lambda peer: None), UNCERTAIN, size=LARGE),
    Behaviour("hangs up within an early answer", early(CONTINUE, TOO_LARGE[:20], then=lambda peer: None), UNCERTAIN, size=LARGE),
    Behaviour("says garbage within a large request", early(CONTINUE, b"garbage"), UNCERTAIN, size=LARGE, within=2, routes=FEW),
    Behaviour("switches protocols within a large request", early(CONTINUE, b"HTTP/1.1 101 Switching\r\n\r\n"), UNCERTAIN, size=LARGE),
    Behaviour("reads no large request", reads_no_more, UNCERTAIN, size=LARGE, within=2, routes=FEW),
    Behaviour("continues a large request again and again", early(then=lambda peer: peer.drip(CONTINUE)), UNCERTAIN, size=LARGE,
              within=2, routes=FEW),
    Behaviour("continues a large request", continues_early(CONTINUE), ACCEPTED, size=LARGE),
    Behaviour("informs of much before it takes a large request", continues_early(CONTINUE + HINTS * 3), ACCEPTED, size=LARGE),
]  # fmt: skip

HEADS = [
    Behaviour("continues", continued(b"HTTP/1.1 100 Continue\r\n\r\n"), ACCEPTED),
    Behaviour("processes", continued(b"HTTP/1.1 102 Processing\r\n\r\n" * 3), ACCEPTED),
    Behaviour("hints early", continued(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), ACCEPTED),
    Behaviour("sends an unknown informational answer", continued(b"HTTP/1.1 199 \r\nX: \x00\r\n\r\n"), ACCEPTED),
    Behaviour("switches protocols", continued(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), UNCERTAIN),
    Behaviour("begins with blank lines", continued(b"\r\n\r\n"), ACCEPTED),
    Behaviour("says garbage", after_request(bytes(range(256)) * 10), UNCERTAIN),
    Behaviour("speaks HTTP/2", after_request(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)), UNCERTAIN),
    Behaviour("begins HTTP/2", after_request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), UNCERTAIN),
    Behaviour("speaks HTTP/0.9", after_request(acceptance), UNCERTAIN),
    Behaviour("speaks mail", after_request(b"502 unknown command\r\n"), UNCERTAIN),
    Behaviour("sends a page", after_request(b"<html><body>OK</body></html>"), UNCERTAIN),
    Behaviour("asks instead of answering", after_request(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), UNCERTAIN),
    Behaviour("has no status", after_request(b"HTTP/1.1 OK\r\n\r\n"), UNCERTAIN),
    Behaviour("has no reason", goes_on(lambda peer: answer(peer.text, status="200")), ACCEPTED),
    Behaviour("has an odd reason", goes_on(lambda peer: answer(peer.text, status="200 \x00\x1b\xff")), ACCEPTED),
    Behaviour("has spaces in its status line", goes_on(lambda peer: answer(peer.text, status=" 200  OK")), ACCEPTED),
    Behaviour("speaks in small letters", goes_on(lambda peer: answer(peer.text).replace(b"HTTP", b"http")), ACCEPTED),
    Behaviour("calls itself HTTP/2", goes_on(lambda peer: answer(peer.text).replace(b"1.1", b"2")), ACCEPTED),
    Behaviour("has bare line ends", goes_on(lambda peer: answer(peer.text, "X: y").replace(b"\r\n", b"\n")), ACCEPTED),
    *(
        Behaviour(f"has the header {line!a}", with_headers(line), ACCEPTED)
        for line in ("X: \x01", "X: \x00", "X: \x0b\x0c", "X: a\rb", "X: \xe9\xff", "X : a", "X Y: a", ": a", "no colon", "X:", "\xc4: a",
                     "X: a\r\n b", "X: a\r\n\tb", "Content-Type: \x1b[31m", "Content-Type: nonsense", "Date: yesterday",
                     "Retry-After: \x00", "Set-Cookie: a=\x01;;;", "Location: http://127.0.0.1:9/", "Keep-Alive: timeout=-1",
                     "Connection: keep-alive, \x00", "Content-Encoding: identity", "Content-Encoding:", "Trailer: X",
                     f"X: {'y' * 60000}", "Transfer-Encoding: identity", "Upgrade: h2", 'Alt-Svc: h3=":443"')
    ),
    Behaviour("has a thousand headers", with_headers(*(f"X-{number}: y" for number in range(1000))), ACCEPTED),
    Behaviour("has a header of 200 KB", with_headers(f"X: {'y' * 200_000}"), UNCERTAIN),
    Behaviour("says its length twice", with_headers("Content-Length: 999")and goes_on(
        lambda peer: answer(peer.text, f"Content-Length: {len(acceptance(peer))}")), ACCEPTED),
    Behaviour("says two lengths", with_headers("Content-Length: 1"), UNCERTAIN),
    Behaviour("says a length below zero", with_body(bytes, length=-1), UNCERTAIN),
    Behaviour("says a length in words", with_body(bytes, length="all"), UNCERTAIN),
]  # fmt: skip

BODIES = [
    Behaviour("says too short a length", with_body(bytes, length=9), UNCERTAIN),
    Behaviour("says too long a length and hangs up", after_request(lambda peer: answer(peer.text, length=999)), UNCERTAIN),
    Behaviour("says too long a length and is silent", after_request(lambda peer: answer(peer.text, length=999), then=hold), UNCERTAIN,
              within=SOON),
    Behaviour("says no length and hangs up", after_request(lambda peer: b"HTTP/1.1 200 OK\r\n\r\n" + acceptance(peer)), ACCEPTED),
    Behaviour("says no length and goodbye", after_request(lambda peer: b"HTTP/1.1 200 OK\r\n\r\n" + acceptance(peer), then=farewell), ACCEPTED),
    Behaviour("says no length and resets", after_request(lambda peer: b"HTTP/1.1 200 OK\r\n\r\n" + acceptance(peer)[:5], then=reset), UNCERTAIN),
    Behaviour("speaks HTTP/1.0", after_request(lambda peer: b"HTTP/1.0 200 OK\r\n\r\n" + acceptance(peer)), ACCEPTED),
    Behaviour("speaks HTTP/1.0 with a length", goes_on(lambda peer: answer(peer.text).replace(b"1.1", b"1.0")), ACCEPTED),
    Behaviour("speaks HTTP/1.0 and is kept alive", goes_on(
        lambda peer: answer(peer.text, "Connection: keep-alive").replace(b"1.1", b"1.0")), ACCEPTED),
    Behaviour("answers in chunks", goes_on(lambda peer: CHUNKED + b"".join(chunk(bytes([byte])) for byte in acceptance(peer)) + b"0\r\n\r\n"),
              ACCEPTED),
    Behaviour("has extensions of chunks", goes_on(lambda peer: CHUNKED + chunk(acceptance(peer)).replace(b"\r\n", b";a=b\r\n", 1) + b"0;c\r\n\r\n"),
              ACCEPTED),
    Behaviour("has trailers", goes_on(lambda peer: CHUNKED + chunk(acceptance(peer)) + b"0\r\nX: y\r\n\r\n"), ACCEPTED),
    Behaviour("has odd trailers", goes_on(lambda peer: CHUNKED + chunk(acceptance(peer)) + b"0\r\nX Y: \x00\r\n\r\n"), ACCEPTED),
    Behaviour("has no end of its trailers", after_request(lambda peer: CHUNKED + chunk(acceptance(peer)) + b"0\r\nX: y\r\n"), ACCEPTED),
    Behaviour("has no end behind its last chunk", after_request(lambda peer: CHUNKED + chunk(acceptance(peer)) + b"0\r\n"), ACCEPTED),
    Behaviour("is silent behind its last chunk", after_request(lambda peer: CHUNKED + chunk(acceptance(peer)) + b"0\r\n", then=hold), ACCEPTED,
              within=SOON),
    Behaviour("has no last chunk", after_request(lambda peer: CHUNKED + chunk(acceptance(peer))), UNCERTAIN),
    Behaviour("is silent before its last chunk", after_request(lambda peer: CHUNKED + chunk(acceptance(peer)), then=hold), UNCERTAIN,
              within=SOON),
    Behaviour("has a chunk of a senseless size", goes_on(lambda peer: CHUNKED + b"zz\r\n" + acceptance(peer)), UNCERTAIN),
    Behaviour("has a chunk below zero", goes_on(lambda peer: CHUNKED + b"-5\r\n" + acceptance(peer)), UNCERTAIN),
    Behaviour("has a chunk that is too long", goes_on(lambda peer: CHUNKED + b"3\r\n" + acceptance(peer) + b"\r\n0\r\n\r\n"), UNCERTAIN),
    Behaviour("says chunks and sends none", after_request(lambda peer: CHUNKED + acceptance(peer)), UNCERTAIN),
    Behaviour("says chunks twice", goes_on(
        lambda peer: CHUNKED.replace(b"Tr", b"Transfer-Encoding: chunked\r\nTr") + chunk(acceptance(peer)) + b"0\r\n\r\n"), ACCEPTED),
    Behaviour("says chunks and a length", goes_on(
        lambda peer: CHUNKED.replace(b"Tr", b"Content-Length: 3\r\nTr") + chunk(acceptance(peer)) + b"0\r\n\r\n"), ACCEPTED),
    Behaviour("says gzip and chunks", goes_on(lambda peer: CHUNKED.replace(b"chunked", b"gzip, chunked") + chunk(gzip.compress(acceptance(peer)))
                                              + b"0\r\n\r\n"), UNCERTAIN),
    *(
        Behaviour(f"calls its plain body {coding!a}", with_body(bytes, f"Content-Encoding: {coding}"), ACCEPTED)
        for coding in ("UTF-8", "none", "binary", "8bit", "ascii", "identity, utf-8", "\x01", "gibberish;q=1")
    ),
    *(
        Behaviour(f"calls its plain body {coding!a}", with_body(bytes, f"Content-Encoding: {coding}"), UNCERTAIN)
        for coding in ("gzip", "deflate", "br", "zstd", "compress", "gzip, br")
    ),
    Behaviour("compresses with gzip", with_body(gzip.compress, "Content-Encoding: gzip"), ACCEPTED),
    Behaviour("compresses with gzip and pads", with_body(lambda body: gzip.compress(body) + bytes(9), "Content-Encoding: gzip"), ACCEPTED),
    Behaviour("compresses with deflate", with_body(zlib.compress, "Content-Encoding: deflate"), ACCEPTED),
    Behaviour("compresses with bare deflate", with_body(lambda body: zlib.compress(body, wbits=-15), "Content-Encoding: deflate"), ACCEPTED),
    Behaviour("cuts its gzip", with_body(lambda body: gzip.compress(body)[:-9], "Content-Encoding: gzip"), UNCERTAIN),
    Behaviour("compresses and does not say so", with_body(gzip.compress), UNCERTAIN),
    Behaviour("pads its body with spaces", with_body(lambda body: b"\r\n " + body + b" \r\n" * 100), ACCEPTED),
    Behaviour("pads its body with NUL", with_body(lambda body: body + bytes(100)), ACCEPTED),
    Behaviour("begins with a byte order mark", with_body(lambda body: b"\xef\xbb\xbf" + body), ACCEPTED),
    Behaviour("has Latin-1 in its JSON", with_body(lambda body: body[:-1] + b', "text": "\xe9"}'), ACCEPTED),
    Behaviour("has a line end in its JSON", with_body(lambda body: body[:-1] + b', "text": "a\nb"}'), ACCEPTED),
    Behaviour("answers with half its JSON", with_body(lambda body: body[:-1]), UNCERTAIN),
    Behaviour("answers with a page", with_body(lambda _: b"<html>OK</html>"), UNCERTAIN),
    Behaviour("answers with nothing", with_body(lambda _: b""), UNCERTAIN),
]  # fmt: skip

STATUSES = [
    Behaviour(
        f"answers {int(status)}",
        goes_on(answer("", f"Location: http://127.0.0.1:9/{status}", status=f"{int(status)} {status.phrase}", body=b"{}")),
        REFUSED if isinstance(HttpResponse(status=status, body=b"{}").error(), RefusedError) else UNCERTAIN,
        routes=(*FEW, "tunnel proxy"),
    )
    for status in HTTPStatus
    if status >= 300 and status != HTTPStatus.NOT_MODIFIED
]  # fmt: skip

BEHAVIOURS = [*CONNECTING, *HANDSHAKES, *PROXIES, *ENDINGS, *CROSSTALK, *EARLY, *HEADS, *BODIES, *STATUSES]
