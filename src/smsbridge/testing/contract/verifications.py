"""Test a provider's verifications: one-time codes that the vendor makes, sends and checks."""

from __future__ import annotations

from functools import partial

from smsbridge.attempts import query
from smsbridge.http import HttpResponse
from smsbridge.messages import Verification, VerificationCheck
from smsbridge.provider import Capability

from .kit import BY_NAME, CODE, Kit, describe, needs

START, CHECK, CANCEL = BY_NAME["start_verification"], BY_NAME["check_verification"], BY_NAME["cancel_verification"]


class Verifications(Kit):
    """Test the one-time codes of a provider: ``start_verification``, ``check_verification``, ``cancel_verification``.

    Each test applies only to a provider that implements the method.
    """

    @needs(Capability.VERIFICATION)
    def test_a_started_verification_keeps_id_recipient_and_reference(self) -> None:
        provider = self.make()
        message = self.verification_message()
        outcome = self.run(START, provider=provider)
        started = outcome.value
        assert isinstance(started, Verification), f"the sample answer is not accepted: {describe(outcome.error)}"
        assert (started.account, started.provider) == (provider.account, provider.name)
        assert started.to == message.to, "the recipient was changed: set `to` to message.to"
        assert started.reference == message.reference, "the reference was lost: set `reference` to message.reference"
        assert started.id, "a verification without an id cannot be checked: set `id` to the vendor's id"
        if self.uses_http():
            assert started.id == self.vendor_id(0), f"the vendor's id is {self.vendor_id(0)!r}, not {started.id!r}"
        assert started.expires_at is None or started.expires_at.utcoffset() is not None, (
            "expires_at has no time zone: give it one, such as UTC"
        )

    @needs(Capability.VERIFICATION, "http")
    def test_a_right_code_is_approved(self) -> None:
        outcome = self.run(CHECK)
        assert isinstance(outcome.value, VerificationCheck), (
            f"the sample answer gave no check: {describe(outcome.error)}"
        )
        assert outcome.value.approved is True, "the vendor approved the code: `approved` must be True"
        found = [text for request in outcome.requests for text in self.texts_in(request)]
        assert CODE in found, "the request of check_verification does not hold the code: send it"

    @needs(Capability.VERIFICATION, "http")
    def test_a_code_that_is_not_right_is_an_answer_with_its_reason(self, disapproval: str | None) -> None:
        answer = self.picked(self.disapprovals, disapproval, "disapprovals", "verification")
        outcome = self.run(CHECK, answer)
        assert outcome.error is None, f"a wrong code is an answer, not an error; got {describe(outcome.error)}"
        assert outcome.value.approved is False, "the vendor did not approve the code: `approved` must be False"
        assert outcome.value.reason == disapproval, (
            f"the reason should be {disapproval!r}, not {outcome.value.reason!r}"
        )

    @needs(Capability.VERIFICATION, "no http")
    def test_a_wrong_code_is_not_approved_without_a_vendor(self) -> None:
        provider = self.make()
        verification = self.verification(provider)
        for code in ("", "not it", "é"):
            check = self.run(CHECK, flow=query(provider, partial(provider.check_verification, verification, code)))
            assert isinstance(check.value, VerificationCheck), f"the code {code!r} ended as {describe(check.error)}"
            assert check.value.approved is False

    @needs(Capability.VERIFICATION, "http")
    def test_an_odd_answer_approves_nothing(self) -> None:
        """An answer that the provider cannot read must never approve a code: a failed check must not let a user in."""
        good = self.approves(self.verification(self.make()))
        answers = [
            HttpResponse(status=status, headers=good.headers, body=good.body) for status in (400, 401, 404, 429, 500)
        ]
        answers += [HttpResponse(status=200, body=body) for body in (b"", b"{}", b"null", b"[]", b"<html></html>")]
        answers.append(HttpResponse(status=200, headers=good.headers, body=good.body, complete=False))
        for answer in answers:
            value = self.run(CHECK, answer).value
            assert not (isinstance(value, VerificationCheck) and value.approved), (
                f"HTTP {answer.status} with {answer.body[:40]!r} approved a code that the vendor did not check"
            )

    @needs(Capability.CANCEL_VERIFICATION)
    def test_a_verification_can_be_cancelled(self) -> None:
        outcome = self.run(CANCEL)
        assert outcome.error is None, f"the sample answer should cancel: {describe(outcome.error)}"
