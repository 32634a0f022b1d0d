"""InfobipProvider: requests to Infobip, and the meaning of its answers.

Requests are those of Infobip's own OpenAPI specification and of its Python SDK: SMS API 3
(https://www.infobip.com/docs/api/channels/sms), 2FA API 2 (https://www.infobip.com/docs/api/platform/2fa) and
``/account/1/balance``.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from smsbridge import reading
from smsbridge.environment import variable
from smsbridge.errors import (
    NotFoundError,
    RecipientError,
    RefusedError,
    SignatureError,
    UncertainError,
)
from smsbridge.http import Flow, HttpRequest, HttpResponse, with_query
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Event,
    Message,
    Result,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)

from . import parsing, vocabulary, webhooks
from .parsing import Row
from .settings import InfobipOptions, InfobipSettings, InfobipVerificationOptions

_LONGEST_REFERENCE = 200
_PIN_ID = re.compile(r"[A-Za-z0-9_-]+")


class InfobipProvider(InfobipSettings):
    """Sends texts and one-time codes through Infobip, and reads its delivery reports and incoming texts.

    The vendor's documentation: https://www.infobip.com/docs/api
    """

    supports = frozenset({"sender", "send_at", "valid_until", "dlt"})
    reasons: ClassVar[Mapping[str, str]] = {str(code): reason for code, reason in vocabulary.ERRORS.items()}
    options = InfobipOptions
    verification_supports = frozenset({"sender"})
    verification_options = InfobipVerificationOptions
    batch_size = 100

    # --- texts --------------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> Flow[SentMessage]:
        response = yield from self._messages([message], [self._fields(message)])
        return self._accepted(message, self._rows([message], response).get(0), response)

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        fields: dict[int, dict[str, Any]] = {}
        results: list[Result] = []
        for index, message in enumerate(messages):
            try:
                fields[index] = self._fields(message)
            # This text cannot be sent; the others can.
            except RefusedError as error:
                results.append(Result(index=index, message=message, error=error))
        if len({self.batch_key(messages[index]) for index in fields}) > 1:
            raise self.unsupported("texts for several times in one request")
        if not fields:
            return results
        asked = [messages[index] for index in fields]
        response = yield from self._messages(asked, list(fields.values()))
        found = self._rows(asked, response)
        for place, (index, message) in enumerate(zip(fields, asked, strict=True)):
            sent = partial(self._accepted, message, found.get(place), response)
            results.append(reading.result(index, message, sent))
        return results

    def batch_key(self, message: Message) -> Hashable:
        # The only value that a request has for all of its texts.
        return message.send_at

    def _messages(self, messages: Sequence[Message], fields: list[dict[str, Any]]) -> HttpRequest:
        send_at = messages[0].send_at
        schedule = {"schedule": {"sendAt": parsing.written(send_at)}} if send_at else {}
        data = {"messages": fields, "options": {**schedule, "includeSmsCountInResponse": True}}
        return self._post("sms/3/messages", data, sends=True)

    def _fields(self, message: Message) -> dict[str, Any]:
        """An item of ``messages`` (https://www.infobip.com/docs/api/channels/sms/outbound-sms/send-sms-messages)."""
        options: InfobipOptions = self.options_of(message)
        reference = message.reference or ""
        # A query of the logs separates ids with commas.
        if len(reference) > _LONGEST_REFERENCE or "," in reference:
            raise self.unsupported(f"a reference with a comma or of more than {_LONGEST_REFERENCE} characters")
        extras = {
            "validityPeriod": self._validity(message),
            "campaignReferenceId": options.campaign,
            "regional": self._regional(message),
            "flash": options.flash or None,
        }
        delivery = {"delivery": {"url": self.callback_url}, "contentType": "application/json"}
        return reading.given(
            {
                "sender": message.sender or self.sender,
                "destinations": [reading.given({"to": reading.digits(message.to), "messageId": reference})],
                "content": reading.given({"text": message.text, "transliteration": options.transliteration}),
                "options": reading.given(extras),
                "webhooks": delivery if self.callback_url else None,
            }
        )

    def _validity(self, message: Message) -> dict[str, Any] | None:
        if message.valid_until is not None and message.send_at is not None:
            # Infobip does not document whether the validity counts from now or from the scheduled time.
            raise self.unsupported("valid_until together with send_at")
        left = reading.seconds_left(message)
        return None if left is None else {"amount": int(left), "timeUnit": "SECONDS"}

    def _regional(self, message: Message) -> dict[str, Any] | None:
        dlt = reading.dlt_ids(message, self.entity_id, self.template_id)
        ids = reading.given(
            {
                "principalEntityId": dlt.entity_id,
                "contentTemplateId": dlt.template_id,
                "telemarketerId": self.telemarketer_id,
            }
        )
        if ids and "principalEntityId" not in ids:
            raise self.unsupported("DLT ids without a principal entity id")
        return {"indiaDlt": ids} if ids else None

    def _rows(self, messages: Sequence[Message], response: HttpResponse) -> dict[int, Row]:
        return parsing.correlate(messages, parsing.rows(response, "messages"))

    def _accepted(self, message: Message, row: Row | None, response: HttpResponse) -> SentMessage:
        """Read a text's row: an accepted request can hold refused rows."""
        if row is None or not row.id:
            raise response.error(UncertainError, detail="the answer has no row with an id for this message")
        status = row.outcome.status
        if row.outcome.error is not None:
            detail = f"the request was accepted, this text got {row.word or 'no status that is known'}"
            raise reading.error_of(response, row.outcome, code=row.word or None, detail=detail)
        # The answer to a send only accepts the text, whatever the group says.
        if status is Status.DELIVERED:
            status = Status.SENT
        if message.send_at is not None and status is Status.QUEUED:
            status = Status.SCHEDULED
        return self.accepted(message, id=row.id, status=status, segments=row.segments, at=reading.now(), raw=row.raw)

    # --- questions ----------------------------------------------------------------------------------------------------

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        row = yield from self._find(sent.id, sent.to)
        if row is None:
            raise NotFoundError
        return webhooks.report(row, account=self.account, provider=self.name, to=sent.to)

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        row = yield from self._find(reference)
        if row is None:
            return None
        return SentMessage(
            account=self.account,
            provider=self.name,
            id=row.id,
            to=f"+{row.mobile}" if row.mobile else "",
            reference=reference,
            status=row.outcome.status,
            segments=row.segments,
            price=row.price,
            at=reading.moment(row.raw.get("sentAt")),
            raw=row.raw,
        )

    def _find(self, id: str, to: str = "") -> Flow[Row | None]:
        # Not an id of ours; a comma would ask for several texts.
        if not id or "," in id:
            return None
        response = yield from self._get("sms/3/logs", {"messageId": id})
        return parsing.pick(parsing.rows(response, "results"), id, to)

    def balance(self) -> Flow[list[Balance]]:
        response = yield from self._get("account/1/balance")
        data = parsing.answer(response)
        amount, currency = parsing.decimal(data.get("balance")), parsing.text(data.get("currency"))
        if amount is None or not currency:
            raise response.error(UncertainError, detail="the answer has no balance that can be read")
        return [Balance(service="account", amount=amount, unit=currency, raw=data)]

    # --- one-time codes (https://www.infobip.com/docs/api/platform/2fa/pin-sending-and-verification) ------------------

    def start_verification(self, message: Message) -> Flow[Verification]:
        options: InfobipVerificationOptions = self.options_of(message, verification=True)
        template = options.message_id or self.message_id
        if message.text:
            raise self.unsupported("your own text for one-time codes: the 2FA message template holds the text")
        if not self.application_id or not template:
            raise self.unsupported("one-time codes without the settings application_id and message_id")
        data = {
            "applicationId": self.application_id,
            "messageId": template,
            "from": message.sender,
            "to": reading.digits(message.to),
            "placeholders": options.placeholders,
        }
        wanted = {} if options.number_lookup is None else {"ncNeeded": str(options.number_lookup).lower()}
        response = yield from self._post(with_query("2fa/2/pin", wanted), reading.given(data), sends=True)
        answer = parsing.answer(response)
        word, pin_id = parsing.text(answer.get("smsStatus")), parsing.text(answer.get("pinId"))
        if word == "MESSAGE_NOT_SENT":
            unreachable = parsing.text(answer.get("ncStatus")) in vocabulary.UNREACHABLE
            kind, reason = (RecipientError, "unreachable") if unreachable else (RefusedError, "not-sent")
            raise response.error(kind, code=word, reason=reason, detail="the code was not sent")
        if word != "MESSAGE_SENT" or not pin_id:
            raise response.error(UncertainError, detail="the answer does not say that the code was sent")
        if reading.digits(parsing.text(answer.get("to"))) not in ("", reading.digits(message.to)):
            raise response.error(UncertainError, detail="the answer is for another number")
        reference = message.reference or ""
        return Verification(account=self.account, provider=self.name, id=pin_id, to=message.to, reference=reference)

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        # Not an id of the vendor; "../" must not get into a path.
        if not _PIN_ID.fullmatch(verification.id):
            return VerificationCheck(approved=False, reason="unknown")
        response = yield from self._post(f"2fa/2/pin/{verification.id}/verify", {"pin": code.strip()}, sends=False)
        if response.status == 404 and parsing.said_by_vendor(response):
            return VerificationCheck(approved=False, reason="unknown")
        answer = parsing.answer(response)
        verified, word = answer.get("verified"), parsing.text(answer.get("pinError"))
        if not isinstance(verified, bool) or parsing.text(answer.get("pinId")) not in ("", verification.id):
            raise response.error(UncertainError, detail="the answer does not say whether this code is right")
        if verified and not word:
            return VerificationCheck(approved=True)
        return VerificationCheck(approved=False, reason=vocabulary.CHECKS.get(word, word) or "wrong-code")

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def verify(self, webhook: HttpRequest) -> None:
        if self.webhook_secret is not None:
            webhooks.check_hmac(webhook, self.webhook_signature_header, self.webhook_secret, self.webhook_algorithm)
        elif self.webhook_username is not None and self.webhook_password is not None:
            webhooks.check_basic(webhook, self.webhook_username, self.webhook_password)
        else:
            secret, user, password = (
                variable(self.account, f"webhook_{name}") for name in ("secret", "username", "password")
            )
            raise SignatureError(
                "no webhook secret or password is configured, so no webhook can be believed: "
                f"set {secret}, or {user} and {password}, to those of the subscription"
            )

    def webhook_lacks(self) -> tuple[str, ...]:
        return () if self.webhook_secret or self.webhook_password else ("webhook_secret", "webhook_password")

    def parse(self, webhook: HttpRequest) -> list[Event]:
        return webhooks.events(webhook, account=self.account, provider=self.name)
