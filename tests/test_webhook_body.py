"""A webhook's body is read within limits of size, fields, values, memory and time."""

from __future__ import annotations

import contextlib
import io
import tracemalloc
from urllib.parse import parse_qsl, quote_from_bytes, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripted import HttpProvider, drive
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import PayloadError, TooLargeError, WebhookError
from smsbridge.http import HttpRequest
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.receiving import receive
from smsbridge.webhook_body import LONGEST_BODY, LONGEST_HEAD, MOST_FIELDS, MOST_MARKS, loads, pairs

URL = "https://app.example/sms"


def request(body=b"", url=URL, headers=()):
    return HttpRequest(method="POST", url=url, headers=dict(headers), body=body)


# --- size -----------------------------------------------------------------------------------------------------------------


class Deaf(HttpProvider):
    """A body that must not be read."""

    def receiver(self, webhook):
        raise AssertionError("asked")


HEAD = LONGEST_HEAD - len(URL)


@pytest.mark.parametrize(
    "webhook",
    [
        request(b"x" * (LONGEST_BODY + 1)),
        request(url=f"{URL}?{'x' * HEAD}"),
        request(headers={"x-one": "x" * (HEAD - 4)}),
        request(headers={f"x-{number:05}": "x" * 90 for number in range(700)}),
    ],
    ids=["body", "query", "header", "headers"],
)
def test_what_is_larger_than_any_webhook_is_refused_before_anything_is_asked(webhook):
    with pytest.raises(TooLargeError) as caught:
        drive(receive(Plugins(), Deaf(), webhook))
    assert caught.value.status == 413
    assert "larger than" in str(caught.value)
    assert isinstance(caught.value, PayloadError)


@pytest.mark.parametrize("webhook", [request(b"x" * LONGEST_BODY), request(url=f"{URL}?{'x' * (HEAD - 1)}")])
def test_what_is_as_large_as_a_webhook_may_be_is_not(webhook):
    webhook.check_size()


async def test_both_clients_refuse_it():
    webhook = request(b"x" * (LONGEST_BODY + 1))
    with SmsClient(Deaf(), plugins=Plugins()) as sms, pytest.raises(TooLargeError):
        sms.receive(webhook)
    async with AsyncSmsClient(Deaf(), plugins=Plugins()) as sms:
        with pytest.raises(TooLargeError):
            await sms.receive(webhook)


# --- from a server --------------------------------------------------------------------------------------------------------

ENVIRON = {"REQUEST_METHOD": "POST", "wsgi.url_scheme": "https", "HTTP_HOST": "app.example", "PATH_INFO": "/sms"}
SCOPE = {"method": "POST", "scheme": "https", "path": "/sms", "headers": [(b"host", b"app.example")]}


class Stream(io.RawIOBase):
    """Returns a few bytes at a time, and counts them. A read beyond the announced length would block, like a socket."""

    def __init__(self, content, most=1000, announced=None):
        super().__init__()
        self._content, self._most = io.BytesIO(content), most
        self.left = len(content) if announced is None else announced
        self.read_so_far = 0

    def read(self, size=-1):
        assert 0 <= size <= self.left, "this would block"
        part = self._content.read(min(size, self._most))
        self.read_so_far += len(part)
        self.left -= len(part)
        return part


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 70_000, LONGEST_BODY])
def test_a_body_is_read_from_wsgi_as_far_as_it_was_announced(size):
    stream = Stream(b"x" * (size + 5), announced=size)
    found = HttpRequest.from_wsgi({**ENVIRON, "CONTENT_LENGTH": str(size), "wsgi.input": stream})
    assert (found.url, found.body) == (URL, b"x" * size)


