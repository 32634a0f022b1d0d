"""InfobipProvider compared with Infobip's own Python SDK: the same requests, and the same reading of answers.

Both speak to one loopback recorder. The SDK has no account balance and no verification of webhooks, so neither is compared
here; the SDK's models read the webhooks.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
import types
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder import Recorder
from smsbridge import Dlt, Message, SmsClient, Status
from smsbridge.attempts import attempt, attempt_batch
from smsbridge.errors import SendError
from smsbridge.http import HttpRequest
from smsbridge.settings import Settings
from smsbridge_infobip import InfobipProvider

KEY = "dummy-key-not-a-secret"
NUMBER, OTHER = "41793026727", "41793026834"
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
PIN = "9C817C6F8AF3D48F9FE553282AFA2B67"


@pytest.fixture(scope="module")
def recorder():
    with Recorder.running() as recorder:
        yield recorder


def seen(request):
    """The parts of a request that are compared."""
    return {
        "method": request.method,
        "path": request.url,
        "body": request.json() if request.body else None,
        "authorization": request.headers.get("authorization"),
        "content-type": request.content_type if request.body else None,
        "accept": request.headers.get("accept"),
    }


def load_sdk():
    """The SDK's own files, without the ``__init__`` that imports all of its 1,100 models: that takes many seconds."""
    root = importlib.util.find_spec("infobip_api_client").submodule_search_locations[0]

    def model(name):
        if name.startswith("__"):
            raise AttributeError(name)
        file = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        return getattr(importlib.import_module(f"infobip_api_client.models.{file}"), name)

    packages = {name: types.ModuleType(f"infobip_api_client{name}") for name in ("", ".api", ".models")}
    for name, package in packages.items():
        package.__path__ = [root + name.replace(".", "/")]
        sys.modules[package.__name__] = package
    packages[""].models = packages[".models"]
    packages[".models"].__getattr__ = model
    from infobip_api_client.api.sms_api import SmsApi
    from infobip_api_client.api.tfa_api import TfaApi
    from infobip_api_client.api_client import ApiClient
    from infobip_api_client.configuration import Configuration
    from infobip_api_client.exceptions import ApiException

    return types.SimpleNamespace(
        models=packages[".models"],
        SmsApi=SmsApi,
        TfaApi=TfaApi,
        ApiClient=ApiClient,
        Configuration=Configuration,
        ApiException=ApiException,
    )


@pytest.fixture(scope="module")
def sdk(recorder):
    """The SDK's two clients, pointed at the recorder."""
    found = load_sdk()
    client = found.ApiClient(found.Configuration(host=recorder.url, api_key=KEY))
    found.sms, found.tfa = found.SmsApi(client), found.TfaApi(client)
    yield found
    client.rest_client.pool_manager.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "infobip_api_client"]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr("smsbridge.reading.now", lambda: NOW)


@pytest.fixture
def ours(recorder):
    provider = InfobipProvider(api_key=KEY, base_url=recorder.url, application_id="APP", message_id="TEMPLATE")
    with SmsClient(provider, settings=Settings()) as client:
        yield client


def row(reference="ref-1", to=NUMBER, *, group=1, number=26, name="PENDING_ACCEPTED"):
    status = {"groupId": group, "groupName": "PENDING", "id": number, "name": name, "description": "words"}
    return {"messageId": reference, "status": status, "destination": to, "details": {"messageCount": 2}}


def both(recorder, answer, theirs, ours, status=200):
    """The requests of the SDK and of our client, and their reading of the answer."""
    recorder.answers(answer, status)
    values = []
    for call in (theirs, ours):
        try:
            values.append(call())
        except Exception as error:  # noqa: BLE001  # the tests look at it
            values.append(error)
    assert len(recorder.requests) == 2, values
    return *map(seen, recorder.requests), *values


def sdk_text(models, message, **options):
    return models.SmsMessage(
        sender=message.sender,
        destinations=[models.SmsDestination(to=message.to.lstrip("+"), message_id=message.reference)],
        content=models.SmsMessageContent(models.SmsTextContent(text=message.text)),
        **({"options": models.SmsMessageOptions(**options)} if options else {}),
    )


def sdk_request(models, *messages, **options):
    whole = models.SmsMessageRequestOptions(include_sms_count_in_response=True, **options)
    return models.SmsRequest(messages=list(messages), options=whole)


