"""A healthy policy, and the same broken on purpose: one mistake each, and the standard test that must catch it."""

# ruff: noqa: BLE001, RUF012  # broken on purpose; and samples are class attributes that tests do not change

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from pydantic import ConfigDict, PrivateAttr

from smsbridge import Call, ContentError, Gate, Message, Policy, RefusedError, SentMessage, UncertainError, VetoedError
from smsbridge.policies.policy import Finding, Place
from smsbridge.testing import PolicyContract


class Calm(Gate):
    """Refuses texts in capitals, and texts above a number."""

    name = "calm"
    place = Place.ONCE

    places: int = 3
    token: str = "dummy-do-not-leak"

    _taken: set[str] = PrivateAttr(default_factory=set)

    def __repr__(self):
        return "Calm()"

    __str__ = __repr__

    def admit(self, message, *, verification=False):
        self._judge_text(message)
        self._take(message)
        yield from Call(str)
        return message

    def _judge_text(self, message):
        if message.text.isupper():
            raise ContentError("the text is in capitals", reason="shouting")

    def _take(self, message):
        if len(self._taken) >= self.places:
            raise VetoedError("there is no place left", reason="full")
        self._taken.add(message.reference)

    def settle(self, message, ending):
        if isinstance(ending, RefusedError):
            self._taken.discard(message.reference)

    def give_back(self, message):
        self._taken.discard(message.reference)

    def foresee(self, message, *, now):
        try:
            self._judge_text(message)
        except ContentError as error:
            return self._would_refuse(error, message)
        if len(self._taken) >= self.places:
            return self._would_refuse(VetoedError("there is no place left", reason="full"), message)
        return self._would_pass(message, "has a place", now=now)

    def forget(self, rehearsal):
        self._taken = set()

    def findings(self):
        if self.places < 10:
            yield Finding("note", f"{self.places} places in all")


# --- declarations -----------------------------------------------------------------------------------------------------


class HasANameOfSeveralWords(Calm):
    name = "calm-policy"


class HasTheNameOfASetting(Calm):
    name = "timeout"


class HasANameOfOurs(Calm):
    name = "retry"


class StandsAtANumber(Calm):
    place = 4


class ChangesItsSettings(Calm):
    model_config = ConfigDict(frozen=False)


class TakesAnySetting(Calm):
    model_config = ConfigDict(extra="allow")


class ShowsWrongSettings(Calm):
    model_config = ConfigDict(hide_input_in_errors=False)


class AdvisesInGeneral(Calm):
    advice = "be calm"


class AdvisesWithoutWords(Calm):
    advice = {"shouting": " "}


class AdvisesInTwoLines(Calm):
    advice = {"shouting": "write\nsmall letters"}


class AppliesByRaising(Calm):
    @classmethod
    def applies(cls, inner, *, is_set):
        raise LookupError


class AppliesPerhaps(Calm):
    @classmethod
    def applies(cls, inner, *, is_set):
        return None


class FindsByRaising(Calm):
    def findings(self):
        raise LookupError


class FindsByRaisingAfterAText(Calm):
    def findings(self):
        if self._taken:
            raise LookupError
        return ()


class FindsWords(Calm):
    def findings(self):
        yield "all is well"


class FindsOnAnotherLevel(Calm):
    def findings(self):
        yield Finding("fatal", "all is lost")


class FindsNothingAndSaysSo(Calm):
    def findings(self):
        yield Finding("note", " ")


class FindsTwoLines(Calm):
    def findings(self):
        yield Finding("note", "all is well\nindeed")


# --- outcomes ---------------------------------------------------------------------------------------------------------


class RefusesAll(Calm):
    def _judge_text(self, message):
        raise ContentError("no", reason="no")


class LosesTexts(Calm):
    def carry(self, batch):
        yield from ()
        for row, message in enumerate(batch.messages):
            batch.accept(row, SentMessage(account="kit", provider="vendor", id="1", reference=message.reference))


class SendsWhatItRefuses(Policy):
    name = "sends"

    def carry(self, batch):
        yield from super().carry(batch)
        for row, message in enumerate(batch.messages):
            if message.text.isupper():
                batch.fail(row, ContentError(reason="shouting"))


