"""The manual's webhook recipes behind a proxy: signatures cover the URL that the vendor called, and the application sees another URL.

The proxy terminates TLS for ``https://sms.example/prefix``, changes the host, cuts the prefix off and forwards. Each recipe
runs as the manual has it, but for the provider's name, on a real server; the vendors' own SDKs sign.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

import pytest

import manual
from servers import serving, uvicorn_serves, wsgiref_serves
from smsbridge import HttpRequest, hookimpl
from smsbridge.plugins import default_plugins

RECIPES = {"starlette": "fastapi", "flask": "flask", "django": "django"}
"""The page of each recipe."""
PUBLIC = "https://sms.example/prefix"
TOKEN, OTHER_TOKEN = "dummy-token-of-the-account", "dummy-token-of-another-account"
FORM = "application/x-www-form-urlencoded"


# --- the recipes, each on a server of its kind ----------------------------------------------------------------------------


def recipe(framework: str, provider: str, *, asgi: bool = False) -> dict[str, Any]:
    """The names that the recipe's block defines, with another provider's name, and for ASGI with the page's advice."""
    page = f"docs/recipes/{RECIPES[framework]}.md"
    (code,) = [block.code for block in manual.blocks("python", page, f"webhook_{framework}.py")]
    assert code.count('"twincle"') == 1
    if asgi:
        (advice,) = re.findall(r"^Under ASGI, .* `(HttpRequest\.from_asgi\(.*\))`\.$", manual.text(page), re.MULTILINE)
        assert code.count("HttpRequest.from_wsgi(request.META, request.body)") == 1
        code = code.replace("HttpRequest.from_wsgi(request.META, request.body)", advice)
    namespace: dict[str, Any] = {"__name__": "manual"}
    exec(compile(code.replace('"twincle"', f'"{provider}"'), page, "exec"), namespace)
    return namespace


@contextmanager
def starlette(provider: str) -> Iterator[int]:
    with uvicorn_serves(recipe("starlette", provider)["app"]) as port:
        yield port


@contextmanager
def starlette_with_root_path(provider: str) -> Iterator[int]:
    """uvicorn knows the prefix and adds it again, so the public URL ends with the host."""
    if public_url := os.environ.get("SMSBRIDGE_PUBLIC_URL"):
        os.environ["SMSBRIDGE_PUBLIC_URL"] = public_url.replace("/prefix", "")  # the test's monkeypatch undoes it
    with uvicorn_serves(recipe("starlette", provider)["app"], root_path="/prefix") as port:
        yield port


@contextmanager
def flask(provider: str) -> Iterator[int]:
    with wsgiref_serves(recipe("flask", provider)["app"]) as port:
        yield port


@contextmanager
def django(provider: str) -> Iterator[int]:
    from django.core.handlers.wsgi import WSGIHandler

    with django_project(provider), wsgiref_serves(WSGIHandler()) as port:
        yield port


@contextmanager
def django_under_asgi(provider: str) -> Iterator[int]:
    from django.core.handlers.asgi import ASGIHandler

    with django_project(provider, asgi=True), uvicorn_serves(ASGIHandler()) as port:
        yield port


@contextmanager
def django_project(provider: str, *, asgi: bool = False) -> Iterator[None]:
    """The view, routed as the page says, with the request middleware of a new project."""
    from django.conf import settings
    from django.test import override_settings
    from django.urls import path

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["testserver"])
    namespace = recipe("django", provider, asgi=asgi)
    (routes,) = re.findall(r"^Django \(`(urlpatterns = .*)`\):$", manual.text("docs/recipes/django.md"), re.MULTILINE)
    exec(routes, namespace | {"path": path}, namespace)
    urls = types.ModuleType("urls")
    urls.urlpatterns = namespace["urlpatterns"]
    middleware = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
    with override_settings(ROOT_URLCONF=urls, ALLOWED_HOSTS=["127.0.0.1"], MIDDLEWARE=middleware):
        yield


FRAMEWORKS = (starlette, starlette_with_root_path, flask, django, django_under_asgi)


