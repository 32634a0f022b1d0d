"""The outcome of each text of a batch, with any policy that carries it."""

from __future__ import annotations

import pytest

from policed import BUSY, DENIED
from scripted import OK, TEXT, TOKEN, BatchProvider, HttpProvider, drive, interrupt, message, provider
from smsbridge.attempts import attempt, attempt_batch, attempt_each
from smsbridge.deadline import Stopped
from smsbridge.errors import (
    AuthenticationError,
    ContentError,
    NoAnswer,
    ProviderBugError,
    RateLimitedError,
    RefusedError,
    SendError,
    UncertainError,
    VetoedError,
)
from smsbridge.http import Call, HttpResponse, Wait
from smsbridge.messages import Result
from smsbridge.policies.policy import Policy


class Made(Policy):
    """Carries a batch as scripted."""

    name = "made"

    def carry(self, batch):
        yield from CARRIED[0](self, batch)


CARRIED = []


@pytest.fixture
def made():
    def make(carry, inner=None):
        CARRIED[:] = [carry]
        return Made(inner=inner or HttpProvider())

    yield make
    CARRIED.clear()


def texts(count):
    return [message(reference=f"ref-{row}") for row in range(count)]


def ends(results):
    return [
        (result.sent.id if result.sent else type(result.error), result.error and result.error.reason)
        for result in results
    ]


# --- a policy that leaves something open ----------------------------------------------------------------------------------


def test_a_text_of_which_a_policy_says_nothing_was_not_sent_and_that_is_its_bug(made):
    def nothing(policy, batch):
        yield from ()

    results = drive(attempt_batch(made(nothing), texts(2)))
    assert [type(result.error) for result in results] == [ProviderBugError] * 2
    assert all("gave no reason" in str(result.error) for result in results)
    assert [result.error.reference for result in results] == ["ref-0", "ref-1"]


def test_what_an_attempt_said_counts_where_the_policy_says_nothing(made):
    def forgets(policy, batch):
        for row in batch.open:
            yield from batch.through(policy.inner, [row])

    results = drive(attempt_batch(made(forgets), texts(4)), OK, DENIED, NoAnswer(), OK)
    assert ends(results) == [
        ("vendor-1", None),
        (AuthenticationError, None),
        (UncertainError, None),
        ("vendor-1", None),
    ]
    assert [result.error.attempts for result in results if result.error] == [(), ()]


def test_no_texts_are_no_attempt(made):
    def none(policy, batch):
        assert (yield from batch.through(policy.inner, [])) == []
        batch.take((yield from batch.through(policy.inner, batch.open)))

    assert drive(attempt(made(none), message()), OK).id == "vendor-1"


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (LookupError(TEXT), ProviderBugError),
        (VetoedError(reason="no"), VetoedError),
        (UncertainError(), UncertainError),
    ],
)
def test_what_a_policy_raises_is_said_of_what_is_open_and_of_nothing_else(made, problem, kind):
    def raises(policy, batch):
        batch.take((yield from batch.through(policy.inner, [0])))
        batch.fail(1, RefusedError(reason="closed"))
        yield from batch.through(policy.inner, [2])
        raise problem

    results = drive(attempt_batch(made(raises), texts(4)), OK, BUSY)
    assert ends(results)[:2] == [("vendor-1", None), (RefusedError, "closed")]
    assert [type(attempt) for attempt in results[2].error.attempts] == [RateLimitedError, kind]
    assert type(results[3].error) is kind
    assert TEXT not in f"{results}{[str(result.error) for result in results]}"


@pytest.mark.parametrize("problem", [LookupError(TEXT), VetoedError(reason="no")])
def test_what_a_policy_raises_while_a_text_is_on_its_way_proves_nothing_of_that_text(made, problem):
    def breaks_off(policy, batch):
        flow = batch.through(policy.inner, [0])
        yield next(flow)
        raise problem

    results = drive(attempt_batch(made(breaks_off), texts(2)), OK)
    assert type(results[0].error) is UncertainError
    assert type(results[1].error) is (ProviderBugError if isinstance(problem, LookupError) else VetoedError)


# --- interrupted ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (KeyboardInterrupt(), "cancelled"),
        (Stopped("deadline"), "deadline"),
        (Stopped("closed"), "closed"),
    ],
)
def test_an_interruption_of_the_policy_itself_is_said_of_what_is_open(made, stop, reason):
    def asks(policy, batch):
        batch.take((yield from batch.through(policy.inner, [0])))
        yield from batch.through(policy.inner, [1])
        batch.take((yield from batch.through(policy.inner, [2])))
        yield from Call(str)

    flow = attempt_each(made(asks), texts(4))
    next(flow)
    for answer in (OK, BUSY, NoAnswer()):
        flow.throw(answer) if isinstance(answer, BaseException) else flow.send(answer)
    results = interrupt(flow, stop)
    assert ends(results)[0] == ("vendor-1", None)
    assert [result.error.reason for result in results[1:]] == [None if reason == "deadline" else reason, None, reason]
    assert [isinstance(result.error, UncertainError) for result in results[1:]] == [False, True, False]


def test_after_an_interruption_nothing_is_sent_even_if_the_policy_wants_to(made):
    def insists(policy, batch):
        for row in batch.open:
            batch.take((yield from batch.through(policy.inner, [row])))

    flow = attempt_each(made(insists), texts(3))
    next(flow)
    flow.send(OK)
    assert ends(interrupt(flow, KeyboardInterrupt())) == [
        ("vendor-1", None),
        (UncertainError, "cancelled"),
        (RefusedError, "cancelled"),
    ]


