"""Parsing of requests: query string, form, multipart form and JSON, as clients of the platform send them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

from .answers import refuse

BASE = "/api/v2/"
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to the sandbox. `path` is relative to the base URL, without slashes around it."""

    method: str
    path: str
    origin: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def inside(self) -> bool:
        """Return whether the path of the request belongs to the API. Other paths are those of the web site."""
        return not self.path.startswith("/")

    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def data(self) -> Mapping[str, Any]:
        """Return the parameters in the body, which may have any of the documented encodings.

        Raises:
            Refused: 400 for a JSON body that cannot be read.

        """
        kind = self.content_type()
        if kind == "application/json":
            return _json(self.body)
        if kind == "multipart/form-data":
            return _multipart(self.headers["content-type"], self.body)
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def fields(self) -> dict[str, Any]:
        """Return the parameters of the query and of the body together, without the token.

        If both have the same parameter, the value in the body counts.
        """
        merged = {**self.query, **self.data()}
        merged.pop("access_token", None)
        return merged

    def token(self) -> str:
        """Return the access token: from the header, or else from the query, or else from a field of the form.

        A token in a JSON body is not read, because no document mentions it.
        """
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and value.strip():
            return value.strip()
        if "access_token" in self.query:
            return self.query["access_token"]
        if self.content_type() == "application/json" or b"access_token" not in self.body:
            return ""
        return str(self.data().get("access_token", ""))

    def wants_json(self) -> bool:
        """Return whether the header Accept names JSON. Otherwise a request with a wrong token gets the login page."""
        return "json" in self.headers.get("accept", "").lower()

    def without(self, token: str) -> Call:
        """Return the same request with all traces of the access token removed, so that it can be kept and shown."""
        body = self.body
        for form in {
            form for value in (token, self.token()) for form in (value, quote(value, safe=""), quote_plus(value))
        }:
            body = body.replace(form.encode(), b"[token]") if form else body
        return Call(
            method=self.method,
            path=self.path,
            origin=self.origin,
            query={k: v for k, v in self.query.items() if k != "access_token"},
            headers={k: v for k, v in self.headers.items() if k not in SECRET_HEADERS},
            body=body,
        )


def relative(path: str) -> str:
    """Return `path` relative to the base URL of the API: `sms/send` for `/api/v2/sms/send/`.

    A path outside of the API keeps its leading slash.
    """
    return path[len(BASE) :].strip("/") if path.startswith(BASE) else path


def _json(body: bytes) -> Mapping[str, Any]:
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise refuse("Malformed JSON body.", 400) from None
    if not isinstance(value, dict):
        raise refuse("Invalid Request. Missing required params.")
    return value


def _multipart(content_type: str, body: bytes) -> Mapping[str, Any]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    values: dict[str, Any] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            payload = part.get_payload(decode=True)
            values[name] = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return values
