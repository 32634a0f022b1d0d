"""The function ``normalize``, which writes a phone number in the same form as the clients."""

from __future__ import annotations

import copy

from . import plain
from .errors import ConfigurationError, RecipientError
from .phone import to_e164
from .settings import Settings


def normalize(number: str, region: str | None = None) -> str:
    """Return ``number`` in E.164 (``+919876543210``), as the clients do for a recipient. Store numbers in this form.

    ``region`` is the country of a number without ``+``, in two letters (``IN``, ISO 3166); default:
    ``SMSBRIDGE_DEFAULT_REGION``, which is read at each call that needs it. Raises RecipientError for a number to which
    sending would also fail with this error.
    """
    number = plain.number(number)
    try:
        region = region or (None if _has_plus(number) else Settings.from_env().default_region)
        return to_e164(number, region.strip().upper() if region else None)
    except (RecipientError, ConfigurationError) as error:
        problem = copy.copy(error)
    # The frames of a traceback should hold no number.
    del number
    raise problem


def _has_plus(number: object) -> bool:
    return isinstance(number, str) and "+" in number
