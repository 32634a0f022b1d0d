"""Calls of hooks in all plugins: each made once, whatever one of them raises, and whatever comes in between."""

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
    """A plugin's implementation of a hook by itself: in one pluggy call, an exception would stop the rest."""

    __slots__ = ("_hook", "call", "name")

    def __init__(self, name: str, hook: pluggy.HookImpl, arguments: dict[str, Any]) -> None:
        self._hook = hook
        self.name = name
        self.call: Callable[[], object] = partial(hook.function, *[arguments[one] for one in hook.argnames])

    @property
    def function(self) -> Callable[..., object]:
        return self._hook.function

    @property
    def plugin(self) -> str:
        """What the plugin is called."""
        return str(getattr(self._hook.plugin, "__name__", type(self._hook.plugin).__name__))


class HookCalls:
    """Calls of hooks, each made once: made again, they go on where an exception of a signal handler came in."""

    __slots__ = ("_calls", "_made", "_stop")

    def __init__(self, calls: Sequence[HookCall]) -> None:
        self._calls = calls
        self._made: list[object] = []
        self._stop: BaseException | None = None

    @property
    def begun(self) -> bool:
        """Whether the first was made, if there is one."""
        return bool(self._made) or not self._calls

    def make(self, failed: Callable[[HookCall, BaseException], BaseException | None]) -> None:
        """Make those that are left; ``failed`` says what to raise, in the end, for what one raises."""
        if not self._calls:
            return
        while (place := len(self._made)) < len(self._calls):
            hook = self._calls[place]
            try:
                self._made.extend(map(call, (hook.call,)))  # made, and known to be, in one step
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
"""Those of a hook that no plugin has."""


def _knows_nothing(hook: HookCall, error: BaseException) -> bool:
    """Whether ``error`` came before the hook's first step, from a signal handler: it is still to be called."""
    function = hook.function.__func__ if isinstance(hook.function, MethodType) else hook.function
    code, trace = getattr(function, "__code__", None), error.__traceback__
    while trace is not None and trace.tb_frame.f_code is not code:  # below it are others that it called
        trace = trace.tb_next
    return code is not None and (trace is None or trace.tb_lasti <= _first_step(code))


def _first_step(code: CodeType) -> int:
    """Where Pythons look for signals when a function begins."""
    import opcode  # here, as this hardly ever happens

    return code.co_code[::2].index(opcode.opmap["RESUME"]) * 2


def logged(hook: HookCall, error: BaseException) -> BaseException | None:
    """Log what a hook raised, not its words, which may quote the message: a broken metric must cause no second text."""
    if isinstance(error, KeyboardInterrupt):
        return error
    _log.error("%s failed in plugin %s: %s", hook.name, hook.plugin, type(error).__name__)
    return None
