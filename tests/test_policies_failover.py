"""Failover: the first able account sends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from policed import BUSY, DENIED, DOWN, FOUND, NOT_FOUND, Clock, Finds, busy_for, play, timed
from scripted import OK, AsyncWire, BatchProvider, HttpProvider, Recorder, Wire, drive, message, plugins, provider
from smsbridge.attempts import attempt, attempt_batch, attempt_verification, query
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import (
    AuthenticationError,
    ConfigurationError,
    FundsError,
    NoAnswer,
    NotConnected,
    OptedOutError,
    ProviderBugError,
    QueryError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    SignatureError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import Balance, DeliveryReport, Purpose, Result, Status
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.policy import Policy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.provider import Capability, SmsProvider
from smsbridge.sending import deliver, deliver_batch

SEND = HttpRequest.post_json("https://api.scripted.example/send", {}, sends=True)
REJECTED = HttpResponse(status=413)
"""ContentError: a fault of the message."""
OTP = Purpose.OTP
NOW = datetime(2030, 1, 31, tzinfo=UTC)
TWICE = frozenset({OTP})


def failover(*accounts, clock=None, **settings):
    accounts = accounts or (HttpProvider(account="a"), HttpProvider(account="b"))
    return timed(FailoverPolicy(accounts=accounts, **settings), clock)


def refusing(account, error):
    """An account whose vendor answers, and says no."""

    def send(self, message):
        yield from SEND
        raise error

    return type(provider(send))(account=account)


def declining(account, error):
    """An account whose provider refuses without a request."""

    def send(self, message):
        yield from ()
        raise error

    return type(provider(send))(account=account)


def without(account, **members):
    return type(provider(**members))(account=account)


def unsupported(what):
    def check(self, message, *, verification=False):
        raise self.unsupported(what)

    return check


def many(count, **fields):
    return [message(reference=f"ref-{number}", **fields) for number in range(count)]


def accepted(count):
    return HttpResponse.of_json({"ids": [f"id-{number}" for number in range(count)]})


# --- whether the next account is tried ------------------------------------------------------------------------------------


def test_the_first_account_is_tried_first_each_time():
    policy = failover()
    for _ in range(3):
        assert drive(attempt(policy, message()), OK).account == "a"


@pytest.mark.parametrize("trouble", [NotConnected(), DENIED, BUSY, HttpResponse(status=402)])
def test_a_fault_of_the_account_or_its_provider_moves_on(trouble):
    assert drive(attempt(failover(), message()), trouble, OK).account == "b"


@pytest.mark.parametrize("trouble", [NoAnswer(), DOWN, REJECTED, HttpResponse(status=200, body=b"{", complete=False)])
def test_neither_a_fault_of_the_message_nor_what_may_have_been_sent_does(trouble):
    with pytest.raises((RefusedError, UncertainError)) as caught:
        drive(attempt(failover(), message()), trouble)
    assert caught.value.account == "a"


@pytest.mark.parametrize(
    ("error", "moves_on"),
    [
        (RecipientError(), False),
        (RecipientError(fault="account"), True),  # a trial account that may text its owner only
        (OptedOutError(), False),
        (OptedOutError(fault="account"), False),
        (OptedOutError(fault="provider"), False),
        (SenderError(), True),
        (RefusedError(fault="local"), False),
    ],
)
def test_whose_fault_it_is_decides_and_an_opt_out_is_one_everywhere(error, moves_on):
    policy = failover(refusing("a", error), HttpProvider(account="b"))
    end, _ = play(attempt(policy, message()), *([OK, OK] if moves_on else [OK]))
    assert end.account == ("b" if moves_on else "a")


def test_a_plugin_with_a_bug_moves_on_if_it_had_sent_nothing():
    policy = failover(without("a", send=lambda self, message: 1 / 0), HttpProvider(account="b"))
    assert drive(attempt(policy, message()), OK).account == "b"


def test_an_account_that_cannot_express_what_is_asked_is_passed_over():
    policy = failover(without("a", supports=frozenset()), HttpProvider(account="b"))
    assert drive(attempt(policy, message(sender="ACME")), OK).account == "b"
    assert drive(attempt(policy, message()), OK).account == "a"


def test_where_twice_is_better_than_never_an_answer_that_is_missing_moves_on():
    policy = failover(duplicates=TWICE)
    assert drive(attempt(policy, message(purpose=OTP)), NoAnswer(), OK).account == "b"
    error, _ = play(attempt(policy, message(purpose=OTP)), NoAnswer(), DENIED)
    assert type(error) is UncertainError
    assert [(attempt.account, type(attempt)) for attempt in error.attempts] == [
        ("a", UncertainError),
        ("b", AuthenticationError),
    ]


def test_not_even_then_does_an_opt_out_move_on():
    inner = RetryPolicy(inner=refusing("a", OptedOutError()), duplicates=TWICE, lookups=0)
    policy = failover(inner, HttpProvider(account="b"), duplicates=TWICE)
    error, _ = play(attempt(policy, message(purpose=OTP)), NoAnswer(), OK)
    assert [type(attempt) for attempt in error.attempts] == [UncertainError, OptedOutError]


# --- when all fail --------------------------------------------------------------------------------------------------------


def test_when_all_fail_for_different_reasons_the_error_carries_every_attempt_with_its_cause():
    error, _ = play(attempt(failover(), message()), NotConnected("no route"), DENIED)
    assert (type(error), error.account, error.fault) == (RefusedError, "failover", "provider")
    assert [(attempt.account, type(attempt)) for attempt in error.attempts] == [
        ("a", UnavailableError),
        ("b", AuthenticationError),
    ]
    assert "no route" in str(error)


def test_when_all_fail_for_one_reason_the_error_is_of_that_kind():
    error, _ = play(attempt(failover(), message()), NotConnected(), NotConnected())
    assert type(error) is UnavailableError
    assert [attempt.account for attempt in error.attempts] == ["a", "b"]


def test_a_single_account_that_failed_speaks_for_itself():
    error, _ = play(attempt(failover(HttpProvider(account="a")), message()), DENIED)
    assert (error.account, error.attempts) == ("a", ())


def test_of_one_kind_it_is_the_first_accounts_which_is_the_preferred_one():
    first = SenderError(code="21", reason="unregistered", detail="the first vendor's words")
    second = SenderError(code="7", reason="expired", detail="the second vendor's words")
    error, _ = play(attempt(failover(refusing("a", first), refusing("b", second)), message()), OK, OK)
    assert (error.account, error.code, error.reason, error.detail) == ("a", "21", "unregistered", first.detail)
    assert [attempt.code for attempt in error.attempts] == ["21", "7"]


GOING_ON = {
    "credentials": AuthenticationError(reason="suspended"),
    "credentials, of another reason": AuthenticationError(reason="ip"),
    "credit": FundsError(reason="suspended"),
    "sender": SenderError(),
    "pace": RateLimitedError(reason="pace"),
    "no connection": UnavailableError(),
    "of the provider": RefusedError(fault="provider", reason="ip"),
    "of the account": RefusedError(fault="account", reason="ip"),
    "cannot": UnsupportedError(),
}
"""Errors after which the next account is tried."""


@pytest.mark.parametrize("first", GOING_ON)
@pytest.mark.parametrize("second", GOING_ON)
def test_the_reason_of_all_is_that_of_each_where_they_agree_and_else_the_first_ones(first, second):
    policy = failover(declining("a", GOING_ON[first]), declining("b", GOING_ON[second]))
    error, _ = play(attempt(policy, message()))
    reasons = {attempt.reason for attempt in error.attempts}
    assert error.reason == (reasons.pop() if len(reasons) == 1 else error.attempts[0].reason)
    assert [type(attempt) for attempt in error.attempts] == [type(GOING_ON[first]), type(GOING_ON[second])]
    same = type(GOING_ON[first]) is type(GOING_ON[second])
    assert type(error) is (type(GOING_ON[first]) if same else RefusedError)


PASSING = {"pace", "no connection", "of the provider"}


@pytest.mark.parametrize("first", GOING_ON)
@pytest.mark.parametrize("second", GOING_ON)
def test_all_are_tried_again_only_if_one_of_them_failed_for_what_may_pass(first, second):
    accounts = (declining("a", GOING_ON[first]), declining("b", GOING_ON[second]))
    policy = timed(RetryPolicy(inner=failover(*accounts), attempts=2))
    again = bool({first, second} & PASSING)
    error, waits = play(attempt(policy, message()))
    assert (len(waits), len(error.attempts)) == ((1, 4) if again else (0, 2))
    if type(error) is RefusedError and first != second:
        assert error.fault == ("provider" if again else "account")


def test_what_no_account_can_express_is_said_as_the_first_one_says_it():
    accounts = [without(name, check=says) for name, says in (("a", unsupported("one")), ("b", unsupported("two")))]
    with pytest.raises(UnsupportedError, match="one"):
        failover(*accounts).check(message())


def test_of_several_questions_that_failed_the_first_is_told():
    policy = failover(Finds(account="a"), Finds(account="b"))
    error, _ = play(query(policy, lambda: policy.lookup("ref-1")), DENIED, NoAnswer())
    assert (error.account, error.authentication) == ("a", True)


def test_those_are_tried_again_whose_vendors_wait_is_over_and_no_others():
    error, _ = play(attempt(failover(), message()), busy_for(3), busy_for(8))
    assert (type(error), error.retry_after) == (RateLimitedError, 3)
    clock = Clock()
    policy = timed(RetryPolicy(inner=failover(), attempts=2), clock)
    sent, waits = play(attempt(policy, message()), busy_for(3), busy_for(8), OK, clock=clock)
    assert (sent.account, waits) == ("a", [3])
    clock = Clock()
    policy = timed(RetryPolicy(inner=failover(), attempts=2), clock)
    error, waits = play(attempt(policy, message()), busy_for(8), busy_for(3), DENIED, clock=clock)
    assert waits == [3]
    assert [(attempt.account, attempt.reason) for attempt in error.attempts][2:] == [("a", "retry-after"), ("b", None)]


def test_when_no_account_can_express_it_that_is_what_the_error_says():
    accounts = [without(name, supports=frozenset()) for name in "ab"]
    error, _ = play(attempt(failover(*accounts), message(sender="ACME")))
    assert type(error) is UnsupportedError
    assert [attempt.account for attempt in error.attempts] == ["a", "b"]


# --- an account that pauses -----------------------------------------------------------------------------------------------


def opened(policy, count=2, answer=NotConnected):
    """``policy`` after ``faults`` faults of the first account's provider; the second account took the texts."""
    for _ in range(count):
        assert drive(attempt(policy, message()), answer(), OK).account == "b"
    return policy


