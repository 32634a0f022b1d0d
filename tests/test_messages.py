"""Values are frozen, checked when made, and show neither number nor text."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from smsbridge import messages
from smsbridge.errors import RecipientError
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
    made = {type(value) for value in VALUES}
    assert made == {
        one for one in vars(messages).values() if dataclasses.is_dataclass(one) and one.__module__ == messages.__name__
    }


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_frozen_keyword_only_and_can_be_pickled(value):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, "x")
    assert not hasattr(value, "__dict__")
    assert all(one.kw_only for one in dataclasses.fields(value))
    assert pickle.loads(pickle.dumps(value)) == value


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
        {"to": 919876543210},
        {"to": None},
        {"to": ["+919876543210"]},
        {"text": b"bytes"},
        {"text": None},
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
        Message(**{"to": TO, "text": TEXT, **fields})


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
