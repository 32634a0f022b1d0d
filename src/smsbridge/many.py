"""Many messages at once: reading, batching and counting, for both clients. Memory stays bounded."""

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
"""Messages to be sent together: Results with an index and a message, but no outcome yet."""

S = TypeVar("S")
Blocking = Callable[[Job, list[Result]], None]
Awaited = Callable[[Job, list[Result]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sender(Generic[S]):
    """What sending many asks of a client: ``send`` puts a Result for each message of a job into the given list."""

    provider: SmsProvider
    concurrency: int
    prepare: Callable[[Message], Message]
    send: S
    is_closed: Callable[[], bool]


def not_prepared(index: int, message: Message, error: RefusedError) -> Result:
    """The Result of a message that was refused before it could be handed to a provider."""
    return Result(index=index, message=replace(message, reference=error.reference), error=error)


class ClosedMeanwhile(RuntimeError):
    """The client was closed before the end of the input was seen."""

    def __init__(self) -> None:
        words = (
            "this client is closed, so the messages were not read to their end; .unsent has those that were not sent"
        )
        super().__init__(words)


class _Many(Generic[S]):
    """What both ways of sending many share: reading, batching and counting.

    A message is in ``_read`` from the moment it is read until its result is handed out, whatever happens in between.
    What is changed here is changed in single steps, since a signal may interrupt the thread that iterates after any
    call.
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
        self._jobs: dict[int, Job] = {}  # complete, by number: about to be sent, or on their way
        self._waiting: dict[int, Job] = {}  # those of them that nothing has begun; to take one out is to begin it
        self._ready: deque[Result] = deque()
        self._problems: deque[BaseException] = deque()
        self._count = 0
        self._started = False
        self._exhausted = False
        self._closed = False

    @property
    def unsent(self) -> list[Message]:
        """After the end, an early one above all: messages that were read but not sent, and have no result."""
        if not self._closed:
            return []
        elsewhere = {row.index for job in list(self._jobs.values()) for row in job}
        elsewhere.update(result.index for result in self._ready.copy())
        return [message for index, message in self._read.items() if index not in elsewhere]

    def _hungry(self) -> bool:
        """Whether to read on: requests to spare, and results not piling up before somebody who is slow to take them."""
        if self._sender.is_closed() and not self._exhausted:
            self._complain(ClosedMeanwhile())
        return (
            not self._exhausted
            and len(self._jobs) < self._concurrency
            and len(self._ready) < self._concurrency * self._batch_size
        )

    def _take(self, index: int) -> Job | None:
        """Take the message in that was read at ``index``; returns a job if one is now complete."""
        message = self._read[index]
        if not isinstance(message, Message):
            kind = kind_of(message)
            del message, self._read[index]  # it may hold a number and a text, as this frame would
            raise TypeError(f"send_many takes Messages, not {kind}")
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
        except Exception:  # noqa: BLE001  # sent alone, the same fault gets its own, classified error
            return [row]
        job = self._open.setdefault(key, [])
        job.append(row)
        if len(job) >= self._batch_size:
            return self._open.pop(key)
        if len(self._open) > _MOST_OPEN_BATCHES:
            return self._open.pop(next(iter(self._open)))
        return None

    def _number(self, job: Job) -> int:
        """Count ``job`` among those that are about to be sent."""
        number = job[0].index  # which no other job has
        self._jobs[number] = self._waiting[number] = job
        return number

    def _complain(self, error: BaseException) -> None:
        """Have ``error`` raised after the last result, and take no more input."""
        self._exhausted = True
        if not any(type(error) is type(known) for known in self._problems):
            self._problems.append(error)

    def _left_over(self) -> Job | None:
        """At the end of the input, the batches that never became full."""
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
    """What ``SmsClient.send_many`` returns: a context manager, and an iterator over one Result per message."""

    def __init__(self, sender: Sender[Blocking], messages: Iterable[Message]) -> None:
        self._input = islice(messages, None)  # which has __iter__ too, whatever it is given
        super().__init__(sender)
        self._workers = Workers(self._concurrency)
        self._reader: int | None = None
        self._unsure = False  # whether an interrupt may have kept a job from its thread
        self._wake = threading.Lock()  # free when something has landed; an Event's own lock would outlive an interrupt
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
            idle = not self._jobs  # asked first: a flight is over only after its results are here
            if self._ready:
                self._read.pop(self._ready[0].index, None)
                try:
                    return self._ready[0]
                finally:
                    del self._ready[0]  # not popleft(): an interrupt comes after a call, and would lose the result
            if idle:
                self.close()
                if self._problems:
                    raise self._problems.popleft()
                raise StopIteration
            self._wake.acquire()

    def close(self) -> None:
        """Take no more input, and wait for what is in flight.

        Iterate on for what became of it. The hooks are told too.
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
        if error is not None:
            self._started = True  # whoever left by an exception need not be told that nothing was sent
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_workers"):
            self._workers.dismiss()
        super().__del__()

    def _fill(self) -> None:
        messages, read = self._input, self._read
        while self._hungry():
            try:
                for read[self._count] in messages:  # into its place at once: an interrupt finds it there
                    self._count += 1
                    break
                else:
                    self._exhausted = True
                    break
                job = self._take(self._count - 1)
            except Exception as error:  # noqa: BLE001  # raised once all that was taken has its result
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
        """After an interrupt.

        Jobs may still be without a thread. To give them to two does no harm, the second finds nothing.
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
            del self._waiting[number]  # which can be done once
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
            self._ready += landed  # by operators, after which no interrupt comes
            del self._jobs[number]
            with contextlib.suppress(RuntimeError):  # it is free already
                self._wake.release()


class AsyncSendMany(_Many[Awaited]):
    """What ``AsyncSmsClient.send_many`` returns: an async context manager and iterator over one Result per message."""

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
        """Take no more input, and wait for what is in flight: iterate on for what became of it. The hooks are told too.

        If cancelled, cancel what is in flight.
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
            except asyncio.CancelledError:  # which has ended an async generator: it cannot be asked again
                self._complain(RuntimeError("cancelled while reading the messages: the rest was not sent"))
                raise
            except Exception as error:  # noqa: BLE001  # raised once all that was taken has its result
                self._complain(error)
            else:
                if job is not None:
                    self._start(job)
        while job := self._left_over():
            self._start(job)

    async def _read_one(self) -> bool:
        """Read one message into its place; false at the end of the input."""
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
        except Exception as error:  # noqa: BLE001  # it belongs to the task that iterates
            self._complain(ClosedMeanwhile() if self._sender.is_closed() else error)
        finally:
            self._ready += landed
            del self._jobs[number]

    def _land(self, number: int, flight: asyncio.Task[None]) -> None:
        if self._waiting.pop(number, None) is not None:  # cancelled before it began
            del self._jobs[number]
        self._flights.discard(flight)
        self._wake.set()
