"""Acme, broken on purpose: one mistake each, and the standard tests that must catch it."""

import asyncio
import hashlib
import hmac
import json
import logging
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr
from smsbridge_acme import STATUSES, URL, AcmeProvider, _rows
from test_contract import TestAcme

from smsbridge import (
    HttpRequest,
    HttpResponse,
    NoAnswer,
    RateLimitedError,
    RefusedError,
    Result,
    SentMessage,
    SignatureError,
    Status,
    Verification,
    VerificationCheck,
)


class IgnoresTheBody(AcmeProvider):
    """Takes any 2xx for an acceptance."""

    def _accepted(self, message, row, response):
        return self.accepted(message, id=(row or {}).get("id") or "unknown", raw=row)


class TrustsTheBody(AcmeProvider):
    """Takes a good body for an acceptance, with any status."""

    def _post(self, messages):
        return replace((yield from _request(self, messages)), status=200)


class CallsAServerErrorRefused(AcmeProvider):
    def _post(self, messages):
        response = yield from _request(self, messages)
        if response.status >= 500:
            raise RefusedError(code=str(response.status))
        if not response.ok:
            raise response.error()
        return response


class BelievesABodyMoreThanATimeOut(AcmeProvider):
    def _post(self, messages):
        response = yield from _request(self, messages)
        if response.status == 408 and response.body:
            raise RefusedError
        if not response.ok:
            raise response.error()
        return response


class ForgetsRetryAfter(AcmeProvider):
    def _post(self, messages):
        response = yield from _request(self, messages)
        if response.status == 429:
            raise RateLimitedError
        if not response.ok:
            raise response.error()
        return response


class RetriesATimeOut(AcmeProvider):
    def _post(self, messages):
        try:
            return (yield from super()._post(messages))
        except NoAnswer:
            return (yield from super()._post(messages))


class ForgetsSends(AcmeProvider):
    def _post(self, messages):
        response = yield replace(_make(self, messages), sends=False)
        if not response.ok:
            raise response.error()
        return response


class FollowsRedirects(AcmeProvider):
    def _post(self, messages):
        response = yield _make(self, messages)
        if 300 <= response.status < 400:
            response = yield replace(_make(self, messages), url=response.headers["location"])
        if not response.ok:
            raise response.error()
        return response


class ReadsCutAnswers(AcmeProvider):
    def _post(self, messages):
        return replace((yield from super()._post(messages)), complete=True)


class TakesAnythingForAnId(AcmeProvider):
    def _accepted(self, message, row, response):
        if row and "error" in row:
            return super()._accepted(message, row, response)
        return self.accepted(message, id=str((row or {}).get("id")))


class DropsTheReference(AcmeProvider):
    def _accepted(self, message, row, response):
        return replace(super()._accepted(message, row, response), reference="")


class ShortensTheReference(AcmeProvider):
    def send(self, message):
        sent = yield from super().send(replace(message, reference=message.reference[:64]))
        return replace(sent, reference=message.reference)


class SaysDelivered(AcmeProvider):
    def _accepted(self, message, row, response):
        return replace(super()._accepted(message, row, response), status=Status.DELIVERED)


class IgnoresSendAt(AcmeProvider):
    def _post(self, messages):
        return (yield from super()._post([replace(message, send_at=None) for message in messages]))


class IgnoresSendAtInBatches(AcmeProvider):
    def send_batch(self, messages):
        return (yield from super().send_batch([replace(message, send_at=None) for message in messages]))


class DropsWhatItCannotExpress(AcmeProvider):
    def check(self, message, *, verification=False):
        pass


class ManglesUnicode(AcmeProvider):
    def _post(self, messages):
        plain = [
            replace(message, text=message.text.encode("latin-1", "replace").decode("latin-1")) for message in messages
        ]
        return (yield from super()._post(plain))


class TidiesTexts(AcmeProvider):
    def _post(self, messages):
        return (yield from super()._post([replace(message, text=message.text.strip()) for message in messages]))


class ChangesTheMessage(AcmeProvider):
    def send(self, message):
        message.options.pop("another", None)
        return (yield from super().send(message))


class LosesARow(AcmeProvider):
    def send_batch(self, messages):
        return (yield from super().send_batch(messages))[:-1]


class MixesUpRecipients(AcmeProvider):
    """Takes the rows of a batch in their order in the answer."""

    def send_batch(self, messages):
        response = yield from self._post(messages)
        rows = list(_rows(response).values())
        return [
            Result(index=index, message=message, sent=self._accepted(message, row, response))
            for index, (message, row) in enumerate(zip(messages, rows, strict=False))
        ]


