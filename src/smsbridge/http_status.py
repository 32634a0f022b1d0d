"""The meaning of an answer's HTTP status for all providers: refused or uncertain, and whose fault."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from .errors import (
    AuthenticationError,
    ContentError,
    Fault,
    FundsError,
    RateLimitedError,
    RefusedError,
    SendError,
    UncertainError,
)


class Meaning(NamedTuple):
    """The meaning of an HTTP status: the error to raise, whose fault it is, and a hint what to check."""

    kind: type[SendError]
    fault: Fault | None = None
    reason: str | None = None
    hint: str = ""


_BASE_URL_HINT = "(check the base URL)"
_TIMED_OUT = frozenset({408, 460, 499, 504, 524, 598, 599})
"""Time-outs of a server or of a proxy, or a closed connection: they do not say how far the request came."""
_REDIRECTS_BEFORE_THE_DEED = frozenset({301, 307, 308})
"""A permanent redirect, or one that keeps the method, means that the request was not processed."""
_BY_STATUS = {
    **dict.fromkeys(_REDIRECTS_BEFORE_THE_DEED, Meaning(RefusedError, "account", "redirect", _BASE_URL_HINT)),
    400: Meaning(RefusedError, "message"),
    401: Meaning(AuthenticationError, hint="(check the credentials)"),
    402: Meaning(FundsError),
    403: Meaning(AuthenticationError, hint="(check the permissions and the IP allow list)"),
    404: Meaning(RefusedError, "account", hint=_BASE_URL_HINT),
    409: Meaning(RefusedError, "message"),
    413: Meaning(ContentError, reason="too-long"),
    414: Meaning(ContentError, reason="too-long"),
    422: Meaning(RefusedError, "message"),
    429: Meaning(RateLimitedError),
}


def meaning_of(status: int) -> Meaning:
    """Return which error an answer with this HTTP status means, if nothing else is known about the answer."""
    return _BY_STATUS.get(status) or _by_range(status)


def can_refuse(status: int, *, documented: bool = False) -> bool:
    """Return whether an answer with this HTTP status can mean *certainly not sent*, with any body.

    A time-out never can. All 4xx other than time-outs can, and so can a redirect before processing. Other statuses,
    such as 5xx, 302 and 303, may come after processing: they can only if the vendor documents this (``documented``). A
    2xx can, since the body may report a refusal.
    """
    if status in _TIMED_OUT:
        return False
    return documented or 200 <= status < 300 or 400 <= status < 500 or status in _REDIRECTS_BEFORE_THE_DEED


def phrase(status: int) -> str:
    """Return an HTTP status with its name, such as ``404 Not Found``; for an unknown status only the number."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _by_range(status: int) -> Meaning:
    certain = 400 <= status < 500 and can_refuse(status)
    return Meaning(RefusedError, "account") if certain else Meaning(UncertainError)
