"""Webhooks: verify, then shake hands or parse, then tell the hooks. No I/O of its own."""

from __future__ import annotations

from .errors import PayloadError, UnsupportedError, WebhookError
from .http import Call, Flow, HttpRequest
from .messages import Event, Received
from .plugins import Plugins
from .provider import SmsProvider


def receive(plugins: Plugins, provider: SmsProvider, webhook: HttpRequest) -> Flow[Received]:
    """Take one webhook in.

    Raises SignatureError if it is not proven to come from the provider, handshakes included, PayloadError if it cannot
    be read, and whatever a ``smsbridge_event`` hook raises: answer 500 then, and the provider will deliver again.
    """
    provider.verify(webhook)
    response = provider.handshake(webhook)
    if response is not None:
        return Received(events=(), response=response)
    events = _parse(provider, webhook)
    for event in events:
        yield from Call(plugins.event, provider.account, provider.name, event)
    return Received(events=events, response=provider.acknowledge(events))


def _parse(provider: SmsProvider, webhook: HttpRequest) -> tuple[Event, ...]:
    problem = "the webhook has an unexpected shape"
    try:
        return tuple(provider.parse(webhook))
    except (WebhookError, UnsupportedError):
        raise
    except Exception as error:  # noqa: BLE001  # odd shapes end as KeyError and the like, quoting what they choked on
        problem = f"{problem} ({type(error).__name__})"
    raise PayloadError(problem)
