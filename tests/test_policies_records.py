"""One structured record per attempt, without text, token or full number."""

from __future__ import annotations

import contextlib
import logging

import pytest

from policed import BUSY, DENIED, FOUND, Clock, Finds, play, timed
from scripted import OK, TEXT, TO, TOKEN, BatchProvider, HttpProvider, Recorder, drive, message, plugins, provider
from smsbridge.attempts import attempt, attempt_batch, attempt_each
from smsbridge.errors import NoAnswer, NotConnected, OptedOutError, RateLimitedError
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Purpose, Result
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.sending import deliver

SEND = HttpRequest.post_json("https://api.scripted.example/send", {}, sends=True)


@pytest.fixture(autouse=True)
def listening(caplog):
    caplog.set_level(logging.INFO, "smsbridge.attempts")


def records(caplog):
    return [record.attempt for record in caplog.records if record.name == "smsbridge.attempts"]


def failover(*accounts):
    return timed(FailoverPolicy(accounts=accounts or (HttpProvider(account="a"), HttpProvider(account="b"))))


def retry(inner=None, **settings):
    return timed(RetryPolicy(inner=inner or HttpProvider(), **settings))


def test_an_accepted_text_is_one_record(caplog):
    drive(attempt(retry(), message(purpose=Purpose.OTP)), OK)
    (record,) = records(caplog)
    assert record.pop("seconds") >= 0
    assert record == {
        "account": "scripted",
        "candidates": ["scripted"],
        "reference": "ref-1",
        "purpose": "otp",
        "outcome": "accepted",
        "error": None,
        "code": None,
        "reason": None,
        "decision": "done",
    }


def test_each_attempt_is_one_with_what_is_decided_after_it(caplog):
    play(attempt(retry(first_wait=1), message()), NotConnected(), BUSY, OK)
    assert [(record["outcome"], record["error"], record["code"], record["decision"]) for record in records(caplog)] == [
        ("refused", "UnavailableError", None, "again in 1.0 s"),
        ("refused", "RateLimitedError", "429", "again in 2.0 s"),
        ("accepted", None, None, "done"),
    ]


def test_the_last_attempt_is_given_up(caplog):
    play(attempt(retry(), message()), BUSY, DENIED)
    assert [record["decision"] for record in records(caplog)] == ["again in 0.5 s", "given up"]


def test_each_account_is_one_and_the_candidates_are_all(caplog):
    drive(attempt(failover(), message()), NotConnected(), OK)
    assert [(record["account"], record["candidates"], record["decision"]) for record in records(caplog)] == [
        ("a", ["a", "b"], "next: b"),
        ("b", ["a", "b"], "done"),
    ]


def test_which_account_is_next_is_said_only_where_it_is_tried(caplog):
    accounts = [HttpProvider(account=name) for name in "abcd"]
    play(attempt(failover(*accounts), message()), BUSY, DENIED, HttpResponse(status=413))
    assert [record["decision"] for record in records(caplog)] == ["next: b", "next: c", "given up"]


@pytest.mark.parametrize("nested", [lambda: retry(failover()), lambda: failover(retry(HttpProvider(account="a")))])
def test_of_several_policies_the_innermost_records(caplog, nested):
    drive(attempt(nested(), message()), OK)
    assert [record["account"] for record in records(caplog)] == ["a"]


@pytest.mark.parametrize("made", [retry, failover])
@pytest.mark.parametrize("answer", [OK, DENIED, KeyboardInterrupt()], ids=["accepted", "refused", "cancelled"])
def test_it_takes_the_time_of_the_attempt(caplog, made, answer):
    policy = made()
    flow = attempt_each(policy, [message()])
    next(flow)
    policy._clock.now = 2.5
    with contextlib.suppress(StopIteration):
        flow.throw(answer) if isinstance(answer, BaseException) else flow.send(answer)
    assert records(caplog)[0]["seconds"] == 2.5


def test_it_takes_no_time_to_be_looked_up(caplog):
    clock, inner = Clock(), Finds()
    play(attempt(timed(RetryPolicy(inner=inner), clock), message()), NoAnswer(), FOUND, clock=clock)
    assert clock.now
    assert records(caplog)[0]["seconds"] == 0


def test_of_a_batch_only_what_is_tried_again_is_said_to_be(caplog):
    def send_batch(self, messages):
        yield from SEND
        errors = [RateLimitedError(retry_after=wait) for wait in (3, 1000, 7)]
        return [Result(index=row, message=message, error=errors[row]) for row, message in enumerate(messages)]

    policy = retry(provider(base=BatchProvider, send_batch=send_batch), attempts=2, seconds=2000)
    play(attempt_batch(policy, [message(reference=f"ref-{row}") for row in range(3)]), OK, OK)
    assert [record["decision"] for record in records(caplog)] == [
        "again in 7.0 s",
        "given up",
        "again in 7.0 s",
        *["given up"] * 2,
    ]


def test_what_may_have_been_sent_is_a_warning(caplog):
    play(attempt(retry(Finds(), lookups=1), message()), NoAnswer(), FOUND)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.attempt["outcome"] == "uncertain"
    assert record.attempt["decision"] == "found by its reference, so it was accepted"


def test_a_cancelled_attempt_is_one_too(caplog):
    for policy in (retry(), failover()):
        with pytest.raises(KeyboardInterrupt):
            drive(deliver(plugins(Recorder()), policy, message()), KeyboardInterrupt())
    assert [(record["outcome"], record["reason"], record["decision"]) for record in records(caplog)] == [
        ("uncertain", "cancelled", "cancelled")
    ] * 2


def test_each_text_of_a_batch_is_one(caplog):
    many = [message(reference=f"ref-{row}") for row in range(2)]
    drive(attempt_batch(retry(BatchProvider()), many), OK.of_json({"ids": ["1", "2"]}))
    assert [record["reference"] for record in records(caplog)] == ["ref-0", "ref-1"]


def test_an_account_that_cannot_express_it_says_so(caplog):
    first = type(provider(supports=frozenset()))(account="a")
    drive(attempt(failover(first, HttpProvider(account="b")), message(sender="ACME")), OK)
    assert [record["outcome"] for record in records(caplog)] == ["refused", "accepted"]


def test_nothing_private_is_in_them(caplog):
    def quotes(self, message):
        yield from SEND
        raise OptedOutError(f"{TOKEN} {TEXT} {TO}", code=TO, reason=TEXT, detail=TOKEN)

    play(attempt(retry(provider(quotes)), message(reference=TO)), OK)
    shown = f"{caplog.text} {records(caplog)}"
    for private in (TOKEN, TEXT, TO, TO[1:], TO[3:]):
        assert private not in shown


def test_a_line_can_be_read_without_its_fields(caplog):
    play(attempt(failover(), message()), BUSY, OK)
    first, second = [record.getMessage() for record in caplog.records]
    assert first == "attempt at ref-1 through a: refused (RateLimitedError 429) in 0.000 s; next: b"
    assert second == "attempt at ref-1 through b: accepted in 0.000 s; done"