class FailsTheWholeBatch(AcmeProvider):
    def send_batch(self, messages):
        results = yield from super().send_batch(messages)
        for result in results:
            if result.error is not None:
                raise result.error
        return results


class DeclaresAStatusThatIsNone(AcmeProvider):
    def lookup(self, reference):
        raise self.unsupported("lookup")


class SendsWhenAsked(AcmeProvider):
    def status(self, sent):
        yield from HttpRequest.post_json(f"{URL}/refresh", {}, headers=self._headers(), sends=True)
        return (yield from super().status(sent))


class GuessesStatuses(AcmeProvider):
    def _report(self, data):
        report = super()._report(data)
        return report if data.get("status") in STATUSES else replace(report, status=Status.DELIVERED, final=True)


class LeaksItsToken(AcmeProvider):
    token: str

    def _headers(self):
        return {"authorization": f"Bearer {self.token}"}


class PutsTheTokenIntoErrors(AcmeProvider):
    """Hides the token in an attribute: the core cleans only the words of an error and drops its notes."""

    def _post(self, messages):
        response = yield from _request(self, messages)
        if not response.ok:
            error = response.error()
            error.sent_with = self._headers()
            raise error
        return response


class LogsTexts(AcmeProvider):
    def send(self, message):
        logging.getLogger("acme").debug("sending %s", message.text)
        return (yield from super().send(message))


class LogsWhatTheVendorSays(AcmeProvider):
    def _post(self, messages):
        response = yield from _request(self, messages)
        if not response.ok:
            logging.getLogger("acme").warning("%s", response.json_object())
            raise response.error()
        return response


class WarnsOfNumbers(AcmeProvider):
    def send(self, message):
        import warnings

        warnings.warn(f"sending to {message.to}", stacklevel=2)
        return (yield from super().send(message))


class SkipsVerification(AcmeProvider):
    def verify(self, webhook):
        pass


class AcceptsAnEmptySecret(AcmeProvider):
    def _signature(self, body):
        secret = self.webhook_secret.get_secret_value() if self.webhook_secret else ""
        return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()


class AcceptsWithoutASecret(AcmeProvider):
    def verify(self, webhook):
        if self.webhook_secret:
            super().verify(webhook)


class SaysNothingOfItsSecret(AcmeProvider):
    def webhook_lacks(self):
        return ()


class SaysTheVariableOfItsSecret(AcmeProvider):
    def webhook_lacks(self):
        return () if self.webhook_secret else ("webhook_secret", "SMSBRIDGE_ACME_WEBHOOK_SECRET")


class ComparesTheBeginning(AcmeProvider):
    def verify(self, webhook):
        given = webhook.headers.get("x-acme-signature", "").encode()
        if not given or not self._signature(webhook.body).startswith(given):
            raise SignatureError("no")


class BreaksOnOddSignatures(AcmeProvider):
    def verify(self, webhook):
        if not hmac.compare_digest(self._signature(webhook.body).decode(), webhook.headers["x-acme-signature"]):
            raise SignatureError("no")


class DoesNotCoverTheBody(AcmeProvider):
    def _signature(self, body):
        return super()._signature(b"")


class BreaksOnOddWebhooks(AcmeProvider):
    def parse(self, webhook):
        return [replace(report, id=report.raw["id"] or None) for report in super().parse(webhook)][::-1] + self._extra(
            webhook
        )

    def _extra(self, webhook):
        return [] if json.loads(webhook.body) else [replace(self._report({"id": "x"}), id="")]


class ForgetsTheKey(AcmeProvider):
    def _report(self, data):
        return replace(super()._report(data), key="")


class ReadsAnotherVariable(AcmeProvider):
    """Reads a setting from a variable that it does not declare."""

    @classmethod
    def from_env(cls, account=None, resolve=None):
        return cls(token=SecretStr("from elsewhere"), **({"account": account} if account else {}))


class KnowsWhoDrivesIt(AcmeProvider):
    """Changes the text under asyncio."""

    def _post(self, messages):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return (yield from super()._post(messages))
        return (yield from super()._post([replace(message, sender="ASYNC") for message in messages]))


class TakesATimeOutForAYes(AcmeProvider):
    def send(self, message):
        try:
            return (yield from super().send(message))
        except NoAnswer:
            return self.accepted(message, id="probably")


class TakesATimeOutForANo(AcmeProvider):
    def send(self, message):
        try:
            return (yield from super().send(message))
        except NoAnswer:
            raise RefusedError("no answer") from None


