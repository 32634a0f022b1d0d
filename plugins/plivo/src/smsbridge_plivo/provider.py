"""PlivoProvider: requests to Plivo, and the meaning of its answers.

Plivo's API for messages (https://plivo.com/docs/messaging/api/messages.md) and for one-time codes
(https://plivo.com/docs/programmable-api/verify/sessions.md). There is no ``send_batch``: a request can have many
recipients, but its answer is only a list of ids in an undocumented order, and its single callback URL cannot carry a
reference for each text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from smsbridge import reading
from smsbridge.environment import variable
from smsbridge.errors import NotFoundError, RefusedError, SenderError, UncertainError
from smsbridge.http import Flow, HttpRequest, with_query
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Event,
    Message,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)

from . import parsing, vocabulary, webhooks
from .settings import REFERENCE, PlivoOptions, PlivoSettings, PlivoVerificationOptions

_SHORTEST_EXPIRY, _LONGEST_EXPIRY = 5, 10_799  # seconds: "5-10,799. Default: 10,800 (3 hours)"
_TELLING = (400, 404, 409, 422)  # the answer to a wrong code is not documented; these statuses can be about the code
_REFERENCE = re.compile(r"[\x20-\x7e]*")


class PlivoProvider(PlivoSettings):
    """Sends texts and one-time codes through Plivo, and reads its delivery reports and incoming texts.

    The vendor's documentation: https://plivo.com/docs/messaging/api/messages.md
    """

    supports = frozenset({"sender", "valid_until", "dlt"})
    reasons: ClassVar[Mapping[str, str]] = {code: meaning.reason for code, meaning in vocabulary.CODES.items()}
    options = PlivoOptions
    verification_options = PlivoVerificationOptions

    # --- texts --------------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> Flow[SentMessage]:
        response = yield from self._post("Message/", self._fields(message), sends=True)
        message_uuid, raw = parsing.message_uuid(response, message.to)
        return self.accepted(message, id=message_uuid, status=Status.QUEUED, raw=raw)

    def _fields(self, message: Message) -> dict[str, Any]:
        options: PlivoOptions = self.options_of(message)
        sender = message.sender or self.sender
        if not sender and not self.powerpack_uuid:
            own, pack = (variable(self.account, name) for name in ("sender", "powerpack_uuid"))
            raise SenderError(f"the text names no sender: give it one, or set {own} or {pack}", reason="missing")
        url = self._callback(message.reference or "")
        return {
            "src": _sender(sender) if sender else None,
            "powerpack_uuid": None if sender else self.powerpack_uuid,
            "dst": reading.digits(message.to),
            "text": message.text,
            "type": "sms",
            "url": url,
            "method": url and self.callback_method,
            "message_expiry": _expiry(message),
            "log": options.log,
            "trackable": options.trackable,
            **self._dlt(message, options),
        }

    def _dlt(self, message: Message, options: PlivoOptions) -> dict[str, str | None]:
        dlt = reading.dlt_ids(message, self.entity_id, self.template_id)
        category: str | None = options.template_category
        if category is None and (dlt.entity_id or dlt.template_id):
            category = self.template_category or vocabulary.CATEGORIES[message.purpose]
        return {
            "dlt_entity_id": dlt.entity_id,
            "dlt_template_id": dlt.template_id,
            "dlt_template_category": category,
        }

    def _callback(self, reference: str) -> str | None:
        """The callback URL with our reference in its query.

        Plivo signs the decoded query, and its SDKs disagree on the decoding beyond ASCII: the signature of such a
        report could not be checked.
        """
        if self.callback_url is None:
            return None
        if not _REFERENCE.fullmatch(reference):
            raise self.unsupported("a reference with characters beyond ASCII, which the callback URL cannot carry")
        return with_query(self.callback_url, {REFERENCE: reference} if reference else {})

    # --- questions ----------------------------------------------------------------------------------------------------

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        segment = reading.segment(sent.id)
        if not segment:
            raise NotFoundError
        response = yield from self._get(f"Message/{segment}/")
        if response.status == 404 and parsing.error_text(response):
            raise NotFoundError
        data = parsing.answer(response)
        if reading.text(data.get("message_uuid")) != sent.id:
            raise response.error(UncertainError, detail="the answer is not about this text")
        return webhooks.report(
            {pushed: data.get(pulled) for pushed, pulled in webhooks.PULLED.items()},
            account=self.account,
            provider=self.name,
            currency=self.currency,
            raw=data,
            to=sent.to,
            reference=sent.reference,
        )

    def balance(self) -> Flow[list[Balance]]:
        response = yield from self._get("")
        data = parsing.answer(response)
        amount = reading.decimal(data.get("cash_credits"))
        if amount is None:
            raise response.error(UncertainError, detail="the answer has no cash_credits that can be read")
        return [Balance(service="cash", amount=amount, unit=self.currency, raw=data)]

    # --- one-time codes -----------------------------------------------------------------------------------------------

    def start_verification(self, message: Message) -> Flow[Verification]:
        if message.text:
            raise self.unsupported("your own text for a one-time code: the Verify application holds the text")
        options: PlivoVerificationOptions = self.options_of(message, verification=True)
        fields = {"app_uuid": self.verify_app_uuid, "recipient": reading.digits(message.to), "channel": "sms"}
        response = yield from self._post("Verify/Session/", {**fields, **options.model_dump()}, sends=True)
        data = parsing.answer(response, message.to)
        session_uuid = data.get("session_uuid")
        if not isinstance(session_uuid, str) or not session_uuid.strip() or "error" in data:
            raise response.error(UncertainError, detail="the answer has no id for this code")
        return Verification(
            account=self.account,
            provider=self.name,
            id=session_uuid.strip(),
            to=message.to,
            reference=message.reference or "",
        )

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        # A session allows ten guesses; an empty code must not use one up.
        if not code.strip():
            return VerificationCheck(approved=False, reason="wrong-code")
        segment = reading.segment(verification.id)
        if not segment:
            return VerificationCheck(approved=False, reason="unknown")
        response = yield from self._post(f"Verify/Session/{segment}/", {"otp": code.strip()})
        said = parsing.error_text(response)
        if said and (response.ok or response.status in _TELLING):
            return VerificationCheck(approved=False, reason=vocabulary.check(said))
        words = reading.text(parsing.answer(response).get("message"))
        if not words:
            raise response.error(UncertainError, detail="the answer says neither yes nor no")
        if words.lower().startswith(vocabulary.APPROVED):
            return VerificationCheck(approved=True)
        return VerificationCheck(approved=False, reason=vocabulary.check(words))

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def verify(self, webhook: HttpRequest) -> None:
        token = self.auth_token.get_secret_value()
        setting = variable(self.account, "auth_token")
        webhooks.check_signature(webhook, token, accept_v2=self.accept_v2_signature, setting=setting)

    def parse(self, webhook: HttpRequest) -> list[Event]:
        return [webhooks.event(webhook, account=self.account, provider=self.name, currency=self.currency)]


def _sender(sender: str) -> str:
    """A number's digits, or a name. Plivo strips other characters, so that the sender would change."""
    bare = reading.digits(sender) if sender.startswith("+") else sender
    if not re.fullmatch(r"[A-Za-z0-9]+", bare):
        raise SenderError(
            "a sender must be a number, or a name of A-Z, a-z and 0-9: choose another, because Plivo strips the rest",
            reason="sender",
        )
    return bare


def _expiry(message: Message) -> int | None:
    """Seconds that the text may wait at Plivo.

    None if the limit is later than Plivo's own, three hours.
    """
    left = reading.seconds_left(message)
    if left is None:
        return None
    if left < _SHORTEST_EXPIRY:
        raise RefusedError(
            "the text expires in less than 5 seconds, the shortest time that Plivo takes: set valid_until later",
            reason="expired",
        )
    return int(left) if int(left) <= _LONGEST_EXPIRY else None
