"""The meaning of Twincle's words: delivery statuses, error texts, one-time-code answers, products.

Twincle runs the MobTexting platform and documents neither list. Statuses: the table on the platform's SMPP page
(https://portal.mobtexting.com/docs/v2/sms/smpp), whose names the HTTP API shares. Error texts: the "messaging error
response" branch of the platform's documentation (https://github.com/sushmashivakavi/docs, 169837e), which was never
merged; the misspellings are the server's. What a word means for the caller is our reading.
"""

from __future__ import annotations

from smsbridge.errors import (
    AuthenticationError,
    ContentError,
    Fault,
    FundsError,
    OptedOutError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    SendError,
    UncertainError,
)
from smsbridge.messages import Purpose, Status
from smsbridge.reading import Meaning, Outcome


def _undelivered(reason: str, error: type[SendError] = RefusedError, fault: Fault | None = None) -> Outcome:
    return Outcome(Status.UNDELIVERED, reason, error, fault)


def _rejected(reason: str, error: type[SendError] = RefusedError, fault: Fault | None = None) -> Outcome:
    return Outcome(Status.REJECTED, reason, error, fault)


UNKNOWN_STATUS = Outcome(Status.UNKNOWN)
"""A word that is not in the table: accepted if it comes with an id, and never final."""

STATUSES: dict[str, Outcome] = {
    # On the way, or delivered.
    "AWAITING-DLR": Outcome(Status.QUEUED),
    "DELIVRD": Outcome(Status.DELIVERED),
    # No report came in time, and none will: the vendor does not know either.
    "TIMEOUT-DLR": Outcome(Status.UNKNOWN, "no-report", closed=True),
    "EXPIRED": Outcome(Status.EXPIRED, "expired", RefusedError),
    # The network refused. Another provider reaches the same phone, so the fault is the message's.
    "UNDELIV": _undelivered("undelivered"),
    "INVALID-SUB": _undelivered("unknown-subscriber", RecipientError),
    "ABSENT-SUB": _undelivered("absent"),
    "MOB-OFF": _undelivered("switched-off"),
    "HANDSET-ERR": _undelivered("handset"),
    "HANDSET-BUSY": _undelivered("busy"),
    "MEMEXEC": _undelivered("handset-full"),
    "BARRED": _undelivered("barred", RecipientError),
    "NET-ERR": _undelivered("network", fault="provider"),
    # Some parts arrived, so this does not prove that nothing was sent.
    "REJ-MULTIPART": _undelivered("incomplete", UncertainError, "provider"),
    # Failed inside the platform or at its operator.
    "FAILED": Outcome(Status.FAILED, "failed", RefusedError, "provider"),
    "SERVER-ERR": Outcome(Status.FAILED, "server-error", RefusedError, "provider"),
    # Refused by the platform: the number, or the recipient's wish.
    "INV-NUMBER": _rejected("invalid-number", RecipientError),
    "SERIES-BLK": _rejected("series-blocked", RecipientError),
    "SERIES-BLOCK": _rejected("series-blocked", RecipientError),
    "NOTALLOWED": _rejected("country-blocked", fault="account"),
    "DNDNUMB": _rejected("dnd", OptedOutError),
    "BLACKLST": _rejected("blocked", OptedOutError),
    "BLACKLIST": _rejected("blocked", OptedOutError),
    "NOT-OPTIN": _rejected("not-opted-in", OptedOutError),
    "OPTOUT-REJ": _rejected("opted-out", OptedOutError),
    # Refused by the platform: the account, or its sender.
    "NO-CREDITS": _rejected("no-credit", FundsError),
    "NO-ACCOUNT": _rejected("no-account", AuthenticationError),
    "THROTTLED": _rejected("throttled", RateLimitedError),
    "SNDR-BLOCK": _rejected("sender-blocked", SenderError),
    "SNDR-NOT-ALLOTED": _rejected("sender-blocked", SenderError),  # SNDR-BLOCK until 2023-03
    "INV-SENDER": _rejected("sender", SenderError),
    "INV-PROVISION": _rejected("sender-provisioning", SenderError),
    "INV-SERVICE": _rejected("service", fault="account"),
    # Refused by the platform: the text or its time.
    "SPAM": _rejected("spam", ContentError),
    # This request sent nothing; an earlier request with the same text did. Do not send the text elsewhere.
    "DUPLICATE": _rejected("duplicate", ContentError),
    "TEMPLATE-NOT-FOUND": _rejected("template", ContentError, "account"),
    "INV-TEMPLATE": _rejected("template", ContentError, "account"),
    "PROMO-TMOUT": _rejected("quiet-hours"),
    "INV-SCHEDULE": _rejected("schedule"),
    "REJECTED": _rejected("rejected"),
    # Refused for a registration on the DLT platform, which only the account's owner can correct.
    "DLT-REJECTED": _rejected("dlt", ContentError, "account"),
    "DLT-INV-TMID": _rejected("dlt-telemarketer", fault="account"),
    "INV-TMID": _rejected("dlt-telemarketer", fault="account"),  # DLT-INV-TMID until 2022-09
    "DLT-INV-ENTITY": _rejected("dlt-entity", fault="account"),
    "INV-ENTITY": _rejected("dlt-entity", fault="account"),  # DLT-INV-ENTITY until 2022-09
    "INV-PEID": _rejected("dlt-entity", fault="account"),  # the same on a help page
    "DLT-ENTITY-NOT-FOUND": _rejected("dlt-entity", fault="account"),
    "DLT-ENTITY-BLACKLST": _rejected("dlt-entity", fault="account"),
    "DLT-INV-TM-ID": _rejected("dlt-template", ContentError, "account"),
    "DLT-TM-BLACKLST": _rejected("dlt-template", ContentError, "account"),
    "DLT-TM-INACTIVE": _rejected("dlt-template", ContentError, "account"),
    "DLT-TM-VAR-EXECEED": _rejected("dlt-variable", ContentError, "account"),  # a value of over 30 characters
    "DLT-HEADER-INACTIVE": _rejected("dlt-header", SenderError),
    "DLT-SENDER-NOT-REG-TM": _rejected("dlt-header", SenderError),
}


