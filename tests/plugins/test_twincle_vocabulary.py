"""Twincle's words: every delivery status and every error text that the platform documents."""

import json

import pytest

from smsbridge.attempts import attempt
from smsbridge.errors import (
    AuthenticationError,
    ContentError,
    FundsError,
    OptedOutError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    SendError,
    UncertainError,
)
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Message, Purpose, Status
from smsbridge_twincle import TwincleProvider, vocabulary

TWINCLE = TwincleProvider(access_token="dummy-token-not-a-secret", base_url="https://twincle.test/", sender="ACMEIN")
NUMBER = "919876543210"

# Typed from the platform's SMPP page and from the clients of white labels, not from our table:
# word, status, final, the error of a send that is answered with it.
DOCUMENTED = [
    ("AWAITING-DLR", Status.QUEUED, False, None),
    ("DELIVRD", Status.DELIVERED, True, None),
    ("TIMEOUT-DLR", Status.UNKNOWN, True, None),
    ("INVALID-SUB", Status.UNDELIVERED, True, RecipientError),
    ("ABSENT-SUB", Status.UNDELIVERED, True, RefusedError),
    ("HANDSET-ERR", Status.UNDELIVERED, True, RefusedError),
    ("HANDSET-BUSY", Status.UNDELIVERED, True, RefusedError),
    ("BARRED", Status.UNDELIVERED, True, RecipientError),
    ("NET-ERR", Status.UNDELIVERED, True, RefusedError),
    ("MEMEXEC", Status.UNDELIVERED, True, RefusedError),
    ("FAILED", Status.FAILED, True, RefusedError),
    ("MOB-OFF", Status.UNDELIVERED, True, RefusedError),
    ("SERIES-BLK", Status.REJECTED, True, RecipientError),
    ("EXPIRED", Status.EXPIRED, True, RefusedError),
    ("UNDELIV", Status.UNDELIVERED, True, RefusedError),
    ("SERIES-BLOCK", Status.REJECTED, True, RecipientError),
    ("NO-CREDITS", Status.REJECTED, True, FundsError),
    ("NO-ACCOUNT", Status.REJECTED, True, AuthenticationError),
    ("SERVER-ERR", Status.FAILED, True, RefusedError),
    ("INV-NUMBER", Status.REJECTED, True, RecipientError),
    ("SPAM", Status.REJECTED, True, ContentError),
    ("DNDNUMB", Status.REJECTED, True, OptedOutError),
    ("BLACKLST", Status.REJECTED, True, OptedOutError),
    ("SNDR-BLOCK", Status.REJECTED, True, SenderError),
    ("SNDR-NOT-ALLOTED", Status.REJECTED, True, SenderError),
    ("TEMPLATE-NOT-FOUND", Status.REJECTED, True, ContentError),
    ("INV-TEMPLATE", Status.REJECTED, True, ContentError),
    ("INV-SENDER", Status.REJECTED, True, SenderError),
    ("NOT-OPTIN", Status.REJECTED, True, OptedOutError),
    ("OPTOUT-REJ", Status.REJECTED, True, OptedOutError),
    ("PROMO-TMOUT", Status.REJECTED, True, RefusedError),
    ("REJECTED", Status.REJECTED, True, RefusedError),
    ("NOTALLOWED", Status.REJECTED, True, RefusedError),
    ("DUPLICATE", Status.REJECTED, True, ContentError),
    ("THROTTLED", Status.REJECTED, True, RateLimitedError),
    ("DLT-REJECTED", Status.REJECTED, True, ContentError),
    ("REJ-MULTIPART", Status.UNDELIVERED, True, UncertainError),
    ("DLT-INV-TMID", Status.REJECTED, True, RefusedError),
    ("INV-TMID", Status.REJECTED, True, RefusedError),
    ("DLT-INV-ENTITY", Status.REJECTED, True, RefusedError),
    ("INV-ENTITY", Status.REJECTED, True, RefusedError),
    ("INV-PEID", Status.REJECTED, True, RefusedError),
    ("DLT-INV-TM-ID", Status.REJECTED, True, ContentError),
    ("DLT-TM-VAR-EXECEED", Status.REJECTED, True, ContentError),
    ("DLT-ENTITY-NOT-FOUND", Status.REJECTED, True, RefusedError),
    ("DLT-TM-BLACKLST", Status.REJECTED, True, ContentError),
    ("DLT-ENTITY-BLACKLST", Status.REJECTED, True, RefusedError),
    ("DLT-HEADER-INACTIVE", Status.REJECTED, True, SenderError),
    ("DLT-TM-INACTIVE", Status.REJECTED, True, ContentError),
    ("DLT-SENDER-NOT-REG-TM", Status.REJECTED, True, SenderError),
    ("INV-PROVISION", Status.REJECTED, True, SenderError),
    ("INV-SERVICE", Status.REJECTED, True, RefusedError),
    ("INV-SCHEDULE", Status.REJECTED, True, RefusedError),
    ("BLACKLIST", Status.REJECTED, True, OptedOutError),
]


