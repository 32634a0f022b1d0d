"""An outgoing request: its place, its bytes on the wire, and the proxy."""

from __future__ import annotations

import os

import pytest

from smsbridge.errors import NotConnected
from smsbridge.http import HttpRequest
from smsbridge.urls import is_loopback
from smsbridge.wire import outgoing
from smsbridge.wire.outgoing import Wire


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def wire(url, *, method="POST", headers=None, body=b"", proxies=None):
    request = HttpRequest(method=method, url=url, headers=headers or {}, body=body)
    return Wire(request, {} if proxies is None else proxies)


@pytest.mark.parametrize(
    ("url", "place", "secure", "sent", "target"),
    [
        ("http://sms.example", "sms.example:80", False, "http://sms.example/", b"/"),
        ("https://sms.example/", "sms.example:443", True, "https://sms.example/", b"/"),
        ("https://sms.example:80/a", "sms.example:80", True, "https://sms.example:80/a", b"/a"),
        ("http://sms.example:443?a=1", "sms.example:443", False, "http://sms.example:443/?a=1", b"/?a=1"),
        ("http://sms.example/a?b#c#d", "sms.example:80", False, "http://sms.example/a?b", b"/a?b"),
        ("http://sms.example#c", "sms.example:80", False, "http://sms.example/", b"/"),
        ("http://sms.example/€ a", "sms.example:80", False, "http://sms.example/%E2%82%AC%20a", b"/%E2%82%AC%20a"),
        (
            "http://sms.example/%7c|'\"<>[]{}^`\\~?+%20/?;:@&=$,!*()",
            "sms.example:80",
            False,
            "http://sms.example/%7c|'\"<>[]{}^`\\~?+%20/?;:@&=$,!*()",
            b"/%7c|'\"<>[]{}^`\\~?+%20/?;:@&=$,!*()",
        ),
        (
            "http://sms.example/é%7c|'\"<>[]{}^`\\~?+&=",
            "sms.example:80",
            False,
            "http://sms.example/%C3%A9%7c|'\"<>[]{}^`\\~?+&=",
            b"/%C3%A9%7c|'\"<>[]{}^`\\~?+&=",
        ),
        ("http://[2001:db8::1]/", "[2001:db8::1]:80", False, "http://[2001:db8::1]/", b"/"),
        ("http://bücher.example/", "xn--bcher-kva.example:80", False, "http://bücher.example/", b"/"),
    ],
)
def test_the_url_says_where_to_and_what_to_ask_for(url, place, secure, sent, target):
    made = wire(url)
    assert (made.place, made.secure, made.url, made.target) == (place, secure, sent, target)
    assert (made.proxy, made.method) == (None, "POST")


@pytest.mark.parametrize(
    "url",
    [
        "http://user@sms.example/",
        "http://user:word@sms.example/",
        "http://@sms.example/",
        "http://:@sms.example/",
        "http://a b/",
        "http:///a",
        "http://:80/",
        "ftp://sms.example/",
        "sms.example",
        "http://sms.example:x/",
    ],
)
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(NotConnected, match="the URL is not valid"):
        wire(url)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST", "PUT", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("body", [b"", b"12"])
def test_the_length_is_said_of_each_body_and_of_none_where_one_is_usual(method, body):
    made = wire("http://sms.example/", method=method, body=body)
    usual = method not in ("GET", "HEAD", "DELETE")
    assert made.headers.get("content-length") == (str(len(body)) if body or usual else None)
    assert (made.body, made.method) == (body, method)


def test_a_provider_may_set_any_header_but_those_that_say_where_a_request_ends():
    headers = {"Content-Length": "9", "Transfer-Encoding": "chunked", "Host": "x", "User-Agent": "y", "X-Z": "z"}
    made = wire("http://sms.example:81/", headers=headers)
    assert made.headers == {
        "host": "x",
        "accept-encoding": "gzip, deflate",
        "user-agent": "y",
        "x-z": "z",
        "content-length": "0",
    }
    assert wire("http://sms.example:81/").headers["host"] == "sms.example:81"


