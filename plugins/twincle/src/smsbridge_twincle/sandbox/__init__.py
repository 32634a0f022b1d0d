"""A local stand-in for the Twincle HTTP API, built from documentation: no answer in here ever came from Twincle.

`smsbridge-twincle-sandbox` starts it as a command; tests start it in their own process:

    with Sandbox(token="sandbox-token", epoch="E2") as sandbox:
        ...  # a real server on sandbox.base_url, on loopback only

It shares no code and no table with the provider beside it on purpose: an error made twice would hide itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .command import main

if TYPE_CHECKING:
    from .app import SandboxApp, create_app
    from .server import Sandbox

__all__ = ["Sandbox", "SandboxApp", "create_app", "main"]


def __getattr__(name: str) -> Any:
    """Load what needs the `sandbox` extra only when it is asked for, so that `--help` works without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .extra import load

    return load(name)