def test_after_several_faults_of_its_provider_in_a_row_an_account_is_left_alone_and_then_probed():
    clock = Clock()
    policy = opened(failover(clock=clock, faults=2, pause=30))
    assert drive(attempt(policy, message()), OK).account == "b"
    clock.now = 30
    assert drive(attempt(policy, message()), NotConnected(), OK).account == "b"
    clock.now = 59
    assert drive(attempt(policy, message()), OK).account == "b"
    clock.now = 60
    assert drive(attempt(policy, message()), OK).account == "a"
    assert drive(attempt(policy, message()), OK).account == "a"


def test_one_text_at_a_time_is_the_probe():
    clock = Clock()
    policy = opened(failover(clock=clock, faults=2))
    clock.now = 30
    probe = attempt(policy, message())
    next(probe)
    for _ in "12":
        assert drive(attempt(policy, message()), OK).account == "b"
    with pytest.raises(StopIteration) as done:
        probe.send(OK)
    assert done.value.value.account == "a"


@pytest.mark.parametrize("ends", ["closed", "cancelled"])
def test_a_probe_that_was_cancelled_lets_the_next_one_through(ends):
    clock = Clock()
    policy = opened(failover(clock=clock, faults=2))
    clock.now = 30
    probe = attempt(policy, message())
    next(probe)
    if ends == "closed":
        probe.close()
    else:
        with pytest.raises(KeyboardInterrupt):
            probe.throw(KeyboardInterrupt())
    assert drive(attempt(policy, message()), OK).account == "a"


