"""A third party's store, unknown to the core: ``SMSBRIDGE_STORE=drawer:desk``."""

from __future__ import annotations

from smsbridge import ConfigurationError
from smsbridge.stores.memory_store import MemoryStore

_drawers: dict[str, Drawer] = {}


class Drawer(MemoryStore):
    """Keeps its content until the process ends."""


def open_drawer(url: str, *, create: bool = True) -> Drawer:
    """The drawer that ``url`` names. Raises ConfigurationError if it names none."""
    name = url.removeprefix("drawer:")
    if not name:
        raise ConfigurationError("name the drawer, as in drawer:desk")
    return _drawers.setdefault(name, Drawer())
