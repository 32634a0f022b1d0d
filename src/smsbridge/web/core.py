"""What every mount does with a request: which account it is for, what is taken in, and what is answered and logged.

A view of another framework is a few lines around :class:`Webhooks` or :class:`AsyncWebhooks`: it names the method and
the account, says how its request is read, and turns the answer into its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from smsbridge.base_client import BaseClient
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.client import client as shared_client
from smsbridge.composite import account_names, each, inside
from smsbridge.environment import variable
from smsbridge.errors import ConfigurationError, PayloadError, WebhookError
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.logs import logger
from smsbridge.provider import Capability, SmsProvider

METHODS = ("GET", "HEAD", "POST")
"""Some vendors report by GET, and some ask by GET whether the route is there. HEAD is for probes of any kind."""

PATIENCE = 10.0
"""Seconds in which a body has to arrive under ASGI. A body that other code has read before never arrives."""

_log = logger("smsbridge.web")


def vendors(provider: SmsProvider) -> list[SmsProvider]:
    """Return the providers inside ``provider`` that reach a vendor themselves, so are not policies.

    Each account comes once.
    """
    return list({vendor.account: vendor for vendor in each(provider) if not inside(vendor)}.values())


def lacking(provider: SmsProvider) -> str | None:
    """Say which setting is missing, so that ``provider`` cannot verify webhooks.

    Returns None if nothing is missing, or if ``provider`` receives no webhooks.
    """
    if not takes_webhooks(provider):
        return None
    names = [variable(provider.account, setting) for setting in provider.webhook_lacks()]
    return f"{' or '.join(names)} is not set, so no webhook of {provider.name} can be believed" if names else None


def takes_webhooks(provider: SmsProvider) -> bool:
    """Return whether ``provider`` can receive webhooks."""
    return Capability.WEBHOOKS in provider.capabilities


class _Routes:
    """The routes of the accounts of a client, and the answers for which no data has to be read."""

    def __init__(self, client: BaseClient[Any], accounts: Collection[str] | None) -> None:
        providers = list(each(client.provider))
        for account in accounts or ():
            if account not in account_names(client.provider):
                have = ", ".join(sorted(account_names(client.provider)))
                raise ConfigurationError(f"account {account!r} is not one of this client's, which has {have}")
        able = [provider.account for provider in providers if takes_webhooks(provider)]
        self.accounts = frozenset(account for account in able if accounts is None or account in accounts)
        for provider in providers:
            for vendor in vendors(provider) if provider.account in self.accounts else ():
                problem = lacking(vendor)
                if problem is not None:
                    raise ConfigurationError(
                        f"account {vendor.account}: {problem}; set it, or give the `accounts` that shall have a route"
                    )

    def without_reading(self, method: str, account: str) -> HttpResponse | None:
        """Return the answer to a request that is not a webhook. None for a webhook, which has to be read.

        Such requests are those for an unknown ``account``, those with another HTTP method, and probes (HEAD).
        """
        if account not in self.accounts:
            return _words(404, "there is no such account here", method)
        if method not in METHODS:
            return HttpResponse(status=405, headers={"allow": ", ".join(METHODS)})
        return HttpResponse(status=200) if method == "HEAD" else None

    def not_read(self, account: str, error: Exception) -> HttpResponse:
        """Return the answer to a webhook whose body could not be read, because of ``error``. So it was not verified."""
        if isinstance(error, WebhookError):
            return self.not_taken(account, error)
        if isinstance(error, TimeoutError):
            words = f"the webhook's body did not come in {PATIENCE:g} seconds, or something in this application has it"
        else:
            words = (
                f"the webhook's body cannot be read ({type(error).__name__}): something has read it, or it broke off"
            )
        return self.not_taken(account, PayloadError(words))

    def not_taken(self, account: str, error: Exception) -> HttpResponse:
        """Return the answer to a webhook that was refused with ``error``, or for which a hook or a store failed (500).

        The words of another library's exception may quote a text, so only its class and line are logged.
        """
        if isinstance(error, WebhookError):
            _log.warning("webhook of account %s refused with %s: %s", account, error.status, error)
            return _words(error.status, str(error))
        _log.error("webhook of account %s not taken: %s at %s", account, type(error).__name__, _place(error))
        return _words(500, "the webhook could not be taken in: send it again")


class Webhooks(_Routes):
    """Receives the webhooks of ``client``, by default of the shared client behind ``smsbridge.send``.

    ``accounts`` are the accounts that get a route, by default all that can receive webhooks. Raises ConfigurationError,
    which names the variable, if a secret that is needed to verify webhooks is not set.
    """

    def __init__(self, client: SmsClient | None = None, *, accounts: Collection[str] | None = None) -> None:
        if not isinstance(client, SmsClient | None):
            raise TypeError("these webhooks take an SmsClient: nothing here runs an event loop")
        self._given = client
        super().__init__(self.client, accounts)

    @property
    def client(self) -> SmsClient:
        """The client that processes the webhooks. Without a given client, it is the shared client.

        In a test with ``sms_outbox``, this is the shared client of that test.
        """
        return self._given or shared_client()

    def answer(self, method: str, account: str, read: Callable[[], HttpRequest]) -> HttpResponse:
        """Process a request to the route of ``account``, and return the answer.

        ``method`` is the HTTP method; ``read`` is a function that returns the request with its body.
        """
        found = self.without_reading(method, account)
        if found is not None:
            return found
        try:
            webhook = read()
        except Exception as error:  # noqa: BLE001  # each server has errors of its own for a body that is not there
            return self.not_read(account, error)
        try:
            return self.client.receive(webhook, account=account).response
        except Exception as error:  # noqa: BLE001  # whatever a hook raises
            return self.not_taken(account, error)


class AsyncWebhooks(_Routes):
    """Receives the webhooks of ``client`` like :class:`Webhooks`.

    Without ``client`` it makes one from the environment.
    """

    def __init__(self, client: AsyncSmsClient | None = None, *, accounts: Collection[str] | None = None) -> None:
        if not isinstance(client, AsyncSmsClient | None):
            raise TypeError("these webhooks take an AsyncSmsClient: an SmsClient would block the event loop")
        self._is_ours = client is None
        self.client = client or AsyncSmsClient()
        super().__init__(self.client, accounts)

    async def answer(self, method: str, account: str, read: Callable[[], Awaitable[HttpRequest]]) -> HttpResponse:
        """Process a request to the route of ``account``, and return the answer.

        ``method`` is the HTTP method; ``read`` is an async function that returns the request with its body.
        """
        found = self.without_reading(method, account)
        if found is not None:
            return found
        try:
            async with asyncio.timeout(PATIENCE):
                webhook = await read()
        except Exception as error:  # noqa: BLE001
            return self.not_read(account, error)
        try:
            return (await self.client.receive(webhook, account=account)).response
        except Exception as error:  # noqa: BLE001
            return self.not_taken(account, error)


def headers_of(answer: HttpResponse) -> list[tuple[str, str]]:
    """Return the headers of ``answer`` with the length of the body, for a server that does not count bytes itself.

    An answer with the status 204 gets no length.
    """
    length = {} if answer.status == 204 else {"content-length": str(len(answer.body))}
    return list({**answer.headers, **length}.items())


def _words(status: int, words: str, method: str = "POST") -> HttpResponse:
    body = b"" if method == "HEAD" else words.encode()
    return HttpResponse(status=status, headers={"content-type": "text/plain; charset=utf-8"}, body=body)


def _place(error: Exception) -> str:
    """The module and the line that raised ``error``."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "an unknown place" if trace is None else f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"
