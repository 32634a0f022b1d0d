"""Errors can be pickled and compared, and name the fault."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from smsbridge import errors
from smsbridge.errors import (
    ConfigurationError,
    ContentError,
    NotFoundError,
    OptedOutError,
    ProviderBugError,
    QueryError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    SendError,
    SmsBridgeError,
    TransportError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
    WebhookError,
)

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
OURS = [kind for kind in ALL if issubclass(kind, SmsBridgeError)]
SENDS = [kind for kind in OURS if issubclass(kind, SendError)]
VENDORS = [kind for kind in OURS if issubclass(kind, SendError | QueryError)]
FIELDS = {
    "account": "otp",
    "provider": "memory",
    "reference": "ref-1",
    "code": "E7",
    "reason": "dnd",
    "detail": "the vendor's words",
    "retry_after": 2.5,
}


@pytest.mark.parametrize("kind", ALL)
def test_every_error_survives_pickle_and_copy(kind):
    error = kind("what happened", **(FIELDS if kind in VENDORS else {}))
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is kind
        assert vars(other) == vars(error)
        assert str(other) == str(error)


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize("field", FIELDS)
def test_errors_are_equal_only_with_the_same_type_text_and_fields(kind, field):
    error = kind("what happened", **FIELDS)
    assert error == kind("what happened", **FIELDS)
    assert hash(error) == hash(kind("what happened", **FIELDS))
    assert error != kind("what happened", **{**FIELDS, field: None})
    assert error != kind("something else", **FIELDS)
    assert error != SmsBridgeError("what happened")


def test_an_error_is_not_equal_to_one_of_its_subclass():
    assert QueryError() != NotFoundError()
    assert RefusedError("no") != RecipientError("no")
    assert ConfigurationError("no") != WebhookError("no")


def test_unsupported_errors_compare_with_their_account():
    assert UnsupportedError("no", account="a") == UnsupportedError("no", account="a")
    assert UnsupportedError("no", account="a") != UnsupportedError("no", account="b")


def test_a_note_is_no_part_of_the_comparison():
    error = UncertainError(code="1")
    error.add_note("a line of a traceback")
    assert error == UncertainError(code="1")


@pytest.mark.parametrize("kind", SENDS)
def test_a_failed_send_is_certainly_not_sent_or_uncertain(kind):
    assert kind is SendError or issubclass(kind, RefusedError) != issubclass(kind, UncertainError)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (RecipientError, "message"),
        (ContentError, "message"),
        (OptedOutError, "message"),
        (SenderError, "account"),
        (errors.AuthenticationError, "account"),
        (errors.FundsError, "account"),
        (RateLimitedError, "account"),
        (UnavailableError, "provider"),
        (UncertainError, "provider"),
        (errors.VetoedError, "local"),
        (ProviderBugError, "local"),
        (UnsupportedError, "account"),
    ],
)
def test_each_class_has_its_fault_which_one_error_can_override(kind, fault):
    assert kind().fault == fault
    assert kind(fault="account").fault == "account"


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -float("inf"), 10**400, "soon", None])
def test_a_time_to_wait_that_is_none_is_none(seconds):
    assert str(RateLimitedError(retry_after=seconds)) == RateLimitedError.summary


@pytest.mark.parametrize("seconds", [-1, -0.5, 0])
def test_a_time_that_has_passed_is_now(seconds):
    assert RateLimitedError(retry_after=seconds).retry_after == 0


@pytest.mark.parametrize("kind", VENDORS)
def test_an_error_without_words_says_what_its_class_means(kind):
    assert str(kind()) == kind.summary


def test_an_error_shows_account_words_code_reason_and_delay():
    error = RateLimitedError("slow down", **FIELDS)
    assert str(error) == "otp: slow down: the vendor's words [E7, dnd, retry after 2.5 s]"


def test_a_query_error_keeps_what_kind_of_failure_it_was():
    error = QueryError(retryable=True, authentication=True, rate_limited=True, retry_after=3)
    assert (error.retryable, error.authentication, error.rate_limited, error.retry_after) == (True, True, True, 3)


def test_webhook_errors_know_the_status_to_answer_with():
    assert (errors.SignatureError.status, errors.PayloadError.status) == (401, 400)


def test_transport_errors_are_none_of_the_errors_that_leave_a_client():
    assert not issubclass(TransportError, SmsBridgeError)
    assert {kind for kind in ALL if issubclass(kind, TransportError)} == {
        TransportError,
        errors.NotConnected,
        errors.NoAnswer,
        errors.NotAllowed,
    }


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__)
    public = [kind.__name__ for kind in ALL if not kind.__name__.startswith("_")]
    assert sorted([*drawn, "SmsBridgeError", "TransportError"]) == sorted(public)


class VendorError(RefusedError):
    def __init__(self, *, number):
        super().__init__(f"vendor says {number}", code=str(number))
        self.number = number


def test_an_error_class_of_a_plugin_may_ask_for_arguments_of_its_own():
    error = VendorError(number=7)
    error.add_note("one")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert other == error
        other.add_note("two")
    assert error.__notes__ == ["one"]
