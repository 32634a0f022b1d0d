"""Texts arrive in permitted hours only; at other times, a text is refused or scheduled, never dropped."""

from __future__ import annotations

import asyncio
import logging
import zoneinfo
from datetime import datetime, timedelta

import pytest

from scripted import OK, TEXT, TO, BatchProvider, HttpProvider, Recorder, Wire, drive, message
from smsbridge import attempts
from smsbridge.attempts import attempt, attempt_batch, attempt_verification
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.composite import each
from smsbridge.errors import ConfigurationError, UnsupportedError, VetoedError
from smsbridge.hookspecs import hookimpl
from smsbridge.hours.policy import HoursPolicy
from smsbridge.http import HttpResponse
from smsbridge.messages import Purpose
from smsbridge.plugins import Plugins
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.purpose import PurposePolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.sending import deliver

INDIA = zoneinfo.ZoneInfo("Asia/Kolkata")
NOON = datetime(2026, 11, 25, 12, tzinfo=INDIA)
NIGHT = datetime(2026, 11, 25, 22, tzinfo=INDIA)
MORNING = datetime(2026, 11, 26, 10, tzinfo=INDIA)
BUSY = HttpResponse(status=429, headers={"retry-after": "90"})


class Plans(HttpProvider):
    """Can schedule texts, but not to every number."""

    supports = frozenset({"sender", "send_at", "valid_until"})

    def check(self, message, *, verification=False):
        super().check(message, verification=verification)
        if message.send_at is not None and message.sender == "CANNOT":
            raise self.unsupported("later texts of this sender")


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


class Plugin:
    @hookimpl
    def smsbridge_providers(self):
        return [HttpProvider]


@pytest.fixture(autouse=True)
def noon(monkeypatch):
    """Set the clock by which attempts check the expiry of a text."""
    monkeypatch.setattr(attempts, "utc_now", Clock(NOON))


def promo(**fields):
    return message(purpose=Purpose.PROMOTIONAL, **fields)


def hours(inner, now, **settings):
    policy = HoursPolicy(inner=inner, **settings)
    policy._clock = now if callable(now) else Clock(now)
    return policy


def sent_through(policy, given):
    """The message that the policy passed on, or its error."""
    flow = policy.admit(given)
    return drive(flow)


def refusal(policy, given, how=attempt):
    with pytest.raises(VetoedError) as raised:
        drive(how(policy, given))
    return raised.value


def test_inside_the_hours_a_text_goes_on_as_it_is():
    given = promo()
    assert sent_through(hours(HttpProvider(), NOON), given) is given


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.PROMOTIONAL])
def test_codes_and_what_else_people_wait_for_go_at_any_hour(purpose):
    given = message(purpose=purpose)
    assert sent_through(hours(HttpProvider(), NIGHT), given) is given


def test_outside_of_them_it_is_refused_with_the_seconds_until_they_begin():
    error = refusal(hours(HttpProvider(account="promo"), NIGHT), promo())
    assert (error.reason, error.fault, error.account, error.reference) == ("quiet-hours", "local", "promo", "ref-1")
    assert error.retry_after == 12 * 3600
    assert "promotional texts may not arrive now (IN 10:00-21:00, local time)" in str(error)


@pytest.mark.parametrize(
    ("seconds", "margin", "goes"), [(61, 60, True), (60, 60, False), (1, 0, True), (0, 0, False), (100, 120, False)]
)
def test_no_text_sets_out_so_late_that_it_may_arrive_after_the_end(seconds, margin, goes):
    end = datetime(2026, 11, 25, 21, tzinfo=INDIA)
    policy = hours(HttpProvider(), end - timedelta(seconds=seconds), margin=margin)
    if goes:
        assert sent_through(policy, promo())
    else:
        assert refusal(policy, promo()).retry_after == 13 * 3600 + seconds


def test_the_default_margin_is_as_long_as_a_text_waits_for_its_turn_at_most():
    defaults = {policy: policy.model_fields for policy in (HoursPolicy, LimitPolicy)}
    assert defaults[HoursPolicy]["margin"].default >= defaults[LimitPolicy]["longest_wait"].default


# --- later ----------------------------------------------------------------------------------------------------------------


def test_where_it_may_be_scheduled_it_goes_to_the_vendor_with_the_next_permitted_moment(caplog):
    caplog.set_level(logging.INFO)
    planned = sent_through(hours(Plans(), NIGHT, outside="schedule"), promo())
    assert (planned.send_at, planned.reference, planned.text) == (MORNING, "ref-1", TEXT)
    assert "text ref-1 is scheduled for 2026-11-26T04:30:00+00:00, when its hours begin" in caplog.text
    assert TO not in caplog.text


def test_a_provider_that_cannot_send_later_gets_nothing():
    assert refusal(hours(HttpProvider(), NIGHT, outside="schedule"), promo()).retry_after == 12 * 3600
    assert refusal(hours(Plans(), NIGHT, outside="schedule"), promo(sender="CANNOT")).reason == "quiet-hours"