def rows_end_with(account, *errors):
    """An account whose rows of a batch end with ``errors``; None means accepted."""

    def send_batch(self, messages):
        yield from SEND
        return [
            Result(index=row, message=message, error=errors[row])
            if errors[row]
            else Result(index=row, message=message, sent=self.accepted(message, id=f"{row}"))
            for row, message in enumerate(messages)
        ]

    return type(provider(base=BatchProvider, send_batch=send_batch))(account=account)


@pytest.mark.parametrize("works", [None, RecipientError(), AuthenticationError()])
def test_one_row_that_its_provider_dealt_with_shows_that_the_provider_works(works):
    policy = failover(rows_end_with("a", RefusedError(fault="provider"), works), HttpProvider(account="b"), faults=1)
    many = [message(reference=f"ref-{row}") for row in range(2)]
    for _ in "12":
        results, _ = play(attempt_batch(policy, many), *[OK] * (3 if isinstance(works, AuthenticationError) else 2))
        assert results[0].sent.account == "b"


def test_of_the_pauses_that_a_vendor_asks_for_in_one_answer_the_longest_is_kept():
    clock = Clock()
    errors = [RateLimitedError(retry_after=wait) for wait in (3, 7)]
    policy = failover(rows_end_with("a", *errors, None), HttpProvider(account="b"), clock=clock)
    play(attempt_batch(policy, [message(reference=f"ref-{row}") for row in range(3)]), OK, OK, OK)
    for clock.now, account in ((6.5, "b"), (7, "a")):
        assert drive(attempt(policy, message()), OK).account == account


