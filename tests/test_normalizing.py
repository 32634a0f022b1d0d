"""``smsbridge.normalize``: the recipient's number in E.164."""

from __future__ import annotations

import traceback

import phonenumbers
import pytest

import smsbridge
from smsbridge import ConfigurationError, RecipientError, Settings, SmsClient
from smsbridge.builtin.memory import MemoryProvider


def test_a_number_with_a_plus_needs_no_region():
    assert smsbridge.normalize("+91 98765 43210") == "+919876543210"


@pytest.mark.parametrize("region", ["IN", "in", " IN "])
def test_a_national_number_takes_the_region_that_is_given(region):
    assert smsbridge.normalize("98765 43210", region) == "+919876543210"


def test_or_the_default_region(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_DEFAULT_REGION", "in")
    assert smsbridge.normalize("98765 43210") == "+919876543210"
    assert smsbridge.normalize("(415) 555-2671", region="US") == "+14155552671"


def test_without_any_region_it_is_refused():
    with pytest.raises(RecipientError) as caught:
        smsbridge.normalize("98765 43210")
    assert caught.value.reason == "no-country-code"


@pytest.mark.parametrize("number", ["+919876543210x1", "98765", "", "9876543210.0"])
def test_what_no_text_could_go_to_is_refused_as_sending_refuses_it(number):
    with pytest.raises(RecipientError) as caught:
        smsbridge.normalize(number, "IN")
    with (
        SmsClient(MemoryProvider(), settings=Settings(default_region="IN")) as sms,
        pytest.raises(RecipientError) as sent,
    ):
        sms.send(number, "Your order has shipped")
    assert caught.value.reason == sent.value.reason


@pytest.mark.parametrize("number", [None, 919876543210, b"+919876543210"])
def test_what_is_no_string_is_refused_like_any_other_bad_number(number):
    with pytest.raises(RecipientError, match="not a string"):
        smsbridge.normalize(number)


@pytest.mark.parametrize(
    ("number", "region"), [("+919876543210x1", None), ("98765 43210", "XX"), ("98765 43210", "001")]
)
def test_neither_the_error_nor_its_frames_hold_the_number(number, region):
    with pytest.raises((RecipientError, ConfigurationError)) as caught:
        smsbridge.normalize(number, region)
    assert caught.value.__cause__ is None
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame for frame in frames if "smsbridge" in frame.f_globals["__name__"]]
    assert ours
    assert not any(number in map(str, frame.f_locals.values()) for frame in ours)
    assert number not in str(caught.value)


def test_a_phone_number_object_is_one_too():
    assert smsbridge.normalize(phonenumbers.parse("+919876543210")) == "+919876543210"
    with pytest.raises(RecipientError):
        smsbridge.normalize(None)
