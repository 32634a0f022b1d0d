"""Three outcomes, never two: a request that left without an explanation is uncertain, and every message has exactly one outcome."""

from __future__ import annotations

import contextlib
import json
import traceback
from collections import Counter
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripted import OK, TEXT, TO, TOKEN, URL, BatchProvider, HttpProvider, Recorder, drive, driven, message, provider
from smsbridge import sending
from smsbridge.attempts import attempt, attempt_batch, attempt_each, attempt_verification, prepare, query
from smsbridge.errors import (
    AuthenticationError,
    ConfigurationError,
    ContentError,
    NoAnswer,
    NotConnected,
    NotFoundError,
    OptedOutError,
    ProviderBugError,
    QueryError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SendError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
    VetoedError,
)
from smsbridge.flow import Driven, Dropped, Tell
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Call, HttpRequest, HttpResponse, Wait
from smsbridge.messages import Dlt, Message, Result
from smsbridge.plugins import Plugins
from smsbridge.policies.policy import Policy
from smsbridge.sending import deliver, deliver_batch, deliver_rows, deliver_verification
from smsbridge.told import Told

ASK = HttpRequest.get(URL)
SEND = HttpRequest.post_json(URL, {}, sends=True)
CUT = HttpResponse(status=200, body=b'{"id": "1"', complete=False)


class Cancelled(BaseException):
    """Like asyncio.CancelledError and KeyboardInterrupt, which a provider must not catch."""


def outcome(flow, *answers):
    try:
        return drive(flow, *answers)
    except (SendError, QueryError) as error:
        return error


def flow_of(*steps, end=None):
    """A provider whose flow asks for ``steps`` and then returns or raises ``end`` (None: accepted)."""

    def send(self, message):
        for step in steps:
            yield from step
        if isinstance(end, Exception):
            raise end
        return self.accepted(message, id="1") if end is None else end

    return provider(send)


# --- an attempt -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (NotConnected("connection refused"), UnavailableError, "connection refused"),
        (NotConnected("no such host"), UnavailableError, "no such host"),
        (NotConnected("TLS: certificate has expired"), UnavailableError, "certificate has expired"),
        (NotConnected("time-out while connecting"), UnavailableError, "time-out while connecting"),
        (NoAnswer("time-out while reading"), UncertainError, "time-out while reading"),
        (HttpResponse(status=401), AuthenticationError, "check the credentials"),
        (HttpResponse(status=403), AuthenticationError, "IP allow list"),
        (HttpResponse(status=404), RefusedError, "base URL"),
        (HttpResponse(status=409), RefusedError, "409 Conflict"),
        (HttpResponse(status=422), RefusedError, "422"),
        (HttpResponse(status=429), RateLimitedError, "429"),
        (HttpResponse(status=429, headers={"retry-after": "7"}), RateLimitedError, "retry after 7 s"),
        (HttpResponse(status=500), UncertainError, "500"),
        (HttpResponse(status=502, body=b"<html>"), UncertainError, "502 Bad Gateway"),
        (HttpResponse(status=200, body=b"<html>"), UncertainError, "not JSON"),
        (HttpResponse(status=200), UncertainError, "not JSON"),
        (CUT, UncertainError, "cut off"),
        (HttpResponse(status=200, body=b'{"id": \xff}'), UncertainError, "not JSON"),
        (HttpResponse(status=200, body=b"[]"), UncertainError, "not an object"),
        (HttpResponse(status=200, body=b"{}"), UncertainError, "could not read the answer (KeyError)"),
        (RuntimeError("SECRET"), UncertainError, "RuntimeError"),
    ],
)
def test_what_becomes_of_a_text_follows_from_the_answer(answer, kind, words):
    error = outcome(attempt(HttpProvider(account="otp"), message()), answer)
    assert type(error) is kind
    assert words in str(error)
    assert "SECRET" not in str(error)
    assert (error.account, error.provider, error.reference) == ("otp", "scripted", "ref-1")


def test_an_accepted_text_is_a_sent_message():
    sent = drive(attempt(HttpProvider(), message()), OK)
    assert (sent.id, sent.reference, sent.to) == ("vendor-1", "ref-1", TO)


STEPS = {"ask": ASK, "send": SEND, "wait": Wait(1), "call": Call(print), "work": Call(print, sends=True)}
TROUBLE = {"not connected": NotConnected, "no answer": NoAnswer, "bug": RuntimeError, "cancelled": Cancelled}
ENDS = {
    "accepted": None,
    "junk": {"id": 1},
    "bug": ValueError(),
    "query": QueryError(),
    "unsupported": UnsupportedError(),
    "refused": OptedOutError(),
    "uncertain": UncertainError(),
    "bare": SendError(),
}


