"""Webhooks that are mounted: each is for one account, is taken in whole or not at all, and is answered when all is done.

Real frameworks on real servers, as applications mount them.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import socket
import threading
import types
from contextlib import contextmanager, suppress

import pytest

import smsbridge
from mounts import fastapi, flask, wsgi
from scripted import HttpProvider, Recorder
from servers import serving, uvicorn_serves, wsgiref_serves
from smsbridge import (
    AsyncSmsClient,
    ConfigurationError,
    HttpRequest,
    HttpResponse,
    Plugins,
    Settings,
    SmsClient,
    hookimpl,
    web,
)
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.testing.outbox import Outbox
from smsbridge.web import core
from smsbridge.webhook_body import LONGEST_BODY

SECRET, OTHER = "dummy-4f1c-of-a", "dummy-9d2e-of-b"
REPORT = b'[{"id": "1"}]'
PATIENCE = 10  # seconds


class Vendor(HttpProvider):
    """Sends webhooks, and must be told its secret for them; a GET asks whether we are there."""

    name = "vendor"

    def webhook_lacks(self):
        return () if self.webhook_secret else ("webhook_secret",)

    def handshake(self, webhook):
        return HttpResponse(status=200, body=b"here we are") if webhook.method == "GET" else None


def both(**more):
    """A failover over the accounts a and b, each with a secret of its own."""
    accounts = [
        Vendor(account="a", token="dummy-1", webhook_secret=SECRET),
        Vendor(account="b", token="dummy-2", webhook_secret=OTHER),
    ]
    return FailoverPolicy(accounts=accounts, account="all", **more)


# --- the mounts, each on a server of its kind ---------------------------------------------------------------------------


@contextmanager
def asgi(client):
    """Under a framework that cuts the mount off the path."""
    app = web.asgi(client(AsyncSmsClient))

    async def cuts(scope, receive, send):
        await app({**scope, "root_path": "/sms", "path": scope["path"].removeprefix("/sms")}, receive, send)

    with uvicorn_serves(cuts) as port:
        yield port


@contextmanager
def starlette(client):
    from starlette.applications import Starlette
    from starlette.routing import Mount

    with uvicorn_serves(Starlette(routes=[Mount("/sms", web.asgi(client(AsyncSmsClient)))])) as port:
        yield port


@contextmanager
def flask_on_werkzeug(client):
    """A server that hands chunked bodies over."""
    from flask import Flask
    from werkzeug.serving import WSGIRequestHandler, make_server

    app = Flask("shop")
    app.register_blueprint(web.blueprint(client(SmsClient)), url_prefix="/sms")
    quiet = type("Quiet", (WSGIRequestHandler,), {"log": lambda *_: None})
    with serving(make_server("127.0.0.1", 0, app, threaded=True, request_handler=quiet)) as port:
        yield port


@contextmanager
def django(client):
    """A view around the shared core."""
    from django.core.handlers.wsgi import WSGIHandler

    webhooks = web.Webhooks(client(SmsClient))

    def view(request, account):
        return answered(
            webhooks.answer(request.method, account, lambda: HttpRequest.from_wsgi(request.META, request.body))
        )

    with django_project(view), wsgiref_serves(WSGIHandler()) as port:
        yield port


@contextmanager
def django_under_asgi(client):
    from django.core.handlers.asgi import ASGIHandler

    webhooks = web.AsyncWebhooks(client(AsyncSmsClient))

    async def view(request, account):
        async def read():
            return HttpRequest.from_asgi(request.scope, request.body)

        return answered(await webhooks.answer(request.method, account, read))

    with django_project(view), uvicorn_serves(ASGIHandler()) as port:
        yield port


def answered(answer):
    from django.http import HttpResponse as DjangoResponse

    return DjangoResponse(answer.body, status=answer.status, headers=dict(answer.headers))


@contextmanager
def django_project(view):
    from django.conf import settings
    from django.test import override_settings
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["testserver"])
    urls = types.ModuleType("urls")
    urls.urlpatterns = [path("sms/<account>", csrf_exempt(view))]
    middleware = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
    with override_settings(ROOT_URLCONF=urls, ALLOWED_HOSTS=["127.0.0.1"], MIDDLEWARE=middleware):
        yield


MOUNTS = (asgi, starlette, fastapi, wsgi, flask, flask_on_werkzeug, django, django_under_asgi)
UNDER_UVICORN = (asgi, starlette, fastapi, django_under_asgi)


@pytest.fixture
def seen():
    return Recorder()


@pytest.fixture(params=MOUNTS, ids=lambda mount: mount.__name__)
def mount(request):
    return request.param


@pytest.fixture
def port(mount, seen):
    with mount(lambda kind: kind(both(), plugins=Plugins(seen))) as port:
        yield port


class Answer(types.SimpleNamespace):
    """Status, headers and body."""


def ask(port, account="a", secret=SECRET, *, method="POST", body=REPORT, path=None, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    proof = {} if secret is None else {"x-secret": secret}
    try:
        connection.request(
            method, path or f"/sms/{account}", body, {"content-type": "application/json", **proof, **dict(headers)}
        )
        answer = connection.getresponse()
        return Answer(status=answer.status, headers=answer.headers, body=answer.read())
    finally:
        connection.close()


def raw(port, *parts, ends=False):
    """The answer to bytes as they are; ``ends`` says that nothing more will come. None where the server answers nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        with suppress(ConnectionError):  # it has answered before all was sent
            for part in parts:
                connection.sendall(part)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection)
        try:
            answer.begin()
            return Answer(status=answer.status, headers=answer.headers, body=answer.read())
        except (ConnectionError, http.client.BadStatusLine):
            return None


