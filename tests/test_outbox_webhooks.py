"""Reports and texts that an outbox delivers: to the client that sent, or through the application's own webhook."""

import types
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pytest

import smsbridge
from smsbridge import (
    AsyncSmsClient,
    DeliveryReport,
    HttpRequest,
    HttpResponse,
    InboundMessage,
    Money,
    Plugins,
    SignatureError,
    SmsClient,
    SmsProvider,
    Status,
    hookimpl,
)
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.errors import PayloadError
from smsbridge.testing import Outbox
from smsbridge.testing.played_vendor import SIGNATURE, PlayedVendor
from smsbridge.web import asgi, blueprint, wsgi

NUMBER = "+919876543210"
OTHER = "+919123456780"
TWINCLE = {
    "SMSBRIDGE_PROVIDER": "twincle",
    "SMSBRIDGE_TWINCLE_ACCESS_TOKEN": "not-a-real-token",
    "SMSBRIDGE_TWINCLE_BASE_URL": "https://sms.example/api/v2/",
    "SMSBRIDGE_TWINCLE_SENDER": "ACMEIN",
    "SMSBRIDGE_TWINCLE_WEBHOOK_SECRET": "not-a-real-secret",
}


class Events:
    """What the hooks are told."""

    def __init__(self):
        self.events = []
        self.changes = []
        self.error = None

    @hookimpl
    def smsbridge_event(self, account, provider, event):
        assert (account, provider) == (event.account, event.provider)
        self.events.append(event)
        if self.error is not None:
            raise self.error

    @hookimpl
    def smsbridge_status_changed(self, text):
        self.changes.append((text.reference, text.status))


@pytest.fixture
def hooks():
    return Events()


@pytest.fixture
def environ(tmp_path):
    """The environment of a shop in production."""
    url = f"sqlite:///{tmp_path}/sms.db"
    return {**TWINCLE, "SMSBRIDGE_STORE": url, "SMSBRIDGE_OPTOUT_STORE": url}


@pytest.fixture
def sms(environ, hooks):
    with SmsClient(environ=environ, plugins=Plugins(hooks)) as client:
        yield client


@pytest.fixture
def async_sms(environ, hooks):
    return AsyncSmsClient(environ=environ, plugins=Plugins(hooks))


# --- to the client --------------------------------------------------------------------------------------------------------


def test_a_report_moves_the_text_in_the_ledger_and_is_told_to_the_hooks(sms, hooks, sms_outbox):
    sms.send(NUMBER, "Hello", reference="order-17", context={"order": "17"})
    sms_outbox.deliver_report(sms_outbox.last, Status.UNDELIVERED, code="27", reason="absent")
    text = sms.history("order-17").text
    assert (text.status, text.final, text.code, text.reason) == (Status.UNDELIVERED, True, "27", "absent")
    (event,) = hooks.events
    assert (event.reference, event.context) == ("order-17", {"order": "17"})
    assert hooks.changes == [("order-17", Status.UNDELIVERED)]


def test_a_report_that_comes_twice_changes_nothing_the_second_time(sms, hooks, sms_outbox):
    sms.send(NUMBER, "Hello", reference="order-17")
    first, second = [sms_outbox.deliver_report(sms_outbox.last, Status.DELIVERED) for _ in range(2)]
    assert first.key == second.key
    assert hooks.changes == [("order-17", Status.DELIVERED)]
    assert len(sms.history("order-17").reports) == 1


def test_a_late_report_moves_nothing_back(sms, hooks, sms_outbox):
    sms.send(NUMBER, "Hello", reference="order-17")
    sms_outbox.deliver_report(sms_outbox.last, Status.DELIVERED)
    sms_outbox.deliver_report(sms_outbox.last, Status.SENT, at=datetime(2026, 1, 1, tzinfo=UTC))
    assert sms.history("order-17").text.status is Status.DELIVERED
    assert [event.status for event in hooks.events] == [Status.DELIVERED, Status.SENT]


async def test_a_report_reaches_an_async_client_and_a_client_that_was_closed(async_sms, hooks, sms_outbox):
    async with async_sms:
        sent = await async_sms.send(NUMBER, "Hello")
        sms_outbox.deliver_report(sent, Status.SENT)
    sms_outbox.deliver_report(sent, Status.DELIVERED)
    assert [event.status for event in hooks.events] == [Status.SENT, Status.DELIVERED]