@pytest.mark.parametrize(
    ("came", "words"),
    [
        (b"abc", "the webhook was broken off: 3 of 10 bytes of its body came"),
        (b"", "10 bytes, none is left: something"),
    ],
    ids=["a part", "nothing"],
)
async def test_a_body_that_is_shorter_than_announced_is_refused_and_not_blamed_on_a_key(came, words):
    environ = {**ENVIRON, "CONTENT_LENGTH": "10"}
    scope = {**SCOPE, "headers": [(b"host", b"app.example"), (b"content-length", b"10")]}
    for read in (
        lambda: HttpRequest.from_wsgi({**environ, "wsgi.input": Stream(came, announced=10)}),
        lambda: HttpRequest.from_wsgi(environ, came),
        lambda: HttpRequest.from_asgi(scope, came),
    ):
        with pytest.raises(PayloadError, match=words):
            read()
    for messages in ([chunk(came, more=False)], [chunk(came), {"type": "http.disconnect"}]):
        with pytest.raises(PayloadError, match=words):
            await from_asgi(*messages, length=b"10")


def test_chunks_that_the_server_does_not_hand_over_are_not_an_empty_body():
    with pytest.raises(PayloadError, match="came in chunks"):
        HttpRequest.from_wsgi({**ENVIRON, "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": Stream(b"")})


def test_a_body_without_a_length_is_read_only_where_the_server_ends_it():
    stream = Stream(b"x" * 3000, announced=10**9)
    assert HttpRequest.from_wsgi({**ENVIRON, "wsgi.input": stream}).body == b""
    assert HttpRequest.from_wsgi({**ENVIRON, "CONTENT_LENGTH": "", "wsgi.input": stream}).body == b""
    terminated = {**ENVIRON, "wsgi.input": stream, "wsgi.input_terminated": True}
    assert HttpRequest.from_wsgi(terminated).body == b"x" * 3000


@pytest.mark.parametrize("length", [str(LONGEST_BODY + 1), "9" * 30, "9" * 5000, f"000{LONGEST_BODY + 1}"])
def test_of_a_body_that_is_announced_as_too_large_nothing_is_read(length):
    stream = Stream(b"x" * 10)
    with pytest.raises(TooLargeError):
        HttpRequest.from_wsgi({**ENVIRON, "CONTENT_LENGTH": length, "wsgi.input": stream})
    assert stream.read_so_far == 0


@pytest.mark.parametrize("length", ["-1", "1e3", "ten", "1 0", "٣", "+5", "0x10"])
def test_a_length_that_is_none_cannot_be_read(length):
    with pytest.raises(PayloadError):
        HttpRequest.from_wsgi({**ENVIRON, "CONTENT_LENGTH": length, "wsgi.input": Stream(b"x")})


def test_a_stream_without_an_end_is_given_up():
    class Endless:
        def __init__(self):
            self.given = 0

        def read(self, size, /):
            self.given += size
            return b"x" * size

    stream = Endless()
    with pytest.raises(TooLargeError):
        HttpRequest.from_wsgi({**ENVIRON, "wsgi.input": stream, "wsgi.input_terminated": True})
    assert stream.given == LONGEST_BODY + 1


def test_a_body_that_was_read_already_is_bounded_too():
    large = b"x" * (LONGEST_BODY + 1)
    for make in (
        lambda body: HttpRequest.from_wsgi({**ENVIRON, "CONTENT_LENGTH": "5"}, body),
        lambda body: HttpRequest.from_asgi(SCOPE, body),
    ):
        assert make(b"hello").body == b"hello"
        assert make(large[1:]).body == large[1:]
        with pytest.raises(TooLargeError):
            make(large)


def from_asgi(*messages, length=None):
    left = list(messages)

    async def take():
        return left.pop(0) if len(left) > 1 else left[0]

    headers = [] if length is None else [(b"content-length", length)]
    return HttpRequest.read_asgi({**SCOPE, "headers": [*SCOPE["headers"], *headers]}, take)


