"""Send many messages: read, batch and count them, for both clients. Memory stays bounded."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import warnings
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Generic, Self, TypeVar

from .errors import ConfigurationError, RefusedError
from .messages import Message, Result
from .plain import kind_of
from .provider import Capability, SmsProvider, title_of
from .workers import Workers

_MOST_OPEN_BATCHES = 16

Job = list[Result]
"""Messages to send together: Results with an index and a message, but no outcome yet."""

S = TypeVar("S")
Blocking = Callable[[Job, list[Result]], None]
Awaited = Callable[[Job, list[Result]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sender(Generic[S]):
    """The parts of a client that the sending of many messages needs.

    ``prepare`` checks a message. ``send`` gets a list of messages to send, and adds a Result for each of them to a
    second list.
    """

    provider: SmsProvider
    concurrency: int
    prepare: Callable[[Message], Message]
    send: S
    is_closed: Callable[[], bool]


def not_prepared(index: int, message: Message, error: RefusedError) -> Result:
    """Return the Result of a message that was refused before it reached a provider.

    ``index`` is the message's place.
    """
    return Result(index=index, message=replace(message, reference=error.reference), error=error)


class ClosedMeanwhile(RuntimeError):
    """Raised by ``send_many`` if the client was closed before all messages were read."""

    def __init__(self) -> None:
        words = (
            "this client is closed, so not all messages were read; .unsent has the messages that were read but not sent"
        )
        super().__init__(words)


class _Many(Generic[S]):
    """The base class of SendMany and AsyncSendMany: it reads messages, makes batches and counts results.

    A message stays in ``_read`` from the moment it is read until its result is handed out, also after interruptions.
    All state changes in single steps, since a signal may interrupt the iterating thread after any call.
    """

    def __init__(self, sender: Sender[S]) -> None:
        self._sender = sender
        provider = sender.provider
        self._concurrency = sender.concurrency
        self._batch_size = provider.batch_size if Capability.BATCH in provider.capabilities else 1
        if self._batch_size < 1:
            raise ConfigurationError(f"{title_of(provider)}: batch_size has to be at least 1")
        self._read: dict[int, Message] = {}
        self._open: dict[Hashable, Job] = {}
        # Complete jobs by number: about to be sent, or on their way.
        self._jobs: dict[int, Job] = {}
        # The jobs among them that have not begun; a job begins when it is taken out.
        self._waiting: dict[int, Job] = {}
        self._ready: deque[Result] = deque()
        self._problems: deque[BaseException] = deque()
        self._count = 0
        self._started = False
        self._exhausted = False
        self._closed = False

    @property
    def unsent(self) -> list[Message]:
        """The messages that were read but not sent, and have no Result. Such messages exist only after an early end.

        The list is empty until the end.
        """
        if not self._closed:
            return []
        elsewhere = {row.index for job in list(self._jobs.values()) for row in job}
        elsewhere.update(result.index for result in self._ready.copy())
        return [message for index, message in self._read.items() if index not in elsewhere]

    def _hungry(self) -> bool:
        """Return whether to read more: if a request is free, and results do not pile up before a slow consumer."""
        if self._sender.is_closed() and not self._exhausted:
            self._complain(ClosedMeanwhile())
        return (
            not self._exhausted
            and len(self._jobs) < self._concurrency
            and len(self._ready) < self._concurrency * self._batch_size
        )

    def _take(self, index: int) -> Job | None:
        """Put the message read at ``index`` into a job. Returns the job that is now complete, if any."""
        message = self._read[index]
        if not isinstance(message, Message):
            kind = kind_of(message)
            # It may hold a number and a text, and so would this frame in a traceback.
            del message, self._read[index]
            raise TypeError(f"send_many takes Messages, not {kind}: write Message(to=..., text=...)")
        try:
            row = Result(index=index, message=self._sender.prepare(message))
        except RefusedError as error:
            self._ready.append(not_prepared(index, message, error))
            return None
        self._read[index] = row.message
        if self._batch_size <= 1:
            return [row]
        try:
            key = self._sender.provider.batch_key(row.message)
        # Sent alone, the message gets a classified error for the same fault.
        except Exception:  # noqa: BLE001
            return [row]
        job = self._open.setdefault(key, [])
        job.append(row)
        if len(job) >= self._batch_size:
            return self._open.pop(key)
        if len(self._open) > _MOST_OPEN_BATCHES:
            return self._open.pop(next(iter(self._open)))
        return None

    def _number(self, job: Job) -> int:
        """Register ``job`` as about to be sent. Returns its number."""
        # The index is unique to this job.
        number = job[0].index
        self._jobs[number] = self._waiting[number] = job
        return number

    def _complain(self, error: BaseException) -> None:
        """Raise ``error`` after the last result, and read no more messages."""
        self._exhausted = True
        if not any(type(error) is type(known) for known in self._problems):
            self._problems.append(error)

    def _left_over(self) -> Job | None:
        """Return a batch that never became full, at the end of the input; None if there is none to send now."""
        busy = len(self._jobs) >= self._concurrency
        return self._open.pop(next(iter(self._open))) if self._exhausted and self._open and not busy else None

    def _stop(self) -> None:
        if not self._started and not self._closed:
            warnings.warn("send_many() was never iterated, so nothing was sent", RuntimeWarning, stacklevel=3)
        self._closed = self._exhausted = True
        self._open.clear()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            if self._started:
                self._closed = True
                words = f"; messages read and not sent: {len(self.unsent)}" if self.unsent else ""
                warnings.warn(
                    f"send_many() was left before its end; use it in a with block{words}", ResourceWarning, stacklevel=2
                )
            else:
                self._stop()


class SendMany(_Many[Blocking]):
    """The return value of ``SmsClient.send_many``: iterate over it to get a Result for each message.

    It is also a context manager, which calls :meth:`close` at the end.
    """

    def __init__(self, sender: Sender[Blocking], messages: Iterable[Message]) -> None:
        # An islice has __next__ and __iter__ for every kind of iterable.
        self._input = islice(messages, None)
        super().__init__(sender)
        self._workers = Workers(self._concurrency)
        self._reader: int | None = None
        # Whether an interrupt may have kept a job from its thread.
        self._unsure = False
        # Free when a result has arrived. The lock inside an Event could stay taken after an interrupt.
        self._wake = threading.Lock()
        self._wake.acquire()

    def __iter__(self) -> Iterator[Result]:
        return self

    def __next__(self) -> Result:
        self._started = True
        self._reader = threading.get_ident()
        if self._unsure:
            self._hand_over()
        while True:
            self._fill()
            # Checked before the results: a job ends only after its results have arrived.
            idle = not self._jobs
            if self._ready:
                self._read.pop(self._ready[0].index, None)
                try:
                    return self._ready[0]
                finally:
                    # Not popleft(): an interrupt comes after a call, and would lose the result.
                    del self._ready[0]
            if idle:
                self.close()
                if self._problems:
                    raise self._problems.popleft()
                raise StopIteration
            self._wake.acquire()

    def close(self) -> None:
        """Stop reading messages, and wait for the texts that are being sent. The hooks are told of these texts too.

        You may iterate further to get the Results of these texts.
        """
        self._stop()
        if self._unsure:
            self._hand_over()
        while self._jobs:
            self._wake.acquire()
        self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an exception, no warning is needed that nothing was sent.
        if error is not None:
            self._started = True
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_workers"):
            self._workers.dismiss()
        super().__del__()

    def _fill(self) -> None:
        messages, read = self._input, self._read
        while self._hungry():
            try:
                # Read into its place immediately, where it is found after an interrupt.
                for read[self._count] in messages:
                    self._count += 1
                    break
                else:
                    self._exhausted = True
                    break
                job = self._take(self._count - 1)
            # Raised once all messages read have their results.
            except Exception as error:  # noqa: BLE001
                self._complain(error)
            else:
                if job is not None:
                    self._start(job)
        while job := self._left_over():
            self._start(job)

    def _start(self, job: Job) -> None:
        self._unsure = True
        self._put(self._number(job))
        self._unsure = False

    def _hand_over(self) -> None:
        """Give all waiting jobs to threads after an interrupt, which may have kept jobs from their threads.

        A job that is given to two threads does no harm: the second thread finds nothing.
        """
        for number in list(self._waiting):
            self._put(number)
        self._unsure = False

    def _put(self, number: int) -> None:
        context = contextvars.copy_context()
        self._workers.put(lambda: context.run(self._work, number), len(self._jobs))

    def _work(self, number: int) -> None:
        job = self._waiting.get(number)
        try:
            # Only the first thread can do this.
            del self._waiting[number]
        except KeyError:
            return
        landed: list[Result] = []
        try:
            self._sender.send(job or [], landed)
        except BaseException as error:
            if not isinstance(error, Exception) and threading.get_ident() == self._reader:
                raise
            self._complain(ClosedMeanwhile() if self._sender.is_closed() else error)
        finally:
            # Operators, after which no interrupt comes, unlike after calls.
            self._ready += landed
            del self._jobs[number]
            # It is already free.
            with contextlib.suppress(RuntimeError):
                self._wake.release()


class AsyncSendMany(_Many[Awaited]):
    """The return value of ``AsyncSmsClient.send_many``: iterate with ``async for`` to get a Result for each message.

    It is also an async context manager, which calls :meth:`aclose` at the end.
    """

    def __init__(
        self,
        sender: Sender[Callable[[Job, list[Result]], Awaitable[None]]],
        messages: Iterable[Message] | AsyncIterable[Message],
    ) -> None:
        self._messages = aiter(messages) if isinstance(messages, AsyncIterable) else None
        self._input = islice(messages, None) if not isinstance(messages, AsyncIterable) else islice((), None)
        super().__init__(sender)
        self._flights: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[Result]:
        return self

    async def __anext__(self) -> Result:
        self._started = True
        while True:
            await self._fill()
            if self._ready:
                self._read.pop(self._ready[0].index, None)
                return self._ready.popleft()
            if not self._flights:
                await self.aclose()
                if self._problems:
                    raise self._problems.popleft()
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()

    async def aclose(self) -> None:
        """Stop reading messages, and wait for the texts that are being sent. The hooks are told of these texts too.

        You may iterate further to get the Results of these texts. If this call is cancelled, it cancels the texts in
        flight.
        """
        self._stop()
        try:
            if self._flights:
                await asyncio.wait(self._flights)
        except asyncio.CancelledError:
            for flight in self._flights:
                flight.cancel()
            await asyncio.gather(*self._flights, return_exceptions=True)
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._started = True
        await self.aclose()

    async def _fill(self) -> None:
        while self._hungry():
            try:
                if not await self._read_one():
                    self._exhausted = True
                    break
                job = self._take(self._count - 1)
            # The cancellation has ended an async generator, which cannot be read any more.
            except asyncio.CancelledError:
                self._complain(RuntimeError("cancelled while reading the messages: the rest was not sent"))
                raise
            # Raised once all messages read have their results.
            except Exception as error:  # noqa: BLE001
                self._complain(error)
            else:
                if job is not None:
                    self._start(job)
        while job := self._left_over():
            self._start(job)

    async def _read_one(self) -> bool:
        """Read a message into its place. Returns false at the end of the input."""
        if self._messages is not None:
            try:
                self._read[self._count] = await anext(self._messages)
            except StopAsyncIteration:
                return False
            self._count += 1
            return True
        messages, read = self._input, self._read
        for read[self._count] in messages:
            self._count += 1
            return True
        return False

    def _start(self, job: Job) -> None:
        number = self._number(job)
        flight = asyncio.get_running_loop().create_task(self._work(number))
        self._flights.add(flight)
        flight.add_done_callback(partial(self._land, number))

    async def _work(self, number: int) -> None:
        job = self._waiting.pop(number)
        landed: list[Result] = []
        try:
            await self._sender.send(job, landed)
        # The error belongs to the iterating task.
        except Exception as error:  # noqa: BLE001
            self._complain(ClosedMeanwhile() if self._sender.is_closed() else error)
        finally:
            self._ready += landed
            del self._jobs[number]

    def _land(self, number: int, flight: asyncio.Task[None]) -> None:
        # The task was cancelled before it began.
        if self._waiting.pop(number, None) is not None:
            del self._jobs[number]
        self._flights.discard(flight)
        self._wake.set()