def test_a_stop_reaches_the_list_of_opt_outs_for_the_sender_of_the_newest_text(sms, sms_outbox):
    sms.send(NUMBER, "Hello")
    event = sms_outbox.deliver_text(NUMBER, "STOP")
    assert (event.account, event.provider, event.to) == ("twincle", "twincle", "ACMEIN")
    assert sms.try_send(NUMBER, "Hello again").error.reason == "opt-out"
    assert sms.try_send(NUMBER, "Hello", sender="OTHERS").sent
    sms_outbox.deliver_text("+91 98765 43210", "START")
    assert sms.try_send(NUMBER, "Hello again").sent


def test_a_text_goes_to_the_account_and_number_that_the_test_names(sms_outbox, hooks, environ):
    environ |= {"SMSBRIDGE_PROVIDER": "both", "SMSBRIDGE_BOTH_PROVIDER": "failover"}
    environ |= {"SMSBRIDGE_BOTH_ACCOUNTS": "twincle,memory"}
    with SmsClient(environ=environ, plugins=Plugins(hooks)) as sms:
        sms.send(NUMBER, "Hello", sender="ACMETX")
        sms_outbox.deliver_text(OTHER, "Hi", to="15557122661", account="memory", taken_as="help")
        sms_outbox.deliver_text(NUMBER, "Hi")
        with pytest.raises(LookupError, match="no account 'plivo'"):
            sms_outbox.deliver_text(OTHER, "Hi", account="plivo")
    first, second = hooks.events
    assert (first.account, first.to, first.taken_as, first.sender) == ("memory", "15557122661", "help", OTHER)
    assert (second.account, second.to) == ("twincle", "ACMETX")


def test_the_first_text_of_a_test_goes_to_the_shared_client(sms_outbox, monkeypatch, environ):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    sms_outbox.deliver_text(NUMBER, "STOP")
    assert smsbridge.try_send(NUMBER, "Hello").error.reason == "opt-out"


def test_a_text_that_comes_twice_has_the_same_key(sms, hooks, sms_outbox):
    sms.send(NUMBER, "Hello")
    sms_outbox.deliver_text(NUMBER, "Where is it?", id="7")
    sms_outbox.deliver_text(NUMBER, "Where is it?", id="7")
    sms_outbox.deliver_text(NUMBER, "Where is it?")
    first, second, third = [event.key for event in hooks.events]
    assert first == second != third


def test_an_error_of_a_hook_is_raised(sms, hooks, sms_outbox):
    sms.send(NUMBER, "Hello")
    hooks.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        sms_outbox.deliver_report(sms_outbox.last, Status.DELIVERED)
    with pytest.raises(ZeroDivisionError):
        sms_outbox.deliver_text(NUMBER, "Hello")


def test_every_field_of_a_report_and_of_a_text_arrives(sms, hooks, sms_outbox):
    sms.send(NUMBER, "नमस्ते")
    given = {
        "segments": 2,
        "price": Money(amount=Decimal("0.25"), unit="INR"),
        "part": True,
        "raw": {"a": [1, None]},
        "final": True,
    }
    report = sms_outbox.deliver_report(sms_outbox.last, Status.SENT, code="0", reason="absent", **given)
    text = sms_outbox.deliver_text(NUMBER, "नमस्ते 😀\n", raw={"b": "c"})
    assert hooks.events[1] == text
    assert hooks.events[0] == report


# --- through the application ----------------------------------------------------------------------------------------------


def fastapi_app(sms, async_sms):
    from fastapi import FastAPI

    app = FastAPI()
    app.mount("/sms", asgi(async_sms))
    return app


def starlette_test_client(sms, async_sms):
    with warnings.catch_warnings():
        # Starlette prefers httpx2, which few applications have.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        from starlette.testclient import TestClient

    return TestClient(fastapi_app(sms, async_sms))


def flask_app(sms, async_sms):
    from flask import Flask

    app = Flask(__name__)
    app.register_blueprint(blueprint(sms), url_prefix="/sms")
    return app


