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
    """Return ``settings.SMSBRIDGE``, the variables to read instead of the environment; None if that is not set."""
    given: Mapping[str, str | None] | None = getattr(settings, ENVIRON, None)
    return given


def accounts() -> Sequence[str] | None:
    """Return the names of the accounts that get a webhook; None for all accounts that can have webhooks."""
    given: Sequence[str] | None = getattr(settings, ACCOUNTS, None)
    return given


def alias() -> str:
    """Return the alias of the ledger's database in ``DATABASES``, whether or not ``DATABASES`` has that alias."""
    return str(getattr(settings, ALIAS, "smsbridge"))


def has_database() -> bool:
    """Return whether ``DATABASES`` has the ledger's database."""
    return alias() in settings.DATABASES
