"""The old name of ``smsbridge.wire.over_httpx``: the same module, so that a patch of either affects both."""

import sys

from .wire import over_httpx
from .wire.over_httpx import AsyncTransport, Transport

__all__ = ["AsyncTransport", "Transport"]

sys.modules[__name__] = over_httpx