# --- the proxy ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sms.example")])
    names = x509.SubjectAlternativeName([x509.DNSName("sms.example"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    file = tmp_path_factory.mktemp("tls") / "sms.example.pem"
    file.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password) + signed.public_bytes(encoding)
    )
    return file


@contextmanager
def proxy(to: int, certificate: Path) -> Iterator[int]:
    """The proxy between vendor and application."""

    class Handler(BaseHTTPRequestHandler):
        def _forward(self) -> None:
            assert self.headers["host"] == "sms.example"
            assert self.path.startswith("/prefix/")
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {**self.headers, "Host": f"127.0.0.1:{to}", "Connection": "close"}
            headers |= {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "sms.example", "X-Forwarded-For": "192.0.2.1"}
            status, answer = call(
                http.client.HTTPConnection("127.0.0.1", to), self.command, self.path[7:], headers, body
            )
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _forward  # noqa: N815  # so the server wants it

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        yield port


def call(
    connection: http.client.HTTPConnection, method: str, target: str, headers: dict[str, str], body: bytes
) -> tuple[int, bytes]:
    """Send ``target`` byte for byte, which other HTTP clients do not promise."""
    try:
        connection.request(method, target, body or None, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# --- the vendors ----------------------------------------------------------------------------------------------------------


class Webhook(NamedTuple):
    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""


class Vendor(NamedTuple):
    """A vendor that signs, by ``sign(method, url, fields, token)``; the query of its URL, and the fields that are read."""

    name: str
    environment: dict[str, str]
    sign: Callable[[str, str, list[tuple[str, str]], str], dict[str, str]]
    query: str
    fields: list[tuple[str, str]]
    reference: str


def by_twilio(method: str, url: str, fields: list[tuple[str, str]], token: str) -> dict[str, str]:
    from twilio.request_validator import RequestValidator

    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, dict(fields))}


def by_plivo(method: str, url: str, fields: list[tuple[str, str]], token: str) -> dict[str, str]:
    from plivo.utils import signature_v3

    nonce, given = "05429567804466091622", parse_qs(urlencode(fields), keep_blank_values=True)
    construct = signature_v3.construct_get_url if method == "GET" else signature_v3.construct_post_url
    proof = signature_v3.get_signature_v3(token, construct(url, given).decode(), nonce).decode()
    return {"X-Plivo-Signature-V3": proof, "X-Plivo-Signature-V3-Nonce": nonce}


VENDORS = (
    Vendor(
        name="twilio",
        environment={"SMSBRIDGE_TWILIO_ACCOUNT_SID": "AC" + "1" * 32, "SMSBRIDGE_TWILIO_AUTH_TOKEN": TOKEN},
        sign=by_twilio,
        query="reference=order%204711+%E2%82%B9&tag=b&tag=a&tag=%e0%a4%85&to=%2B91~%2f%26%3d&empty=&bare",
        fields=[
            ("MessageSid", "SM" + "2" * 32),
            ("MessageStatus", "delivered"),
            ("To", "+919876543210"),
            ("Note", "₹ 100 & more"),
        ],
        reference="order 4711 ₹",
    ),
    Vendor(
        name="plivo",
        environment={"SMSBRIDGE_PLIVO_AUTH_ID": "MA2025RK4E639VJFZAGV", "SMSBRIDGE_PLIVO_AUTH_TOKEN": TOKEN},
        sign=by_plivo,
        query="reference=order%204711+1&tag=b&tag=a&tag=%63&to=%2B91~%2f%26%3d&empty=",  # no SDK reads more than ASCII
        fields=[
            ("MessageUUID", "db3ce55a-7f1d-11e1-8ea7-1231380bc196"),
            ("Status", "delivered"),
            ("To", "919876543210"),
            ("Note", "₹ 100 & more"),
            ("Note", "a second one"),
        ],
        reference="order 4711 1",
    ),
)


def post(vendor: Vendor, origin: str = PUBLIC, token: str = TOKEN) -> Webhook:
    url = f"{origin}/sms/{vendor.name}?{vendor.query}"
    proof = vendor.sign("POST", url, vendor.fields, token)
    return Webhook("POST", url, proof | {"Content-Type": FORM}, urlencode(vendor.fields).encode())


def get(vendor: Vendor) -> Webhook:
    """The fields in the query, as these vendors send them with GET."""
    url = f"{PUBLIC}/sms/{vendor.name}?{vendor.query}&{urlencode(vendor.fields[:3])}"
    return Webhook("GET", url, vendor.sign("GET", url, [], TOKEN))