@pytest.mark.parametrize(
    ("method", "headers"),
    [("CONNECT", {}), ("GE T", {}), ("", {}), ("POST", {"X Y": "a"}), ("POST", {"X": "a", "a\r\nb": "c"}), ("G\n", {})],
)
def test_a_request_that_is_none_is_refused(method, headers):
    with pytest.raises(NotConnected, match="the request is not valid HTTP"):
        wire("http://sms.example/", method=method, headers=headers)


# --- proxies --------------------------------------------------------------------------------------------------------------

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("environment", "plain", "secure"),
    [
        ({}, None, None),
        ({"http_proxy": PROXY}, PROXY, None),
        ({"https_proxy": PROXY}, None, PROXY),
        ({"all_proxy": PROXY}, PROXY, PROXY),
        ({"all_proxy": PROXY, "http_proxy": "http://other.example"}, "http://other.example", PROXY),
        ({"all_proxy": PROXY, "https_proxy": " "}, PROXY, None),
        ({"http_proxy": " proxy.example:3128\n"}, PROXY, None),
        ({"https_proxy": "socks5h://proxy.example:1080"}, None, "socks5h://proxy.example:1080"),
        ({"all_proxy": PROXY, "no_proxy": "sms.example"}, None, None),
        ({"all_proxy": PROXY, "no_proxy": "*"}, None, None),
        ({"all_proxy": PROXY, "no_proxy": "other.example"}, PROXY, PROXY),
        ({"no_proxy": "other.example"}, None, None),
    ],
)
def test_the_environment_says_which_proxy(monkeypatch, environment, plain, secure):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made = [wire("http://sms.example/a?b=c"), wire("https://sms.example/a?b=c")]
    assert [pool.proxy for pool in made] == [plain, secure]
    # A proxy that passes requests on gets the whole URL; a tunnel gets the direct request.
    assert made[0].target == (b"http://sms.example/a?b=c" if plain else b"/a?b=c")
    assert made[1].target == b"/a?b=c"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/a",
        "http://LOCALHOST:8000/a",
        "http://localhost./a",
        "http://127.0.0.1:8000/a",
        "http://127.8.9.1/a",
        "http://[::1]:8000/a",
        "https://localhost/a",
        "https://127.0.0.1:8443/a",
        "http://sms.localhost/a",
        "http://localhost.example/a",
        "http://127.0.0.1.example/a",
        "http://10.0.0.1/a",
        "http://0.0.0.0/a",
        "http://[2001:db8::1]/a",
    ],
)
def test_what_is_on_loopback_goes_to_no_proxy(monkeypatch, url):
    monkeypatch.setenv("all_proxy", PROXY)
    assert wire(url).proxy == (None if is_loopback(url) else PROXY)


def test_the_environment_is_asked_once_for_each_origin(monkeypatch):
    asked, proxies = [], {}
    monkeypatch.setattr(outgoing, "getproxies", lambda: asked.append(1) or {"http": PROXY})
    for url in ("http://sms.example/a", "http://sms.example/b", "http://sms.example:81/", "http://sms.example:81/"):
        assert wire(url, proxies=proxies).proxy == PROXY
    assert len(asked) == 2


def test_settings_of_proxies_that_make_no_sense_are_said_without_their_words(monkeypatch):
    def fail():
        raise ValueError("http://user:word@")

    monkeypatch.setattr(outgoing, "getproxies", fail)
    with pytest.raises(
        NotConnected,
        match=r"^the proxy of the environment cannot be used: check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY$",
    ) as caught:
        wire("http://sms.example/")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("proxy", "place"),
    [
        ("proxy.example", "proxy proxy.example:80"),
        ("http://user:word@proxy.example/path", "proxy proxy.example:80"),
        ("https://proxy.example", "proxy proxy.example:443"),
        ("http://proxy.example:3128", "proxy proxy.example:3128"),
        ("http://[2001:db8::1]:3128", "proxy [2001:db8::1]:3128"),
        ("socks5://proxy.example:1080", "proxy proxy.example:1080"),
        ("socks5://proxy.example", "proxy"),
        ("http://proxy.example:x", "proxy"),
        ("http://[", "proxy"),
    ],
)
def test_of_a_proxy_only_its_place_is_said(monkeypatch, proxy, place):
    monkeypatch.setenv("all_proxy", proxy)
    assert wire("http://sms.example/").proxy_place == place
