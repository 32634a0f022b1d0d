"""Make forged webhooks from genuine webhooks: with changed content, added parameters, or a missing or garbled proof.

The proof of a webhook is its signature or shared secret, in a header, in the query or in the body.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from smsbridge.http import Headers, HttpRequest

FORM = "application/x-www-form-urlencoded"
Place = Literal["header", "query", "body"]
Pairs = list[tuple[str, Any]]
_NOT_PROOF = frozenset({"content-type", "accept", "content-length", "host", "user-agent"})
_NO_STRINGS: tuple[Any, ...] = (None, 7, True, [], {})


# --- changed content --------------------------------------------------------------------------------------------------


def changed(genuine: HttpRequest, *, parameters: bool) -> Iterator[tuple[str, HttpRequest]]:
    """Yield forged webhooks: for each change of the body or the parameters of ``genuine``, a description and a copy.

    If ``parameters`` is true, the proof covers the parameters, not the bytes of the body: then a copy whose body has
    other bytes but the same parameters is not yielded.
    """
    for how, forged in _changed_bytes(genuine):
        if not (parameters and _said(forged) == _said(genuine)):
            yield how, forged
    place = _place(genuine)
    pairs = _pairs(genuine, place)
    yield f"a parameter was added to the {place}", _with(genuine, place, [*pairs, ("added", "1")])
    for n, (name, value) in enumerate(pairs):
        yield f"{name!r} was taken out of the {place}", _with(genuine, place, pairs[:n] + pairs[n + 1 :])
        other = [*pairs[:n], (name, _other(value)), *pairs[n + 1 :]]
        yield f"{name!r} in the {place} was changed", _with(genuine, place, other)


def smuggled(genuine: HttpRequest) -> Iterator[tuple[str, HttpRequest]]:
    """Yield forged webhooks: for each way to add a parameter to ``genuine``, a description and a copy.

    In a copy, a parameter occurs twice, with two values, or a new parameter has a list or an object as its value, which
    the check of a signature may skip.
    """
    place = _place(genuine)
    pairs = _pairs(genuine, place)
    for name, value in pairs:
        other = (name, _other(value))
        yield f"{name!r} is there twice, the forged value first", _with(genuine, place, [other, *pairs])
        yield f"{name!r} is there twice, the forged value last", _with(genuine, place, [*pairs, other])
    if place == "body" and _object(genuine.body) is not None:
        for odd in ({"x": "1"}, ["x"]):
            yield f"{odd!r} was added to the body", _with(genuine, place, [*pairs, ("added", odd)])


def another(genuine: HttpRequest) -> HttpRequest:
    """Return a forged webhook: it has the proof of ``genuine``, such as the signature, but other content."""
    place = _place(genuine)
    pairs = _pairs(genuine, place)
    if pairs or place == "query":
        return _with(genuine, place, [*pairs, ("added", "1")])
    return replace(genuine, body=genuine.body + b"x")


# --- the proof --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proof:
    """Name a header or parameter that is part of the proof of a webhook, such as its signature or a secret."""

    place: Place
    name: str

    def __str__(self) -> str:
        return f"the header {self.name}" if self.place == "header" else f"{self.name!r} in the {self.place}"


def proofs(plain: HttpRequest, genuine: HttpRequest) -> list[Proof]:
    """Return the headers and parameters that make up the proof of the webhook ``genuine``, such as its signature.

    ``plain`` is the same webhook without a proof: a header or parameter that it lacks, or has with another value, is
    part of the proof.
    """
    places: tuple[Place, ...] = ("header", "query", "body")
    return [
        Proof(place, name)
        for place in places
        for name, value in dict(_pairs(genuine, place)).items()
        if (name, value) not in _pairs(plain, place)
    ]


def stripped(plain: HttpRequest, genuine: HttpRequest) -> HttpRequest:
    """Return the webhook ``genuine`` without anything that could be a proof, such as a signature.

    The copy has no query and only ordinary headers such as ``Content-Type``. Its body is that of ``plain``, the same
    webhook without a proof.
    """
    bare = {name: value for name, value in genuine.headers.items() if name in _NOT_PROOF}
    return replace(genuine, headers=Headers(bare), url=genuine.url.partition("?")[0], body=plain.body)


def without(genuine: HttpRequest, proof: Proof) -> HttpRequest:
    """Return a copy of the webhook ``genuine`` without the header or parameter ``proof``."""
    pairs = _pairs(genuine, proof.place)
    return _with(genuine, proof.place, [(name, value) for name, value in pairs if name != proof.name])


def garbled(genuine: HttpRequest, proof: Proof) -> Iterator[HttpRequest]:
    """Yield copies of the webhook ``genuine`` in which the value of the header or parameter ``proof`` is wrong.

    The value is cut, lengthened or replaced by another.
    """
    pairs = _pairs(genuine, proof.place)
    right = dict(pairs)[proof.name]
    value = str(right)
    wrong: list[Any] = ["", " ", "x", value[:-1], f"{value}0", value[:4], "\xe9\xe8", "0" * 64, "a,b=c;d", _flip(value)]
    if proof.place == "body" and _object(genuine.body) is not None:
        wrong += [*_NO_STRINGS, [right], {"x": right}]
    for garbage in wrong:
        if garbage != right:
            changed_pairs = [(name, garbage if name == proof.name else other) for name, other in pairs]
            yield _with(genuine, proof.place, changed_pairs)


# --- reading and writing ----------------------------------------------------------------------------------------------


def _place(webhook: HttpRequest) -> Place:
    """The place of a webhook's parameters."""
    return "body" if webhook.body else "query"


