"""Values are frozen, checked when made, and show neither number nor text."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import traceback
from collections import UserString
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from smsbridge import messages
from smsbridge.errors import RecipientError, SendError, UncertainError, UnsupportedError
from smsbridge.http import HttpResponse
from smsbridge.messages import (
    Balance,
    Cost,
    DeliveryReport,
    Dlt,
    Foresight,
    InboundMessage,
    Message,
    Money,
    Purpose,
    Received,
    Result,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
    utc_from_timestamp,
)
from smsbridge.plain import kind_of

TO, TEXT, RAW = "+919876543210", "SECRET-TEXT", {"token": "SECRET-RAW"}
WHO = {"account": "otp", "provider": "memory", "id": "id-1"}
REPORT = DeliveryReport(**WHO, to=TO, status=Status.DELIVERED, final=True, key="SECRET-KEY", raw=RAW)
MESSAGE = Message(to=TO, text=TEXT, options={"memory": RAW})
VALUES = [
    MESSAGE,
    SentMessage(**WHO, to=TO, raw=RAW, price=Money(amount=Decimal("0.1"), unit="INR")),
    REPORT,
    InboundMessage(**WHO, sender=TO, to=TO, text=TEXT, key="SECRET-KEY", raw=RAW),
    Balance(service="sms", amount=Decimal(1), unit="INR", raw=RAW),
    Verification(**WHO, to=TO),
    VerificationCheck(approved=False, reason="wrong-code"),
    Result(index=0, message=MESSAGE, error=RecipientError(detail="no")),
    Foresight(account="otp", provider="memory", verdict="would refuse", error=RecipientError(detail="no")),
    Received(events=(REPORT,), response=HttpResponse(status=200, body=b"SECRET-BODY")),
    Dlt(entity_id="1", template_id="2"),
    Money(amount=Decimal(1), unit="INR"),
    Cost(segments=2, price=Money(amount=Decimal(1), unit="INR")),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_no_value_shows_a_number_a_text_or_a_raw_answer(value):
    shown = f"{value!r} {value!s}"
    assert "SECRET" not in shown
    assert TO not in shown
    assert TO[1:] not in shown
    assert ("+91******3210" in shown) == hasattr(value, "to") or isinstance(value, Result | Received)


def test_every_value_is_here():
    public = [getattr(messages, name) for name in messages.__all__]
    assert {type(value) for value in VALUES} == {kind for kind in public if dataclasses.is_dataclass(kind)}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_frozen_keyword_only_and_can_be_pickled(value):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, "x")
    assert not hasattr(value, "__dict__")
    assert all(field.kw_only for field in dataclasses.fields(value))
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(value, protocol)) == value
    assert copy.deepcopy(value) == value
    assert set(dataclasses.asdict(value)) == {field.name for field in dataclasses.fields(value)}


@pytest.mark.parametrize("field", ["send_at", "valid_until"])
def test_a_datetime_without_time_zone_is_refused(field):
    with pytest.raises(ValueError, match=f"{field} has no time zone"):
        Message(to=TO, text=TEXT, **{field: datetime(2026, 1, 1)})  # noqa: DTZ001


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Asia/Kolkata")])
def test_any_time_zone_will_do(zone):
    at = datetime(2026, 1, 1, tzinfo=zone)
    assert Message(to=TO, text=TEXT, send_at=at).send_at == at


@pytest.mark.parametrize(
    "fields",
    [
        {"sender": 1},
        {"reference": 7},
        {"dlt": ("1", "2")},
        {"send_at": "2026-01-01"},
        {"options": [("memory", {})]},
        {"options": {"memory": "x"}},
        {"options": None},
    ],
)
def test_a_field_of_the_wrong_type_is_refused_where_it_is_written(fields):
    with pytest.raises(TypeError, match=next(iter(fields))):
        Message(to=TO, text=TEXT, **fields)


@pytest.mark.parametrize("field", ["sender", "reference", "dlt", "send_at", "valid_until"])
def test_the_error_names_the_type_too_and_shows_no_value(field):
    with pytest.raises(TypeError, match=f"^{field} has to be .*, not int$"):
        Message(to=TO, text=TEXT, **{field: 919876543210})


class Lazy:
    """A lazy translation that counts how often it is rendered."""

    def __init__(self, text=TEXT):
        self.text = text
        self.rendered = 0

    def __str__(self):
        self.rendered += 1
        return self.text


class LikeDjango(Lazy):
    def casefold(self):
        return str(self).casefold()


LikeDjango.__name__ = "__proxy__"


class Safe(str):
    """Like SafeString and Markup."""

    __slots__ = ()


class Shouted(str, Enum):  # noqa: UP042  # as applications have them
    GREETING = TEXT

    def __str__(self):
        return "not this"


class Claims:
    """Like LocalProxy and SimpleLazyObject."""

    @property
    def __class__(self):
        return str

    def __str__(self):
        return TEXT


STRINGS = {
    "lazy": Lazy,
    "of Django": LikeDjango,
    "of a library": lambda: UserString(TEXT),
    "safe": lambda: Safe(TEXT),
    "a choice": lambda: Shouted.GREETING,
    "a proxy": Claims,
    "a lazy safe one": lambda: Lazy(Safe(TEXT)),
}


@pytest.mark.parametrize("make", STRINGS.values(), ids=STRINGS)
def test_what_stands_for_a_string_becomes_one(make):
    text = make()
    made = Message(to=TO, text=text, sender=text, reference=text, dlt=Dlt(entity_id=text))
    for value in (made.text, made.sender, made.reference, made.dlt.entity_id, Message(to=text, text="").to):
        assert (type(value), value) == (str, TEXT)


def test_a_lazy_text_is_rendered_once_when_the_message_is_made():
    text = Lazy()
    made = Message(to=TO, text=text)
    assert pickle.loads(pickle.dumps(dataclasses.replace(made, reference="r"))).text == TEXT
    assert text.rendered == 1


class PhoneNumber:
    def __init__(self, **fields):
        vars(self).update(fields)

    def __str__(self):
        return "098765 43210"


@pytest.mark.parametrize(
    ("number", "to"),
    [
        (phonenumbers.parse(TO), TO),
        (phonenumbers.parse("098765 43210", "IN", keep_raw_input=True), TO),
        (phonenumbers.parse("+39 02 3661 8300"), "+390236618300"),
        (PhoneNumber(country_code=91, national_number=9876543210, extension=None), TO),
        (PhoneNumber(country_code=None, national_number=None, raw_input="call me"), "call me"),
        (PhoneNumber(), "098765 43210"),
        (phonenumbers.parse(TO + " ext. 5"), TO + " ext. 5"),  # no vendor takes it, so it is refused when it is sent
    ],
)
def test_a_phone_number_object_is_its_number_with_every_digit(number, to):
    assert (type(Message(to=number, text=TEXT).to), Message(to=number, text=TEXT).to) == (str, to)


NO_TEXTS = [
    None,
    float("nan"),
    919876543210,
    Decimal(5),
    True,
    b"bytes",
    ["+919876543210"],
    {},
    object(),
    Path("x"),
    UTC,
]
"""Values from databases, spreadsheets and mistakes in place of a string."""


@pytest.mark.parametrize("value", NO_TEXTS, ids=lambda value: type(value).__name__)
def test_what_is_no_text_is_kept_until_it_is_to_be_sent_and_not_shown(value):
    made = Message(to=value, text=value)
    assert made.to is value
    assert made.text is value
    assert f"to=<{kind_of(value)}>" in repr(made)
    assert TO[1:] not in repr(made)


MISTAKES = {
    "a naive time": ({"send_at": datetime(2030, 1, 1)}, ValueError),  # noqa: DTZ001
    "a naive end": ({"valid_until": datetime(2030, 1, 1)}, ValueError),  # noqa: DTZ001
    "a text for a time": ({"send_at": TEXT}, TypeError),
    "a purpose": ({"purpose": TEXT}, ValueError),
    "a purpose of another type": ({"purpose": [TO]}, ValueError),
    "dlt": ({"dlt": (TO, TEXT)}, TypeError),
    "a key of dlt": ({"dlt": {TEXT: TO}}, ValueError),
    "a value of dlt": ({"dlt": {"entity_id": 919876543210}}, TypeError),
    "options": ({"options": {"memory": TEXT}}, TypeError),
    "a sender": ({"sender": [TO]}, TypeError),
    "a field that there is not": ({"txt": TEXT}, TypeError),
}


@pytest.mark.parametrize(("fields", "kind"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_field_leaves_neither_number_nor_text_in_any_frame(fields, kind):
    with pytest.raises(kind) as caught:
        Message(to=TO, text=TEXT, **fields)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert shown.__context__ is None
    ours = "".join(f"{frame.locals}" for frame in shown.stack if frame.filename != __file__)
    assert not [private for private in (TEXT, TO[1:]) if private in f"{ours}{caught.value}"]


@pytest.mark.parametrize("missing", ["to", "text"])
def test_a_message_that_is_not_made_can_be_shown_by_a_traceback(missing):
    with pytest.raises(TypeError, match=missing) as caught:
        Message(**{name: TEXT for name in ("to", "text") if name != missing})
    traceback.TracebackException.from_exception(caught.value, capture_locals=True)


def test_the_ids_of_dlt_go_through_json_and_come_back():
    made = Message(to=TO, text=TEXT, dlt=Dlt(entity_id="1101", template_id="1107"))
    through = json.loads(json.dumps(dataclasses.asdict(made)["dlt"]))
    assert through == {"entity_id": "1101", "template_id": "1107"}
    assert Message(to=TO, text=TEXT, dlt=through) == made
    assert Message(to=TO, text=TEXT, dlt={}).dlt == Dlt()


def test_a_message_is_made_again_of_its_own_fields():
    made = Message(to=TO, text=TEXT, dlt=Dlt(entity_id="1"), purpose="otp", options={"memory": {"x": 1}})
    assert Message(**dataclasses.asdict(made)) == made


def test_options_of_any_mapping_can_be_copied_and_pickled():
    made = Message(to=TO, text=TEXT, options=MappingProxyType({"memory": MappingProxyType({"x": 1})}))
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made
    assert made.options == {"memory": {"x": 1}}


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({"sent": SentMessage(**WHO)}, True),
        ({"error": UncertainError()}, True),
        ({"error": SendError()}, True),  # an unknown kind
        ({"error": RecipientError()}, False),
        ({"error": UnsupportedError()}, False),
        ({}, False),
    ],
)
def test_a_text_may_have_arrived_unless_it_was_certainly_not_sent(fields, may):
    assert Result(index=0, message=MESSAGE, **fields).may_have_arrived is may


def test_a_purpose_may_be_a_word_but_not_any_word():
    assert Message(to=TO, text=TEXT, purpose="otp").purpose is Purpose.OTP
    assert Message(to=TO, text=TEXT).purpose is Purpose.TRANSACTIONAL
    with pytest.raises(ValueError, match="marketing"):
        Message(to=TO, text=TEXT, purpose="marketing")


@pytest.mark.parametrize("status", Status)
def test_a_status_is_final_unless_more_can_come(status):
    assert status.final == (status not in {Status.SCHEDULED, Status.QUEUED, Status.SENT, Status.UNKNOWN})


def test_a_report_may_be_final_and_unknown():
    report = DeliveryReport(**WHO, status=Status.UNKNOWN, final=True)
    assert report.final
    assert not report.status.final


def test_accepted_is_not_delivered():
    assert SentMessage(**WHO).status is Status.UNKNOWN


def test_a_timestamp_is_aware_and_in_utc():
    assert utc_from_timestamp(0) == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_context_is_strings_of_the_applications_own_and_is_not_shown():
    given = Message(to=TO, text="Hello", context={"customer": "41"})
    assert given.context == {"customer": "41"}
    assert "41" not in repr(given)


@pytest.mark.parametrize("context", [{"customer": 41}, {41: "customer"}, {"customer": None}, "customer=41", 41])
def test_a_context_of_anything_but_strings_is_a_type_error_that_shows_no_value(context):
    with pytest.raises(TypeError, match="mapping of strings") as error:
        Message(to=TO, text="Hello", context=context)
    assert "41" not in str(error.value)


def test_a_context_is_small():
    with pytest.raises(ValueError, match="more than 4000 characters"):
        Message(to=TO, text="Hello", context={"customer": "x" * 4000})