class BelievesAnyLookup(AcmeProvider):
    """Accepts the vendor's nearest match as the text that it looked up."""

    def lookup(self, reference):
        response = yield from HttpRequest.get(f"{URL}/texts", {"ref": reference}, headers=self._headers())
        if not response.ok:
            raise response.error()
        for row in _rows(response).values():
            return SentMessage(account=self.account, provider=self.name, id=row["id"], reference=reference)
        return None


class FindsANumberOfItsOwnKind(AcmeProvider):
    """Returns the recipient in the vendor's notation, not in E.164."""

    def lookup(self, reference):
        found = yield from super().lookup(reference)
        return found and replace(found, to="919876543210")


class ApprovesByStatus(AcmeProvider):
    """Takes any 2xx for a right code."""

    def start_verification(self, message):
        response = yield from self._post([replace(message, text="{code}")])
        sent = self._accepted(message, _rows(response).get(message.reference), response)
        return Verification(account=self.account, provider=self.name, id=sent.id, to=sent.to, reference=sent.reference)

    def check_verification(self, verification, code):
        response = yield from HttpRequest.get(f"{URL}/codes/{verification.id}/{code}", headers=self._headers())
        if not response.ok:
            raise response.error()
        return VerificationCheck(approved=True)


class ForgetsHowLongItLasts(AcmeProvider):
    """The vendor documents it; see OWN."""


class TakesTheReferenceForTheId(AcmeProvider):
    def _accepted(self, message, row, response):
        return replace(super()._accepted(message, row, response), id=message.reference)


class ShortensTheIdThatIsTheReference(AcmeProvider):
    def _accepted(self, message, row, response):
        sent = super()._accepted(message, row, response)
        return replace(sent, id=sent.id[:16])


# --- what a proof covers ----------------------------------------------------------------------------------------------


class SendsASharedSecret(AcmeProvider):
    """Healthy if its samples declare it."""

    def verify(self, webhook):
        secret = self.webhook_secret.get_secret_value().strip() if self.webhook_secret else ""
        if not secret or not hmac.compare_digest(webhook.headers.get("x-acme-secret", "").encode(), secret.encode()):
            raise SignatureError("no")


class SaysThatNothingIsCovered(AcmeProvider):
    """Its signature covers the body, but its samples call it a shared secret."""


class SignsParameters(AcmeProvider):
    """Healthy: the proof is inside a JSON object, over names and values."""

    def verify(self, webhook):
        said = self.said(webhook)
        given = said.get("sig")
        if not isinstance(given, str) or not hmac.compare_digest(self._signature(self.covered(said)), given.encode()):
            raise SignatureError("no")

    def said(self, webhook):
        try:
            pairs = json.loads(webhook.body, object_pairs_hook=tuple)
        except (ValueError, RecursionError):
            raise SignatureError("no") from None
        if not isinstance(pairs, tuple) or len(dict(pairs)) < len(pairs) or not self.can_cover(pairs):
            raise SignatureError("no")
        return dict(pairs)

    def can_cover(self, pairs):
        return all(isinstance(value, str) for _, value in pairs)

    @classmethod
    def covered(cls, said):
        return urlencode(sorted((name, value) for name, value in said.items() if name != "sig")).encode()

    def parse(self, webhook):
        return [self._report(webhook.json())]


class SaysThatBytesAreCovered(SignsParameters):
    """Accepts a space after the JSON as unchanged."""


class SaysThatNoParameterIsCovered(SignsParameters):
    pass


class LeavesAParameterUncovered(SignsParameters):
    @classmethod
    def covered(cls, said):
        return super().covered({name: value for name, value in said.items() if name != "status"})


class PassesOverWhatIsNested(SignsParameters):
    def can_cover(self, pairs):
        return True

    @classmethod
    def covered(cls, said):
        return super().covered({name: value for name, value in said.items() if isinstance(value, str)})


class ChecksTheFirstAndReadsTheLast(SignsParameters):
    def said(self, webhook):
        pairs = json.loads(webhook.body, object_pairs_hook=tuple)
        return dict(reversed(pairs))


class BreaksOnAnOddSig(SignsParameters):
    def can_cover(self, pairs):
        return super().can_cover([pair for pair in pairs if pair[0] != "sig"])

    def verify(self, webhook):
        if not hmac.compare_digest(self._signature(self.covered(said := self.said(webhook))).decode(), said["sig"]):
            raise SignatureError("no")


