"""Make JSON of the values of smsbridge.

``out`` decides whether numbers are masked; the vendor's raw answer is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..messages import Balance, DeliveryReport, Money, SentMessage, Verification
    from ..text import TextInfo
    from .output import Output


def sent_message(sent: SentMessage, out: Output) -> dict[str, Any]:
    """Return the JSON object for ``sent``, an accepted text. The number is masked unless ``out`` shows numbers."""
    return {
        "account": sent.account,
        "provider": sent.provider,
        "id": sent.id,
        "reference": sent.reference,
        "to": out.number(sent.to),
        "status": sent.status.value,
        "segments": sent.segments,
        "price": price(sent.price),
        "at": sent.at,
        **_repeated(sent),
    }


def report(event: DeliveryReport, out: Output) -> dict[str, Any]:
    """Return the JSON object for the delivery report ``event``. The number is masked unless ``out`` shows numbers."""
    return {
        "account": event.account,
        "provider": event.provider,
        "id": event.id,
        "reference": event.reference,
        "to": out.number(event.to),
        "status": event.status.value,
        "final": event.final,
        "code": event.code,
        "reason": event.reason,
        "segments": event.segments,
        "price": price(event.price),
        "at": event.at,
    }


def verification(started: Verification, out: Output) -> dict[str, Any]:
    """Return the JSON object for ``started``, a verification. The number is masked unless ``out`` shows numbers."""
    return {
        "account": started.account,
        "provider": started.provider,
        "id": started.id,
        "reference": started.reference,
        "to": out.number(started.to),
        "expires_at": started.expires_at,
        **_repeated(started),
    }


def _repeated(result: SentMessage | Verification) -> dict[str, Any]:
    return {"repeated": True} if result.repeated else {}


def accepted(result: SentMessage | Verification, now: str) -> str:
    """Return a sentence for people about ``result``, a text that the provider accepted.

    ``now`` says what the provider did, such as ``took the text``. If the ledger had recorded the text as sent already,
    the sentence says that nothing was sent now.
    """
    if result.repeated:
        return f"accepted before: {result.provider} has this reference already, so nothing was sent now"
    return f"accepted: {result.provider} {now}"


def text_info(info: TextInfo) -> dict[str, Any]:
    """Return the JSON object for the encoding and size of a text."""
    return {
        "encoding": info.encoding.value,
        "units": info.units,
        "segments": info.segments,
        "units_left": info.units_left,
        "padding": info.padding,
    }


def balance(entry: Balance) -> dict[str, Any]:
    """Return the JSON object for ``entry``, the balance of a service."""
    return {"service": entry.service, "amount": f"{entry.amount:f}", "unit": entry.unit}


def price(money: Money | None) -> dict[str, str] | None:
    """Return the JSON object for a price; None if there is no price."""
    return None if money is None else {"amount": f"{money.amount:f}", "unit": money.unit}


def price_words(money: Money | None) -> str | None:
    """Return a price in words for people, such as ``0.0075 USD``; None if there is no price."""
    return None if money is None else f"{money.amount:f} {money.unit}"


def provider_words(account: str, provider: str) -> str:
    """Return the name of a provider for people, with the name of the account if that is another."""
    return provider if account == provider else f"{provider} (account {account})"