def expected(steps, end):
    """A simple model of ``attempt``: the kind of error, or None for accepted."""
    left = False
    for kind, trouble in steps:
        sends = kind in {"send", "work"}
        if trouble == "answered":
            left = left or sends
            continue
        left = left or (sends and trouble != "not connected")
        if left:
            return UncertainError
        return {"bug": ProviderBugError, "cancelled": RefusedError}.get(trouble, UnavailableError)
    unexplained = UncertainError if left else ProviderBugError
    return {
        "accepted": None,
        "refused": OptedOutError,
        "unsupported": unexplained if left else UnsupportedError,
        # Without any step, the provider's own outcome counts. Before the step that sends, the text cannot have been sent.
        "uncertain": UncertainError if left or not steps else UnavailableError,
        "bare": UncertainError if left else RefusedError,
    }.get(end, unexplained)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(["answered"] * 4 + sorted(TROUBLE))), max_size=5
    ),
    st.sampled_from(sorted(ENDS)),
)
def test_what_left_and_was_not_explained_is_uncertain_and_all_else_is_not(steps, end):
    answers = [OK if trouble == "answered" else TROUBLE[trouble]() for _, trouble in steps]
    stop = next((at + 1 for at, answer in enumerate(answers) if isinstance(answer, BaseException)), len(answers))
    flow = attempt_each(flow_of(*(STEPS[kind] for kind, _ in steps), end=ENDS[end]), [message()])
    (ended,), _ = outcome(flow, *answers[:stop])
    result = ended.error or ended.sent
    kind = expected(steps, end)
    assert (type(result) if isinstance(result, Exception) else None) is kind


@given(st.lists(st.sampled_from(["answered", "not connected", "no answer"]), max_size=6), st.booleans())
def test_a_provider_that_insists_cannot_send_again_after_a_request_without_an_answer(script, work):
    def send(self, message):
        for _ in script:
            try:
                yield from STEPS["work" if work else "send"]
            except (NoAnswer, NotConnected):
                continue
        return self.accepted(message, id="1")

    flow = attempt(provider(send), message())
    asked = script[: script.index("no answer") + 1] if "no answer" in script else script
    result = outcome(flow, *(OK if answer == "answered" else TROUBLE[answer]() for answer in asked))
    insists = len(script) > len(asked)
    assert isinstance(result, UncertainError) == insists


def test_a_step_that_needs_no_provider_may_follow_a_request_without_an_answer():
    def send(self, message):
        try:
            yield from SEND
        except NoAnswer:
            yield from ASK
        return self.accepted(message, id="found")

    assert drive(attempt(provider(send), message()), NoAnswer(), OK).id == "found"


def test_a_method_that_is_no_flow_is_a_bug_of_the_provider():
    error = outcome(attempt(provider(lambda self, message: None), message()))
    assert type(error) is ProviderBugError
    assert "yield from ()" in str(error)


def test_a_bug_is_shown_by_its_place_and_not_by_its_words():
    error = outcome(attempt(flow_of(end=ValueError("SECRET")), message()))
    assert type(error) is ProviderBugError
    notes = "\n".join(error.__notes__)
    assert "test_sending.py" in notes
    assert "raise end" in notes
    assert "ValueError" in notes
    assert "SECRET" not in notes + str(error)


@pytest.mark.parametrize("operation", [attempt, attempt_verification])
@pytest.mark.parametrize("bug", [ValueError("x"), UncertainError(), OptedOutError()])
def test_an_error_carries_no_cause_and_no_frame_of_the_provider(operation, bug):
    def fails(self, message):
        private = self.token.get_secret_value()
        yield from SEND
        try:
            raise KeyError(private)
        except KeyError:
            raise bug  # noqa: B904

    error = outcome(operation(provider(fails, start_verification=fails), message()), OK)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "fails" not in [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_what_a_provider_returned_instead_is_in_no_frame():
    flow = attempt(flow_of(SEND, end={"text": TEXT, "token": TOKEN}), message())
    with pytest.raises(UncertainError) as caught:
        drive(flow, OK)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = str([frame.locals for frame in shown.stack if frame.filename.endswith("sending.py")])
    assert TEXT not in ours
    assert TOKEN not in ours


@pytest.mark.parametrize("field", ["message", "detail", "reason", "code"])
def test_a_vendor_that_quotes_what_it_was_sent_is_not_repeated(field):
    words = f"{TOKEN} {TEXT} {TO} 919876543210 9876543210"
    error = RefusedError(**{field: words}) if field != "message" else RefusedError(words)
    caught = outcome(attempt(flow_of(SEND, end=error), message()), OK)
    assert type(caught) is RefusedError
    for private in (TOKEN, TEXT, "9876543210"):
        assert private not in f"{caught} {caught!r} {caught.args} {vars(caught)}"


def noted(kind):
    error = kind()
    error.add_note(TOKEN)
    return error


@pytest.mark.parametrize("kind", [RefusedError, UncertainError, UnsupportedError])
def test_a_note_that_is_not_ours_is_dropped_because_it_may_hold_anything(kind):
    error = outcome(attempt(flow_of(end=noted(kind)), message()))
    assert type(error) is kind
    assert error.__notes__ == []
    vetoed = outcome(deliver(Plugins(Veto(noted(OptedOutError))), HttpProvider(), message()))
    assert vetoed.__notes__ == []
    made = HttpProvider()
    assert outcome(query(made, made.balance), noted(QueryError)).__notes__ == []


def test_the_place_of_a_bug_is_known_through_another_attempt_too():
    error = outcome(attempt(Twice(inner=flow_of(end=ValueError("SECRET"))), message()))
    assert "ValueError" in error.__notes__


def test_a_single_text_that_is_refused_at_its_second_sending_step_is_refused():
    """The provider has read both answers. In a batch, the second answer says nothing about earlier texts."""
    steps = flow_of(SEND, SEND, end=OptedOutError())
    assert type(outcome(attempt(steps, message()), OK, OK)) is OptedOutError
    batch = provider(base=BatchProvider, send_batch=lambda self, messages: steps.send(messages[0]))
    results = drive(attempt_batch(batch, [message(reference=name) for name in "ab"]), OK, OK)
    assert [type(result.error) for result in results] == [UncertainError, UncertainError]


def test_a_vendors_words_are_one_line_of_bounded_length():
    error = outcome(attempt(flow_of(SEND, end=RefusedError(detail="a\n\tb " + "no such sender " * 700)), message()), OK)
    assert error.detail.startswith("a b no such sender no")
    assert len(error.detail) < 600


def test_an_error_that_a_provider_raises_again_and_again_belongs_to_each_message_by_itself():
    shared = OptedOutError()
    errors = [outcome(attempt(flow_of(end=shared), message(reference=name))) for name in ("a", "b")]
    assert [error.reference for error in errors] == ["a", "b"]


# --- before a request -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "kind", "reason", "words"),
    [
        ({"text": ""}, ContentError, "empty", "the text is empty"),
        ({"text": "a\ud83d"}, ContentError, "not-unicode", "half a character"),
        ({"sender": "\ud83d"}, ContentError, "not-unicode", "half a character"),
        ({"dlt": Dlt(entity_id="\ud83d")}, ContentError, "not-unicode", "half a character"),
        ({"dlt": Dlt(template_id="\ud83d")}, ContentError, "not-unicode", "half a character"),
        ({"options": {"scripted": {"flsh": True}}}, UnsupportedError, None, "these options, or their values: flsh"),
        ({"valid_until": "soon"}, UnsupportedError, None, "these fields of a message: valid_until"),
    ],
)
def test_a_message_that_cannot_be_sent_as_it_is_is_refused_before_any_step(fields, kind, reason, words):
    if "valid_until" in fields:
        from datetime import UTC, datetime

        fields = {"valid_until": datetime.now(UTC)}
    error = outcome(attempt(HttpProvider(), message(**fields)))
    assert type(error) is kind
    assert getattr(error, "reason", None) == reason
    assert words in str(error)
    assert (error.account, error.reference) == ("scripted", "ref-1")


