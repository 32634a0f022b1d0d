"""Answers of the sandbox, as values: a normal body, an error body, or a body broken on purpose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DISCLAIMER = "built from documentation, not Twincle"
JSON = "application/json"
HTML = "text/html; charset=utf-8"

LOGIN_PAGE = """<!DOCTYPE html>
<html><head><title>Login</title></head>
<body><h1>Login</h1><form method="post" action="/login"><input name="email"><input name="password" type="password">
</form><p>Sandbox, built from documentation, not Twincle.</p></body></html>
"""

Cut = Literal["no", "before", "middle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer of the sandbox.

    A `body` that is a mapping or a list is sent as JSON, a str as HTML, and bytes unchanged.

    `cut` says when the connection is dropped: `before` the first byte, or in the `middle` of the body. `delay` is in
    seconds.
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: Cut = "no"

    def payload(self) -> tuple[bytes, str]:
        """Return the bytes to send, and their content type."""
        if isinstance(self.body, bytes):
            return self.body, JSON
        if isinstance(self.body, str):
            return self.body.encode(), HTML
        return json.dumps(self.body).encode(), JSON


class Refused(Exception):
    """Raised when the documented API would refuse a request; `answer` is the answer to send."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def error(code: int, message: str, *, http: int | None = None, status: str = "ERROR", **headers: str) -> Answer:
    """Return an error answer with the documented body.

    `code` and `status` are fields of that body. `http` is the HTTP status; if it is None, `code` is the HTTP status
    too, which the vendor's page implies, but never shows.
    """
    body = {"status": status, "code": code, "message": message, "data": []}
    return Answer(status=http or code, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def refuse(message: str, code: int = 422) -> Refused:
    """Return the Refused to raise for `message`, one of the documented error texts."""
    return Refused(error(code, message))


UNAUTHENTICATED = Answer(status=401, body={"message": "Unauthenticated."})
