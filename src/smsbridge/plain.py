"""Turn string-like values of frameworks into plain strings: lazy translations, phone numbers, subclasses."""

from __future__ import annotations

import re
from typing import Any

_LAZY = re.compile(r".*lazy(?!object).*|__proxy__", re.IGNORECASE)
"""The classes of lazy strings: Django's ``__proxy__``, ``LazyString`` of Flask and WTForms, ``LazyProxy`` of Babel."""


def text(value: Any) -> Any:
    """Turn ``value`` into a plain string if it is a lazy string, or an instance of a subclass of str.

    Other values are returned unchanged. A lazy string is rendered once.
    """
    kind = type(value)
    if kind is str:
        return value
    if issubclass(kind, str):
        # Its content: the __str__ of an Enum may be its name.
        return str.__str__(value)
    return text(str(value)) if _is_lazy(kind) or isinstance(value, str) else value


def number(value: Any) -> Any:
    """Turn a recipient into a plain string.

    The recipient may be a lazy string, or a phone number object of Django or of ``phonenumbers``. Other values are
    returned unchanged.
    """
    written = text(value)
    if isinstance(written, str):
        return written
    country, national = (getattr(value, name, None) for name in ("country_code", "national_number"))
    if type(country) is int and type(national) is int:
        zeros = (getattr(value, "number_of_leading_zeros", None) or 1) * bool(getattr(value, "italian_leading_zero", 0))
        extension = getattr(value, "extension", None)
        # A number with an extension is refused later.
        return f"+{country}{'0' * zeros}{national}" + (f" ext. {extension}" if extension else "")
    if any(base.__name__ == "PhoneNumber" for base in type(value).__mro__):
        return text(getattr(value, "raw_input", None) or str(value))
    return value


def _is_lazy(kind: type) -> bool:
    """Return whether ``kind`` is a class of lazy strings."""
    named = any(_LAZY.fullmatch(base.__name__) for base in kind.__mro__)
    return hasattr(kind, "casefold") or (
        named and "__str__" in {name for base in kind.__mro__[:-1] for name in vars(base)}
    )


def kind_of(value: object) -> str:
    """Return the name of the type of ``value``, for an error that must not show the value itself."""
    return "None" if value is None else type(value).__name__