def wsgi_app(sms, async_sms):
    inner = wsgi(sms)

    def app(environ, start_response):
        assert environ["PATH_INFO"].startswith("/sms/")
        mounted = {"SCRIPT_NAME": "/sms", "PATH_INFO": environ["PATH_INFO"].removeprefix("/sms")}
        return inner({**environ, **mounted}, start_response)

    return app


def asgi_function(sms, async_sms):
    return partial(asgi_app, asgi(async_sms))


async def asgi_app(inner, scope, receive, send):
    await inner({**scope, "root_path": "/sms"}, receive, send)


def django_urls(sms):
    """Configure Django with a view of the webhooks, as docs/recipes/django.md has it."""
    from django.conf import settings
    from django.http import HttpResponse as Answer
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    from smsbridge.web import Webhooks

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["testserver"])
    webhooks = Webhooks(sms)

    @csrf_exempt
    def webhook(request, account):
        answer = webhooks.answer(request.method, account, lambda: HttpRequest.from_wsgi(request.META, request.body))
        return Answer(answer.body, status=answer.status)

    return [path("sms/<account>", webhook)]


@pytest.fixture
def django_shop(sms):
    import django
    from django.test import override_settings
    from django.urls import clear_url_caches

    urls = types.ModuleType("shop_urls")
    urls.urlpatterns = django_urls(sms)
    django.setup()
    with override_settings(ROOT_URLCONF=urls, ALLOWED_HOSTS=["testserver"]):
        clear_url_caches()
        yield
    clear_url_caches()


def django_client(sms, async_sms):
    from django.test import Client

    return Client(enforce_csrf_checks=True)


def django_handler(sms, async_sms):
    from django.core.handlers.wsgi import WSGIHandler

    return WSGIHandler()


APPLICATIONS = [fastapi_app, starlette_test_client, flask_app, wsgi_app, asgi_function, django_client, django_handler]


@pytest.mark.parametrize("make", APPLICATIONS, ids=lambda make: make.__name__)
@pytest.mark.usefixtures("django_shop")
async def test_reports_and_texts_go_through_the_application(make, sms, async_sms, hooks, sms_outbox):
    """Also while the test itself runs an event loop."""
    sms_outbox.through(make(sms, async_sms))
    sms.send(NUMBER, "Hello", reference="order-17")
    await async_sms.send(OTHER, "Hello", reference="order-18")
    sms_outbox.deliver_report(sms_outbox[0], Status.DELIVERED)
    sms_outbox.deliver_report(sms_outbox[1], Status.FAILED, code="9")
    sms_outbox.deliver_text(NUMBER, "STOP")
    assert [type(event) for event in hooks.events] == [DeliveryReport, DeliveryReport, InboundMessage]
    assert hooks.changes == [("order-17", Status.DELIVERED), ("order-18", Status.FAILED)]
    assert sms.try_send(NUMBER, "Hello").error.reason == "opt-out"


@pytest.mark.parametrize("make", APPLICATIONS, ids=lambda make: make.__name__)
@pytest.mark.usefixtures("django_shop")
def test_another_answer_than_2xx_is_an_assertion_error_with_the_answer(make, sms, async_sms, sms_outbox):
    sms_outbox.through(make(sms, async_sms), path="/sms/nowhere")
    sms.send(NUMBER, "Hello")
    words = "the application answered 404 to the webhook for /sms/nowhere: there is no such account here"
    with pytest.raises(AssertionError, match=words):
        sms_outbox.deliver_report(sms_outbox.last, Status.DELIVERED)


def test_the_first_text_goes_to_the_account_of_the_application_that_the_test_names(sms, async_sms, hooks, sms_outbox):
    """The shared client, whose provider is console, is another one."""
    sms_outbox.through(fastapi_app(sms, async_sms))
    sms_outbox.deliver_text(NUMBER, "STOP", account="twincle")
    assert [(event.account, event.provider) for event in hooks.events] == [("twincle", "twincle")]
    assert sms.try_send(NUMBER, "Hello").error.reason == "opt-out"
    with pytest.raises(AssertionError, match="answered 404 to the webhook for /sms/console"):
        sms_outbox.deliver_text(NUMBER, "STOP")


