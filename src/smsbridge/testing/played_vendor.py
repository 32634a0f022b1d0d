"""The vendor that an outbox plays: it signs webhooks with a secret of its own, and only its own are believed."""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from pydantic import TypeAdapter, ValidationError

from smsbridge.base_client import BaseClient
from smsbridge.client import SmsClient
from smsbridge.errors import PayloadError, SignatureError
from smsbridge.http import HttpRequest
from smsbridge.messages import DeliveryReport, Event, InboundMessage

from .applications import HOST, Application, Carrier, carrier

SIGNATURE = "smsbridge-outbox-signature"
"""The header with the signature of the body."""

_MOST_SHOWN = 500
"""Bytes of an application's answer in an error."""

_EVENT: TypeAdapter[Event] = TypeAdapter(DeliveryReport | InboundMessage)


class PlayedVendor:
    """Play the vendor for an outbox: make signed webhooks, deliver them, and read them again."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._read: set[str] = set()
        self._carry: Carrier | None = None
        self._path = ""

    def through(self, app: Application, path: str) -> None:
        """Deliver webhooks to the application ``app`` from now on, at ``path``.

        ``{account}`` in ``path`` stands for the name of the account.
        """
        self._carry, self._path = carrier(app), path

    @property
    def has_application(self) -> bool:
        """Return whether webhooks are delivered through an application."""
        return self._carry is not None

    def deliver(self, event: Event, client: BaseClient[Any]) -> None:
        """Deliver ``event`` to the application by a webhook or, if there is no application, directly to ``client``.

        Raises AssertionError if the application does not answer 2xx, or if no client has received the event.
        """
        __tracebackhide__ = True
        if self._carry is None:
            # A client of its own, since the given one may be async, or closed meanwhile.
            own = SmsClient(client.provider, settings=client.settings, plugins=client.plugins)
            own.receive(self.webhook(f"http://{HOST}/", event))
            return
        path = self._path.format(account=event.account)
        webhook = self.webhook(f"http://{HOST}{path}", event)
        answer = self._carry(webhook)
        words = answer.body[:_MOST_SHOWN].decode(errors="replace").strip() or "(no words)"
        what = f"the application answered {answer.status} to the webhook for {path}"
        if not 200 <= answer.status <= 299:
            raise AssertionError(f"{what}: {words}")
        if not self.was_read(webhook):
            raise AssertionError(f"{what}, but no client of smsbridge received it: {words}")

    def webhook(self, url: str, event: Event) -> HttpRequest:
        """Return a signed webhook to the address ``url`` that reports ``event``."""
        body = _EVENT.dump_json(event)
        headers = {"content-type": "application/json", SIGNATURE: self._sign(body)}
        return HttpRequest(method="POST", url=url, headers=headers, body=body)

    def events(self, webhook: HttpRequest) -> list[Event] | None:
        """Return the events in ``webhook``; None if the webhook does not have an outbox's signature.

        Raises SignatureError if the webhook was changed or is from another outbox, and PayloadError if it cannot be
        read.
        """
        signature = webhook.headers.get(SIGNATURE)
        if signature is None:
            return None
        if not hmac.compare_digest(signature.encode(), self._sign(webhook.body).encode()):
            raise SignatureError("the webhook is not as this outbox signed it")
        try:
            event = _EVENT.validate_json(webhook.body)
        except ValidationError:
            raise PayloadError("the webhook of the outbox cannot be read") from None
        self._read.add(signature)
        return [event]

    def was_read(self, webhook: HttpRequest) -> bool:
        """Return whether a client has read ``webhook`` since the last call of this method."""
        signature = webhook.headers[SIGNATURE]
        was_read = signature in self._read
        self._read.discard(signature)
        return was_read

    def _sign(self, body: bytes) -> str:
        return hmac.digest(self._secret, body, "sha256").hex()
