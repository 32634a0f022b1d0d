"""The only way to modules that need starlette, uvicorn and httpx, which the `sandbox` extra installs."""

from __future__ import annotations

import importlib
from typing import Any

EXTRA = ("starlette", "uvicorn", "httpx", "h11", "anyio")
HOMES = {"Sandbox": "server", "SandboxApp": "app", "create_app": "app", "serve": "server"}


class MissingExtraError(ImportError):
    """Raised when a library of the extra `sandbox` is not installed."""


def load(name: str) -> Any:
    """Import the object called `name` from its module of the sandbox, as listed in `HOMES`.

    Raises:
        MissingExtraError: the module needs a library that is not installed; the message says what to install.

    """
    try:
        module = importlib.import_module(f".{HOMES[name]}", __package__)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        raise MissingExtraError(
            f"the sandbox needs {error.name}, which is not installed: pip install 'smsbridge-twincle[sandbox]'"
        ) from None
    return getattr(module, name)