def test_a_check_that_fails_is_a_bug_and_one_that_refuses_is_a_refusal():
    def check(error):
        def raises(self, message, *, verification=False):
            raise error

        return provider(check=raises)

    assert type(outcome(attempt(check(ValueError()), message()))) is ProviderBugError
    assert type(outcome(attempt(check(ContentError(reason="too-long")), message()))) is ContentError


def test_a_verification_needs_no_text():
    assert drive(attempt_verification(HttpProvider(), message(text="")), OK).id == "vendor-1"


@pytest.mark.parametrize(
    ("answer", "kind"), [(NoAnswer(), UncertainError), (NotConnected(), UnavailableError), (CUT, UncertainError)]
)
def test_a_verification_has_the_same_three_outcomes(answer, kind):
    assert type(outcome(attempt_verification(HttpProvider(), message()), answer)) is kind


def test_a_verification_that_is_not_supported_says_so():
    made = provider(start_verification=lambda self, message: self._no(), _no=lambda self: 1 / 0)
    assert type(outcome(attempt_verification(made, message()))) is ProviderBugError


def test_prepare_gives_a_number_and_a_reference_and_keeps_yours():
    made = prepare(Message(to="98765 43210", text="x"), "IN")
    assert made.to == TO
    assert len(made.reference) == 32
    assert made.reference.isalpha()  # a log would mask digits
    assert prepare(message(), None).reference == "ref-1"
    assert prepare(Message(to=TO, text="x"), None).reference != made.reference


def test_a_bad_number_has_a_reference_too_and_its_error_does_not_show_it():
    with pytest.raises(RecipientError) as caught:
        prepare(message(to="+91987654321098765"), None)
    assert caught.value.reference == "ref-1"
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "987654321098765" not in str([frame.locals for frame in shown.stack if "smsbridge" in frame.filename])


# --- hooks around a send --------------------------------------------------------------------------------------------------


class Veto:
    def __init__(self, error):
        self.error = error

    @hookimpl
    def smsbridge_before_send(self, message):
        raise self.error


@pytest.mark.parametrize("operation", [deliver, deliver_verification])
def test_an_accepted_message_is_told_before_and_after(operation):
    recorder = Recorder()
    sent = drive(operation(Plugins(recorder), HttpProvider(), message()), OK)
    assert recorder.calls == [("before", "ref-1", None), ("after", "ref-1", sent)]


@pytest.mark.parametrize("operation", [deliver, deliver_verification])
def test_a_failed_message_is_told_before_and_failed_with_the_error_that_is_raised(operation):
    recorder = Recorder()
    error = outcome(operation(Plugins(recorder), HttpProvider(), message()), NoAnswer())
    assert recorder.names == ["before", "failed"]
    assert recorder.outcome("ref-1") is error


