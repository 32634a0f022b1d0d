"""Webhooks in Django: taken in under every middleware of a strict project, under WSGI and under ASGI."""

from __future__ import annotations

import http.client
import json
import logging
import select
from io import BytesIO

import pytest
from django.core.asgi import get_asgi_application
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from shop import SECRET
from shop.models import Order, Reply
from shop.views import TO

import smsbridge_django
from servers import uvicorn_serves, wsgiref_serves
from smsbridge_django import sms_received, sms_status_changed
from smsbridge_django.views import webhook

JSON = "application/json"


def post(port, body, *, secret=SECRET, path="/sms/courier", method="POST", headers=None):
    """Post to a real server. Returns the status, the headers and the body of its answer."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        asked.request(method, path, body, {"content-type": JSON, "x-secret": secret, **(headers or {})})
        answer = asked.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        asked.close()


@pytest.fixture(params=["wsgi", "asgi"], scope="module")
def port(request):
    if request.param == "wsgi":
        with wsgiref_serves(get_wsgi_application()) as port:
            yield port
    else:
        with uvicorn_serves(get_asgi_application()) as port:
            yield port


def report(number, status):
    return json.dumps([{"id": f"courier-order-{number}", "status": status}]).encode()


def reply(words, key="in-1"):
    return json.dumps([{"id": key, "from": TO, "text": words}]).encode()


def test_a_report_moves_the_order_whose_text_it_is_about(port, number):
    assert Client().get(f"/ship/{number}").status_code == 200
    assert post(port, report(number, "sent"))[0] == 200
    assert Order.objects.get().status == "sent"
    assert post(port, report(number, "delivered"))[0] == 200
    assert Order.objects.get().status == "delivered"


def test_a_report_that_comes_again_is_no_signal(port, number):
    Client().get(f"/ship/{number}")
    post(port, report(number, "delivered"))
    Order.objects.update(status="looked at by a person")
    assert post(port, report(number, "delivered"))[0] == 200
    assert Order.objects.get().status == "looked at by a person"


def test_a_change_is_told_again_if_its_receiver_failed(port, number):
    Client().get(f"/ship/{number}")
    failures = [RuntimeError("the shop cannot take this report")]

    def fails_once(**_):
        if failures:
            raise failures.pop()

    sms_status_changed.connect(fails_once)
    try:
        assert post(port, report(number, "delivered"))[0] == 500
        Order.objects.update(status="")
        assert post(port, report(number, "delivered"))[0] == 200
    finally:
        assert sms_status_changed.disconnect(fails_once)
    assert Order.objects.get().status == "delivered"


def test_a_text_of_a_person_is_a_signal(port):
    assert post(port, reply("STOP it"))[0] == 200
    assert Reply.objects.get().words == "STOP it"


def test_a_receiver_that_fails_has_the_vendor_send_it_again(port, caplog):
    assert post(port, reply("explode"))[0] == 500
    assert not Reply.objects.exists()
    Reply.objects.create(key="repaired", words="")
    assert post(port, reply("explode"))[0] == 200
    assert Reply.objects.filter(words="explode").count() == 1
    assert "explode" not in caplog.text


def test_what_is_not_proven_is_refused(port):
    status, _, body = post(port, reply("hello"), secret="another")
    assert status == 401
    assert SECRET.encode() not in body
    assert not Reply.objects.exists()


def test_an_account_that_is_not_there_has_no_route(port):
    assert post(port, reply("hello"), path="/sms/other")[0] == 404


def test_a_probe_is_answered(port):
    assert post(port, None, method="HEAD")[0] == 200


def test_another_method_is_refused(port):
    status, headers, _ = post(port, reply("hello"), method="PUT")
    assert (status, headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("size", [1 << 20, 3 << 20])
def test_a_body_that_is_too_large_is_refused(port, size):
    """The larger one is too large for Django, too, whose own answer would be 400."""
    body = b"[" + b" " * size + b"]"
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    asked.putrequest("POST", "/sms/courier")
    for name, value in {"content-type": JSON, "x-secret": SECRET, "content-length": str(len(body))}.items():
        asked.putheader(name, value)
    asked.endheaders()
    # A server that refuses by the length alone closes the connection: more of the body would break it.
    if not select.select([asked.sock], [], [], 1.0)[0]:
        asked.send(body)
    assert asked.getresponse().status == 413
    asked.close()


def test_an_unknown_host_is_refused_by_django(port):
    assert post(port, reply("hello"), headers={"host": "evil.example"})[0] == 400


def test_a_receiver_may_use_the_orm_outside_of_a_transaction(port):
    seen = []

    def look(**_):
        seen.append((connection.in_atomic_block, Reply.objects.count()))

    sms_received.connect(look)
    try:
        assert post(port, reply("hello"))[0] == 200
    finally:
        assert sms_received.disconnect(look)
    assert seen == [(False, 1)]


def test_an_answer_has_no_type_that_nothing_gave_it():
    answer = Client().post("/sms/courier", reply("hello"), content_type=JSON, headers={"x-secret": SECRET})
    assert (answer.status_code, answer.content) == (200, b"")
    assert "content-type" not in answer.headers


def test_a_vendor_needs_no_login_and_no_token_against_forgery():
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/sms/courier", reply("hello"), content_type=JSON, headers={"x-secret": SECRET})
    assert answer.status_code == 200


def test_a_body_that_a_middleware_has_read_as_a_form_is_still_there():
    def reads_the_form(get_response):
        def middleware(request):
            assert not request.POST
            return get_response(request)

        return middleware

    import shop

    shop.reads_the_form = reads_the_form
    with override_settings(MIDDLEWARE=["shop.reads_the_form"]):
        answer = Client().post("/sms/courier", reply("hello"), content_type=JSON, headers={"x-secret": SECRET})
    assert answer.status_code == 200


def test_a_body_in_chunks_is_read_where_the_server_ends_it():
    environ = RequestFactory().post("/sms/courier", headers={"x-secret": SECRET}).environ
    del environ["CONTENT_LENGTH"]
    environ |= {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "wsgi.input": BytesIO(reply("hello")),
    }
    assert webhook(WSGIRequest(environ), "courier").status_code == 200
    assert Reply.objects.get().words == "hello"


def test_accounts_without_a_route_are_not_there():
    with override_settings(SMSBRIDGE_WEBHOOK_ACCOUNTS=[]):
        assert Client().post("/sms/courier", reply("hello"), content_type=JSON).status_code == 404


def test_settings_may_stand_for_the_environment():
    other = {"SMSBRIDGE_PROVIDER": "courier", "SMSBRIDGE_COURIER_WEBHOOK_SECRET": "FAKE-OTHER"}
    ours = smsbridge_django.client()
    with override_settings(SMSBRIDGE=other):
        theirs = smsbridge_django.client()
        assert theirs is not ours
        assert theirs is smsbridge_django.client()
        answer = Client().post("/sms/courier", reply("hello"), content_type=JSON, headers={"x-secret": "FAKE-OTHER"})
        assert answer.status_code == 200
    assert smsbridge_django.client() is ours
    with pytest.raises(RuntimeError, match="closed"):
        theirs.send(TO, "hello")


def test_settings_that_are_wrong_are_logged_without_the_text_that_came(caplog):
    """An exception would be reported with the body of the request."""
    with override_settings(SMSBRIDGE={"SMSBRIDGE_PROVIDER": "courier"}):
        answer = Client().post("/sms/courier", reply("SECRET-WORDS"), content_type=JSON)
    assert (answer.status_code, answer.content) == (500, b"")
    assert "SMSBRIDGE_COURIER_WEBHOOK_SECRET is not set" in caplog.text
    assert "SECRET-WORDS" not in caplog.text


def test_nothing_of_a_text_is_logged(caplog, number):
    caplog.set_level(logging.DEBUG)
    Client().get(f"/ship/{number}?words=SECRET-WORDS")
    Client().post("/sms/courier", reply("SECRET-WORDS"), content_type=JSON, headers={"x-secret": SECRET})
    assert not [
        record
        for record in caplog.records
        if record.name.startswith("smsbridge") and "SECRET-WORDS" in record.getMessage()
    ]
