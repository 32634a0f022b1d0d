"""Many messages at once: reading, batching and counting, for both clients. Memory stays bounded."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import warnings
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .errors import ConfigurationError, RefusedError
from .messages import Message, Result
from .plain import kind_of
from .provider import Capability

if TYPE_CHECKING:
    from .client import AsyncSmsClient, SmsClient

_MOST_OPEN_BATCHES = 16

Job = list[Result]
"""Messages to be sent together: Results with an index and a message, but no outcome yet."""

C = TypeVar("C", bound="SmsClient | AsyncSmsClient")


def not_prepared(index: int, message: Message, error: RefusedError) -> Result:
    """The Result of a message that was refused before it could be handed to a provider."""
    return Result(index=index, message=replace(message, reference=error.reference), error=error)


class _Many(Generic[C]):
    """What both ways of sending many share: reading, batching and counting."""

    def __init__(self, client: C) -> None:
        client._check_open()  # noqa: SLF001  # the client's own other half, here and below
        self.unsent: list[Message] = []
        """After an early close: messages that were read but not sent."""
        self._client = client
        provider = client.provider
        self._concurrency = client.settings.concurrency
        self._batch_size = provider.batch_size if Capability.BATCH in provider.capabilities else 1
        if self._batch_size < 1:
            raise ConfigurationError(f"provider {provider.name}: batch_size has to be at least 1")
        self._open: dict[Hashable, Job] = {}
        self._ready: deque[Result] = deque()
        self._problems: deque[BaseException] = deque()
        self._flights: set[Any] = set()
        self._count = 0
        self._started = False
        self._exhausted = False
        self._closed = False
        self._input_error: BaseException | None = None

    def _hungry(self) -> bool:
        """Whether to read on: requests to spare, and results not piling up before somebody who is slow to take them."""
        return (
            not self._exhausted
            and len(self._flights) < self._concurrency
            and len(self._ready) < self._concurrency * self._batch_size
        )

    def _take(self, message: Message) -> Job | None:
        """Take one message in; returns a job if one is now complete."""
        if not isinstance(message, Message):
            kind = kind_of(message)
            del message  # it may hold a number and a text, as this frame would
            raise TypeError(f"send_many takes Messages, not {kind}")
        index = self._count
        self._count += 1
        try:
            one = Result(index=index, message=self._client._prepare(message))  # noqa: SLF001
        except RefusedError as error:
            self._ready.append(not_prepared(index, message, error))
            return None
        if self._batch_size <= 1:
            return [one]
        try:
            key = self._client.provider.batch_key(one.message)
        except Exception:  # noqa: BLE001  # sent alone, the same fault gets its own, classified error
            return [one]
        job = self._open.setdefault(key, [])
        job.append(one)
        if len(job) >= self._batch_size:
            return self._open.pop(key)
        if len(self._open) > _MOST_OPEN_BATCHES:
            return self._open.pop(next(iter(self._open)))
        return None

    def _end_of_input(self, error: BaseException | None = None) -> None:
        self._exhausted = True
        self._input_error = error

    def _left_over(self) -> Job | None:
        """At the end of the input, the batches that never became full."""
        busy = len(self._flights) >= self._concurrency
        return self._open.pop(next(iter(self._open))) if self._exhausted and self._open and not busy else None

    def _raise_input_error(self) -> None:
        """Once; then the end is the end."""
        error, self._input_error = self._input_error, None
        if error is not None:
            raise error

    def _stop(self) -> None:
        if not self._started and not self._closed:
            warnings.warn("send_many() was never iterated, so nothing was sent", RuntimeWarning, stacklevel=3)
        self._closed = self._exhausted = True
        self.unsent += [one.message for job in self._open.values() for one in job]
        self._open.clear()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            if self._started:
                warnings.warn(
                    "send_many() was left before its end; use it in a with block", ResourceWarning, stacklevel=2
                )
            else:
                self._stop()


class SendMany(_Many["SmsClient"]):
    """What ``SmsClient.send_many`` returns: a context manager, and an iterator over one Result per message."""

    def __init__(self, client: SmsClient, messages: Iterable[Message]) -> None:
        self._input = iter(messages)
        super().__init__(client)
        self._wake = threading.Event()
        self._threads: ThreadPoolExecutor | None = None

    def __iter__(self) -> Iterator[Result]:
        return self

    def __next__(self) -> Result:
        self._started = True
        self._fill()
        while True:
            idle = not self._flights  # asked first: a flight is over only after its results are here
            if self._ready:
                result = self._ready[0]
                del self._ready[0]  # not popleft(): a Ctrl-C is noticed after a call, and would lose the result
                return result
            if self._problems:
                raise self._problems.popleft()
            if idle:
                self.close()
                self._raise_input_error()
                raise StopIteration
            self._wake.wait()
            self._wake.clear()
            self._fill()

    def close(self) -> None:
        """Take no more input, and wait for what is in flight: iterate on for what became of it. The hooks are told too."""
        self._stop()
        if self._threads is not None:
            self._threads.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._started = True  # whoever left by an exception need not be told that nothing was sent
        self.close()

    def _fill(self) -> None:
        while self._hungry():
            try:
                job = self._take(next(self._input))
            except StopIteration:
                self._end_of_input()
            except Exception as error:  # noqa: BLE001  # raised once all that was taken has its result
                self._end_of_input(error)
            else:
                if job is not None:
                    self._start(job)
        while job := self._left_over():
            self._start(job)

    def _start(self, job: Job) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._concurrency, thread_name_prefix="smsbridge")
        flight = self._threads.submit(contextvars.copy_context().run, self._work, job)
        self._flights.add(flight)
        flight.add_done_callback(self._land)

    def _work(self, job: Job) -> None:
        try:
            self._ready.extend(self._client._run(self._client._job(job)))  # noqa: SLF001
        except BaseException as error:  # noqa: BLE001  # it belongs to the thread that iterates
            self._problems.append(error)

    def _land(self, flight: Future[None]) -> None:
        self._flights.discard(flight)
        self._wake.set()


class AsyncSendMany(_Many["AsyncSmsClient"]):
    """What ``AsyncSmsClient.send_many`` returns: an async context manager and iterator over one Result per message."""

    def __init__(self, client: AsyncSmsClient, messages: Iterable[Message] | AsyncIterable[Message]) -> None:
        self._input = aiter(messages) if isinstance(messages, AsyncIterable) else iter(messages)
        super().__init__(client)
        self._wake = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[Result]:
        return self

    async def __anext__(self) -> Result:
        self._started = True
        await self._fill()
        while not self._ready:
            if self._problems:
                raise self._problems.popleft()
            if not self._flights:
                await self.aclose()
                self._raise_input_error()
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
            await self._fill()
        return self._ready.popleft()

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
                if isinstance(self._input, AsyncIterator):
                    job = self._take(await anext(self._input))
                else:
                    job = self._take(next(self._input))
            except (StopIteration, StopAsyncIteration):
                self._end_of_input()
            except asyncio.CancelledError:  # which has ended an async generator: it cannot be asked again
                self._end_of_input(RuntimeError("cancelled while reading the messages: the rest was not sent"))
                raise
            except Exception as error:  # noqa: BLE001  # raised once all that was taken has its result
                self._end_of_input(error)
            else:
                if job is not None:
                    self._start(job)
        while job := self._left_over():
            self._start(job)

    def _start(self, job: Job) -> None:
        flight = asyncio.get_running_loop().create_task(self._work(job))
        self._flights.add(flight)
        flight.add_done_callback(self._land)

    async def _work(self, job: Job) -> None:
        try:
            self._ready.extend(await self._client._run(self._client._job(job)))  # noqa: SLF001
        except Exception as error:  # noqa: BLE001  # it belongs to the task that iterates
            self._problems.append(error)

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._wake.set()