def _object(body: bytes) -> dict[str, Any] | None:
    """Parse ``body`` as a JSON object; None if it is anything else."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _pairs(webhook: HttpRequest, place: Place) -> Pairs:
    """Names and values: of headers, a query, a form or a JSON object."""
    if place == "header":
        return list(webhook.headers.items())
    if place == "query":
        return _parsed(webhook.url.partition("?")[2])
    found = _object(webhook.body)
    if found is not None:
        return list(found.items())
    return _parsed(webhook.body.decode("utf-8", "surrogateescape")) if webhook.content_type == FORM else []


def _with(webhook: HttpRequest, place: Place, pairs: Pairs) -> HttpRequest:
    """``webhook`` with ``pairs`` in ``place``; a name may occur twice."""
    if place == "header":
        return replace(webhook, headers=Headers(pairs))
    if place == "query":
        query = urlencode(pairs, errors="surrogateescape")
        return replace(webhook, url=f"{webhook.url.partition('?')[0]}{'?' if query else ''}{query}")
    if _object(webhook.body) is not None:
        members = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs)
        return replace(webhook, body=f"{{{members}}}".encode())
    if webhook.content_type == FORM:
        return replace(webhook, body=urlencode(pairs, errors="surrogateescape").encode())
    return replace(webhook, body=webhook.body + b"".join(f"{name}={value}".encode() for name, value in pairs))


def _parsed(encoded: str) -> Pairs:
    return list(parse_qsl(encoded, keep_blank_values=True, errors="surrogateescape"))


def _said(webhook: HttpRequest) -> Any:
    """The content of a body apart from its bytes: its JSON with numbers as written, or the pairs of its form."""
    try:
        return json.loads(webhook.body, object_pairs_hook=tuple, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return webhook.form_bytes() if webhook.content_type == FORM else webhook.body


def _changed_bytes(genuine: HttpRequest) -> Iterator[tuple[str, HttpRequest]]:
    body = genuine.body
    if not body:
        return
    yield "the body is empty", replace(genuine, body=b"")
    yield "the body was cut", replace(genuine, body=body[:-1])
    yield "something was added to the body", replace(genuine, body=body + b" ")
    for place in [n for n, byte in enumerate(body) if chr(byte).isalnum()][:: max(1, len(body) // 16)]:
        other = b"x" if body[place : place + 1] != b"x" else b"y"
        yield f"byte {place} of the body was changed", replace(genuine, body=body[:place] + other + body[place + 1 :])


def _other(value: Any) -> str:
    return f"{value}x" if isinstance(value, str) else "x"


def _flip(value: str) -> str:
    return f"{'x' if value[:1] != 'x' else 'y'}{value[1:]}"