def test_an_account_that_is_held_says_for_how_long():
    policy = failover(HttpProvider(account="a"))
    play(attempt(policy, message()), busy_for(7))
    error, _ = play(attempt(policy, message()))
    assert (type(error), error.reason, error.retry_after) == (RateLimitedError, "retry-after", 7)


@pytest.mark.parametrize("answer", [DENIED, BUSY])
def test_faults_of_the_account_do_not_count(answer):
    policy = failover(faults=2)
    for _ in range(5):
        assert drive(attempt(policy, message()), answer, OK).account == "b"


def test_a_bad_number_does_not_count_but_shows_that_the_provider_works():
    policy = failover(faults=2)
    for _ in range(5):
        play(attempt(policy, message()), REJECTED)
    for _ in range(3):
        drive(attempt(policy, message()), NotConnected(), OK)
        play(attempt(policy, message()), REJECTED)
    assert drive(attempt(policy, message()), OK).account == "a"


@pytest.mark.parametrize(
    ("troubles", "left_alone"),
    [([NotConnected(), DENIED], False), ([NotConnected(), BUSY], False), ([BUSY, NotConnected()], True)],
)
def test_of_several_attempts_at_one_account_the_last_one_tells_whether_its_provider_works(troubles, left_alone):
    clock = Clock()
    inner = RetryPolicy(inner=HttpProvider(account="a"), attempts=2)
    policy = failover(inner, HttpProvider(account="b"), clock=clock, faults=1)
    sent, _ = play(attempt(policy, message()), *troubles, OK, clock=clock)
    assert sent.account == "b"
    assert (policy._breakers["a"].peek(clock()) is not None) == left_alone


def test_a_time_out_counts():
    policy = failover(faults=2)
    for _ in range(2):
        play(attempt(policy, message()), NoAnswer())
    assert drive(attempt(policy, message()), OK).account == "b"


def test_what_never_reached_the_provider_says_nothing_of_it():
    clock = Clock()
    limit = LimitPolicy(inner=HttpProvider(account="a"), sends="1/1h", longest_wait=0)
    policy = failover(limit, HttpProvider(account="b"), clock=clock, faults=2)
    drive(attempt(policy, message()), NotConnected(), OK)
    drive(attempt(policy, message()), OK)  # refused by our own limit, without a request
    clock.now = 3600
    drive(attempt(policy, message()), NotConnected(), OK)
    assert policy._breakers["a"].peek(clock()) == 30


