"""The Twincle sandbox follows the documentation: each endpoint, epoch and magic number, the pushes and the command."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import phonenumbers
import pytest

import smsbridge_twincle.sandbox
from smsbridge_twincle.sandbox import Sandbox, create_app, magic, main, segments
from smsbridge_twincle.sandbox.answers import Answer
from smsbridge_twincle.sandbox.printing import Printer
from smsbridge_twincle.sandbox.reports import HandshakeError
from smsbridge_twincle.sandbox.server import listen
from smsbridge_twincle.sandbox.state import ZONE

TOKEN = "dummy-token-of-the-tests"
SECRET = "dummy-webhook-secret"
NUMBER = "919876543210"
DISCLAIMER = "built from documentation, not Twincle"
EPOCHS = ("E1", "E2", "E3")
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}
SMS = {"to": NUMBER, "message": "Hello", "sender": "SNDBOX", "service": "T"}
PACKAGE = Path(smsbridge_twincle.sandbox.__file__).parent
RUN = "from smsbridge_twincle.sandbox import main; sys.exit(main())"
MANUAL = Path(__file__).parents[2] / "plugins" / "twincle" / "SANDBOX.md"


class Api:
    """The sandbox in process."""

    def __init__(self, **options: Any) -> None:
        self.now = 1_760_000_000.0
        self.app = create_app(token=TOKEN, clock=lambda: self.now, **options)

    async def __call__(self, method: str, path: str, headers: dict[str, str] = HEADERS, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/api/v2/", trust_env=False) as client:
            response = await client.request(method, path, headers=headers, **more)
        assert response.headers["x-sandbox"] == DISCLAIMER
        return response

    async def send(self, **changes: Any) -> httpx.Response:
        return await self("POST", "sms/send", data={k: v for k, v in {**SMS, **changes}.items() if v is not None})

    async def row(self, **changes: Any) -> dict[str, Any]:
        return (await self.send(**changes)).json()["data"][0]

    async def status(self, **filters: Any) -> Any:
        return (await self("GET", "sms/status", params=filters)).json()

    def time(self, **ahead: float) -> str:
        return (datetime.fromtimestamp(self.now, ZONE) + timedelta(**ahead)).strftime("%Y-%m-%d %H:%M:%S")


def error(code: int, message: str) -> dict[str, Any]:
    return {"status": "ERROR", "code": code, "message": message, "data": []}


def nn(suffix: int) -> str:
    return f"{magic.PREFIX}{suffix:02d}"


# Authentication


@pytest.mark.parametrize(
    "request_parts",
    [
        {"headers": HEADERS},
        {"headers": {"Accept": "application/json"}, "params": {"access_token": TOKEN}},
        {"headers": {"Accept": "application/json"}, "data": {"access_token": TOKEN}},
        {"headers": {"Accept": "application/json"}, "files": {"access_token": (None, TOKEN)}},
    ],
    ids=["header", "query", "form", "multipart"],
)
async def test_the_token_may_come_in_each_documented_way(request_parts):
    assert (await Api()("POST", "account/balance", **request_parts)).json()["status"] == 200


@pytest.mark.parametrize("value", ["Bearer wrong", TOKEN, "Basic abc"])
async def test_a_bad_token_is_401_for_who_asks_for_json(value):
    response = await Api()("GET", "account/balance", headers={"Authorization": value, "Accept": "application/json"})
    assert (response.status_code, response.json()) == (401, {"message": "Unauthenticated."})


async def test_a_bad_token_without_accept_is_sent_to_the_login_page():
    api = Api()
    response = await api("GET", "account/balance", headers={"Authorization": "Bearer wrong"})
    assert (response.status_code, response.headers["location"]) == (302, "http://sandbox/login")
    page = await api("GET", "http://sandbox/login")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


async def test_a_token_in_a_json_body_is_not_documented_and_not_accepted():
    response = await Api()(
        "POST", "sms/send", headers={"Accept": "application/json"}, json={**SMS, "access_token": TOKEN}
    )
    assert response.status_code == 401


# sms/send


@pytest.mark.parametrize(
    "body",
    [{"data": SMS}, {"json": SMS}, {"params": SMS}, {"files": {k: (None, v) for k, v in SMS.items()}}],
    ids=["form", "json", "query", "multipart"],
)
@pytest.mark.parametrize("path", ["sms/send", "sms/send/"])
async def test_a_text_is_accepted_in_each_encoding(body, path):
    api = Api()
    response = await api("POST", path, **body)
    assert response.status_code == 200
    assert api.app.state.texts[0].text == "Hello"


@pytest.mark.parametrize("text", ["नमस्ते ₹ 👋", "a&b=c+d %20 €", "line\r\nbreak"])
@pytest.mark.parametrize("how", ["data", "json", "params", "files"])
async def test_no_encoding_changes_a_text(text, how):
    api = Api()
    fields = {**SMS, "message": text, "type": "U"}
    await api("POST", "sms/send", **{how: {k: (None, v) for k, v in fields.items()} if how == "files" else fields})
    assert api.app.state.texts[0].text == text


async def test_the_answer_has_the_documented_fields():
    api = Api()
    body = (await api.send(custom="ref-1")).json()
    [row] = body["data"]
    assert re.fullmatch(r"[0-9a-f-]{36}:1", row.pop("id"))
    assert body == {"status": 200, "message": "1 numbers accepted for delivery.", "data": [row]}
    assert row == {
        "mobile": NUMBER,
        "status": "AWAITING-DLR",
        "units": 1,
        "length": 5,
        "charges": 1,
        "customid": "ref-1",
        "iso_code": None,
        "submitted_at": api.time(),
    }


@pytest.mark.parametrize(("epoch", "charges", "iso"), [("E1", "1.0000", None), ("E2", 1, None), ("E3", "1.0000", "IN")])
async def test_epochs_differ_in_charges_and_country(epoch, charges, iso):
    row = await Api(epoch=epoch).row()
    assert (row["charges"], row["iso_code"], "customid1" in row) == (charges, iso, epoch == "E1")


@pytest.mark.parametrize(("epoch", "status"), [("E1", 200), ("E2", 405), ("E3", 405)])
async def test_get_sends_in_the_first_epoch_only(epoch, status):
    api = Api(epoch=epoch)
    response = await api("GET", "sms/send", params=SMS)
    assert response.status_code == status
    assert len(api.app.state.texts) == (status == 200)


async def test_a_name_asks_for_a_group_whose_id_begins_the_ids():
    body = (await Api().send(name="campaign", to=f"{NUMBER},919876543211")).json()
    assert [row["id"] for row in body["data"]] == [f"{body['group_id']}:1", f"{body['group_id']}:2"]
    assert body["message"].startswith("2 numbers")


@pytest.mark.parametrize(
    ("epoch", "service", "mobile"),
    [("E1", "T", NUMBER), ("E2", "T", NUMBER), ("E2", "G", NUMBER[2:]), ("E3", "T", NUMBER[2:])],
)
async def test_the_country_code_is_added_to_indian_traffic_before_the_third_epoch(epoch, service, mobile):
    assert (await Api(epoch=epoch).row(to=NUMBER[2:], service=service))["mobile"] == mobile


@pytest.mark.parametrize("epoch", EPOCHS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"to": None, "message": None, "sender": None, "service": None}, "Invalid Request. Missing required params."),
        ({"to": None}, "Missing mobile number."),
        ({"message": None}, "Missing message."),
        ({"message": "  "}, "Missing message."),
        ({"sender": None}, "Missing sender."),
        ({"service": None}, "Invalid Request. Missing required params."),
        ({"service": "XX"}, "Invalid Service Id."),
        ({"sender": "INVSND"}, "Invalid Sender or Sender not allowed"),
        ({"sender": "TOOLONG"}, "Invalid Sender or Sender not allowed"),
        ({"to": f"+{NUMBER}"}, "No Valid mobile numbers found"),
        ({"to": "00919876543210"}, "No Valid mobile numbers found"),
        ({"to": "hello"}, "No Valid mobile numbers found"),
        ({"type": "X"}, "Invalid type value, choose any one from (N, U, A)"),
        ({"flash": "2"}, "Invalid flash value, choose either 1 or 0"),
        ({"port": "abc"}, "Port number must be numeric"),
        ({"time": "tomorrow"}, "Invalid time format"),
        ({"webhook_id": "00000000-0000-4000-8000-000000000000"}, "Invalid Webhook id"),
        ({"message": "a" * 307, "max_units": "2"}, "Message length is 3 units. It should not exceed the 2 units."),
        ({"message": "a" * 4097}, "Message length is exceeding. Max 4096 characters allowed."),
    ],
)
async def test_refusals_have_the_documented_bodies(epoch, changes, message):
    api = Api(epoch=epoch)
    response = await api.send(**changes)
    assert (response.status_code, response.json()) == (422, error(422, message))
    assert not api.app.state.texts


@pytest.mark.parametrize("ahead", [{"minutes": 4}, {"days": 93}, {"minutes": -10}])
async def test_a_schedule_is_5_minutes_to_3_months_ahead(ahead):
    api = Api()
    message = "Invalid schedule time. Minimum 5 min time gap is required and 3 months from now."
    assert (await api.send(time=api.time(**ahead))).json() == error(422, message)


async def test_a_scheduled_text_stays_pending_until_its_time():
    api = Api(report_delay=1)
    text_id = (await api.row(time=api.time(minutes=10)))["id"]
    api.now += 300
    assert (await api.status(id=text_id))["data"][0]["status"] == "AWAITING-DLR"
    api.now += 302
    assert (await api.status(id=text_id))["data"][0]["status"] == "DELIVRD"


async def test_four_tags_are_one_too_many():
    api = Api()
    for count, status in ((3, 200), (4, 422)):
        response = await api("POST", "sms/send", json={**SMS, "meta": {"tags": ["t"] * count}})
        assert response.status_code == status
    assert response.json() == error(422, "Number of tags selected cannot exceed 3.")


async def test_broken_json_is_400():
    headers = {**HEADERS, "Content-Type": "application/json"}
    assert (await Api()("POST", "sms/send", headers=headers, content=b"{")).status_code == 400


async def test_an_invalid_number_among_valid_ones_is_a_refused_row():
    rows = (await Api().send(to=f"{NUMBER},12")).json()["data"]
    assert [row["status"] for row in rows] == ["AWAITING-DLR", "INV-NUMBER"]


async def test_a_dlr_url_must_stay_on_this_machine():
    assert (await Api().send(dlr_url="http://example.com/?s={status}")).status_code == 422


@pytest.mark.parametrize(
    ("text", "kind", "units"),
    [
        ("a" * 160, "A", 1),
        ("a" * 161, "A", 2),
        ("a" * 306, "A", 2),
        ("a" * 307, "A", 3),
        ("€" * 80, "A", 1),
        ("€" * 81, "A", 2),
        ("ह" * 70, "A", 1),
        ("ह" * 71, "A", 2),
        ("ह" * 134, "A", 2),
        ("ह" * 135, "A", 3),
        ("👋" * 36, "A", 2),
        ("a" * 71, "U", 2),
        ("ह" * 71, "N", 1),
    ],
)
async def test_units_count_parts(text, kind, units):
    row = await Api().row(message=text, type=kind)
    assert (row["units"], row["length"]) == (units, len(text))


async def test_without_a_type_a_text_outside_the_alphabet_is_flattened():
    api = Api()
    await api.send(message="नम")
    assert api.app.state.texts[0].text == "??"


def test_the_gsm_alphabet_is_complete():
    assert len(segments.BASIC) == 127
    assert len(segments.EXTENDED) == 10


async def test_credits_go_down_by_units_until_there_are_none():
    api = Api(balance=3)
    assert (await api.row(message="a" * 161))["status"] == "AWAITING-DLR"
    assert (await api.row(message="a" * 161))["status"] == "NO-CREDITS"
    left = {row["service"]: row["credits"] for row in (await api("GET", "account/balance")).json()["data"]}
    assert left == {"T": 1, "P": 3, "S": 3, "G": 3}


async def test_only_approved_senders_when_they_are_listed():
    api = Api(senders=("MYSHOP",))
    assert (await api.send()).status_code == 422
    assert (await api.send(sender="MYSHOP")).status_code == 200


# sms/send/json


async def test_nodes_override_the_root_except_service_time_and_webhook():
    api = Api()
    root = {
        "sender": "SNDBOX",
        "service": "T",
        "message": "default",
        "name": "campaign",
        "type": "A",
        "time": "",
        "flash": 0,
    }
    nodes = [
        {
            "to": NUMBER,
            "custom": "ref-1",
            "message": "own",
            "sender": "OTHER",
            "service": "XX",
            "time": "never",
            "webhook_id": "x",
        },
        {"to": "919876543211,919876543212", "custom": "ref-2"},
    ]
    body = (await api("POST", "sms/send/json", json={"root": root, "nodes": nodes})).json()
    assert [(row["mobile"][-1], row["customid"]) for row in body["data"]] == [
        ("0", "ref-1"),
        ("1", "ref-2"),
        ("2", "ref-2"),
    ]
    assert [row["id"] for row in body["data"]] == [f"{body['group_id']}:{n}" for n in (1, 2, 3)]
    assert [(t.text, t.sender, t.service) for t in api.app.state.texts] == [("own", "OTHER", "T")] + [
        ("default", "SNDBOX", "T")
    ] * 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Invalid Request. Missing required params."),
        ([], "Invalid Request. Missing required params."),
        ({"root": {"service": "T"}}, "Missing Data Column."),
        ({"root": {"service": "T"}, "nodes": []}, "Missing Data Column."),
        ({"root": {"service": "T", "sender": "S", "message": "m"}, "nodes": [{}]}, "Missing receipent."),
        ({"root": {"service": "T", "sender": "S"}, "nodes": [{"to": NUMBER}]}, "Missing message."),
        (
            {"root": {"service": "T", "sender": "S", "message": "m"}, "nodes": [{"to": NUMBER}, {"to": "x"}]},
            "No Valid mobile numbers found",
        ),
    ],
)
async def test_one_bad_node_refuses_the_whole_batch(body, message):
    api = Api()
    assert (await api("POST", "sms/send/json", json=body)).json() == error(422, message)
    assert not api.app.state.texts


async def test_rows_can_be_shuffled():
    api = Api(shuffle=True)
    numbers = [f"9198765432{n:02d}" for n in range(50)]
    rows = (await api.send(to=",".join(numbers))).json()["data"]
    assert [row["mobile"] for row in rows] != numbers
    assert sorted(row["mobile"] for row in rows) == numbers


# sms/status


@pytest.mark.parametrize("epoch", EPOCHS)
async def test_a_text_is_found_by_id_reference_and_number(epoch):
    api = Api(epoch=epoch)
    text_id = (await api.row(custom="ref-1"))["id"]
    await api.send(to="919876543219", custom="ref-2")
    for filters in (
        {"id": text_id},
        {"cid": "ref-1"},
        {"mobile": NUMBER},
        {"id": text_id, "mobile": NUMBER, "cid": "ref-1"},
    ):
        assert [row["id"] for row in (await api.status(**filters))["data"]] == [text_id]
    for filters in (
        {"id": text_id.partition(":")[0]},
        {"cid": "ref"},
        {"id": text_id, "mobile": "919876543219"},
        {"id": f"{text_id},{text_id}"},
    ):
        assert (await api.status(**filters))["data"] == []


@pytest.mark.parametrize("epoch", EPOCHS)
async def test_status_has_the_documented_shape_of_its_epoch(epoch):
    api = Api(epoch=epoch)
    text_id = (await api.row())["id"]
    body = await api.status(id=text_id)
    [row] = body.pop("data")
    assert body == (
        {"status": "OK", "code": 200, "message": "OK"} if epoch == "E3" else {"status": 200, "message": "OK"}
    )
    fields = {
        "id",
        "mobile",
        "status",
        "units",
        "length",
        "charges",
        "custom",
        "location",
        "provider",
        "submitted_at",
        "delivered_at",
    }
    extra = {"E1": {"custom1"}, "E2": set(), "E3": {"custom1", "service", "sender"}}[epoch]
    assert set(row) == fields | extra
    assert (row["status"], row["delivered_at"]) == ("AWAITING-DLR", "")


@pytest.mark.parametrize("epoch", ["E1", "E2"])
async def test_older_pages_are_a_paginator_inside_data(epoch):
    api = Api(epoch=epoch)
    group = (await api.send(name="c", to=",".join(f"91987654{n:04d}" for n in range(150)))).json()["group_id"]
    page = (await api.status(group_id=group))["data"]
    assert (page["current_page"], page["from"], page["to"], page["last_page"], page["per_page"], page["total"]) == (
        1,
        1,
        100,
        2,
        100,
        150,
    )
    assert page["next_page_url"] == "http://sandbox/api/v2/sms/status?page=2"
    assert page["prev_page_url"] is None
    assert page["data"][0]["units"] == "1"
    last = (await api.status(group_id=group, page=2))["data"]
    assert (len(last["data"]), last["next_page_url"]) == (50, None)


async def test_newer_pages_have_links_and_meta():
    api = Api(epoch="E3")
    group = (await api.send(name="c", to=",".join(f"91987654{n:04d}" for n in range(150)))).json()["group_id"]
    page = await api.status(group_id=group, page=2)
    assert (page["status"], page["code"], len(page["data"])) == ("OK", 200, 50)
    assert page["links"] == {
        "first": "http://sandbox/api/v2/sms/status?page=1",
        "last": "http://sandbox/api/v2/sms/status?page=2",
        "prev": "http://sandbox/api/v2/sms/status?page=1",
        "next": None,
    }
    assert (page["meta"]["current_page"], page["meta"]["from"], page["meta"]["to"], page["meta"]["total"]) == (
        2,
        101,
        150,
        150,
    )


async def test_a_page_link_has_lost_its_filters():
    api = Api()
    group = (await api.send(name="c", to=",".join(f"91987654{n:04d}" for n in range(150)))).json()["group_id"]
    link = (await api.status(group_id=group))["data"]["next_page_url"]
    assert (await api("GET", link)).json() == error(422, "Invalid request")


async def test_a_day_is_a_filter_in_indian_time():
    api = Api()
    await api.send()
    assert (await api.status(date=api.time()[:10]))["data"]["total"] == 1
    assert (await api.status(date="2001-01-01"))["data"]["total"] == 0
    assert (await api.status(date="01-01-2001")) == error(422, "Invalid time format")


@pytest.mark.parametrize(("epoch", "status"), [("E1", 200), ("E2", 200), ("E3", 405)])
async def test_status_takes_post_until_the_third_epoch(epoch, status):
    assert (await Api(epoch=epoch)("POST", "sms/status", data={"cid": "x"})).status_code == status


async def test_a_status_changes_after_the_report_delay():
    api = Api(report_delay=10)
    text_id = (await api.row())["id"]
    api.now += 9
    assert (await api.status(id=text_id))["data"][0]["status"] == "AWAITING-DLR"
    api.now += 1
    row = (await api.status(id=text_id))["data"][0]
    assert (row["status"], row["delivered_at"]) == ("DELIVRD", api.time())


async def test_old_texts_are_forgotten():
    api = Api(keep=2)
    ids = [(await api.row(custom=f"ref-{n}"))["id"] for n in range(3)]
    assert [len((await api.status(id=text_id))["data"]) for text_id in ids] == [0, 1, 1]
    assert [len((await api.status(cid=f"ref-{n}"))["data"]) for n in range(3)] == [0, 1, 1]
    assert len((await api.status(mobile=NUMBER))["data"]) == 2


async def test_pulls_are_limited_per_minute():
    api = Api(pull_limit=2)
    codes = [(await api("GET", "account/balance")).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    api.now += 60
    assert (await api("GET", "account/balance")).status_code == 200
    assert (await api.send()).status_code == 200


# Balance


@pytest.mark.parametrize(("epoch", "account", "finance"), [("E1", 200, 404), ("E2", 200, 200), ("E3", 404, 200)])
async def test_the_balance_moved_from_one_path_to_the_other(epoch, account, finance):
    api = Api(epoch=epoch)
    for path, status in (("account/balance", account), ("finance/balance", finance)):
        response = await api("GET", path)
        assert response.status_code == status
        if status == 200:
            assert response.json()["data"][0] == {
                "service": "T",
                "name": "Transactional SMS",
                "postpaid": 0,
                "credits": 1000,
                "charges": 1,
            }


async def test_an_unknown_path_is_404():
    body = (await Api()("GET", "sms/unknown")).json()
    assert (body["status"], body["code"]) == ("ERROR", 404)


# One-time codes


async def start(api: Api, to: str = NUMBER, **payload: Any) -> dict[str, Any]:
    channels = [{"name": "sms", "recipient": {"to": to}, "from": "VERIFY", "order": 0, "wait": 30}]
    return (
        await api("POST", "verify/send", json={"channels": channels, "payload": payload, "foreign_id": "ref-1"})
    ).json()


@pytest.mark.parametrize("epoch", EPOCHS)
async def test_a_code_starts_with_the_documented_answer(epoch):
    api = Api(epoch=epoch)
    body = await start(api, timeout=120)
    own = {"foreign_id": "ref-1"} if epoch == "E3" else {"to": NUMBER, "reference": "ref-1"}
    assert body == {
        "id": body["id"],
        "status": "sent",
        "created_at": api.time(),
        "expire_at": api.time(minutes=2),
        **own,
    }


async def test_the_first_epoch_starts_a_code_with_flat_fields():
    api = Api(epoch="E1")
    body = (
        await api("POST", "verify", data={"to": NUMBER, "length": "4", "template": "{token} is it", "reference": "r"})
    ).json()
    code = api.app.state.codes[body["id"]]
    assert (len(code.code), code.text, body["reference"]) == (4, f"{code.code} is it", "r")


async def check(api: Api, id: str, token: str) -> str:
    response = await api("GET", f"verify/check/{id}/{token}")
    assert response.status_code == 200
    assert response.json()["id"] == id
    return response.json()["status"]


@pytest.mark.parametrize(("epoch", "again"), [("E1", "invalid"), ("E2", "invalid"), ("E3", "OTP already verified")])
async def test_a_code_succeeds_once(epoch, again):
    api = Api(epoch=epoch)
    code_id = (await start(api, token="123456"))["id"]
    assert [await check(api, code_id, token) for token in ("654321", "123456", "123456")] == [
        "invalid",
        "success",
        again,
    ]


async def test_a_code_expires_and_an_unknown_one_fails():
    api = Api()
    code_id = (await start(api, token="123456", timeout=60))["id"]
    api.now += 60
    assert await check(api, code_id, "123456") == "expired"
    assert await check(api, "unknown", "123456") == "failed"
    assert (await api("GET", f"verify/search/{code_id}")).json()["status"] == "expired"


async def test_a_cancelled_code_fails():
    api = Api()
    code_id = (await start(api, token="123456"))["id"]
    assert (await api("GET", f"verify/cancel/{code_id}")).json() == {"id": code_id, "status": "success"}
    assert (await api("GET", f"verify/cancel/{code_id}")).json() == {"id": code_id, "status": "failed"}
    assert await check(api, code_id, "123456") == "failed"


async def test_a_search_shows_the_channel():
    api = Api()
    for to, status in ((NUMBER, None), (nn(1), "failed")):
        code_id = (await start(api, to))["id"]
        body = (await api("GET", f"verify/search/{code_id}")).json()
        [channel] = body["channels"]
        assert (body["to"], body["reference"], body["status"]) == (to, "ref-1", "sent")
        assert re.fullmatch(r"[0-9a-f-]{36}:1", channel["event_id"])
        assert (channel["from"], channel["channel"], channel["status"]) == ("VERIFY", "sms", status)
    assert (await api("GET", "verify/search/unknown")).json()["status"] == "failed"


@pytest.mark.parametrize(
    "payload",
    [{"length": 3}, {"length": 11}, {"length": 6, "token": "1234"}, {"template": "no place"}, {"timeout": "soon"}],
)
async def test_a_code_that_breaks_the_rules_is_422(payload):
    body = await start(Api(), **payload)
    assert (body["status"], body["code"]) == ("error", 422)


@pytest.mark.parametrize(
    "body", [{}, {"channels": []}, {"channels": [{"name": "voice"}]}, {"channels": [{"name": "sms"}]}]
)
async def test_a_code_needs_a_recipient(body):
    assert (await Api()("POST", "verify/send", json=body)).status_code == 422


async def test_magic_numbers_spoil_codes_too():
    assert (await start(Api(), nn(17)))["code"] == 403


# Magic numbers


def test_magic_numbers_are_valid_mobile_numbers():
    for suffix in magic.TABLE:
        assert phonenumbers.is_valid_number(phonenumbers.parse(f"+{magic.PREFIX}{suffix}"))


def test_the_manual_lists_each_magic_number_with_the_words_of_the_table():
    rows = dict(re.findall(r"^\| `(\d\d)` \| (.+?) \|$", MANUAL.read_text("utf-8"), re.MULTILINE))
    assert rows == {suffix: spell.effect for suffix, spell in magic.TABLE.items()}


@pytest.mark.parametrize(
    ("suffix", "word"),
    [
        (1, "DNDNUMB"),
        (2, "NO-CREDITS"),
        (3, "INV-NUMBER"),
        (25, "SERIES-BLOCK"),
        (40, "DUPLICATE"),
        (41, "BLACKLST"),
        (42, "INV-SENDER"),
        (43, "OPTOUT-REJ"),
    ],
)
async def test_a_row_is_refused_inside_a_200_and_costs_nothing(suffix, word):
    api = Api()
    response = await api.send(to=f"{NUMBER},{nn(suffix)}")
    assert response.status_code == 200
    assert [row["status"] for row in response.json()["data"]] == ["AWAITING-DLR", word]
    assert (await api.status(mobile=nn(suffix)))["data"][0]["status"] == word
    assert api.app.state.credits["T"] == 999


@pytest.mark.parametrize(
    ("suffix", "word"),
    [(4, "UNDELIV"), (5, "EXPIRED"), (6, "DLT-REJECTED"), (7, "TIMEOUT-DLR"), (8, "MOON-PHASE"), (46, "AWAITING-DLR")],
)
async def test_an_accepted_text_ends_as_its_number_says(suffix, word):
    api = Api(report_delay=0)
    row = await api.row(to=nn(suffix))
    assert row["status"] == "AWAITING-DLR"
    assert (await api.status(id=row["id"]))["data"][0]["status"] == word


@pytest.mark.parametrize(
    ("suffix", "status", "body"),
    [
        (11, 500, error(500, "An error occured while processing request")),
        (14, 429, error(429, "Too Many Requests")),
        (15, 429, {"message": "Too Many Attempts."}),
        (16, 422, error(422, "Template Mismatch")),
        (17, 403, error(403, "Forbidden")),
        (
            26,
            422,
            error(
                422, "This service only allowed between 09:00 and 21:00. Please schedule your message in these timings"
            ),
        ),
        (27, 422, error(422, "Your daily usage limit exceeded.")),
        (30, 200, {"status": "OK", "code": 422, "message": "No data found.", "data": []}),
        (31, 200, error(422, "Invalid Template Match")),
        (35, 503, error(503, "Service Unavailable")),
        (38, 401, {"message": "Unauthenticated."}),
    ],
)
async def test_one_number_refuses_the_whole_request(suffix, status, body):
    api = Api()
    nodes = [{"to": NUMBER}, {"to": nn(suffix)}]
    batch = {"root": {"sender": "SNDBOX", "service": "T", "message": "hi"}, "nodes": nodes}
    for response in (await api.send(to=nn(suffix)), await api("POST", "sms/send/json", json=batch)):
        assert (response.status_code, response.json()) == (status, body)
    assert response.headers.get("retry-after") == {14: "2", 35: "5"}.get(suffix)
    assert not api.app.state.texts


@pytest.mark.parametrize(("suffix", "status"), [(12, 502), (13, 200)])
async def test_an_html_page_comes_instead_of_json(suffix, status):
    response = await Api().send(to=nn(suffix))
    assert (response.status_code, response.headers["content-type"]) == (status, "text/html; charset=utf-8")


@pytest.mark.parametrize(("suffix", "location"), [(32, "http://other-host.invalid/api/v2/sms/send"), (49, "/login")])
async def test_a_redirect_comes_instead_of_an_answer(suffix, location):
    response = await Api().send(to=nn(suffix))
    assert (response.status_code, response.headers["location"]) == (302, location)


@pytest.mark.parametrize(
    ("suffix", "unreadable"),
    [
        (18, lambda body: body == b""),
        (19, lambda body: b"\xff\xfe" in body),
        (20, lambda body: isinstance(json.loads(body), list)),
        (21, lambda body: body.startswith(b'{"status"') and not body.endswith(b"}")),
    ],
)
async def test_a_text_is_accepted_although_the_answer_cannot_be_read(suffix, unreadable):
    api = Api()
    response = await api.send(to=nn(suffix), custom="ref-1")
    assert response.status_code == 200
    assert unreadable(response.content)
    assert len((await api.status(cid="ref-1"))["data"]) == 1


async def test_compressed_answers_are_readable_and_one_of_them_is_huge():
    response = await Api().send(to=nn(22))
    assert response.headers["content-encoding"] == "gzip"
    assert response.json()["data"][0]["status"] == "AWAITING-DLR"
    huge = magic.TABLE["36"].whole(Answer(body={}))
    assert len(huge.body) < 100_000
    assert len(gzip.decompress(huge.body)) > magic.BOMB


async def test_rows_are_missing_doubled_or_odd():
    rows = (await Api().send(to=f"{NUMBER},{nn(23)},{nn(24)},{nn(47)},{nn(48)}")).json()
    assert rows["message"].startswith("5 numbers")
    first, doubled, no_id, plus = rows["data"]
    assert first["id"] == doubled["id"]
    assert (doubled["mobile"], no_id["id"], plus["mobile"]) == (nn(24), None, f"+{nn(48)}")


async def test_success_is_spelt_in_other_ways():
    api = Api()
    strings = (await api.send(to=nn(28))).json()
    assert (strings["status"], strings["data"][0]["units"], strings["data"][0]["charges"]) == ("200", "1", "1")
    spelt = (await api.send(to=nn(29))).json()
    assert (spelt["status"], spelt["code"]) == ("OK", 200)
    assert (await api.send(to=nn(37))).status_code == 202
    assert [row["mobile"] for row in (await api.send(to=f"{NUMBER},{nn(39)}")).json()["data"]] == [nn(39), NUMBER]


async def test_spells_can_be_combined():
    numbers = ",".join(
        f"{magic.PREFIX}{suffix}"
        for suffix, spell in magic.TABLE.items()
        if spell.accepted and suffix not in ("09", "10", "33", "36")
    )
    assert (await Api().send(to=numbers)).status_code == 202


# Over a real connection


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(token=TOKEN, slow=20.0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared: Sandbox) -> Iterator[Sandbox]:
    shared.faults.clear()
    yield shared
    shared.state.webhooks.clear()
    shared.state.subscribed = None


def post(sandbox: Sandbox, timeout: float = 5.0, **changes: str) -> httpx.Response:
    with httpx.Client(
        base_url=sandbox.base_url, headers=HEADERS, timeout=timeout, trust_env=False, verify=False
    ) as client:
        return client.post("sms/send", data={**SMS, **changes})


def found(sandbox: Sandbox, reference: str) -> int:
    with httpx.Client(base_url=sandbox.base_url, headers=HEADERS, trust_env=False, verify=False) as client:
        return len(client.get("sms/status", params={"cid": reference}).json()["data"])


def test_a_text_arrives_over_loopback(sandbox):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/v2/", sandbox.base_url)
    assert post(sandbox, custom="ref-loopback").headers["x-sandbox"] == DISCLAIMER
    text = sandbox.received[-1]
    assert (text.mobile, text.text, text.sender, text.custom, text.params["service"]) == (
        NUMBER,
        "Hello",
        "SNDBOX",
        "ref-loopback",
        "T",
    )
    assert NUMBER not in repr(text)
    assert sandbox.environment["SMSBRIDGE_TWINCLE_BASE_URL"] == sandbox.base_url


@pytest.mark.parametrize(
    ("suffix", "raised", "accepted"),
    [
        (9, httpx.RemoteProtocolError, 1),
        (10, httpx.ReadTimeout, 1),
        (33, httpx.RemoteProtocolError, 1),
        (34, httpx.RemoteProtocolError, 0),
    ],
)
def test_an_uncertain_send_is_settled_by_its_reference(sandbox, suffix, raised, accepted):
    with pytest.raises(raised):
        post(sandbox, to=nn(suffix), custom=f"ref-{suffix}", timeout=0.3 if suffix == 10 else 5.0)
    assert found(sandbox, f"ref-{suffix}") == accepted


def lost_post(sandbox: Sandbox) -> None:
    with contextlib.suppress(httpx.HTTPError):
        post(sandbox, to=nn(10), timeout=30)


def test_a_sandbox_ends_although_an_answer_is_late():
    with Sandbox(token=TOKEN, slow=60.0) as sandbox:
        late = threading.Thread(target=lost_post, args=(sandbox,))
        late.start()
        while not sandbox.requests:
            late.join(0.01)
    late.join(5)
    assert not late.is_alive()


def test_requests_are_kept_without_the_token(sandbox):
    with httpx.Client(base_url=sandbox.base_url, trust_env=False, verify=False) as client:
        client.post(
            "sms/send",
            headers={"Accept": "application/json"},
            data={**SMS, "access_token": TOKEN},
            params={"access_token": TOKEN},
        )
    call = sandbox.requests[-1]
    assert (call.method, call.path, call.fields()["message"]) == ("POST", "sms/send", "Hello")
    assert TOKEN not in repr((call.query, call.headers, call.body, call))


def test_two_sandboxes_do_not_share_anything(sandbox):
    with Sandbox(token=TOKEN) as other:
        post(other)
        assert len(other.received) == 1
        assert other.base_url != sandbox.base_url


def test_a_port_in_use_is_an_error(sandbox):
    with pytest.raises(OSError, match="in use"), Sandbox(port=sandbox.port):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.com", "", "127.0.0.1.example.com"])
def test_only_loopback_is_served(host):
    with pytest.raises(ValueError, match="loopback only"):
        Sandbox(host=host).start()


@pytest.mark.parametrize("options", [{"epoch": "E4"}, {"token": ""}])
def test_options_are_checked(options):
    with pytest.raises(ValueError):
        Sandbox(**options)


def test_a_sandbox_that_does_not_run_says_so():
    with pytest.raises(RuntimeError, match="not running"):
        Sandbox().advance(1)


def test_connections_do_not_wait_for_delayed_acknowledgements():
    """asyncio sets TCP_NODELAY only on sockets that name their protocol; each answer takes 40 ms without it."""
    with listen("127.0.0.1", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP


# Programmed faults


def test_a_fault_spoils_the_next_requests_to_its_path(sandbox):
    before = len(sandbox.received)
    sandbox.faults.next(status=503, body={"message": "down"}, headers={"Retry-After": "7"}, path="sms/send", times=2)
    assert found(sandbox, "unknown") == 0
    for _ in range(2):
        response = post(sandbox)
        assert (response.status_code, response.json(), response.headers["retry-after"]) == (
            503,
            {"message": "down"},
            "7",
        )
    assert len(sandbox.received) == before
    assert post(sandbox).status_code == 200


@pytest.mark.parametrize("cut", [True, "before", "middle"])
@pytest.mark.parametrize("after", [True, False])
def test_a_fault_cuts_the_connection_before_or_after_accepting(sandbox, cut, after):
    before = len(sandbox.received)
    sandbox.faults.next(cut=cut, after_accepting=after)
    with pytest.raises(httpx.RemoteProtocolError):
        post(sandbox)
    assert len(sandbox.received) == before + after


def test_a_fault_may_only_delay_or_decorate(sandbox):
    sandbox.faults.next(delay=0.01, headers={"X-Extra": "1"})
    response = post(sandbox)
    assert (response.json()["status"], response.headers["x-extra"]) == (200, "1")


def test_faults_queue_and_can_be_cleared(sandbox):
    sandbox.faults.next(body="<p>page</p>")
    sandbox.faults.next(status=500, after_accepting=True, times=3)
    assert len(sandbox.faults) == 4
    assert post(sandbox).text == "<p>page</p>"
    assert post(sandbox).json()["status"] == "ERROR"
    sandbox.faults.clear()
    assert post(sandbox).status_code == 200


# Webhooks


class Receiver:
    """A small server that records pushes."""

    def __init__(self) -> None:
        self.answers = [200]
        self.handshake: Any = lambda body: body
        self.pushes: list[tuple[str, str, str | None, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                receiver.pushes.append((self.command, self.path, self.headers["authorization"], body))
                shaken = "challenge" in body
                answer = json.dumps(receiver.handshake(body) if shaken else {}).encode()
                code = 200 if shaken else receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                self.send_response(code)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_GET(self) -> None:
                receiver.pushes.append((self.command, self.path, self.headers["authorization"], None))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/reports"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_a_webhook_is_verified_and_gets_the_report(sandbox, receiver):
    sandbox.set_webhook(receiver.url, SECRET)
    text_id = post(sandbox, custom="ref-hook").json()["data"][0]["id"]
    push = sandbox.push_report(text_id, "DELIVRD")
    assert push is not None
    assert push.acknowledged
    shake, report = receiver.pushes
    assert shake == ("POST", f"/reports?token={shake[3]['validation_key']}", f"Bearer {SECRET}", shake[3])
    method, path, authorization, body = report
    assert (method, path, authorization) == ("POST", "/reports", f"Bearer {SECRET}")
    assert set(body) == {
        "id",
        "mobile",
        "status",
        "credits",
        "units",
        "deliv_time",
        "sent_time",
        "submit_time",
        "cid",
        "custom",
    }
    assert (body["id"], body["mobile"], body["status"], body["credits"], body["units"]) == (
        text_id,
        NUMBER,
        "DELIVRD",
        "1.0000",
        1,
    )
    assert body["cid"] == body["custom"] == "ref-hook"
    assert SECRET not in repr(push)


def test_the_third_epoch_reports_unix_seconds_too(receiver):
    with Sandbox(token=TOKEN, epoch="E3") as sandbox:
        sandbox.set_webhook(receiver.url)
        sandbox.push_report(post(sandbox).json()["data"][0]["id"])
    assert receiver.pushes[-1][3]["deliv_at"].isdecimal()
    assert receiver.pushes[-1][2] is None


@pytest.mark.parametrize(
    ("epoch", "key", "other"), [("E1", "validation_key", "challenge"), ("E2", "challenge", "validation_key")]
)
def test_each_epoch_expects_its_own_handshake(receiver, epoch, key, other):
    with Sandbox(token=TOKEN, epoch=epoch) as sandbox:
        receiver.handshake = lambda body: {other: body[other]}
        with pytest.raises(HandshakeError, match=key):
            sandbox.set_webhook(receiver.url, SECRET)
        receiver.handshake = lambda body: {key: body[key]}
        sandbox.set_webhook(receiver.url, SECRET)


def test_a_receiver_that_is_not_there_fails_the_handshake(sandbox):
    with pytest.raises(HandshakeError, match="no answer"):
        sandbox.set_webhook("http://127.0.0.1:1/", SECRET)


def test_webhooks_stay_on_this_machine(sandbox):
    with pytest.raises(ValueError, match="loopback only"):
        sandbox.set_webhook("http://example.com/reports")


def test_a_text_may_name_its_webhook(sandbox, receiver):
    named = sandbox.set_webhook(f"{receiver.url}/named", handshake=False)
    sandbox.set_webhook(f"{receiver.url}/all", handshake=False)
    for changes, path in (({"webhook_id": named}, "/reports/named"), ({}, "/reports/all")):
        sandbox.push_report(post(sandbox, **changes).json()["data"][0]["id"])
        assert receiver.pushes[-1][1] == path


def test_a_report_that_is_not_acknowledged_comes_4_times(receiver):
    receiver.answers = [500]
    with Sandbox(token=TOKEN, retry_interval=1800) as sandbox:
        sandbox.set_webhook(receiver.url, handshake=False)
        sandbox.push_report(post(sandbox).json()["data"][0]["id"])
        for _ in range(5):
            sandbox.advance(1800)
        assert [push.attempt for push in sandbox.pushes] == [1, 2, 3, 4]
    assert len(receiver.pushes) == 4


def test_202_acknowledges(sandbox, receiver):
    receiver.answers = [202]
    sandbox.set_webhook(receiver.url, handshake=False)
    assert sandbox.push_report(post(sandbox).json()["data"][0]["id"]).acknowledged


def test_reports_come_by_themselves_after_the_delay(receiver):
    with Sandbox(token=TOKEN, report_delay=3600) as sandbox:
        sandbox.set_webhook(receiver.url, handshake=False)
        for suffix in (4, 44, 45, 46, 1):
            post(sandbox, to=nn(suffix))
        assert not receiver.pushes
        sandbox.advance(3600)
    told = [(body["mobile"][-2:], body["status"]) for *_, body in receiver.pushes]
    assert sorted(told) == [
        ("04", "UNDELIV"),
        ("44", "DELIVRD"),
        ("44", "DELIVRD"),
        ("45", "AWAITING-DLR"),
        ("45", "DELIVRD"),
    ]
    assert told.index(("45", "DELIVRD")) < told.index(("45", "AWAITING-DLR"))


def test_a_report_told_by_hand_is_not_repeated_by_the_clock(receiver):
    with Sandbox(token=TOKEN, report_delay=3600) as sandbox:
        sandbox.set_webhook(receiver.url, handshake=False)
        sandbox.push_report(post(sandbox).json()["data"][0]["id"], "UNDELIV")
        sandbox.advance(3600)
    assert [body["status"] for *_, body in receiver.pushes] == ["UNDELIV"]


def test_a_dlr_url_is_called_by_get_with_its_braces_filled(sandbox, receiver):
    text_id = post(sandbox, dlr_url=receiver.url + "?i={id}&s={status}&my={custom}", custom="a&b").json()["data"][0][
        "id"
    ]
    sandbox.push_report(text_id)
    assert receiver.pushes[-1][:2] == ("GET", f"/reports?i={text_id.replace(':', '%3A')}&s=DELIVRD&my=a%26b")


def test_without_a_webhook_there_is_no_push(sandbox):
    assert sandbox.push_report(post(sandbox).json()["data"][0]["id"]) is None
    with pytest.raises(KeyError):
        sandbox.push_report("unknown")


def test_an_incoming_text_is_pushed(sandbox, receiver):
    with pytest.raises(ValueError, match="no webhook"):
        sandbox.inbound("STOP")
    sandbox.set_webhook(receiver.url, SECRET, handshake=False)
    sandbox.inbound("STOP", sender=NUMBER, to="919000000099")
    event = receiver.pushes[-1][3]
    assert event["event"] == "vmn:message:in"
    assert event["payload"]["channels"] == [{"name": "vmn", "to": "919000000099"}]
    assert event["payload"]["recipient"]["from"] == NUMBER
    assert event["payload"]["message"] == {"type": "text", "payload": {"text": "STOP"}}


def test_codes_are_readable_for_the_test(sandbox):
    with httpx.Client(base_url=sandbox.base_url, headers=HEADERS, trust_env=False, verify=False) as client:
        code_id = client.post("verify/send", json={"channels": [{"name": "sms", "recipient": {"to": NUMBER}}]}).json()[
            "id"
        ]
        assert client.get(f"verify/check/{code_id}/{sandbox.codes[code_id]}").json()["status"] == "success"


# The command


def command(*arguments: str, code: str = "") -> subprocess.Popen[str]:
    start = ["-c", code] if code else ["-m", "smsbridge_twincle.sandbox"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error"}
    return subprocess.Popen(
        [sys.executable, *start, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
    )


def ready(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The READY line and the base URL in it."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("READY "):
            return line, line.split()[1]
    raise AssertionError(process.communicate()[1])


def test_the_command_shows_what_it_receives_and_ends_by_itself():
    process = command("--port", "0", "--token", TOKEN, "--stop-after", "0.5", "--report-delay", "9")
    line, url = ready(process)
    assert f"SMSBRIDGE_PROVIDER=twincle SMSBRIDGE_TWINCLE_BASE_URL={url} " in line
    with httpx.Client(base_url=url, headers=HEADERS, trust_env=False, verify=False) as client:
        client.post("sms/send", data={**SMS, "message": f"Hello {TOKEN}\x1b[2J"})
        client.get("account/balance", params={"access_token": TOKEN})
        client.post(
            "verify/send",
            json={"channels": [{"name": "sms", "recipient": {"to": NUMBER}}], "payload": {"token": "424242"}},
        )
        client.get(f"sms/{TOKEN}")
    output, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert "POST  sms/send  to +91******3210  from SNDBOX" in output
    assert "code 424242" in output
    assert "ended by itself" in output
    assert TOKEN not in line + output
    assert NUMBER not in output
    assert "\x1b" not in output


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_the_command_prints_json_and_ends_cleanly_on_ctrl_c():
    process = command("--port", "0", "--json", "--show-numbers", "--epoch", "E3")
    assert process.stdout is not None
    banner, first = json.loads(process.stdout.readline()), json.loads(process.stdout.readline())
    assert (banner["event"], DISCLAIMER in banner["text"], first["event"]) == ("banner", True, "ready")
    assert first["environment"]["SMSBRIDGE_TWINCLE_ACCESS_TOKEN"] == "sandbox-token"
    with httpx.Client(
        base_url=first["base_url"], headers={"Authorization": "Bearer sandbox-token"}, trust_env=False
    ) as client:
        assert client.post("sms/send", data=SMS).status_code == 200
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=10)
    event = json.loads(output.splitlines()[0])
    assert (event["path"], event["to"], event["text"], event["status"]) == ("sms/send", [f"+{NUMBER}"], "Hello", 200)
    assert (process.returncode, errors) == (130, "")


def test_the_quiet_command_pushes_reports_and_prints_one_line(receiver):
    process = command(
        "--port",
        "0",
        "--quiet",
        "--report-delay",
        "0",
        "--webhook",
        receiver.url,
        "--webhook-secret",
        SECRET,
        "--stop-after",
        "0.5",
    )
    line, url = ready(process)
    assert "SMSBRIDGE_TWINCLE_ACCESS_TOKEN=sandbox-token" in line
    with httpx.Client(
        base_url=url, headers={"Authorization": "Bearer sandbox-token"}, trust_env=False, verify=False
    ) as client:
        client.post("sms/send", data=SMS)
    assert process.communicate(timeout=10) == ("", "")
    assert ["challenge" in body for *_, body in receiver.pushes] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--host", "0.0.0.0"), 2, "listens on loopback only"),
        (("--port", "{port}"), 1, "is in use"),
        (("--port", "70000"), 2, "0 to 65535"),
        (("--webhook", "http://example.com/"), 1, "loopback only"),
        (("--epoch", "E9"), 2, "invalid choice"),
        (("--token", ""), 1, "must not be empty"),
        (("--balance", "-1"), 2, "whole number"),
        (("--report-delay", "soon"), 2, "number of seconds"),
        (("--inbound", NUMBER, "STOP"), 1, "--inbound needs --webhook"),
        (("--inbound", "98", "STOP", "--webhook", "http://127.0.0.1:9/"), 1, "such as 919876543210, not '98'"),
        (("--inbound", NUMBER), 2, "expected 2 arguments"),
    ],
)
def test_a_problem_of_the_command_is_one_clear_line(sandbox, capsys, arguments, code, text):
    try:
        returned: Any = main([argument.format(port=sandbox.port) for argument in arguments])
    except SystemExit as end:
        returned = end.code
    output, errors = capsys.readouterr()
    assert (returned, output) == (code, "")
    assert text in errors.splitlines()[-1]


def test_a_missing_extra_says_what_to_install():
    process = command("--port", "0", code="import sys; sys.modules['uvicorn'] = None; " + RUN)
    output, errors = process.communicate(timeout=10)
    assert (process.returncode, output) == (1, "")
    assert errors.endswith(
        "the sandbox needs uvicorn, which is not installed: pip install 'smsbridge-twincle[sandbox]'\n"
    )
    assert "Traceback" not in errors


def test_help_needs_no_extra_and_lists_the_magic_numbers():
    modules = "dict.fromkeys(('uvicorn', 'starlette'))"
    process = command("--help", code=f"import sys; sys.modules.update({modules}); {RUN}")
    output, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert DISCLAIMER in " ".join(output.split())
    assert all(f"..{suffix}  {spell.effect}" in output for suffix, spell in magic.TABLE.items())


# What a phone got


async def inbox(api, headers=None, **asked):
    response = await api("GET", "/inbox", headers=headers or {}, params=asked)
    assert response.status_code == 200
    return response.json()


async def test_a_program_asks_what_a_phone_got():
    api = Api()
    row = await api.row(custom="order-1")
    (got,) = await inbox(api, to=NUMBER)
    assert got == {
        "id": row["id"],
        "to": f"+{NUMBER}",
        "sender": "SNDBOX",
        "text": "Hello",
        "code": None,
        "reference": "order-1",
        "segments": 1,
        "status": "AWAITING-DLR",
        "at": "2025-10-09T08:53:20.000000Z",
    }
    assert await inbox(api, to="919123456780") == []


@pytest.mark.parametrize("epoch", EPOCHS)
@pytest.mark.parametrize("to", [NUMBER, f"+{NUMBER}", f" {NUMBER}", "+91 98765-43210", "9876543210"])
@pytest.mark.parametrize("sent_to", [NUMBER, "9876543210"])
async def test_a_number_may_be_written_in_several_ways(epoch, to, sent_to):
    api = Api(epoch=epoch)
    await api.send(to=sent_to)
    await api.send(to="919123456780")
    assert [got["text"] for got in await inbox(api, to=to)] == ["Hello"]


@pytest.mark.parametrize("path", ["/inbox?to=+919876543210", "/inbox/?to=%2B919876543210", "inbox?to=919876543210"])
async def test_a_plus_may_be_written_as_it_is(path):
    api = Api()
    await api.send()
    assert len((await api("GET", path, headers={})).json()) == 1


async def test_a_text_is_whole_and_the_newest_is_last():
    api = Api()
    for text in ("first", "शुभ " * 50, "last"):
        await api.send(message=text, type="A")
        api.now += 1
    got = await inbox(api, to=NUMBER)
    assert [(sent["text"], sent["segments"]) for sent in got] == [("first", 1), ("शुभ " * 50, 3), ("last", 1)]
    assert await inbox(api, to=NUMBER, since=got[1]["at"]) == got[1:]
    assert await inbox(api, to=NUMBER, since=got[2]["at"].replace("Z", "")) == got[2:]
    assert await inbox(api, to=NUMBER, limit=2) == got[1:]
    assert await inbox(api, to=NUMBER, limit=9) == got
    assert await inbox(api) == got


async def test_one_time_codes_are_there_with_their_code():
    api = Api()
    asked = {"channels": [{"name": "sms", "recipient": {"to": NUMBER}}], "payload": {"token": "424242"}}
    started = (await api("POST", "verify/send", json=asked)).json()
    (got,) = await inbox(api, to=NUMBER)
    assert (got["id"], got["code"], "424242" in got["text"]) == (started["id"], "424242", True)


async def test_what_did_not_arrive_is_not_there():
    api = Api(report_delay=0)
    for suffix in magic.TABLE:
        with contextlib.suppress(httpx.ReadError):
            await api.send(to=nn(int(suffix)), message=suffix)
    got = {sent["text"] for sent in await inbox(api)}
    accepted = {suffix for suffix, spell in magic.TABLE.items() if spell.accepted and not spell.row}
    assert got == accepted - {"04", "05", "06"}
    for suffix in ("01", "04"):
        await api(
            "POST",
            "verify/send",
            json={"channels": [{"name": "sms", "recipient": {"to": nn(int(suffix))}}], "payload": {}},
        )
        assert await inbox(api, to=nn(int(suffix))) == []


async def test_a_scheduled_text_is_there_once_it_is_its_time():
    api = Api()
    await api.send(time=api.time(minutes=10))
    assert await inbox(api, to=NUMBER) == []
    api.now += 600
    assert len(await inbox(api, to=NUMBER)) == 1


@pytest.mark.parametrize(
    ("method", "asked", "status", "words"),
    [
        ("GET", {"number": NUMBER}, 400, "'number': there are to, since, limit"),
        ("GET", {"to": "me"}, 400, "to is a phone number"),
        ("GET", {"to": ""}, 400, "to is a phone number"),
        ("GET", {"to": NUMBER, "since": "yesterday"}, 400, "since is a time"),
        ("GET", {"to": NUMBER, "limit": "0"}, 400, "limit is a whole number"),
        ("GET", {"to": NUMBER, "limit": "-1"}, 400, "limit is a whole number"),
        ("POST", {"to": NUMBER}, 405, "with GET"),
    ],
)
async def test_a_wrong_question_says_what_is_wrong(method, asked, status, words):
    response = await Api()(method, "/inbox", headers={}, params=asked)
    assert response.status_code == status
    assert words in response.json()["message"]


async def test_a_question_is_no_request_and_takes_no_fault():
    api = Api()
    api.app.faults.next(status=503)
    await inbox(api, to=NUMBER)
    assert list(api.app.requests) == []
    assert (await api.send()).status_code == 503


def test_the_inbox_of_a_real_server(sandbox):
    post(sandbox, to="919000000077", custom="inbox-1")
    with httpx.Client(trust_env=False) as client:
        (got,) = client.get(sandbox.inbox_url, params={"to": "+919000000077"}).json()
    assert (got["text"], got["reference"]) == ("Hello", "inbox-1")


def test_the_command_says_where_the_inbox_is():
    process = command("--port", "0", "--stop-after", "0.3")
    assert process.stdout is not None
    assert DISCLAIMER in process.stdout.readline()
    assert re.fullmatch(
        r"the texts that a phone got, as JSON: http://127\.0\.0\.1:\d+/inbox\?to=\d+\n", process.stdout.readline()
    )
    process.communicate(timeout=10)


# Texts from people


def send_as_a_phone(url, *, headers=None, **fields):
    with httpx.Client(trust_env=False) as client:
        return client.post(url, data=fields, headers=headers)


def test_a_program_sends_a_text_as_a_phone(sandbox, receiver):
    sandbox.set_webhook(receiver.url, SECRET, handshake=False)
    requests = sandbox.requests
    answer = send_as_a_phone(sandbox.inbound_url, **{"from": "+91 98765 43210", "text": "STOP", "to": "SNDBOX"})
    assert answer.json() == {"from": f"+{NUMBER}", "acknowledged": True, "answer": 200, "problem": ""}
    method, _, authorization, event = receiver.pushes[-1]
    assert (method, authorization, event["event"]) == ("POST", f"Bearer {SECRET}", "vmn:message:in")
    assert event["payload"]["channels"] == [{"name": "vmn", "to": "SNDBOX"}]
    assert event["payload"]["recipient"]["from"] == NUMBER
    assert event["payload"]["message"] == {"type": "text", "payload": {"text": "STOP"}}
    assert sandbox.requests == requests


def test_a_text_of_a_phone_is_repeated_until_it_is_acknowledged(sandbox, receiver):
    receiver.answers = [500, 200]
    sandbox.set_webhook(receiver.url, SECRET)
    answer = send_as_a_phone(sandbox.inbound_url, **{"from": NUMBER, "text": "Where is it?"}).json()
    assert (answer["acknowledged"], answer["answer"]) == (False, 500)
    sandbox.advance(sandbox.state.options.retry_interval)
    first, second = [event for *_, event in receiver.pushes if "event" in event]
    assert first == second
    assert sandbox.pushes[-1].acknowledged


@pytest.mark.parametrize(
    ("fields", "headers", "refusal"),
    [
        ({"text": "STOP"}, {}, (400, "from is a phone number")),
        ({"from": "98", "text": "STOP"}, {}, (400, "from is a phone number")),
        ({"from": NUMBER}, {}, (400, "text is what the person wrote")),
        ({"from": NUMBER, "text": "STOP", "sender": "x"}, {}, (400, "no field 'sender': there are from, to, text")),
        ({"from": NUMBER, "text": "STOP"}, {"origin": "https://a.example"}, (403, "a browser may not")),
    ],
)
def test_what_is_no_text_of_a_phone_is_refused(sandbox, receiver, fields, headers, refusal):
    sandbox.set_webhook(receiver.url, SECRET)
    shaken = len(receiver.pushes)
    answer = send_as_a_phone(sandbox.inbound_url, headers=headers, **fields)
    assert answer.status_code == refusal[0]
    assert refusal[1] in answer.json()["message"]
    assert len(receiver.pushes) == shaken


def test_a_text_of_a_phone_needs_a_webhook_and_a_post(sandbox):
    answer = send_as_a_phone(sandbox.inbound_url, **{"from": NUMBER, "text": "STOP"})
    assert (answer.status_code, "--webhook URL" in answer.json()["message"]) == (409, True)
    with httpx.Client(trust_env=False) as client:
        assert client.get(sandbox.inbound_url).status_code == 405


def test_the_command_sends_texts_of_phones_at_its_start(receiver):
    process = command(
        *("--port", "0", "--webhook", receiver.url, "--webhook-secret", SECRET, "--stop-after", "0.5"),
        *("--inbound", f"+{NUMBER}", "STOP", "--inbound", "919123456780", "Where is it?"),
    )
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert re.search(r"curl -d from=919876543210 -d text=STOP http://127\.0\.0\.1:\d+/inbound$", output, re.MULTILINE)
    texts = [event["payload"] for *_, event in receiver.pushes if "event" in event]
    assert sorted((text["recipient"]["from"], text["message"]["payload"]["text"]) for text in texts) == [
        ("919123456780", "Where is it?"),
        (NUMBER, "STOP"),
    ]
    assert NUMBER not in output.replace("from=919876543210", "").replace("to=919876543210", "")


def test_the_provider_believes_a_text_of_a_phone():
    """From the sandbox, over HTTP, to the route of an application and the list of opt-outs."""
    from servers import uvicorn_serves
    from smsbridge import AsyncSmsClient
    from smsbridge.web import asgi

    with Sandbox(token=TOKEN) as sandbox:
        environ = {**sandbox.environment, "SMSBRIDGE_TWINCLE_WEBHOOK_SECRET": SECRET}
        sms = AsyncSmsClient(environ={**environ, "SMSBRIDGE_OPTOUT_STORE": "memory:"})
        with uvicorn_serves(asgi(sms)) as port:
            sandbox.set_webhook(f"http://127.0.0.1:{port}/twincle", SECRET)
            answer = send_as_a_phone(sandbox.inbound_url, **{"from": NUMBER, "text": "STOP"}).json()
            assert answer["acknowledged"]
        result = asyncio.run(sms.try_send(f"+{NUMBER}", "Hello"))
        assert result.error is not None
        assert result.error.reason == "opt-out"
        assert sandbox.received == []


# Independence


def test_the_sandbox_imports_nothing_from_the_provider_or_the_core():
    allowed = {"starlette", "uvicorn", "httpx"} | sys.stdlib_module_names
    for file in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert all(alias.name.partition(".")[0] in allowed for alias in node.names), file
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1 or (node.level == 0 and (node.module or "").partition(".")[0] in allowed), file


# --- output ---------------------------------------------------------------------------------------------------------------

COMMANDS = "17\nINFO forged\x1b[2J\x9b31m\u2028\u202e\u200b\x7f"


@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_program_sends_commands_no_terminal(capsys, as_json):
    printer = Printer("token", as_json=as_json)
    printer.say("request", f"text {COMMANDS}", {"text": COMMANDS, "long": "x" * 9999})
    out = capsys.readouterr().out
    assert out.endswith("\n")
    assert out[:-1].isprintable()
    assert not as_json or json.loads(out)["text"] == COMMANDS
    assert as_json or len(out) < 5000
