"""What the shop does with reports and texts."""

from __future__ import annotations

from django.dispatch import receiver

from smsbridge_django import sms_received, sms_status_changed

from .models import Order, Reply


@receiver(sms_status_changed)
def note_the_status(text, **_):
    Order.objects.filter(reference=text.reference).update(status=text.status.value)


@receiver(sms_received)
def note_the_reply(message, **_):
    if message.text == "explode" and not Reply.objects.filter(key="repaired").exists():
        raise RuntimeError("the shop cannot take this text")
    Reply.objects.get_or_create(key=message.key, defaults={"words": message.text})
