"""The client of this process."""

from __future__ import annotations

from typing import Any

from django.core.signals import setting_changed

from smsbridge import SmsClient
from smsbridge import client as shared_client
from smsbridge.forks import fresh_rlock

from . import conf

_lock = fresh_rlock()
_own: list[SmsClient] = []
"""The client of ``settings.SMSBRIDGE``, once it was asked for."""


def client() -> SmsClient:
    """Return the client of this process, which is made at the first call.

    If ``settings.SMSBRIDGE`` is set, the client reads its settings only from there; otherwise it is the client of
    ``smsbridge.send``. Raises ConfigurationError for settings that are missing or wrong.
    """
    environ = conf.environ()
    if environ is None:
        return shared_client()
    with _lock:
        if not _own:
            _own.append(SmsClient(environ=environ))
        return _own[0]


def _forget(*, setting: str, **_: Any) -> None:
    """Close the client when a test overrides the settings that it was made of."""
    if setting != conf.ENVIRON:
        return
    with _lock:
        while _own:
            _own.pop().close()


setting_changed.connect(_forget)
