"""SmsClient and AsyncSmsClient, and the functions of the shared client, such as ``send``.

Both clients run the same flows, and differ only in how they perform a flow's steps. Neither opens a connection, or
imports httpx, before a flow asks for a request.
"""

from __future__ import annotations

import asyncio
import atexit
import math
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

from .base_client import AS_SET, BaseClient, not_a_step, opened
from .composite import close
from .deadline import end
from .errors import NotConnected
from .flow import Await, Call, Driven, Flow, Step, Tell, Wait
from .history import History, TextFilters, TextRecord
from .http import HttpRequest
from .many import AsyncSendMany, Job, SendMany
from .messages import (
    Balance,
    DeliveryReport,
    Message,
    MessageFields,
    Purpose,
    Received,
    Result,
    SentMessage,
    Verification,
    VerificationCheck,
)
from .privacy import bare
from .rehearsal import newest, staged
from .waiting import await_for, bound, in_thread, tell_in_thread, wait_for

if TYPE_CHECKING:
    from .rehearsal import Rehearsal
    from .wire import AsyncTransport, Transport

T = TypeVar("T")


class SmsClient(BaseClient["Transport"]):
    """Sends text messages through one account, blocking. Threads may share a client.

    ``provider`` is the name of a provider or an account, or a provider object; default: ``SMSBRIDGE_PROVIDER``, or
    ``console`` if that is not set. ``transport`` carries the requests instead of the built-in transport over httpx; the
    client closes it at the end. Raises ConfigurationError for settings that are missing or wrong.

    The environment is read once, while the client is made. ``environ`` is a mapping that replaces the environment, such
    as the settings of a tenant. Then the variables of the process and ``.env`` are not read, and a secrets directory
    only if ``environ`` names it.
    """

    def send(self, to: str | Message, text: str | None = None, **fields: Unpack[MessageFields]) -> SentMessage:
        """Send ``text`` to the phone number ``to``, and return the accepted text. ``to`` may also be a whole Message.

        ``fields`` are optional fields of the Message, such as ``sender``. Raises RefusedError (certainly not sent; its
        subclass says why) or UncertainError (may have been sent: look the text up by its reference before you send it
        again).
        """
        message = _message(to, text, fields)
        # The frames of a traceback should hold no text.
        del to, text, fields
        return self._run(self._send(message))

    def try_send(self, to: str | Message, text: str | None = None, **fields: Unpack[MessageFields]) -> Result:
        """Send like :meth:`send`, and return a Result with the outcome instead of raising a SendError.

        Either ``result.sent`` or ``result.error`` is set. If ``result.may_have_arrived``, do not send the text again
        before you have looked it up. Mistakes in the program, such as a closed client or a time without a zone, still
        raise an error.
        """
        message = _message(to, text, fields)
        del to, text, fields
        return self._run(self._try_send(message))

    def send_many(self, messages: Iterable[Message]) -> SendMany:
        """Send many messages.

        Iterate over the returned SendMany: it gives a Result per message as soon as each is complete.

        The iterating thread reads ``messages`` as they are needed. ``settings.concurrency`` threads send them, in
        batches if the provider can. Memory stays bounded. If ``messages`` raises an error, it is raised after the last
        Result.
        """
        return SendMany(self._sender(self._send_rows), messages)

    def status(self, sent: SentMessage | str, *, account: str | None = None) -> DeliveryReport:
        """Ask the vendor for the status of a text. ``sent`` is the result of ``send``, or its id.

        For an id, ``account`` is the account that accepted the text; default: the client's own. Raises NotFoundError if
        the vendor does not know the id, and QueryError if the question fails.
        """
        return self._run(self._status(sent, account))

    def lookup(self, reference: str) -> SentMessage | None:
        """Ask the vendor whether it accepted a text with this reference.

        Returns the text, or None if the vendor finds no such text: None alone does not prove that nothing was sent.
        Raises QueryError if the question fails.
        """
        return self._run(self._lookup(reference))

    def history(self, reference: str) -> History | None:
        """Return the text with this reference from the ledger, and the delivery reports that came for this text.

        Returns None if the ledger has no such text. The vendor is not asked. Raises ConfigurationError if the client
        has no ledger, or if the ledger cannot be read.
        """
        return self._run(self._history(reference))

    def texts(self, **filters: Unpack[TextFilters]) -> Iterator[TextRecord]:
        """Iterate over the texts in the ledger that match all ``filters``, the oldest first.

        :class:`TextFilters` explains the filters. Memory stays bounded. Raises ConfigurationError if the client has no
        ledger or it cannot be read, RecipientError if ``to`` is not a phone number, TypeError for an unknown filter,
        and ValueError for a wrong value.
        """
        wanted, after = self._wanted(filters), 0
        while page := self._run(self._texts(wanted, after)):
            for number, text in page:
                after = number
                yield text

    def balance(self) -> list[Balance]:
        """Ask the vendor for the balance of the account. Returns a Balance for each service. Raises QueryError."""
        return self._run(self._balance())

    def start_verification(
        self, to: str | Message, text: str | None = None, **fields: Unpack[MessageFields]
    ) -> Verification:
        """Have the vendor send a one-time code to ``to``, and return the Verification to check the code with.

        ``text`` may be a template with ``{code}`` in the place of the code. Raises the same errors as :meth:`send`.
        """
        message = _verification_message(to, text, fields)
        del to, text, fields
        return self._run(self._start_verification(message))

    def check_verification(
        self, verification: Verification | str, code: str, *, account: str | None = None
    ) -> VerificationCheck:
        """Ask the vendor whether ``code``, which a person typed in, is right. A wrong code is an answer, not an error.

        ``verification`` is the result of :meth:`start_verification`, or its id. For an id, ``account`` is the account
        that accepted the code; default: the client's own. Raises QueryError if the question fails.
        """
        flow = self._check_verification(verification, code, account)
        # The frames of a traceback should hold no code.
        del code
        return self._run(flow)

    def cancel_verification(self, verification: Verification | str, *, account: str | None = None) -> None:
        """Tell the vendor that a one-time code is no longer valid.

        ``verification`` is the result of :meth:`start_verification`, or its id. For an id, ``account`` is the account
        that accepted the code; default: the client's own. Raises QueryError if this fails.
        """
        self._run(self._cancel_verification(verification, account))

    def receive(self, webhook: HttpRequest, *, account: str | None = None) -> Received:
        """Verify a vendor's webhook, and call the hook ``smsbridge_event`` for each of its events.

        Pass the webhook unchanged, and send ``.response`` of the result to the vendor as the answer. If ``account`` is
        set, only this account of the client may verify the webhook. Raises SignatureError or PayloadError (answer with
        ``error.status``). Errors of a hook are raised too, so that the vendor gets a 500 and delivers the webhook
        again.
        """
        return self._run(self._receive(webhook, account), None)

    def close(self) -> None:
        """Close all connections, and finish writing the records of policies, such as the ledger.

        Later calls raise RuntimeError.
        """
        self._closed = True
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        close(self._provider)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _run(self, flow: Flow[T], seconds: float | None = AS_SET) -> T:
        flow = staged(flow, self, self._let_out)
        before, until = self._begin(seconds)
        run: Driven[T] | None = None
        try:
            self._check_open()
            run = Driven(flow)
            while run.step is not None:
                run.perform(self._perform, run.step, until)
            return run.value
        finally:
            if run is not None:
                run.drop()
            flow.close()
            # Not reset(): a dropped coroutine ends in another context.
            end.set(before)

    def _send_rows(self, job: Job, landed: list[Result]) -> None:
        self._run(self._job(job, landed), math.inf)

    def _perform(self, step: Step[Any], until: float | None = None) -> Any:
        if isinstance(step, Tell):
            return step.function(*step.args)
        left = self._left(step, until)
        if isinstance(step, HttpRequest):
            transport = self._transport
            if transport is None:
                transport = opened(self._connect)
                # Again, since the first connection imports much.
                left = self._left(step, until)
            return transport.send(step, within=bound(left))
        if isinstance(step, Call):
            return step.function(*step.args)
        if isinstance(step, Wait):
            return time.sleep(step.seconds)
        if isinstance(step, Await):
            return wait_for(step, left)
        raise not_a_step(step)

    def _connect(self) -> Transport:
        from .wire.over_httpx import Transport  # imported here, because it imports httpx

        with self._lock:
            if self._closed:
                raise NotConnected("the client was closed: make a new client")
            if self._transport is None:
                self._check_fit()
                self._connected = self._transport = Transport(timeout=self.settings.timeout)
            return self._transport