@pytest.mark.parametrize("operation", [deliver, deliver_verification])
def test_a_hook_that_raises_stops_the_message_before_any_step(operation):
    recorder = Recorder()
    error = outcome(operation(Plugins(recorder, Veto(LookupError("quota"))), HttpProvider(), message()))
    assert type(error) is VetoedError
    assert "LookupError: quota" in str(error)
    assert recorder.names == ["before", "failed"]


def test_a_hook_may_say_why_it_refuses_but_not_that_it_does_not_know():
    def vetoed(error):
        return outcome(deliver(Plugins(Veto(error)), HttpProvider(), message()))

    assert type(vetoed(OptedOutError())) is OptedOutError
    assert type(vetoed(UncertainError())) is VetoedError
    assert type(vetoed(UnsupportedError())) is UnsupportedError
    assert type(vetoed(ConfigurationError())) is VetoedError


def test_a_hook_that_raises_one_error_again_and_again_refuses_each_message_by_itself():
    plugins = Plugins(Veto(OptedOutError()))
    errors = [outcome(deliver(plugins, HttpProvider(), message(reference=name))) for name in ("a", "b")]
    results = drive(deliver_batch(plugins, BatchProvider(), [message(reference=name) for name in ("c", "d")]))
    errors += [result.error for result in results]
    assert [error.reference for error in errors] == ["a", "b", "c", "d"]
    assert len({id(error) for error in errors}) == 4


def test_what_a_hook_quoted_is_not_repeated():
    with pytest.raises(VetoedError) as caught:
        drive(deliver(Plugins(Veto(ValueError(f"no {TEXT} to {TO}"))), HttpProvider(), message()))
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = f"{caught.value} {[frame.locals for frame in shown.stack if frame.filename.endswith('sending.py')]}"
    assert TEXT not in ours
    assert TO not in ours


@pytest.mark.parametrize("secret", [TOKEN, TO[1:], quote(TEXT), TEXT.upper()])
def test_nor_is_it_in_a_form_of_the_hooks_own_or_a_secret_of_the_provider(secret):
    with pytest.raises(VetoedError) as caught:
        drive(deliver(Plugins(Veto(ValueError(f"no {secret} here"))), HttpProvider(), message()))
    assert secret not in f"{caught.value} {caught.value!r} {caught.value.detail}"


class RaisesAfter:
    @hookimpl
    def smsbridge_after_send(self):
        raise LookupError

    @hookimpl
    def smsbridge_send_failed(self):
        raise LookupError


def test_a_hook_that_fails_after_acceptance_changes_nothing(caplog):
    assert drive(deliver(Plugins(RaisesAfter()), HttpProvider(), message()), OK).id == "vendor-1"
    assert type(outcome(deliver(Plugins(RaisesAfter()), HttpProvider(), message()), NoAnswer())) is UncertainError
    assert caplog.text.count("LookupError") == 2


@pytest.mark.parametrize(("at", "kind"), [(ASK, RefusedError), (SEND, UncertainError)])
def test_a_cancelled_send_tells_the_hooks_whether_it_may_have_been_sent(at, kind):
    recorder = Recorder()
    with pytest.raises(Cancelled):
        drive(deliver(Plugins(recorder), flow_of(at), message()), Cancelled())
    error = recorder.outcome("ref-1")
    assert type(error) is kind
    assert (error.reason, error.fault, error.reference) == ("cancelled", "local", "ref-1")


@pytest.mark.parametrize(("left", "kind"), [(False, RefusedError), (True, UncertainError)])
def test_where_not_even_the_end_was_noted_the_hooks_are_told_whether_it_may_have_been_sent(left, kind):
    recorder = Recorder()
    told = Told(Plugins(recorder), HttpProvider(), message())
    assert told.begin() is None
    told.left = told.left or left
    for _ in "12":
        told.finish()
    assert (type(told.end), told.end.reason) == (kind, "cancelled")
    assert recorder.names == ["before", "failed"]
    assert recorder.outcome("ref-1") is told.end


def test_hooks_that_an_interruption_kept_from_the_beginning_are_told_of_it_before_the_end():
    calls = []

    class Noting:
        @hookimpl
        def smsbridge_before_send(self):
            calls.append(("before", self))

        @hookimpl
        def smsbridge_send_failed(self):
            calls.append(("failed", self))

    told = Told(Plugins(Noting(), Noting()), HttpProvider(), message())
    told.begin()
    first, second = (who for _, who in calls)
    del told._before._made[1:], calls[:]  # as if Ctrl-C had come between the two
    told.finish()
    assert calls == [("before", second), ("failed", first), ("failed", second)]


def test_a_send_that_is_dropped_half_way_tells_the_hooks_that_it_may_have_been_sent():
    recorder = Recorder()
    flow = deliver(Plugins(recorder), flow_of(SEND), message())
    tell = next(flow)
    assert isinstance(flow.send(tell.function(*tell.args)), HttpRequest)
    flow.close()
    assert type(recorder.outcome("ref-1")) is UncertainError


class Twice(Policy):
    """Sends again texts that were certainly not sent."""

    name = "twice"

    def carry(self, batch):
        answers = yield from batch.through(self.inner, [0])
        if isinstance(answers[0].error, RefusedError):
            answers = yield from batch.through(self.inner, [0])
        batch.take(answers)
        batch.give_up([0])


