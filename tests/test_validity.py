"""valid_until: an expired text is not sent, through any account and at any attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scripted import OK, BatchProvider, HttpProvider, driven, message
from smsbridge import attempts
from smsbridge.attempts import attempt, attempt_batch, attempt_verification, foresee
from smsbridge.composite import each
from smsbridge.errors import NotConnected, RateLimitedError, RefusedError, UnavailableError, UnsupportedError
from smsbridge.http import HttpRequest, HttpResponse, Wait
from smsbridge.plugins import Plugins
from smsbridge.policies import limit as limits
from smsbridge.policies import retry as retries
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.retry import RetryPolicy

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
BUSY = HttpResponse(status=503, headers={"retry-after": "1"})


class Time:
    """A virtual clock: waits pass at once, and each request takes ``seconds``."""

    def __init__(self):
        self.now = NOW
        self.requests = []

    def __call__(self):
        return self.now

    def clock(self):
        return (self.now - NOW).total_seconds()

    def run(self, flow, *answers, seconds=0.0):
        left = list(answers)

        def reply(step):
            if isinstance(step, Wait):
                self.now += timedelta(seconds=step.seconds)
                return None
            assert isinstance(step, HttpRequest)
            self.requests.append(step)
            self.now += timedelta(seconds=seconds)
            return left.pop(0)

        return driven(flow, reply)


@pytest.fixture
def time(monkeypatch):
    virtual = Time()
    for room in (attempts, retries, limits):
        monkeypatch.setattr(room, "utc_now", virtual)
    return virtual


class Valid(HttpProvider):
    supports = frozenset({"sender", "valid_until"})


class ValidBatch(BatchProvider):
    supports = frozenset({"sender", "valid_until"})


def on(time, policy):
    """``policy`` and the policies inside it, with virtual time."""
    for layer in each(policy):
        if hasattr(layer, "_clock"):
            layer._clock = time.clock
        if isinstance(layer, RetryPolicy):
            layer._jitter = lambda longest: longest
    return policy


def until(seconds, **fields):
    return message(valid_until=NOW + timedelta(seconds=seconds), **fields)


# --- before each attempt --------------------------------------------------------------------------------------------------


def test_an_expired_text_is_refused_before_a_request(time):
    with pytest.raises(RefusedError) as caught:
        time.run(attempt(Valid(), until(0)))
    assert (caught.value.reason, caught.value.fault, time.requests) == ("expired", "message", [])


def test_retry_makes_no_attempt_after_its_end(time):
    policy = on(time, RetryPolicy(inner=Valid(), attempts=9, first_wait=1, longest_wait=1, seconds=100))
    with pytest.raises(UnavailableError) as caught:
        time.run(attempt(policy, until(2.5)), *[NotConnected()] * 9)
    assert len(time.requests) == 3  # after 0, 1 and 2 seconds
    assert len(caught.value.attempts) == 3


def test_an_attempt_that_comes_late_all_the_same_is_refused(time):
    policy = on(time, RetryPolicy(inner=Valid(), attempts=3, first_wait=1, seconds=100))
    flow = attempt(policy, until(2))
    assert isinstance(next(flow), HttpRequest)
    wait = flow.throw(NotConnected())
    assert isinstance(wait, Wait)
    time.now += timedelta(seconds=5)  # the process slept, or its queue was long
    with pytest.raises(RefusedError) as caught:
        flow.send(None)
    assert [attempt.reason for attempt in caught.value.attempts] == [None, "expired"]


def test_failover_tries_no_further_account_after_its_end(time):
    policy = on(time, FailoverPolicy(accounts=[Valid(account="a"), Valid(account="b"), Valid(account="c")]))
    with pytest.raises(RefusedError) as caught:
        time.run(attempt(policy, until(5)), NotConnected(), NotConnected(), seconds=3)
    assert [attempt.account for attempt in caught.value.attempts] == ["a", "b", "c"]
    assert caught.value.attempts[2].reason == "expired"
    assert len(time.requests) == 2


@pytest.mark.parametrize("around", [lambda inner: inner, lambda inner: LimitPolicy(inner=inner, local_validity=True)])
def test_a_text_that_would_be_of_no_use_when_it_is_to_be_sent_is_refused(time, around):
    class Later(HttpProvider):
        supports = frozenset({"send_at", "valid_until"})

    given = message(send_at=NOW + timedelta(hours=2), valid_until=NOW + timedelta(hours=1))
    with pytest.raises(RefusedError) as caught:
        time.run(attempt(around(Later()), given))
    assert (caught.value.reason, time.requests) == ("expired", [])


def test_of_a_batch_only_what_is_of_no_use_is_refused(time):
    rows = [until(10, reference="a"), until(0, reference="b"), message(reference="c")]
    policy = on(time, RetryPolicy(inner=FailoverPolicy(accounts=[ValidBatch(account="x"), ValidBatch(account="y")])))
    answers = HttpResponse.of_json({"ids": ["1", "2"]})
    results = time.run(attempt_batch(policy, rows), answers)
    assert [result.sent and result.sent.id for result in results] == ["1", None, "2"]
    assert results[1].error.reason == "expired"


# --- providers without the field ------------------------------------------------------------------------------------------


def test_by_default_a_provider_that_cannot_express_it_refuses(time):
    for policy in (HttpProvider(), on(time, LimitPolicy(inner=HttpProvider()))):
        with pytest.raises(UnsupportedError, match="valid_until"):
            time.run(attempt(policy, until(10)))


def test_with_local_validity_it_is_sent_without_the_field_as_long_as_it_is_of_use(time):
    policy = on(time, LimitPolicy(inner=HttpProvider(), local_validity=True))
    assert "valid_until" in policy.supports
    assert time.run(attempt(policy, until(10)), OK).id == "vendor-1"
    with pytest.raises(RefusedError) as caught:
        time.run(attempt(policy, until(0)))
    assert caught.value.reason == "expired"


def test_a_provider_that_has_the_field_is_given_it(time):
    seen = []

    class Watched(Valid):
        def send(self, message):
            seen.append(message.valid_until)
            return super().send(message)

    time.run(attempt(on(time, LimitPolicy(inner=Watched(), local_validity=True)), until(10)), OK)
    assert seen == [NOW + timedelta(seconds=10)]


def test_it_is_looked_at_before_each_request_that_sends(time):
    class Login(HttpProvider):
        def send(self, message):
            yield from HttpRequest.post_json("https://api.scripted.example/login", {})
            return (yield from super().send(message))

    policy = on(time, LimitPolicy(inner=Login(), local_validity=True))
    with pytest.raises(RefusedError) as caught:
        time.run(attempt(policy, until(5)), OK, OK, seconds=6)
    assert (caught.value.reason, len(time.requests)) == ("expired", 1)


def test_it_is_looked_at_before_each_attempt_of_retry_and_failover(time):
    members = [LimitPolicy(inner=HttpProvider(account=name), local_validity=True) for name in ("a", "b")]
    policy = on(time, RetryPolicy(inner=FailoverPolicy(accounts=members), attempts=9, first_wait=1, seconds=100))
    with pytest.raises(RefusedError) as caught:
        time.run(attempt(policy, until(4)), *[NotConnected()] * 9, seconds=3)
    assert len(time.requests) == 2
    assert {attempt.account for attempt in caught.value.attempts} == {"a", "b"}


def test_of_a_batch_what_ends_on_the_way_is_refused_alone(time):
    class Login(BatchProvider):
        def _ask(self, path, sends=False, **body):
            yield from HttpRequest.post_json("https://api.scripted.example/login", {})
            return (yield from super()._ask(path, sends=sends, **body))

    policy = on(time, LimitPolicy(inner=Login(), local_validity=True))
    rows = [until(1000, reference="a"), until(1, reference="b")]
    results = time.run(attempt_batch(policy, rows), OK, OK, OK, seconds=2)
    assert [result.sent and result.sent.id for result in results] == ["vendor-1", None]
    assert results[1].error.reason == "expired"
    assert [result.message.valid_until for result in results] == [row.valid_until for row in rows]


def test_of_a_batch_the_others_still_go_in_one_request(time):
    policy = on(time, LimitPolicy(inner=BatchProvider(), local_validity=True))
    rows = [until(10, reference="a"), until(0, reference="b"), message(reference="c")]
    results = time.run(attempt_batch(policy, rows), HttpResponse.of_json({"ids": ["1", "2"]}))
    assert [result.sent and result.sent.id for result in results] == ["1", None, "2"]
    assert (results[1].error.reason, results[1].error.reference) == ("expired", "b")


def test_no_place_is_waited_for_past_the_end(time):
    policy = on(time, LimitPolicy(inner=HttpProvider(), sends="1/10s", local_validity=True))
    time.run(attempt(policy, until(100)), OK)
    with pytest.raises(RateLimitedError):
        time.run(attempt(policy, until(5)))
    assert time.run(attempt(policy, until(15)), OK)
    assert time.now == NOW + timedelta(seconds=10)


def test_the_end_of_a_one_time_code_is_the_vendors_to_keep(time):
    policy = on(time, LimitPolicy(inner=HttpProvider(), local_validity=True))
    with pytest.raises(UnsupportedError, match="valid_until"):
        time.run(attempt_verification(policy, until(60)))


def test_it_is_a_setting_of_every_account_or_of_one(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_LIMIT_LOCAL_VALIDITY", "yes")
    monkeypatch.setenv("SMSBRIDGE_FILE_PATH", "texts.jsonl")
    assert Plugins().stack("console").local_validity
    monkeypatch.setenv("SMSBRIDGE_CONSOLE_LIMIT_LOCAL_VALIDITY", "no")
    assert [type(layer).name for layer in each(Plugins().stack("console"))] == ["limit", "console"]
    assert not Plugins().stack("console").local_validity


def test_it_is_foreseen(time):
    limit = LimitPolicy(inner=HttpProvider(), local_validity=True)
    view = foresee(limit, until(10), now=NOW)
    assert (view.verdict, "checks valid_until itself" in view.words) == ("would send", True)
    assert foresee(limit, until(0), now=NOW).error.reason == "expired"
    assert isinstance(foresee(HttpProvider(), until(10), now=NOW).error, UnsupportedError)