class AsyncSmsClient(BaseClient["AsyncTransport"]):
    """Sends text messages through one account from asyncio. It has the methods of SmsClient, which have to be awaited.

    Several event loops may use the same client, in turn or in threads at the same time: each loop has separate
    connections, which are closed when the loop ends.
    """

    async def send(self, to: str | Message, text: str | None = None, **fields: Unpack[MessageFields]) -> SentMessage:
        """Send a text, and return the accepted text. Arguments and errors are those of :meth:`SmsClient.send`.

        If the task is cancelled, the hooks are told whether the text may have been sent.
        """
        message = _message(to, text, fields)
        del to, text, fields
        return await self._run(self._send(message))

    async def try_send(self, to: str | Message, text: str | None = None, **fields: Unpack[MessageFields]) -> Result:
        """Send a text, and return a Result instead of raising a SendError, as :meth:`SmsClient.try_send` does."""
        message = _message(to, text, fields)
        del to, text, fields
        return await self._run(self._try_send(message))

    def send_many(self, messages: Iterable[Message] | AsyncIterable[Message]) -> AsyncSendMany:
        """Send many messages. Iterate over the returned AsyncSendMany with ``async for``, for a Result per message.

        Up to ``settings.concurrency`` requests are in flight at a time. The iterating task reads ``messages`` as they
        are needed. In all other points this is like :meth:`SmsClient.send_many`.
        """
        return AsyncSendMany(self._sender(self._send_rows), messages)

    async def status(self, sent: SentMessage | str, *, account: str | None = None) -> DeliveryReport:
        """Ask the vendor for the status of a text. Arguments and errors are those of :meth:`SmsClient.status`."""
        return await self._run(self._status(sent, account))

    async def lookup(self, reference: str) -> SentMessage | None:
        """Ask the vendor whether it accepted a text with this reference. Returns the text, or None.

        :meth:`SmsClient.lookup` explains what None means.
        """
        return await self._run(self._lookup(reference))

    async def history(self, reference: str) -> History | None:
        """Return the text with this reference from the ledger, and its delivery reports.

        Errors and the answer None are those of :meth:`SmsClient.history`.
        """
        return await self._run(self._history(reference))

    async def texts(self, **filters: Unpack[TextFilters]) -> AsyncIterator[TextRecord]:
        """Iterate with ``async for`` over the texts in the ledger that match all ``filters``.

        Filters, order and errors are those of :meth:`SmsClient.texts`.
        """
        wanted, after = self._wanted(filters), 0
        while page := await self._run(self._texts(wanted, after)):
            for number, text in page:
                after = number
                yield text

    async def balance(self) -> list[Balance]:
        """Ask the vendor for the balance of the account. Returns a Balance for each service. Raises QueryError."""
        return await self._run(self._balance())

    async def start_verification(
        self, to: str | Message, text: str | None = None, **fields: Unpack[MessageFields]
    ) -> Verification:
        """Have the vendor send a one-time code.

        Arguments and errors are those of :meth:`SmsClient.start_verification`.
        """
        message = _verification_message(to, text, fields)
        del to, text, fields
        return await self._run(self._start_verification(message))

    async def check_verification(
        self, verification: Verification | str, code: str, *, account: str | None = None
    ) -> VerificationCheck:
        """Ask the vendor whether a one-time code is right, as :meth:`SmsClient.check_verification` does."""
        flow = self._check_verification(verification, code, account)
        del code
        return await self._run(flow)

    async def cancel_verification(self, verification: Verification | str, *, account: str | None = None) -> None:
        """Tell the vendor that a one-time code is no longer valid, as :meth:`SmsClient.cancel_verification` does."""
        await self._run(self._cancel_verification(verification, account))

    async def receive(self, webhook: HttpRequest, *, account: str | None = None) -> Received:
        """Verify a vendor's webhook, and call the hooks for its events, like :meth:`SmsClient.receive`.

        The hooks run in a thread.
        """
        return await self._run(self._receive(webhook, account), None)

    async def aclose(self) -> None:
        """Close all connections, and finish writing the records of policies, such as the ledger.

        Later calls raise RuntimeError.
        """
        self._closed = True
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()
        await asyncio.to_thread(close, self._provider)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _run(self, flow: Flow[T], seconds: float | None = AS_SET) -> T:
        flow = staged(flow, self, self._let_out)
        before, until = self._begin(seconds)
        run: Driven[T] | None = None
        try:
            self._check_open()
            run = Driven(flow)
            while run.step is not None:
                await run.perform_async(self._perform, run.step, until)
            return run.value
        finally:
            if run is not None:
                run.drop()
            flow.close()
            # Not reset(): a dropped coroutine ends in another context.
            end.set(before)

    async def _send_rows(self, job: Job, landed: list[Result]) -> None:
        await self._run(self._job(job, landed), math.inf)

    async def _perform(self, step: Step[Any], until: float | None = None) -> Any:
        if isinstance(step, Tell):
            return await tell_in_thread(step)
        left = self._left(step, until)
        if isinstance(step, HttpRequest):
            transport = self._transport
            if transport is None:
                transport = opened(self._connect)
                left = self._left(step, until)
            return await transport.send(step, within=bound(left))
        if isinstance(step, Call):
            return await in_thread(step, left)
        if isinstance(step, Wait):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Await):
            return await await_for(step, left)
        raise not_a_step(step)

    def _connect(self) -> AsyncTransport:
        from .wire.over_httpx import AsyncTransport  # imported here, because it imports httpx

        # Event loops may run in several threads.
        with self._lock:
            if self._closed:
                raise NotConnected("the client was closed: make a new client")
            if self._transport is None:
                self._check_fit()
                self._connected = self._transport = AsyncTransport(timeout=self.settings.timeout)
            return self._transport