def test_a_cancelled_attempt_inside_another_is_the_same_cancellation():
    recorder = Recorder()
    with pytest.raises(Cancelled):
        drive(deliver(Plugins(recorder), Twice(inner=HttpProvider()), message()), NotConnected(), Cancelled())
    assert type(recorder.outcome("ref-1")) is UncertainError


def test_an_attempt_inside_another_keeps_its_account_and_its_outcome():
    outer = Twice(inner=HttpProvider(account="inner"))
    assert drive(attempt(outer, message()), NotConnected(), OK).account == "inner"
    error = outcome(attempt(outer, message()), NotConnected(), HttpResponse(status=401))
    assert (type(error), error.account) == (AuthenticationError, "inner")
    assert type(outcome(attempt(outer, message()), NoAnswer())) is UncertainError


def test_a_cancellation_shows_no_frame_of_the_provider():
    with pytest.raises(Cancelled) as caught:
        drive(deliver(Plugins(), flow_of(SEND), message()), Cancelled())
    assert "send" not in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


# --- batches --------------------------------------------------------------------------------------------------------------

NUMBERS = [f"+9198765432{n:02}" for n in range(16)]


def messages(count):
    return [message(to=NUMBERS[n], reference=f"ref-{n}") for n in range(count)]


class Vendor:
    """A vendor for batches that knows the accepted numbers. ``bad`` numbers make it refuse the whole request."""

    def __init__(self, bad=(), script=()):
        self.bad = set(bad)
        self.script = list(script)
        self.accepted = Counter()
        self.requests = 0

    def __call__(self, request):
        self.requests += 1
        what = self.script.pop(0) if self.script else "works"
        body = json.loads(request.body)
        numbers = [to for to, _ in body["texts"]] if "texts" in body else [body["to"]]
        if what == "not connected":
            return NotConnected()
        if what in {"lost request", "cancelled before"}:
            return NoAnswer() if what == "lost request" else Cancelled()
        if self.bad & set(numbers):
            return HttpResponse(status=400)
        self.accepted.update(numbers)
        return {
            "works": HttpResponse.of_json({"id": "1", "ids": numbers}),
            "lost answer": NoAnswer(),
            "error": HttpResponse(status=500),
            "cut": CUT,
            "cancelled after": Cancelled(),
            "closed": "closed",
        }[what]


def run(flow, vendor):
    """Drive ``flow`` with ``vendor``; None if it was cancelled or dropped."""

    def reply(step):
        answer = vendor(step)
        return Dropped() if answer == "closed" else answer

    try:
        return driven(flow, reply)
    except (Cancelled, Dropped):
        return None


SCRIPT = ["works", "not connected", "lost request", "lost answer", "error", "cut"]
STOPS = ["cancelled before", "cancelled after", "closed"]


class Vetoes(Recorder):
    def __init__(self, vetoed):
        super().__init__()
        self.vetoed = vetoed

    @hookimpl
    def smsbridge_before_send(self, message):
        super().smsbridge_before_send(message)
        if message.reference in self.vetoed:
            raise LookupError


@settings(max_examples=200)
@given(
    st.integers(1, 8),
    st.sets(st.integers(0, 7), max_size=3),
    st.sets(st.integers(0, 7), max_size=3),
    st.lists(st.sampled_from(["works"] * 6 + SCRIPT + STOPS), max_size=8),
)
def test_whatever_happens_each_message_has_one_outcome_and_it_is_true(count, bad, vetoed, script):
    rows = messages(count)
    vendor = Vendor({NUMBERS[n] for n in bad}, script)
    hooks = Vetoes({f"ref-{n}" for n in vetoed})
    results = run(deliver_batch(Plugins(hooks), BatchProvider(), rows), vendor)

    assert Counter(hooks.names)["before"] == count
    for row, each_row in enumerate(rows):
        told = hooks.outcome(each_row.reference)  # exactly one of after and failed
        accepted = vendor.accepted[each_row.to]
        assert accepted <= 1
        if isinstance(told, RefusedError):
            assert accepted == 0
        elif not isinstance(told, SendError):
            assert accepted == 1
        if isinstance(told, SendError):
            assert told.reference == each_row.reference
        if row in vetoed:
            assert type(told) is VetoedError
        if results is not None:
            result = results[row]
            assert (result.index, result.message) == (row, each_row)
            assert (result.sent or result.error) is told
    failed = [what for name, _, what in hooks.calls if name == "failed"]
    assert len({id(error) for error in failed}) == len(failed)


@given(st.integers(1, 16), st.sets(st.integers(0, 15), max_size=4))
def test_bad_numbers_fail_alone(count, bad):
    vendor = Vendor({NUMBERS[n] for n in bad})
    results = run(attempt_batch(BatchProvider(), messages(count)), vendor)
    assert {result.index for result in results if result.error} == {n for n in bad if n < count}
    assert vendor.accepted == Counter(NUMBERS[n] for n in range(count) if n not in bad)


