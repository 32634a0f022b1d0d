"""TwilioProvider: requests to Twilio, and the meaning of its answers.

The Message resource (https://www.twilio.com/docs/messaging/api/message-resource), Balance, and Verify v2
(https://www.twilio.com/docs/verify/api).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, ClassVar

from smsbridge import reading
from smsbridge.environment import variable
from smsbridge.errors import (
    NotFoundError,
    QueryError,
    SenderError,
    SendError,
    UncertainError,
)
from smsbridge.http import Flow, HttpRequest, HttpResponse
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Event,
    InboundMessage,
    Message,
    SentMessage,
    Verification,
    VerificationCheck,
)

from . import addresses, parsing, vocabulary, webhooks
from .settings import TwilioOptions, TwilioSettings, TwilioVerificationOptions

LONGEST_VALIDITY = 36_000  # seconds, https://www.twilio.com/docs/api/errors/90007
_CODE = re.compile(r"[A-Za-z0-9]{4,10}", re.ASCII)  # https://www.twilio.com/docs/api/errors/60200
_TWIML = HttpResponse(status=200, headers={"content-type": "text/xml"}, body=b"<Response/>")


class TwilioProvider(TwilioSettings):
    """Sends texts and one-time codes through Twilio, and reads its delivery reports and incoming texts.

    Codes go through Twilio Verify. The vendor's documentation: https://www.twilio.com/docs
    """

    supports = frozenset({"sender", "send_at", "valid_until"})
    reasons: ClassVar[Mapping[str, str]] = {
        code: meaning.reason for code, meaning in vocabulary.CODES.items() if meaning.reason
    }
    options = TwilioOptions
    verification_options = TwilioVerificationOptions

    # --- texts --------------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> Flow[SentMessage]:
        response = yield from self._post(self._account_url("Messages"), self._fields(message), sends=True)
        data = parsing.answer(response)
        word = reading.text(data.get("status"))
        if word in vocabulary.FAILING:
            raise _failure(response, data)
        id = parsing.sid(data.get("sid"))  # noqa: A001
        if not id:
            raise response.error(UncertainError, detail="the answer has no id for this message")
        return self.accepted(
            message,
            id=id,
            status=vocabulary.status(word),
            segments=parsing.whole(data.get("num_segments")),
            price=parsing.price(data),
            at=parsing.moment(data.get("date_created")),
            raw=data,
        )

    def _fields(self, message: Message) -> dict[str, Any]:
        options: TwilioOptions = self.options_of(message)
        sender = message.sender or self.sender
        service = self.messaging_service_sid
        if not sender and not service:
            own, service = (variable(self.account, name) for name in ("sender", "messaging_service_sid"))
            raise SenderError(f"the text names no sender: give it one, or set {own} or {service}", reason="missing")
        if message.send_at and not service:
            raise self.unsupported(f"scheduling without {variable(self.account, 'messaging_service_sid')}")
        if options.shorten_urls and not service:
            raise self.unsupported(f"shortening links without {variable(self.account, 'messaging_service_sid')}")
        needs_service = not sender or message.send_at or options.shorten_urls
        return {
            "To": message.to,
            "Body": message.text,
            "From": sender,
            "MessagingServiceSid": service if needs_service else None,
            "StatusCallback": self._callback(message),
            "SendAt": message.send_at and message.send_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ScheduleType": message.send_at and "fixed",
            "ValidityPeriod": self._validity(message),
            "MessageIntent": options.message_intent or vocabulary.INTENTS.get(message.purpose),
            **_parameters(options.model_dump(exclude={"message_intent"})),
        }

    def _callback(self, message: Message) -> str | None:
        if not self.callback_url:
            return None
        url = addresses.callback(self.callback_url, message.reference or "")
        if len(url) > addresses.LONGEST:
            raise self.unsupported(
                f"a reference that makes the status callback longer than {addresses.LONGEST} characters"
            )
        return url

    def _validity(self, message: Message) -> int | None:
        """Seconds in Twilio's queue; a scheduled text enters the queue at its time."""
        left = reading.seconds_left(message, since=message.send_at)
        if left is None:
            return None
        if int(left) > LONGEST_VALIDITY:
            raise self.unsupported(f"a validity of more than {LONGEST_VALIDITY} seconds")
        return int(left)

    # --- questions ----------------------------------------------------------------------------------------------------

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        data = yield from self._ask(self._get(self._account_url("Messages", _known(sent.id))))
        return webhooks.report(
            account=self.account,
            provider=self.name,
            id=sent.id,
            to=reading.text(data.get("to")) or sent.to,
            word=reading.text(data.get("status")),
            code=parsing.error_code(data.get("error_code")),
            reference=sent.reference,
            at=parsing.moment(data.get("date_updated")),
            segments=parsing.whole(data.get("num_segments")),
            price=parsing.price(data),
            raw=data,
        )

    def balance(self) -> Flow[list[Balance]]:
        response = yield from self._get(self._account_url("Balance"))
        data = parsing.answer(response)
        amount, unit = reading.decimal(data.get("balance")), reading.text(data.get("currency"))
        if amount is None or not unit:
            raise response.error(UncertainError, detail="the answer has no balance that can be read")
        return [Balance(service="account", amount=amount, unit=unit.upper(), raw=data)]

    def _ask(self, request: HttpRequest) -> Flow[dict[str, Any]]:
        """The answer about a message or a verification; NotFoundError if Twilio does not know it."""
        response = yield from request
        try:
            return parsing.answer(response)
        except SendError as error:
            if error.code != vocabulary.NOT_FOUND or isinstance(error, UncertainError):
                raise
        raise NotFoundError(code=vocabulary.NOT_FOUND)

    # --- one-time codes -----------------------------------------------------------------------------------------------

    def start_verification(self, message: Message) -> Flow[Verification]:
        options: TwilioVerificationOptions = self.options_of(message, verification=True)
        if message.text:
            raise self.unsupported("your own text for a one-time code; the option template_sid names a template")
        form = {"To": message.to, "Channel": "sms", **_parameters(options.model_dump())}
        response = yield from self._post(self._verify_url("Verifications"), form, sends=True)
        data = parsing.answer(response)
        id = parsing.sid(data.get("sid"))  # noqa: A001
        if not id or data.get("status") != "pending":
            raise response.error(UncertainError, detail="the answer does not say that a code is on its way")
        return Verification(
            account=self.account, provider=self.name, id=id, to=message.to, reference=message.reference or ""
        )

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        code = code.strip()
        # Twilio would refuse it as a bad request.
        if not _CODE.fullmatch(code):
            return VerificationCheck(approved=False, reason="wrong-code")
        form = {"VerificationSid": verification.id, "Code": code}
        response = yield from self._post(self._verify_url("VerificationCheck"), form)
        try:
            data = parsing.answer(response)
        except SendError as error:
            if error.code not in vocabulary.CHECK_CODES or isinstance(error, UncertainError):
                raise
            return VerificationCheck(approved=False, reason=vocabulary.CHECK_CODES[error.code])
        word = reading.text(data.get("status"))
        if not word or reading.text(data.get("sid")) not in ("", verification.id):
            raise response.error(UncertainError, detail="the answer is not about this code")
        reason = vocabulary.CHECKS.get(word, word)
        approved = reason is None and data.get("valid") is not False
        return VerificationCheck(approved=approved, reason=None if approved else reason or "wrong-code")

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        url = self._verify_url("Verifications", _known(verification.id))
        data = yield from self._ask(self._post(url, {"Status": "canceled"}))
        word = reading.text(data.get("status"))
        if word != "canceled":
            raise QueryError(code=word or None, reason=word or None)

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def verify(self, webhook: HttpRequest) -> None:
        webhooks.check_signature(
            webhook,
            token=self.auth_token,
            shared_key=self.webhook_shared_key,
            callback_url=self.callback_url,
            account=self.account,
        )

    def webhook_lacks(self) -> tuple[str, ...]:
        return () if self.auth_token or self.webhook_shared_key else ("auth_token", "webhook_shared_key")

    def parse(self, webhook: HttpRequest) -> list[Event]:
        return [webhooks.event(webhook, account=self.account, provider=self.name)]

    def acknowledge(self, events: Sequence[Event]) -> HttpResponse:
        """Return the answer to a webhook.

        It is an empty TwiML document (*no reply*) for an incoming text, and HTTP status 204 for a delivery report.
        """
        return _TWIML if any(isinstance(event, InboundMessage) for event in events) else HttpResponse(status=204)


def _failure(response: HttpResponse, data: Mapping[str, Any]) -> SendError:
    """The error for a message that has failed already; only a known code makes the failure certain."""
    code = parsing.error_code(data.get("error_code"))
    detail = reading.text(data.get("error_message")) or f"the message is {reading.text(data.get('status'))}"
    return reading.error_of(response, vocabulary.CODES.get(code), code=code, detail=detail)


def _parameters(options: Mapping[str, Any]) -> dict[str, Any]:
    """``smart_encoded=True`` as Twilio writes it: ``SmartEncoded=true``."""
    return {
        name.title().replace("_", ""): str(value).lower() if isinstance(value, bool) else value
        for name, value in options.items()
    }


def _known(id: str) -> str:
    """``id``, if it is a SID of Twilio: no other value may become part of a path."""
    if not parsing.sid(id):
        raise NotFoundError("this is not an id of Twilio: give sent.id, which is two letters and 32 hexadecimal digits")
    return id
