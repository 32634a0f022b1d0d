"""The old name of the module ``smsbridge.wire.over_httpx``. It is the same module: a patch of either affects both."""

import sys

from .wire import over_httpx
from .wire.over_httpx import AsyncTransport, Transport

__all__ = ["AsyncTransport", "Transport"]

sys.modules[__name__] = over_httpx
