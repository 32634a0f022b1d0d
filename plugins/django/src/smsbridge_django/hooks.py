"""The hooks behind the signals. The app registers them for all clients that have no plugins of their own."""

from __future__ import annotations

from smsbridge import Event, hookimpl
from smsbridge.history import TextRecord
from smsbridge.messages import InboundMessage

from .signals import sms_received, sms_status_changed


@hookimpl
def smsbridge_status_changed(account: str, carried_by: str, provider: str, text: TextRecord) -> None:
    """Send the signal ``sms_status_changed``. smsbridge calls this hook when a text has come further."""
    sms_status_changed.send(sender=TextRecord, account=account, carried_by=carried_by, provider=provider, text=text)


@hookimpl
def smsbridge_event(account: str, provider: str, event: Event) -> None:
    """Send the signal ``sms_received`` if ``event`` is an incoming text. smsbridge calls this hook for each event."""
    if isinstance(event, InboundMessage):
        sms_received.send(sender=InboundMessage, account=account, provider=provider, message=event)
