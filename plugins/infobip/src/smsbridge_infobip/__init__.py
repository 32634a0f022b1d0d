"""Infobip for smsbridge: texts, batches, reports, inbound texts and 2FA codes."""

from __future__ import annotations

from smsbridge.hookspecs import hookimpl
from smsbridge.provider import SmsProvider

from .provider import InfobipProvider
from .settings import InfobipOptions, InfobipVerificationOptions

__all__ = ["InfobipOptions", "InfobipProvider", "InfobipVerificationOptions", "smsbridge_providers"]


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    """Return the class of this plugin's provider. smsbridge calls this hook to find installed providers."""
    return [InfobipProvider]
