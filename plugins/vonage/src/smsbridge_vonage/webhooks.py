"""Reading Vonage's webhooks: delivery reports and incoming texts of the SMS API and of Messages v1."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from smsbridge.errors import PayloadError
from smsbridge.messages import DeliveryReport, Event, InboundMessage, Status
from smsbridge.reading import moment, money, part, phone, text, whole

from .parsing import EUR, fragment
from .parts import MOST_PARTS, Parts, Series, Text
from .vocabulary import ERR_CODES, MESSAGES_CODES, MESSAGES_STATUSES, SMS_STATUSES

_LAST_WORDS = frozenset({"delivered", "read", "rejected", "undeliverable"})


def events(item: Mapping[str, Any] | None, parts: Parts, *, account: str, provider: str) -> list[Event]:
    """Read the events of a webhook, and add the long incoming texts whose missing parts did not come in time.

    ``parts`` keeps the parts of long texts between webhooks. Blank fields of ``item`` count as absent, because some
    signatures do not cover them. Raises PayloadError if the webhook has an unknown shape.
    """
    filled = {name: value for name, value in (item or {}).items() if not (isinstance(value, str) and not value.strip())}
    if "message_uuid" in filled:
        found = _of_messages(filled, account, provider)
    elif "messageId" in filled:
        found = _of_sms(filled, parts, account, provider)
    else:
        raise PayloadError(
            "this webhook is neither a delivery report nor an incoming text: subscribe this address to these two only"
        )
    return [*found, *(_long(whole_text, account, provider) for whole_text in parts.overdue())]


# --- the SMS API ------------------------------------------------------------------------------------------------------


def _of_sms(item: Mapping[str, Any], parts: Parts, account: str, provider: str) -> list[Event]:
    if "status" in item:
        return [_sms_report(item, account, provider)]
    if "msisdn" not in item:
        raise PayloadError(
            "this webhook is neither a delivery report nor an incoming text: subscribe this address to these two only"
        )
    if text(item.get("concat")).lower() != "true" and item.get("concat") is not True:
        return [_sms_text(item, account, provider)]
    total, number = whole(item.get("concat-total")) or 0, whole(item.get("concat-part")) or 0
    if not 1 <= number <= total <= MOST_PARTS:
        raise PayloadError(
            "the webhook is a part of a long text, but concat-part and concat-total do not say which part of how many"
        )
    series = Series(text(item["msisdn"]), text(item.get("to")), text(item.get("concat-ref")), total)
    whole_text = parts.add(series, number, {**item, "messageId": _id(item, "messageId")})
    return [_long(whole_text, account, provider)] if whole_text else []


def _sms_report(item: Mapping[str, Any], account: str, provider: str) -> DeliveryReport:
    """``at`` is ``message-timestamp``, which is in UTC; the zone of ``scts`` is not documented."""
    message_id, word, code = _id(item, "messageId"), text(item["status"]).lower(), text(item.get("err-code"))
    status = SMS_STATUSES.get(word, Status.UNKNOWN)
    return DeliveryReport(
        account=account,
        provider=provider,
        id=message_id,
        to=phone(item.get("msisdn")),
        reference=text(item.get("client-ref")),
        status=status,
        final=status.final,
        code=code if code not in ("", "0") else None,
        reason=ERR_CODES.get(code),
        at=moment(item.get("message-timestamp"), UTC),
        price=money(item.get("price"), EUR),
        key="/".join((message_id, word, code, text(item.get("scts")))),
        part=True,
        raw=item,
    )


def _sms_text(item: Mapping[str, Any], account: str, provider: str) -> InboundMessage:
    message_id, sender, words = _id(item, "messageId"), text(item["msisdn"]), item.get("text")
    if not sender:
        raise PayloadError("the webhook is an incoming text without its sender, so it cannot be read")
    return InboundMessage(
        account=account,
        provider=provider,
        id=message_id,
        sender=phone(sender),
        to=phone(item.get("to")),
        # A binary text has `data` and `udh` instead, which are in raw.
        text=words if isinstance(words, str) else "",
        at=moment(item.get("message-timestamp"), UTC),
        key=message_id,
        raw=item,
    )


def _long(whole_text: Text, account: str, provider: str) -> InboundMessage:
    """A text in parts, with ``raw["missing"]`` if some did not come."""
    missing = whole_text.missing
    raw = {"parts": whole_text.in_order, **({"missing": missing} if missing else {})}
    return InboundMessage(
        account=account,
        provider=provider,
        id=whole_text.ids[0],
        sender=phone(whole_text.series.sender),
        to=phone(whole_text.series.to),
        text=whole_text.words,
        at=moment(whole_text.in_order[0].get("message-timestamp"), UTC),
        key=whole_text.key,
        raw=raw,
    )


# --- Messages v1 ------------------------------------------------------------------------------------------------------


def _of_messages(item: Mapping[str, Any], account: str, provider: str) -> list[Event]:
    """The events of Messages v1. A webhook serves all channels; other channels than SMS bring no event."""
    if text(item.get("channel")) not in ("", "sms"):
        return []
    return [_messages_report(item, account, provider) if "status" in item else _messages_text(item, account, provider)]


def _messages_report(item: Mapping[str, Any], account: str, provider: str) -> DeliveryReport:
    uuid, word, error = _id(item, "message_uuid"), text(item["status"]).lower(), part(item.get("error"))
    code = text(error.get("title")) if text(error.get("title")).isdigit() else fragment(error)
    meaning = MESSAGES_CODES.get(code)
    status = MESSAGES_STATUSES.get(word, Status.UNKNOWN)
    # The vendor uses this word for every failure.
    if meaning is not None and status is Status.REJECTED:
        status = meaning.status or status
    usage = part(item.get("usage"))
    return DeliveryReport(
        account=account,
        provider=provider,
        id=uuid,
        to=phone(item.get("to")),
        reference=text(item.get("client_ref")),
        status=status,
        final=word in _LAST_WORDS,
        code=code or None,
        reason=meaning.reason if meaning else None,
        at=moment(item.get("timestamp"), UTC),
        segments=whole(part(item.get("sms")).get("count_total")),
        price=money(usage.get("price"), text(usage.get("currency")) or EUR),
        key="/".join((uuid, word, code, text(item.get("timestamp")))),
        raw=item,
    )


def _messages_text(item: Mapping[str, Any], account: str, provider: str) -> InboundMessage:
    uuid, sender, words = _id(item, "message_uuid"), text(item.get("from")), item.get("text", "")
    if not sender or not isinstance(words, str):
        raise PayloadError("the webhook is an incoming text without its sender or its words, so it cannot be read")
    return InboundMessage(
        account=account,
        provider=provider,
        id=uuid,
        sender=phone(sender),
        to=phone(item.get("to")),
        text=words,
        at=moment(item.get("timestamp"), UTC),
        key=uuid,
        raw=item,
    )


def _id(item: Mapping[str, Any], name: str) -> str:
    found = text(item[name])
    if not found:
        raise PayloadError(
            f"the webhook has no id of a text ({name}): subscribe this address to the webhooks of messages only"
        )
    return found
