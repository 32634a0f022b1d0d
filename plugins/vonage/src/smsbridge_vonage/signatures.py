"""Checks whether a webhook comes from Vonage. There are two schemes with the same secret; the webhook shows which.

*The SMS API* adds ``timestamp``, ``nonce`` and ``sig`` to the parameters
(https://developer.vonage.com/getting-started/concepts/signing-messages). ``sig`` covers parameters and not bytes, so
values that it cannot cover (a repeated parameter, a nested value) are never read.

*Messages v1* sends ``Authorization: Bearer <JWT>``, signed with HS256, whose claim ``payload_hash`` is the SHA-256 of
the body (https://developer.vonage.com/en/getting-started/concepts/webhooks). Vonage calls checking the hash optional;
here a token without it proves nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from smsbridge import reading
from smsbridge.errors import PayloadError, SignatureError
from smsbridge.http import HttpRequest

from .content import Content

SKEW = 300
"""Seconds that clocks may differ: five minutes, as in the vendor's Java SDK (``MAX_ALLOWABLE_TIME_DELTA``)."""

_LATEST = 1e12
"""Seconds, in the year 33658: a token's time beyond it is refused."""

_HMAC: dict[str, Callable[..., Any]] = {
    "md5": hashlib.md5,
    "sha1": hashlib.sha1,
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
}


class UnsignedError(SignatureError):
    """Raised for a webhook without a signature.

    The HTTP status is 503, because Vonage may omit the signature, and sends the webhook again after a 5xx.

    "In the rare case of an internal error, it is possible that the callback service will send an unsigned callback. By
    returning an HTTP 5xx response, a retry will be triggered"
    (https://developer.vonage.com/en/messages/concepts/signed-webhooks).
    """

    status: ClassVar[int] = 503


def verify(webhook: HttpRequest, *, secret: str | None, method: str, age: int, setting: str) -> None:
    """Check that ``webhook`` was signed with ``secret`` at most ``age`` seconds ago.

    Raises SignatureError if not; ``setting`` is the environment variable of the secret, for the error.

    A token covers the bytes of the body, so the body is parsed only after the check; ``sig`` covers the parsed content.
    """
    if not secret:
        raise SignatureError(
            f"no signature secret is configured, so no webhook can be believed: set {setting} to that of the dashboard"
        )
    token = reading.credentials(webhook, "bearer")
    if token is not None:
        return _verify_token(token, webhook.body, secret, age)
    content = Content.of(webhook)
    if not content.parameters.get("sig"):
        raise UnsignedError(
            "the webhook is not signed: if no webhook is, have Vonage sign the webhooks of this account"
        )
    return _verify_parameters(content, secret, method, age)


# --- the SMS API ------------------------------------------------------------------------------------------------------


def signature(parameters: Iterable[tuple[str, str]], secret: str, method: str) -> str:
    """Return the signature ``sig`` of ``parameters``, in lower case. ``method`` is the hash or HMAC of the account.

    Some characters are replaced in the names too, as in the values; otherwise two parameters could look like one
    parameter.
    """
    cleaned = [(_cleaned(name), _cleaned(value)) for name, value in sorted(parameters) if name != "sig"]
    signed = "".join(f"&{name}={value}" for name, value in cleaned)
    if method == "md5hash":
        return hashlib.md5(_bytes(f"{signed}{secret}"), usedforsecurity=False).hexdigest()
    return hmac.new(secret.encode(), _bytes(signed), _HMAC[method]).hexdigest()


def _bytes(written: str) -> bytes:
    """``written`` in UTF-8, also with lone surrogates, which JSON can hold, so that any value can be compared."""
    return written.encode("utf-8", "surrogatepass")


def _cleaned(written: str) -> str:
    return written.replace("&", "_").replace("=", "_")


def _verify_parameters(content: Content, secret: str, method: str, age: int) -> None:
    """Check ``sig`` with and without blank parameters.

    The vendor's SDKs for Python, PHP and Node sign blank parameters, the SDK for Java does not. Both are safe, because
    blank parameters are never read.
    """
    given = _bytes(content.parameters["sig"].lower())
    everything = list(content.parameters.items())
    filled = [(name, value) for name, value in everything if value.strip()]
    expected = [signature(parameters, secret, method).encode() for parameters in (everything, filled)]
    if True not in [hmac.compare_digest(given, candidate) for candidate in expected]:
        raise SignatureError(
            "the sig of the webhook does not fit its parameters: check the signature secret and method on both sides"
        )
    timestamp = content.parameters.get("timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise SignatureError("the webhook does not say when it was signed (timestamp), so it may be old")
    _check_age(float(timestamp), age)
    if not content.complete:
        raise PayloadError("the webhook has content that its sig does not cover, so it may be forged")


def _check_age(signed_at: float, age: int) -> None:
    if not -SKEW <= reading.now().timestamp() - signed_at <= age:
        raise SignatureError("the webhook was signed too long ago, or in the future: check the clock of this machine")


# --- Messages v1 ------------------------------------------------------------------------------------------------------


def _verify_token(token: str, body: bytes, secret: str, age: int) -> None:
    head, _, rest = token.partition(".")
    claims, _, given = rest.partition(".")
    expected = urlsafe_b64encode(hmac.new(secret.encode(), f"{head}.{claims}".encode(), hashlib.sha256).digest())
    if not hmac.compare_digest(given.encode(), expected.rstrip(b"=")):
        raise SignatureError(
            "the token of the webhook is not signed with the configured secret: check the secret on both sides"
        )
    header, payload = _decoded(head), _decoded(claims)
    if header.get("alg") != "HS256" or "crit" in header:
        raise SignatureError("the token of the webhook is not signed with HS256, as Vonage signs, so it may be forged")
    _check_times(payload, age)
    digest = payload.get("payload_hash")
    if not isinstance(digest, str):
        raise SignatureError(
            "the token of the webhook has no hash of the body (payload_hash), so the body may be forged"
        )
    if not hmac.compare_digest(digest.lower().encode(), hashlib.sha256(body).hexdigest().encode()):
        raise SignatureError("the token of the webhook belongs to another body, so the body may be forged")
    if not body:
        raise PayloadError("the webhook has no body, and its token covers nothing else, so it cannot be read")


def _check_times(claims: dict[str, Any], age: int) -> None:
    """Check the times of a token: Vonage sends ``iat``; ``exp`` and ``nbf`` count if they are there."""
    times = {name: claims[name] for name in ("iat", "exp", "nbf") if name in claims}
    if "iat" not in times or not all(map(_is_moment, times.values())):
        raise SignatureError("the times in the token of the webhook are missing or cannot be read (iat, exp, nbf)")
    _check_age(times["iat"], age)
    now = reading.now().timestamp()
    if now > times.get("exp", now) + SKEW:
        raise SignatureError("the token of the webhook has expired: check the clock of this machine")
    if now < times.get("nbf", 0) - SKEW:
        raise SignatureError("the token of the webhook is not valid yet: check the clock of this machine")


def _is_moment(value: Any) -> bool:
    """Whether ``value`` is a number of seconds.

    NaN is not: every comparison with it is false, so that a token with it would never expire.
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LATEST


def _decoded(part: str) -> dict[str, Any]:
    try:
        data = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise SignatureError("the token of the webhook cannot be read: it is no JWT")
    return data