class TakesAStampForASig(SignsParameters):
    """Only looks at whether there is a signature."""

    def verify(self, webhook):
        said = self.said(webhook)
        if "sig" in said or "stamp" not in said or not self.webhook_secret:
            super().verify(webhook)


class BreaksOnWhatCannotBeSigned(SignsParameters):
    def said(self, webhook):
        if not isinstance(webhook.json(), dict):
            raise TypeError("no object")
        return super().said(webhook)


def _make(provider: AcmeProvider, messages: Any) -> HttpRequest:
    flow = AcmeProvider._post(provider, messages)
    request = next(flow)
    flow.close()
    return request


def _request(provider, messages):
    return (yield _make(provider, messages))


CATCHES: dict[type[AcmeProvider], list[str]] = {
    IgnoresTheBody: ["test_a_refusal_raises_its_class"],
    TrustsTheBody: ["test_an_accepting_body_does_not_outweigh_the_status"],
    CallsAServerErrorRefused: ["test_a_server_error_is_uncertain"],
    BelievesABodyMoreThanATimeOut: ["test_a_refusing_body_does_not_outweigh_the_status"],
    ForgetsRetryAfter: ["test_too_many_requests_is_rate_limited"],
    RetriesATimeOut: ["test_after_a_time_out_nothing_is_sent_again"],
    ForgetsSends: ["test_exactly_the_request_that_sends_says_so", "test_a_time_out_is_uncertain"],
    FollowsRedirects: ["test_no_answer_can_lead_it_to_another_host"],
    ReadsCutAnswers: ["test_a_cut_answer_is_uncertain"],
    TakesAnythingForAnId: ["test_no_change_to_an_accepting_answer_surprises"],
    DropsTheReference: ["test_an_accepted_text_keeps_id_recipient_and_reference"],
    ShortensTheReference: ["test_a_reference_is_kept_or_refused_but_never_shortened"],
    SaysDelivered: ["test_an_accepted_text_keeps_id_recipient_and_reference"],
    IgnoresSendAt: ["test_a_field_that_it_supports_is_sent_and_any_other_refused"],
    IgnoresSendAtInBatches: ["test_a_batch_sends_the_fields_that_a_single_text_sends"],
    DropsWhatItCannotExpress: ["test_a_field_that_it_supports_is_sent_and_any_other_refused"],
    ManglesUnicode: ["test_a_text_arrives_as_it_was_written"],
    TidiesTexts: ["test_a_text_arrives_as_it_was_written"],
    ChangesTheMessage: ["test_the_message_is_left_as_it_was"],
    LosesARow: ["test_a_batch_returns_one_result_per_message_by_itself"],
    MixesUpRecipients: ["test_rows_in_another_order_go_to_their_own_messages", "test_a_missing_row_is_uncertain"],
    FailsTheWholeBatch: ["test_a_refused_row_fails_alone"],
    DeclaresAStatusThatIsNone: ["test_what_it_declares_it_does"],
    SendsWhenAsked: ["test_exactly_the_request_that_sends_says_so"],
    GuessesStatuses: ["test_a_new_word_of_the_vendor_is_unknown_and_not_final"],
    LeaksItsToken: ["test_a_setting_that_holds_a_secret_is_a_secretstr", "test_the_provider_shows_no_secret"],
    PutsTheTokenIntoErrors: ["test_no_failure_shows_a_secret"],
    LogsTexts: ["test_nothing_shows_a_secret_when_all_goes_well"],
    LogsWhatTheVendorSays: [
        "test_an_answer_that_quotes_in_another_form_is_not_passed_on",
        "test_no_answer_forges_a_line_or_commands_a_terminal",
    ],
    WarnsOfNumbers: ["test_nothing_shows_a_secret_when_all_goes_well"],
    SkipsVerification: ["test_a_webhook_without_its_proof_is_refused", "test_a_proof_with_another_secret_is_refused"],
    AcceptsAnEmptySecret: ["test_without_a_configured_secret_every_webhook_is_refused"],
    AcceptsWithoutASecret: ["test_without_a_configured_secret_every_webhook_is_refused"],
    SaysNothingOfItsSecret: ["test_it_says_which_secret_is_not_set"],
    SaysTheVariableOfItsSecret: ["test_it_says_which_secret_is_not_set"],
    ComparesTheBeginning: ["test_a_garbled_proof_is_refused"],
    BreaksOnOddSignatures: ["test_a_garbled_proof_is_refused"],
    DoesNotCoverTheBody: ["test_a_changed_body_is_refused"],
    BreaksOnOddWebhooks: ["test_a_genuine_webhook_of_an_odd_shape_is_a_payload_error_or_read"],
    ForgetsTheKey: ["test_an_event_is_complete_and_has_a_stable_key"],
    KnowsWhoDrivesIt: ["test_sync_equals_async"],
    TakesATimeOutForAYes: ["test_a_time_out_is_uncertain"],
    TakesATimeOutForANo: ["test_a_time_out_is_uncertain"],
    BelievesAnyLookup: ["test_a_lookup_does_not_take_the_text_of_another_reference"],
    FindsANumberOfItsOwnKind: ["test_a_lookup_finds_what_was_accepted"],
    ApprovesByStatus: ["test_an_odd_answer_approves_nothing"],
    ReadsAnotherVariable: ["test_the_environment_makes_the_same_provider"],
    ForgetsHowLongItLasts: ["test_a_refusal_raises_its_class"],
    TakesTheReferenceForTheId: ["test_an_accepted_text_keeps_id_recipient_and_reference"],
    ShortensTheIdThatIsTheReference: ["test_an_accepted_text_keeps_id_recipient_and_reference"],
    SendsASharedSecret: ["test_a_changed_body_is_refused"],
    SaysThatNothingIsCovered: ["test_the_proof_is_a_shared_secret_that_covers_no_content"],
    SaysThatBytesAreCovered: ["test_a_changed_body_is_refused"],
    SaysThatNoParameterIsCovered: ["test_the_proof_is_a_shared_secret_that_covers_no_content"],
    LeavesAParameterUncovered: ["test_a_changed_body_is_refused"],
    PassesOverWhatIsNested: ["test_nothing_is_smuggled_in_beside_what_the_proof_covers"],
    ChecksTheFirstAndReadsTheLast: ["test_nothing_is_smuggled_in_beside_what_the_proof_covers"],
    BreaksOnAnOddSig: ["test_a_garbled_proof_is_refused"],
    TakesAStampForASig: ["test_a_webhook_without_its_proof_is_refused"],
    BreaksOnWhatCannotBeSigned: ["test_a_genuine_webhook_of_an_odd_shape_is_a_payload_error_or_read"],
}


