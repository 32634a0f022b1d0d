"""Vonage for smsbridge: texts through the SMS API or Messages v1, and one-time codes through Verify v2."""

from __future__ import annotations

from smsbridge.hookspecs import hookimpl
from smsbridge.provider import SmsProvider

from .provider import VonageProvider
from .settings import VonageOptions, VonageVerificationOptions

__all__ = ["VonageOptions", "VonageProvider", "VonageVerificationOptions", "smsbridge_providers"]


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    """Return the class of this plugin's provider. smsbridge calls this hook to find installed providers."""
    return [VonageProvider]
