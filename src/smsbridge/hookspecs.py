"""The hooks of smsbridge. Mark an implementation with ``hookimpl``; ask only for the arguments that you need.

Observe with hooks; to change behaviour, wrap a provider. Hooks are plain functions (never ``async def``). With
``SmsClient`` they run in the sending thread. With ``AsyncSmsClient`` they run in a separate thread, and the event loop
goes on meanwhile.

``account`` is the account that was asked to send, ``carried_by`` the account that took or refused the text: with a
failover they may differ.
"""

from __future__ import annotations

import pluggy

from .errors import SendError
from .history import TextRecord
from .messages import Cost, Event, Message, SentMessage, Verification
from .provider import SmsProvider

PROJECT = "smsbridge"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def smsbridge_providers() -> list[type[SmsProvider]]:  # type: ignore[empty-body]  # a specification has no body
    """Return the provider classes of this plugin. Called once, when the plugin is loaded."""


@hookspec
def smsbridge_before_send(account: str, provider: str, message: Message) -> None:
    """A message (or a one-time code) is about to be sent. Raise an error to stop only this message (VetoedError)."""


@hookspec
def smsbridge_after_send(
    account: str, carried_by: str, provider: str, message: Message, sent: SentMessage | Verification
) -> None:
    """The provider accepted the message. Errors of this hook are only logged."""


@hookspec
def smsbridge_send_failed(account: str, carried_by: str, provider: str, message: Message, error: SendError) -> None:
    """The message was refused, stopped or cancelled, or may have been sent. Errors of this hook are only logged."""


@hookspec
def smsbridge_cost_differs(account: str, provider: str, message: Message, sent: SentMessage, expected: Cost) -> None:
    """The vendor's segments or price differ from ours. Errors of this hook are only logged.

    Called once per accepted text, before ``smsbridge_after_send``, if ``SMSBRIDGE_COST_PRICES`` is set. ``account`` is
    the account that took the text.
    """


@hookspec
def smsbridge_status_changed(account: str, carried_by: str, provider: str, text: TextRecord) -> None:
    """A report moved a text further: ``text`` is its row in the ledger now. Called once for each change, with a ledger.

    What this raises reaches the caller of ``receive``, as for ``smsbridge_event``: when the report comes again, the
    hook is called again. A change that is noticed while the text is sent is told then, and what this raises is logged.
    """


@hookspec
def smsbridge_event(account: str, provider: str, event: Event) -> None:
    """A verified webhook brought a delivery report or a text, at least once each; ``event.key`` stays the same.

    Errors of this hook reach the caller of ``receive``: answer 500, and the provider will deliver again.
    """