def test_of_a_cancelled_batch_each_row_is_told_what_is_known_of_it():
    recorder = Recorder()
    vendor = Vendor({NUMBERS[0]}, ["works", "works", "works", "works", "cancelled after"])  # 0-7, 0-3, 0-1, 0, then 1
    assert run(deliver_batch(Plugins(recorder), BatchProvider(), messages(8)), vendor) is None
    told = [recorder.outcome(f"ref-{row}") for row in range(8)]
    assert [type(error) for error in told[:2]] == [RefusedError, UncertainError]
    assert {(type(error), error.reason) for error in told[2:]} == {(RefusedError, "cancelled")}
    assert vendor.accepted == Counter([NUMBERS[1]])


def test_of_a_batch_that_is_dropped_half_way_what_is_known_stays_known():
    recorder = Recorder()
    vendor = Vendor({NUMBERS[0]}, ["works", "works", "works", "closed"])  # 0-3, 0-1, 0 (refused), then 1
    assert run(deliver_batch(Plugins(recorder), BatchProvider(), messages(4)), vendor) is None
    told = [type(recorder.outcome(f"ref-{row}")) for row in range(4)]
    assert told == [RefusedError, UncertainError, RefusedError, RefusedError]


@pytest.mark.parametrize("status", [401, 402, 403, 404, 429])
def test_a_batch_that_is_refused_for_the_accounts_fault_is_not_tried_again(status):
    results = drive(attempt_batch(BatchProvider(), messages(4)), HttpResponse(status=status))
    assert {type(result.error) for result in results} == {type(HttpResponse(status=status).error())}


@pytest.mark.parametrize("answer", [NoAnswer(), HttpResponse(status=500), CUT, OK])
def test_an_uncertain_batch_is_never_sent_again_and_each_row_has_an_error_of_its_own(answer):
    results = drive(attempt_batch(BatchProvider(), messages(4)), answer)
    assert {type(result.error) for result in results} == {UncertainError}
    assert [result.error.reference for result in results] == ["ref-0", "ref-1", "ref-2", "ref-3"]
    assert len({id(result.error) for result in results}) == 4
    results[0].error.add_note("mine")
    assert "mine" not in getattr(results[1].error, "__notes__", [])


@pytest.mark.parametrize("status", [400, 402])
def test_a_batch_whose_second_request_is_refused_is_uncertain_and_never_sent_again(status):
    def send_batch(self, messages):
        yield from SEND
        raise (yield from SEND).error()

    made = provider(base=BatchProvider, send_batch=send_batch)
    results = drive(attempt_batch(made, messages(4)), OK, HttpResponse(status=status))
    assert {(type(result.error), result.error.code) for result in results} == {(UncertainError, str(status))}


def test_a_message_that_cannot_be_sent_does_not_hold_up_the_batch():
    rows = [message(text="", reference="empty"), *messages(2), message(sender="x" * 3, dlt=None, reference="ok")]
    results = drive(attempt_batch(BatchProvider(), rows), HttpResponse.of_json({"ids": ["a", "b", "c"]}))
    assert [type(result.error) for result in results] == [ContentError, type(None), type(None), type(None)]
    assert [result.sent.id for result in results[1:]] == ["a", "b", "c"]


def test_a_batch_of_one_is_an_ordinary_send():
    (result,) = drive(attempt_batch(BatchProvider(), messages(1)), OK)
    assert result.sent.id == "vendor-1"


def test_an_empty_batch_needs_no_step():
    assert drive(attempt_batch(BatchProvider(), [])) == []
    assert drive(deliver_batch(Plugins(), BatchProvider(), [])) == []


def rows_of(make):
    """A provider whose batches return the rows of ``make(self, messages)``."""

    def send_batch(self, messages):
        yield from SEND
        return make(self, messages)

    return provider(base=BatchProvider, send_batch=send_batch)


def good(self, messages, index):
    return Result(index=index, message=messages[index], sent=self.accepted(messages[index], id=str(index)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda self, rows: [good(self, rows, 0)], "no row for this message"),
        (
            lambda self, rows: [good(self, rows, 0), good(self, rows, 1), good(self, rows, 1)],
            "several rows, or an invalid row",
        ),
        (lambda self, rows: [good(self, rows, 0), Result(index=1, message=rows[1])], "several rows, or an invalid row"),
        (
            lambda self, rows: [
                good(self, rows, 0),
                Result(index=1, message=rows[1], sent=self.accepted(rows[1], id="1"), error=OptedOutError()),
            ],
            "several rows, or an invalid row",
        ),
        (lambda self, rows: [good(self, rows, 0), Result(index=7, message=rows[1])], "no row for this message"),
        (lambda self, rows: [good(self, rows, 0), self.accepted(rows[1], id="1")], "no row for this message"),
        (lambda self, rows: [good(self, rows, 0), None], "no row for this message"),
        (lambda self, rows: [good(self, rows, 0), Result(index=[1], message=rows[1])], "no row for this message"),
        (
            lambda self, rows: [good(self, rows, 0), Result(index=1, message=rows[1], error="no")],
            "several rows, or an invalid row",
        ),
        (
            lambda self, rows: [
                good(self, rows, 0),
                Result(index=1, message=rows[1], sent=self.accepted(rows[0], id="1")),
            ],
            "several rows, or an invalid row",
        ),
        (
            lambda self, rows: [
                good(self, rows, 0),
                Result(index=1, message=rows[1], sent=self.accepted(rows[1], id="")),
            ],
            "several rows, or an invalid row",
        ),
        (
            lambda self, rows: [good(self, rows, 0), Result(index=1, message=rows[1], sent={"id": 1})],
            "several rows, or an invalid row",
        ),
        (
            lambda self, rows: [good(self, rows, 0), Result(index=1, message=rows[1], error=SendError())],
            "may or may not",
        ),
    ],
)
def test_a_row_that_is_missing_or_makes_no_sense_is_uncertain_and_the_others_are_not(make, words):
    recorder = Recorder()
    first, second = drive(deliver_batch(Plugins(recorder), rows_of(make), messages(2)), OK)
    assert first.sent.id == "0"
    assert type(second.error) is UncertainError
    assert words in str(second.error)
    assert recorder.outcome("ref-1") is second.error