def text(**fields):
    return Message(**{"to": f"+{NUMBER}", "text": "Hello", "reference": "ref-1", "sender": "InfoSMS", **fields})


# --- a text ---------------------------------------------------------------------------------------------------------------


def test_the_same_text_makes_the_same_request_and_the_same_answer_the_same_id(sdk, ours, recorder):
    message = text(text='50% ₹ 😀 \\ "quoted"\n')
    request = sdk_request(sdk.models, sdk_text(sdk.models, message))
    theirs_asked, ours_asked, response, sent = both(
        recorder,
        {"bulkId": "1", "messages": [row()]},
        lambda: sdk.sms.send_sms_messages(request),
        lambda: ours.send(message),
    )
    assert ours_asked == theirs_asked
    assert ours_asked["authorization"] == f"App {KEY}"
    [theirs] = response.messages
    assert (sent.id, sent.segments) == (theirs.message_id, theirs.details.message_count)
    assert theirs.status.name == "PENDING_ACCEPTED"
    assert sent.status is Status.QUEUED


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        (
            {"valid_until": NOW + timedelta(minutes=12)},
            lambda models: {"validity_period": models.ValidityPeriod(amount=720, time_unit="SECONDS")},
        ),
        (
            {"dlt": Dlt(entity_id="1101", template_id="1107")},
            lambda models: {
                "regional": models.SmsRegionalOptions(
                    india_dlt=models.SmsIndiaDltOptions(principal_entity_id="1101", content_template_id="1107")
                )
            },
        ),
        ({"options": {"infobip": {"flash": True}}}, lambda models: {"flash": True}),
        ({"options": {"infobip": {"campaign": "sale"}}}, lambda models: {"campaign_reference_id": "sale"}),
    ],
    ids=["valid_until", "dlt", "flash", "campaign"],
)
def test_each_field_has_the_name_and_the_place_that_the_sdk_gives_it(sdk, ours, recorder, fields, options):
    message = text(**fields)
    request = sdk_request(sdk.models, sdk_text(sdk.models, message, **options(sdk.models)))
    asked, ours_asked, *_ = both(
        recorder, {"messages": [row()]}, lambda: sdk.sms.send_sms_messages(request), lambda: ours.send(message)
    )
    assert ours_asked == asked


def test_all_that_the_settings_add_has_the_name_and_the_place_that_the_sdk_gives_it(sdk, recorder):
    provider = InfobipProvider(
        api_key=KEY,
        base_url=recorder.url,
        sender="InfoSMS",
        entity_id="1101",
        telemarketer_id="1302",
        callback_url="https://us.test/sms?a=1",
    )
    models, message = sdk.models, text(sender=None, options={"infobip": {"transliteration": "GREEK"}})
    dlt = models.SmsIndiaDltOptions(principal_entity_id="1101", telemarketer_id="1302")
    theirs = sdk_text(models, text(), regional=models.SmsRegionalOptions(india_dlt=dlt))
    theirs.content = models.SmsMessageContent(models.SmsTextContent(text="Hello", transliteration="GREEK"))
    theirs.webhooks = models.SmsWebhooks(
        delivery=models.SmsMessageDeliveryReporting(url="https://us.test/sms?a=1"), content_type="application/json"
    )
    with SmsClient(provider, settings=Settings()) as client:
        asked, ours_asked, *_ = both(
            recorder,
            {"messages": [row()]},
            lambda: sdk.sms.send_sms_messages(sdk_request(models, theirs)),
            lambda: client.send(message),
        )
    assert ours_asked == asked


def test_a_scheduled_text_names_the_same_moment_in_the_documented_form(sdk, ours, recorder):
    """The SDK writes Python's own ISO form; the specification wants ``yyyy-MM-dd'T'HH:mm:ss.SSSZ``, as we write it."""
    when = datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    message = text(send_at=when)
    schedule = sdk.models.SmsRequestSchedulingSettings(send_at=when)
    request = sdk_request(sdk.models, sdk_text(sdk.models, message), schedule=schedule)
    asked, ours_asked, *_ = both(
        recorder, {"messages": [row()]}, lambda: sdk.sms.send_sms_messages(request), lambda: ours.send(message)
    )
    theirs, own = (request["body"]["options"].pop("schedule")["sendAt"] for request in (asked, ours_asked))
    assert own == "2030-01-02T03:04:05.678+0000"
    assert datetime.fromisoformat(own) == datetime.fromisoformat(theirs) == when
    assert ours_asked == asked