def test_an_account_that_cannot_express_a_text_was_not_asked_so_it_is_neither_a_fault_nor_a_proof_of_health():
    clock = Clock()
    policy = failover(without("a", supports=frozenset()), HttpProvider(account="b"), clock=clock, faults=2)
    for _ in range(5):
        drive(attempt(policy, message(sender="ACME")), OK)
    assert drive(attempt(policy, message()), OK).account == "a"
    drive(attempt(policy, message()), NotConnected(), OK)
    drive(attempt(policy, message(sender="ACME")), OK)
    drive(attempt(policy, message()), NotConnected(), OK)
    assert policy._breakers["a"].peek(clock()) == 30


def test_our_own_limit_is_no_probe():
    clock = Clock()
    limit = LimitPolicy(inner=HttpProvider(account="a"), sends="1/1h", longest_wait=0)
    policy = failover(limit, HttpProvider(account="b"), clock=clock, faults=1, pause=30)
    assert drive(attempt(policy, message()), NotConnected(), OK).account == "b"
    clock.now = 40
    assert drive(attempt(policy, message()), OK).account == "b"
    assert policy._breakers["a"].peek(clock()) is None  # still to be probed
    clock.now = 3600
    assert drive(attempt(policy, message()), NotConnected(), OK).account == "b"
    assert policy._breakers["a"].peek(clock()) == 30


def test_when_all_are_left_alone_nothing_is_asked_and_the_error_says_until_when():
    clock = Clock()
    policy = failover(clock=clock, faults=1, pause=30)
    play(attempt(policy, message()), NotConnected(), NotConnected())
    clock.now = 10
    error, _ = play(attempt(policy, message()))
    assert (type(error), error.reason, error.retry_after) == (UnavailableError, "circuit-open", 20)


ABSURD = [
    "86401",
    "999999999",
    "9999999999",
    "9" * 400,
    "-1",
    "nan",
    "inf",
    "1e9",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Thu, 01 Jan 1970 00:00:00 GMT",
]


@pytest.mark.parametrize("said", ABSURD)
def test_a_pause_that_no_vendor_can_mean_is_not_kept(said, caplog):
    policy = failover()
    answer = HttpResponse(status=429, headers={"retry-after": said})
    assert drive(attempt(policy, message()), answer, OK).account == "b"
    assert drive(attempt(policy, message()), OK).account == "a"
    error, _ = play(attempt(HttpProvider(account="a"), message()), answer)
    assert not error.retry_after
    doubted = "which is ignored"
    assert (doubted in str(error)) == (doubted in caplog.text) == (said in ABSURD[:2] or "9999 23" in said)


@pytest.mark.parametrize("seconds", [901, 3600, 86400])
def test_a_long_pause_is_kept_for_a_quarter_of_an_hour_and_then_one_text_asks_again(seconds, caplog):
    clock = Clock()
    policy = failover(clock=clock)
    assert drive(attempt(policy, message()), busy_for(seconds), OK).account == "b"
    assert "account a: the vendor asks for a pause of" in caplog.text
    assert "it is asked again after 15 min" in caplog.text
    clock.now = 899
    assert drive(attempt(policy, message()), OK).account == "b"
    clock.now = 900
    assert drive(attempt(policy, message()), busy_for(seconds), OK).account == "b"
    clock.now = 1799
    assert drive(attempt(policy, message()), OK).account == "b"
    clock.now = 1800
    assert drive(attempt(policy, message()), OK).account == "a"


def test_a_pause_of_a_quarter_of_an_hour_needs_no_words(caplog):
    drive(attempt(failover(), message()), busy_for(900), OK)
    assert caplog.text == ""


