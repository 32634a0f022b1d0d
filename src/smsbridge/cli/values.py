"""The values of smsbridge as JSON, numbers masked unless asked otherwise. The vendor's raw answer is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..messages import Balance, DeliveryReport, Money, SentMessage, Verification
    from ..text import TextInfo
    from .output import Output


def sent_message(sent: SentMessage, out: Output) -> dict[str, Any]:
    """A text that was accepted."""
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
    """What became of a text."""
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
    """A started-time code that is on its way."""
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
    """That the provider accepted it, and what it does ``now``; unless a ledger answered, and nothing was sent."""
    if result.repeated:
        return f"accepted before: {result.provider} has it under this reference, so nothing was sent now"
    return f"accepted: {result.provider} {now}"


def text_info(info: TextInfo) -> dict[str, Any]:
    """What a text becomes on the wire."""
    return {
        "encoding": info.encoding.value,
        "units": info.units,
        "segments": info.segments,
        "units_left": info.units_left,
        "padding": info.padding,
    }


def balance(entry: Balance) -> dict[str, Any]:
    """What is left for entry service."""
    return {"service": entry.service, "amount": f"{entry.amount:f}", "unit": entry.unit}


def price(money: Money | None) -> dict[str, str] | None:
    """What a text cost."""
    return None if money is None else {"amount": f"{money.amount:f}", "unit": money.unit}


def price_words(money: Money | None) -> str | None:
    """What a text cost, for people."""
    return None if money is None else f"{money.amount:f} {money.unit}"


def provider_words(account: str, provider: str) -> str:
    """A provider and, where it has another name, its account."""
    return provider if account == provider else f"{provider} (account {account})"
