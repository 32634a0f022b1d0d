"""A local stand-in for the Twincle HTTP API, built from documentation: no answer in here ever came from Twincle.

`smsbridge-twincle-sandbox` starts it as a command; tests start it in their own process:

    with Sandbox(token="sandbox-token", epoch="E2") as sandbox:
        ...  # a real server on sandbox.base_url, on loopback only

It shares no code and no table with the provider on purpose: the same error on both sides would stay hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .command import main

if TYPE_CHECKING:
    from .app import SandboxApp, create_app
    from .server import Sandbox

__all__ = ["Sandbox", "SandboxApp", "create_app", "main"]


def __getattr__(name: str) -> Any:
    """Load names that need the `sandbox` extra at their first use, so that `--help` works without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .extra import load

    return load(name)