def head(**headers):
    given = {
        "host": "127.0.0.1",
        "x-secret": SECRET,
        "content-type": "application/json",
        "connection": "close",
        **headers,
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
    return "\r\n".join(["POST /sms/a HTTP/1.1", *lines, "", ""]).encode()


def keys(seen):
    return [key for _, key, _ in seen.calls]


# --- what is taken in ---------------------------------------------------------------------------------------------------


def test_what_the_vendor_proves_is_taken_in(port, seen):
    assert (ask(port).status, keys(seen)) == (200, ["1"])
    assert (ask(port, "b", OTHER, body=b'[{"id": "2"}]').status, keys(seen)) == (200, ["1", "2"])


def test_the_route_of_the_whole_client_takes_what_any_of_its_accounts_proves(port, seen):
    assert [ask(port, "all", secret).status for secret in (SECRET, OTHER, "wrong")] == [200, 200, 401]
    assert len(keys(seen)) == 2


class AnswersWithNothing(Vendor):
    def acknowledge(self, events):
        return HttpResponse(status=204, headers={"x-thanks": "yes"})


def test_the_vendor_gets_the_answer_of_its_provider(mount, seen):
    with mount(
        lambda kind: kind(AnswersWithNothing(account="a", webhook_secret=SECRET), plugins=Plugins(seen))
    ) as port:
        answer = ask(port)
    assert (answer.status, answer.headers["x-thanks"], answer.body, keys(seen)) == (204, "yes", b"", ["1"])


@pytest.mark.parametrize(("account", "secret"), [("a", OTHER), ("b", SECRET), ("a", "wrong"), ("a", None)])
def test_only_the_account_of_the_route_may_prove_it(account, secret, port, seen, caplog):
    answer = ask(port, account, secret)
    assert (answer.status, answer.body, keys(seen)) == (401, b"the secret is wrong", [])
    assert f"webhook of account {account} refused with 401: the secret is wrong" in caplog.messages


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"\xff", b"[1]", b"0"])
def test_what_cannot_be_read_is_a_400_that_quotes_nothing(body, port, seen):
    answer = ask(port, body=body)
    assert (answer.status, keys(seen)) == (400, [])
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert b"[1]" not in answer.body


def test_a_handshake_is_proven_too(port, seen):
    assert (ask(port, method="GET", body=None).status, ask(port, method="GET", body=None).body) == (200, b"here we are")
    assert ask(port, secret="wrong", method="GET", body=None).status == 401
    assert keys(seen) == []


def test_a_probe_by_head_is_answered_and_takes_nothing_in(port, seen):
    for secret in (SECRET, None):
        answer = ask(port, secret=secret, method="HEAD", body=REPORT)
        assert (answer.status, answer.body) == (200, b"")
    raw_answer = raw(port, head().replace(b"POST", b"HEAD").replace(b"/sms/a", b"/sms/unknown"))
    assert (raw_answer.status, keys(seen)) == (404, [])


def test_other_methods_are_told_which_there_are(port, seen):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = ask(port, method=method)
        allowed = {method.strip() for method in answer.headers["allow"].split(",")}
        assert (answer.status, allowed, keys(seen)) == (405, {"GET", "HEAD", "POST"}, [])


