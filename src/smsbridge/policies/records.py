"""Log a structured record for each attempt to send a text, without text, token or full number."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from smsbridge.composite import Composite, each
from smsbridge.errors import RefusedError, UncertainError
from smsbridge.logs import logger
from smsbridge.messages import Result
from smsbridge.phone import mask_numbers
from smsbridge.provider import SmsProvider

log = logger("smsbridge.attempts")
# Without this, Python would print the warnings if logging is not configured.
log.addHandler(logging.NullHandler())
"""INFO for each attempt, WARNING where a text may have been sent. The fields are in ``record.attempt``, a dict."""


def wanted(answers: Sequence[Result]) -> bool:
    """Return whether any of the results ``answers`` would be logged.

    Errors are always logged; an accepted text is logged only if the level INFO is on.
    """
    return any(answer.error for answer in answers) or log.isEnabledFor(logging.INFO)


def record(
    result: Result, *, account: SmsProvider, candidates: Sequence[SmsProvider], decision: str, seconds: float
) -> None:
    """Log the ``result`` of an attempt through ``account``, unless a policy inside the account logs attempts itself.

    ``candidates`` are the accounts that the policy could choose from, ``decision`` says what the policy does next, and
    ``seconds`` is the duration of the attempt.
    """
    if not any(isinstance(provider, Composite) and provider.records_attempts for provider in each(account)):
        record_always(result, account=account, candidates=candidates, decision=decision, seconds=seconds)


def record_always(
    result: Result, *, account: SmsProvider, candidates: Sequence[SmsProvider], decision: str, seconds: float
) -> None:
    """Log the ``result`` of an attempt as :func:`record` does, even if a policy inside the account logs attempts too.

    Call this for a ``decision`` that the policies inside ``account`` do not make, such as to try the next account.
    """
    error = result.error
    level = logging.WARNING if isinstance(error, UncertainError) else logging.INFO
    if not log.isEnabledFor(level):
        return
    words = ((UncertainError, "uncertain"), (RefusedError, "refused"))
    outcome = next((word for kind, word in words if isinstance(error, kind)), "accepted")
    fields = {
        "account": account.account,
        "candidates": [candidate.account for candidate in candidates],
        "reference": mask_numbers(result.message.reference or ""),
        "purpose": result.message.purpose.value,
        "outcome": outcome,
        "error": type(error).__name__ if error is not None else None,
        "code": getattr(error, "code", None),
        "reason": getattr(error, "reason", None),
        "decision": decision,
        "seconds": round(seconds, 6),
    }
    marks = " ".join(str(fields[name]) for name in ("error", "code", "reason") if fields[name])
    log.log(
        level,
        "attempt at %s through %s: %s%s in %.3f s; %s",
        fields["reference"],
        account.account,
        outcome,
        f" ({marks})" if marks else "",
        seconds,
        decision,
        extra={"attempt": fields},
    )
