"""Tell the hooks that a text is about to be sent, and exactly once how that ended, also after interruptions. No I/O."""

from __future__ import annotations

from .errors import RefusedError, SendError, VetoedError
from .hook_calls import HookCall, HookCalls, logged
from .messages import Message, SentMessage, Verification
from .plugins import Plugins
from .privacy import own, private_of
from .provider import SmsProvider, vendor_of
from .verdicts import cancelled

End = SentMessage | Verification | SendError


class Told:
    """The calls of the hooks for one message: :meth:`begin` before it is sent, :meth:`finish` with its outcome.

    An exception of a signal handler may come between any two steps. So :meth:`finish` is called twice, in two
    ``finally`` blocks: the second call continues where the first was interrupted.
    """

    __slots__ = ("_after", "_before", "_plugins", "_provider", "_veto", "end", "left", "message")

    def __init__(self, plugins: Plugins, provider: SmsProvider, message: Message) -> None:
        self._plugins = plugins
        self._provider = provider
        self._before: HookCalls | None = None
        self._after: HookCalls | None = None
        self._veto: Exception | None = None
        self.message = message
        self.left = False
        """Whether the message may be on its way."""
        self.end: End | None = None
        """The end of the message, once known."""

    def begin(self) -> SendError | None:
        """Tell the hooks that the message is about to be sent.

        Returns the error with which a hook stopped the message, or None.
        """
        self._before = self._calls("smsbridge_before_send")
        self._before.make(self._vetoed)
        if self._veto is None or isinstance(self._veto, RefusedError):
            return self._veto and own(self._veto, self._provider, self.message)
        # The words may quote anything, like a vendor's.
        error = VetoedError(detail=_words(self._veto))
        return own(error, self._provider, self.message, vendors=private_of(self._provider, self.message))

    def finish(self) -> None:
        """Tell the hooks how the sending ended. If :attr:`end` is not set, the sending was cancelled."""
        if self.end is None:
            self.end = own(cancelled(left=self.left), self._provider, self.message)
        if self._before is None or not self._before.begun:
            return
        # First the hooks that were not yet told of the beginning.
        self._before.make(self._vetoed)
        if self._after is None:
            if isinstance(self.end, SendError):
                self._after = self._calls("smsbridge_send_failed", error=self.end, carried_by=self.end.account)
            else:
                self._after = self._calls("smsbridge_after_send", sent=self.end, carried_by=self.end.account)
        self._after.make(logged)

    def _calls(self, name: str, **more: object) -> HookCalls:
        provider = self._provider
        return self._plugins.calls(
            name, account=provider.account, provider=vendor_of(provider), message=self.message, **more
        )

    def _vetoed(self, _: HookCall, error: BaseException) -> BaseException | None:
        """Keep the error of a hook as its veto; an error that ends a program is returned, to be raised."""
        if not isinstance(error, Exception):
            return error
        self._veto = self._veto or error
        return None


def _words(veto: Exception) -> str:
    try:
        return f"{type(veto).__name__}: {veto}"
    # The error has no usable words.
    except Exception:  # noqa: BLE001
        return type(veto).__name__
