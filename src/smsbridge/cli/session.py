"""Share parts of commands: common options, the client, and the state of texts after an interrupt."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from ..hookspecs import hookimpl
from ..provider import SmsProvider
from .exits import Exit
from .output import Output
from .signals import code_of

if TYPE_CHECKING:
    from ..client import SmsClient
    from ..errors import SendError
    from ..messages import Message, SentMessage, Verification

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Add the option ``--json`` to ``command``, which takes it as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def number_option(command: F) -> F:
    """Add the option ``--show-number`` to ``command``, which takes it as ``show_numbers``."""
    return click.option(
        "--show-number", "show_numbers", is_flag=True, help="Print phone numbers in full instead of masked."
    )(command)


def not_empty(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty value of an option, because an unset shell variable must not silently mean the default."""
    if value is not None and not value.strip():
        raise click.BadParameter("the value is empty; for the default, leave the option out")
    return value


def standard_input() -> IO[bytes]:
    """Return standard input as a stream of bytes. Raises click.UsageError if it is closed."""
    if sys.stdin is None or sys.stdin.closed:
        raise click.UsageError(
            "standard input is closed, but - reads from it: give a file, or redirect a text to the command"
        )
    return sys.stdin.buffer


def text_from_stdin() -> str:
    """Read a text from standard input, without its last line end.

    Raises click.UsageError if it cannot be read as UTF-8.
    """
    try:
        return standard_input().read().decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise click.UsageError("standard input is not UTF-8: convert the text to UTF-8") from None
    except OSError as error:
        raise click.UsageError(f"standard input cannot be read: {error.strerror or type(error).__name__}") from None


def account_option(command: F) -> F:
    """Add the option ``--account`` to ``command``, which takes it as ``account``."""
    return click.option(
        "--account",
        metavar="NAME",
        callback=not_empty,
        help="Provider or account to use; default: the value of SMSBRIDGE_PROVIDER.",
    )(command)


def policy_setting(account: str | None, policy: str, setting: str) -> str | None:
    """Return the value of ``setting`` of ``policy`` from the environment; None if the variable is not set.

    The variable of ``account`` counts before the variable for all accounts. Without ``account``, the account is that of
    SMSBRIDGE_PROVIDER. Raises ConfigurationError if the environment cannot be read.
    """
    from ..policies import stack
    from ..settings import Settings

    return stack.setting(account or Settings.from_env().provider, policy, setting)


def to_number(given: str) -> str:
    """Return the phone number ``given`` in E.164. A national number needs SMSBRIDGE_DEFAULT_REGION.

    Raises click.UsageError if ``given`` is not a phone number.
    """
    from ..errors import RecipientError
    from ..phone import to_e164
    from ..settings import Settings

    try:
        return to_e164(given, Settings.from_env().default_region)
    except RecipientError as error:
        raise click.UsageError(str(error)) from None


class Watcher:
    """Remember the outcome of the text that was sent last, so that a command can report it after Ctrl-C.

    A Watcher is a hook of the client.
    """

    def __init__(self) -> None:
        self.sent: SentMessage | Verification | None = None
        self.error: SendError | None = None

    @hookimpl
    def smsbridge_after_send(self, sent: SentMessage | Verification) -> None:
        self.sent = sent

    @hookimpl
    def smsbridge_send_failed(self, error: SendError) -> None:
        self.error = error

    def conclude(self, out: Output, interrupt: KeyboardInterrupt) -> Exit:
        """Print what is known about the text that was sent last, and return the exit code.

        Raises ``interrupt``, which is Ctrl-C, if nothing is known.
        """
        if self.sent is not None:
            out.aside(
                f"interrupted: {self.sent.provider} took the text, id {self.sent.id}, reference {self.sent.reference}"
            )
            out.aside("next: do not send it again")
        elif self.error is not None:
            from .advice import explain

            explain(out, self.error, code=code_of(interrupt))
        else:
            raise interrupt
        return code_of(interrupt)


@dataclass(slots=True)
class Started:
    """Hold a text that a command began to send. The hooks of the client add the outcome when it is known."""

    message: Message
    sent: SentMessage | None = None
    error: SendError | None = None


class Journal:
    """Remember the texts that were started and whose results are not printed yet, for a report after Ctrl-C.

    A Journal is a hook of the client.
    """

    def __init__(self) -> None:
        # By the message's identity, because two messages may have the same reference.
        self._started: dict[int, Started] = {}
        self._closed = False

    @hookimpl
    def smsbridge_before_send(self, message: Message) -> None:
        self._started[id(message)] = Started(message)
        if self._closed:
            raise RuntimeError("interrupted from the keyboard")

    @hookimpl
    def smsbridge_after_send(self, message: Message, sent: SentMessage) -> None:
        if started := self._started.get(id(message)):
            started.sent = sent

    @hookimpl
    def smsbridge_send_failed(self, message: Message, error: SendError) -> None:
        if started := self._started.get(id(message)):
            started.error = error

    def forget(self, message: Message) -> None:
        """Forget a text, because its result is printed."""
        self._started.pop(id(message), None)

    def unsettled(self) -> int:
        """Return the number of texts that were started and have no outcome yet."""
        return sum(started.sent is None and started.error is None for started in list(self._started.values()))

    def close(self) -> list[Started]:
        """Let no more texts start. Returns all texts that were started and whose results are not printed."""
        self._closed = True
        return list(self._started.values())


def open_client(account: str | None, out: Output, *, watcher: Watcher | Journal | None = None) -> SmsClient:
    """Make a client for ``account``, or for the account that SMSBRIDGE_PROVIDER names.

    ``watcher`` becomes a hook of the client. If ``out`` shows numbers in full, a provider that prints its texts shows
    them in full, too. Raises ConfigurationError if no client can be made.
    """
    from .. import plugins
    from ..client import SmsClient
    from ..settings import Settings

    settings = Settings.from_env()
    known = plugins.default_plugins()
    provider = known.stack(account or settings.provider)
    if out.show_numbers:
        provider = _with_numbers(provider)
    if watcher is not None:
        known.register(watcher)
    return SmsClient(provider, settings=settings, plugins=known)


def _with_numbers(provider: SmsProvider) -> SmsProvider:
    """``provider``; if it prints numbers, it prints them in full."""
    from ..policies.policy import Policy

    if isinstance(provider, Policy):
        return provider.model_copy(update={"inner": _with_numbers(provider.inner)})
    if "show_numbers" in type(provider).model_fields:
        return provider.model_copy(update={"show_numbers": True})
    return provider
