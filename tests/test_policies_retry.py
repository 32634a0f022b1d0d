"""Retry: send again texts that were certainly not sent, and look up texts that may have been."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policed import BUSY, DENIED, DOWN, FOUND, NOT_FOUND, Clock, Finds, FindsBatches, busy_for, play, timed
from scripted import (
    OK,
    AsyncWire,
    BatchProvider,
    HttpProvider,
    Recorder,
    Wire,
    drive,
    interrupt,
    message,
    plugins,
    provider,
)
from smsbridge import attempts
from smsbridge.attempts import attempt, attempt_batch, attempt_each, attempt_verification
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import (
    AuthenticationError,
    ConfigurationError,
    ContentError,
    NoAnswer,
    NotConnected,
    OptedOutError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.http import HttpRequest, HttpResponse, Wait
from smsbridge.messages import Purpose, Status
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.retry import RetryPolicy, full_jitter
from smsbridge.provider import SmsProvider, vendor_of
from smsbridge.sending import deliver

SEND = HttpRequest.post_json("https://api.scripted.example/send", {}, sends=True)
OTP = Purpose.OTP
TWICE = frozenset({OTP})


def blind(send=None):
    """A provider that cannot look texts up."""
    return provider(send, lookup=SmsProvider.lookup)


def retry(inner=None, clock=None, **settings):
    return timed(RetryPolicy(inner=inner or blind(), **settings), clock)


def refuses(error):
    """A provider whose vendor answers, and says no."""

    def send(self, message):
        yield from SEND
        raise error

    return provider(send)


# --- texts that are tried again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [NotConnected("refused"), BUSY, busy_for(1)])
def test_what_was_certainly_not_sent_and_may_pass_is_tried_again(trouble):
    sent, waits = play(attempt(retry(), message()), trouble, OK)
    assert sent.id == "vendor-1"
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (NoAnswer("time-out"), UncertainError),
        (DOWN, UncertainError),
        (HttpResponse(status=200, body=b"{", complete=False), UncertainError),
        (DENIED, AuthenticationError),
        (HttpResponse(status=422), RefusedError),
    ],
)
def test_what_may_have_been_sent_or_will_not_pass_is_not(answer, kind):
    error, waits = play(attempt(retry(), message()), answer)
    assert type(error) is kind
    assert waits == []


@pytest.mark.parametrize("error", [OptedOutError(), OptedOutError(fault="provider"), RecipientError()])
def test_neither_a_bad_number_nor_an_opt_out_is_tried_again_with_any_fault(error):
    refused, waits = play(attempt(retry(refuses(error)), message()), OK)
    assert type(refused) is type(error)
    assert waits == []


def test_what_cannot_be_expressed_is_not_tried_again():
    error, waits = play(attempt(retry(provider(supports=frozenset())), message(sender="ACME")))
    assert (type(error), waits, error.attempts) == (UnsupportedError, [], ())


def test_a_refusal_for_the_providers_own_fault_is_tried_again():
    error, _ = play(attempt(retry(refuses(RefusedError(fault="provider")), attempts=2), message()), OK, OK)
    assert len(error.attempts) == 2


def test_a_code_is_tried_again_too():
    verification, _ = play(attempt_verification(retry(), message(text="")), NotConnected(), OK)
    assert verification.id == "vendor-1"


def test_a_code_is_not_looked_up():
    error, waits = play(attempt_verification(retry(Finds()), message(text="")), NoAnswer())
    assert type(error) is UncertainError
    assert waits == []


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_attempts_are_counted_and_the_error_carries_them_all(count):
    error, waits = play(attempt(retry(attempts=count), message()), *[NotConnected("refused")] * count)
    assert type(error) is UnavailableError
    assert len(waits) == count - 1
    assert [attempt.detail for attempt in error.attempts] == ([] if count == 1 else ["refused"] * count)
    assert {attempt.reference for attempt in (error, *error.attempts)} == {"ref-1"}


def test_each_attempt_keeps_its_own_cause():
    error, _ = play(attempt(retry(), message()), NotConnected("refused"), BUSY, DENIED)
    assert [type(attempt) for attempt in error.attempts] == [UnavailableError, RateLimitedError, AuthenticationError]
    assert type(error) is AuthenticationError


# --- waits ----------------------------------------------------------------------------------------------------------------


def test_waits_double_up_to_the_longest():
    policy = retry(attempts=6, seconds=100, first_wait=1, longest_wait=5)
    _, waits = play(attempt(policy, message()), *[NotConnected()] * 6)
    assert waits == [1, 2, 4, 5, 5]


@given(st.floats(0, 1000))
def test_jitter_is_full(longest):
    assert 0 <= full_jitter(longest) <= longest


def test_the_vendor_decides_how_long_to_wait_at_least():
    _, waits = play(attempt(retry(first_wait=0.5), message()), busy_for(7), OK)
    assert waits == [7]
    _, waits = play(attempt(retry(first_wait=9, longest_wait=9), message()), busy_for(7), OK)
    assert waits == [9]


def test_a_wait_that_is_longer_than_the_time_left_is_not_begun():
    error, waits = play(attempt(retry(seconds=15), message()), busy_for(16))
    assert error.retry_after == 16
    assert waits == []


@pytest.mark.parametrize(("asked", "waits"), [(900, [900]), (901, []), (86400, []), (86401, [0.5])])
def test_a_retry_waits_for_no_vendor_longer_than_an_account_is_left_alone(asked, waits):
    """A Retry-After of more than a day is ignored."""
    policy = retry(seconds=10**9, attempts=2)
    _, waited = play(attempt(policy, message()), busy_for(asked), *([OK] if waits else []))
    assert waited == waits


def test_no_attempt_begins_after_the_time_is_up():
    clock = Clock()
    policy = retry(clock=clock, attempts=50, seconds=10, first_wait=3, longest_wait=3)
    error, waits = play(attempt(policy, message()), *[NotConnected()] * 4, clock=clock)
    assert waits == [3, 3, 3]
    assert len(error.attempts) == 4


@pytest.mark.parametrize(("asked", "again"), [(15, True), (15.01, False)])
def test_a_wait_that_just_fits_into_the_time_left_is_begun(asked, again):
    _, waits = play(attempt(retry(seconds=15), message()), busy_for(asked), *([OK] if again else []))
    assert waits == ([asked] if again else [])


@pytest.mark.parametrize(("asked", "again"), [(90, False), (30, True)])
def test_an_attempt_is_made_only_while_the_text_is_of_use(asked, again):
    until = attempts.utc_now() + timedelta(seconds=60)
    policy = retry(provider(supports=frozenset({"valid_until"})), seconds=1000)
    end, waits = play(attempt(policy, message(valid_until=until)), busy_for(asked), *([OK] if again else []))
    assert waits == ([asked] if again else [])
    assert again or type(end) is RateLimitedError


# --- uncertain texts ------------------------------------------------------------------------------------------------------


def test_a_text_without_an_answer_that_is_found_was_accepted():
    sent, _ = play(attempt(retry(Finds()), message()), NoAnswer(), FOUND)
    assert (sent.id, sent.reference) == ("vendor-7", "ref-1")


def test_so_it_is_whichever_attempt_had_no_answer():
    sent, _ = play(attempt(retry(Finds()), message()), BUSY, NoAnswer(), FOUND)
    assert sent.id == "vendor-7"
    policy = retry(Finds(), duplicates=TWICE, lookups=1)
    error, _ = play(attempt(policy, message(purpose=OTP)), NoAnswer(), NOT_FOUND, DENIED)
    assert [type(attempt) for attempt in error.attempts] == [UncertainError, AuthenticationError]


def test_it_is_looked_for_more_than_once_and_not_found_proves_nothing():
    error, waits = play(attempt(retry(Finds(), lookups=3), message()), NoAnswer(), *[NOT_FOUND] * 3)
    assert type(error) is UncertainError
    assert waits == [1, 2, 4]


@pytest.mark.parametrize("trouble", [NoAnswer(), NotConnected(), DOWN, HttpResponse(status=200, body=b"<html>")])
def test_a_look_up_that_fails_proves_nothing_either(trouble):
    inner = provider(base=Finds, absence_proven_after=timedelta(seconds=2))
    clock = Clock()
    error, _ = play(attempt(retry(inner, clock, lookups=1), message()), NoAnswer(), trouble, trouble, clock=clock)
    assert type(error) is UncertainError


@pytest.mark.parametrize(
    "found", [{"id": ""}, {"reference": "another"}, {"to": "+919000000002"}, {"status": Status.REJECTED}]
)
def test_a_find_of_another_text_or_of_a_rejected_attempt_or_without_an_id_is_none(found):
    def lookup(self, reference):
        yield from HttpRequest.get("https://api.scripted.example/lookup")
        return replace(self.accepted(message(), id="7"), **found)

    inner = provider(base=Finds, lookup=lookup, absence_proven_after=timedelta(0))
    error, _ = play(attempt(retry(inner, lookups=1), message()), NoAnswer(), OK, OK)
    assert type(error) is UncertainError


def test_absence_is_believed_when_the_vendor_says_that_it_is_proof_and_the_text_is_sent_again():
    clock, inner = Clock(), provider(base=Finds, absence_proven_after=timedelta(seconds=10))
    answers = [NoAnswer(), NOT_FOUND, NOT_FOUND, NOT_FOUND, OK]
    sent, waits = play(attempt(retry(inner, clock, lookups=2), message()), *answers, clock=clock)
    assert sent.id == "vendor-1"
    assert waits == [1, 2, 7, 0.5]


@pytest.mark.parametrize(
    ("proof", "lookups", "waits"),
    [(0, 1, [1, 0]), (0.5, 2, [1, 2, 0]), (3, 2, [1, 2, 0]), (15, 2, [1, 2, 12]), (15.5, 2, [1, 2]), (5, 0, [])],
)
def test_the_last_look_up_comes_when_no_find_would_be_proof_if_that_is_soon_enough(proof, lookups, waits):
    inner = provider(base=Finds, absence_proven_after=timedelta(seconds=proof))
    policy = retry(inner, Clock(), attempts=1, seconds=15, lookups=lookups)
    error, waited = play(attempt(policy, message()), NoAnswer(), *[DOWN] * len(waits))
    assert type(error) is UncertainError
    assert waited == waits


def test_proof_takes_the_time_that_the_vendor_says_and_not_less():
    clock, inner = Clock(), provider(base=Finds, absence_proven_after=timedelta(seconds=3))
    answers = [NoAnswer(), NOT_FOUND, NOT_FOUND, OK]
    sent, waits = play(attempt(retry(inner, clock, lookups=3, seconds=100), message()), *answers, clock=clock)
    assert sent.id == "vendor-1"
    assert waits == [1, 2, 0.5]


def test_absence_is_not_waited_for_when_that_takes_longer_than_there_is_time():
    clock, inner = Clock(), provider(base=Finds, absence_proven_after=timedelta(seconds=20))
    error, waits = play(attempt(retry(inner, clock, lookups=1), message()), NoAnswer(), NOT_FOUND, clock=clock)
    assert type(error) is UncertainError
    assert waits == [1]


def test_proven_absence_is_a_refusal_where_no_attempt_is_left():
    clock, inner = Clock(), provider(base=Finds, absence_proven_after=timedelta(seconds=1))
    policy = retry(inner, clock, attempts=1, lookups=1)
    error, _ = play(attempt(policy, message()), NoAnswer(), NOT_FOUND, clock=clock)
    assert (type(error), error.reason) == (UnavailableError, "absent")
    assert (error.account, error.reference) == ("scripted", "ref-1")


def test_proven_absence_is_of_the_attempt_that_had_no_answer():
    clock, inner = Clock(), provider(base=Finds, absence_proven_after=timedelta(seconds=1))
    policy = retry(inner, clock, attempts=2, lookups=1)
    error, _ = play(attempt(policy, message()), BUSY, NoAnswer(), NOT_FOUND, clock=clock)
    assert [(type(attempt), attempt.reason) for attempt in error.attempts] == [
        (RateLimitedError, None),
        (UnavailableError, "absent"),
    ]
    assert (type(error), error.reason) == (UnavailableError, "absent")


def test_proven_absence_does_not_make_a_bad_number_good():
    clock = Clock()
    first = provider(base=Finds, absence_proven_after=timedelta(seconds=2))
    second = type(first)(account="second")
    policy = retry(FailoverPolicy(accounts=(first, second), duplicates=TWICE), clock, lookups=1)
    answers = [NoAnswer(), HttpResponse(status=413), NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND]
    error, _ = play(attempt(policy, message(purpose=OTP)), *answers, clock=clock)
    assert type(error) is ContentError
    assert [(attempt.account, type(attempt)) for attempt in error.attempts] == [
        ("scripted", UnavailableError),
        ("second", ContentError),
    ]


def test_where_twice_is_better_than_never_it_is_sent_again():
    policy = retry(duplicates=TWICE)
    sent, _ = play(attempt(policy, message(purpose=OTP)), NoAnswer(), OK)
    assert sent.id == "vendor-1"
    assert type(play(attempt(policy, message()), NoAnswer())[0]) is UncertainError


def test_where_one_account_refused_the_text_itself_it_is_not_sent_again_after_another_that_gave_no_answer():
    first, second = blind(), type(blind())(account="second")
    policy = retry(FailoverPolicy(accounts=(first, second), duplicates=TWICE), duplicates=TWICE)
    error, waits = play(attempt(policy, message(purpose=OTP)), NoAnswer(), HttpResponse(status=413))
    assert [type(attempt) for attempt in (error, *error.attempts)] == [UncertainError, UncertainError, ContentError]
    assert waits == []


def test_a_later_refusal_does_not_settle_an_earlier_attempt_that_may_have_been_sent():
    error, _ = play(attempt(retry(duplicates=TWICE), message(purpose=OTP)), NoAnswer(), DENIED)
    assert type(error) is UncertainError
    assert [type(attempt) for attempt in error.attempts] == [UncertainError, AuthenticationError]


def test_a_provider_that_insists_by_itself_is_still_kept_from_sending_twice():
    def insists(self, message):
        try:
            yield from SEND
        except NoAnswer:
            yield from SEND
        return self.accepted(message, id="1")

    error, _ = play(attempt(retry(blind(insists)), message()), NoAnswer())
    assert type(error) is UncertainError


# --- batches --------------------------------------------------------------------------------------------------------------


def many(count, **fields):
    return [message(reference=f"ref-{number}", **fields) for number in range(count)]


def accepted(count):
    return HttpResponse.of_json({"ids": [f"id-{number}" for number in range(count)]})


def test_a_batch_is_tried_again():
    results, _ = play(attempt_batch(retry(BatchProvider()), many(3)), NotConnected(), accepted(3))
    assert [result.sent.id for result in results] == ["id-0", "id-1", "id-2"]


def test_only_the_rows_that_need_it_are_tried_again():
    def send_batch(self, messages):
        answers = yield from BatchProvider.send_batch(self, messages)
        if len(messages) == 3:
            answers[1] = attempts.Result(index=1, message=messages[1], error=RateLimitedError(retry_after=2))
        return answers

    policy = retry(provider(base=BatchProvider, send_batch=send_batch))
    results, waits = play(attempt_batch(policy, many(3)), accepted(3), OK)
    assert [result.sent.id for result in results] == ["id-0", "vendor-1", "id-2"]
    assert waits == [2]


@pytest.mark.parametrize("waits", [(2, 5), (5, 2), (1, 2, 9, 3), (7, 0)])
def test_rows_that_a_vendor_asks_to_wait_differently_wait_for_the_longest_and_no_row_comes_too_early(waits):
    asked = []

    def send_batch(self, messages):
        asked.append([message.reference for message in messages])
        answers = yield from BatchProvider.send_batch(self, messages)
        if len(asked) > 1:
            return answers
        errors = [RateLimitedError(retry_after=wait) for wait in waits]
        return [attempts.Result(index=row, message=messages[row], error=errors[row]) for row in range(len(waits))]

    policy = retry(provider(base=BatchProvider, send_batch=send_batch), first_wait=0)
    count = len(waits)
    results, waited = play(attempt_batch(policy, many(count)), accepted(count), accepted(count))
    assert waited == [max(waits)]
    assert asked[0] == asked[1]
    assert all(result.sent for result in results)


def test_a_row_that_has_to_wait_for_longer_than_there_is_time_keeps_no_other_waiting():
    def send_batch(self, messages):
        answers = yield from BatchProvider.send_batch(self, messages)
        errors = [RateLimitedError(retry_after=wait) for wait in (1, 16)]
        return [attempts.Result(index=row, message=messages[row], error=errors[row]) for row in range(2)] + answers[2:]

    policy = retry(provider(base=BatchProvider, send_batch=send_batch), seconds=15, first_wait=0)
    results, waited = play(attempt_batch(policy, many(3)), accepted(3), OK)
    assert waited == [1]
    assert [result.sent is not None for result in results] == [True, False, True]
    assert results[1].error.retry_after == 16


def test_each_row_without_an_answer_is_looked_up_by_itself():
    results, _ = play(attempt_batch(retry(FindsBatches(), lookups=1), many(2)), NoAnswer(), FOUND, NOT_FOUND)
    assert results[0].sent.reference == "ref-0"
    assert type(results[1].error) is UncertainError


# --- cancelled ------------------------------------------------------------------------------------------------------------


def test_cancelled_while_it_waits_the_text_was_not_sent_and_the_attempts_before_are_kept():
    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        drive(deliver(plugins(recorder), retry(), message()), NotConnected("refused"), KeyboardInterrupt())
    error = recorder.outcome("ref-1")
    assert (type(error), error.reason) == (RefusedError, "cancelled")
    assert [attempt.reason for attempt in error.attempts] == [None, "cancelled"]
    assert {attempt.reference for attempt in error.attempts} == {"ref-1"}


def test_cancelled_during_a_look_up_it_may_have_been_sent():
    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        drive(deliver(plugins(recorder), retry(Finds()), message()), NoAnswer(), None, KeyboardInterrupt())
    assert type(recorder.outcome("ref-1")) is UncertainError


def test_of_a_cancelled_batch_what_was_accepted_stays_accepted():
    flow = attempt_each(retry(FindsBatches()), many(2))
    (known, unknown), _ = drive(flow, NoAnswer(), None, FOUND, NOT_FOUND, KeyboardInterrupt())
    assert known.sent.id == "vendor-7"
    assert type(unknown.error) is UncertainError


@pytest.mark.parametrize(
    "answers", [[], [BUSY], [BUSY, None], [NoAnswer()], [NoAnswer(), None, NOT_FOUND], [NoAnswer(), None, BUSY, None]]
)
def test_an_interruption_is_the_last_step_whenever_it_comes(answers):
    flow = attempt_each(retry(Finds(), duplicates=TWICE), [message(purpose=OTP)])
    next(flow)
    for answer in answers:
        flow.throw(answer) if isinstance(answer, BaseException) else flow.send(answer)
    (result,) = interrupt(flow, KeyboardInterrupt())
    assert result.error is not None


def rows_end_with(*errors):
    """A provider whose rows of a batch end with ``errors``; later requests wait for an answer."""

    def send_batch(self, messages):
        yield from SEND
        return [attempts.Result(index=row, message=messages[row], error=error) for row, error in enumerate(errors)]

    return provider(base=BatchProvider, send_batch=send_batch, lookup=SmsProvider.lookup)


@pytest.mark.parametrize("error", [RecipientError(), OptedOutError(), AuthenticationError(), UncertainError()])
@pytest.mark.parametrize("answers", [[OK], [OK, None]])
def test_what_was_given_up_is_not_changed_by_an_interruption_of_its_neighbours(error, answers):
    flow = attempt_each(retry(rows_end_with(error, RateLimitedError())), many(2))
    next(flow)
    for answer in answers:
        flow.send(answer)
    ended, interrupted = interrupt(flow, KeyboardInterrupt())
    assert (type(ended.error), ended.error.reason, ended.error.attempts) == (type(error), error.reason, ())
    assert interrupted.error.attempts[0].reason is None


def test_what_had_ended_before_its_neighbour_was_interrupted_keeps_its_end():
    def send(self, message):
        yield from SEND
        raise RecipientError

    apart = provider(send, base=BatchProvider, batch_key=lambda self, message: message.reference)
    flow = attempt_each(retry(apart), many(2))
    next(flow)
    flow.send(OK)
    first, second = interrupt(flow, KeyboardInterrupt())
    assert (type(first.error), first.error.attempts) == (RecipientError, ())
    assert second.error.reason == "cancelled"


# --- both clients, and settings -------------------------------------------------------------------------------------------


def test_the_blocking_client_tries_again():
    wire = Wire(NotConnected(), BUSY, OK)
    with SmsClient(RetryPolicy(inner=HttpProvider(), first_wait=0), transport=wire) as sms:
        assert sms.send(message()).id == "vendor-1"
    assert len(wire.requests) == 3


async def test_the_async_client_does_too():
    wire = AsyncWire(NotConnected(), BUSY, OK)
    async with AsyncSmsClient(RetryPolicy(inner=HttpProvider(), first_wait=0), transport=wire) as sms:
        assert (await sms.send(message())).id == "vendor-1"
    assert len(wire.requests) == 3


def test_what_a_retry_adds_to_a_flow_is_waits():
    flow = attempt(retry(), message())
    next(flow)
    step = flow.throw(NotConnected())
    assert step == Wait(0.5)


def test_it_goes_by_the_vendor_and_the_account_of_the_provider_inside():
    policy = retry(HttpProvider(account="otp"))
    assert (policy.name, vendor_of(policy), policy.account) == ("retry", "scripted", "otp")
    assert policy.capabilities == policy.inner.capabilities


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"seconds": -1}, {"duplicates": ["love"]}, {"lookups": 99}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        RetryPolicy(inner=HttpProvider(), **wrong)