NO_ACCOUNTS = {
    "unknown": "strange",
    "empty": "",
    "upper case": "A",
    "above": "..",
    "above, escaped": "%2e%2e",
    "above and back": "../sms",
    "deeper": "a/b",
    "slash": "a/",
    "slash, escaped": "a%2f",
    "NUL": "%00",
    "NUL behind": "a%00",
    "not UTF-8": "%ff%fe",
    "long": "a" * 10_000,
    "spaces": "%20a",
}


@pytest.mark.parametrize("account", NO_ACCOUNTS.values(), ids=NO_ACCOUNTS)
def test_there_is_no_other_account(account, port, seen, caplog):
    answer = ask(port, account)
    assert (answer.status, keys(seen)) == (404, [])
    assert not [line for line in caplog.messages if "webhook" in line]
    assert b"aaaa" not in answer.body


# --- what is not all there ------------------------------------------------------------------------------------------------


def test_a_body_that_is_broken_off_is_not_taken_in_and_not_blamed_on_the_key(port, seen, caplog):
    answer = raw(port, head(content_length=len(REPORT) + 5), REPORT, ends=True)
    assert answer is None or answer.status == 400  # uvicorn answers nothing to a connection that is closed
    assert ask(port, secret="wrong").status == 401  # so what came before is done
    assert keys(seen) == []
    assert not any("secret" in line for line in caplog.messages if "refused with 400" in line)


def test_what_is_announced_as_too_large_is_refused_before_it_comes(mount, port, seen):
    if mount in (django, django_under_asgi):
        return  # it reads the body before a view is asked, as far as its own setting says
    answer = raw(port, head(content_length=50 * 2**20))
    assert (answer.status, keys(seen)) == (413, [])


def test_fifty_megabytes_are_refused_and_the_next_is_taken(port, seen):
    answer = raw(port, head(content_length=50 * 2**20), *[b" " * 2**20] * 50)
    assert answer is None or answer.status in (400, 413)
    assert (ask(port).status, keys(seen)) == (200, ["1"])


