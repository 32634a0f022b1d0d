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
    """Observe a message (or a one-time code) that is about to be sent.

    Raise an error to stop only this message, with VetoedError.
    """


@hookspec
def smsbridge_after_send(
    account: str, carried_by: str, provider: str, message: Message, sent: SentMessage | Verification
) -> None:
    """Observe a message that the provider accepted. Errors of this hook are only logged."""


@hookspec
def smsbridge_send_failed(account: str, carried_by: str, provider: str, message: Message, error: SendError) -> None:
    """Observe a message that was refused, stopped or cancelled, or that may have been sent.

    Errors of this hook are only logged.
    """


@hookspec
def smsbridge_cost_differs(account: str, provider: str, message: Message, sent: SentMessage, expected: Cost) -> None:
    """Observe an accepted text whose segments or price, as the vendor counts, differ from the expected cost.

    Called once per accepted text, before ``smsbridge_after_send``, if ``SMSBRIDGE_COST_PRICES`` is set. ``account`` is
    the account that took the text. Errors of this hook are only logged.
    """


@hookspec
def smsbridge_status_changed(account: str, carried_by: str, provider: str, text: TextRecord) -> None:
    """Observe a text whose status a delivery report has changed. ``text`` is its present record in the ledger.

    Called once for each change, if there is a ledger. What this raises reaches the caller of ``receive``, as for
    ``smsbridge_event``: when the report comes again, the hook is called again. A change that is noticed while the text
    is sent is told then, and what this raises is logged.
    """


@hookspec
def smsbridge_event(account: str, provider: str, event: Event) -> None:
    """Observe an event of a verified webhook: a delivery report, or a text that came in.

    An event may come more than once; its ``event.key`` stays the same. Errors of this hook reach the caller of
    ``receive``: answer 500, and the provider will deliver again.
    """
