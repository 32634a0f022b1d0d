"""The system checks: what would go wrong later, said by ``manage.py check`` and, for production, ``check --deploy``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register  # noqa: A004  # Django's name
from django.http.request import validate_host
from django.urls import NoReverseMatch, reverse

from smsbridge import SmsClient
from smsbridge.composite import each
from smsbridge.environment import variable
from smsbridge.errors import ConfigurationError
from smsbridge.ledger.reporting import Reporting
from smsbridge.web import Webhooks
from smsbridge.web.core import vendors

from . import conf
from .clients import client


@register()
def check_settings(**_: Any) -> list[CheckMessage]:
    """Return errors and warnings about settings that keep smsbridge from sending texts or accepting webhooks."""
    wrong = list(_wrong_in_settings())
    if wrong:
        return wrong
    try:
        sms = client()
    except ConfigurationError as error:
        return [Error(str(error), hint="smsbridge doctor says more.", id="smsbridge.E001")]
    return [*_about_webhooks(sms), *_about_the_admin(sms)]


@register(Tags.security, deploy=True)
def check_deployment(**_: Any) -> list[CheckMessage]:
    """Return warnings about settings that are right on a developer's machine, but wrong in production."""
    try:
        sms = client()
    except (ConfigurationError, TypeError, AttributeError):
        return []  # check_settings says it
    return [*_about_stubs(sms), *_about_the_public_url(sms), *_about_the_store(sms)]


def _wrong_in_settings() -> Iterator[CheckMessage]:
    given = conf.environ()
    if given is not None and not (isinstance(given, Mapping) and all(map(_is_variable, given.items()))):
        words = f"{conf.ENVIRON} is not a mapping of variables and their values, both text"
        yield Error(words, hint='Write it as {"SMSBRIDGE_PROVIDER": "twincle", ...}.', id="smsbridge.E002")
    accounts = conf.accounts()
    if accounts is not None and (isinstance(accounts, str) or not all(isinstance(name, str) for name in accounts)):
        yield Error(f"{conf.ACCOUNTS} is not a list of names of accounts", id="smsbridge.E002")
    if hasattr(settings, conf.ALIAS) and not conf.has_database():
        words = f"{conf.ALIAS} names a database that DATABASES does not have"
        yield Error(words, hint="Set DATABASES[...] = smsbridge_django.database().", id="smsbridge.E004")


def _is_variable(pair: tuple[object, object]) -> bool:
    return isinstance(pair[0], str) and isinstance(pair[1], str | None)


def _about_webhooks(sms: SmsClient) -> Iterator[CheckMessage]:
    if _mount() is None:
        return
    try:
        Webhooks(sms, accounts=conf.accounts())
    except ConfigurationError as error:
        hint = f"Or name in {conf.ACCOUNTS} the accounts whose webhooks shall be taken in."
        yield Error(str(error), hint=hint, id="smsbridge.E003")


def _about_the_admin(sms: SmsClient) -> Iterator[CheckMessage]:
    if apps.is_installed("django.contrib.admin") and _has_ledger(sms) and not conf.has_database():
        hint = f'Set DATABASES["{conf.alias()}"] = smsbridge_django.database().'
        yield Info("the admin does not show the texts of the ledger", hint=hint, id="smsbridge.I001")


def _about_stubs(sms: SmsClient) -> Iterator[CheckMessage]:
    for vendor in vendors(sms.provider):
        if vendor.stub and vendor.account not in sms.settings.env_allows:
            words = f"account {vendor.account} ends texts here and sends nothing (provider {vendor.name})"
            hint = f"Set {variable(None, 'provider')}, and {variable(None, 'env')}=production, which refuses this."
            yield Warning(words, hint=hint, id="smsbridge.W001")


def _about_the_public_url(sms: SmsClient) -> Iterator[CheckMessage]:
    if _mount() is None:
        return
    url, name = sms.settings.public_url, variable(None, "public_url")
    if url is None:
        words = f"{name} is not set: behind a proxy, webhooks whose signature covers their URL are refused"
        yield Warning(words, hint="Set it to where vendors reach this project.", id="smsbridge.W002")
        return
    host = urlsplit(url).hostname or ""
    if not validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS):
        words = f"the host of {name} is not in ALLOWED_HOSTS, so Django answers its webhooks with 400"
        yield Warning(words, hint="Add it, unless a proxy sends another Host.", id="smsbridge.W003")


def _about_the_store(sms: SmsClient) -> Iterator[CheckMessage]:
    if not _has_ledger(sms):
        words = "there is no store: a text that is sent again by mistake is not noticed, and reports are not kept"
        yield Warning(words, hint=f"Set {variable(None, 'store')}, such as sqlite:////srv/sms.db.", id="smsbridge.W004")


def _has_ledger(sms: SmsClient) -> bool:
    return any(isinstance(policy, Reporting) for policy in each(sms.provider))


def _mount() -> str | None:
    """The path of an account's webhook, if the routes are included."""
    try:
        return str(reverse("smsbridge:webhook", args=["account"]))
    except NoReverseMatch:
        return None
