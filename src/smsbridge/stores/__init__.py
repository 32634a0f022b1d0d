"""Stores: the interface to everything that smsbridge has to remember.

A store is opened from a URL: ``memory:``, ``sqlite:///sms.db``, or a scheme that another package adds. For that, the
package has an entry point in the group ``smsbridge.stores``, named after the scheme: a callable that takes the URL and
``create=``, and returns a :class:`Store`. A store has up to three parts: for ledgers, for limits and caps, and for
opt-outs. The tests that each store must pass are ``smsbridge.testing.StoreContract``.

The names are loaded at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .caps import Full as Full
    from .entries import Claim as Claim
    from .entries import Entry as Entry
    from .entries import Outcome as Outcome
    from .entries import State as State
    from .entries import Unwritable as Unwritable
    from .gcra import Rate as Rate
    from .known import open_store as open_store
    from .opt_outs import OptOut as OptOut
    from .seam import Cap as Cap
    from .seam import Counters as Counters
    from .seam import Entries as Entries
    from .seam import OptOuts as OptOuts
    from .seam import Store as Store
    from .seam import Turn as Turn

_HOME = {
    "Cap": "seam",
    "Claim": "entries",
    "Counters": "seam",
    "Entries": "seam",
    "Entry": "entries",
    "Full": "caps",
    "OptOut": "opt_outs",
    "OptOuts": "seam",
    "Outcome": "entries",
    "Rate": "gcra",
    "State": "entries",
    "Store": "seam",
    "Turn": "seam",
    "Unwritable": "entries",
    "open_store": "known",
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
