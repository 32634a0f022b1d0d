"""Shorten what ``dir`` and ``help`` show of a pydantic model: leave out the attributes that every model has."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pydantic import BaseModel

from .shown import Shown

__all__ = ["ShownModel"]

if TYPE_CHECKING:
    # From this class itself, and from none below it, pyright knows that the fields of a model are its arguments.
    from pydantic._internal._model_construction import ModelMetaclass as ShownModel
else:

    class ShownModel(Shown, type(BaseModel)):
        """The metaclass of the pydantic models.

        The ``dir`` of such a class leaves out the attributes that every pydantic model has.
        """

        def __dir__(cls) -> list[str]:
            return [name for name in super().__dir__() if name not in _of_every_model()]


@cache
def _of_every_model() -> frozenset[str]:
    class Empty(BaseModel):
        pass

    return frozenset(dir(Empty))