def _sign_no_body(kit, webhook, secret):
    proof = TestAcme.sign(kit, replace(webhook, body=b""), secret).headers["x-acme-signature"]
    return replace(webhook, headers={**webhook.headers, "x-acme-signature": proof})


def _add_secret(_, webhook, secret):
    return replace(webhook, headers={**webhook.headers, "x-acme-secret": secret})


def _sign_parameters(kit, webhook, secret):
    said = json.loads(webhook.body.decode()) if webhook.body[:1] == b"{" else None
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise ValueError("this can carry no proof")
    said["stamp"] = "20301231"
    sig = hmac.new(secret.encode(), kit.provider_class.covered(said), hashlib.sha256).hexdigest()
    return replace(webhook, body=json.dumps({**said, "sig": sig}).encode())


PARAMETERS: dict[str, Any] = {
    "proof_covers": "parameters",
    "sign": _sign_parameters,
    "webhooks": {
        "a report": replace(
            TestAcme.webhooks["a report"],
            request=HttpRequest.post_json("https://app.example/sms", {"id": "7", "status": "delivered"}),
        )
    },
}
OWN: dict[type[AcmeProvider], dict[str, Any]] = {
    DoesNotCoverTheBody: {"sign": _sign_no_body},
    BelievesAnyLookup: {"finds": TestAcme.accepts},
    ApprovesByStatus: {
        "starts_verification": TestAcme.accepts,
        "approves": lambda _, __: HttpResponse.of_json({"right": True}),
    },
    ForgetsHowLongItLasts: {
        "refusals": {"no credit": replace(TestAcme.refusals["no credit"], retry_after=120)},
    },
    ShortensTheIdThatIsTheReference: {"id_is_reference": True},
    SendsASharedSecret: {"sign": _add_secret},
    SaysThatNothingIsCovered: {"proof_covers": "secret"},
    SaysThatBytesAreCovered: {"proof_covers": "body"},
    SaysThatNoParameterIsCovered: {"proof_covers": "secret"},
}
"""Differences from the samples of Acme."""


def contract(provider: type[AcmeProvider], **own: Any) -> type[TestAcme]:
    """The contract of Acme for a broken provider."""
    common = PARAMETERS if issubclass(provider, SignsParameters) else {}
    samples = {"provider_class": provider, **common, **OWN.get(provider, {}), **own}
    return type(f"Test{provider.__name__}", (TestAcme,), samples)
