"""The URLs of Twilio's webhooks, as we give them and as Twilio may have signed them.

Twilio signs a URL as it was given, but may call it with the query sorted by name (twilio/twilio-php#790,
twilio/twilio-node#1079), with or without its port, and escaped in another way (twilio/twilio-node#621). So a signature
is compared with each spelling of the called URL. All spellings have the same meaning, so that no forger gains anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, unquote_plus, unquote_to_bytes, urlsplit

from smsbridge.errors import PayloadError
from smsbridge.http import HttpRequest, with_query

REFERENCE = "reference"
"""The query parameter of a status callback with our reference: Twilio returns no reference by itself."""

LONGEST = 4_000
"""Characters of a callback URL, https://www.twilio.com/docs/api/errors/21609."""

_PORTS = {"http": 80, "https": 443}
_PORT = re.compile(r":\d*$", re.ASCII)
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+", re.ASCII)
_MEANINGFUL = frozenset("&=+#%") | frozenset(map(chr, range(0x20))) | {"\x7f"}
"""Characters that change the meaning of a query if they are not escaped."""
_LEGAL = "!$'()*,;:@/?"
_OTHERS = {legal: re.compile(rf"[^A-Za-z0-9_.~&=%{re.escape(legal)}-]") for legal in (_LEGAL, "")}
"""Characters to escape: all but the marks of a query, letters, digits, ``-._~`` and, in the first case, ``_LEGAL``."""


def callback(url: str, reference: str) -> str:
    """Return the callback URL ``url`` with the reference of a text in its query.

    The parameters are sorted by name, as Twilio may do when it calls the URL. A fragment (the part after ``#``), in
    which Twilio's connection overrides are written, stays after the query.
    """
    address, mark, fragment = url.partition("#")
    base, _, query = address.partition("?")
    own = [part for part in query.split("&") if part and _name(part) != REFERENCE]
    ours = with_query("", {REFERENCE: reference})[1:]
    return f"{base}?{'&'.join(sorted([*own, ours], key=_name))}{mark}{fragment}"


def spellings(webhook: HttpRequest, configured: str | None) -> list[str]:
    """Return the URLs that Twilio may have signed for a webhook. The first is the URL that Twilio called.

    ``configured`` is the callback URL in the settings of the account, or None.
    """
    # Even a callback URL with every character escaped is not longer.
    if len(webhook.url) > 3 * LONGEST:
        return [webhook.url]
    base, sign, query = webhook.url.partition("?")
    queries = [form for order in _orders(webhook, query, configured) for form in _forms(order)]
    return [*dict.fromkeys([*_ports(webhook.url), *(f"{base}{sign}{form}" for form in queries)])]


def _ports(url: str) -> Iterator[str]:
    """``url`` as it came, without its port, and with the default port: Twilio's own validators try these too."""
    parts = urlsplit(url)
    bare = _PORT.sub("", parts.netloc)
    yield url
    yield url.replace(f"//{parts.netloc}", f"//{bare}", 1)
    if bare == parts.netloc and parts.scheme in _PORTS:
        yield url.replace(f"//{bare}", f"//{bare}:{_PORTS[parts.scheme]}", 1)


def _orders(webhook: HttpRequest, query: str, configured: str | None) -> Iterator[str]:
    """The query as it came, sorted by name, by name and value, and in the order of our callback URL, old and new.

    If a name occurs twice, the order says which value counts, so the order stays unchanged.
    """
    yield query
    parts = query.split("&")
    if len({_name(part) for part in parts}) < len(parts):
        return
    yield "&".join(sorted(parts, key=_name))
    yield "&".join(sorted(parts))
    if configured is None:
        return
    try:
        called = webhook.query
        reference = dict(called).get(REFERENCE, "")
        for given in (callback(configured, reference), with_query(configured, {REFERENCE: reference})):
            if sorted(replace(webhook, url=given).query) == sorted(called):
                yield urlsplit(given).query
    except PayloadError:
        return


def _forms(query: str) -> Iterator[str]:
    """A query with its own escapes, with as few escapes as possible, with those that a URL needs, and with all."""
    yield query
    bare = _ESCAPES.sub(_unescaped, query)
    yield bare
    yield bare.replace("+", " ")
    for legal in (_LEGAL, ""):
        escaped = _OTHERS[legal].sub(lambda character: quote(character[0], safe=""), bare.replace("+", " "))
        yield escaped
        yield escaped.replace("%20", "+")


def _unescaped(escapes: re.Match[str]) -> str:
    try:
        characters = unquote_to_bytes(escapes[0]).decode()
    except UnicodeDecodeError:
        return escapes[0]
    return "".join(quote(character, safe="") if character in _MEANINGFUL else character for character in characters)


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0], errors="surrogateescape")
