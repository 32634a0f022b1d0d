"""The app of the shop."""

from __future__ import annotations

from django.apps import AppConfig

from smsbridge.plugins import default_plugins


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        from . import courier, receivers  # noqa: F401  # the receivers connect themselves

        default_plugins().register(courier)
