"""The meaning of Infobip's codes: statuses of texts, errors of networks, answers to one-time codes.

Source of every row, unless the row says otherwise: *Response status and error codes*
(https://www.infobip.com/docs/essentials/api-essentials/response-status-and-error-codes), and its successor *Error code
reference* (https://www.infobip.com/docs/developer-resources/api-fundamentals/error-code-reference). The class, fault
and reason of a row are our reading. Codes of other channels (calls, email, push, MMS) reuse some numbers and are left
out.
"""

from __future__ import annotations

from smsbridge.errors import (
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
from smsbridge.messages import Status
from smsbridge.reading import Outcome

ACCEPTED, PENDING, UNDELIVERABLE, DELIVERED, EXPIRED, REJECTED = range(6)
"""The ids of status groups. 0 is in the SDK's list of names, not on the page."""


def _rejected(reason: str, error: type[SendError] = RefusedError, fault: Fault | None = None) -> Outcome:
    return Outcome(Status.REJECTED, reason, error, fault)


UNKNOWN_STATUS = Outcome(Status.UNKNOWN, error=UncertainError)
"""An unknown group: neither accepted nor refused, and never final."""

GROUPS: dict[int, Outcome] = {
    # The meaning of a status whose id is not listed below.
    ACCEPTED: Outcome(Status.QUEUED),
    PENDING: Outcome(Status.QUEUED),
    UNDELIVERABLE: Outcome(Status.UNDELIVERED, "undelivered", RefusedError),
    DELIVERED: Outcome(Status.SENT),  # only the id says whether it reached the operator or the phone
    EXPIRED: Outcome(Status.EXPIRED, "expired", RefusedError),
    REJECTED: _rejected("rejected"),
}

STATUSES: dict[tuple[int, int], Outcome] = {
    # By group and id, because an id may be in two groups.
    (PENDING, 3): Outcome(Status.SENT),  # PENDING_WAITING_DELIVERY
    (PENDING, 7): Outcome(Status.SENT),  # PENDING_ENROUTE
    (PENDING, 26): Outcome(Status.QUEUED),  # PENDING_ACCEPTED
    (UNDELIVERABLE, 4): Outcome(Status.UNDELIVERED, "undelivered", RefusedError),  # UNDELIVERABLE_REJECTED_OPERATOR
    (UNDELIVERABLE, 9): Outcome(Status.UNDELIVERED, "undelivered", RefusedError),  # UNDELIVERABLE_NOT_DELIVERED
    (UNDELIVERABLE, 31): Outcome(Status.UNDELIVERED, "not-sent", RefusedError),  # UNDELIVERABLE_NOT_SENT
    # "Delivered to the operator's system and awaits further processing": not yet on the phone, and not final.
    (DELIVERED, 2): Outcome(Status.SENT),  # DELIVERED_TO_OPERATOR
    (DELIVERED, 5): Outcome(Status.DELIVERED),  # DELIVERED_TO_HANDSET
    (EXPIRED, 15): Outcome(Status.EXPIRED, "expired", RefusedError),  # EXPIRED_EXPIRED
    # No report came in time, and none will: the vendor does not know either.
    (EXPIRED, 29): Outcome(Status.UNKNOWN, "no-report", UncertainError, closed=True),  # EXPIRED_DLR_UNKNOWN
    (EXPIRED, 87): _rejected("fraud"),  # SIGNALS_BLOCKED, charged
    (REJECTED, 6): _rejected("no-coverage", fault="account"),  # REJECTED_NETWORK
    (REJECTED, 8): _rejected("invalid-number", RecipientError),  # REJECTED_PREFIX_MISSING
    (REJECTED, 10): _rejected("dnd", OptedOutError),  # REJECTED_DND
    (REJECTED, 11): _rejected("sender", SenderError),  # REJECTED_SOURCE
    (REJECTED, 12): _rejected("no-credit", FundsError),  # REJECTED_NOT_ENOUGH_CREDITS
    (REJECTED, 13): _rejected("sender-blocked", SenderError),  # REJECTED_SENDER
    (REJECTED, 14): _rejected("blocked", OptedOutError),  # REJECTED_DESTINATION_BLOCKLISTED
    (REJECTED, 17): _rejected("no-credit", FundsError),  # REJECTED_PREPAID_PACKAGE_EXPIRED
    # A test account may text a single number only.
    (REJECTED, 18): _rejected("not-registered", RecipientError, "account"),  # REJECTED_DESTINATION_NOT_REGISTERED
    (REJECTED, 19): _rejected("no-coverage", fault="account"),  # REJECTED_ROUTE_NOT_AVAILABLE
    (REJECTED, 20): _rejected("flooding", RateLimitedError),  # REJECTED_FLOODING_FILTER
    (REJECTED, 21): _rejected("server-error", fault="provider"),  # REJECTED_SYSTEM_ERROR
    # This request sent nothing; an earlier request with our reference was taken. Do not send the text elsewhere.
    (REJECTED, 23): _rejected("duplicate", fault="message"),  # REJECTED_DUPLICATE_MESSAGE_ID
    (REJECTED, 24): _rejected("bad-request"),  # REJECTED_INVALID_UDH
    (REJECTED, 25): _rejected("too-long", ContentError),  # REJECTED_MESSAGE_TOO_LONG
    (REJECTED, 51): _rejected("missing", RecipientError),  # MISSING_TO
    (REJECTED, 52): _rejected("invalid-number", RecipientError),  # REJECTED_DESTINATION
    (REJECTED, 87): _rejected("fraud"),  # SIGNALS_BLOCKED
    (REJECTED, 100): _rejected("bad-request"),  # UNDELIVERABLE_REJECTED_PLATFORM
}

DUPLICATE = (REJECTED, 23)


def outcome(group: int | None, id: int | None) -> Outcome:
    """Return the status in smsbridge that a status of Infobip means, and the refusal if the text was refused.

    ``group`` is the number of the group of Infobip's status, ``id`` the number of the status.
    """
    if group is None:
        return UNKNOWN_STATUS
    known = STATUSES.get((group, id)) if id is not None else None
    return known or GROUPS.get(group, UNKNOWN_STATUS)


ERRORS: dict[int, str] = {
    # The reason of a failure, a short word by error id.
    1: "unknown-subscriber",  # EC_UNKNOWN_SUBSCRIBER
    5: "unknown-subscriber",  # EC_UNIDENTIFIED_SUBSCRIBER
    6: "absent",  # EC_ABSENT_SUBSCRIBER_SM
    9: "barred",  # EC_ILLEGAL_SUBSCRIBER
    13: "barred",  # EC_CALL_BARRED
    27: "absent",  # EC_ABSENT_SUBSCRIBER
    31: "busy",  # EC_SUBSCRIBER_BUSY_FOR_MT_SMS
    33: "busy",  # EC_MESSAGE_WAITING_LIST_FULL
    256: "handset-full",  # EC_SM_DF_MEMORYCAPACITYEXCEEDED
    260: "network",  # EC_SM_DF_SC_CONGESTION
    351: "invalid-number",  # EC_INVALID_DESTINATION_ADDRESS
    352: "invalid-number",  # EC_INVALID_REQUEST_DESTINATION
    355: "too-long",  # EC_MSG_TEXT_TOO_LONG
    368: "sender",  # EC_INVALID_SOURCE_ADDRESS
    375: "sender-blocked",  # EC_SOURCE_ADDRESS_IS_BLOCKED
    541: "throttled",  # EC_LIMIT_REACHED
    542: "quota",  # EC_QUOTA_REACHED
    561: "content-blocked",  # EC_CONTENT_BLOCKED_BY_OPERATOR
    573: "opted-out",  # EC_SC_BLOCKED_BY_END_USER
    603: "opted-out",  # EC_CONTENT_BLOCKED
    604: "blocked",  # EC_BLOCKED_BY_CAMPAIGN_BLACKLIST
    607: "spam",  # EC_REJECTED_SPAM_BY_OPERATOR
    608: "fraud",  # EC_SIGNALS_BLOCKED
    609: "quota",  # EC_SIGNALS_HARD_LIMIT_REACHED
    628: "handset",  # EC_TEMPORARY_HANDSET_FAILURE
    629: "cannot-receive",  # EC_DEST_ADDRESS_UNABLE_TO_RECEIVE_SMS
    811: "expired",  # EC_MESSAGE_EXPIRED
    2050: "dnd",  # EC_DEST_ADDRESS_BLACKLISTED
    2052: "blocked",  # EC_BLACKLISTED_DESTINATIONADDRESS
    2053: "sender-blocked",  # EC_BLACKLISTED_SENDERADDRESS
    3041: "deactivated",  # EC_DEACTIVATED_LIST
    4098: "expired",  # EC_VP_EXPIRED
    4099: "quota",  # EC_MONTHLY_LIMIT_REACHED
    4101: "expired",  # EC_VALIDITY_EXPIRED
    4103: "flooding",  # EC_DESTINATION_FLOODING
    4104: "flooding",  # EC_DESTINATION_TXT_FLOODING
    5492: "duplicate",  # EC_DUPLICATE_MESSAGE
    # Registration on the Indian DLT platforms ("DLT error codes" on the same page).
    4106: "dlt",  # EC_BLOCKED_BY_DLT
    4107: "dlt-timeout",  # EC_DLT_SCRUBBING_TIMEOUT
    4108: "dlt-header",  # EC_SENDER_BLOCKED_BY_DLT
    4109: "dlt-telemarketer",  # EC_TELEMARKETER_BLOCKED_BY_DLT
    4110: "dlt-entity",  # EC_ENTITY_BLOCKED_BY_DLT
    4111: "dlt-template",  # EC_TEMPLATE_BLOCKED_BY_DLT
    **dict.fromkeys(range(4112, 4118), "dlt-entity"),  # EC_ENTITY_NOT_FOUND to EC_ENTITY_ID_NOT_ALLOWED_FOR_TM
    **dict.fromkeys(range(4118, 4121), "dlt-telemarketer"),  # EC_TELEMARKETER_NOT_REGISTERED, _INACTIVE, _BLACKLISTED
    **dict.fromkeys(range(4121, 4126), "dlt-header"),  # EC_HEADER_NOT_FOUND to EC_HEADER_IN_FREEPOOL
    **dict.fromkeys(range(4126, 4130), "dlt-template"),  # EC_TEMPLATE_NOT_FOUND to EC_TEMPLATE_NOT_MATCHED
    4130: "dlt-header",  # EC_HEADER_NOT_REGISTERED_FOR_TEMPLATE
    **dict.fromkeys(range(4131, 4137), "dlt-template"),  # EC_TEMPLATE_VARIABLE_EXCEEDED_... to EC_INVALID_TEMPLATE_TYPE
    4137: "dlt-consent",  # EC_PREFERENCE_NOT_MATCHED
    4138: "quiet-hours",  # EC_INVALID_PROMO_TIME: promotion between 9 pm and 10 am
    4139: "dlt-consent",  # EC_SE_CATEGORY_BLOCK
    4140: "dlt-consent",  # EC_CONSENT_FAILED
    4141: "dlt",  # EC_SCRUBBING_FAILED
    4142: "dlt-entity",  # EC_TLV_PEID_NOT_FOUND
    4143: "dlt-template",  # EC_TLV_TMPID_NOT_FOUND
    4144: "incomplete",  # EC_CONTENT_MULTIPART_INCOMPLETE_BY_DLT
    **dict.fromkeys(range(4146, 4149), "dlt-header"),  # EC_HEADER_SUSPENDED_DUE_TO_...
    **dict.fromkeys(range(4149, 4152), "dlt-template"),  # EC_TEMPLATE_SUSPENDED_DUE_TO_...
    4153: "dlt-link",  # EC_CTA_NOT_WHITELISTED
    **dict.fromkeys(range(4154, 4159), "dlt-telemarketer"),  # EC_PE_TM_HASH_...: the chain of telemarketers
}

PERMANENCE = {True: "permanent", False: "temporary"}
"""The word for an error that is not listed, by the vendor's flag *permanent*."""

CHECKS: dict[str, str] = {
    # ``pinError`` of ``/2fa/2/pin/{pinId}/verify``. The specification names the field but none of its values; these are
    # known from use and not confirmed.
    "WRONG_PIN": "wrong-code",
    "TTL_EXPIRED": "expired",
    "NO_MORE_PIN_ATTEMPTS": "too-many-attempts",
    "VERIFICATION_NOT_FOUND": "unknown",
}

UNREACHABLE = frozenset({"NC_DESTINATION_NOT_REACHABLE", "NC_NOT_REACHABLE"})
"""``ncStatus`` of a number that got no code. The specification spells it in both ways."""