def forgeries(vendor: Vendor) -> dict[str, Webhook]:
    genuine, asked = post(vendor), get(vendor)
    return {
        "another body": genuine._replace(body=genuine.body.replace(b"delivered", b"failed")),
        "another query": genuine._replace(url=genuine.url.replace("4711", "4712")),
        "another query of a GET": asked._replace(url=asked.url.replace("delivered", "failed")),
        "one parameter less": genuine._replace(url=genuine.url.replace("&tag=a", "")),
        "another token": post(vendor, token=OTHER_TOKEN),
        "signed for another host": post(vendor, "https://elsewhere.example/prefix")._replace(url=genuine.url),
        "signed for another path": post(vendor, "https://sms.example")._replace(url=genuine.url),
        "not signed": genuine._replace(headers={"Content-Type": FORM}),
    }


# --- the proof ------------------------------------------------------------------------------------------------------------


class Seen(list):
    @hookimpl
    def smsbridge_event(self, event):
        self.append((event.status, event.reference))


@pytest.mark.parametrize("public_url", [PUBLIC, None])
@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.__name__)
def test_a_recipe_behind_a_proxy_believes_what_was_signed_if_it_knows_its_public_url(
    framework, vendor, public_url, certificate, monkeypatch
):
    for name, value in vendor.environment.items() | {("SMSBRIDGE_PUBLIC_URL", public_url or "")}:
        monkeypatch.setenv(name, value)
    seen = Seen()
    default_plugins().register(seen)
    trust = ssl.create_default_context(cafile=certificate)

    with framework(vendor.name) as inner, proxy(inner, certificate) as port:

        def vendor_calls(webhook: Webhook) -> int:
            target = webhook.url.removeprefix("https://sms.example")
            assert target.startswith("/prefix/")
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=10)
            return call(connection, webhook.method, target, webhook.headers | {"Host": "sms.example"}, webhook.body)[0]

        answers = [vendor_calls(webhook) for webhook in (post(vendor), get(vendor))]
        refused = {name: vendor_calls(forgery) for name, forgery in forgeries(vendor).items()}

    if public_url:
        assert [200 <= answer < 300 for answer in answers] == [True, True]
        assert seen == [("delivered", vendor.reference)] * 2
    else:
        assert answers == [401, 401]
        assert seen == []
    assert refused == dict.fromkeys(refused, 401)


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.__name__)
def test_a_recipe_answers_413_to_what_is_larger_than_any_webhook(framework, monkeypatch):
    for name, value in VENDORS[0].environment.items():
        monkeypatch.setenv(name, value)
    reads_it_all = framework in (django, django_under_asgi)  # up to Django's own setting
    with framework("twilio") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.putrequest("POST", "/sms/twilio")
        connection.putheader("Content-Type", FORM)
        connection.putheader("Content-Length", "1200000")
        connection.endheaders()
        if reads_it_all:
            connection.send(b"%" * 1_200_000)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (
            413,
            b"the webhook's body is larger than 1048576 bytes, so it is not read",
        )
        connection.close()


@pytest.mark.parametrize(
    "target", ["/sms", "/a:b/@c+d,e;f=g!$&'(h)*~.-_", "/in%20two/%C3%A4", "/twice//", "/sms?a=%2f+%e0&a=&b", "/"]
)
def test_a_server_that_hands_over_the_path_decoded_leaves_its_url_as_it_was(target):
    """wsgiref does not keep the original target, so unnecessary escapes, such as ``%2F``, are lost there."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [HttpRequest.from_wsgi(environ, b"").url.encode()]

    with wsgiref_serves(app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        assert call(connection, "GET", target, {"Host": "app.example"}, b"") == (
            200,
            f"http://app.example{target}".encode(),
        )
    decoded = {"method": "GET", "headers": [(b"host", b"app.example")], "path": "/a:b/@c+d/in two/ä"}
    assert HttpRequest.from_asgi(decoded, b"").url == "http://app.example/a:b/@c+d/in%20two/%C3%A4"


@pytest.mark.parametrize("public_url", [PUBLIC, f"{PUBLIC}/"])
@pytest.mark.parametrize("target", ["", "/", "/sms", "/sms?a=%2f+b&a=", "?a=https://b.example/c"])
def test_the_public_url_replaces_the_origin_and_nothing_else(public_url, target):
    seen = HttpRequest(method="POST", url=f"http://10.0.0.7:8080{target}").seen_at(public_url)
    assert seen.url == f"{PUBLIC}{'' if target.startswith('/') else '/'}{target}"
