"""Calls of the hooks in all plugins. Each call is made once, despite errors of other hooks and interruptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import call
from types import CodeType, MethodType
from typing import Any

import pluggy

from .logs import logger

_log = logger("smsbridge")


class HookCall:
    """The call of a hook in one plugin.

    Each plugin gets a separate call: in a joint call of pluggy, an error would stop the calls of the other plugins.
    """

    __slots__ = ("_hook", "call", "name")

    def __init__(self, name: str, hook: pluggy.HookImpl, arguments: dict[str, Any]) -> None:
        self._hook = hook
        self.name = name
        self.call: Callable[[], object] = partial(hook.function, *[arguments[argument] for argument in hook.argnames])

    @property
    def function(self) -> Callable[..., object]:
        return self._hook.function

    @property
    def plugin(self) -> str:
        """The name of the plugin whose hook is called."""
        return str(getattr(self._hook.plugin, "__name__", type(self._hook.plugin).__name__))


class HookCalls:
    """The calls of a hook in all plugins, each made once.

    If a signal handler's exception interrupts :meth:`make`, a second :meth:`make` continues where the first stopped.
    """

    __slots__ = ("_calls", "_made", "_stop")

    def __init__(self, calls: Sequence[HookCall]) -> None:
        self._calls = calls
        self._made: list[object] = []
        self._stop: BaseException | None = None

    @property
    def begun(self) -> bool:
        """Whether the first call was already made, or there are no calls to make."""
        return bool(self._made) or not self._calls

    def make(self, failed: Callable[[HookCall, BaseException], BaseException | None]) -> None:
        """Make the calls that were not made yet.

        ``failed`` gets the error of a hook, and returns the error to raise at the end, or None. Of several such errors,
        the first is raised.
        """
        if not self._calls:
            return
        while (place := len(self._made)) < len(self._calls):
            hook = self._calls[place]
            try:
                # A single step makes the call and records it.
                self._made.extend(map(call, (hook.call,)))
            except BaseException as error:  # noqa: BLE001
                if len(self._made) > place or _knows_nothing(hook, error):
                    self._stop = self._stop or error
                else:
                    self._made.append(None)
                    self._stop = self._stop or failed(hook, error)
        stop, self._stop = self._stop, None
        if stop is not None:
            raise stop


NO_CALLS = HookCalls(())
"""The calls of a hook that no plugin implements."""


def _knows_nothing(hook: HookCall, error: BaseException) -> bool:
    """Return whether ``error`` came from a signal handler before the hook's first step: the hook has not run yet."""
    function = hook.function.__func__ if isinstance(hook.function, MethodType) else hook.function
    code, trace = getattr(function, "__code__", None), error.__traceback__
    # Frames below the hook's are of functions that it called.
    while trace is not None and trace.tb_frame.f_code is not code:
        trace = trace.tb_next
    return code is not None and (trace is None or trace.tb_lasti <= _first_step(code))


def _first_step(code: CodeType) -> int:
    """Return the offset in the bytecode where Python checks for signals when a function begins."""
    # Imported here, since this is rarely needed.
    import opcode

    return code.co_code[::2].index(opcode.opmap["RESUME"]) * 2


def logged(hook: HookCall, error: BaseException) -> BaseException | None:
    """Log the error of a hook without the error's words, which may quote the message.

    Returns the error if it is Ctrl-C, else None. Any other error goes no further: a broken metric must not cause a
    second text.
    """
    if isinstance(error, KeyboardInterrupt):
        return error
    _log.error("%s failed in plugin %s: %s", hook.name, hook.plugin, type(error).__name__)
    return None