def test_chunks_are_taken_where_the_server_hands_them_over_and_counted(mount, port, seen):
    chunks = b"5\r\n" + REPORT[:5] + b"\r\n%x\r\n" % len(REPORT[5:]) + REPORT[5:] + b"\r\n0\r\n\r\n"
    answer = raw(port, head(transfer_encoding="chunked"), chunks)
    many = (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * (LONGEST_BODY // 0x10000 + 1)
    large = raw(port, head(transfer_encoding="chunked"), many, b"0\r\n\r\n")
    if mount in (*UNDER_UVICORN, flask_on_werkzeug):
        assert (answer.status, keys(seen)) == (200, ["1"])
        assert large is None or large.status == 413
    else:
        assert (answer.status, keys(seen)) == (400, [])


def test_a_slow_body_keeps_nothing_waiting(port, seen):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as slow:
        slow.sendall(head(content_length=len(REPORT)) + REPORT[:3])
        assert ask(port, "b", OTHER, body=b'[{"id": "2"}]').status == 200
        slow.sendall(REPORT[3:])
        assert slow.recv(100).split()[1] == b"200"
    assert keys(seen) == ["2", "1"]


# --- done before it is answered -------------------------------------------------------------------------------------------


class Holding:
    """A hook that takes its time."""

    def __init__(self, parties=1):
        self.begun = threading.Barrier(parties + 1)
        self.go_on = threading.Event()

    @hookimpl
    def smsbridge_event(self, event):
        self.begun.wait(PATIENCE)
        assert self.go_on.wait(PATIENCE)


def test_the_answer_comes_when_every_hook_is_done(mount):
    hook = Holding()
    with (
        mount(lambda kind: kind(both(), plugins=Plugins(hook))) as port,
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as vendor,
    ):
        vendor.sendall(head(content_length=len(REPORT)) + REPORT)
        hook.begun.wait(PATIENCE)
        vendor.settimeout(0.05)
        with pytest.raises(TimeoutError):
            vendor.recv(1)
        hook.go_on.set()
        vendor.settimeout(PATIENCE)
        assert vendor.recv(100).split()[1] == b"200"


def test_two_are_taken_in_at_the_same_time(mount):
    hook, answers = Holding(2), []
    with mount(lambda kind: kind(both(), plugins=Plugins(hook))) as port:
        vendors = [threading.Thread(target=lambda: answers.append(ask(port).status)) for _ in "12"]
        for vendor in vendors:
            vendor.start()
        hook.begun.wait(PATIENCE)  # both are inside
        hook.go_on.set()
        for vendor in vendors:
            vendor.join()
    assert answers == [200, 200]


class FailsOnce(Recorder):
    """A database that is away, for the first time."""

    failed = False

    @hookimpl
    def smsbridge_event(self, event):
        if not self.failed:
            self.failed = True
            raise ValueError(f"SECRET-TEXT {event.id}")
        self.calls.append(("event", event.key, event))


def test_what_a_hook_could_not_store_is_asked_for_again(mount, caplog, capfd):
    hook = FailsOnce()
    with mount(lambda kind: kind(both(), plugins=Plugins(hook))) as port:
        answer = ask(port)
        assert (answer.status, answer.body, keys(hook)) == (
            500,
            b"the webhook could not be taken in: send it again",
            [],
        )
        assert (ask(port).status, keys(hook)) == (200, ["1"])
    (said,) = [line for line in caplog.messages if "not taken" in line]
    assert said.startswith("webhook of account a not taken: ValueError at ")
    assert "SECRET" not in caplog.text + "".join(capfd.readouterr())


# --- a body that something else has read ----------------------------------------------------------------------------------

READ_BEFORE = "something in this application"


def test_flask_may_have_read_the_body_if_it_has_kept_it(seen):
    from flask import Flask, request

    app = Flask("shop")
    app.register_blueprint(web.blueprint(SmsClient(both(), plugins=Plugins(seen))), url_prefix="/sms")
    app.before_request(lambda: request.get_data() and None)
    with wsgiref_serves(app) as port:
        assert (ask(port).status, keys(seen)) == (200, ["1"])


FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_a_form_that_flask_has_read_is_said_to_be_gone(seen, caplog):
    from flask import Flask, request

    app = Flask("shop")
    app.register_blueprint(web.blueprint(SmsClient(both(), plugins=Plugins(seen))), url_prefix="/sms")
    app.before_request(lambda: request.form and None)
    with wsgiref_serves(app) as port:
        answer = ask(port, body=b"id=1", headers=FORM)
    assert (answer.status, keys(seen)) == (400, [])
    assert READ_BEFORE in answer.body.decode()
    assert READ_BEFORE in caplog.text


def test_a_body_that_django_has_handed_out_is_said_to_be_gone(seen, caplog):
    pytest.importorskip("django")
    webhooks = web.Webhooks(SmsClient(both(), plugins=Plugins(seen)))

    def read():
        raise LookupError("You cannot access body after reading from request's data stream")

    answer = webhooks.answer("POST", "a", read)
    assert answer.status == 400
    assert b"(LookupError): something has read it" in answer.body
    assert "webhook of account a refused with 400" in caplog.text


def test_a_body_that_a_middleware_of_starlette_has_kept_is_taken(seen):
    async def reads(request, call_next):
        await request.body()
        return await call_next(request)

    with _starlette_behind(reads, seen) as port:
        assert (ask(port).status, keys(seen)) == (200, ["1"])


def test_a_body_that_a_middleware_of_starlette_has_used_up_is_said_to_be_gone(seen, caplog):
    async def uses(request, call_next):
        async for _ in request.stream():
            pass
        return await call_next(request)

    with _starlette_behind(uses, seen) as port:
        answer = ask(port)
    assert (answer.status, keys(seen)) == (400, [])
    assert READ_BEFORE in answer.body.decode()
    assert READ_BEFORE in caplog.text


@contextmanager
def _starlette_behind(middleware, seen):
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.routing import Mount

    client = AsyncSmsClient(both(), plugins=Plugins(seen))
    around = [Middleware(BaseHTTPMiddleware, dispatch=middleware)]
    with uvicorn_serves(Starlette(routes=[Mount("/sms", web.asgi(client))], middleware=around)) as port:
        yield port


def test_a_body_that_was_read_below_the_frameworks_is_not_waited_for_without_an_end(seen, monkeypatch):
    monkeypatch.setattr(core, "PATIENCE", 0.05)
    app = web.asgi(AsyncSmsClient(both(), plugins=Plugins(seen)))

    async def drains(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await app(scope, receive, send)

    with uvicorn_serves(drains) as port:
        answer = ask(port, path="/a")
    assert (answer.status, keys(seen)) == (400, [])
    assert READ_BEFORE in answer.body.decode()


# --- at start -------------------------------------------------------------------------------------------------------------

MAKERS = {
    "asgi": lambda provider, **more: web.asgi(AsyncSmsClient(provider), **more),
    "wsgi": lambda provider, **more: web.wsgi(SmsClient(provider), **more),
    "blueprint": lambda provider, **more: web.blueprint(SmsClient(provider), **more),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def test_a_secret_that_is_not_set_is_an_error_at_start_that_names_its_variable(make):
    lacks = FailoverPolicy(accounts=[Vendor(account="a", webhook_secret=SECRET), Vendor(account="b")], account="all")
    with pytest.raises(ConfigurationError, match="account b: SMSBRIDGE_B_WEBHOOK_SECRET is not set"):
        make(lacks)
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_B_WEBHOOK_SECRET is not set"):
        make(lacks, accounts=["all"])
    make(lacks, accounts=["a"])


def test_an_account_that_the_client_has_not_is_an_error_at_start(make):
    with pytest.raises(ConfigurationError, match="account 'twincle' is not one of this client's, which has a, all, b"):
        make(both(), accounts=["a", "twincle"])


def test_only_the_accounts_that_are_named_have_a_route(seen):
    with wsgiref_serves(web.wsgi(SmsClient(both(), plugins=Plugins(seen)), accounts=["b"])) as port:
        assert ask(port, path="/a").status == 404
        assert ask(port, path="/b", secret=OTHER).status == 200


def test_a_provider_without_webhooks_has_no_route_and_keeps_nothing_from_starting(make):
    make(MemoryProvider())
    webhooks = web.Webhooks(SmsClient(MemoryProvider()))
    assert webhooks.accounts == frozenset()
    assert webhooks.answer("POST", "memory", pytest.fail).status == 404


def test_by_default_the_environment_describes_the_client(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "nowhere")
    for make in (web.asgi, web.wsgi, web.blueprint):
        with pytest.raises(ConfigurationError, match="no provider 'nowhere'"):
            make()
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    assert web.wsgi().client is smsbridge.client()  # so a STOP that comes in is known to smsbridge.send
    assert web.asgi().client.provider.account == "memory"


def test_each_mount_takes_the_client_of_its_kind():
    with pytest.raises(TypeError, match="AsyncSmsClient"):
        web.asgi(SmsClient("memory"))
    for make in (web.wsgi, web.blueprint):
        with pytest.raises(TypeError, match="take an SmsClient"):
            make(AsyncSmsClient("memory"))


async def live(app, *kinds):
    """What an application answers to the events of a server's life."""
    left, said = [{"type": f"lifespan.{kind}"} for kind in kinds], []

    async def receive():
        return left.pop(0)

    async def send(message):
        said.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    return said


async def test_at_the_end_of_the_server_its_own_client_is_closed_and_one_that_was_given_is_not(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    own, given = web.asgi(), web.asgi(AsyncSmsClient("memory"))
    for app in (own, given):
        assert await live(app, "startup", "shutdown") == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(RuntimeError, match="closed"):
        await own.client.balance()
    await given.client.balance()
    with suppress(IndexError):  # no shutdown comes
        await live(own, "startup")
    await own.client.balance()


async def test_a_websocket_is_turned_away():
    said = []

    async def send(message):
        said.append(message["type"])

    await web.asgi(AsyncSmsClient("memory"))({"type": "websocket", "path": "/a"}, asyncio.Event().wait, send)
    assert said == ["websocket.close"]


# --- under an outbox ------------------------------------------------------------------------------------------------------


def test_under_an_outbox_webhooks_are_taken_in_as_ever(sms_outbox, mount, seen):
    with mount(lambda kind: kind(both(), plugins=Plugins(seen))) as port:
        assert [ask(port, secret=secret).status for secret in (SECRET, "wrong")] == [200, 401]
    assert keys(seen) == ["1"]
    sms_outbox.assert_nothing_sent()


def test_an_application_that_was_made_under_an_outbox_outlives_it(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    with Outbox():
        app = web.wsgi()
        inside = app.client
    assert app.client is smsbridge.client()
    assert app.client is not inside
    with Outbox():
        assert app.client is smsbridge.client()


# --- the URL that was signed ----------------------------------------------------------------------------------------------


class SignsUrls(Vendor):
    """Its proof is the URL."""

    def verify(self, webhook):
        if webhook.url != "https://app.example/prefix/sms/a?to=%2B91":
            from smsbridge import SignatureError

            raise SignatureError(f"signed another URL than {webhook.url}")

    def parse(self, webhook):
        return []


def test_behind_a_proxy_the_url_is_the_one_that_the_vendor_called(mount):
    settings = Settings(public_url="https://app.example/prefix")
    with mount(lambda kind: kind(SignsUrls(account="a", webhook_secret=SECRET), settings=settings)) as port:
        answer = ask(port, path="/sms/a?to=%2B91")
        assert (answer.status, answer.body) == (200, b"")


@pytest.fixture(autouse=True)
def logs(caplog):
    caplog.set_level(logging.INFO, "smsbridge.web")
