"""Limit: keeps all threads and tasks of a process below the vendor's rate, evenly."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from policed import BUSY, DENIED, Clock, busy_for, play, timed
from scripted import OK, AsyncWire, BatchProvider, HttpProvider, Wire, message, provider
from smsbridge.attempts import attempt, attempt_batch, attempt_verification, query, utc_now
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import (
    AuthenticationError,
    ConfigurationError,
    NoAnswer,
    QueryError,
    RateLimitedError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.http import Call, HttpRequest, HttpResponse, Wait
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.retry import RetryPolicy

SEND = HttpRequest.post_json("https://api.scripted.example/send", {}, sends=True)


def limit(inner=None, clock=None, **settings):
    return timed(LimitPolicy(inner=inner or HttpProvider(), **settings), clock)


def send(policy, *answers, clock=None, **fields):
    return play(attempt(policy, message(**fields)), *(answers or [OK]), clock=clock)


def test_the_first_leaves_at_once_and_each_one_after_it_in_its_turn():
    policy = limit(sends="10/1s")
    assert [send(policy)[1] for _ in range(3)] == [[], [pytest.approx(0.1)], [pytest.approx(0.2)]]


def test_texts_and_questions_are_counted_apart():
    policy = limit(sends="1/1s", queries="1/1m")
    sent, _ = send(policy)
    assert play(query(policy, lambda: policy.status(sent)), OK)[1] == []
    assert play(query(policy, lambda: policy.status(sent)), OK)[1] == [60]
    assert send(policy)[1] == [1]


@pytest.mark.parametrize("ask", ["lookup", "balance", "status", "check_verification", "cancel_verification"])
def test_every_question_is_counted(ask):
    policy = limit(queries="1/1m")
    sent, _ = send(policy)
    arguments = {"lookup": ["ref-1"], "balance": [], "check_verification": [sent, "1"]}.get(ask, [sent])
    play(query(policy, lambda: getattr(policy, ask)(*arguments)), OK)
    assert play(query(policy, lambda: getattr(policy, ask)(*arguments)), OK)[1] == [60]


def test_a_code_is_a_text():
    policy = limit(sends="1/1s")
    play(attempt_verification(policy, message(text="")), OK)
    assert send(policy)[1] == [1]


def test_a_batch_takes_a_place_for_each_of_its_texts():
    policy = limit(BatchProvider(), sends="1/1s")
    answer = OK.of_json({"ids": ["1", "2", "3"]})
    many = [message(reference=f"ref-{row}") for row in range(3)]
    assert play(attempt_batch(policy, many), answer)[1] == []
    assert send(policy)[1] == [3]


def test_a_question_takes_one_place_also_on_the_way_of_a_batch():
    def send_batch(self, messages):
        yield from HttpRequest.get("https://api.scripted.example/token")
        return (yield from BatchProvider.send_batch(self, messages))

    policy = limit(provider(base=BatchProvider, send_batch=send_batch), queries="1/1m")
    many = [message(reference=f"ref-{row}") for row in range(3)]
    play(attempt_batch(policy, many), OK, OK.of_json({"ids": ["1", "2", "3"]}))
    assert play(query(policy, policy.balance), OK)[1] == [60]


def test_a_step_that_is_no_request_takes_no_place():
    def slow(self, message):
        yield from Wait(1)
        yield from Call(str)
        return (yield from HttpProvider.send(self, message))

    policy = limit(provider(slow), sends="1/1m", queries="1/1m")
    (sent, waits), (_, turn) = send(policy, "", OK), send(policy, "", OK)
    assert (sent.id, waits, turn) == ("vendor-1", [1], [1, 60])


@pytest.mark.parametrize("end", [lambda flow: flow.close(), lambda flow: flow.send(OK), lambda flow: flow.send(DENIED)])
def test_what_runs_inside_is_closed_when_it_ends(end):
    flows = []

    class Watched(HttpProvider):
        def send(self, message):
            flows.append(super().send(message))
            return flows[-1]

    flow = attempt(limit(Watched(), sends="1/1s"), message())
    next(flow)
    with contextlib.suppress(StopIteration, AuthenticationError):
        end(flow)
    assert [inside.gi_frame for inside in flows] == [None]


def test_texts_share_a_batch_as_they_may_inside():
    class Grouped(BatchProvider):
        def batch_key(self, message):
            return message.sender

    for policy in (limit(Grouped()), limit(Grouped(), local_validity=True)):
        assert policy.batch_key(message(sender="A")) == policy.batch_key(message(sender="A")) == "A"
    results, _ = play(
        attempt_batch(RetryPolicy(inner=limit(Grouped())), [message(reference=name, sender=name) for name in "AB"]),
        *[OK] * 2,
    )
    assert all(result.sent for result in results)


def test_what_the_provider_inside_cannot_express_it_cannot_either():
    for policy in (limit(), limit(local_validity=True)):
        policy.check(message(sender="ACME"))
        for verification in (False, True):
            with pytest.raises(UnsupportedError):
                policy.check(message(send_at=utc_now()), verification=verification)
    until = message(valid_until=utc_now())
    limit(local_validity=True).check(until)
    for policy, verification in ((limit(local_validity=True), True), (limit(), False)):
        with pytest.raises(UnsupportedError, match="valid_until"):
            policy.check(until, verification=verification)
    assert limit().supports == HttpProvider().supports
    sober = limit(provider(verification_supports=frozenset()))
    sober.check(message(sender="ACME"))
    with pytest.raises(UnsupportedError):
        sober.check(message(sender="ACME"), verification=True)


def test_what_would_wait_too_long_is_refused_with_the_time_it_takes():
    policy = limit(sends="1/1m", longest_wait=10)
    send(policy)
    error, waits = play(attempt(policy, message()))
    assert (type(error), error.reason, error.retry_after, error.fault) == (RateLimitedError, "limit", 60, "account")
    assert waits == []
    question = limit(queries="1/1m", longest_wait=10)
    play(query(question, question.balance), OK)
    refused, _ = play(query(question, question.balance))
    assert (type(refused), refused.rate_limited, refused.retryable) == (QueryError, True, True)


def test_what_would_be_of_no_use_by_then_is_refused():
    policy = limit(provider(supports=frozenset({"valid_until"})), sends="1/1m")
    send(policy)
    error, _ = play(attempt(policy, message(valid_until=utc_now() + timedelta(seconds=30))))
    assert error.reason == "limit"


# --- when the vendor asks for a pause -------------------------------------------------------------------------------------


def test_nothing_of_that_kind_leaves_before_the_vendors_pause_is_over():
    clock = Clock()
    policy = limit(clock=clock, sends="100/1s", queries="100/1s")
    assert type(send(policy, busy_for(7))[0]) is RateLimitedError
    assert send(policy, clock=clock)[1] == [7]
    assert play(query(policy, policy.balance), OK)[1] == []


def test_nor_does_what_had_its_place_already():
    clock = Clock()
    policy = limit(clock=clock, sends="1/1s")
    first, waiting, later = (attempt(policy, message(reference=f"ref-{row}")) for row in range(3))
    next(first)
    assert (next(waiting), next(later)) == (Wait(1), Wait(2))
    with pytest.raises(RateLimitedError):
        first.send(busy_for(7))
    clock.now = 1
    assert waiting.send(None) == Wait(6)
    clock.now = 2
    assert later.send(None) == Wait(6)  # all texts line up again, evenly: the first leaves at 7, the second at 8


def test_after_the_pause_what_had_its_place_waits_no_longer_in_all_than_it_may():
    clock = Clock()
    policy = limit(clock=clock, sends="1/1s", longest_wait=7)
    first, waiting, later = (attempt(policy, message(reference=f"ref-{row}")) for row in range(3))
    next(first)
    assert (next(waiting), next(later)) == (Wait(1), Wait(2))
    with pytest.raises(RateLimitedError):
        first.send(busy_for(7))
    clock.now = 1
    assert waiting.send(None) == Wait(6)  # seven in all
    clock.now = 2
    with pytest.raises(RateLimitedError, match="our own limit") as caught:
        later.send(None)  # two and six are too many
    assert caught.value.retry_after == 6


@pytest.mark.parametrize("said", ["999999999", "-1", "nan", "inf", "9" * 30, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_pause_that_no_vendor_can_mean_is_not_kept(said):
    policy = limit(sends="100/1s", queries="100/1s")
    answer = HttpResponse(status=429, headers={"retry-after": said})
    send(policy, answer)
    assert send(policy)[1] == [pytest.approx(0.01)]
    play(query(policy, policy.balance), answer)
    assert play(query(policy, policy.balance), OK)[1] == [pytest.approx(0.01)]


def test_a_long_pause_is_kept_for_a_quarter_of_an_hour(caplog):
    clock = Clock()
    policy = limit(HttpProvider(account="otp"), clock=clock, sends="100/1s", longest_wait=1000)
    send(policy, busy_for(86400))
    assert "account otp: the vendor asks for a pause of 24 h; it is asked again after 15 min" in caplog.text
    assert send(policy, clock=clock)[1] == [900]


def test_what_our_own_limit_says_is_believed_however_long():
    policy = limit(sends="1/7d", longest_wait=0)
    send(policy)
    error, _ = play(attempt(policy, message()))
    assert (error.reason, error.retry_after) == ("limit", 7 * 86400)


class Ticking(Clock):
    """A clock that advances while it is read, like a real clock."""

    def __call__(self):
        self.now += 1e-6
        return self.now


@pytest.mark.parametrize("longest", [0, 1e-9, 5])
def test_who_may_not_wait_is_sent_where_a_place_is_free_at_once(longest):
    clock = Ticking()
    policy = limit(clock=clock, sends="1/10s", queries="1/10s", longest_wait=longest)
    assert send(policy)[1] == []
    assert play(query(policy, policy.balance), OK)[1] == []
    assert play(attempt(policy, message()))[0].reason == "limit"
    clock.now += 10
    assert send(policy)[1] == []


@pytest.mark.parametrize("status", [200, 403, 500, 503])
def test_a_time_that_comes_with_another_status_is_none_to_keep_all_texts_waiting(status):
    policy = limit(sends="1/1s")
    send(policy, HttpResponse(status=status, headers={"retry-after": "7"}, body=OK.body))
    assert send(policy)[1] == [1]


def test_a_429_without_a_time_changes_nothing():
    policy = limit(sends="1/1s")
    send(policy, BUSY)
    assert send(policy)[1] == [1]


def test_once_a_part_has_left_the_rest_waits_as_long_as_it_takes():
    def send_batch(self, messages):
        for _ in messages:
            yield from SEND
        return []

    policy = limit(provider(base=BatchProvider, send_batch=send_batch), sends="1/1m", longest_wait=0)
    many = [message(reference=f"ref-{row}") for row in range(2)]
    results, waits = play(attempt_batch(policy, many), OK, OK)
    assert waits == [120]
    assert {type(result.error) for result in results} == {UncertainError}


@pytest.mark.parametrize("between", [[], [HttpRequest.get("https://api.scripted.example/next")]])
def test_also_where_a_question_comes_between_the_parts(between):
    def sends(self, message):
        for step in (SEND, *between, SEND):
            yield from step
        return self.accepted(message, id="1")

    policy = limit(provider(sends), sends="1/1m", queries="100/1s", longest_wait=0)
    sent, waits = play(attempt(policy, message()), *[OK] * (2 + len(between)))
    assert (sent.id, waits) == ("1", [60])


def test_a_cancelled_wait_sends_nothing_and_a_retry_around_it_waits_no_less():
    policy = timed(RetryPolicy(inner=LimitPolicy(inner=HttpProvider(), sends="1/10s", longest_wait=0), attempts=2))
    clock = policy._clock
    sent, _ = play(attempt(policy, message()), OK, clock=clock)
    again, waits = play(attempt(policy, message()), OK, clock=clock)
    assert sent.id == again.id
    assert waits == [10]


# --- shared ---------------------------------------------------------------------------------------------------------------


def around(account, **settings):
    return timed(LimitPolicy(inner=HttpProvider(account=account), **settings).shared())


def test_limits_of_one_account_are_counted_together_and_those_of_others_are_not():
    assert send(around("a", sends="1/1h"))[1] == []
    assert around("a", sends="1/1h")._limiters[True] is around("a", sends="1/1h")._limiters[True]
    assert around("a", sends="1/1h")._limiters[True] is not around("b", sends="1/1h")._limiters[True]
    assert around("a", sends="1/1h")._limiters[True] is not around("a", sends="2/1h")._limiters[True]


def test_many_threads_take_a_place_each():
    policy = limit(sends="1000/1m")
    with ThreadPoolExecutor(8) as threads:
        waits = [sum(waits) for _, waits in threads.map(lambda _: send(policy), range(1000))]
    assert sorted(waits) == pytest.approx([number * 0.06 for number in range(1000)], abs=1e-6)


async def test_tasks_of_a_loop_take_one_each_too():
    wire = AsyncWire()
    async with AsyncSmsClient(LimitPolicy(inner=HttpProvider(), sends="1000/1s"), transport=wire) as sms:
        sent = await asyncio.gather(*[sms.send(message(reference=f"ref-{row}")) for row in range(5)])
    assert len({text.reference for text in sent}) == 5
    assert len(wire.requests) == 5


def test_the_blocking_client_waits():
    wire = Wire()
    with SmsClient(LimitPolicy(inner=HttpProvider(), sends="1000/1s"), transport=wire) as sms:
        assert [sms.send(message()).id for _ in range(3)] == ["vendor-1"] * 3


def test_a_provider_that_insists_is_kept_from_sending_twice_by_the_attempt_around_the_limit():
    def insists(self, message):
        try:
            yield from SEND
        except NoAnswer:
            yield from SEND
        return self.accepted(message, id="1")

    error, _ = play(attempt(limit(provider(insists), sends="100/1s"), message()), NoAnswer())
    assert type(error) is UncertainError


def test_without_a_rate_it_does_nothing():
    policy = limit()
    assert [send(policy)[1] for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize("wrong", [{"sends": "fast"}, {"queries": "0/s"}, {"sends": 10}, {"longest_wait": -1}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        LimitPolicy(inner=HttpProvider(), **wrong)
