"""``smsbridge webhooks``: the URL to give to each vendor, and what is missing before its webhooks are taken in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import click

from smsbridge.cli.exits import Exit
from smsbridge.cli.output import Output
from smsbridge.cli.session import account_option, json_option, open_client
from smsbridge.environment import variable

if TYPE_CHECKING:
    from smsbridge.provider import SmsProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The address for the webhooks of an account.

    ``path`` is None if the account receives no webhooks, ``url`` is None if no public URL is set. ``missing`` lists the
    settings that have to be set first.
    """

    account: str
    provider: str
    path: str | None = None
    url: str | None = None
    missing: list[str] = field(default_factory=list)


@click.command()
@click.option("--mount", default="/sms", show_default=True, metavar="PATH", help="Where the application mounts them.")
@account_option
@json_option
def webhooks(*, mount: str, account: str | None, as_json: bool) -> Exit:
    """Print the URL of each account's webhooks, to be given to its vendor, and what is missing.

    One URL takes delivery reports and incoming texts. It is SMSBRIDGE_PUBLIC_URL, the mount and the account. Where
    the server adds a prefix by itself (root_path, SCRIPT_NAME), give it as part of --mount.

    \b
    Examples:
      smsbridge webhooks
      smsbridge webhooks --mount /hooks/sms --json

    Exit code: 0 all can be used, 3 something is not set, 6 no account has webhooks.
    """  # noqa: D301  # click reads \b as "do not wrap"
    from .core import vendors

    out = Output(as_json=as_json)
    with open_client(account, out) as client:
        providers, public_url = vendors(client.provider), client.settings.public_url
    routes = [_route(provider, public_url, mount) for provider in providers]
    if as_json:
        out.json({"webhooks": [asdict(route) for route in routes]})
    else:
        _show(out, routes)
    if not any(route.path for route in routes):
        return Exit.UNSUPPORTED
    return Exit.CONFIGURATION if any(route.missing for route in routes) else Exit.OK


def _route(provider: SmsProvider, public_url: str | None, mount: str) -> Route:
    from .core import lacking, takes_webhooks

    if not takes_webhooks(provider):
        return Route(account=provider.account, provider=provider.name)
    missing = [] if public_url else [f"{variable(None, 'public_url')} is not set: it is where vendors reach this host"]
    if secret := lacking(provider):
        missing.append(secret)
    path = "/".join(["", *filter(None, mount.split("/")), provider.account])
    url = f"{public_url.rstrip('/')}{path}" if public_url else None
    return Route(account=provider.account, provider=provider.name, path=path, url=url, missing=missing)


def _show(out: Output, routes: Sequence[Route]) -> None:
    rows = [[route.account, route.provider, route.url or route.path or "has no webhooks"] for route in routes]
    out.table(["account", "provider", "URL"], rows)
    for words in dict.fromkeys(words for route in routes for words in route.missing):
        out.line(f"missing: {words}", style="red")
    if any(route.url for route in routes):
        out.aside("next: give each vendor its URL, for delivery reports and for incoming texts")
