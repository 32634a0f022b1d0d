"""The wire: transports that carry the requests of clients.

Our own transport uses httpx; pass another as ``transport`` to a client.
"""

from __future__ import annotations

from typing import Protocol

from ..http import HttpRequest, HttpResponse


class Transport(Protocol):
    """Carries the requests of a ``SmsClient``, from any thread."""

    def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """Return the answer to ``request``, with any status, ``within`` that many seconds.

        Raises NotConnected if certainly no byte of it left, and NoAnswer for all other failures. The request is sent
        once and unchanged: URL and body are the bytes on the wire. No redirect is followed, and requests share no data.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class AsyncTransport(Protocol):
    """The same for an ``AsyncSmsClient``, from any event loop."""

    async def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """See :meth:`Transport.send`. A cancellation counts as *may have been sent*."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
