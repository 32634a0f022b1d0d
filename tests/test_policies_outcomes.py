"""The common outcome of several attempts at a text: the fault, the chosen error, and proven absence."""

from __future__ import annotations

import itertools

import pytest

from scripted import HttpProvider, message
from smsbridge.errors import (
    OURS,
    AuthenticationError,
    ContentError,
    FundsError,
    OptedOutError,
    ProviderBugError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
    VetoedError,
)
from smsbridge.policies.outcomes import asked_pause, conclude, conclude_all, elsewhere, fault_of, final, not_sent

ELSEWHERE = {
    "no connection": UnavailableError(),
    "pace": RateLimitedError(),
    "credentials": AuthenticationError(),
    "credit": FundsError(),
    "sender": SenderError(),
    "of the provider": RefusedError(fault="provider"),
    "of the account": RefusedError(fault="account"),
    "a bug": ProviderBugError(),
    "cannot": UnsupportedError(),
}
FINAL = {
    "number": RecipientError(),
    "content": ContentError(),
    "of the message": RefusedError(fault="message"),
    "ours": RefusedError(fault="local"),
    "vetoed": VetoedError(),
    "opted out": OptedOutError(),
    "opted out, says the provider": OptedOutError(fault="provider"),
    "opted out, says the account": OptedOutError(fault="account"),
}
DOUBT = UncertainError()
OUR_OWN = sorted(OURS)


def made_of(error, *attempts):
    error.attempts = attempts
    return error


@pytest.mark.parametrize("error", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_fault_of_the_account_or_its_provider_may_be_none_elsewhere(error):
    assert elsewhere(error)
    assert not final(error)


@pytest.mark.parametrize("error", FINAL.values(), ids=FINAL)
def test_a_fault_of_the_text_is_one_everywhere(error):
    assert not elsewhere(error)
    assert final(error)


def test_an_uncertain_text_goes_to_no_other_account_and_is_not_final():
    assert not elsewhere(DOUBT)
    assert not final(DOUBT)


@pytest.mark.parametrize("last", FINAL.values(), ids=FINAL)
def test_one_final_attempt_makes_all_of_them_final(last):
    for attempts in itertools.permutations([DOUBT, RateLimitedError(), last]):
        assert final(made_of(UncertainError(), *attempts))
    assert not final(made_of(UncertainError(), DOUBT, RateLimitedError()))


# --- faults ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (None, None),
        (UnavailableError(), "provider"),
        (AuthenticationError(), "account"),
        (RecipientError(), "message"),
        (UnsupportedError(), "local"),
        *[(RateLimitedError(reason=reason), "local") for reason in OUR_OWN],
        (made_of(RefusedError(fault="message"), AuthenticationError(), UnavailableError()), "provider"),
        (made_of(RefusedError(fault="message"), UnavailableError(), AuthenticationError()), "account"),
        *[
            (made_of(RefusedError(), UnavailableError(), RateLimitedError(reason=reason)), "provider")
            for reason in OUR_OWN
        ],
        (made_of(RefusedError(), UnavailableError(), UnsupportedError()), "provider"),
        (made_of(RefusedError(), RateLimitedError(reason=OUR_OWN[0]), UnsupportedError()), "local"),
    ],
)
def test_whose_fault_it_was_the_last_attempt_tells_that_may_have_reached_a_provider(error, fault):
    assert fault_of(error) == fault


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (None, 0),
        (RateLimitedError(), 0),
        (RateLimitedError(retry_after=7), 7),
        (UnavailableError(retry_after=7), 0),
        *[(RateLimitedError(retry_after=7, reason=reason), 0) for reason in OUR_OWN],
        (made_of(RateLimitedError(retry_after=7), RateLimitedError(reason=OUR_OWN[0]), RateLimitedError()), 7),
        (made_of(RateLimitedError(retry_after=7), *[RateLimitedError(reason=OUR_OWN[0])] * 2), 0),
    ],
)
def test_a_pause_is_asked_for_by_a_vendor_and_not_by_us(error, seconds):
    assert asked_pause(error) == seconds


# --- the chosen error -----------------------------------------------------------------------------------------------------


