"""The meaning of Twilio's words and codes: message statuses, error codes, Verify statuses, intents.

Statuses: the enum of the Message resource, https://www.twilio.com/docs/messaging/api/message-resource. Codes: Twilio's
error dictionary, where each has a page, https://www.twilio.com/docs/api/errors/21211 and so on; a comment is the title
of that page, shortened where it is long. What a word or code means for the caller is our reading.
"""

from __future__ import annotations

from typing import Literal

from smsbridge.errors import (
    AuthenticationError,
    ContentError,
    Fault,
    OptedOutError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    SendError,
    UncertainError,
)
from smsbridge.messages import Purpose, Status
from smsbridge.reading import Meaning

STATUSES: dict[str, Status] = {
    # "Message status values" of the Message resource; `receiving` and `received` are texts to us, see INBOUND.
    "accepted": Status.QUEUED,
    "queued": Status.QUEUED,
    "scheduled": Status.SCHEDULED,
    "sending": Status.SENT,
    "sent": Status.SENT,
    "partially_delivered": Status.SENT,  # of a group; further reports may come
    "delivered": Status.DELIVERED,
    "read": Status.DELIVERED,
    "undelivered": Status.UNDELIVERED,
    "failed": Status.FAILED,
    "canceled": Status.CANCELLED,
}
FAILING = frozenset({"failed", "undelivered", "canceled"})
INBOUND = frozenset({"receiving", "received"})


def _rejected(error: type[SendError], reason: str | None = None, fault: Fault | None = None) -> Meaning:
    """A refusal by Twilio's own rules: a message that ``failed`` with this code never reached a network."""
    return Meaning(error, reason, fault, Status.REJECTED)


