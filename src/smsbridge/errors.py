"""All exceptions of smsbridge.

::

    SmsBridgeError
    ├── ConfigurationError           unknown provider, bad or missing settings, broken plugin
    ├── SendError                    a text (or a one-time code) was not accepted
    │   ├── RefusedError             certainly not sent
    │   │   ├── RecipientError       the number
    │   │   ├── ContentError         the text or its template
    │   │   ├── OptedOutError        do-not-disturb, opt-out, blocked: never tried elsewhere
    │   │   ├── SenderError          the sender id
    │   │   ├── AuthenticationError  credentials, permissions, IP allow list
    │   │   ├── FundsError           no credit
    │   │   ├── RateLimitedError     too many requests; see retry_after
    │   │   ├── UnavailableError     could not connect
    │   │   ├── UnsupportedError     this provider cannot express what was asked
    │   │   ├── VetoedError          your own hook or guard stopped it
    │   │   └── ProviderBugError     our provider failed before anything was sent
    │   └── UncertainError           may have been sent: do not repeat it blindly
    ├── QueryError                   an operation that sends nothing failed
    │   └── NotFoundError            the provider does not know the id
    └── WebhookError
        ├── SignatureError           not proven to come from the provider
        └── PayloadError             cannot be read
            └── TooLargeError        too large to be read

    TransportError                   thrown into a flow by the client, never out of it
    ├── NotConnected                 the request certainly did not leave
    │   └── NotAllowed               no request may leave
    └── NoAnswer                     the request left, or may have left; there is no reliable answer

No message, attribute or ``repr`` of these holds a token, a text or a full phone number.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeVar

from .display import line, without_long_words
from .durations import in_words, waiting

_LONGEST = 4000
"""The most characters of an error; for a code or a reason see :data:`_LONGEST_WORD`."""
_LONGEST_WORD = 100

Fault = Literal["message", "account", "provider", "local"]
"""The cause of a failure, which shows whether another account or provider may succeed."""

OURS = frozenset({"circuit-open", "retry-after", "limit"})
"""The reasons of refusals by our own policies: no vendor was asked."""


_UNSUPPORTED = "unsupported"
"""The reason of an error about a question that the provider does not support."""


class SmsBridgeError(Exception):
    """The base class of all errors that smsbridge raises on purpose.

    Errors of the same type with equal public fields are equal, and all of them can be pickled.
    """

    _settled = False
    """See :func:`is_settled`."""

    def __str__(self) -> str:
        """Return the error as a single line, also if a vendor's words in it have several."""
        return line(super().__str__(), _LONGEST)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.args == other.args and _public(self) == _public(other)

    def __hash__(self) -> int:
        return hash((type(self), self.args))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, vars(self))


def _rebuild(kind: type[SmsBridgeError], args: tuple[Any, ...], state: dict[str, Any]) -> SmsBridgeError:
    """Return a copy of an error without a call of its constructor, whose arguments differ by class."""
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(state)
    if "__notes__" in state:
        error.__notes__ = list(state["__notes__"])
    return error


def _public(error: SmsBridgeError) -> dict[str, Any]:
    return {name: value for name, value in vars(error).items() if not name.startswith("_")}


class ConfigurationError(SmsBridgeError):
    """The settings or a plugin are wrong. The message names the settings, and never shows their values."""

    def __str__(self) -> str:
        """Return the error as a single line; a word that is too long for a name or a path is cut."""
        return without_long_words(super().__str__())


class _VendorError(SmsBridgeError):
    """The base class of SendError and QueryError, with the fields that both errors have.

    Examples are the vendor's own code and words.
    """

    summary: ClassVar[str] = "the operation failed"

    def __init__(
        self,
        message: str = "",
        *,
        account: str | None = None,
        provider: str | None = None,
        reference: str | None = None,
        code: str | None = None,
        reason: str | None = None,
        detail: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message or self.summary)
        self.account = account
        self.provider = provider
        self.reference = reference
        self.code = code
        self.reason = reason
        self.detail = detail
        self.retry_after = waiting(retry_after)

    def __str__(self) -> str:
        words = line(self.args[0]) if self.args else self.summary
        says_who = words.startswith((f"provider {self.provider} ", f"policy {self.provider} "))
        text = f"{line(self.account, _LONGEST_WORD)}: {words}" if self.account and not says_who else words
        if self.detail:
            text += f": {line(self.detail)}"
        # The message itself says that a question is unsupported.
        said = [mark for mark in (self.code, self.reason) if mark and mark != _UNSUPPORTED]
        marks = [line(mark, _LONGEST_WORD) for mark in said]
        if self.retry_after is not None:
            marks.append(f"retry after {in_words(self.retry_after)}")
        return f"{text} [{', '.join(marks)}]" if marks else text


class SendError(_VendorError):
    """The base class of errors for a text, or a one-time code, that was not accepted.

    Its two subclasses say what is certain.

    RefusedError means *certainly not sent*, UncertainError *may have been sent*. ``code`` and ``detail`` are the
    vendor's own code and words (numbers masked). ``reason`` is a short word of smsbridge if the class is not exact
    enough (``dlt-template``, ``dnd``, ...). ``retry_after`` is in seconds. ``fault`` is the cause: ``message``,
    ``account``, ``provider`` or ``local``. ``attempts`` are the errors of all attempts in order, if a policy made
    several attempts or had several accounts to choose from.
    """

    summary = "the message was not accepted"
    default_fault: ClassVar[Fault] = "message"

    def __init__(
        self,
        message: str = "",
        *,
        fault: Fault | None = None,
        attempts: tuple[SendError, ...] = (),
        **fields: Any,
    ) -> None:
        super().__init__(message, **fields)
        self.fault: Fault = fault or self.default_fault
        self.attempts = attempts


