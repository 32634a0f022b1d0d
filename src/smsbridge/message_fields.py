"""The optional fields of a message, for all code that passes messages on. ``Message`` itself declares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

from .messages import KINDS, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageField:
    """The description of an optional field of a Message: name, type, default and metadata, as the class declares them.

    ``declared``: only a provider whose ``supports`` names the field honours it. ``distinguishes``: a ledger treats
    texts with different values of the field as different texts. ``private``: the value is not shown. ``ability``: the
    ability of a provider that honours the field. ``option``, ``metavar`` and ``help`` are for the command line.
    """

    name: str
    kind: type
    default: Any
    private: bool
    declared: bool = True
    distinguishes: bool = True
    ability: str
    option: str
    metavar: str | None = None
    help: str | None = None

    @property
    def parts(self) -> Mapping[str, Mapping[str, Any]]:
        """The metadata of the fields inside the value, by name, if the value has fields itself, as ``dlt`` has.

        Otherwise empty.
        """
        return {part.name: part.metadata for part in fields(self.kind)} if is_dataclass(self.kind) else {}


def _read() -> tuple[MessageField, ...]:
    found = []
    for attribute in fields(Message):
        default = attribute.default if attribute.default_factory is MISSING else attribute.default_factory()
        if default is MISSING or "number" in attribute.metadata:
            continue
        words = attribute.name.replace("_", " ")
        about = {"ability": words, "option": f"--{words.replace(' ', '-')}", **attribute.metadata}
        found.append(
            MessageField(
                name=attribute.name, kind=KINDS[attribute.name], default=default, private=not attribute.repr, **about
            )
        )
    return tuple(found)


FIELDS = _read()
"""The optional fields in the order of the class, so without ``to`` and ``text``."""


def plain_value(value: Any) -> Any:
    """Return the value of a message's field in a form for JSON.

    Times become text in ISO 8601, and a value that has fields itself becomes an object.
    """
    if isinstance(value, datetime):
        return value.isoformat()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
