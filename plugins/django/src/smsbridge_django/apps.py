"""The app."""

from __future__ import annotations

from contextlib import suppress

from django.apps import AppConfig


class SmsBridgeConfig(AppConfig):
    """The Django app ``smsbridge_django``, for ``INSTALLED_APPS``."""

    name = "smsbridge_django"
    label = "smsbridge"
    verbose_name = "SMS"

    def ready(self) -> None:
        """Register the system checks, and the hooks that send the signals."""
        from smsbridge.errors import ConfigurationError
        from smsbridge.plugins import default_plugins

        from . import checks, hooks  # noqa: F401  # importing the checks registers them

        # A plugin that cannot be loaded is the error of every client, and a check says it.
        with suppress(ConfigurationError):
            default_plugins().register(hooks)