class RefusedError(SendError):
    """The text was refused, and was certainly not sent. The subclass, ``reason`` and ``detail`` say why."""

    summary = "the message was refused"


class RecipientError(RefusedError):
    """The text was refused because of the recipient's number: the number is wrong, or cannot receive texts."""

    summary = "the recipient's number was refused"


class ContentError(RefusedError):
    """The text was refused because of its content, or because it does not match its registered template."""

    summary = "the text was refused"


class OptedOutError(RefusedError):
    """The recipient does not want texts: the number is in a do-not-disturb register, opted out, or is blocked."""

    summary = "the recipient has opted out"


class SenderError(RefusedError):
    """The sender id was refused, so the text was not sent."""

    summary = "the sender id was refused"
    default_fault = "account"


class AuthenticationError(RefusedError):
    """The vendor refused the credentials, the permissions or the IP address."""

    summary = "the provider did not accept our credentials"
    default_fault = "account"


class FundsError(RefusedError):
    """The account at the vendor has not enough credit, so the text was not sent."""

    summary = "the account has no credit"
    default_fault = "account"


class RateLimitedError(RefusedError):
    """The text was refused because there were too many requests.

    ``retry_after`` is in seconds, None if the vendor did not say.
    """

    summary = "the provider wants fewer requests"
    default_fault = "account"


class UnavailableError(RefusedError):
    """No connection to the vendor was made, so nothing was sent."""

    summary = "the provider could not be reached"
    default_fault = "provider"


class UnsupportedError(RefusedError):
    """The provider cannot express the request, so the vendor was not asked. Another provider may be able to.

    If a provider raises this for an operation that sends nothing, the application gets a QueryError with the reason
    ``unsupported``, or a WebhookError.
    """

    summary = "the provider cannot express what was asked"
    default_fault = "account"


class VetoedError(RefusedError):
    """The application stopped the message: a ``smsbridge_before_send`` hook raised an error, or a guard refused it.

    A guard is a policy that limits what is sent; then ``reason`` says why it refused the message.
    """

    summary = "a hook or a guard stopped the message"
    default_fault = "local"


class ProviderBugError(RefusedError):
    """The provider's own code, or a policy's, failed before anything was sent."""

    summary = "the provider plugin failed before anything was sent"
    default_fault = "local"


class UncertainError(SendError):
    """The text may or may not have been sent. Look the text up by its reference before you send it again."""

    summary = "the message may or may not have been sent"
    default_fault = "provider"


class QueryError(_VendorError):
    """An operation that sends nothing, such as asking for a status, failed.

    ``retryable`` means that it may help to ask again; ``authentication`` that the vendor refused the credentials;
    ``rate_limited`` that there were too many requests (``retry_after`` is in seconds).
    """

    summary = "the query failed"

    def __init__(
        self,
        message: str = "",
        *,
        retryable: bool = False,
        authentication: bool = False,
        rate_limited: bool = False,
        **fields: Any,
    ) -> None:
        super().__init__(message, **fields)
        self.retryable = retryable
        self.authentication = authentication
        self.rate_limited = rate_limited


class NotFoundError(QueryError):
    """The vendor does not know this id or reference. This does not prove whether the text was sent."""

    summary = "the provider does not know this id"


class WebhookError(SmsBridgeError):
    """The base class of errors for an incoming webhook that cannot be trusted or read.

    ``status`` is the HTTP status to answer with.
    """

    status: ClassVar[int] = 400


class SignatureError(WebhookError):
    """There is no proof that the webhook comes from the provider."""

    status = 401


class PayloadError(WebhookError):
    """The content of the webhook cannot be read."""


class TooLargeError(PayloadError):
    """The webhook is too large to be read."""

    status = 413


class TransportError(Exception):
    """The base class of errors of a request, which a client throws into the flow of the provider.

    The text of the error says what happened, without a URL.
    """


class NotConnected(TransportError):
    """The request certainly was not sent: the host was not found, or no connection or TLS session could be made."""


class NotAllowed(NotConnected):
    """The request certainly was not sent, because no request may leave this process, as in a test without an outbox."""


class NoAnswer(TransportError):
    """The request was sent, or may have been sent, and no reliable answer came.

    It is not known whether a text was sent.
    """


E_ = TypeVar("E_", bound=BaseException)


def with_left(error: E_, *, left: bool) -> E_:
    """Mark ``error``, an interruption such as a cancellation, with whether its request may have left.

    ``left`` is true if a byte of the request may have left this process. Returns the same ``error``.
    """
    error.__dict__["_smsbridge_left"] = left
    return error


def unsent(error: BaseException, words: str) -> BaseException:
    """Return the error to raise instead of ``error``, which was raised before its request began.

    An exception becomes NotConnected, and ``words`` say what failed. An interruption, such as a cancellation, is marked
    as *nothing left* and returned.
    """
    # A new error, without the frames of the old error, which hold the request.
    if isinstance(error, NotConnected):
        return type(error)(str(error))
    if isinstance(error, Exception):
        return NotConnected(f"{words} ({type(error).__name__})")
    return with_left(error.with_traceback(None), left=False)


def nothing_left(error: BaseException) -> bool:
    """Return whether the request that ended with ``error`` certainly was not sent."""
    return isinstance(error, NotConnected) or error.__dict__.get("_smsbridge_left") is False


def is_settled(error: SmsBridgeError) -> bool:
    """Return whether an attempt has already classified ``error``. An outer attempt then leaves the error unchanged."""
    return error._settled  # noqa: SLF001


def settle(error: SmsBridgeError) -> None:
    """Mark ``error`` as classified, so that an outer attempt leaves it unchanged."""
    error._settled = True  # noqa: SLF001
