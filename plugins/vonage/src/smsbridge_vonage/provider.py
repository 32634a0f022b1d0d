"""VonageProvider: requests to Vonage, and the meaning of its answers.

Texts go through the SMS API (https://developer.vonage.com/en/api/sms) or Messages v1
(https://developer.vonage.com/en/api/messages), one-time codes through Verify v2
(https://developer.vonage.com/en/api/verify.v2): the vendor's own document calls v1 deprecated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar, NoReturn

from pydantic import PrivateAttr

from smsbridge import reading
from smsbridge.environment import variable
from smsbridge.errors import (
    NotFoundError,
    RefusedError,
    SenderError,
    SendError,
    UncertainError,
)
from smsbridge.http import Flow, HttpRequest, HttpResponse
from smsbridge.messages import (
    Balance,
    Dlt,
    Event,
    Message,
    Money,
    SentMessage,
    Verification,
    VerificationCheck,
)
from smsbridge.rehearsal import Rehearsal
from smsbridge.text import measure

from . import parsing, signatures, vocabulary, webhooks
from .content import Content
from .parts import Parts
from .settings import VonageOptions, VonageSettings, VonageVerificationOptions

_LONGEST_REFERENCE = 100
_SHORTEST_VALIDITY, _LONGEST_VALIDITY = 20, 7 * 24 * 3600
_CODE = re.compile(r"[A-Za-z0-9]{4,10}", re.ASCII)
_CONCURRENT = re.compile(r"concurrent verification", re.IGNORECASE)


class VonageProvider(VonageSettings):
    """Sends texts and one-time codes through Vonage (once Nexmo), and reads its delivery reports and incoming texts.

    The vendor's documentation: https://developer.vonage.com
    """

    supports = frozenset({"sender", "valid_until", "dlt"})
    reasons: ClassVar[Mapping[str, str]] = vocabulary.ERR_CODES | {
        code: meaning.reason for code, meaning in vocabulary.MESSAGES_CODES.items() if meaning.reason
    }
    options = VonageOptions
    verification_supports = frozenset({"sender", "dlt"})
    verification_options = VonageVerificationOptions

    _parts: Parts = PrivateAttr(default_factory=Parts)

    def forget(self, rehearsal: Rehearsal) -> None:
        self._parts = rehearsal.instead_of(self._parts, Parts)

    # --- texts --------------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> Flow[SentMessage]:
        if len(message.reference or "") > _LONGEST_REFERENCE:
            raise self.unsupported(f"a reference of more than {_LONGEST_REFERENCE} characters")
        return (yield from (self._send_sms(message) if self.api == "sms" else self._send_message(message)))

    def _send_sms(self, message: Message) -> Flow[SentMessage]:
        options: VonageOptions = self.options_of(message)
        left, dlt = self._seconds_left(message), self._dlt(message)
        fields = {
            "from": self._sender(message),
            "to": parsing.digits(message.to),
            "text": message.text,
            "type": None if measure(message.text).encoding == "gsm7" else "unicode",
            "ttl": left and int(left * 1000),
            "client-ref": message.reference,
            "callback": options.callback_url or self.callback_url,
            "entity-id": dlt.entity_id,
            "content-id": dlt.template_id,
            "trusted-number": "true" if options.trusted else None,
        }
        response = yield from self._post_sms(fields)
        return self._accepted(message, response)

    def _accepted(self, message: Message, response: HttpResponse) -> SentMessage:
        """Read the rows: with HTTP 200, each part of the text has its own row, accepted or refused."""
        if not response.ok:
            raise response.error(detail=parsing.said(reading.object_or_empty(response)))
        data = response.json_object()
        rows = data.get("messages")
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise response.error(UncertainError, detail="the answer has no rows")
        refused = [row for row in rows if reading.text(row.get("status")) != vocabulary.SMS_ACCEPTED]
        if refused:
            raise _worst(rows, refused, response)
        ids = [reading.text(row.get("message-id")) for row in rows]
        if not all(ids) or reading.whole(data.get("message-count")) not in (None, len(rows)):
            raise response.error(UncertainError, detail="the answer has no id for each part of the text")
        if {reading.text(row.get("to")) for row in rows} - {"", parsing.digits(message.to)}:
            raise response.error(UncertainError, detail="the answer is for another number")
        prices = [reading.decimal(row.get("message-price")) for row in rows]
        total = sum((price for price in prices if price is not None), Decimal(0))
        return self.accepted(
            message,
            id=ids[0],
            segments=len(rows),
            price=Money(amount=total, unit=parsing.EUR) if None not in prices else None,
            raw={**data, "ids": ids},
        )

    def _send_message(self, message: Message) -> Flow[SentMessage]:
        options: VonageOptions = self.options_of(message)
        left, dlt = self._seconds_left(message), self._dlt(message)
        fields = {
            "channel": "sms",
            "message_type": "text",
            "to": parsing.digits(message.to),
            "from": self._sender(message),
            "text": message.text,
            "ttl": left and int(left),
            "client_ref": message.reference,
            "webhook_url": options.callback_url or self.callback_url,
            "trusted_recipient": options.trusted or None,
            "sms": reading.given({"entity_id": dlt.entity_id, "content_id": dlt.template_id}),
        }
        response = yield from self._post_json("/v1/messages", fields, sends=True)
        if not response.ok:
            _refuse(response)
        data = response.json_object()
        uuid = reading.text(data.get("message_uuid"))
        if not uuid:
            raise response.error(UncertainError, detail="the answer has no id for this message")
        return self.accepted(message, id=uuid, raw=data)

    def _sender(self, message: Message) -> str:
        sender = message.sender or self.sender
        if not sender:
            raise SenderError(
                f"the text names no sender: give it one, or set {variable(self.account, 'sender')}", reason="missing"
            )
        return parsing.digits(sender)

    def _dlt(self, message: Message) -> Dlt:
        return reading.dlt_ids(message, self.entity_id, self.template_id)

    def _seconds_left(self, message: Message) -> float | None:
        """Seconds until the text expires, if the vendor takes such a time.

        Callers round it down, so that the text is not sent too late.
        """
        left = reading.seconds_left(message)
        if left is not None and not _SHORTEST_VALIDITY <= left <= _LONGEST_VALIDITY:
            raise self.unsupported("texts that are valid for less than 20 seconds or for more than 7 days")
        return left

    # --- balance ------------------------------------------------------------------------------------------------------

    def balance(self) -> Flow[list[Balance]]:
        response = yield from self._get("/account/get-balance")
        if not response.ok:
            _refuse(response)
        data = response.json_object()
        amount = reading.decimal(data.get("value"))
        if amount is None:
            raise response.error(UncertainError, detail="the answer has no balance that can be read")
        return [Balance(service="account", amount=amount, unit=parsing.EUR, raw=data)]

    # --- one-time codes -----------------------------------------------------------------------------------------------

    def start_verification(self, message: Message) -> Flow[Verification]:
        options: VonageVerificationOptions = self.options_of(message, verification=True)
        if message.text:
            raise self.unsupported("your own text for one-time codes: make a template in the dashboard")
        if not self.verify_brand:
            raise RefusedError(
                f"Vonage needs a brand for one-time codes: set {variable(self.account, 'verify_brand')}",
                reason="brand",
                fault="account",
            )
        # Not the setting template_id: it belongs to your texts, and this text is Vonage's.
        dlt = reading.dlt_ids(message, self.entity_id, None)
        channel = {
            "channel": "sms",
            "to": parsing.digits(message.to),
            "from": parsing.digits(message.sender or self.sender or ""),
            "entity_id": dlt.entity_id,
            "content_id": dlt.template_id,
        }
        fields = {
            "brand": self.verify_brand,
            "locale": options.locale,
            "channel_timeout": options.channel_timeout,
            "code_length": options.length,
            "workflow": [reading.given(channel)],
        }
        response = yield from self._post_json("/v2/verify", fields, sends=True)
        if not response.ok:
            _refuse(response)
        request_id = reading.text(response.json_object().get("request_id"))
        if not request_id:
            raise response.error(UncertainError, detail="the answer has no id for this code")
        return Verification(
            account=self.account, provider=self.name, id=request_id, to=message.to, reference=message.reference or ""
        )

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        code = code.strip()
        # The vendor makes no such codes.
        if not _CODE.fullmatch(code):
            return VerificationCheck(approved=False, reason="wrong-code")
        response = yield from self._post_json(_path(verification), {"code": code}, sends=False)
        if response.ok:
            data = response.json_object()
            if data.get("status") == "completed" and data.get("request_id") in (None, verification.id):
                return VerificationCheck(approved=True)
            raise response.error(UncertainError, detail="the answer does not say whether the code is right")
        document = reading.object_or_empty(response)
        by_type = vocabulary.CHECKS.get((response.status, parsing.fragment(document)))
        title = reading.text(document.get("title")).lower()
        reason = by_type or vocabulary.CHECK_TITLES.get((response.status, title))
        if reason is None:
            _refuse(response)
        return VerificationCheck(approved=False, reason=reason)

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        response = yield from self._delete(_path(verification))
        if response.status == 404:
            raise NotFoundError(detail=parsing.said(reading.object_or_empty(response)))
        if not response.ok:
            _refuse(response)

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def verify(self, webhook: HttpRequest) -> None:
        secret = self.signature_secret.get_secret_value() if self.signature_secret else None
        setting = variable(self.account, "signature_secret")
        signatures.verify(webhook, secret=secret, method=self.signature_method, age=self.signature_age, setting=setting)

    def webhook_lacks(self) -> tuple[str, ...]:
        return () if self.signature_secret else ("signature_secret",)

    def parse(self, webhook: HttpRequest) -> list[Event]:
        return webhooks.events(Content.of(webhook).item, self._parts, account=self.account, provider=self.name)

    def acknowledge(self, events: Sequence[Event]) -> HttpResponse:
        self._parts.forget({event.key for event in events})
        return super().acknowledge(events)


def _worst(rows: Sequence[Any], refused: Sequence[dict[str, Any]], response: HttpResponse) -> SendError:
    """The error for an answer with refused rows; uncertain if some parts were sent or may have been sent."""
    errors = []
    for row in refused:
        code = reading.text(row.get("status"))
        detail = reading.text(row.get("error-text")) or "the answer does not say why"
        errors.append(reading.error_of(response, vocabulary.SMS_CODES.get(code), code=code or None, detail=detail))
    first = next((error for error in errors if isinstance(error, UncertainError)), errors[0])
    if len(refused) == len(rows):
        return first
    detail = f"{len(refused)} of {len(rows)} parts were refused, the others sent: {first.detail}"
    return response.error(UncertainError, code=first.code, reason="incomplete", detail=detail)


def _refuse(response: HttpResponse) -> NoReturn:
    """Raise the error for a problem document: by its title, if that says more than the HTTP status."""
    document = reading.object_or_empty(response)
    word, title = parsing.fragment(document), reading.text(document.get("title"))
    detail = parsing.said(document)
    meaning = vocabulary.MESSAGES_CODES.get(title) or vocabulary.MESSAGES_TITLES.get(title.lower())
    plain = response.error(code=word or None, detail=detail)
    if word == vocabulary.ALREADY_RUNNING or (
        response.status == HTTPStatus.CONFLICT and _CONCURRENT.match(reading.text(document.get("detail")) or title)
    ):
        plain = response.error(code=word or None, reason="already-running", detail=detail)
    if meaning is None or isinstance(plain, UncertainError) or type(plain) is not RefusedError:
        raise plain
    code = title if title.isdigit() else word or None
    raise reading.error_of(response, meaning, code=code, detail=detail)


def _path(verification: Verification) -> str:
    segment = reading.segment(verification.id)
    if not segment:
        raise NotFoundError
    return f"/v2/verify/{segment}"