class FailsInsteadOfRefusing(Calm):
    def _judge_text(self, message):
        if message.text.isupper():
            raise LookupError


class LetsThroughWhatItShouldRefuse(Calm):
    def _judge_text(self, message):
        pass


class CallsADoubtARefusal(Policy):
    name = "doubt"

    def carry(self, batch):
        yield from super().carry(batch)
        for row, result in list(batch.results.items()):
            if isinstance(result.error, UncertainError):
                batch.fail(row, RefusedError(reason="lost"))


class HidesTheReason(Policy):
    name = "hides"

    def carry(self, batch):
        yield from super().carry(batch)
        for row, result in list(batch.results.items()):
            if isinstance(result.error, RefusedError):
                batch.fail(row, RefusedError())


class NumbersTextsItself(Policy):
    name = "numbers"

    def carry(self, batch):
        yield from super().carry(batch)
        for row, result in list(batch.results.items()):
            if result.sent is not None:
                batch.accept(row, replace(result.sent, id="mine"))


class JudgesTheFirstOfABatch(Calm):
    def carry(self, batch):
        first, *others = batch.messages
        yield from super().carry(batch) if not others or first.text.isupper() else Policy.carry(self, batch)


class SignsTextsThatAreAlone(Policy):
    name = "signs"

    def carry(self, batch):
        signed = {row: replace(message, text=f"{message.text} - Acme") for row, message in enumerate(batch.messages)}
        batch.take((yield from batch.through(self.inner, batch.open, signed if len(signed) == 1 else None)))
        batch.give_up(batch.open)


# --- interruptions ----------------------------------------------------------------------------------------------------


class NeverGivesUp(Policy):
    name = "never"

    def carry(self, batch):
        while batch.open:
            try:
                batch.take((yield from batch.through(self.inner, batch.open)))
            except BaseException:
                if batch.stop is None:
                    raise


class AnswersAnInterruption(Policy):
    name = "answers"

    def carry(self, batch):
        try:
            yield from Call(str)
        except BaseException:
            batch.fail(0, RefusedError(reason="stopped"))
        else:
            yield from super().carry(batch)


class RefusesForAnInterruption(Calm):
    def admit(self, message, *, verification=False):
        try:
            return (yield from super().admit(message))
        except KeyboardInterrupt:
            raise VetoedError(reason="interrupted") from None


class RefusesWhatIsOnItsWay(Policy):
    name = "hasty"

    def carry(self, batch):
        answers = yield from batch.through(self.inner, batch.open)
        if batch.stop is not None:
            for row in batch.open:
                batch.fail(row, RefusedError(reason="stopped"))
        batch.take(answers)
        batch.give_up(batch.open)


class KeepsThePlaceOfWhatIsInterrupted(Calm):
    def give_back(self, message):
        pass


class KeepsThePlaceOfWhatIsRefused(Calm):
    def settle(self, message, ending):
        pass


class GivesBackWhatMayHaveLeft(Calm):
    def settle(self, message, ending):
        super().settle(message, ending)
        if isinstance(ending, UncertainError) and ending.reason == "cancelled":
            self._taken.discard(message.reference)


class GivesBackTwice(Calm):
    def give_back(self, message):
        super().give_back(message)
        self._taken.discard(next(iter(self._taken), ""))
        object.__setattr__(self, "places", self.places + 1)


# --- foresight --------------------------------------------------------------------------------------------------------


class ForeseesNothing(Calm):
    def foresee(self, message, *, now):
        return self._would_pass(message, "passes it on", now=now)


class ForeseesNoFullHouse(Calm):
    def foresee(self, message, *, now):
        fresh = Calm(inner=self.inner)
        return fresh.foresee(message, now=now)


class ForeseesAnotherReason(Calm):
    def foresee(self, message, *, now):
        seen = super().foresee(message, now=now)
        return seen if seen.error is None else self._would_refuse(RefusedError(reason="no"), message)


class TakesAPlaceForForesight(Calm):
    def foresee(self, message, *, now):
        seen = super().foresee(message, now=now)
        if seen.error is None:
            self._taken.add(f"foreseen {message.reference}")
        return seen


# --- memory -----------------------------------------------------------------------------------------------------------


