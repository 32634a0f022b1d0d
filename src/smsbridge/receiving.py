"""Process a webhook: verify it, answer a handshake or parse it, then tell policies and hooks. No I/O of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from .composite import holder_of, observe, receiver_of, vendor_inside
from .errors import PayloadError, SignatureError, UnsupportedError, WebhookError
from .flow import Call, Flow
from .http import HttpRequest
from .messages import Event, Received
from .plugins import Plugins
from .privacy import private_of, scrub
from .provider import SmsProvider, title_of
from .rehearsal import brought

T = TypeVar("T")


def receive(
    plugins: Plugins, provider: SmsProvider, webhook: HttpRequest, account: str | None = None
) -> Flow[Received]:
    """Process a webhook: verify it, read its events, and tell policies and hooks. Returns the events and the response.

    If ``account`` is set, only that account of ``provider`` may verify the webhook; in each case ``provider`` observes
    the events. If an outbox of a test made the webhook, this outbox verifies and reads it. Raises SignatureError if the
    webhook is not proven to come from the provider, handshakes included, and PayloadError if it cannot be read or is
    too large. Errors of a ``smsbridge_event`` hook are raised too: answer 500 then, and the provider will deliver the
    webhook again.
    """
    webhook.check_size()
    asked = provider if account is None else holder_of(provider, account)
    played = _ask(provider, lambda: brought(webhook), SignatureError)
    if played is not None:
        receiver = _ask(provider, lambda: vendor_inside(asked, played[0].account), SignatureError)
        events = tuple(replace(event, provider=receiver.name) for event in played)
    else:
        receiver = _ask(provider, lambda: receiver_of(asked, webhook), SignatureError)
        _ask(receiver, lambda: receiver.verify(webhook), SignatureError)
        response = _ask(receiver, lambda: receiver.handshake(webhook), PayloadError)
        if response is not None:
            return Received(events=(), response=response)
        events = _ask(receiver, lambda: tuple(receiver.parse(webhook)), PayloadError)
    told: list[Event] = []
    for event in events:
        known = yield from observe(provider, event)
        yield from Call(plugins.event, receiver.account, receiver.name, known)
        told.append(known)
    return Received(events=tuple(told), response=receiver.acknowledge(events))


def _ask(provider: SmsProvider, work: Callable[[], T], kind: type[WebhookError]) -> T:
    """Do ``work`` of ``provider``. Other errors than ours become ``kind``.

    A webhook with an unexpected shape causes a KeyError or similar, whose words may quote it.
    """
    error: WebhookError
    try:
        return work()
    except WebhookError as refusal:
        # A copy has no frames and causes, which hold the secret and the text.
        error = copy.copy(refusal)
    except UnsupportedError as refusal:
        error = WebhookError(str(refusal.args[0]))
    except Exception as bug:  # noqa: BLE001
        words = f"the webhook has a shape that {title_of(provider)} does not expect ({type(bug).__name__})"
        error = kind(f"{words}: check which webhooks the vendor sends to this address")
    scrub(error, private_of(provider))
    raise error
