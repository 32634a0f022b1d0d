"""URLs in settings: find URLs on this machine, and URLs whose traffic others can read."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from pydantic import BaseModel


def insecure_urls(settings: BaseModel) -> dict[str, str]:
    """Return the fields of ``settings`` whose value is a plain-http URL of another machine, by name."""
    return {name: url for name, url in _urls(settings).items() if _is_insecure(url)}


def is_sandboxed(settings: BaseModel) -> bool:
    """Return whether all URLs in ``settings`` lead to this machine. False if there is no URL.

    URLs that a vendor calls, such as the URL for webhooks, do not count.
    """
    urls = [url for name, url in _urls(settings).items() if not name.endswith("callback_url")]
    return bool(urls) and all(map(is_loopback, urls))


def _urls(settings: BaseModel) -> dict[str, str]:
    urls = {name: getattr(settings, name) for name in type(settings).model_fields if name.endswith("url")}
    return {name: url for name, url in urls.items() if isinstance(url, str) and url}


def _is_insecure(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(url) and not (parts.hostname or "").endswith(".localhost")


def is_loopback(url: str) -> bool:
    """Return whether ``url`` leads to this machine: to ``localhost``, or to an address of the loopback interface."""
    try:
        host = urlsplit(url).hostname or ""
        return host.removesuffix(".") == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