def test_a_failover_inside_another_is_left_alone_if_a_vendor_in_it_asked_for_that():
    clock = Clock()
    inner = failover(HttpProvider(account="a"), HttpProvider(account="b"), clock=clock)
    outer = failover(inner, HttpProvider(account="c"), clock=clock)
    drive(attempt(inner, message()), busy_for(60), OK)
    assert drive(attempt(outer, message()), busy_for(30), OK).account == "c"  # a pauses, b asks for a pause
    assert outer._breakers["failover"].peek(clock()) == 30
    clock.now = 30
    assert drive(attempt(outer, message()), OK).account == "b"


def test_a_batch_is_one_fault():
    policy = failover(BatchProvider(account="a"), BatchProvider(account="b"), faults=2)
    drive(attempt_batch(policy, many(3)), NotConnected(), accepted(3))
    assert [result.sent.account for result in drive(attempt_batch(policy, many(3)), accepted(3))] == ["a"] * 3


# --- batches --------------------------------------------------------------------------------------------------------------


def test_only_the_rows_that_may_move_on_do():
    def send_batch(self, messages):
        answers = yield from BatchProvider.send_batch(self, messages)
        errors = [SenderError(), RecipientError()]
        wrong = [type(answers[0])(index=row, message=messages[row], error=error) for row, error in enumerate(errors)]
        return [*wrong, answers[2]]

    first = type(provider(base=BatchProvider, send_batch=send_batch))(account="a")
    policy = failover(first, HttpProvider(account="b"))
    results, _ = play(attempt_batch(policy, many(3)), accepted(3), OK)
    assert [result.sent.account if result.sent else type(result.error) for result in results] == [
        "b",
        RecipientError,
        "a",
    ]


def test_a_time_out_of_one_text_does_not_keep_the_others_from_an_account_without_batches():
    policy = failover(BatchProvider(account="a"), HttpProvider(account="b"))
    results, _ = play(attempt_batch(policy, many(3)), DENIED, OK, NoAnswer(), OK)
    assert [result.sent is not None for result in results] == [True, False, True]
    assert type(results[1].error) is UncertainError
    assert [attempt.account for attempt in results[1].error.attempts] == ["a", "b"]


def test_cancelled_between_the_texts_of_a_batch_each_is_told_what_is_known_of_it():
    recorder = Recorder()
    policy = failover(BatchProvider(account="a"), HttpProvider(account="b"))
    with pytest.raises(KeyboardInterrupt):
        drive(deliver_batch(plugins(recorder), policy, many(3)), DENIED, OK, KeyboardInterrupt())
    assert recorder.outcome("ref-0").account == "b"
    assert type(recorder.outcome("ref-1")) is UncertainError
    assert type(recorder.outcome("ref-2")) is RefusedError
    assert {recorder.outcome(f"ref-{row}").reference for row in range(3)} == {"ref-0", "ref-1", "ref-2"}


def test_batches_are_made_where_the_first_account_takes_them():
    batch, plain = BatchProvider(account="a"), HttpProvider(account="b")
    assert Capability.BATCH in failover(batch, plain).capabilities
    assert failover(batch, plain).batch_size == batch.batch_size
    assert Capability.BATCH not in failover(plain, batch).capabilities


# --- afterwards -----------------------------------------------------------------------------------------------------------


def taken_by_b(policy):
    return drive(attempt(policy, message()), NotConnected(), OK)


def test_status_is_asked_of_the_account_that_took_the_text():
    policy = failover()
    sent = taken_by_b(policy)
    report = drive(query(policy, lambda: policy.status(sent)), OK)
    assert report.account == "b"


def test_a_code_is_checked_by_the_account_that_sent_it():
    policy = failover(without("a", start_verification=SmsProvider.start_verification), HttpProvider(account="b"))
    verification = drive(attempt_verification(policy, message()), OK)
    assert verification.account == "b"
    assert drive(query(policy, lambda: policy.check_verification(verification, "1")), OK).approved is False
    assert drive(query(policy, lambda: policy.cancel_verification(verification)), OK) is None


def test_an_account_within_an_account_is_found():
    inner = failover(HttpProvider(account="b"), HttpProvider(account="c"))
    policy = FailoverPolicy(account="all", accounts=(HttpProvider(account="a"), inner))
    sent, _ = play(attempt(policy, message()), NotConnected(), NotConnected(), OK)
    assert sent.account == "c"
    assert drive(query(policy, lambda: policy.status(sent)), OK).account == "c"