def test_many_texts_make_the_same_request(sdk, ours, recorder):
    messages = [text(), text(to=f"+{OTHER}", text="Other", reference="ref-2", sender="Others")]
    request = sdk_request(sdk.models, *(sdk_text(sdk.models, message) for message in messages))
    answer = {"messages": [row("ref-2", OTHER), row()]}
    asked, ours_asked, response, results = both(
        recorder,
        answer,
        lambda: sdk.sms.send_sms_messages(request),
        lambda: ours._run(attempt_batch(ours.provider, messages)),
    )
    assert ours_asked == asked
    assert {result.sent.id: result.sent.to for result in results} == {
        each.message_id: f"+{each.destination}" for each in response.messages
    }


@given(
    words=st.text(min_size=1).filter(str.isprintable),
    reference=st.text("abc-_. ²é/?&", min_size=1, max_size=200),
    sender=st.one_of(st.none(), st.text(min_size=1, max_size=11)),
    entity=st.one_of(st.none(), st.text("0123456789", min_size=1)),
    template=st.one_of(st.none(), st.text("0123456789", min_size=1)),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_words_both_mean_the_same_json(sdk, *, words, reference, sender, entity, template):
    if template and not entity:
        template = None  # the SDK cannot send this either
    dlt = Dlt(entity_id=entity, template_id=template) if entity else None
    message = text(text=words, reference=reference, sender=sender, dlt=dlt)
    models, options = sdk.models, {}
    if dlt:
        ids = models.SmsIndiaDltOptions(principal_entity_id=entity, content_template_id=template)
        options = {"regional": models.SmsRegionalOptions(india_dlt=ids)}
    request = sdk_request(models, sdk_text(models, message, **options))
    provider = InfobipProvider(api_key=KEY, base_url="https://xxxxx.api.infobip.test")
    asked = next(attempt(provider, message))
    assert isinstance(asked, HttpRequest)
    theirs = sdk.sms.api_client.sanitize_for_serialization(request)
    assert json.loads(asked.body) == json.loads(json.dumps(theirs))


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
def test_what_is_an_error_to_the_sdk_is_one_to_us_with_the_same_code(sdk, ours, recorder, status):
    message = text()
    request = sdk_request(sdk.models, sdk_text(sdk.models, message))
    answer = {"errorCode": f"E{status}", "description": "words", "action": "", "violations": [], "resources": []}
    *_, theirs, own = both(
        recorder, answer, lambda: sdk.sms.send_sms_messages(request), lambda: ours.send(message), status=status
    )
    assert isinstance(theirs, sdk.ApiException)
    assert isinstance(own, SendError)
    assert (theirs.status, json.loads(theirs.body)["errorCode"]) == (status, own.code)


def test_a_refused_row_is_no_error_to_the_sdk_but_one_to_us(sdk, ours, recorder):
    """Meant to differ: the SDK returns the status; an application that does not read it counts a refused text as sent."""
    message = text()
    request = sdk_request(sdk.models, sdk_text(sdk.models, message))
    answer = {"messages": [row(group=5, number=12, name="REJECTED_NOT_ENOUGH_CREDITS")]}
    answer["messages"][0]["status"]["groupName"] = "REJECTED"
    *_, theirs, own = both(recorder, answer, lambda: sdk.sms.send_sms_messages(request), lambda: ours.send(message))
    assert theirs.messages[0].status.name == own.code
    assert isinstance(own, SendError)


# --- statuses -------------------------------------------------------------------------------------------------------------

REPORT = {
    "bulkId": "BULK-ID-123-xyz",
    "messageId": "ref-1",
    "sentAt": "2019-11-09T16:00:00.000+0000",
    "doneAt": "2019-11-09T16:00:05.250+0000",
    "messageCount": 2,
    "price": {"pricePerMessage": 0.01, "currency": "EUR"},
    "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"},
    "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False},
}


