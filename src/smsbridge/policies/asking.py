"""Ask a provider inside a policy whether a text was accepted."""

from __future__ import annotations

from smsbridge.attempts import query
from smsbridge.errors import ConfigurationError, QueryError
from smsbridge.flow import Flow
from smsbridge.messages import Message, SentMessage, Status
from smsbridge.phone import mask
from smsbridge.provider import SmsProvider


def ask_for(provider: SmsProvider, message: Message) -> Flow[tuple[SentMessage | None, bool]]:
    """Look up the reference of ``message`` at ``provider``.

    Returns the text, if it was found and accepted, and whether the vendor says that there is no such text. A look-up
    that fails, or that finds another text, returns ``(None, False)``.
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
    """Return whether a look-up found the text with ``reference`` to the number ``to``, and the vendor had accepted it.

    The recipient in ``found`` may be masked. A text to another recipient is another text, and a rejected text may be an
    earlier attempt: neither says anything about ours.
    """
    return (
        isinstance(found, SentMessage)
        and bool(found.id)
        and found.reference in ("", reference)
        and (found.to in ("", to) or mask(found.to) == to)
        and found.status is not Status.REJECTED
    )
