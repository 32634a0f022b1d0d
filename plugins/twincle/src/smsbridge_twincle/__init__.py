"""Twincle for smsbridge: SMS in India and beyond through the MobTexting platform."""

from __future__ import annotations

from smsbridge.hookspecs import hookimpl
from smsbridge.provider import SmsProvider

from .provider import TwincleProvider
from .settings import TwincleOptions, TwincleVerificationOptions

__all__ = ["TwincleOptions", "TwincleProvider", "TwincleVerificationOptions", "smsbridge_providers"]


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    """Return the class of this plugin's provider. smsbridge calls this hook to find installed providers."""
    return [TwincleProvider]
