"""smsbridge in a Django project: put ``smsbridge_django`` into ``INSTALLED_APPS``.

::

    urlpatterns = [path("sms/", include("smsbridge_django.urls"))]      # the webhooks

    client()                                the client of this process
    send_on_commit(number, text)            send a text when the transaction is committed
    sms_status_changed  sms_received        signals
    database()                              the ledger as a database, for the admin

Importing this package imports nothing else, and ``database`` no part of Django, so ``settings.py`` can use it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clients import client
    from .commits import send_on_commit
    from .databases import database
    from .signals import sms_received, sms_status_changed

__all__ = ["client", "database", "send_on_commit", "sms_received", "sms_status_changed"]
_HOMES = {
    "client": "clients",
    "database": "databases",
    "send_on_commit": "commits",
    "sms_received": "signals",
    "sms_status_changed": "signals",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
