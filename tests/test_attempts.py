"""An attempt at each of several texts: the provider's requests, and refusals before them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scripted import OK, TEXT, TO, BatchProvider, HttpProvider, drive, message, provider
from smsbridge.attempts import attempt, attempt_batch, attempt_each, attempt_verification, foresee, prepare
from smsbridge.errors import (
    ContentError,
    ProviderBugError,
    RecipientError,
    RefusedError,
    SendError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.http import HttpRequest
from smsbridge.messages import Result

SEND = HttpRequest.post_json("https://api.scripted.example/send", {}, sends=True)
NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


def requests(flow, *answers):
    """The addresses of the requests of ``flow``, and its end."""
    seen, left = [], list(answers)
    try:
        step = next(flow)
        while True:
            seen.append(step.url.rsplit("/", 1)[1])
            step = flow.send(left.pop(0))
    except StopIteration as stop:
        return seen, stop.value


def texts(count, **fields):
    return [message(reference=f"ref-{row}", **fields) for row in range(count)]


@pytest.mark.parametrize("kind", [HttpProvider, BatchProvider])
def test_each_code_is_a_request_of_its_own(kind):
    seen, (results, stop) = requests(attempt_each(kind(), texts(3, text=""), verification=True), OK, OK, OK)
    assert (seen, stop) == (["start"] * 3, None)
    assert [result.sent.id for result in results] == ["vendor-1"] * 3


@pytest.mark.parametrize(
    ("kind", "bad", "paths"),
    [
        (HttpProvider, (), ["send"] * 3),
        (BatchProvider, (), ["batch"]),
        (BatchProvider, (1,), ["batch"]),
        (BatchProvider, (0, 1), ["send"]),
        (BatchProvider, (0, 1, 2), []),
    ],
)
def test_of_a_batch_what_cannot_be_sent_is_no_part_of_any_request(kind, bad, paths):
    many = [message(reference=f"ref-{row}", text="" if row in bad else TEXT) for row in range(3)]
    batch = OK.of_json({"ids": [f"id-{row}" for row in range(3 - len(bad))]})
    seen, results = requests(attempt_batch(kind(), many), *[batch if path == "batch" else OK for path in paths])
    assert seen == paths
    assert [row for row, result in enumerate(results) if isinstance(result.error, ContentError)] == list(bad)
    assert [result.message for result in results] == many
    assert sum(result.sent is not None for result in results) == 3 - len(bad)


def test_what_a_code_may_say_is_another_matter_than_what_a_text_may():
    class Sober(HttpProvider):
        verification_supports = frozenset({"valid_until"})

    sender, until = {"sender": "ACME"}, {"valid_until": datetime.now(UTC) + timedelta(hours=1)}
    assert drive(attempt(Sober(), message(**sender)), OK).id == "vendor-1"
    assert drive(attempt_verification(Sober(), message(text="", **until)), OK).id == "vendor-1"
    for flow in (attempt_verification(Sober(), message(text="", **sender)), attempt(Sober(), message(**until))):
        with pytest.raises(UnsupportedError):
            drive(flow)


@pytest.mark.parametrize(
    ("before", "kind"),
    [([], UnsupportedError), ([HttpRequest.get(SEND.url)], UnsupportedError), ([SEND], UncertainError)],
)
def test_what_cannot_be_expressed_was_not_sent_unless_something_had_left(before, kind):
    def send(self, message):
        for step in before:
            yield from step
        raise self.unsupported("this")

    with pytest.raises(SendError) as caught:
        drive(attempt(provider(send), message()), *[OK] * len(before))
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("sent", "until", "reason"),
    [(None, 0, "expired"), (None, 1, None), (60, 60, "expired"), (60, 61, None), (60, 59, "expired"), (-5, 1, None)],
)
def test_a_text_is_of_use_until_its_end_and_not_at_it(sent, until, reason):
    class Dated(HttpProvider):
        supports = frozenset({"send_at", "valid_until"})

    at = {} if sent is None else {"send_at": NOW + timedelta(seconds=sent)}
    view = foresee(Dated(), message(valid_until=NOW + timedelta(seconds=until), **at), now=NOW)
    assert (view.verdict, view.account, view.provider) == (
        "would refuse" if reason else "would send",
        "scripted",
        "scripted",
    )
    if reason:
        assert (type(view.error), view.error.reason, view.error.fault) == (RefusedError, reason, "message")
        assert view.words == str(view.error)


@pytest.mark.parametrize(
    ("field", "value", "kind", "reason"),
    [
        ("to", 919876543210, RecipientError, "not-a-number"),
        ("to", None, RecipientError, "not-a-number"),
        ("text", 4711, ContentError, "not-text"),
        ("text", None, ContentError, "not-text"),
        ("text", b"text", ContentError, "not-text"),
    ],
)
def test_what_is_no_string_is_refused_with_its_reference_as_a_type_error_too(field, value, kind, reason):
    given = message()
    object.__setattr__(given, field, value)
    with pytest.raises(kind) as caught:
        prepare(given, None)
    assert isinstance(caught.value, TypeError)
    assert (caught.value.reason, caught.value.reference) == (reason, "ref-1")


@pytest.mark.parametrize(
    "answer",
    [
        lambda given: Result(index=0, message=given),
        lambda given: Result(index=1, message=given, error=RefusedError()),
        lambda given: Result(index=True, message=given, error=RefusedError()),
        lambda given: Result(index=0, message=given, sent=HttpProvider().accepted(given, id="")),
        lambda given: Result(index=0, message=given, sent=HttpProvider().accepted(message(reference="x"), id="1")),
        lambda given: Result(index=0, message=given, sent=HttpProvider().accepted(given, id="1"), error=RefusedError()),
        lambda given: None,
    ],
)
def test_a_row_of_a_batch_that_says_nothing_for_certain_leaves_its_text_in_doubt(answer):
    def send_batch(self, messages):
        yield from SEND
        sent = Result(index=1, message=messages[1], sent=self.accepted(messages[1], id="2"))
        return [answer(messages[0]), sent]

    results = drive(attempt_batch(provider(base=BatchProvider, send_batch=send_batch), texts(2)), OK)
    assert type(results[0].error) is UncertainError
    assert (results[1].sent and results[1].sent.id) in ("2", None)


@pytest.mark.parametrize("kind", [ContentError, UncertainError, SendError])
@pytest.mark.parametrize("quoted", [0, 1])
def test_what_a_vendor_says_of_one_text_of_a_batch_quotes_none_of_its_texts(kind, quoted):
    """Vendors mix up the answers of rows."""

    def send_batch(self, messages):
        yield from SEND
        words = f"row 1 is like {messages[quoted].text} to {messages[quoted].to}"
        return [Result(index=0, message=messages[0], error=kind(detail=words))]

    sent = [message(), message(to="+919876500000", text="SECRET-NEIGHBOUR-4711", reference="ref-2")]
    first, _ = drive(attempt_batch(provider(base=BatchProvider, send_batch=send_batch), sent), OK)
    assert "row 1 is like" in str(first.error)
    assert sent[quoted].text not in f"{first.error} {first.error!r} {first.error.detail}"
    assert sent[quoted].to not in f"{first.error} {first.error!r} {first.error.detail}"


def test_a_number_of_a_bug_is_not_told():
    def send(self, message):
        raise LookupError(message.to)
        yield

    with pytest.raises(ProviderBugError) as caught:
        drive(attempt(provider(send), message()))
    assert TO not in f"{caught.value} {caught.value!r}"
    assert caught.value.detail == "LookupError"
