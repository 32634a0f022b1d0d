"""Prepare a request for sending: its destination, its proxy, and its bytes on the wire. No I/O.

Requests to loopback stay on this machine: no proxy gets them, with any settings of the environment.
"""

from __future__ import annotations

import re
import string
from importlib.metadata import version
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..errors import NotConnected
from ..http import HttpRequest
from ..urls import is_loopback
from .body import ACCEPTED

_AGENT = f"smsbridge/{version('smsbridge')}"
_FRAMING = ("content-length", "transfer-encoding")
"""Headers that a provider may not set, since they decide where a request ends."""
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_WRONG_URL = "the URL is not valid: check the URL in the settings of the provider"
NO_PROXY_TO_USE = "the proxy of the environment cannot be used: check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Wire:
    """A request in the form in which it is sent: checked, with all headers, and with the proxy to use.

    Raises NotConnected if the request cannot be sent, or another error for a request with values of wrong types.
    """

    __slots__ = ("body", "headers", "method", "place", "proxy", "secure", "target", "url")

    def __init__(self, request: HttpRequest, proxies: dict[str, str | None]) -> None:
        """Check ``request`` and prepare it.

        ``proxies`` caches the proxy for each origin, since a look-up takes long.
        """
        try:
            parts = urlsplit(request.url)
            host = (parts.hostname or "").encode("idna").decode()
            self.place = _place(host, parts.port or _PORTS[parts.scheme])
        except (UnicodeError, ValueError, KeyError):
            raise NotConnected(_WRONG_URL) from None
        if not _HOST.fullmatch(host) or parts.username is not None:
            raise NotConnected(_WRONG_URL)
        origin = f"{parts.scheme}://{parts.netloc}"
        target = request.url[len(origin) :].partition("#")[0]
        if not target.startswith("/"):
            target = f"/{target}"
        if not _VISIBLE.fullmatch(target):
            target = quote(target, safe=string.punctuation)
        self.url = f"{origin}{target}"
        self.method = request.method
        self.body = bytes(request.body)
        given = {name: value for name, value in request.headers.items() if name not in _FRAMING}
        self.headers = {"host": parts.netloc, "accept-encoding": ACCEPTED, "user-agent": _AGENT, **given}
        if self.body or self.method not in ("GET", "HEAD", "DELETE"):
            self.headers["content-length"] = str(len(self.body))
        if self.method == "CONNECT" or not all(map(_TOKEN.fullmatch, (self.method, *self.headers))):
            raise NotConnected("the request is not valid HTTP: check its method and the names of its headers")
        if origin not in proxies:
            proxies[origin] = None if is_loopback(request.url) else _proxy(parts.scheme, parts.netloc)
        self.proxy = proxies[origin]
        self.secure = parts.scheme == "https"
        # A forwarding proxy needs the whole URL.
        whole = self.proxy is not None and not self.secure
        self.target = (self.url if whole else target).encode("ascii")

    @property
    def proxy_place(self) -> str:
        """The host and port of the proxy, for use in errors.

        The whole URL of the proxy is not shown: it may hold a password.
        """
        try:
            parts = urlsplit(self.proxy or "")
            return f"proxy {_place(parts.hostname or '', parts.port or _PORTS[parts.scheme])}"
        except (ValueError, KeyError):
            return "proxy"


def _proxy(scheme: str, netloc: str) -> str | None:
    try:
        proxies = getproxies()
        proxy = (proxies.get(scheme) or proxies.get("all") or "").strip()
        if not proxy or proxy_bypass(netloc):
            return None
    # Invalid settings may raise any error.
    except Exception:  # noqa: BLE001
        raise NotConnected(NO_PROXY_TO_USE) from None
    return proxy if "://" in proxy else f"http://{proxy}"


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