class Patient(Gate):
    """Refuses a second text to a number, unless the first certainly did not arrive."""

    name = "patient"

    _taken: dict[str, int] = PrivateAttr(default_factory=dict)

    def _look(self, message):
        if message.to in self._taken:
            raise VetoedError("the number has had a text", reason="too-soon")

    def admit(self, message, *, verification=False):
        self._look(message)
        self._taken[message.to] = id(message)
        yield from ()
        return message

    def settle(self, message, ending):
        if isinstance(ending, RefusedError):
            self.give_back(message)

    def give_back(self, message):
        if self._taken.get(message.to) == id(message):
            del self._taken[message.to]

    def foresee(self, message, *, now):
        try:
            self._look(message)
        except VetoedError as error:
            return self._would_refuse(error, message)
        return self._would_pass(message, "is the first", now=now)

    def forget(self, rehearsal):
        self._taken = {}


class RefusesTheFirst(Patient):
    """Refuses the text that its author takes for the second."""

    def _look(self, message):
        super()._look(message)
        if message.text.endswith("second"):
            raise VetoedError(reason="too-soon")


class GivesBackWhatWasAccepted(Patient):
    def settle(self, message, ending):
        if not isinstance(ending, UncertainError):
            self.give_back(message)


class GivesBackWhatMayHaveArrived(Patient):
    def settle(self, message, ending):
        if not isinstance(ending, SentMessage):
            self.give_back(message)


class NeverGivesBack(Patient):
    def settle(self, message, ending):
        pass


class GivesBackOnlyWhatTheVendorRefused(Patient):
    def settle(self, message, ending):
        if isinstance(ending, RefusedError) and ending.reason != "cancelled":
            self.give_back(message)


class ForeseesNothingOfWhatItRemembers(Patient):
    def foresee(self, message, *, now):
        return self._would_pass(message, "passes it on", now=now)


class RemembersWithoutASample(Patient):
    """Its test file declares no samples."""


class TakesForForesight(Patient):
    def _look(self, message):
        super()._look(message)
        self._taken[message.to] = id(message)


# --- private things ---------------------------------------------------------------------------------------------------


class LogsTheText(Calm):
    def settle(self, message, ending):
        super().settle(message, ending)
        logging.getLogger("calm").debug("done: %s", message.text)


class ShowsItsToken(Calm):
    def __repr__(self):
        return f"Calm({self.token})"


class PrintsItsToken(Calm):
    def __str__(self):
        return f"Calm({self.token})"


class FindsTheNumber(Calm):
    _number: str = PrivateAttr(default="")

    def settle(self, message, ending):
        super().settle(message, ending)
        self._number = message.to

    def findings(self):
        yield Finding("note", f"the last text went to {self._number}")


class LogsTheTextThatIsInterrupted(Calm):
    def give_back(self, message):
        super().give_back(message)
        logging.getLogger("calm").warning("interrupted: %s", message)
        logging.getLogger("calm").warning("interrupted: %s", message.text)


# --- rehearsals -------------------------------------------------------------------------------------------------------


class RemembersRehearsals(Calm):
    def forget(self, rehearsal):
        pass


class EmptiesTheRealMemory(Calm):
    def forget(self, rehearsal):
        self._taken.clear()


class TakesTheRealMemoryAlong(Calm):
    def forget(self, rehearsal):
        self._taken = set(self._taken)


class WritesAFileInRehearsals(Calm):
    def settle(self, message, ending):
        super().settle(message, ending)
        Path("calm.txt").write_text("a text")