def chunk(body, *, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_is_read_from_asgi_in_its_parts():
    found = await from_asgi(
        chunk(b"ab"), chunk(b""), {"type": "http.request", "more_body": True}, chunk(b"c", more=False)
    )
    assert (found.url, found.method, found.body) == (URL, "POST", b"abc")
    assert (await from_asgi({"type": "http.request"})).body == b""
    assert len((await from_asgi(chunk(b"x" * LONGEST_BODY, more=False))).body) == LONGEST_BODY


async def test_a_body_without_an_end_is_given_up_there_too():
    with pytest.raises(TooLargeError):
        await from_asgi(chunk(b"x" * 100_000))
    with pytest.raises(TooLargeError):
        await from_asgi(chunk(b"x" * (LONGEST_BODY + 1), more=False))


async def test_of_a_body_that_is_announced_as_too_large_nothing_is_taken():
    assert (await from_asgi(chunk(b"abc", more=False), length=b"3")).body == b"abc"
    for length, error in ((b"1048577", TooLargeError), (b"9" * 5000, TooLargeError), (b"-1", PayloadError)):
        with pytest.raises(error):
            await from_asgi(length=length)


async def test_a_body_that_is_broken_off_cannot_be_read():
    with pytest.raises(PayloadError):
        await from_asgi(chunk(b"ab"), {"type": "http.disconnect"})


# --- fields ---------------------------------------------------------------------------------------------------------------

ENCODED = st.binary(max_size=40) | st.text(alphabet="ab=&%+0123456789ABCDEFdef", max_size=60).map(str.encode)


@given(ENCODED)
def test_pairs_are_split_as_everywhere_and_decoded_as_the_standard_library_does(encoded):
    parts = [part.partition(b"=") for part in encoded.replace(b"+", b" ").split(b"&") if part]
    assert list(pairs(encoded)) == [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in parts]


@given(st.text(alphabet="ab=&%+ 0123456789ABCDEFdef", max_size=60))
def test_text_is_that_of_the_standard_library_or_cannot_be_read(encoded):
    try:
        expected = parse_qsl(encoded, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        for read in (request(encoded.encode()).form, lambda: request(url=f"{URL}?{encoded}").query):
            with pytest.raises(PayloadError):
                read()
    else:
        assert request(encoded.encode()).form() == expected
        assert request(url=f"{URL}?{encoded}").query == expected


@pytest.mark.parametrize("body", ["a=é".encode(), b"a=\xff", b"a=%ff", b"a=%C3", b"\x80"])
def test_what_is_no_text_is_no_form(body):
    with pytest.raises(PayloadError):
        request(body).form()
    assert request(body).form_bytes()


@given(st.binary(max_size=3000))
def test_whatever_is_escaped_comes_back(content):
    for encoded in (quote_from_bytes(content), "".join(f"%{byte:02x}" for byte in content)):
        assert pairs(b"a=" + encoded.encode()) == ((b"a", content),)
        assert unquote_to_bytes(encoded) == content


@pytest.mark.parametrize("what", ["form", "form_bytes", "query", "query_bytes"])
def test_fields_are_counted_before_they_are_read(what):
    def read(number):
        encoded = b"&".join([b"a=1"] * number)
        found = getattr(request(encoded, f"{URL}?{encoded.decode()}"), what)
        return found() if callable(found) else found

    assert len(read(MOST_FIELDS)) == MOST_FIELDS
    with pytest.raises(PayloadError, match="more than 1000 parameters"):
        read(MOST_FIELDS + 1)


def test_a_form_is_read_once_however_often_it_is_asked_for(monkeypatch):
    webhook = request(b"a=%31&b=2")
    first = webhook.form_bytes()
    monkeypatch.setattr("smsbridge.http.pairs", None)
    first.append((b"c", b"3"))
    assert webhook.form_bytes() == [(b"a", b"1"), (b"b", b"2")]
    assert webhook.form() == [("a", "1"), ("b", "2")]
    assert webhook == request(b"a=%31&b=2")
    empty = request()
    monkeypatch.undo()
    assert empty.form_bytes() == empty.form() == []


# --- JSON -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ":", "[", "{"])
def test_the_values_of_json_are_counted_before_they_are_read(mark):
    def read(number):
        return loads(f'["{mark * (number - 1)}"]'.replace("[", "[", 1).encode())

    assert read(MOST_MARKS) == [mark * (MOST_MARKS - 1)]
    with pytest.raises(PayloadError, match="too many values"):
        read(MOST_MARKS + 1)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 90_000,
        b'{"a":' * 30_000,
        b"[" * 40_000 + b"]" * 40_000,
        b'{"a":[' * 20_000,
        b"9" * 100_000,
        b"-" * 100,
        b'"\\ud800',
        b"\xef\xbb\xbf",
        b"\xff",
        b"",
        b"NaN,",
    ],
)
def test_a_bomb_is_no_json(body):
    with pytest.raises(PayloadError):
        request(body).json()


