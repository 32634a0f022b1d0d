"""Ask a provider inside a policy whether a text was accepted."""

from __future__ import annotations

from smsbridge.attempts import query
from smsbridge.errors import ConfigurationError, QueryError
from smsbridge.flow import Flow
from smsbridge.messages import Message, SentMessage, Status
from smsbridge.phone import mask
from smsbridge.provider import SmsProvider


def ask_for(provider: SmsProvider, message: Message) -> Flow[tuple[SentMessage | None, bool]]:
    """Look up the reference of ``message`` at ``provider``, to learn whether the vendor accepted the text.

    Returns a pair: the accepted text, or None; and whether the vendor says that it has no text with this reference. If
    the look-up fails, or finds the text of another recipient, the pair is ``(None, False)``.
    """
    reference = message.reference or ""
    try:
        found = yield from query(provider, lambda: provider.lookup(reference))
    except (QueryError, ConfigurationError):
        return None, False
    if found is None:
        return None, True
    return (found if was_accepted(found, reference, message.to) else None), False


def was_accepted(found: SentMessage, reference: str, to: str) -> bool:
    """Return whether ``found``, the result of a look-up, is the text with ``reference`` to ``to`` and was accepted.

    The number in ``found`` may be masked. A text to another number is another text, and a rejected text may be an
    earlier attempt: neither proves anything about the text in question.
    """
    return (
        isinstance(found, SentMessage)
        and bool(found.id)
        and found.reference in ("", reference)
        and (found.to in ("", to) or mask(found.to) == to)
        and found.status is not Status.REJECTED
    )
