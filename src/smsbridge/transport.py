"""An address of before: the very module ``smsbridge.wire.over_httpx``, with all that is changed in it."""

import sys

from .wire import over_httpx
from .wire.over_httpx import AsyncTransport, Transport

__all__ = ["AsyncTransport", "Transport"]

sys.modules[__name__] = over_httpx