def test_a_code_of_the_vendors_is_never_scheduled(tmp_path):
    rules = tmp_path / "hours.toml"
    rules.write_text(
        '[[rule]]\ncountry = "IN"\npurposes = ["otp"]\nzones = ["Asia/Kolkata"]\nhours = ["10:00-21:00"]\n'
    )
    policy = hours(MemoryProvider(), NIGHT, outside="schedule", rules=rules)
    error = refusal(policy, message(text="", purpose=Purpose.OTP), attempt_verification)
    assert error.reason == "quiet-hours"
    assert drive(attempt(policy, message(purpose=Purpose.OTP, text="hello")))
    assert policy.inner.sent[0].send_at == MORNING


@pytest.mark.parametrize("outside", ["refuse", "schedule"])
def test_what_is_of_no_use_by_then_is_refused_for_good(outside):
    error = refusal(hours(Plans(), NIGHT, outside=outside), promo(valid_until=MORNING))
    assert (error.reason, error.retry_after) == ("quiet-hours", None)
    assert "the text expires before the hours begin" in str(error)


def test_hours_that_never_come_are_no_time_to_wait_for(tmp_path):
    rules = tmp_path / "hours.toml"
    rules.write_text('[[rule]]\ncountry = "IN"\npurposes = ["promotional"]\nzones = ["Asia/Kolkata"]\nhours = []\n')
    error = refusal(hours(Plans(), NOON, outside="schedule", rules=rules), promo())
    assert error.retry_after is None
    assert "IN never" in str(error)


def test_a_rule_that_is_not_in_force_yet_leaves_the_built_in_ones_in_place(tmp_path):
    rules = tmp_path / "hours.toml"
    rules.write_text(
        '[[rule]]\ncountry = "IN"\npurposes = ["promotional"]\nzones = ["Asia/Kolkata"]\nhours = []\nsince = 2027-01-01\n'
    )
    error = refusal(hours(Plans(), NIGHT, rules=rules), promo())
    assert (error.reason, str(error)) == (
        "quiet-hours",
        str(refusal(hours(Plans(), NIGHT), promo())),
    )


@pytest.mark.parametrize(
    ("now", "send_at", "goes"),
    [
        (NIGHT, MORNING, True),
        (NIGHT, MORNING + timedelta(hours=10, minutes=59, seconds=59), True),  # no margin: it leaves by itself
        (NOON, NIGHT, False),
        (NIGHT, NOON, False),  # in the past: sent now
        (NOON, NOON - timedelta(days=1), True),
    ],
)
def test_a_text_for_later_is_judged_by_its_own_time(now, send_at, goes):
    given = promo(send_at=send_at)
    policy = hours(Plans(), now)
    if goes:
        assert sent_through(policy, given) is given
    else:
        error = refusal(policy, given)
        assert error.retry_after == (MORNING - now).total_seconds()
        assert sent_through(hours(Plans(), now, outside="schedule"), given).send_at == MORNING


# --- on the way -----------------------------------------------------------------------------------------------------------


def test_each_retry_asks_again():
    """The hours end during the wait for a busy vendor: the second attempt does not leave."""
    clock = Clock(datetime(2026, 11, 25, 20, 58, 30, tzinfo=INDIA))
    seconds = iter([0.0, 0.0, 0.0, 95.0, 95.0, 95.0, 95.0, 95.0])
    retry = RetryPolicy(inner=hours(HttpProvider(), clock), seconds=1000)
    retry._clock = lambda: next(seconds)
    flow = attempt(retry, promo())
    next(flow)
    assert flow.send(BUSY).seconds == 90
    clock.now += timedelta(seconds=90)
    with pytest.raises(VetoedError, match="quiet-hours"):
        flow.send(None)