# --- inside -----------------------------------------------------------------------------------------------------------


def _message(to: str | Message | Exception, text: str | None, fields: MessageFields) -> Message | Exception:
    """Return the message, or an error to raise later, where no frame of ours holds the number and the text."""
    if isinstance(to, Message | Exception):
        if text is None and not fields:
            return to
        return TypeError("give a Message, or a number, a text and fields, but not both")
    try:
        return Message(to=to, text=cast("Any", text), **cast("Any", fields))
    except Exception as error:  # noqa: BLE001  # also what a lazy text raises
        return bare(error)


def _verification_message(to: str | Message, text: str | None, fields: MessageFields) -> Message | Exception:
    if isinstance(to, Message):
        return _message(to, text, fields)
    fields.setdefault("purpose", Purpose.OTP)
    return _message(to, "" if text is None else text, fields)


# --- the shared client of the process ---------------------------------------------------------------------------------


@cache
def _shared_client() -> SmsClient:
    shared = SmsClient()
    atexit.register(shared.close)
    return shared


def client() -> SmsClient:
    """Return the client that the functions of this module, such as :func:`send`, share in this process.

    It sends through the provider that the environment names. The environment is read once, at the first call. Raises
    ConfigurationError for settings that are missing or wrong.
    """
    rehearsal = newest()
    if rehearsal is None:
        return _shared_client()
    return rehearsal.instead_of(_shared_client, lambda: _ending_with(rehearsal))


