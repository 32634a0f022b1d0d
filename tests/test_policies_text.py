"""A text with too many segments is refused before it costs anything. It is simplified only on request."""

from __future__ import annotations

import json

import pytest

from scripted import OK, TO, BatchProvider, HttpProvider, Recorder, drive, message
from smsbridge.attempts import attempt, attempt_batch
from smsbridge.client import SmsClient
from smsbridge.errors import ContentError
from smsbridge.http import HttpResponse
from smsbridge.plugins import Plugins
from smsbridge.sending import deliver
from smsbridge.text.policy import TextPolicy

HINDI = "आपका ऑर्डर भेज दिया गया है। " * 4


def refusal(policy, given):
    with pytest.raises(ContentError) as raised:
        drive(attempt(policy, given))
    return raised.value


def text_on_the_wire(policy, given):
    flow = attempt(policy, given)
    return json.loads(next(flow).body)["text"]


@pytest.mark.parametrize(
    ("settings", "purpose", "refused"),
    [
        ({}, "otp", False),
        ({"max_segments": 1}, "otp", True),
        ({"max_segments": 1}, "promotional", True),
        ({"max_segments": 2}, "promotional", False),
        ({"max_segments": 1, "promotional_segments": 2}, "promotional", False),
        ({"max_segments": 2, "otp_segments": 1}, "otp", True),
        ({"otp_segments": 1}, "service", False),
    ],
)
def test_each_purpose_has_its_own_limit_or_the_one_for_all(settings, purpose, refused):
    policy = TextPolicy(inner=HttpProvider(), **settings)
    given = message(text="a" * 161, purpose=purpose)
    if not refused:
        assert text_on_the_wire(policy, given) == given.text
        return
    error = refusal(policy, given)
    assert (error.reason, error.fault, error.account, error.reference) == ("too-long", "message", "scripted", "ref-1")
    assert "2 segments (GSM-7, 161 units)" in error.detail


def test_a_text_in_a_script_of_its_own_is_counted_as_it_is_and_never_changed():
    policy = TextPolicy(inner=HttpProvider(), max_segments=2, simplify=True)
    assert text_on_the_wire(policy, message(text=HINDI)) == HINDI
    assert "3 segments" in refusal(policy, message(text=HINDI * 2 if len(HINDI) < 70 else HINDI[:70] * 2)).detail


def test_nothing_is_simplified_unless_asked_for():
    curly = "Don\u2019t share this code"
    assert text_on_the_wire(TextPolicy(inner=HttpProvider()), message(text=curly)) == curly
    assert (
        text_on_the_wire(TextPolicy(inner=HttpProvider(), simplify=True), message(text=curly))
        == "Don't share this code"
    )


def test_in_a_batch_the_long_one_fails_alone():
    policy = TextPolicy(inner=BatchProvider(), max_segments=1)
    rows = [message(text="short", reference="ref-0"), message(text="a" * 200, reference="ref-1")]
    results = drive(attempt_batch(policy, rows), HttpResponse.of_json({"id": "1", "ids": ["1"]}))
    assert [type(result.error) for result in results] == [type(None), ContentError]


def test_the_refusal_reaches_the_hooks_and_shows_no_text():
    recorder = Recorder()
    policy = TextPolicy(inner=HttpProvider(), max_segments=1)
    with pytest.raises(ContentError) as raised:
        drive(deliver(Plugins(recorder), policy, message(text="SECRET-TEXT " * 30)))
    assert recorder.names == ["before", "failed"]
    assert "SECRET" not in f"{raised.value!r} {raised.value}"


def test_the_environment_sets_the_limits(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_TEXT_OTP_SEGMENTS", "1")
    with SmsClient("memory") as sms, pytest.raises(ContentError, match="too long"):
        sms.send(TO, "a" * 161, purpose="otp")


def test_a_code_with_the_vendors_own_words_has_no_text_to_measure():
    policy = TextPolicy(inner=HttpProvider(), max_segments=1)
    flow = policy.start_verification(message(text=""))
    next(flow)
    with pytest.raises(StopIteration):
        flow.send(OK)
