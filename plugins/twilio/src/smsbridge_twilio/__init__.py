"""Twilio for smsbridge: texts, delivery reports, inbound texts and Verify codes."""

from __future__ import annotations

from smsbridge.hookspecs import hookimpl
from smsbridge.provider import SmsProvider

from .provider import TwilioProvider
from .settings import TwilioOptions, TwilioVerificationOptions

__all__ = ["TwilioOptions", "TwilioProvider", "TwilioVerificationOptions", "smsbridge_providers"]


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    """Return the class of this plugin's provider. smsbridge calls this hook to find installed providers."""
    return [TwilioProvider]
