"""Test a provider's queries: the status of a text, the look-up of a reference, and the balance of the account."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from smsbridge.attempts import query
from smsbridge.errors import NotFoundError
from smsbridge.http import HttpResponse
from smsbridge.messages import Balance, DeliveryReport, SentMessage, Status
from smsbridge.provider import Capability

from .kit import BY_NAME, Kit, describe, needs

STATUS, LOOKUP, BALANCE = BY_NAME["status"], BY_NAME["lookup"], BY_NAME["balance"]


class Queries(Kit):
    """Test ``status``, ``lookup`` and ``balance`` of a provider, each only if the provider implements it."""

    @needs(Capability.STATUS, "http")
    def test_a_word_of_the_vendor_means_what_it_should(self, word: str | None) -> None:
        meaning = self.picked(self.status_words, word, "status_words", "status")
        status, final = meaning if isinstance(meaning, tuple) else (meaning, meaning.final)
        report = self._report(word or "")
        assert report.status is status, f"the word {word!r} should be {status}, but is {report.status}"
        assert report.final is final, (
            f"after {word!r}, `final` should be {final}: use status.final, or the vendor's word"
        )

    @needs(Capability.STATUS, "http")
    def test_a_new_word_of_the_vendor_is_unknown_and_not_final(self) -> None:
        for word in ("BRAND-NEW-WORD", "", "🛸"):
            report = self._report(word)
            assert (report.status, report.final) == (Status.UNKNOWN, False), (
                f"vendors add words: {word!r} must be Status.UNKNOWN and not final, never an error and never a guess"
            )

    @needs(Capability.STATUS)
    def test_a_report_belongs_to_its_text(self) -> None:
        provider = self.make()
        sent = self.sent(provider)
        outcome = self.run(STATUS, provider=provider)
        report = outcome.value
        assert isinstance(report, DeliveryReport), f"the sample answer gave no report: {describe(outcome.error)}"
        found = (report.account, report.provider, report.id)
        assert found == (provider.account, provider.name, sent.id), (
            "a report must name the account, the provider and the id"
        )
        assert report.to in {"", sent.to}, "a report's recipient must be in E.164"
        assert report.at is None or report.at.utcoffset() is not None, (
            "DeliveryReport.at has no time zone: give it one, such as UTC"
        )

    @needs(Capability.STATUS, "http")
    def test_asking_for_another_text_makes_another_request(self) -> None:
        provider = self.make()
        asked = []
        for number in (1, 2):
            sent = provider.accepted(self.message(), id=self.vendor_id(number))
            outcome = self.run(STATUS, HttpResponse(status=404), flow=query(provider, partial(provider.status, sent)))
            asked.append([self.fingerprint(request) for request in outcome.requests])
        assert asked[0] != asked[1], "status makes the same request for two different ids: send the id"

    @needs(Capability.STATUS)
    def test_a_text_that_the_vendor_does_not_know_is_not_found(self) -> None:
        provider = self.make()
        sent = provider.accepted(self.message(), id=self.vendor_id(9))
        answer = self.reports_unknown(sent) if self.uses_http() else None
        error = self.run(STATUS, answer, flow=query(provider, lambda: provider.status(sent))).error
        assert isinstance(error, NotFoundError), f"an unknown id must be NotFoundError; got {describe(error)}"
        assert not error.retryable, "asking again for an unknown id cannot help: retryable must be false"

    # --- lookup -------------------------------------------------------------------------------------------------------

    @needs(Capability.LOOKUP)
    def test_a_lookup_finds_what_was_accepted(self) -> None:
        message = self.message()
        outcome = self.run(LOOKUP)
        sent = outcome.value
        assert isinstance(sent, SentMessage), f"the sample answer should find the text; got {describe(outcome.error)}"
        assert sent.reference == message.reference, "lookup must return the reference of its argument"
        assert sent.to in ("", message.to), (
            "lookup must return the recipient in E.164, and a text to another number is not a match"
        )
        if self.uses_http():
            assert sent.id == self.vendor_id(0), f"the vendor's id is {self.vendor_id(0)!r}, but sent.id is {sent.id!r}"

    @needs(Capability.LOOKUP)
    def test_a_lookup_that_finds_nothing_is_none(self) -> None:
        provider = self.make()
        answer = self.finds_nothing("e" * 32) if self.uses_http() else None
        outcome = self.run(LOOKUP, answer, flow=query(provider, lambda: provider.lookup("e" * 32)))
        assert outcome.error is None, f"finding nothing is an answer, not an error; got {describe(outcome.error)}"
        assert outcome.value is None, "lookup found a text where there is none: the text would count as accepted"

    @needs(Capability.LOOKUP, "http")
    def test_a_lookup_does_not_take_the_text_of_another_reference(self) -> None:
        """A look-up must return None if the vendor answers with a text of another reference.

        Some vendors answer with the nearest match, or with the last text.
        """
        provider = self.make()
        other = self.message(1)
        flow = query(provider, lambda: provider.lookup(self.message().reference or ""))
        outcome = self.run(LOOKUP, self.finds(other, self.vendor_id(1)), flow=flow)
        assert outcome.value is None, (
            "the answer is about another reference: compare the reference before returning the text"
        )

    @needs(Capability.LOOKUP, "http")
    def test_what_can_be_looked_up_is_sent_with_its_reference(self) -> None:
        found = [text for request in self.run(BY_NAME["send"]).requests for text in self.texts_in(request)]
        assert self.message().reference in found, (
            "send does not tell the vendor the reference, so lookup cannot find it: send it"
        )

    # --- balance ------------------------------------------------------------------------------------------------------

    @needs(Capability.BALANCE)
    def test_the_balance_is_exact_and_has_a_unit(self) -> None:
        outcome = self.run(BALANCE)
        assert isinstance(outcome.value, list), f"the sample answer gave no balance: {describe(outcome.error)}"
        for balance in outcome.value:
            assert isinstance(balance, Balance)
            assert isinstance(balance.amount, Decimal), "an amount must be a Decimal: Decimal(str(number))"
            assert balance.unit, "an amount needs a unit: a currency (ISO 4217) or credits"
        if self.uses_http():
            assert self.balances, "the provider declares balance: fill `balances` with what tells_balance() says"
            found = [(balance.service, balance.amount, balance.unit) for balance in outcome.value]
            assert found == [(balance.service, balance.amount, balance.unit) for balance in self.balances]

    # --- inside -------------------------------------------------------------------------------------------------------

    def _report(self, word: str) -> DeliveryReport:
        provider = self.make()
        sent = self.sent(provider)
        outcome = self.run(STATUS, self.reports(sent, word), flow=query(provider, lambda: provider.status(sent)))
        report = outcome.value
        assert isinstance(report, DeliveryReport), f"the word {word!r} ended as {describe(outcome.error)}"
        return report
