"""The wire: what carries the requests of clients.

Ours goes over httpx; another one is handed to a client as ``transport``.
"""

from __future__ import annotations

from typing import Protocol

from ..http import HttpRequest, HttpResponse


class Transport(Protocol):
    """Carries the requests of a ``SmsClient``, from any thread."""

    def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """The answer to ``request``, whatever its status, ``within`` so many seconds.

        Raises NotConnected where certainly not a byte of it left, and NoAnswer for all else that goes wrong. It is sent
        once, as it is: URL and body are the bytes on the wire. No redirect is followed, and nothing is kept of one
        request for another.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class AsyncTransport(Protocol):
    """The same for an ``AsyncSmsClient``, from any event loop."""

    async def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """See :meth:`Transport.send`. Where it is cancelled, that counts as *may have been sent*."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
