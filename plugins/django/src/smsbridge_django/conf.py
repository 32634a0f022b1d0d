"""The settings that this app reads from ``settings.py``; everything else is in the environment, as everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.conf import settings

ENVIRON = "SMSBRIDGE"
"""A mapping of ``SMSBRIDGE_*`` variables that is read in the place of the environment."""
ACCOUNTS = "SMSBRIDGE_WEBHOOK_ACCOUNTS"
"""The accounts that get a webhook, by default all that can take webhooks."""
ALIAS = "SMSBRIDGE_DATABASE"
"""The alias in ``DATABASES`` under which the admin finds the ledger."""


def environ() -> Mapping[str, str | None] | None:
    """What is read in the place of the environment, if anything is."""
    given: Mapping[str, str | None] | None = getattr(settings, ENVIRON, None)
    return given


def accounts() -> Sequence[str] | None:
    """The accounts that get a webhook; None for all that can take webhooks."""
    given: Sequence[str] | None = getattr(settings, ACCOUNTS, None)
    return given


def alias() -> str:
    """The alias of the ledger's database, whether ``DATABASES`` has it or not."""
    return str(getattr(settings, ALIAS, "smsbridge"))


def has_database() -> bool:
    """Whether ``DATABASES`` has the ledger's database."""
    return alias() in settings.DATABASES