def test_an_id_without_its_account_cannot_be_asked_for():
    policy = failover()
    sent = type(taken_by_b(policy))(account="failover", provider="failover", id="1")
    with pytest.raises(ConfigurationError, match="name the one that took the text"):
        policy.status(sent)


def test_a_text_is_looked_up_at_each_account_until_one_has_it():
    policy = failover(Finds(account="a"), Finds(account="b"))
    assert drive(query(policy, lambda: policy.lookup("ref-1")), NOT_FOUND, FOUND).account == "b"
    assert drive(query(policy, lambda: policy.lookup("ref-1")), NoAnswer(), FOUND).account == "b"
    assert drive(query(policy, lambda: policy.lookup("ref-1")), NOT_FOUND, NOT_FOUND) is None


def test_not_found_is_no_answer_while_one_account_did_not_give_any():
    policy = failover(Finds(account="a"), Finds(account="b"))
    with pytest.raises(QueryError):
        drive(query(policy, lambda: policy.lookup("ref-1")), NoAnswer(), NOT_FOUND)


def test_a_wrong_setting_of_one_account_does_not_keep_the_others_from_being_looked_at():
    def lookup(self, reference):
        raise ConfigurationError("a setting is wrong")
        yield

    policy = failover(without("a", lookup=lookup), Finds(account="b"))
    assert drive(query(policy, lambda: policy.lookup("ref-1")), FOUND).id == "vendor-7"
    settled, _ = play(RetryPolicy(inner=failover(without("a", lookup=lookup))).send(message()), NoAnswer())
    assert type(settled) is UncertainError