def same_report(ours, theirs, to):
    assert (ours.id, ours.to, ours.segments, ours.at) == (
        theirs.message_id,
        f"+{to}",
        theirs.message_count,
        theirs.done_at,
    )
    assert float(ours.price.amount) == pytest.approx(theirs.price.price_per_message * theirs.message_count)
    assert ours.price.unit == theirs.price.currency
    assert (theirs.status.name, ours.status) == ("DELIVERED_TO_HANDSET", Status.DELIVERED)


@pytest.mark.parametrize("reference", ["ref-1", "a b&c=d/é²", "+%"])
def test_the_status_asks_the_log_as_the_sdk_does(sdk, ours, recorder, reference):
    entry = {**REPORT, "messageId": reference, "destination": NUMBER, "sender": "InfoSMS"}
    asked, ours_asked, response, report = both(
        recorder,
        {"results": [entry]},
        lambda: sdk.sms.get_outbound_sms_message_logs(message_id=[reference]),
        lambda: ours.status(reference),
    )
    assert ours_asked["path"].replace("+", "%20") == asked["path"].replace("/", "%2F").replace(
        "%2Fsms%2F3%2Flogs", "/sms/3/logs"
    )
    assert (ours_asked["method"], ours_asked["authorization"]) == (asked["method"], asked["authorization"])
    same_report(report, response.results[0], NUMBER)


def test_a_report_that_is_pushed_is_read_as_the_sdk_reads_it(sdk):
    body = {"results": [{**REPORT, "to": NUMBER, "sender": "InfoSMS", "callbackData": "x"}]}
    [theirs] = sdk.models.SmsDeliveryResult.from_json(json.dumps(body)).results
    [own] = pushed(body)
    same_report(own, theirs, theirs.to)


def test_a_text_that_came_in_is_read_as_the_sdk_reads_it(sdk):
    item = {
        "messageId": "817790313235066447",
        "from": "385916242493",
        "to": "385921004026",
        "text": "QUIZ Grüße",
        "cleanText": "Grüße",
        "keyword": "QUIZ",
        "receivedAt": "2019-11-09T16:00:00.000+0000",
        "smsCount": 1,
    }
    [theirs] = sdk.models.SmsInboundMessageResult.from_json(json.dumps({"results": [item]})).results
    [own] = pushed({"results": [item]})
    assert (own.id, own.sender, own.to) == (theirs.message_id, f"+{theirs.var_from}", f"+{theirs.to}")
    assert (own.text, own.at) == (theirs.text, theirs.received_at)


def pushed(body):
    provider = InfobipProvider(api_key=KEY, base_url="https://xxxxx.api.infobip.test")
    return provider.parse(HttpRequest.post_json("https://us.test/sms", body))


# --- one-time codes -------------------------------------------------------------------------------------------------------


def test_a_code_makes_the_same_request_and_the_same_answer_the_same_pin_id(sdk, ours, recorder):
    request = sdk.models.TfaStartAuthenticationRequest(
        application_id="APP", message_id="TEMPLATE", to=NUMBER, var_from="InfoSMS", placeholders={"firstName": "John"}
    )
    options = {"infobip": {"placeholders": {"firstName": "John"}, "number_lookup": False}}
    answer = {"pinId": PIN, "to": NUMBER, "ncStatus": "NC_DESTINATION_REACHABLE", "smsStatus": "MESSAGE_SENT"}
    asked, ours_asked, theirs, own = both(
        recorder,
        answer,
        lambda: sdk.tfa.send_tfa_pin_code_over_sms(request, nc_needed=False),
        lambda: ours.start_verification(f"+{NUMBER}", sender="InfoSMS", options=options),
    )
    assert asked["body"].pop("trackDelivery") is False  # the SDK writes a default of the specification
    assert ours_asked == asked
    assert own.id == theirs.pin_id == PIN


@pytest.mark.parametrize("verified", [True, False])
def test_a_code_is_checked_as_the_sdk_does(sdk, ours, recorder, verified):
    answer = {"pinId": PIN, "msisdn": NUMBER, "verified": verified, "attemptsRemaining": 1}
    asked, ours_asked, theirs, own = both(
        recorder,
        answer,
        lambda: sdk.tfa.verify_tfa_phone_number(PIN, sdk.models.TfaVerifyPinRequest(pin="1598")),
        lambda: ours.check_verification(PIN, "1598"),
    )
    assert ours_asked == asked
    assert own.approved is theirs.verified is verified