CODES: dict[str, Meaning] = {
    # The account.
    "10001": _rejected(AuthenticationError, "suspended"),  # Account is not active; an empty account looks like it
    "20003": _rejected(AuthenticationError),  # Permission Denied
    "20005": _rejected(AuthenticationError, "suspended"),  # Account not active
    "20006": _rejected(AuthenticationError),  # Access Denied
    "20008": _rejected(AuthenticationError, "test-credentials"),  # Test Credentials
    "20010": _rejected(AuthenticationError, "disabled"),  # Action disabled for account
    "20403": _rejected(AuthenticationError, "suspended"),  # 403 Forbidden: the account is suspended or closed
    "20404": _rejected(RefusedError, "not-found", "account"),  # Not Found
    "30002": _rejected(AuthenticationError, "suspended"),  # Account suspended; for lack of funds, or for misuse
    "30037": _rejected(AuthenticationError, "disabled"),  # Outbound Messaging Disabled
    # Too much at once.
    "14107": _rejected(RateLimitedError, "loop"),  # SMS send rate limit exceeded: 30 replies between two numbers
    "20429": _rejected(RateLimitedError),  # Too many requests
    "21611": _rejected(RateLimitedError, "queue-full"),  # 'From' number has exceeded the maximum of queued messages
    "30001": Meaning(RateLimitedError, "queue-full"),  # Queue overflow
    "30022": Meaning(RateLimitedError, "quota"),  # US A2P 10DLC - Rate Limits Exceeded
    "30023": Meaning(RateLimitedError, "quota"),  # US A2P 10DLC - Daily Message Cap Reached
    "30027": Meaning(RateLimitedError, "quota"),  # US A2P 10DLC - T-Mobile Daily Message Limit Reached
    "30454": _rejected(RateLimitedError, "quota"),  # Account exceeded the messages limit
    "60202": _rejected(RateLimitedError, "max-check-attempts"),  # Max check attempts reached
    "60203": _rejected(RateLimitedError, "max-send-attempts"),  # Max send attempts reached
    "60728": _rejected(RateLimitedError, "quota"),  # Account exceeded the hourly messages limit
    "63017": _rejected(RateLimitedError),  # Rate limit exceeded
    "63038": _rejected(RateLimitedError, "quota"),  # Account exceeded the daily messages limit
    # The number.
    "21211": _rejected(RecipientError, "invalid-number"),  # Invalid 'To' Phone Number
    "21217": _rejected(RecipientError, "invalid-number"),  # Phone number does not appear to be valid
    "21265": _rejected(RecipientError, "short-code"),  # 'To' number cannot be a Short Code
    "21266": _rejected(RecipientError, "same-number"),  # 'To' and 'From' numbers cannot be the same
    "21268": _rejected(RecipientError, "premium"),  # Sending to Premium rate or Information numbers is not allowed
    "21421": _rejected(RecipientError, "invalid-number"),  # Phone Number is invalid
    "21604": _rejected(RecipientError, "missing"),  # The destination 'To' phone number is required to send an SMS
    "21608": _rejected(RecipientError, "trial", "account"),  # 'to' number is not yet verified for this account
    "21614": _rejected(RecipientError, "not-mobile"),  # 'To' number is not a valid mobile number
    "21635": _rejected(RecipientError, "not-mobile"),  # 'To' number cannot be a landline
    "30005": Meaning(RecipientError, "unknown-subscriber"),  # Unknown destination handset
    "30006": Meaning(RecipientError, "not-mobile"),  # Landline or unreachable carrier
    "60205": _rejected(RecipientError, "not-mobile"),  # SMS is not supported by landline phone number
    # The recipient's wish.
    "21610": _rejected(OptedOutError, "opted-out"),  # Attempt to send to unsubscribed recipient
    "30004": Meaning(OptedOutError, "blocked"),  # Message blocked
    # The destination.
    "21408": _rejected(RefusedError, "country-blocked", "account"),  # permissions disabled for the destination region
    "21612": _rejected(RefusedError, "route", "account"),  # no such combination of "To" and/or "From"
    "60238": _rejected(RefusedError, "blocked", "account"),  # Verification Creation Attempt blocked by Twilio
    "60410": _rejected(RefusedError, "fraud", "account"),  # Verification delivery attempt blocked, by Fraud Guard
    "60605": _rejected(RefusedError, "country-blocked", "account"),  # Verification blocked, by Geo-Permissions
    # The sender.
    "21210": _rejected(SenderError, "sender"),  # 'From' phone number not verified
    "21212": _rejected(SenderError, "sender"),  # Invalid 'From' Number
    "21264": _rejected(SenderError, "sender"),  # 'From' phone number not verified
    "21267": _rejected(SenderError, "trial"),  # Alphanumeric Sender ID cannot be 'From' on trial accounts
    "21603": _rejected(SenderError, "missing"),  # 'From' or 'MessagingServiceSid' is required to send a message
    "21606": _rejected(SenderError, "sender"),  # 'From' is not a message-capable number of this account
    "21607": _rejected(SenderError, "trial"),  # 'from' must be the sandbox number for trial accounts
    "21616": _rejected(SenderError, "sender"),  # The 'From' number matches multiple numbers for your account
    "21657": _rejected(SenderError, "sender"),  # The Sender ID is invalid
    "21659": _rejected(SenderError, "sender"),  # 'From' is not a Twilio phone number or Short Code country mismatch
    "21660": _rejected(SenderError, "sender"),  # Mismatch between the 'From' number and the account
    "21661": _rejected(SenderError, "sender"),  # 'From' number is not SMS-capable
    "21701": _rejected(SenderError, "messaging-service"),  # The Messaging Service does not exist
    "21702": _rejected(SenderError, "messaging-service"),  # The Messaging Service is not available to send new messages
    "21703": _rejected(SenderError, "messaging-service"),  # The Messaging Service has no phone number available
    "21704": _rejected(SenderError, "messaging-service"),  # The Messaging Service contains no phone numbers
    "21705": _rejected(SenderError, "messaging-service"),  # The Messaging Service is invalid
    "21709": _rejected(SenderError, "sender"),  # Alpha Sender ID is Invalid or Not Authorized for this Service
    "21711": _rejected(SenderError, "messaging-service"),  # Sender is not associated with the Messaging Service
    "21712": _rejected(SenderError, "messaging-service"),  # Sender is associated with another Messaging Service
    "21910": _rejected(SenderError, "sender"),  # Invalid 'From' and 'To' pair
    "30018": Meaning(SenderError, "sender-registration"),  # Destination carrier requires sender ID pre-registration
    "30024": Meaning(SenderError, "sender-registration"),  # Numeric Sender ID Not Provisioned on Carrier
    "30032": _rejected(SenderError, "sender-registration"),  # Toll-Free Number Has Not Been Verified
    "30033": _rejected(SenderError, "sender-blocked"),  # US A2P 10DLC - Campaign Suspended
    "30034": _rejected(SenderError, "sender-registration"),  # US A2P 10DLC - Message from an Unregistered Number
    "30035": _rejected(SenderError, "sender-registration"),  # US A2P 10DLC - a number still being configured
    "30040": Meaning(SenderError, "sender-registration"),  # Destination carrier requires Sender ID pre-registration
    "30041": Meaning(SenderError, "sender-registration"),  # Sender is restricted or unregistered
    "30042": Meaning(SenderError, "sender"),  # Alphanumeric Sender ID is generic or unauthorized for this account
    # The text.
    "21602": _rejected(ContentError, "empty"),  # Message body is required
    "21605": _rejected(ContentError, "too-long"),  # Maximum body length is 160 characters (old API endpoint)
    "21617": _rejected(ContentError, "too-long"),  # The concatenated message body exceeds the 1600 character limit
    "21618": _rejected(ContentError),  # The message body cannot be sent
    "21619": _rejected(ContentError, "empty"),  # A Message Body, Media URL or Content SID is required
    "30007": _rejected(ContentError, "spam"),  # Message filtered
    "30019": Meaning(ContentError, "too-long"),  # Content size exceeds carrier limit
    "30038": _rejected(ContentError, "filtered"),  # OTP Message Body Filtered
    "30039": _rejected(ContentError, "loop"),  # Filtered to Prevent Message Loops
    "30044": _rejected(ContentError, "trial", "account"),  # Trial Message Length Exceeded
    # Registration on the DLT platform. No page names the fields of the request (see the README).
    "21900": _rejected(RefusedError, "dlt-entity", "account"),  # DltPEId is invalid
    "21901": _rejected(ContentError, "dlt-template", "account"),  # DltTemplateId is invalid
    # The rest of the request.
    "21609": _rejected(RefusedError, "webhook", "account"),  # Invalid 'StatusCallback'
    "21624": _rejected(RefusedError, "validity"),  # Invalid validity period value
    "30045": _rejected(RefusedError, "validity"),  # Validity Period is less than zero or greater than maximum allowed
    "35111": _rejected(RefusedError, "schedule"),  # SendAt timestamp is missing
    "35114": _rejected(RefusedError, "schedule"),  # Timestamp not supported: 300 seconds to 35 days ahead
    "35115": _rejected(RefusedError, "schedule"),  # Scheduling does not support this timestamp
    "35118": _rejected(RefusedError, "schedule", "account"),  # MessagingServiceSid is required to schedule a message
    "60200": _rejected(RefusedError, "bad-request"),  # Invalid parameter
    "90007": _rejected(RefusedError, "validity"),  # Invalid validity period value
    # On the way.
    "30003": Meaning(RefusedError, "unreachable"),  # Unreachable destination handset
    "30017": Meaning(RefusedError, "network", "provider"),  # Carrier network congestion
    "30036": Meaning(RefusedError, "expired", None, Status.EXPIRED),  # Validity Period Expired
    "30450": Meaning(RefusedError, "blocked"),  # Message delivery blocked
    # Failed inside Twilio, before it left.
    "30020": Meaning(RefusedError, "server-error", "provider"),  # Internal Failure with Message Scheduling
    "30021": Meaning(RefusedError, "server-error", "provider"),  # Internal Failure with messaging service orchestrator
    # The text may have been sent.
    "20500": Meaning(UncertainError, "server-error"),  # Internal Server Error
    "20503": Meaning(UncertainError, "server-error"),  # Service unavailable
    "20504": Meaning(UncertainError, "server-error"),  # Twilio Internal Error
    "30008": Meaning(UncertainError, "unexplained"),  # Unknown error
    "30046": Meaning(UncertainError, "no-report"),  # Message delivery not confirmed
    "30410": Meaning(UncertainError, "timeout"),  # Provider Timeout: not retried, "to avoid duplicate message delivery"
    "30453": Meaning(UncertainError, "unexplained"),  # Message couldn't be delivered
}
NOT_FOUND = "20404"


