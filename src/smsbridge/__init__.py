"""Send text messages through any provider, chosen by configuration.

::

    import smsbridge

    sent = smsbridge.send("+919876543210", "Your order has shipped")

``SMSBRIDGE_PROVIDER`` chooses the provider; the default, ``console``, prints the text and sends nothing.

The public names::

    send  try_send  send_many  lookup      send through the client that the environment describes
    SmsClient  AsyncSmsClient  client      your own clients; the shared client of send
    Message  MessageFields  Purpose  Dlt   a text to send
    SentMessage  Result  Status  Money     its outcome
    DeliveryReport  InboundMessage  Event  Received  Balance  Foresight
    Verification  VerificationCheck        one-time codes
    normalize                              a number in E.164

    SmsBridgeError                         the base of all errors
      ConfigurationError
      SendError                            a text was not accepted:
        RefusedError                       certainly not sent
          RecipientError  ContentError  OptedOutError  SenderError  AuthenticationError  FundsError
          RateLimitedError  UnavailableError  UnsupportedError  VetoedError  ProviderBugError
        UncertainError                     may have been sent
      QueryError  NotFoundError            an operation that sends nothing failed
      WebhookError  SignatureError  PayloadError
    TransportError  NotConnected  NoAnswer inside a provider; InsecureUrlWarning

    Settings  Plugins  hookimpl            settings, plugins, hooks
    SmsProvider  Options  Capability       for authors of providers and policies
    HttpRequest  HttpResponse  Flow  Wait  Call
    Policy  Gate  Batch

``smsbridge.testing`` has ``Outbox`` and the contract kit, ``smsbridge.text`` counts segments, ``smsbridge.dlt`` matches
texts with templates. ``smsbridge.__version__`` is the installed version.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from .client import AsyncSmsClient as AsyncSmsClient
    from .client import SmsClient as SmsClient
    from .client import client as client
    from .client import lookup as lookup
    from .client import send as send
    from .client import send_many as send_many
    from .client import try_send as try_send
    from .errors import AuthenticationError as AuthenticationError
    from .errors import ConfigurationError as ConfigurationError
    from .errors import ContentError as ContentError
    from .errors import FundsError as FundsError
    from .errors import NoAnswer as NoAnswer
    from .errors import NotConnected as NotConnected
    from .errors import NotFoundError as NotFoundError
    from .errors import OptedOutError as OptedOutError
    from .errors import PayloadError as PayloadError
    from .errors import ProviderBugError as ProviderBugError
    from .errors import QueryError as QueryError
    from .errors import RateLimitedError as RateLimitedError
    from .errors import RecipientError as RecipientError
    from .errors import RefusedError as RefusedError
    from .errors import SenderError as SenderError
    from .errors import SendError as SendError
    from .errors import SignatureError as SignatureError
    from .errors import SmsBridgeError as SmsBridgeError
    from .errors import TransportError as TransportError
    from .errors import UnavailableError as UnavailableError
    from .errors import UncertainError as UncertainError
    from .errors import UnsupportedError as UnsupportedError
    from .errors import VetoedError as VetoedError
    from .errors import WebhookError as WebhookError
    from .flow import Call as Call
    from .flow import Flow as Flow
    from .flow import Wait as Wait
    from .hookspecs import hookimpl as hookimpl
    from .http import HttpRequest as HttpRequest
    from .http import HttpResponse as HttpResponse
    from .messages import Balance as Balance
    from .messages import DeliveryReport as DeliveryReport
    from .messages import Dlt as Dlt
    from .messages import Event as Event
    from .messages import Foresight as Foresight
    from .messages import InboundMessage as InboundMessage
    from .messages import Message as Message
    from .messages import MessageFields as MessageFields
    from .messages import Money as Money
    from .messages import Purpose as Purpose
    from .messages import Received as Received
    from .messages import Result as Result
    from .messages import SentMessage as SentMessage
    from .messages import Status as Status
    from .messages import Verification as Verification
    from .messages import VerificationCheck as VerificationCheck
    from .normalizing import normalize as normalize
    from .plugins import Plugins as Plugins
    from .policies.batch import Batch as Batch
    from .policies.gate import Gate as Gate
    from .policies.policy import Policy as Policy
    from .provider import Capability as Capability
    from .provider import InsecureUrlWarning as InsecureUrlWarning
    from .provider import Options as Options
    from .provider import SmsProvider as SmsProvider
    from .settings import Settings as Settings

_HOMES = {
    "client": "AsyncSmsClient SmsClient client lookup send send_many try_send",
    "errors": (
        "AuthenticationError ConfigurationError ContentError FundsError NoAnswer NotConnected NotFoundError "
        "OptedOutError PayloadError ProviderBugError QueryError RateLimitedError RecipientError RefusedError "
        "SendError SenderError SignatureError SmsBridgeError TransportError UnavailableError UncertainError "
        "UnsupportedError VetoedError WebhookError"
    ),
    "flow": "Call Flow Wait",
    "hookspecs": "hookimpl",
    "http": "HttpRequest HttpResponse",
    "messages": (
        "Balance DeliveryReport Dlt Event Foresight InboundMessage Message MessageFields Money Purpose Received Result "
        "SentMessage Status Verification VerificationCheck"
    ),
    "normalizing": "normalize",
    "plugins": "Plugins",
    "policies.batch": "Batch",
    "policies.gate": "Gate",
    "policies.policy": "Policy",
    "provider": "Capability InsecureUrlWarning Options SmsProvider",
    "settings": "Settings",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
_GONE = {
    "Wrapper": (
        ": a policy wraps a provider now; subclass smsbridge.Policy, and write carry(batch) where you wrote "
        "send(message)"
    ),
}
__all__ = sorted(_HOME)  # noqa: PLE0605  # pyright: ignore[reportUnsupportedDunderAll]  # one table serves __all__ and __getattr__; a test pins it to the imports above


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version(__name__)
    if name not in _HOME:
        advice = _GONE.get(name, "")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{advice}")
    module = importlib.import_module(f".{_HOME[name]}", __name__)
    value = module if name == "client" else getattr(module, name)  # smsbridge.client() calls the module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
