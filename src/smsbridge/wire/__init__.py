"""The wire: transports, which carry the requests of clients to vendors and bring back the answers.

Our own transport uses httpx; pass another as ``transport`` to a client.
"""

from __future__ import annotations

from typing import Protocol

from ..http import HttpRequest, HttpResponse


class Transport(Protocol):
    """The object that carries the requests of an ``SmsClient`` to the vendors. It may be used from any thread."""

    def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """Send ``request`` and return its answer, with any HTTP status. ``within`` is the time limit in seconds.

        Raises NotConnected if certainly no byte of the request left, and NoAnswer for all other failures. The request
        is sent once and unchanged: URL and body are the bytes on the wire. No redirect is followed, and requests share
        no data.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class AsyncTransport(Protocol):
    """The object that carries the requests of an ``AsyncSmsClient`` to the vendors.

    It may be used from any event loop.
    """

    async def send(self, request: HttpRequest, *, within: float | None = None) -> HttpResponse:
        """Send ``request`` and return its answer, under the same rules as :meth:`Transport.send`.

        A cancellation counts as *may have been sent*.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
