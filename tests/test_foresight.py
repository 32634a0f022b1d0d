"""Preview of a text without a request to a vendor: foresee changes nothing and sends nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripted import OK, TEXT, TO, HttpProvider, drive, message
from smsbridge.attempts import attempt, foresee
from smsbridge.builtin.console import ConsoleProvider
from smsbridge.errors import (
    ContentError,
    NotConnected,
    ProviderBugError,
    RateLimitedError,
    RefusedError,
    SendError,
    UnavailableError,
    UnsupportedError,
)
from smsbridge.http import Call
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.gate import Gate
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.policy import Policy
from smsbridge.policies.retry import RetryPolicy

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


def view(provider, given=None):
    return foresee(provider, given or message(), now=NOW)


def verdicts(seen):
    return [layer.verdict.removeprefix("would ") for layer in seen.inside]


class Dated(HttpProvider):
    supports = frozenset({"sender", "send_at", "valid_until"})


class Plain(Policy):
    name = "plain"


class Open(Gate):
    name = "open"


def failover(*names, kind=HttpProvider, **settings):
    policy = FailoverPolicy(accounts=[kind(account=name) for name in names], **settings)
    policy._clock = lambda: 100.0
    return policy


# --- a provider by itself -------------------------------------------------------------------------------------------------


def test_a_provider_would_take_what_it_can_express():
    seen = view(HttpProvider(account="otp"))
    assert (seen.account, seen.provider, seen.verdict, seen.error) == ("otp", "scripted", "would send", None)
    assert "reaches no phone" in view(ConsoleProvider()).words


@pytest.mark.parametrize(
    ("given", "error", "reason"),
    [
        (message(text=""), ContentError, "empty"),
        (message(text="half \ud83d"), ContentError, "not-unicode"),
        (message(valid_until=NOW), RefusedError, "expired"),
        (message(valid_until=NOW - timedelta(days=1)), RefusedError, "expired"),
        (message(options={"scripted": {"flash": True}}), UnsupportedError, None),
    ],
)
def test_what_an_attempt_would_refuse_is_refused(given, error, reason):
    for provider in (Dated(), Plain(inner=Dated()), RetryPolicy(inner=Dated()), failover("a", kind=Dated)):
        seen = view(provider, given)
        assert seen.verdict == "would refuse"
        assert type(seen.error) is error
        assert getattr(seen.error, "reason", None) == reason


def test_a_providers_bug_is_no_bug_of_ours():
    class Broken(HttpProvider):
        def check(self, message, *, verification=False):
            raise LookupError(message.text)

    class Blind(Plain):
        def foresee(self, message, *, now):
            raise LookupError(message.text)

    for provider in (Broken(), Blind(inner=HttpProvider())):
        seen = view(provider)
        assert isinstance(seen.error, ProviderBugError)
        assert TEXT not in repr(seen)


# --- policies -------------------------------------------------------------------------------------------------------------


def test_a_policy_or_a_wrapper_says_what_the_provider_inside_would_do():
    for policy in (Plain(inner=HttpProvider()), Open(inner=HttpProvider()), RetryPolicy(inner=HttpProvider())):
        assert (view(policy).verdict, verdicts(view(policy))) == ("would send", ["send"])
        seen = view(policy, message(send_at=NOW))
        assert isinstance(seen.error, UnsupportedError)


def test_a_gate_that_can_deal_with_the_failure_of_what_it_asks_does_so_in_foresight_too():
    def unreadable():
        raise OSError(TEXT)

    class Asking(Open):
        def admit(self, message, *, verification=False):
            try:
                yield from Call(unreadable)
            except OSError:
                yield from Call(str)
            return message

    class Helpless(Open):
        def admit(self, message, *, verification=False):
            yield from Call(unreadable)
            return message

    assert view(Asking(inner=HttpProvider())).words == "lets it through"
    seen = view(Helpless(inner=HttpProvider()))
    assert isinstance(seen.error, ProviderBugError)
    assert TEXT not in repr(seen)


def test_retry_says_how_often():
    assert view(RetryPolicy(inner=HttpProvider())).words == "tries it up to 3 times within 15 s"
    assert view(RetryPolicy(inner=HttpProvider(), attempts=1)).words == "tries it once"


def test_a_limit_says_how_long_the_wait_would_be_and_takes_no_turn():
    policy = LimitPolicy(inner=HttpProvider(), sends="1/10s", longest_wait=20)
    policy._clock = lambda: 100.0
    assert view(policy).words == "it is its turn"
    assert view(policy).words == "it is its turn"
    for wait in ("10.0", "20.0"):
        flow = attempt(policy, message())
        next(flow)  # it has its turn, or waits for it
        assert f"would wait {wait} s" in view(policy).words
    flow = attempt(policy, message())
    next(flow)
    seen = view(policy)
    assert (type(seen.error), seen.error.reason, seen.error.retry_after) == (RateLimitedError, "limit", 30)
    seen = view(LimitPolicy(inner=HttpProvider(), longest_wait=0))
    assert (seen.verdict, seen.words) == ("would send", "limits no texts")


def test_failover_says_who_would_be_tried_first():
    seen = view(failover("a", "b", "c"))
    assert (seen.verdict, seen.words, verdicts(seen)) == ("would send", "tries a first", ["send", "skip", "skip"])
    assert seen.inside[1].words == "tried only if a refuses for its own fault"


def test_failover_skips_an_account_that_is_left_alone_and_lets_no_probe_through():
    policy = failover("a", "b", faults=1, pause=30)
    drive(attempt(policy, message()), NotConnected(), OK)
    for _ in range(3):
        seen = view(policy)
        assert (seen.words, verdicts(seen)) == ("tries b first", ["skip", "send"])
        assert "is paused" in seen.inside[0].words
    policy._clock = lambda: 131.0
    for _ in range(3):
        assert view(policy).words == "tries a first"
    assert policy._breakers["a"].admit(131.0) is None


def test_failover_passes_by_who_cannot_express_it():
    policy = FailoverPolicy(accounts=[HttpProvider(account="a"), Dated(account="b")])
    seen = view(policy, message(send_at=NOW))
    assert (seen.words, verdicts(seen)) == ("tries b first", ["refuse", "send"])
    none_can = view(failover("a", "b"), message(send_at=NOW))
    assert (none_can.verdict, type(none_can.error), verdicts(none_can)) == (
        "would refuse",
        UnsupportedError,
        ["refuse", "refuse"],
    )


def test_what_is_no_fault_of_an_account_ends_it():
    class Picky(Open):
        def foresee(self, message, *, now):
            return self._would_refuse(ContentError(reason="rude"), message)

    policy = FailoverPolicy(accounts=[Picky(inner=HttpProvider(account="a")), HttpProvider(account="b")])
    seen = view(policy)
    assert (type(seen.error), verdicts(seen)) == (ContentError, ["refuse", "skip"])


def test_an_account_that_is_left_alone_and_no_other_is_refused_with_the_time():
    policy = failover("a", faults=1, pause=30)
    with pytest.raises(UnavailableError):
        drive(attempt(policy, message()), NotConnected())
    seen = view(policy)
    assert (type(seen.error), seen.error.reason, seen.error.retry_after) == (UnavailableError, "circuit-open", 30)


@given(
    st.booleans(),
    st.booleans(),
    st.sampled_from([{}, {"send_at": NOW}, {"sender": "ACME"}, {"valid_until": NOW}, {"text": ""}]),
)
def test_what_is_foreseen_is_what_comes(open_breaker, dated, fields):
    policy = FailoverPolicy(accounts=[HttpProvider(account="a"), (Dated if dated else HttpProvider)(account="b")])
    policy._clock = lambda: 100.0
    if open_breaker:
        for _ in range(5):
            policy._breakers["a"].failed(100.0)
    asked = message(**fields)
    if "valid_until" in fields:
        asked = message(valid_until=datetime.now(UTC) - timedelta(seconds=1))
    seen = foresee(policy, asked, now=datetime.now(UTC))
    if seen.error is None:
        flow = attempt(policy, asked)
        next(flow)
        flow.close()
        return
    with pytest.raises(SendError) as caught:
        drive(attempt(policy, asked))
    assert (type(caught.value), str(caught.value)) == (type(seen.error), str(seen.error))


def test_what_is_foreseen_shows_no_number_and_no_text():
    for asked in (message(), message(send_at=NOW), message(text="")):
        shown = repr(view(RetryPolicy(inner=failover("a", "b")), asked))
        assert TO not in shown
        assert TEXT not in shown