def _ending_with(rehearsal: Rehearsal) -> SmsClient:
    """Make the shared client of a rehearsal, which reads the environment again."""
    shared = SmsClient()
    rehearsal.at_end.callback(shared.close)
    return shared


def send(to: str | Message, text: str | None = None, **fields: Unpack[MessageFields]) -> SentMessage:
    """Send a text through the shared :func:`client`, and return the accepted text.

    Arguments and errors are those of :meth:`SmsClient.send`.
    """
    message = cast("Message", _message(to, text, fields))
    del to, text, fields
    return client().send(message)


def try_send(to: str | Message, text: str | None = None, **fields: Unpack[MessageFields]) -> Result:
    """Send a text through the shared :func:`client`, and return the outcome as a Result.

    Arguments and errors are those of :meth:`SmsClient.try_send`.
    """
    message = cast("Message", _message(to, text, fields))
    del to, text, fields
    return client().try_send(message)


def send_many(messages: Iterable[Message]) -> SendMany:
    """Send many messages through the shared :func:`client`. See :meth:`SmsClient.send_many`."""
    return client().send_many(messages)


def lookup(reference: str) -> SentMessage | None:
    """Ask through the shared :func:`client` whether the vendor accepted a text with this reference.

    Returns the text, or None. :meth:`SmsClient.lookup` explains what None means.
    """
    return client().lookup(reference)


class _CallableModule(ModuleType):
    """The class of this module, which makes the module callable like the function :func:`client`.

    A package has its modules as attributes, so ``smsbridge.client`` is this module, and ``smsbridge.client()`` has to
    work.
    """

    def __call__(self) -> SmsClient:
        return client()


sys.modules[__name__].__class__ = _CallableModule
