"""The one door to what needs starlette, uvicorn and httpx, which come with the `sandbox` extra."""

from __future__ import annotations

import importlib
from typing import Any

EXTRA = ("starlette", "uvicorn", "httpx", "h11", "anyio")
HOMES = {"Sandbox": "server", "SandboxApp": "app", "create_app": "app", "serve": "server"}


class MissingExtraError(ImportError):
    """A library of the `sandbox` extra is not installed."""


def load(name: str) -> Any:
    """Import one of `HOMES`.

    Raises:
        MissingExtraError: says what to install.

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