def test_a_path_that_the_application_does_not_have(sms, async_sms, sms_outbox):
    sms_outbox.through(fastapi_app(sms, async_sms), path="/hooks/sms/{account}")
    sms.send(NUMBER, "Hello")
    with pytest.raises(AssertionError, match="answered 404 to the webhook for /hooks/sms/twincle"):
        sms_outbox.deliver_text(NUMBER, "STOP")
    assert sms.try_send(NUMBER, "Hello").sent


def test_a_hook_that_fails_is_a_500(sms, async_sms, hooks, sms_outbox):
    sms_outbox.through(fastapi_app(sms, async_sms))
    sms.send(NUMBER, "Hello")
    hooks.error = ZeroDivisionError()
    with pytest.raises(AssertionError, match=r"answered 500 .*: the webhook could not be taken in"):
        sms_outbox.deliver_text(NUMBER, "Hello")


def test_the_limit_of_the_body_holds(sms, async_sms, hooks, sms_outbox):
    sms_outbox.through(fastapi_app(sms, async_sms))
    sms.send(NUMBER, "Hello")
    with pytest.raises(AssertionError, match="answered 413"):
        sms_outbox.deliver_text(NUMBER, "x" * (1 << 20))
    assert hooks.events == []


def test_an_account_is_not_believed_on_the_route_of_another(sms_outbox, environ):
    environ |= {"SMSBRIDGE_PROVIDER": "both", "SMSBRIDGE_BOTH_PROVIDER": "failover"}
    environ |= {"SMSBRIDGE_BOTH_ACCOUNTS": "twincle,second", "SMSBRIDGE_SECOND_PROVIDER": "twincle"}
    environ |= {name.replace("TWINCLE", "SECOND"): value for name, value in TWINCLE.items() if "_TWINCLE_" in name}
    sms = SmsClient(environ=environ)
    sms_outbox.through(flask_app(sms, None), path="/sms/second")
    sms.send(NUMBER, "Hello")
    with pytest.raises(AssertionError, match=r"answered 401 .*: the webhook is for another account"):
        sms_outbox.deliver_report(sms_outbox.last, Status.DELIVERED)
    sms_outbox.through(flask_app(sms, None))
    sms_outbox.deliver_report(sms_outbox.last, Status.DELIVERED)


def test_an_application_that_says_yes_without_a_client_is_caught(sms, sms_outbox):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"fine"]

    sms_outbox.through(app)
    sms.send(NUMBER, "Hello")
    with pytest.raises(AssertionError, match=r"answered 200 .*, but no client of smsbridge received it: fine"):
        sms_outbox.deliver_report(sms_outbox.last, Status.DELIVERED)


def test_an_error_of_the_application_comes_through(sms, sms_outbox):
    async def app(scope, receive, send):
        raise ZeroDivisionError

    sms_outbox.through(app)
    sms.send(NUMBER, "Hello")
    with pytest.raises(ZeroDivisionError):
        sms_outbox.deliver_report(sms_outbox.last, Status.DELIVERED)


def test_an_application_without_an_answer_is_caught(sms, sms_outbox):
    async def asgi_app(scope, receive, send):
        pass

    sms.send(NUMBER, "Hello")
    for app in (asgi_app, lambda environ, start_response: []):
        sms_outbox.through(app)
        with pytest.raises(AssertionError, match="ended without an answer"):
            sms_outbox.deliver_report(sms_outbox.last, Status.DELIVERED)


def test_what_is_no_application_is_refused(sms_outbox):
    from django.test import AsyncClient

    for thing in ("app:app", None, AsyncClient()):
        with pytest.raises(TypeError, match="no application: give an ASGI or WSGI application"):
            sms_outbox.through(thing)


# --- the signature --------------------------------------------------------------------------------------------------------


def webhook_of(vendor):
    report = DeliveryReport(account="memory", provider="memory", id="1", status=Status.SENT, final=False)
    return vendor.webhook("https://app.example/sms", report)


@pytest.fixture
def memory(hooks):
    return SmsClient(MemoryProvider(), plugins=Plugins(hooks))


def test_a_webhook_of_another_outbox_is_refused(memory, sms_outbox):
    with pytest.raises(SignatureError, match="not as this outbox signed it"):
        memory.receive(webhook_of(PlayedVendor()))


