"""Plivo for smsbridge: texts with Indian DLT ids, delivery reports, inbound texts, the balance and Verify codes."""

from __future__ import annotations

from smsbridge.hookspecs import hookimpl
from smsbridge.provider import SmsProvider

from .provider import PlivoProvider
from .settings import PlivoOptions, PlivoVerificationOptions

__all__ = ["PlivoOptions", "PlivoProvider", "PlivoVerificationOptions", "smsbridge_providers"]


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    """Return the class of this plugin's provider. smsbridge calls this hook to find installed providers."""
    return [PlivoProvider]