def answered(data, status=200):
    flow = attempt(TWINCLE, Message(to=f"+{NUMBER}", text="Hello there", reference="ref-1"))
    next(flow)
    try:
        flow.send(HttpResponse(status=status, body=json.dumps(data).encode()))
    except StopIteration as stop:
        return stop.value
    except SendError as error:
        return error
    raise AssertionError("asks for more")


def reported(word):
    body = json.dumps({"id": "u:1", "mobile": NUMBER, "status": word}).encode()
    (report,) = TWINCLE.parse(HttpRequest(method="POST", url="https://us.test/hook", body=body))
    return report


def test_the_table_holds_what_is_documented_and_nothing_else():
    assert set(vocabulary.STATUSES) == {word for word, *_ in DOCUMENTED}


@pytest.mark.parametrize(("word", "status", "final", "error"), DOCUMENTED)
def test_each_documented_status_means_what_it_says(word, status, final, error):
    report = reported(word)
    assert (report.status, report.final) == (status, final)
    sent = answered({"status": 200, "data": [{"id": "u:1", "mobile": NUMBER, "status": word}]})
    if error is None:
        assert sent.status is status
    else:
        assert (type(sent), sent.code) == (error, word)
        assert sent.reason == report.reason


@pytest.mark.parametrize(("word", "outcome"), vocabulary.STATUSES.items())
def test_each_failure_of_the_table_has_a_reason_and_an_error_and_each_success_has_neither(word, outcome):
    fine = outcome.status in (Status.QUEUED, Status.DELIVERED)
    assert (outcome.reason is None) is fine
    assert (outcome.error is None) is (fine or outcome.status is Status.UNKNOWN)
    assert reported(word).code == (None if fine else word)


@pytest.mark.parametrize("word", [word for word, *_ in DOCUMENTED if word.startswith("DLT-")])
def test_what_dlt_refuses_is_the_accounts_to_put_right(word):
    error = answered({"status": 200, "data": [{"id": "u:1", "mobile": NUMBER, "status": word}]})
    assert error.reason.startswith("dlt")
    assert error.fault == "account"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("DNDNUMB", "dnd"),
        ("SPAM", "spam"),
        ("PROMO-TMOUT", "quiet-hours"),
        ("DUPLICATE", "duplicate"),
        ("NOT-OPTIN", "not-opted-in"),
        ("DLT-TM-INACTIVE", "dlt-template"),
        ("INV-PEID", "dlt-entity"),
        ("DLT-HEADER-INACTIVE", "dlt-header"),
        ("NOTALLOWED", "country-blocked"),
    ],
)
def test_reasons_are_words_that_other_providers_share(word, reason):
    assert reported(word).reason == reason


@pytest.mark.parametrize("word", ["REJECTD", "DND", "SENT", "SUBMITTED", "PENDING", "AWAITED-DLR", "DLT-NEW-ONE"])
def test_an_unknown_status_is_unknown_and_not_final(word):
    report = reported(word)
    assert (report.status, report.final, report.code, report.reason) == (Status.UNKNOWN, False, word, None)


@pytest.mark.parametrize("word", [" delivrd ", "Delivrd"])
def test_case_and_spaces_of_a_status_do_not_matter(word):
    assert reported(word).status is Status.DELIVERED