def test_a_changed_webhook_is_refused(memory):
    class Changing(Outbox):
        def brought(self, webhook):
            return super().brought(HttpRequest(**{**fields(webhook), "body": webhook.body + b" "}))

    with Changing() as outbox:
        memory.send(NUMBER, "Hello")
        with pytest.raises(SignatureError, match="not as this outbox signed it"):
            outbox.deliver_report(outbox.last, Status.DELIVERED)


def fields(request):
    return {"method": request.method, "url": request.url, "headers": request.headers, "body": request.body}


def test_a_body_that_was_signed_and_is_no_event_is_refused():
    vendor = PlayedVendor()
    body = b'{"account":"memory"}'
    webhook = HttpRequest(method="POST", url="http://app/", headers={SIGNATURE: vendor._sign(body)}, body=body)
    with pytest.raises(PayloadError):
        vendor.events(webhook)


def test_outside_of_an_outbox_its_signature_proves_nothing(environ):
    vendor = PlayedVendor()
    report = DeliveryReport(account="twincle", provider="twincle", id="1", status=Status.SENT, final=False)
    with SmsClient(environ={**TWINCLE}) as sms, pytest.raises(SignatureError, match="does not carry the"):
        sms.receive(vendor.webhook("https://app.example/sms", report))


def test_a_webhook_that_the_vendor_signed_is_still_the_providers_to_read(sms, hooks, sms_outbox):
    body = {"id": "1:1", "mobile": "919876543210", "status": "DELIVRD"}
    for secret in ("forged", "not-a-real-secret"):
        webhook = HttpRequest.post_json("https://app/sms", body, headers={"authorization": f"Bearer {secret}"})
        if secret == "forged":
            with pytest.raises(SignatureError):
                sms.receive(webhook)
        else:
            sms.receive(webhook)
    assert [event.id for event in hooks.events] == ["1:1"]


class AnswersInItsWay(SmsProvider):
    """A vendor that wants a certain answer."""

    name = "particular"

    def send(self, message):
        yield from ()
        return self.accepted(message, id="1")

    def acknowledge(self, events):
        return HttpResponse(status=202, body=f"{len(events)} taken".encode())


def test_the_answer_is_the_providers(sms_outbox):
    client, answers = SmsClient(AnswersInItsWay()), []
    client.send(NUMBER, "Hello")

    def app(environ, start_response):
        answers.append(client.receive(HttpRequest.from_wsgi(environ)).response)
        start_response("202 Accepted", [])
        return [answers[0].body]

    sms_outbox.through(app)
    sms_outbox.deliver_report(sms_outbox.last, Status.DELIVERED)
    assert [(answer.status, answer.body) for answer in answers] == [(202, b"1 taken")]


# --- the store ------------------------------------------------------------------------------------------------------------


def texts_stops_and_reports(sms, outbox):
    assert sms.try_send(NUMBER, "Hello", reference="order-17").sent
    outbox.deliver_report(outbox.last, Status.DELIVERED)
    outbox.deliver_text(NUMBER, "STOP")
    assert sms.history("order-17").text.status is Status.DELIVERED
    assert not sms.try_send(NUMBER, "Hello").sent


def test_a_store_is_neither_made_nor_written_under_an_outbox(environ, tmp_path):
    with Outbox() as outbox, SmsClient(environ=environ) as sms:
        texts_stops_and_reports(sms, outbox)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_there_stays_as_it_is(environ, tmp_path):
    def made():
        vendor = HttpResponse(status=422, body=b'{"status":"ERROR","code":422,"message":"Missing message.","data":[]}')
        return SmsClient(environ=environ, transport=Answering(vendor))

    with made() as sms:
        sms.try_send(NUMBER, "Hello", reference="order-16")
        known = sms.history("order-16")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with made() as sms, Outbox() as outbox:
        texts_stops_and_reports(sms, outbox)
        assert sms.history("order-16") is None
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with made() as sms:
        assert sms.history("order-16") == known
        assert sms.history("order-17") is None
        assert sms.try_send(NUMBER, "Hello").error.reason != "opt-out"


class Answering:
    """A transport that always answers the same."""

    def __init__(self, answer):
        self._answer = answer

    def send(self, request, *, within=None):
        return self._answer

    def close(self):
        pass