def test_rows_may_come_in_any_order_with_any_message():
    made = rows_of(lambda self, rows: [good(self, rows, 1), good(self, rows, 0)])
    results = drive(attempt_batch(made, messages(2)), OK)
    assert [(result.index, result.sent.id, result.message.to) for result in results] == [
        (0, "0", NUMBERS[0]),
        (1, "1", NUMBERS[1]),
    ]


def test_rows_that_share_one_error_get_a_copy_each():
    shared = OptedOutError(detail=f"{TEXT} {TO}")
    made = rows_of(lambda self, rows: [Result(index=n, message=row, error=shared) for n, row in enumerate(rows)])
    results = drive(attempt_batch(made, messages(3)), OK)
    assert [result.error.reference for result in results] == ["ref-0", "ref-1", "ref-2"]
    assert all(TEXT not in str(result.error) for result in results)


def test_something_else_than_rows_is_uncertain_for_all():
    results = drive(attempt_batch(rows_of(lambda self, rows: {"ok": True}), messages(2)), OK)
    assert {type(result.error) for result in results} == {UncertainError}


def test_a_batch_method_that_is_no_flow_is_a_bug_for_each_row():
    results = drive(attempt_batch(provider(base=BatchProvider, send_batch=lambda self, rows: []), messages(2)))
    assert {type(result.error) for result in results} == {ProviderBugError}


# --- queries --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "facts"),
    [
        (HttpResponse(status=401), {"authentication": True, "retryable": False, "code": "401"}),
        (HttpResponse(status=403), {"authentication": True, "retryable": False}),
        (
            HttpResponse(status=429, headers={"retry-after": "3"}),
            {"rate_limited": True, "retryable": True, "retry_after": 3},
        ),
        (HttpResponse(status=500), {"retryable": True, "authentication": False}),
        (HttpResponse(status=400), {"retryable": False}),
        (HttpResponse(status=200, body=b"<html>"), {"retryable": True}),
        (NotConnected("refused"), {"retryable": True, "detail": "refused"}),
        (NoAnswer("time-out"), {"retryable": True, "detail": "time-out"}),
        (ValueError("SECRET"), {"retryable": False}),
    ],
)
def test_a_failed_question_is_a_query_error(answer, facts):
    made = HttpProvider(account="otp")
    error = outcome(query(made, made.balance), answer)
    assert type(error) is QueryError
    assert {name: getattr(error, name) for name in facts} == facts
    assert error.account == "otp"
    assert "SECRET" not in str(error)
    assert error.__context__ is None


def test_not_found_stays_not_found_and_unsupported_is_a_question_that_failed():
    def raises(error):
        def start():
            raise error
            yield

        return start

    assert type(outcome(query(HttpProvider(), raises(NotFoundError())))) is NotFoundError
    error = outcome(query(HttpProvider(), raises(HttpProvider().unsupported("asking +919876543210"))))
    assert (type(error), error.reason, error.retryable, error.account) == (QueryError, "unsupported", False, "scripted")
    assert str(error) == "provider scripted does not support asking +91******3210"


def test_what_is_wrong_with_the_configuration_stays_that_and_quotes_nothing():
    def start():
        raise ConfigurationError("the token dummy-token of +919876543210 is unknown")
        yield

    with pytest.raises(ConfigurationError) as caught:
        drive(query(HttpProvider(token="dummy-token"), start))
    assert str(caught.value) == "the token *** of +91******3210 is unknown"
    assert caught.value.__context__ is None


def test_a_question_is_answered():
    made = HttpProvider()
    assert drive(query(made, made.balance), OK) == []


@pytest.mark.parametrize("fields", [{"id": ""}, {"id": 7}, {"id": "1", "to_other": True}])
def test_an_acceptance_without_an_id_or_of_another_message_is_uncertain(fields):
    def send(self, asked):
        yield from HttpRequest.post_json(URL, {}, sends=True)
        return self.accepted(message(reference="another") if "to_other" in fields else asked, id=fields["id"])

    with pytest.raises(UncertainError):
        drive(attempt(provider(send), message()), OK)


# --- failures of the sending itself ----------------------------------------------------------------------------------------


def texts(count):
    return [message(reference=f"ref-{row}") for row in range(count)]


class Interrupting(Recorder):
    """Presses Ctrl-C during a hook."""

    def __init__(self, *at):
        super().__init__()
        self.at = at

    @hookimpl
    def smsbridge_before_send(self, message):
        super().smsbridge_before_send(message)
        if "before" in self.at:
            raise KeyboardInterrupt(message.reference)

    @hookimpl
    def smsbridge_after_send(self, message, sent):
        super().smsbridge_after_send(message, sent)
        if "after" in self.at:
            raise KeyboardInterrupt(message.reference)