QUESTIONS = {
    "status": lambda sms: sms.status("1"),
    "check": lambda sms: sms.check_verification("1", "123456"),
    "cancel": lambda sms: sms.cancel_verification("1"),
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
async def test_an_id_alone_does_not_tell_which_account_took_the_text(ask):
    words = r"holds several accounts: name the one that took the text \(a, b\)"
    with SmsClient(RetryPolicy(inner=failover())) as sms, pytest.raises(ConfigurationError, match=words):
        ask(sms)
    async with AsyncSmsClient(RetryPolicy(inner=failover())) as sms:
        with pytest.raises(ConfigurationError, match=words):
            await ask(sms)


def test_absence_is_proven_only_where_every_account_proves_it_and_can_be_asked():
    def proving(account, seconds, base=Finds, **members):
        return type(provider(base=base, absence_proven_after=timedelta(seconds=seconds), **members))(account=account)

    assert failover(proving("a", 5), proving("b", 9)).absence_proven_after == timedelta(seconds=9)
    assert failover(proving("a", 5), Finds(account="b")).absence_proven_after is None
    mute = proving("b", 9, base=HttpProvider, lookup=SmsProvider.lookup)
    assert failover(proving("a", 5), mute).absence_proven_after is None


def test_balances_are_named_after_their_accounts():
    def balance(self):
        yield from ()
        return [Balance(service="sms", amount=Decimal(1), unit="INR")]

    policy = failover(without("a", balance=balance), without("b", balance=SmsProvider.balance))
    assert [balance.service for balance in drive(query(policy, policy.balance))] == ["a: sms"]


@pytest.mark.parametrize("account", ["a", "b"])
def test_a_webhook_is_taken_in_by_the_account_that_it_is_proven_to_be_from(account):
    policy = failover(*(HttpProvider(account=name, webhook_secret=f"dummy-{name}") for name in "ab"))
    webhook = HttpRequest(method="POST", url="/", headers={"x-secret": f"dummy-{account}"}, body=b'[{"id": "1"}]')
    policy.verify(webhook)
    assert [event.account for event in policy.parse(webhook)] == [account]
    with pytest.raises(SignatureError):
        policy.verify(HttpRequest(method="POST", url="/", headers={"x-secret": "dummy"}))


def test_a_webhook_is_offered_to_each_account_that_takes_webhooks():
    deaf = without("a", verify=SmsProvider.verify, parse=SmsProvider.parse)
    policy = failover(deaf, HttpProvider(account="b", webhook_secret="dummy-b"))
    webhook = HttpRequest(method="POST", url="/", headers={"x-secret": "dummy-b"}, body=b'[{"id": "1"}]')
    assert [event.account for event in policy.parse(webhook)] == ["b"]


def test_an_event_is_told_to_the_account_that_it_is_of_and_to_no_other():
    told = []

    class Listening(Policy):
        name = "listening"

        def observe(self, event):
            told.append(self.account)
            yield from ()

    policy = failover(*(Listening(inner=HttpProvider(account=name)) for name in "ab"))
    for account in ("b", "a", "c"):
        drive(
            policy.observe(
                DeliveryReport(account=account, provider="scripted", id="1", status=Status.SENT, final=False)
            )
        )
    assert told == ["b", "a"]


def test_what_any_account_can_express_it_can():
    class Coded(HttpProvider):
        supports = frozenset({"send_at"})
        verification_supports = frozenset({"valid_until"})

    class Grouped(BatchProvider):
        def batch_key(self, message):
            return message.sender

    policy = failover(Grouped(account="a"), Coded(account="b"))
    assert policy.supports == {"sender", "send_at"}
    assert policy.verification_supports == Grouped().verification_supports | {"valid_until"}
    assert policy.batch_key(message(sender="ACME")) == "ACME"
    until = message(text="", valid_until=NOW)
    policy.check(until, verification=True)
    with pytest.raises(UnsupportedError):
        policy.check(replace(until, text="x"))


@pytest.mark.parametrize("around", [lambda inner: inner, lambda inner: RetryPolicy(inner=inner)])
def test_a_ledger_around_one_of_several_accounts_is_refused(tmp_path, around):
    made = around(LedgerPolicy(inner=HttpProvider(account="a"), path=tmp_path / "ledger.db"))
    with pytest.raises(ConfigurationError, match="account a of failover has a ledger"):
        failover(made, HttpProvider(account="b"))
    assert failover(made).accounts == (made,)


def test_what_no_account_inside_can_do_is_unsupported():
    nothing = {name: getattr(SmsProvider, name) for name in ("lookup", "balance", "start_verification")}
    policy = failover(without("a", **nothing))
    for start in (lambda: policy.lookup("1"), policy.balance):
        with pytest.raises(QueryError, match="policy failover does not support"):
            drive(query(policy, start))
    with pytest.raises(UnsupportedError):
        drive(attempt_verification(policy, message()))


# --- both clients, and settings -------------------------------------------------------------------------------------------


def test_the_blocking_client_fails_over():
    with SmsClient(
        FailoverPolicy(accounts=(HttpProvider(account="a"), HttpProvider(account="b"))),
        transport=Wire(NotConnected(), OK),
    ) as sms:
        assert sms.send(message()).account == "b"


async def test_the_async_client_does_too():
    async with AsyncSmsClient(
        FailoverPolicy(accounts=(HttpProvider(account="a"), HttpProvider(account="b"))),
        transport=AsyncWire(NotConnected(), OK),
    ) as sms:
        assert (await sms.send(message())).account == "b"


def test_hooks_are_told_of_one_text_with_the_account_that_took_it():
    recorder = Recorder()
    sent = drive(deliver(plugins(recorder), failover(), message()), NotConnected(), OK)
    assert recorder.calls == [("before", "ref-1", None), ("after", "ref-1", sent)]
    assert sent.account == "b"


@pytest.mark.parametrize("accounts", [(), (HttpProvider(), HttpProvider())])
def test_accounts_are_needed_each_under_a_name_of_its_own(accounts):
    with pytest.raises(ConfigurationError, match="each with a different name"):
        FailoverPolicy(accounts=accounts)


def test_a_bug_before_anything_was_sent_at_the_last_account_is_told_as_one():
    policy = failover(without("a", send=lambda self, message: 1 / 0))
    error, _ = play(attempt(policy, message()))
    assert type(error) is ProviderBugError
