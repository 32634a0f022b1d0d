"""The hooks of smsbridge. Mark an implementation with ``hookimpl``; ask only for the arguments that you need.

Observe with hooks; to change behaviour, wrap a provider. Hooks are plain functions (never ``async def``). They run in
the thread that sends with ``SmsClient``, and in a thread of their own with ``AsyncSmsClient``, where the event loop
goes on meanwhile.

``account`` is the account that was asked to send, ``carried_by`` the one that took the text, or refused it: with a
failover these are two.
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
    """The provider classes of this plugin. Called once, when it is loaded."""


@hookspec
def smsbridge_before_send(account: str, provider: str, message: Message) -> None:
    """A message (or a one-time code) is about to be sent. Raise to stop this message alone (VetoedError)."""


@hookspec
def smsbridge_after_send(
    account: str, carried_by: str, provider: str, message: Message, sent: SentMessage | Verification
) -> None:
    """The provider accepted the message. What this raises is logged and goes no further."""


@hookspec
def smsbridge_send_failed(account: str, carried_by: str, provider: str, message: Message, error: SendError) -> None:
    """The message was refused, stopped or cancelled, or its fate is uncertain. What this raises is logged."""


@hookspec
def smsbridge_cost_differs(account: str, provider: str, message: Message, sent: SentMessage, expected: Cost) -> None:
    """A vendor counted other segments than we do, or asks another price than our rates. What this raises is logged.

    Called once per accepted text, before ``smsbridge_after_send``, where ``SMSBRIDGE_COST_PRICES`` is set. ``account``
    is the one that took the text.
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

    What this raises reaches whoever called ``receive``: answer 500 and the provider will deliver again.
    """
