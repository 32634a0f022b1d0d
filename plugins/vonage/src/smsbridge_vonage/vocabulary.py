"""Vonage's codes and words, and what they mean.

Sources, all read as published in 2026: the vendor's OpenAPI documents of the SMS API (1.5.1), Messages v1 (1.20.0) and
Verify v2 (1.0.1) with the error lists that their reference pages show (https://developer.vonage.com/en/api-errors), and
https://api.support.vonage.com/hc/en-us/articles/204014733 (codes in delivery receipts). What a code means for the
caller is our reading.
"""

from __future__ import annotations

from smsbridge.errors import (
    AuthenticationError,
    ContentError,
    FundsError,
    OptedOutError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    UncertainError,
)
from smsbridge.messages import Status
from smsbridge.reading import Meaning

SMS_ACCEPTED = "0"

SMS_CODES: dict[str, Meaning] = {
    # `status` of a row in the SMS API's answer, https://developer.vonage.com/en/api-errors/sms
    "1": Meaning(RateLimitedError, "throttled"),
    "2": Meaning(RefusedError, "missing-parameter"),
    "3": Meaning(RefusedError, "invalid-parameter"),
    "4": Meaning(AuthenticationError, "credentials"),
    # "An error has occurred in the platform whilst processing this message": it may have been sent.
    "5": Meaning(UncertainError, "internal-error"),
    "6": Meaning(RefusedError, "invalid-message"),  # "for example, an un-recognized number prefix"
    "7": Meaning(OptedOutError, "blocked"),
    "8": Meaning(AuthenticationError, "account-barred"),
    "9": Meaning(FundsError, "no-credit"),
    "10": Meaning(RateLimitedError, "too-many-binds"),
    "11": Meaning(AuthenticationError, "not-enabled"),
    "12": Meaning(ContentError, "too-long"),
    "14": Meaning(AuthenticationError, "signature"),
    "15": Meaning(SenderError, "sender"),
    "17": Meaning(RefusedError, "blocked-by-provider"),
    "22": Meaning(RefusedError, "network-code"),
    "23": Meaning(RefusedError, "callback", "account"),
    "29": Meaning(RefusedError, "demo-mode", "account"),
    "32": Meaning(AuthenticationError, "signature-and-secret"),
    "33": Meaning(RecipientError, "deactivated"),
}

SMS_STATUSES: dict[str, Status] = {
    # `status` of a delivery receipt, https://developer.vonage.com/messaging/sms/guides/delivery-receipts
    "accepted": Status.SENT,
    "buffered": Status.SENT,
    "delivered": Status.DELIVERED,
    "expired": Status.EXPIRED,
    "failed": Status.UNDELIVERED,
    "rejected": Status.REJECTED,
    "unknown": Status.UNKNOWN,
}

ERR_CODES: dict[str, str] = {
    # `err-code` of a delivery receipt. 1 to 15, 95 and 99: https://api.support.vonage.com/hc/en-us/articles/204014733
    "1": "unknown",
    "2": "absent",
    "3": "inactive",
    "4": "barred",
    "5": "portability",
    "6": "spam",
    "7": "busy",
    "8": "network",
    "9": "opted-out",  # "Illegal Number: user has requested not to receive messages from a specific service"
    "10": "content",  # "Illegal Message: error in message parameter, e.g., wrong encoding flag"
    "11": "unroutable",
    "12": "unreachable",
    "13": "age-restricted",
    "14": "blocked-by-carrier",
    "15": "recipient-credit",
    # 16 and 50 to 54 by their names in a public client (github.com/nyaruka/courier) that cites Vonage's page; 50 to 53
    # agree with 1480 to 1483 below. 39 could not be confirmed.
    "16": "quota",
    "39": "sender",
    "50": "dlt-entity",
    "51": "dlt-header",
    "52": "dlt-template",
    "53": "dlt-consent",
    "54": "regulation",
    "95": "unknown",
    "99": "unspecified",
}

_NETWORK = Status.UNDELIVERED