CATCHES: dict[type[Policy], str] = {
    **dict.fromkeys(
        (HasANameOfSeveralWords, HasTheNameOfASetting, HasANameOfOurs),
        "test_its_name_can_be_the_name_of_an_entry_point",
    ),
    StandsAtANumber: "test_its_place_is_a_place_or_none",
    **dict.fromkeys(
        (ChangesItsSettings, TakesAnySetting, ShowsWrongSettings), "test_its_settings_are_frozen_and_known"
    ),
    **dict.fromkeys((AdvisesInGeneral, AdvisesWithoutWords, AdvisesInTwoLines), "test_its_advice_is_words_by_reason"),
    **dict.fromkeys((AppliesByRaising, AppliesPerhaps), "test_it_says_whether_it_applies"),
    **dict.fromkeys(
        (
            FindsByRaising,
            FindsByRaisingAfterAText,
            FindsWords,
            FindsOnAnotherLevel,
            FindsNothingAndSaysSo,
            FindsTwoLines,
        ),
        "test_its_findings_are_findings",
    ),
    **dict.fromkeys((RefusesAll, LosesTexts), "test_what_it_lets_through_is_accepted"),
    **dict.fromkeys(
        (SendsWhatItRefuses, FailsInsteadOfRefusing, LetsThroughWhatItShouldRefuse),
        "test_what_it_refuses_does_not_leave",
    ),
    **dict.fromkeys(
        (CallsADoubtARefusal, HidesTheReason, NumbersTextsItself), "test_what_the_vendor_says_is_passed_on"
    ),
    **dict.fromkeys((JudgesTheFirstOfABatch, SignsTextsThatAreAlone), "test_a_batch_is_judged_as_its_texts_are_alone"),
    **dict.fromkeys((AnswersAnInterruption, RefusesForAnInterruption), "test_what_interrupts_it_comes_out"),
    RefusesWhatIsOnItsWay: "test_each_text_is_told_once_and_truly",
    **dict.fromkeys(
        (
            KeepsThePlaceOfWhatIsInterrupted,
            KeepsThePlaceOfWhatIsRefused,
            GivesBackWhatMayHaveLeft,
            GivesBackTwice,
        ),
        "test_what_it_took_for_a_text_that_did_not_leave_is_given_back",
    ),
    **dict.fromkeys(
        (ForeseesNothing, ForeseesNoFullHouse, ForeseesAnotherReason), "test_what_is_foreseen_is_what_comes"
    ),
    **dict.fromkeys((TakesAPlaceForForesight, TakesForForesight), "test_foresight_changes_nothing"),
    RemembersWithoutASample: "test_what_it_remembers_is_reached_by_a_sample",
    RefusesTheFirst: "test_the_second_text_alone_goes_through",
    GivesBackWhatWasAccepted: "test_after_a_text_that_was_accepted_the_second_is_refused",
    GivesBackWhatMayHaveArrived: "test_after_a_text_that_may_have_arrived_the_second_is_refused",
    NeverGivesBack: "test_after_a_text_that_the_vendor_refused_the_second_goes_through",
    GivesBackOnlyWhatTheVendorRefused: (
        "test_after_a_text_that_was_interrupted_before_it_left_the_second_goes_through"
    ),
    ForeseesNothingOfWhatItRemembers: "test_what_is_foreseen_after_another_text_is_what_comes",
    **dict.fromkeys((LogsTheText, ShowsItsToken, PrintsItsToken, FindsTheNumber), "test_nothing_private_is_shown"),
    LogsTheTextThatIsInterrupted: "test_nothing_private_is_shown_of_what_is_interrupted",
    **dict.fromkeys((RemembersRehearsals, EmptiesTheRealMemory), "test_a_rehearsal_leaves_the_real_memory_alone"),
    TakesTheRealMemoryAlong: "test_a_rehearsal_begins_with_an_empty_memory",
    WritesAFileInRehearsals: "test_a_rehearsal_opens_no_file",
}
"""Each broken policy with the test that must fail."""


TO = "+919876543210"
SHOUTED = {"capitals": Message(to=TO, text="PRIVATE TEXT 7C1F")}
TOO_SOON = {
    "to the same number": (
        Message(to=TO, text="private text 7c1f the first"),
        Message(to=TO, text="private text 7c1f the second"),
    )
}


def contract(policy: type[Policy]) -> type[PolicyContract]:
    """The contract of a policy that stands in for Calm or for Patient."""

    class TestIt(PolicyContract):
        refuses = SHOUTED if not issubclass(policy, Patient) else {}
        refuses_after = TOO_SOON if issubclass(policy, Patient) and policy is not RemembersWithoutASample else {}

        def make(self, inner):
            return policy(inner=inner)

    TestIt.__name__ = TestIt.__qualname__ = f"Test{policy.__name__}"
    return TestIt