def test_the_last_attempt_speaks_unless_one_may_have_been_sent():
    pace, doubt, other, number = (
        RateLimitedError(code="1"),
        UncertainError(code="2"),
        UncertainError(code="3"),
        RecipientError(code="4"),
    )
    for history, code in (
        ([pace], "1"),
        ([pace, number], "4"),
        ([number, pace], "1"),
        ([doubt, number], "2"),
        ([number, doubt, pace], "2"),
        ([doubt, other, number], "3"),
    ):
        error = conclude(history)
        assert error.code == code
        assert [attempt.code for attempt in error.attempts] == (
            [failure.code for failure in history] if len(history) > 1 else []
        )
        assert all(error is not failure and failure.attempts == () for failure in history)


def test_what_an_attempt_was_made_of_are_attempts_too():
    inner = made_of(RefusedError(code="0"), UnavailableError(code="1"), FundsError(code="2"))
    for how in (conclude, lambda history: conclude_all(history, HttpProvider(), message())):
        assert [attempt.code for attempt in how([inner, UnavailableError(code="3")]).attempts] == ["1", "2", "3"]
    assert [attempt.code for attempt in conclude([inner]).attempts] == ["1", "2"]


@pytest.mark.parametrize("last", [*FINAL.values(), DOUBT], ids=[*FINAL, "doubt"])
def test_of_several_accounts_that_which_is_no_fault_of_its_own_speaks(last):
    error = conclude_all([UnavailableError(), last], HttpProvider(), message())
    assert (type(error), error.fault) == (type(last), last.fault)
    assert [type(attempt) for attempt in error.attempts] == [UnavailableError, type(last)]


@pytest.mark.parametrize("first", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize("second", ELSEWHERE.values(), ids=ELSEWHERE)
def test_of_several_accounts_all_speak_and_may_be_tried_again_where_that_may_help(first, second):
    error = conclude_all([first, second], HttpProvider(), message())
    assert type(error) is (type(first) if type(first) is type(second) else RefusedError)
    passing = any(isinstance(failure, RateLimitedError) or failure.fault == "provider" for failure in (first, second))
    same = (type(first), first.fault) == (type(second), second.fault)
    assert error.fault == (first.fault if same else "provider" if passing else "account")
    assert len(error.attempts) == 2


@pytest.mark.parametrize(
    ("waits", "least"), [((3, 8), 3), ((8, 3), 3), ((None, 8), 8), ((8, None), 8), ((None, None), None)]
)
def test_the_shortest_wait_counts_where_any_account_may_be_tried_again(waits, least):
    error = conclude_all([RateLimitedError(retry_after=wait) for wait in waits], HttpProvider(), message())
    assert error.retry_after == least


def test_errors_of_several_kinds_are_named_in_the_words_of_all():
    error = conclude_all(
        [AuthenticationError(reason="ip", detail="one"), FundsError(detail="two")], HttpProvider(), message()
    )
    assert (error.reason, error.account) == ("ip", "scripted")
    assert "no account could send the message" in str(error)
    assert "one" in error.detail
    assert "two" in error.detail


# --- proven absence -------------------------------------------------------------------------------------------------------


def test_what_is_proven_not_to_have_arrived_is_a_refusal_for_that():
    doubt = UncertainError()
    doubt.account, doubt.provider, doubt.reference = "otp", "acme", "ref-1"
    error = not_sent(doubt)
    assert (type(error), error.reason, error.attempts) == (UnavailableError, "absent", ())
    assert (error.account, error.provider, error.reference) == ("otp", "acme", "ref-1")
    assert "known not to have taken the text" in str(error)


@pytest.mark.parametrize("final_one", FINAL.values(), ids=FINAL)
def test_what_another_account_said_of_the_text_stays(final_one):
    error = not_sent(made_of(UncertainError(), UncertainError(), final_one, RateLimitedError()))
    assert (type(error), error.fault) == (type(final_one), final_one.fault)
    assert [type(attempt) for attempt in error.attempts] == [UnavailableError, type(final_one), RateLimitedError]
    assert final_one.attempts == ()


@pytest.mark.parametrize("refused", [*ELSEWHERE.values(), *FINAL.values()], ids=[*ELSEWHERE, *FINAL])
def test_a_refusal_stays_what_it_is(refused):
    error = not_sent(refused)
    assert error is not refused
    assert (type(error), error.fault, error.attempts) == (type(refused), refused.fault, ())
