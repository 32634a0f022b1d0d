"""A gate checks each text: it admits the text, changed or not, or refuses it."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import PrivateAttr

from scripted import OK, TO, BatchProvider, HttpProvider, Recorder, drive, driven, interrupt, message
from smsbridge.attempts import attempt, attempt_batch, attempt_each, attempt_verification, foresee
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.client import SmsClient
from smsbridge.errors import (
    AuthenticationError,
    NoAnswer,
    ProviderBugError,
    RefusedError,
    SendError,
    UncertainError,
    VetoedError,
)
from smsbridge.http import Call, HttpRequest, HttpResponse, Wait
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import SentMessage, Verification
from smsbridge.plugins import Plugins
from smsbridge.policies.gate import Gate
from smsbridge.provider import vendor_of
from smsbridge.sending import deliver, deliver_batch

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
TEXTS = [f"text {n}" for n in range(8)]


class Cancelled(BaseException):
    pass


class Doors(Gate):
    """Refuses some texts, shouts the others, and counts the places that are taken."""

    name = "doors"

    closed: frozenset[str] = frozenset()

    _taken: Counter[str] = PrivateAttr(default_factory=Counter)
    _settled: Counter[str] = PrivateAttr(default_factory=Counter)
    _outcomes: dict[str | None, Any] = PrivateAttr(default_factory=dict)

    def admit(self, message, *, verification=False):
        yield from Call(str)  # like a gate that reads a file
        if message.text in self.closed:
            raise VetoedError(reason="closed")
        self._taken[message.text.upper()] += 1
        return replace(message, text=message.text.upper())

    def settle(self, message, outcome):
        self._settled[message.text] += 1
        self._outcomes[message.reference] = outcome
        if isinstance(outcome, RefusedError):
            self._taken[message.text.upper()] -= 1


def messages(count):
    return [message(text=TEXTS[n], reference=f"ref-{n}") for n in range(count)]


def test_a_text_goes_on_as_the_gate_has_changed_it_and_with_the_name_of_the_account_inside():
    gate = Doors(inner=HttpProvider(account="otp"))
    assert (Doors.name, gate.name, vendor_of(gate), gate.account) == ("doors", "doors", "scripted", "otp")
    flow = attempt(gate, message(text="hello"))
    next(flow)
    request = flow.send("")
    assert b"HELLO" in request.body
    with pytest.raises(StopIteration) as stop:
        flow.send(OK)
    assert stop.value.value.account == "otp"


@pytest.mark.parametrize("once", [attempt, attempt_verification])
def test_a_refused_text_never_leaves_and_the_refusal_is_its_own(once):
    gate = Doors(inner=HttpProvider(account="otp"), closed={"hello"})
    with pytest.raises(VetoedError) as raised:
        drive(once(gate, message(text="hello")), "")
    assert (raised.value.reason, raised.value.account, raised.value.reference) == ("closed", "otp", "ref-1")


@pytest.mark.parametrize(("once", "kind"), [(attempt, SentMessage), (attempt_verification, Verification)])
def test_what_was_accepted_is_what_a_gate_is_told(once, kind):
    gate = Doors(inner=HttpProvider())
    accepted = drive(once(gate, message(text="hello")), "", OK)
    assert isinstance(accepted, kind)
    assert gate._outcomes["ref-1"] is accepted


@pytest.mark.parametrize(("answer", "kept"), [(OK, 1), (HttpResponse(status=401), 0), (NoAnswer(), 1)])
def test_a_place_is_given_back_where_nothing_was_sent(answer, kept):
    gate = Doors(inner=HttpProvider())
    with contextlib.suppress(SendError):
        drive(attempt(gate, message(text="hello")), "", answer)
    assert gate._taken["HELLO"] == kept


def test_a_cancelled_text_that_may_have_left_keeps_its_place():
    gate = Doors(inner=HttpProvider())
    (result,), _ = drive(attempt_each(gate, [message(text="hello")]), "", Cancelled())
    assert isinstance(result.error, UncertainError)
    assert gate._taken["HELLO"] == 1


@pytest.mark.parametrize("count", [1, 2])
def test_a_text_whose_flow_is_dropped_is_settled_as_one_that_may_have_left(count):
    gate = Doors(inner=BatchProvider())
    flow = gate.send_batch(messages(count)) if count > 1 else gate.send(message(text=TEXTS[0]))
    step = next(flow)
    while isinstance(step, Call):
        step = flow.send("")
    flow.close()
    assert [gate._settled[TEXTS[n]] for n in range(count)] == [1] * count
    assert [gate._taken[TEXTS[n].upper()] for n in range(count)] == [1] * count


def test_a_gate_that_fails_over_one_text_refuses_that_one_alone():
    class Broken(Doors):
        def admit(self, message, *, verification=False):
            if message.text == TEXTS[2]:
                raise LookupError
            return super().admit(message, verification=verification)

    gate = Broken(inner=BatchProvider())
    results, sent = run(attempt_batch(gate, messages(3)), [])
    assert [type(result.error) for result in results] == [type(None), type(None), ProviderBugError]
    assert sent == {0: 1, 1: 1}
    assert [gate._taken[TEXTS[n].upper()] for n in range(3)] == [1, 1, 0]


def answer_to(step, script):
    if isinstance(step, Call):
        return step.function(*step.args)
    what = script.pop(0) if script else "works"
    numbers = step.body.count(b"TEXT ")
    return {
        "works": HttpResponse.of_json({"id": "1", "ids": [f"{n}" for n in range(numbers)]}),
        "refused": HttpResponse(status=401),
        "lost": NoAnswer(),
        "cancelled": Cancelled(),
    }[what]


def run(flow, script):
    sent = Counter()

    def reply(step):
        answer = answer_to(step, script)
        if isinstance(answer, HttpResponse) and answer.ok:
            sent.update(n for n in range(len(TEXTS)) if TEXTS[n].upper().encode() in step.body)
        return answer

    try:
        return driven(flow, reply), sent
    except Cancelled:
        return None, sent


@settings(max_examples=100)
@given(
    st.integers(1, 8),
    st.sets(st.integers(0, 7)),
    st.lists(st.sampled_from(["works", "refused", "lost", "cancelled"]), max_size=3),
)
def test_of_a_batch_each_text_is_judged_alone_and_its_place_is_true(count, closed, script):
    gate = Doors(inner=BatchProvider(), closed={TEXTS[n] for n in closed})
    hooks = Recorder()
    results, sent = run(deliver_batch(Plugins(hooks), gate, messages(count)), script)
    for n in range(count):
        told = hooks.outcome(f"ref-{n}")
        if n in closed:
            assert isinstance(told, RefusedError)
            assert (sent[n], gate._taken[TEXTS[n].upper()], gate._settled[TEXTS[n]]) == (0, 0, 0)
        elif isinstance(told, RefusedError):
            assert (sent[n], gate._taken[TEXTS[n].upper()], gate._settled[TEXTS[n]]) == (0, 0, 1)
        elif not isinstance(told, SendError):
            assert (sent[n], gate._taken[TEXTS[n].upper()], gate._settled[TEXTS[n]]) == (1, 1, 1)
        if n not in closed:
            assert gate._outcomes.get(f"ref-{n}", told) == told
        if results is not None:
            assert results[n].message.text == TEXTS[n]
            assert (results[n].sent or results[n].error) is told


def test_a_batch_without_an_admitted_text_makes_no_request():
    gate = Doors(inner=BatchProvider(), closed=set(TEXTS))
    results, _ = run(attempt_batch(gate, messages(3)), ["cancelled"])
    assert [type(result.error) for result in results] == [VetoedError] * 3


def test_hooks_see_the_text_as_the_application_gave_it():
    recorder = Recorder()
    seen = []
    recorder.calls = seen
    assert (
        drive(deliver(Plugins(recorder), Doors(inner=HttpProvider()), message(text="hello")), "", OK).id == "vendor-1"
    )
    assert [name for name, _, _ in seen] == ["before", "after"]


# --- giving places back ---------------------------------------------------------------------------------------------------


class Watched(Gate):
    """Records its calls. Refuses "no", fails at "bug"."""

    name = "watched"

    _calls: list[Any] = PrivateAttr(default_factory=list)

    def admit(self, message, *, verification=False):
        self._calls.append(("admit", message.reference, verification))
        yield from Call(str)
        if message.text == "no":
            raise VetoedError(reason="closed")
        if message.text == "bug":
            raise LookupError
        return message

    def settle(self, message, ending):
        self._calls.append(("settle", message.reference, type(ending)))

    def give_back(self, message):
        self._calls.append(("give back", message.reference, None))


def ended(gate):
    return [call for call in gate._calls if call[0] != "admit"]


def judged(*texts):
    return [message(text=text, reference=f"ref-{row}") for row, text in enumerate(texts)]


def test_each_text_is_settled_given_back_or_neither_and_no_other_is():
    gate = Watched(inner=HttpProvider())
    flow = attempt_each(gate, judged("yes", "no", "bug", "yes"))
    drive(flow, "", "", "", "", OK, HttpResponse(status=401))
    assert ended(gate) == [
        ("give back", "ref-2", None),
        ("settle", "ref-0", SentMessage),
        ("settle", "ref-3", AuthenticationError),
    ]


def test_a_text_that_was_interrupted_while_it_was_judged_is_given_back_and_those_after_it_are_not():
    gate = Watched(inner=HttpProvider())
    flow = attempt_each(gate, judged("yes", "no", "yes", "yes"))
    next(flow)
    for _ in "12":
        flow.send("")
    results = interrupt(flow, KeyboardInterrupt())
    assert ended(gate) == [("settle", "ref-0", RefusedError), ("give back", "ref-2", None)]
    assert [result.error.reason for result in results] == ["cancelled", "closed", "cancelled", "cancelled"]


@pytest.mark.parametrize("end", [lambda flow: flow.close(), lambda flow: interrupt(flow, KeyboardInterrupt())])
def test_what_was_on_its_way_is_settled_as_what_may_have_been_sent(end):
    gate = Watched(inner=HttpProvider())
    flow = attempt_each(gate, judged("yes", "yes"))
    next(flow)
    for _ in "12":
        flow.send("")
    end(flow)
    assert [call[:2] for call in ended(gate)] == [("settle", "ref-0"), ("settle", "ref-1")]
    assert ended(gate)[0][2] is UncertainError


class Struck(Watched):
    """Is interrupted when it is told the first end."""

    def settle(self, message, ending):
        super().settle(message, ending)
        if len(ended(self)) == 1:
            raise KeyboardInterrupt


def test_an_interruption_of_a_settlement_leaves_no_text_unsettled():
    gate = Struck(inner=HttpProvider())
    results, stop = drive(attempt_each(gate, judged("yes", "no", "yes")), "", "", "", OK, OK)
    assert [call[:2] for call in ended(gate)] == [("settle", "ref-0"), ("settle", "ref-0"), ("settle", "ref-2")]
    assert [result.sent and result.sent.id for result in results] == ["vendor-1", None, "vendor-1"]
    assert isinstance(stop, KeyboardInterrupt)


@pytest.mark.parametrize(("how", "verification"), [(attempt, False), (attempt_verification, True)])
def test_a_gate_is_told_whether_it_is_a_code(how, verification):
    gate = Watched(inner=HttpProvider())
    drive(how(gate, message(text="")) if verification else how(gate, message()), "", OK)
    assert gate._calls[0] == ("admit", "ref-1", verification)


# --- to look ahead --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [Wait(1), HttpRequest.get("https://api.scripted.example/ask")])
def test_what_would_have_to_be_asked_for_is_not_and_that_is_said(step):
    flows = []

    class Asks(Watched):
        def admit(self, message, *, verification=False):
            flows.append(self.asking(message))
            return flows[-1]

        def asking(self, message):
            yield from step
            return message

    gate = Asks(inner=HttpProvider(account="otp"))
    view = foresee(gate, message(), now=NOW)
    assert (view.verdict, view.words, view.account) == ("would send", "has to ask a service first", "otp")
    assert [inside.account for inside in view.inside] == ["otp"]
    assert [flow.gi_frame for flow in flows] == [None]
    assert foresee(Asks(inner=HttpProvider()), message(send_at=NOW), now=NOW).verdict == "would refuse"


@pytest.mark.parametrize(
    ("changes", "words"),
    [({}, "lets it through"), ({"text": "x"}, "sets text"), ({"text": "x", "sender": "A"}, "sets text, sender")],
)
def test_what_a_gate_would_change_is_said(changes, words):
    class Changes(Watched):
        def admit(self, message, *, verification=False):
            yield from ()
            return replace(message, **changes)

    assert foresee(Changes(inner=HttpProvider()), message(), now=NOW).words == words


# --- mistakes of a gate -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [None, "hello", 7, HttpProvider()])
@pytest.mark.parametrize("once", [attempt, attempt_verification])
def test_a_gate_that_returns_no_message_lets_nothing_out_and_says_whose_bug_it_is(what, once):
    class Forgetful(Gate):
        name = "forgetful"

        def admit(self, message, *, verification=False):
            yield from ()
            return what

    with pytest.raises(
        ProviderBugError, match=r"policy forgetful failed .*admit\(\) returned .*, not the Message"
    ) as caught:
        next(once(Forgetful(inner=HttpProvider(account="otp")), message()))
    assert (caught.value.account, caught.value.reference) == ("otp", "ref-1")


def test_a_ledger_records_no_text_that_a_forgetful_gate_has_kept_back(tmp_path):
    class Forgetful(Gate):
        name = "forgetful"

        def admit(self, message, *, verification=False):
            yield from ()

    ledger = LedgerPolicy(inner=Forgetful(inner=MemoryProvider()), path=tmp_path / "ledger.db")
    with SmsClient(ledger) as sms:
        for _ in range(2):
            result = sms.try_send(TO, "hello", reference="ref-1")
            assert type(result.error) is ProviderBugError
            assert not result.may_have_arrived


@pytest.mark.parametrize("once", [attempt, attempt_verification])
def test_a_gate_whose_admit_is_no_flow_says_what_it_needs(once):
    class Plain(Gate):
        name = "plain"

        def admit(self, message, *, verification=False):
            return message

    with pytest.raises(ProviderBugError, match=r"policy plain failed .*admit\(\) is no flow: it needs a yield"):
        next(once(Plain(inner=HttpProvider(account="otp")), message()))


def test_a_policy_that_cannot_foresee_is_the_one_that_is_named():
    class Blind(Gate):
        name = "blind"

        def admit(self, message, *, verification=False):
            yield from ()
            return message

        def foresee(self, message, *, now):
            raise ZeroDivisionError

    view = foresee(Blind(inner=HttpProvider()), message(), now=datetime.now(UTC))
    assert "policy blind failed before anything was sent" in str(view.error)