# --- memory and time ------------------------------------------------------------------------------------------------------

MEGABYTE = 1_000_000
FORMS = {
    "percent": b"a=" + b"%" * MEGABYTE,
    "escapes": b"a=" + b"%41" * (MEGABYTE // 3),
    "escapes apart": b"a=" + b"b%41" * (MEGABYTE // 4),
    "broken escapes": b"a=" + b"%4%" * (MEGABYTE // 3),
    "ampersands": b"&" * MEGABYTE,
    "fields": b"a&" * (MEGABYTE // 2),
    "a thousand fields": (b"&".join([b"a=" + b"%C3%A9" * 160] * 1000)),
    "equals": b"=" * MEGABYTE,
    "plus": b"+" * MEGABYTE,
    "no form": b"\x00" * MEGABYTE,
    "no text": b"a=" + b"%ff" * (MEGABYTE // 3),
}
DOCUMENTS = {
    "lists": b"[" + b"[]," * (MEGABYTE // 3) + b"0]",
    "objects": b"[" + b"{}," * (MEGABYTE // 3) + b"0]",
    "members": b"{" + b'"a":1,' * (MEGABYTE // 6) + b'"b":2}',
    "names": b"{" + b",".join(b'"%06d":0' % number for number in range(MEGABYTE // 11)) + b"}",
    "numbers": b"[" + b"1.5," * (MEGABYTE // 4) + b"0]",
    "open": b"[" * MEGABYTE,
    "a string": b'"' + b"x" * MEGABYTE + b'"',
    "escapes": b'"' + b"\\u00e9" * (MEGABYTE // 6) + b'"',
    "pictures": b'"' + "\U0001f6d1".encode() * (MEGABYTE // 4) + b'"',
    "digits": b"1" * MEGABYTE,
    "spaces": b" " * MEGABYTE,
}


def peak_of(work):
    tracemalloc.start()
    try:
        with contextlib.suppress(WebhookError):
            work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("what", ["form", "form_bytes"])
def test_to_read_a_form_takes_a_few_times_its_size(what, body):
    webhook = request(body)
    assert peak_of(getattr(webhook, what)) < 6 * len(body)


@pytest.mark.parametrize("body", DOCUMENTS.values(), ids=DOCUMENTS)
def test_to_read_json_takes_a_few_times_its_size(body):
    assert peak_of(request(body).json) < 9 * len(body)


def test_a_failover_reads_a_form_once_for_all_of_its_accounts(monkeypatch):
    class Reads(HttpProvider):
        def verify(self, webhook):
            webhook.form_bytes()
            super().verify(webhook)

    read = []
    monkeypatch.setattr("smsbridge.http.pairs", lambda encoded: read.append(encoded) or pairs(encoded))
    policy = FailoverPolicy(accounts=[Reads(account=f"a{number}") for number in range(20)])
    with pytest.raises(WebhookError):
        drive(receive(Plugins(), policy, request(b"a=1")))
    assert read == [b"a=1"]