MESSAGES_CODES: dict[str, Meaning] = {
    # `error.title` in reports of Messages v1 (and in answers that have a number there), as far as it concerns texts:
    # https://developer.vonage.com/en/api-errors/messages
    "1000": Meaning(RateLimitedError, "throttled"),
    "1010": Meaning(RefusedError, "missing-parameter"),
    "1020": Meaning(RefusedError, "invalid-parameter"),
    "1030": Meaning(UncertainError, "internal-error", status=Status.FAILED),
    "1040": Meaning(RefusedError, "invalid-message"),
    "1050": Meaning(OptedOutError, "blocked"),
    "1060": Meaning(AuthenticationError, "account-barred"),
    # "Your pre-paid account does not have sufficient credit" on the page of 2024, "your allocated quota" on today's.
    "1070": Meaning(FundsError, "no-credit"),
    "1080": Meaning(AuthenticationError, "not-enabled"),
    "1090": Meaning(ContentError, "too-long"),
    "1100": Meaning(RefusedError, "communication", "provider", Status.FAILED),  # "Message was not submitted"
    "1120": Meaning(SenderError, "sender"),
    "1130": Meaning(RefusedError, "validity"),
    "1140": Meaning(AuthenticationError, "not-enabled"),
    "1160": Meaning(RefusedError, "demo-mode", "account"),
    "1170": Meaning(RecipientError, "invalid-number"),
    "1180": Meaning(RefusedError, "absent", status=_NETWORK),
    "1190": Meaning(RecipientError, "inactive", status=_NETWORK),
    "1200": Meaning(RecipientError, "portability", status=_NETWORK),
    "1210": Meaning(ContentError, "spam"),
    "1220": Meaning(RefusedError, "busy", status=_NETWORK),
    "1230": Meaning(RefusedError, "network", "provider", _NETWORK),
    "1240": Meaning(OptedOutError, "opted-out"),
    "1241": Meaning(RateLimitedError, "throttled"),
    "1242": Meaning(SenderError, "sender-pool"),
    "1250": Meaning(RecipientError, "unroutable", status=_NETWORK),
    "1251": Meaning(RefusedError, "unroutable", "provider"),
    "1260": Meaning(RecipientError, "unreachable", status=_NETWORK),
    "1270": Meaning(RefusedError, "age-restricted", status=_NETWORK),
    "1280": Meaning(RecipientError, "blocked-by-carrier", status=_NETWORK),
    "1282": Meaning(RefusedError, "blocked-by-provider"),
    "1290": Meaning(RecipientError, "recipient-credit", status=_NETWORK),
    "1300": Meaning(RecipientError, "not-in-network", status=_NETWORK),
    "1310": Meaning(RecipientError, "handset", status=_NETWORK),
    "1320": Meaning(UncertainError, "duplicate"),  # "The message was already sent"
    "1330": Meaning(UncertainError, "unknown", status=_NETWORK),
    "1331": Meaning(UncertainError, "provider-error", status=Status.FAILED),
    "1360": Meaning(RefusedError, "expired", status=Status.EXPIRED),
    "1400": Meaning(RefusedError, "channel", "account"),
    "1410": Meaning(RefusedError, "invalid-parameter"),
    "1420": Meaning(SenderError, "sender"),
    "1430": Meaning(RecipientError, "invalid-number"),
    "1440": Meaning(RefusedError, "message-type"),
    "1450": Meaning(RefusedError, "reference"),
    "1460": Meaning(RateLimitedError, "daily-limit"),
    "1461": Meaning(RateLimitedError, "provider-limit"),
    "1470": Meaning(RefusedError, "fraud-defender", "account"),
    "1472": Meaning(RateLimitedError, "fraud-defender"),
    "1473": Meaning(RefusedError, "fraud-defender", "account"),
    "1474": Meaning(RefusedError, "country-blocked", "account"),
    "1475": Meaning(RefusedError, "network-blocked", "account"),
    "1476": Meaning(SenderError, "do-not-originate"),
    "1480": Meaning(RefusedError, "dlt-entity", "account"),
    "1481": Meaning(SenderError, "dlt-header"),
    "1482": Meaning(ContentError, "dlt-template", "account"),
    "1483": Meaning(RefusedError, "dlt-consent", "account"),
    "1484": Meaning(RefusedError, "regulation", "account"),
    # "The overall delivery status of this message is unknown. Partial delivery is possible."
    "1490": Meaning(UncertainError, "segment-timeout", status=Status.UNKNOWN),
}

MESSAGES_TITLES: dict[str, Meaning] = {
    # `title` of a 4xx answer of Messages v1, in lower case. The number after `#` in `type` (#1060 for a reference, #1100
    # for a channel, #110 for a recipient) is from an older list with other meanings: never read it.
    "invalid sender": Meaning(SenderError, "sender"),
    "invalid recipient": Meaning(RecipientError, "invalid-number"),
    "invalid client reference": Meaning(RefusedError, "reference"),
    "invalid params": Meaning(RefusedError, "invalid-parameter"),
    "invalid channel parameters": Meaning(RefusedError, "invalid-parameter"),
    "invalid message type": Meaning(RefusedError, "message-type"),
    "unsupported channel": Meaning(RefusedError, "channel", "account"),
}

MESSAGES_STATUSES: dict[str, Status] = {
    # https://developer.vonage.com/en/messages/concepts/messages-status-callbacks
    "submitted": Status.SENT,
    "delivered": Status.DELIVERED,
    "read": Status.DELIVERED,
    "rejected": Status.REJECTED,
    "undeliverable": Status.UNDELIVERED,
}

CHECKS: dict[tuple[int, str], str] = {
    # HTTP status and the word after `#` in `type`, for a code that is not right: the OpenAPI document of Verify v2.
    (400, "invalid-code"): "wrong-code",
    (404, "not-found"): "unknown",
    (404, "request-not-found"): "unknown",
    # "An incorrect code has been provided too many times. Workflow terminated." The document shows this answer with
    # both words.
    (410, "expired"): "expired",
    (410, "invalid-code"): "expired",
}

CHECK_TITLES: dict[tuple[int, str], str] = {
    # HTTP status and `title`, in lower case; the title is the same for every `type`.
    (400, "invalid code"): "wrong-code",
    (410, "invalid code"): "expired",
}

ALREADY_RUNNING = "concurrent"
"""The word after ``#`` in the 409 for a number with another code on its way.

Its detail begins with "Concurrent verifications ...".
"""
