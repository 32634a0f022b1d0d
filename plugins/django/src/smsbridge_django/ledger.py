"""What the admin does with texts: look, ask vendors, settle. No part of Django."""

from __future__ import annotations

from smsbridge import NotFoundError, QueryError, SentMessage, SmsClient
from smsbridge.composite import each
from smsbridge.errors import ConfigurationError
from smsbridge.history import TextRecord
from smsbridge.ledger.reporting import Reporting
from smsbridge.stores.blocking import at_once
from smsbridge.values import State

FINAL, SAME, FURTHER = "final already", "as before", "came further"
ANSWERED = frozenset({FINAL, SAME, FURTHER})
"""What :func:`ask` says if it is known how far the text has come. Its other words say why it is not known."""


def settle(client: SmsClient, reference: str, state: State) -> State | None:
    """Record that a text in doubt was ``state`` (accepted or refused).

    Returns the state of the text after that, or None if the ledger has no text with this reference. Raises
    ConfigurationError if the ledger cannot be used.
    """
    for policy in each(client.provider):
        if isinstance(policy, Reporting):
            return at_once(policy.settle(reference, state))
    raise ConfigurationError("this client has no ledger")


def ask(client: SmsClient, text: TextRecord) -> str:
    """Ask the vendor how far ``text`` has come. The ledger keeps the answer.

    Returns the result in a few words for people, such as ``came further``. Does not raise if the vendor cannot be
    asked.
    """
    if text.state is not State.ACCEPTED or text.is_code or not text.id:
        return "not asked about: no vendor can be asked about texts in doubt, refused texts and codes"
    if text.final:
        return FINAL
    sent = SentMessage(
        account=text.carried_by, provider=text.provider, id=text.id, to=text.to, reference=text.reference
    )
    try:
        report = client.status(sent)
    except (ConfigurationError, QueryError) as error:
        return _why_not(error)
    return SAME if (report.status, report.final) == (text.status, text.final) else FURTHER


def _why_not(error: ConfigurationError | QueryError) -> str:
    if isinstance(error, ConfigurationError):
        return "not asked about: of an account that this project does not have"
    if isinstance(error, NotFoundError):
        return "not known to the vendor"
    if error.reason == "unsupported":
        return "not asked about: the provider answers no such question"
    return "could not be asked about"
