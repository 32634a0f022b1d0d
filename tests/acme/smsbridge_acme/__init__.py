"""Acme SMS (invented) for smsbridge: one module, one provider, one hook.

Acme takes JSON, up to 500 texts at a time, answers each with a row that repeats our ``ref``, and signs its webhooks with
HMAC-SHA256 over the body.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from smsbridge import (
    DeliveryReport,
    Event,
    Flow,
    HttpRequest,
    HttpResponse,
    Message,
    Result,
    SentMessage,
    SmsProvider,
    Status,
    hookimpl,
)
from smsbridge.errors import (
    FundsError,
    NotFoundError,
    OptedOutError,
    PayloadError,
    RecipientError,
    RefusedError,
    SenderError,
    SendError,
    SignatureError,
    UncertainError,
)

URL = "https://api.acme.example/v1"
ERRORS: dict[str, type[SendError]] = {
    "no_credit": FundsError,
    "bad_number": RecipientError,
    "bad_sender": SenderError,
    "stop_list": OptedOutError,
}
STATUSES = {"queued": Status.QUEUED, "sent": Status.SENT, "delivered": Status.DELIVERED, "absent": Status.UNDELIVERED}


class AcmeProvider(SmsProvider):
    """Acme SMS, https://acme.example/docs"""

    name = "acme"
    supports = frozenset({"sender", "send_at"})
    batch_size = 500

    token: SecretStr
    sender: str = "ACME"
    webhook_secret: SecretStr | None = None

    def send(self, message: Message) -> Flow[SentMessage]:
        response = yield from self._post([message])
        return self._accepted(message, _rows(response).get(message.reference), response)

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        response = yield from self._post(messages)
        rows = _rows(response)
        results = []
        for index, message in enumerate(messages):
            try:
                sent = self._accepted(message, rows.get(message.reference), response)
                results.append(Result(index=index, message=message, sent=sent))
            except SendError as error:
                results.append(Result(index=index, message=message, error=error))
        return results

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        response = yield from HttpRequest.get(f"{URL}/texts/{quote(sent.id, safe='')}", headers=self._headers())
        if response.status == 404:
            raise NotFoundError
        if not response.ok:
            raise response.error()
        return self._report(response.json_object())

    def verify(self, webhook: HttpRequest) -> None:
        given = webhook.headers.get("x-acme-signature", "").encode()
        if not hmac.compare_digest(self._signature(webhook.body), given):
            raise SignatureError("the signature does not match")

    def webhook_lacks(self) -> tuple[str, ...]:
        return () if self.webhook_secret else ("webhook_secret",)

    def parse(self, webhook: HttpRequest) -> list[Event]:
        reports = webhook.json()
        if not isinstance(reports, list):
            raise PayloadError("the webhook is no list of reports")
        return [self._report(report) for report in reports]

    def _post(self, messages: Sequence[Message]) -> Flow[HttpResponse]:
        texts = [
            {
                "ref": message.reference,
                "to": message.to,
                "from": message.sender or self.sender,
                "text": message.text,
                "at": message.send_at and message.send_at.isoformat(),
            }
            for message in messages
        ]
        response = yield from HttpRequest.post_json(f"{URL}/texts", texts, headers=self._headers(), sends=True)
        if not response.ok:
            raise response.error()
        return response

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token.get_secret_value()}"}

    def _signature(self, body: bytes) -> bytes:
        secret = self.webhook_secret.get_secret_value().strip() if self.webhook_secret else ""
        if not secret:
            raise SignatureError("no webhook secret is configured")
        return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()

    def _accepted(self, message: Message, row: dict[str, Any] | None, response: HttpResponse) -> SentMessage:
        if row is None:
            raise response.error(UncertainError, detail="the answer has no row for this message")
        if row.get("error"):
            code = str(row["error"])
            raise response.error(ERRORS.get(code, RefusedError), code=code, detail=str(row.get("why", "")))
        if not isinstance(row.get("id"), str) or not row["id"]:
            raise response.error(UncertainError, detail="the answer has no id for this message")
        return self.accepted(message, id=row["id"], status=Status.QUEUED, raw=row)

    def _report(self, data: Any) -> DeliveryReport:
        """Raises PayloadError, which a query turns into its own error."""
        if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
            raise PayloadError("a report has no id")
        word = data.get("status")
        status = STATUSES.get(word, Status.UNKNOWN) if isinstance(word, str) else Status.UNKNOWN
        return DeliveryReport(
            account=self.account,
            provider=self.name,
            id=data["id"],
            status=status,
            final=status.final,
            key=f"{data['id']}:{word}",
            raw=data,
        )


def _rows(response: HttpResponse) -> dict[str, dict[str, Any]]:
    """The rows of an answer by our reference. Raises the error that an unreadable answer means."""
    rows = response.json_object().get("texts")
    if not isinstance(rows, list):
        raise response.error(UncertainError, detail="the answer has no rows")
    return {row["ref"]: row for row in rows if isinstance(row, dict) and isinstance(row.get("ref"), str)}


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [AcmeProvider]
