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

    Raise an error to stop this message; the caller of ``send`` then gets a VetoedError. Other messages are not
    affected.
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
    """Observe an accepted text for which the vendor counted other segments or another price than expected.

    Called once per accepted text, before ``smsbridge_after_send``, if ``SMSBRIDGE_COST_PRICES`` is set. ``account`` is
    the account that took the text. Errors of this hook are only logged.
    """


@hookspec
def smsbridge_status_changed(account: str, carried_by: str, provider: str, text: TextRecord) -> None:
    """Observe a text whose status a delivery report has changed.

    ``text`` is the present record of the text in the ledger.

    Called once for each change, if there is a ledger. An error of this hook reaches the caller of ``receive``, as for
    ``smsbridge_event``: when the report comes again, the hook is called again. If a change is noticed while the text is
    being sent, the hook is called then, and an error of the hook is logged.
    """


@hookspec
def smsbridge_event(account: str, provider: str, event: Event) -> None:
    """Observe an event of a verified webhook: a delivery report, or a text that came in.

    An event may come more than once, each time with the same ``event.key``. Errors of this hook reach the caller of
    ``receive``, who answers 500, so that the provider delivers the webhook again.
    """