# Typed from the platform's unmerged documentation of its errors, placeholders filled in: code, text, error, fault.
ERRORS = [
    (422, "Invalid Request. Missing required params.", RefusedError, "message"),
    (422, "Missing mobile number.", RecipientError, "message"),
    (422, "Missing receipent.", RecipientError, "message"),
    (422, "No Valid mobile numbers found", RecipientError, "message"),
    (422, "Missing message.", ContentError, "message"),
    (422, "Missing sender.", SenderError, "account"),
    (422, "Missing senderid.", SenderError, "account"),
    (422, "Invalid Sender or Sender not allowed", SenderError, "account"),
    (422, "Template Mismatch", ContentError, "account"),
    (422, "Invalid Template Match", ContentError, "account"),
    (422, "Missing Data Column.", RefusedError, "message"),
    (422, "Invalid time format", RefusedError, "message"),
    (
        422,
        "Invalid schedule time. Minimum 5 min time gap is required and 3 months from now.",
        RefusedError,
        "message",
    ),
    (
        422,
        "This service only allowed between 09:00 and 21:00. Please schedule your message in these timings",
        RefusedError,
        "message",
    ),
    (422, "Batch size should be greater or equal to 1000", RefusedError, "message"),
    (422, "Batch interval should be in multiples of 5. minimum 5 minute", RefusedError, "message"),
    (422, "Port number must be numeric", RefusedError, "message"),
    (422, "Invalid type value, choose any one from (N, U, A)", RefusedError, "message"),
    (422, "Invalid flash value, choose either 1 or 0", RefusedError, "message"),
    (422, "Invalid Webhook id", RefusedError, "account"),
    (422, "Number of tags selected cannot exceed 3.", RefusedError, "message"),
    (422, "Message length is 4 units. It should not exceed the 2 units.", ContentError, "message"),
    (422, "Message length is exceeding. Max 1000 characters allowed.", ContentError, "message"),
    (422, "Your daily usage limit exceeded.", RateLimitedError, "account"),
    (500, "An error occured while processing request", UncertainError, "provider"),
    (500, "Unable to process your request. try again", UncertainError, "provider"),
    (422, "Invalid Payload, 'alias' or 'id' field is required.", ContentError, "account"),
    (422, "Template does not exist with this details.", ContentError, "account"),
    (422, "Invalid request", RefusedError, "message"),
    (422, "Invalid Service Id.", RefusedError, "account"),
    (422, "Invalid Country Code.", RefusedError, "message"),
    (422, "Sender is blocked. Try another.", SenderError, "account"),
    (422, "The name must not be greater than 6 characters.", SenderError, "account"),
    (404, "Enter a valid sender ID.", SenderError, "account"),
    (422, "The body may not be greater than 2000 characters.", ContentError, "message"),
    (422, "The number is invalid", RecipientError, "message"),
    (422, "The selected type is invalid", RefusedError, "message"),
    (422, "The name field is required.", RefusedError, "message"),
]


@pytest.mark.parametrize(("code", "text", "kind", "fault"), ERRORS)
@pytest.mark.parametrize("change", [str, str.upper])
def test_each_documented_error_has_its_class_and_keeps_its_words(code, text, kind, fault, change):
    body = {"status": "ERROR", "code": code, "message": change(text), "data": []}
    for status in (code, 200):  # the documentation implies, but never shows, that the status line repeats the code
        error = answered(body, status)
        assert (type(error), error.code, error.fault) == (kind, str(code), fault)
        assert change(text) in error.detail


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (404, "Receiver not found in optout list."),
        (422, "No data found."),
        (422, "Template not found in block list."),
    ],
)
def test_each_documented_failure_that_says_ok_is_refused(code, text):
    error = answered({"status": "OK", "code": code, "message": text, "data": []})
    assert (type(error), error.reason) == (RefusedError, "not-found")


@pytest.mark.parametrize(("part", "meaning"), vocabulary.ERRORS.items())
def test_each_error_text_of_the_table_is_reached(part, meaning):
    assert vocabulary.refusal(f"Sorry! {part.upper()} (1).") == meaning
    assert part == part.lower()


@pytest.mark.parametrize(
    "text", ["Insufficient balance", "You have no credit left", "Insufficient credits", "No balance"]
)
def test_what_is_undocumented_but_speaks_of_credit_is_funds(text):
    assert type(answered({"status": "ERROR", "code": 422, "message": text, "data": []}, 422)) is FundsError


def test_the_status_line_alone_tells_credentials_credit_and_rate():
    kinds = {401: AuthenticationError, 402: FundsError, 403: AuthenticationError, 429: RateLimitedError}
    assert {code: type(answered({"status": "ERROR", "message": "No."}, code)) for code in kinds} == kinds


def test_every_purpose_has_a_product():
    assert set(vocabulary.SERVICES) == set(Purpose)