def outcome(word: str) -> Outcome:
    """Return the meaning in smsbridge of a delivery status of Twincle. ``word`` is the status in upper case."""
    return STATUSES.get(word, UNKNOWN_STATUS)


NOT_FOUND = "not-found"
"""The reason of a refusal about an unknown text or entry."""

ERRORS: dict[str, Meaning] = {
    # Parts of error texts, in lower case; the first match decides. The server adds numbers and names around them.
    # `sms/send`, code 422
    "missing required params": Meaning(RefusedError, "bad-request"),
    "missing mobile number": Meaning(RecipientError, "missing"),
    "missing receipent": Meaning(RecipientError, "missing"),
    "no valid mobile numbers found": Meaning(RecipientError, "invalid-number"),
    "missing message": Meaning(ContentError, "empty"),
    "missing sender": Meaning(SenderError, "missing"),  # and "Missing senderid."
    "invalid sender or sender not allowed": Meaning(SenderError, "sender"),
    "template mismatch": Meaning(ContentError, "template", "account"),
    "invalid template match": Meaning(ContentError, "template", "account"),
    "missing data column": Meaning(RefusedError, "bad-request"),
    "invalid time format": Meaning(RefusedError, "schedule"),
    "invalid schedule time": Meaning(RefusedError, "schedule"),
    "this service only allowed between": Meaning(RefusedError, "quiet-hours"),
    "batch size should be": Meaning(RefusedError, "bad-request"),
    "batch interval should be": Meaning(RefusedError, "bad-request"),
    "port number must be numeric": Meaning(RefusedError, "bad-request"),
    "invalid type value": Meaning(RefusedError, "bad-request"),
    "invalid flash value": Meaning(RefusedError, "bad-request"),
    "invalid webhook id": Meaning(RefusedError, "webhook", "account"),
    "number of tags selected": Meaning(RefusedError, "bad-request"),
    "message length is": Meaning(ContentError, "too-long"),  # in units, and in characters
    "daily usage limit exceeded": Meaning(RateLimitedError, "quota"),
    # `sms/send`, code 500: the text may have been sent
    "an error occured while processing": Meaning(UncertainError, "server-error"),
    "unable to process your request": Meaning(UncertainError, "server-error"),
    # `sms/send/template`
    "'alias' or 'id' field is required": Meaning(ContentError, "template", "account"),
    "template does not exist": Meaning(ContentError, "template", "account"),
    # `sms/status`
    "invalid request": Meaning(RefusedError, "bad-request"),
    # management of senders and templates
    "invalid service id": Meaning(RefusedError, "service", "account"),
    "invalid country code": Meaning(RefusedError, "country"),
    "sender is blocked": Meaning(SenderError, "sender-blocked"),
    "name must not be greater than": Meaning(SenderError, "too-long"),
    "enter a valid sender id": Meaning(SenderError, "sender"),
    "body may not be greater than": Meaning(ContentError, "too-long"),
    "the number is invalid": Meaning(RecipientError, "invalid-number"),
    "selected type is invalid": Meaning(RefusedError, "bad-request"),
    # failures that say OK
    "not found in optout list": Meaning(RefusedError, NOT_FOUND),
    "no data found": Meaning(RefusedError, NOT_FOUND),
    "not found in block list": Meaning(RefusedError, NOT_FOUND),
    # Laravel's own, for a missing or wrong token
    "unauthenticated": Meaning(AuthenticationError),
    # Twincle's page counts "no balance" among the 4xx causes; no wording is documented, these are our guesses
    "no balance": Meaning(FundsError, "no-credit"),
    "no credit": Meaning(FundsError, "no-credit"),
    "low balance": Meaning(FundsError, "no-credit"),
    "insufficient balance": Meaning(FundsError, "no-credit"),
    "insufficient credit": Meaning(FundsError, "no-credit"),
    "insufficient fund": Meaning(FundsError, "no-credit"),
    # Laravel's validation: "The name field is required."
    "field is required": Meaning(RefusedError, "bad-request"),
}


def refusal(text: str) -> Meaning | None:
    """Return the meaning of an error text of Twincle; None if the text is unknown."""
    lowered = text.lower()
    return next((meaning for part, meaning in ERRORS.items() if part in lowered), None)


CHECKS: dict[str, str | None] = {
    # `verify/check` (https://portal.mobtexting.com/docs/v2/verify/check): all of these come with HTTP 200.
    "success": None,
    "failed": "unknown",
    "expired": "expired",
    "invalid": "wrong-code",
    "otp already verified": "used",
}
"""The reason why a one-time code is not approved; None if it is approved."""

SERVICES: dict[Purpose, str] = {
    # Products of the platform (https://portal.mobtexting.com/docs). S (TransScrub) and G (Global) have no purpose of
    # their own; an account with them sets them. Service Implicit and Explicit are kinds of template, not products.
    Purpose.OTP: "T",
    Purpose.TRANSACTIONAL: "T",
    Purpose.SERVICE: "T",
    Purpose.PROMOTIONAL: "P",
}
