"""Find the word, the exit code and the advice for each error that a command can show."""

from __future__ import annotations

import shlex
from typing import Any, TypeVar

from .. import errors
from ..durations import in_words
from ..errors import SmsBridgeError
from .exits import Exit
from .output import Output

T = TypeVar("T")

EXIT: dict[type[SmsBridgeError], tuple[Exit, str]] = {
    SmsBridgeError: (Exit.INTERNAL, "error"),
    errors.ConfigurationError: (Exit.CONFIGURATION, "error"),
    # A plain SendError says nothing about the text, so treat it as the worse case.
    errors.SendError: (Exit.UNCERTAIN, "uncertain"),
    errors.RefusedError: (Exit.REFUSED, "refused"),
    errors.UnsupportedError: (Exit.UNSUPPORTED, "unsupported"),
    errors.UncertainError: (Exit.UNCERTAIN, "uncertain"),
    errors.QueryError: (Exit.QUERY_FAILED, "failed"),
    errors.NotFoundError: (Exit.NOT_FOUND, "not found"),
    errors.WebhookError: (Exit.QUERY_FAILED, "failed"),
}
"""Exit code and word, by class; a class that is not listed has those of its base."""

_DOCTOR = "smsbridge doctor"
_CREDENTIALS = "check the credentials, their permissions and the provider's IP allow list"
_TRY_THEM = "; smsbridge doctor --live tries them"
_UNANSWERED = "smsbridge providers shows which questions each provider answers"

ADVICE: dict[type[SmsBridgeError], str] = {
    SmsBridgeError: _DOCTOR,
    errors.ConfigurationError: f"{_DOCTOR} shows every setting, where it came from, and what is wrong",
    errors.UnsupportedError: "leave it out, or choose a provider that can: smsbridge providers",
    errors.SendError: "find out whether the text was sent before sending it again",
    errors.RefusedError: "nothing was sent; correct what the provider names, then send again",
    errors.RecipientError: "check the number; write it with its country code, as in +919876543210",
    errors.ContentError: "change the text; if templates are registered, it must match a template exactly",
    errors.OptedOutError: "do not try again: this person does not want to be texted",
    errors.SenderError: "use a sender id that is registered with the provider (--from, or the provider's setting)",
    errors.AuthenticationError: _CREDENTIALS + _TRY_THEM,
    errors.FundsError: "top the account up, then send again; smsbridge balance shows what is left",
    errors.RateLimitedError: "nothing was sent; wait{wait}, then send again",
    errors.UnavailableError: "nothing was sent; check the network and the provider's base URL, then send again",
    errors.VetoedError: (
        "one of your own rules stopped the text: smsbridge explain shows what a guard would do, "
        "smsbridge doctor shows which plugins have hooks"
    ),
    errors.ProviderBugError: (
        "nothing was sent; report this to the authors of the plugin (smsbridge providers names its package)"
    ),
    errors.UncertainError: "it may have been sent: {look} before sending again",
    errors.QueryError: "ask again{wait}; if that does not help, smsbridge doctor --live",
    errors.NotFoundError: "check the id and account; this proves neither that the text was sent nor that it was not",
    errors.WebhookError: "do not believe this webhook",
    errors.SignatureError: "check the webhook secret on both sides; do not believe this webhook",
    errors.TooLargeError: "do not believe this webhook: no vendor sends so large a webhook",
    errors.PayloadError: "report this to the authors of the provider plugin (smsbridge providers)",
}
"""What to do next, by class."""


def exit_code(error: SmsBridgeError) -> Exit:
    """Return the exit code of a command that ends with ``error``."""
    return _nearest(EXIT, error)[0]


def advise(error: SmsBridgeError) -> str:
    """Return advice for the user of a command that ended with ``error``: what to do next."""
    if isinstance(error, errors.QueryError) and error.authentication:
        return _CREDENTIALS + _TRY_THEM
    if _is_unanswered(error):
        reference = getattr(error, "reference", None)
        return f"ask the ledger: smsbridge texts show {shlex.quote(reference)}" if reference else _UNANSWERED
    known = _of_policies(getattr(error, "reason", None))
    return known or _nearest(ADVICE, error).format(wait=_wait(error), look=_how_to_look(error))


def advise_doctor(error: SmsBridgeError, base_url: str | None) -> str:
    """Return advice for the user of ``smsbridge doctor --live``, whose harmless call ended with ``error``.

    ``base_url`` is the name of the environment variable that sets the URL of the provider; None if the provider has
    none.
    """
    if isinstance(error, errors.QueryError) and error.authentication:
        return _CREDENTIALS
    if isinstance(error, errors.QueryError) and not isinstance(error, errors.NotFoundError):
        return f"ask again{_wait(error)}; if that does not help, check the network" + (
            f" and {base_url}" if base_url else ""
        )
    return advise(error)


def document(error: SmsBridgeError) -> dict[str, Any]:
    """Return ``error`` as a JSON object: its type, public fields, advice and exit code.

    The object contains no phone number, text or token.
    """
    code, word = _nearest(EXIT, error)
    fields = {name: value for name, value in vars(error).items() if not name.startswith("_") and value is not None}
    return {
        "type": type(error).__name__,
        "outcome": word,
        "message": str(error),
        **fields,
        "advice": advise(error),
        "exit_code": code.value,
    }


def explain(out: Output, error: SmsBridgeError, *, code: Exit | None = None) -> None:
    """Print ``error`` and what to do next. ``code`` replaces the exit code of the error in the JSON document."""
    known = document(error)
    out.failure(known if code is None else {**known, "exit_code": code}, word=known["outcome"])


def _nearest(table: dict[type[SmsBridgeError], T], error: SmsBridgeError) -> T:
    # The exit code and the word are the same for a text and for a question that the provider does not support.
    kind = errors.UnsupportedError if _is_unanswered(error) else type(error)
    return next(table[cls] for cls in kind.__mro__ if issubclass(cls, SmsBridgeError) and cls in table)


def _is_unanswered(error: SmsBridgeError) -> bool:
    """Return whether ``error`` is about a question that the provider does not support."""
    return isinstance(error, errors.QueryError) and error.reason == "unsupported"


def _wait(error: SmsBridgeError) -> str:
    seconds = getattr(error, "retry_after", None)
    if seconds is None:
        return ""
    words = in_words(seconds)
    return f" in {words}" if isinstance(error, errors.QueryError) else f" {words}"


def _of_policies(reason: str | None) -> str | None:
    from .. import plugins
    from ..policies import stack

    return reason and plugins.default_plugins().policies.advice(reason, stack.variables_set())


def _how_to_look(error: SmsBridgeError) -> str:
    """The command that looks up an uncertain text, if its provider can do that."""
    reference, account, provider = (getattr(error, name, None) for name in ("reference", "account", "provider"))
    if not reference or not provider or not _can_look_up(provider):
        return f"look for the text in the records of {provider or 'the provider'}"
    return f"look it up with smsbridge status --reference {shlex.quote(reference)} --account {account or provider}"


def _can_look_up(provider: str) -> bool:
    from .. import plugins
    from ..provider import Capability, implemented

    try:
        return Capability.LOOKUP in implemented(plugins.default_plugins().provider_class(provider))
    except SmsBridgeError:
        return False