def test_the_environment_puts_the_hours_inside_of_the_retries(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROMO_PROVIDER", "scripted")
    monkeypatch.setenv("SMSBRIDGE_HOURS_OUTSIDE", "refuse")
    monkeypatch.setenv("SMSBRIDGE_PROMO_HOURS_MARGIN", "5")
    monkeypatch.setenv("SMSBRIDGE_PURPOSE_OTP_EXPIRY", "10m")
    around = list(each(Plugins(Plugin()).stack("promo")))
    assert [type(layer).name for layer in around] == ["purpose", "retry", "hours", "scripted"]
    assert (around[2].outside, around[2].margin) == ("refuse", 5)


def test_there_are_no_hours_unless_a_setting_of_theirs_is_there(monkeypatch):
    assert [type(layer).name for layer in each(Plugins().stack("memory"))] == ["memory"]
    monkeypatch.setenv("SMSBRIDGE_MEMORY_HOURS_OUTSIDE", "schedule")
    found = list(each(Plugins().stack("memory")))
    assert [type(layer).name for layer in found] == ["hours", "memory"]
    assert found[0].outside == "schedule"


def test_wrong_settings_are_named_when_the_client_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("SMSBRIDGE_HOURS_OUTSIDE", "drop")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_HOURS_OUTSIDE is wrong"):
        SmsClient("memory")
    monkeypatch.delenv("SMSBRIDGE_HOURS_OUTSIDE")
    monkeypatch.setenv("SMSBRIDGE_HOURS_RULES", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        SmsClient("memory")


def test_in_a_batch_each_text_is_judged_alone():
    policy = hours(BatchProvider(), NIGHT)
    batch = [promo(reference="a"), message(reference="b", to="+919876543211")]
    flow = attempt_batch(policy, batch)
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.send(OK)
    results = stop.value.value
    assert results[0].error.reason == "quiet-hours"
    assert results[1].sent.id == "vendor-1"


def test_both_clients_and_the_hooks_hear_of_it():
    recorder = Recorder()
    policy = hours(HttpProvider(), NIGHT)
    with SmsClient(policy, plugins=Plugins(recorder)) as sms, pytest.raises(VetoedError) as blocking:
        sms.send(promo())

    async def main():
        async with AsyncSmsClient(policy, plugins=Plugins(recorder)) as sms:
            await sms.send(promo())

    with pytest.raises(VetoedError) as waiting:
        asyncio.run(main())
    assert blocking.value == waiting.value
    assert recorder.calls == [("before", "ref-1", None), ("failed", "ref-1", blocking.value)] * 2


def test_a_refusal_holds_neither_text_nor_number():
    shown = repr(vars(refusal(hours(HttpProvider(), NIGHT), promo()))) + str(
        refusal(hours(HttpProvider(), NIGHT), promo())
    )
    for private in (TEXT, TO, TO[1:], TO[3:]):
        assert private not in shown


# --- expiry by purpose ----------------------------------------------------------------------------------------------------


def expiring(inner=None, **settings):
    policy = PurposePolicy(inner=inner or Plans(), **settings)
    policy._clock = Clock(NOON)
    return policy


@pytest.mark.parametrize(
    ("written", "seconds"), [("10m", 600), ("90s", 90), (" 2 H ", 7200), ("1d", 86400), ("PT10M", 600)]
)
def test_an_expiry_is_written_as_people_write_times(written, seconds):
    assert expiring(otp_expiry=written).otp_expiry == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["0s", "-5m", "soon", "10 parsecs", "", "999999d", "600", "00:10:00"])
def test_an_expiry_that_means_nothing_is_refused(written):
    with pytest.raises(
        ConfigurationError, match=r"OTP_EXPIRY is wrong: (write a time with its unit|the time must be longer)"
    ):
        expiring(otp_expiry=written)


def test_a_text_without_an_expiry_gets_that_of_its_purpose():
    policy = expiring(otp_expiry="10m")
    assert sent_through(policy, message(purpose="otp")).valid_until == NOON + timedelta(minutes=10)
    assert sent_through(policy, message(purpose="promotional")).valid_until is None
    assert all(sent_through(expiring(), message(purpose=purpose)).valid_until is None for purpose in Purpose)


@pytest.mark.parametrize(
    ("inner", "fields"),
    [
        (Plans(), {"valid_until": NOON + timedelta(minutes=1)}),
        (Plans(), {"send_at": NIGHT}),
        (HttpProvider(), {}),
    ],
    ids=["says it itself", "is for later", "cannot be told"],
)
def test_a_text_is_left_alone_where_that_would_say_more_than_is_meant(inner, fields):
    given = message(purpose="otp", **fields)
    assert sent_through(expiring(inner, otp_expiry="10m"), given) is given


def test_a_code_of_the_vendors_expires_where_that_can_be_told():
    policy = expiring(MemoryProvider(), otp_expiry="10m")
    code = drive(attempt_verification(policy, message(text="", purpose="otp", valid_until=None)))
    assert code.expires_at == NOON + timedelta(minutes=10)
    plain = expiring(HttpProvider(), otp_expiry="10m")
    assert drive(plain.admit(message(text="", purpose="otp"), verification=True)).valid_until is None


def test_an_unsupported_text_stays_an_unsupported_text():
    with pytest.raises(UnsupportedError):
        drive(deliver(Plugins(), hours(HttpProvider(), NOON), promo(send_at=NOON + timedelta(minutes=5))))


def test_the_wire_sees_nothing_of_a_refused_text():
    wire = Wire(OK)
    sms = SmsClient(hours(HttpProvider(), NIGHT), plugins=Plugins(), transport=wire)
    with sms, sms.send_many([promo(reference="a"), message(reference="b")]) as results:
        found = {result.message.reference: result for result in results}
    assert found["a"].error.reason == "quiet-hours"
    assert found["b"].sent.id == "vendor-1"
    assert len(wire.requests) == 1
