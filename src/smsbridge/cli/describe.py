"""Describe the capabilities and settings of a provider, derived from its class."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from inspect import cleandoc
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin
from urllib.parse import urlsplit, urlunsplit

from pydantic import AnyUrl, BaseModel, SecretBytes, SecretStr

from .. import environment
from ..errors import ConfigurationError
from ..phone import mask_numbers
from ..policies.policy import Place
from ..policies.stack import HOLDERS
from ..provider import OPTIONAL_FIELDS, SmsProvider
from ..stores.gcra import Rate

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ..plugins import Plugins

HIDDEN = "********"
_COLLECTIONS = (list, tuple, set, frozenset)
_SECRET_NAME = re.compile(r"(^|_)(token|secret|password|passwd|key|apikey)(_|$)")
_WORDS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((bool,), "yes or no"),
    ((int,), "whole number"),
    ((float,), "number"),
    ((str,), "text"),
    ((PurePath,), "path"),
    ((timedelta,), "time such as 10m"),
    ((AnyUrl,), "URL"),
    ((list, tuple, set, frozenset), "list, separated by commas"),
    ((Rate,), "rate such as 1000/1m"),
    ((Mapping, BaseModel), "JSON object"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Describe a setting of smsbridge or of a provider, or an option that a single message may have.

    ``variable`` is the environment variable that sets it; it is empty for an option of a message.
    """

    name: str
    variable: str
    type: str
    required: bool
    secret: bool
    default: str | None
    description: str
    deprecated: str | None


_WHERE = {
    place: "around each account that talks to a vendor" if place >= Place.ACCOUNT else "once, around all accounts"
    for place in Place
}
_COMPOSED = "only where settings compose it: its settings name the accounts inside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Describe an installed provider or policy for the commands that list them.

    ``broken`` says why the provider or policy cannot be used; then only ``name`` and ``origin`` are known.
    """

    name: str
    origin: str
    broken: str | None = None
    description: str = ""
    capabilities: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    verification_fields: list[str] = field(default_factory=list)
    batch_size: int | None = None
    policy: bool = False
    stands: str | None = None
    """The place of a policy, in words."""
    settings: list[Setting] = field(default_factory=list)
    options: list[Setting] = field(default_factory=list)


def provider(plugins: Plugins, name: str) -> Provider:
    """Import the provider or policy called ``name`` and describe it.

    If it cannot be imported, the description says why in ``broken``.
    """
    origin = plugins.origin(name)
    if origin == "smsbridge":
        from importlib.metadata import version

        origin = f"smsbridge {version('smsbridge')}"
    try:
        cls = plugins.provider_class(name)
    except ConfigurationError as error:
        return Provider(name=name, origin=origin, broken=str(error))
    if name in plugins.policies:
        place = getattr(cls, "place", None)
        return Provider(
            name=name,
            origin=origin,
            description=cleandoc(cls.__doc__ or ""),
            policy=True,
            stands=_COMPOSED if place is None else _WHERE[place],
            settings=[setting for setting in settings(cls, name) if place is None or setting.name not in HOLDERS],
        )
    batch_size = getattr(cls, "batch_size", None)
    return Provider(
        name=name,
        origin=origin,
        description=cleandoc(cls.__doc__ or ""),
        capabilities=[capability.value for capability in _in_order(cls)],
        fields=[field_name for field_name in OPTIONAL_FIELDS if field_name in cls.supports],
        verification_fields=[field_name for field_name in OPTIONAL_FIELDS if field_name in cls.verification_supports],
        batch_size=batch_size if isinstance(batch_size, int) else None,
        settings=settings(cls, name),
        options=settings(cls.options, None, variables=False),
    )


def _in_order(cls: type[SmsProvider]) -> list[Any]:
    from ..provider import Capability, implemented

    declared = implemented(cls)
    return [capability for capability in Capability if capability in declared]


def settings(model: type[BaseModel], account: str | None, *, variables: bool = True) -> list[Setting]:
    """List the settings of ``model``, each with the environment variable that sets it for ``account``.

    If ``variables`` is false, ``model`` describes options of a message, and no environment variables are named.
    """
    return [
        Setting(
            name=name,
            variable=environment.variable(account, name) if variables else "",
            type=type_name(info.annotation),
            required=info.is_required(),
            secret=is_secret(name, info),
            default=_default(name, info),
            description=info.description or "",
            deprecated=_deprecated(info),
        )
        for name, info in model.model_fields.items()
        if not (issubclass(model, SmsProvider) and (name == "account" or name in getattr(model, "in_code", ())))
    ]


def is_secret(name: str, info: FieldInfo) -> bool:
    """Return whether the value of the setting ``name`` must not be shown.

    That is so if the type of the setting says it is a secret, or if the name sounds like a secret. The name counts
    because the author of a provider may have forgotten the type.
    """
    return environment.is_secret(info.annotation) or (
        _SECRET_NAME.search(name) is not None and type_name(info.annotation) == "text" and not name.endswith("url")
    )


def show(value: Any) -> str:
    """Return ``value``, the value of a setting that is no secret, as text for people.

    Phone numbers are masked, and credentials in URLs are hidden.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, SecretStr | SecretBytes):
        return HIDDEN
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple | set | frozenset):
        words = map(show, value)
        return ", ".join(words if isinstance(value, list | tuple) else sorted(words))
    if isinstance(value, BaseModel | Mapping):
        return "(set)"
    text = str(value)
    return _without_credentials(text) if "://" in text else mask_numbers(text)


def _without_credentials(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{HIDDEN}@{host}" if "@" in parts.netloc else host
    return urlunsplit((parts.scheme, netloc, parts.path, HIDDEN if parts.query else "", ""))


def _default(name: str, info: FieldInfo) -> str | None:
    if info.is_required():
        return None
    if info.default_factory is not None:
        return "(computed)"
    if info.default is None or info.default in ("", [], {}, (), set(), frozenset()):
        return None
    return HIDDEN if is_secret(name, info) and info.default else show(info.default)


def _deprecated(info: FieldInfo) -> str | None:
    if not info.deprecated:
        return None
    message = info.deprecated if isinstance(info.deprecated, str) else getattr(info.deprecated, "message", "")
    return str(message) or "deprecated"


def type_name(annotation: Any) -> str:
    """Return the type of a setting for people: what to write into its environment variable, such as ``seconds``."""
    if environment.is_secret(annotation):
        return "secret"
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_name(argument) for argument in args if argument is not type(None)))
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if origin in _COLLECTIONS and isinstance(args[0], type) and issubclass(args[0], SmsProvider | Enum):
        return f"{_class_name(args[0])}; several separated by commas"
    return _class_name(origin or annotation)


def _class_name(kind: Any) -> str:
    if not isinstance(kind, type):
        return "text"
    if issubclass(kind, SmsProvider):
        return "account"
    if issubclass(kind, Enum):
        return f"one of {', '.join(str(member.value) for member in kind)}"
    return next((words for bases, words in _WORDS if issubclass(kind, bases)), kind.__name__.lower())
