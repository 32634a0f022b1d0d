"""Test your providers, policies, stores and applications with these tools. They need ``smsbridge[testing]``.

- :class:`ProviderContract`: subclass it and supply samples; pytest then tests that a provider keeps the contract.
  :class:`Samples` lists the samples, made from :class:`Refusal`, :class:`Row`, :class:`Webhook` and
  :func:`dummy_secret`.
- :class:`PolicyContract`: the same for a policy; supply ``make``, which makes the policy.
- :class:`StoreContract`: the same for a store (see ``smsbridge.stores``); supply ``open``, which opens the store.
- :class:`FakeWire` and :func:`drive`: run a provider's flow, or a whole client, without a network.
- :class:`Outbox`: the value of the fixture ``sms_outbox`` in an application's tests.

Each name is imported at its first use, so that the pytest plugin costs nothing in other test suites.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contract import ProviderContract as ProviderContract
    from .outbox import Outbox as Outbox
    from .policy import PolicyContract as PolicyContract
    from .posted import Posted as Posted
    from .samples import Refusal as Refusal
    from .samples import Row as Row
    from .samples import Samples as Samples
    from .samples import Webhook as Webhook
    from .samples import dummy_secret as dummy_secret
    from .stores import StoreContract as StoreContract
    from .wire import FakeWire as FakeWire
    from .wire import drive as drive

_HOME = {
    "FakeWire": "wire",
    "Outbox": "outbox",
    "PolicyContract": "policy",
    "Posted": "posted",
    "ProviderContract": "contract",
    "Refusal": "samples",
    "Row": "samples",
    "Samples": "samples",
    "StoreContract": "stores",
    "Webhook": "samples",
    "drive": "wire",
    "dummy_secret": "samples",
}
__all__ = sorted(_HOME)  # noqa: PLE0605  # pyright: ignore[reportUnsupportedDunderAll]  # one table for both


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