def status(word: str, code: str = "") -> Status:
    """Return the status of a text in smsbridge. ``word`` is Twilio's status, and ``code`` the error code beside it."""
    meaning = CODES.get(code)
    if word == "failed" and meaning is not None and meaning.status is not None:
        return meaning.status
    return STATUSES.get(word, Status.UNKNOWN)


CHECKS: dict[str, str | None] = {
    # `status` of a VerificationCheck, https://www.twilio.com/docs/verify/api/verification-check; any other word is the reason itself.
    "approved": None,
    "pending": "wrong-code",
}
"""The reason why a one-time code is not approved; None if it is approved."""

CHECK_CODES: dict[str, str] = {
    # Twilio forgets a verification that is approved, expired or tried too often (verification-check, "404").
    NOT_FOUND: "unknown",
    "60202": "max_attempts_reached",  # Max check attempts reached
}
"""Errors of a check that mean a wrong code, with the reason."""

TAKEN_AS: dict[str, Literal["stop", "start", "help"]] = {
    # `OptOutType` of an incoming text that Advanced Opt-Out took for one of its keywords, in any language:
    # https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
    "STOP": "stop",
    "START": "start",
    "HELP": "help",
}

INTENTS: dict[Purpose, str] = {
    # `MessageIntent`, https://www.twilio.com/docs/messaging/features/compliance-toolkit. Transactional is only our
    # default, and a service text may have any of several intents, so neither sets an intent.
    Purpose.OTP: "otp",
    Purpose.PROMOTIONAL: "marketing",
}