@pytest.mark.parametrize("operation", [deliver, deliver_verification])
def test_ctrl_c_while_hooks_are_told_before_leaves_the_text_certainly_not_sent(operation):
    hooks = Interrupting("before")
    with pytest.raises(KeyboardInterrupt):
        drive(operation(Plugins(hooks), HttpProvider(), message()))
    assert hooks.names == ["before", "failed"]
    assert (type(hooks.outcome("ref-1")), hooks.outcome("ref-1").reason) == (RefusedError, "cancelled")


def test_ctrl_c_while_hooks_are_told_of_the_first_of_many_leaves_the_others_unmentioned():
    hooks = Interrupting("before")
    with pytest.raises(KeyboardInterrupt, match="ref-0"):
        drive(deliver_batch(Plugins(hooks), HttpProvider(), texts(3)))
    assert [(name, reference) for name, reference, _ in hooks.calls] == [("before", "ref-0"), ("failed", "ref-0")]


def test_ctrl_c_while_hooks_are_told_after_is_raised_once_all_of_them_were_told():
    hooks = Interrupting("after")
    with pytest.raises(KeyboardInterrupt, match="ref-0"):
        drive(deliver_batch(Plugins(hooks), HttpProvider(), texts(3)), OK, OK, OK)
    assert hooks.names == ["before"] * 3 + ["after"] * 3


@pytest.mark.parametrize("times", [0, 1, 2])
def test_ctrl_c_before_the_hooks_can_be_told_of_the_end_and_again_at_the_next_try_keeps_it_from_none(
    monkeypatch, times
):
    finish, tries = sending._finish, []

    def interrupted(rows, results):
        tries.append(rows)
        if len(tries) <= times:
            raise KeyboardInterrupt
        finish(rows, results)

    monkeypatch.setattr(sending, "_finish", interrupted)
    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt) if times else contextlib.nullcontext():
        drive(deliver(Plugins(recorder), HttpProvider(), message()), OK)
    assert recorder.names == ["before", "after"]


def test_after_an_interruption_only_hooks_are_still_told():
    def tidies_up():
        try:
            yield Wait(1)
        finally:
            yield Tell(print)
            yield Wait(2)

    run = Driven(tidies_up())
    run.fail([KeyboardInterrupt()])
    assert isinstance(run.step, Tell)
    with pytest.raises(KeyboardInterrupt):
        run.answer(None)


def test_a_flow_that_goes_on_and_on_after_an_interruption_is_given_up():
    turns = []

    def insists():
        while len(turns) < 1000:
            turns.append("again")
            with contextlib.suppress(KeyboardInterrupt):
                yield Wait(1)

    flow = insists()
    run = Driven(flow)
    with pytest.raises(KeyboardInterrupt):
        run.fail([KeyboardInterrupt()])
    assert 10 < len(turns) < 1000
    assert flow.gi_frame is None  # closed


@pytest.mark.parametrize("told", [True, False])
def test_a_fault_of_our_own_while_texts_are_sent_leaves_each_of_them_in_doubt(monkeypatch, told):
    def broken(*_, **__):
        yield from SEND
        raise LookupError(TEXT)

    monkeypatch.setattr(sending, "attempt_each", broken)
    recorder = Recorder()
    results = drive(deliver_batch(Plugins(recorder) if told else Plugins(), HttpProvider(), texts(2)), OK)
    assert [type(result.error) for result in results] == [UncertainError] * 2
    assert all("LookupError" in str(result.error) and TEXT not in str(result.error) for result in results)
    assert recorder.names == (["before"] * 2 + ["failed"] * 2 if told else [])


def test_whatever_breaks_the_sending_each_row_lands_with_what_is_known_of_it(monkeypatch):
    def broken(plugins, provider, messages, results):
        results[1] = Result(index=1, message=messages[1], sent=HttpProvider().accepted(messages[1], id="1"))
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(sending, "_deliver", broken)
    landed, rows = [], [Result(index=7 + row, message=text) for row, text in enumerate(texts(3))]
    with pytest.raises(KeyboardInterrupt):
        drive(deliver_rows(Plugins(), HttpProvider(), rows, landed))
    assert [(result.index, result.message.reference) for result in landed] == [(7, "ref-0"), (8, "ref-1"), (9, "ref-2")]
    assert [result.sent and result.sent.id for result in landed] == [None, "1", None]
    assert [result.error and (type(result.error), result.error.reason) for result in landed] == [
        (UncertainError, "cancelled"),
        None,
        (UncertainError, "cancelled"),
    ]


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_a_text_that_a_hook_stops_moves_no_other_to_its_place(refused):
    class Refusing:
        @hookimpl
        def smsbridge_before_send(self, message):
            if message.reference == f"ref-{refused}":
                raise VetoedError

    results = drive(deliver_batch(Plugins(Refusing()), HttpProvider(), texts(3)), OK, OK)
    assert [(result.index, result.message.reference) for result in results] == [(row, f"ref-{row}") for row in range(3)]
    assert [result.sent is None for result in results] == [row == refused for row in range(3)]
