"""One structured log record per attempt, without text, token or full number."""

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
log.addHandler(logging.NullHandler())  # where nobody configured logging, Python would print the warnings
"""INFO for each attempt, WARNING where a text may have been sent. The fields are in ``record.attempt``, a dict."""


def wanted(answers: Sequence[Result]) -> bool:
    """Whether a log takes records of ``answers``; those of attempts that went well it may not."""
    return any(answer.error for answer in answers) or log.isEnabledFor(logging.INFO)


def record(
    result: Result, *, account: SmsProvider, candidates: Sequence[SmsProvider], decision: str, seconds: float
) -> None:
    """Log what became of one attempt, unless the account does so by itself.

    ``candidates`` are the accounts that the policy had to choose from, ``decision`` what it does next, and ``seconds``
    how long the attempt took.
    """
    if not any(isinstance(one, Composite) and one.records_attempts for one in each(account)):
        record_always(result, account=account, candidates=candidates, decision=decision, seconds=seconds)


def record_always(
    result: Result, *, account: SmsProvider, candidates: Sequence[SmsProvider], decision: str, seconds: float
) -> None:
    """Log a decision that nobody inside ``account`` knows of."""
    error = result.error
    level = logging.WARNING if isinstance(error, UncertainError) else logging.INFO
    if not log.isEnabledFor(level):
        return
    words = ((UncertainError, "uncertain"), (RefusedError, "refused"))
    outcome = next((word for kind, word in words if isinstance(error, kind)), "accepted")
    fields = {
        "account": account.account,
        "candidates": [one.account for one in candidates],
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
