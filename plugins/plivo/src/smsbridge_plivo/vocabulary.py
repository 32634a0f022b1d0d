"""The meaning of Plivo's words and codes: states, error codes, error texts, answers to a code, DLT categories.

Sources: [api] https://plivo.com/docs/messaging/api/messages.md; [legacy] the legacy page *Message Status Callbacks*;
[codes] https://www.plivo.com/blog/introducing-sms-error-codes/ (updated 2025-04-01) and
https://plivo.com/docs/messaging/troubleshooting/error-codes; [faq] https://docs.plivo.com/docs/faq/messaging/sms;
[support] https://support.plivo.com; [verify]
https://plivo.com/docs/programmable-api/verify/sessions.md; [expected] not documented where we could read it.
What a word means for the caller is our reading.
"""

from __future__ import annotations

from typing import NamedTuple

from smsbridge.errors import ContentError, FundsError, RecipientError, SenderError
from smsbridge.messages import Purpose, Status
from smsbridge.reading import Meaning

CATEGORIES: dict[Purpose, str] = {
    # The words are Plivo's [api]; their purposes are our reading of TRAI's rules: a one-time code is *service implicit*
    # unless a bank sends it. The category of the registered template decides, hence a setting and an option.
    Purpose.OTP: "service_implicit",
    Purpose.TRANSACTIONAL: "transactional",
    Purpose.SERVICE: "service_implicit",
    Purpose.PROMOTIONAL: "promotional",
}

STATES: dict[str, Status] = {
    "queued": Status.QUEUED,  # [api]
    "sent": Status.SENT,  # [api]; the last state if the carrier reports nothing [codes], which we cannot know
    "delivered": Status.DELIVERED,  # [api]
    "read": Status.DELIVERED,  # [api], WhatsApp only
    "undelivered": Status.UNDELIVERED,  # [api]
    "failed": Status.FAILED,  # [api]
    "rejected": Status.REJECTED,  # [legacy]
}


class Code(NamedTuple):
    """The meaning of an error code in a delivery report.

    ``reason`` is a short word, and ``status`` a more exact status of the failed text, if it is known.
    """

    reason: str
    status: Status | None = None


CODES: dict[str, Code] = {
    "10": Code("content"),  # invalid message [codes]
    "20": Code("network"),  # network error, temporary [codes]
    "30": Code("spam"),  # spam detected [codes]
    "40": Code("sender"),  # invalid source number [codes]
    "50": Code("invalid-number"),  # invalid destination number [codes]
    "60": Code("loop"),  # loop detected [codes]
    "70": Code("unknown-subscriber"),  # destination permanently unavailable [codes]
    "80": Code("absent"),  # destination temporarily unavailable [codes]
    "90": Code("no-route"),  # no route available [codes]
    "100": Code("barred"),  # prohibited by carrier [codes]
    "110": Code("too-long"),  # message too long [codes]
    "200": Code("opted-out", Status.REJECTED),  # source number blocked by STOP from destination number [codes]
    "201": Code("sender", Status.REJECTED),  # from a US toll-free number to Canada [codes]
    "300": Code("dispatch"),  # failed to dispatch message [expected]
    "420": Code("expired", Status.EXPIRED),  # message expired [expected]
    "450": Code("country-blocked", Status.REJECTED),  # destination country barred, by the account's own settings [faq]
    "900": Code("no-credit", Status.REJECTED),  # insufficient credit, not forwarded to a carrier [support]
    "910": Code("no-account", Status.REJECTED),  # account disabled [expected]
    "1000": Code("unknown"),  # unknown error [codes]
}
SUCCESS_CODES = frozenset({"", "0", "000"})
"""The values of an error code that mean success: "000 for successful delivery" [api]."""


TEXTS: dict[str, Meaning] = {
    # Parts of ``error``, in lower case. Plivo publishes no list; these were seen.
    # [support] "Insufficient Credit", for two minutes after a 900
    "insufficient credit": Meaning(FundsError, "no-credit", retry_after=120),
    "caller id is not allowed": Meaning(SenderError, "sender"),  # [support] of a sender for the US and Canada
    "is not a valid phone number": Meaning(
        RecipientError, "invalid-number"
    ),  # plivo-node issue 222, in quotes before it
    "message too long": Meaning(ContentError, "too-long"),  # [expected]
}

CHECKS: dict[str, str] = {
    # Parts of an answer to a code, in lower case; the first match decides. Only success is documented [verify].
    "expired": "expired",  # [expected]
    "already verified": "used",  # [expected]
    "already validated": "used",  # [expected]
    "not found": "unknown",  # [expected]
    "attempts": "too-many-attempts",  # [expected]; a session allows at most ten [verify]
}
APPROVED = "session validated successfully"
"""The beginning of the documented answer to a right code [verify]."""


def refusal(said: str, to: str) -> Meaning | None:
    """Return the meaning of ``said``, Plivo's error text about a text to ``to``; None if it is unknown.

    ``to`` is the number in digits only.
    """
    for part, meaning in TEXTS.items():
        # Plivo writes "'1111111' is not a valid phone number" about senders too.
        if part in said.lower() and (meaning.error is not RecipientError or (to and to in said)):
            return meaning
    return None


def check(said: str) -> str:
    """Return the reason why a one-time code was not approved. ``said`` is Plivo's error text."""
    return next((reason for part, reason in CHECKS.items() if part in said.lower()), "wrong-code")
