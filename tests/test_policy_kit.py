"""Our own policies pass the contract for third parties' policies."""

# ruff: noqa: RUF012  # samples are class attributes, and tests do not change them

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from scripted import REGISTRY
from smsbridge import Gate, HttpRequest, HttpResponse, Message, Purpose, RecipientError
from smsbridge.cost.policy import CostPolicy
from smsbridge.dlt.policy import DltPolicy
from smsbridge.guard.policy import GuardPolicy
from smsbridge.hours.policy import HoursPolicy
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.purpose import PurposePolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.testing import PolicyContract
from smsbridge.text.policy import TextPolicy

TO = "+919876543210"
NUMBERS = count()


TWICE = (Message(to=TO, text="private text 7c1f before"), Message(to=TO, text="private text 7c1f after"))
VACUOUS = "test_what_it_remembers_is_reached_by_a_sample"


class TestRetry(PolicyContract):
    expected_failures = {
        "test_what_the_vendor_says_is_passed_on[unanswered-text]": "it looks the text up, and finds it",
        "test_what_the_vendor_says_is_passed_on[unanswered-batch]": "it looks each text up, and finds it",
    }

    def make(self, inner):
        return RetryPolicy(inner=inner, first_wait=0.001, attempts=2)


class TestLimit(PolicyContract):
    expected_failures = {VACUOUS: "it lets texts wait, and whatever left counts, also what the vendor refused"}

    def make(self, inner):
        return LimitPolicy(inner=inner, sends="1000000/s", local_validity=True)


class TestGuard(PolicyContract):
    refuses = {"to another country": Message(to="+14155550123", text="private text 7c1f abroad")}
    refuses_after = {"to the same number": TWICE}

    def make(self, inner):
        return GuardPolicy(inner=inner, countries=["IN"], per_recipient="1/1h", total="4/1h")


class TestGuardWithAStore(PolicyContract):
    refuses = {"to another country": Message(to="+14155550123", text="private text 7c1f abroad")}
    refuses_after = {"to the same number": TWICE}

    def make(self, inner):
        store = f"sqlite:///counts-{next(NUMBERS)}.db"
        return GuardPolicy(inner=inner, countries=["IN"], per_recipient="1/1h", total="4/1h", store=store)


class TestLimitWithAStore(PolicyContract):
    expected_failures = TestLimit.expected_failures

    def make(self, inner):
        return LimitPolicy(inner=inner, sends="1000000/s", store="memory:")


class TestGuardThatRedirects(PolicyContract):
    refuses_after = {"to the same number": TWICE}

    def make(self, inner):
        return GuardPolicy(inner=inner, redirect="+917777777777", per_recipient="1/1h", total="3/1h")


class TestHours(PolicyContract):
    refuses = {"at night": Message(to=TO, text="private text 7c1f sale", purpose=Purpose.PROMOTIONAL)}

    def make(self, inner):
        policy = HoursPolicy(inner=inner)
        policy._clock = lambda: datetime(2030, 1, 31, 20, tzinfo=UTC)
        return policy


class TestHoursThatSchedule(PolicyContract):
    sample = Message(to=TO, text="private text 7c1f", reference="0c", purpose=Purpose.PROMOTIONAL)

    def make(self, inner):
        policy = HoursPolicy(inner=inner, outside="schedule")
        policy._clock = lambda: datetime(2030, 1, 31, 20, tzinfo=UTC)
        return policy


class TestOptout(PolicyContract):
    refuses = {"to who opted out": Message(to="+919000000001", text="private text 7c1f stopped")}

    def make(self, inner):
        policy = OptoutPolicy(inner=inner, path=f"optouts-{next(NUMBERS)}.db")
        policy._kept.known.add(None, "+919000000001", at=datetime.now(UTC), source="test")
        return policy


class TestCost(PolicyContract):
    expected_failures = {VACUOUS: "it counts what texts cost, and refuses none for it"}

    def make(self, inner):
        Path("rates.toml").write_text('[[rate]]\nprice = "0.10"\ncurrency = "INR"\n')
        return CostPolicy(inner=inner, prices="rates.toml")


class TestDlt(PolicyContract):
    refuses = {"a text of no template": Message(to=TO, text="private text 7c1f of no template")}

    def message(self, n=0, **changes):
        text = f"Dear customer, your order 77{n} has shipped. ACME"
        return super().message(n, **{"text": text, "purpose": Purpose.SERVICE, **changes})

    def make(self, inner):
        Path("dlt.toml").write_text(REGISTRY)
        return DltPolicy(inner=inner, registry="dlt.toml")


class TestText(PolicyContract):
    refuses = {"too long": Message(to=TO, text="private text 7c1f " * 20)}

    def make(self, inner):
        return TextPolicy(inner=inner, max_segments=1, simplify=True)


class TestPurpose(PolicyContract):
    def make(self, inner):
        return PurposePolicy(inner=inner, otp_expiry="10m", transactional_expiry="1h")


class TestLedger(PolicyContract):
    expected_failures = dict.fromkeys(
        (
            "test_after_a_text_that_the_vendor_refused_the_second_goes_through",
            "test_after_a_text_that_was_interrupted_before_it_left_the_second_goes_through",
        ),
        "a reference is that of one text, also where that did not leave",
    )
    refuses_after = {
        "another text of the same reference": (
            Message(to=TO, text="private text 7c1f one", reference="0d"),
            Message(to=TO, text="private text 7c1f two", reference="0d"),
        )
    }

    def make(self, inner):
        return LedgerPolicy(inner=inner, path=f"ledger-{next(NUMBERS)}.db")


class AsksPolicy(Gate):
    """Asks another service whether a number is in use."""

    name = "asks"

    def admit(self, message, *, verification=False):
        answer = yield from HttpRequest.post_json("https://numbers.example/", {"to": message.to})
        if not answer.json_object()["in_use"]:
            raise RecipientError(reason="not-in-use")
        return message


class TestAsks(PolicyContract):
    refuses = {"not in use": Message(to="+919000000001", text="private text 7c1f for no person")}
    expected_failures = {"test_what_is_foreseen_is_what_comes": "foresight asks no service"}

    def make(self, inner):
        return AsksPolicy(inner=inner)

    def answers(self, request):
        return HttpResponse.of_json({"in_use": b"9000000001" not in request.body})


class TestAllAround(PolicyContract):
    """A stack of policies, as in an application."""

    expected_failures = TestRetry.expected_failures
    refuses_after = {"to the same number": TWICE}

    def make(self, inner):
        inside = RetryPolicy(inner=LimitPolicy(inner=inner, sends="1000000/s"), first_wait=0.001, attempts=2)
        guarded = GuardPolicy(inner=inside, per_recipient="1/1h", total="3/1h")
        return LedgerPolicy(inner=guarded, path=f"ledger-{next(NUMBERS)}.db")
