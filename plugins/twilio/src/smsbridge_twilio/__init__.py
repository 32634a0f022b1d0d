"""Twilio for smsbridge: texts, delivery reports, inbound texts and Verify codes."""

from __future__ import annotations

from smsbridge.hookspecs import hookimpl
from smsbridge.provider import SmsProvider

from .provider import TwilioProvider
from .settings import TwilioOptions, TwilioVerificationOptions

__all__ = ["TwilioOptions", "TwilioProvider", "TwilioVerificationOptions", "smsbridge_providers"]


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    """The provider of this plugin."""
    return [TwilioProvider]
