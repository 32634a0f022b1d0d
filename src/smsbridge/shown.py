"""Shorten what ``dir`` and ``help`` show of a class: leave out the attributes that only dataclasses use."""

from __future__ import annotations

_OF_DATACLASSES = frozenset(
    {
        "__annotations__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__delattr__",
        "__getstate__",
        "__match_args__",
        "__replace__",
        "__setattr__",
        "__setstate__",
    }
)


class Shown(type):
    """The metaclass of the value classes.

    The ``dir`` of such a class leaves out the attributes that only dataclasses use.
    """

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if name not in _OF_DATACLASSES]
