"""A vendor that sends reports and texts as JSON, with its secret in a header."""

from __future__ import annotations

from decimal import Decimal

from pydantic import SecretStr

from smsbridge import SmsProvider, hookimpl
from smsbridge.errors import NotFoundError, QueryError, RecipientError, SignatureError, UncertainError
from smsbridge.messages import DeliveryReport, InboundMessage, Money, Status


class Courier(SmsProvider):
    name = "courier"

    webhook_secret: SecretStr | None = None

    def send(self, message):
        yield from ()
        if message.text == "lost":
            raise UncertainError("no answer came")
        if message.text == "refused":
            raise RecipientError("no such number")
        price = Money(amount=Decimal("0.12"), unit="INR")
        return self.accepted(message, id=f"courier-{message.reference}", status=Status.QUEUED, segments=1, price=price)

    def status(self, sent):
        yield from ()
        if sent.reference.startswith("unknown"):
            raise NotFoundError
        if sent.reference.startswith("broken"):
            raise QueryError("the courier does not answer")
        return self._report(sent.id, Status.QUEUED if sent.reference.startswith("slow") else Status.DELIVERED)

    def webhook_lacks(self):
        return () if self.webhook_secret else ("webhook_secret",)

    def verify(self, webhook):
        if self.webhook_secret is None or webhook.headers.get("x-secret") != self.webhook_secret.get_secret_value():
            raise SignatureError("the secret is wrong")

    def parse(self, webhook):
        return [
            self._report(row["id"], Status(row["status"])) if "status" in row else self._text(row)
            for row in webhook.json()
        ]

    def _report(self, id_, status):
        return DeliveryReport(
            account=self.account,
            provider=self.name,
            id=id_,
            status=status,
            final=status is Status.DELIVERED,
            key=f"{id_}-{status}",
        )

    def _text(self, row):
        return InboundMessage(
            account=self.account,
            provider=self.name,
            id=row["id"],
            sender=row["from"],
            to="",
            text=row["text"],
            key=row["id"],
        )


@hookimpl
def smsbridge_providers():
    return [Courier]