# --- a policy that sends again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "kind", "attempts"),
    [
        ([RateLimitedError()], RateLimitedError, 0),
        ([RateLimitedError(), RefusedError(reason="closed")], RefusedError, 2),
        ([RateLimitedError(), RefusedError(reason="deadline")], RateLimitedError, 0),
        ([UncertainError(), RefusedError(reason="deadline")], UncertainError, 0),
        ([RefusedError(reason="deadline")], RefusedError, 0),
        ([RateLimitedError(), UncertainError(), RefusedError(reason="deadline")], UncertainError, 2),
        ([RateLimitedError(), UncertainError(reason="deadline")], UncertainError, 2),
    ],
)
def test_a_refusal_says_more_than_that_there_was_no_time_for_another_attempt(made, errors, kind, attempts):
    def again(policy, batch):
        for error in errors:
            batch.histories[0].append(error)
        batch.give_up([0])
        yield from ()

    with pytest.raises(SendError) as caught:
        drive(attempt(made(again), message()))
    assert (type(caught.value), len(caught.value.attempts)) == (kind, attempts)


def test_what_is_sent_in_the_place_of_a_text_is_answered_for_that_text(made):
    def instead(policy, batch):
        others = {row: message(reference=f"ref-{row}", text="another") for row in (0, 1)}
        batch.take((yield from batch.through(policy.inner, batch.open, others)))
        batch.give_up(batch.open)

    sent = texts(3)
    results = drive(attempt_batch(made(instead), sent), OK, DENIED, OK)
    assert ends(results) == [("vendor-1", None), (AuthenticationError, None), ("vendor-1", None)]
    assert [result.message for result in results] == sent


class Counted(Made):
    """Records the sizes of batches."""

    def carry(self, batch):
        GIVEN.append(len(batch.messages))
        batch.take((yield from batch.through(self.inner, batch.open)))
        batch.give_up(batch.open)


GIVEN = []


@pytest.mark.parametrize(
    ("carrier", "given"), [(HttpProvider(), [1, 1, 1]), (provider(base=BatchProvider, batch_size=2), [2, 1])]
)
def test_a_policy_inside_is_given_as_many_texts_at_once_as_what_it_sends_through_takes(made, carrier, given):
    def all_at_once(policy, batch):
        batch.take((yield from batch.through(policy.inner, batch.open)))
        batch.give_up(batch.open)

    GIVEN.clear()
    ids = HttpResponse(status=200, body=b'{"ids": ["1", "2"], "id": "3"}')
    assert all(
        result.sent
        for result in drive(attempt_batch(made(all_at_once, Counted(inner=carrier)), texts(3)), *[ids] * len(given))
    )
    assert given == GIVEN


def test_what_a_policy_cannot_send_takes_no_place_in_the_batches_of_what_it_sends_through(made):
    def all_at_once(policy, batch):
        batch.take((yield from batch.through(policy.inner, batch.open)))
        batch.give_up(batch.open)

    ids = HttpResponse(status=200, body=b'{"ids": ["1", "2"]}')
    sent = [message(reference="ref-0", text=""), message(reference="ref-1"), message(reference="ref-2")]
    results = drive(attempt_batch(made(all_at_once, provider(base=BatchProvider, batch_size=2)), sent), ids)
    assert ends(results) == [(ContentError, "empty"), ("1", None), ("2", None)]
    assert [result.message for result in results] == sent


def test_a_wait_and_an_attempt_through_a_batch_are_each_what_they_are(made):
    def waits(policy, batch):
        yield from Wait(1)
        batch.take((yield from batch.through(policy.inner, batch.open)))

    results = drive(
        attempt_batch(made(waits, BatchProvider()), texts(2)), None, OK.of_json({"ids": ["first", "second"]})
    )
    assert ends(results) == [("first", None), ("second", None)]


# --- results of a policy's own ----------------------------------------------------------------------------------------------


def settled(settle):
    class Own(Policy):
        name = "own"

        def carry(self, batch):
            yield from ()
            settle(batch)

    return drive(attempt_batch(Own(inner=HttpProvider(account="otp")), [message()]))[0]


@pytest.mark.parametrize(
    "settle",
    [
        lambda batch: batch.accept(0, None),
        lambda batch: batch.accept(0, "id-1"),
        lambda batch: batch.fail(0, None),
        lambda batch: batch.fail(0, "no"),
        lambda batch: batch.fail(0, ValueError("SECRET")),
        lambda batch: batch.take([Result(index=0, message=message())]),
    ],
)
def test_what_is_no_outcome_is_uncertain_and_says_whose_bug_it_is(settle):
    result = settled(settle)
    assert type(result.error) is UncertainError
    assert "policy own" in str(result.error)
    assert "SECRET" not in str(result.error)
    assert (result.error.account, result.error.reference) == ("otp", "ref-1")


def test_an_error_that_a_policy_settles_a_text_with_is_scrubbed_and_named():
    words = f"tok {TOKEN} {message().text} {message().to}"
    result = settled(lambda batch: batch.fail(0, ContentError(words, reason="own", detail=words)))
    assert (type(result.error), result.error.reason) == (ContentError, "own")
    assert (result.error.account, result.error.provider, result.error.reference) == ("otp", "scripted", "ref-1")
    for private in (TOKEN, message().text, message().to[1:]):
        assert private not in str(result.error)


def test_a_policy_that_fails_after_its_texts_are_settled_is_logged_by_name(caplog):
    class Late(Policy):
        name = "late"

        def carry(self, batch):
            yield from super().carry(batch)
            raise LookupError("SECRET")

    (result,) = drive(attempt_batch(Late(inner=HttpProvider()), [message()]), OK)
    assert result.sent
    assert "policy late failed with LookupError" in caplog.text
    assert "SECRET" not in caplog.text
