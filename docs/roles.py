"""For the pages that mkdocstrings makes: the roles in our docstrings, such as ``:meth:`send```, become code."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_ROLE = re.compile(r":\w+:`~?([^`]+)`")


class Roles(Extension):
    """Removes the roles from each docstring."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of ``obj``, an object of any kind."""
        if obj.docstring:
            obj.docstring.value = _ROLE.sub(r"``\1``", obj.docstring.value)
