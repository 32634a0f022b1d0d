"""Interrupt a send through a policy at each of its steps in turn, and record what follows."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from smsbridge.messages import Message

from .vendor import Async, Blocking, Strike
from .world import EndlessError, Shape, World, is_refused, is_uncertain

Way = Literal["blocking", "async", "dropped"]
WAYS: tuple[Way, ...] = ("blocking", "async", "dropped")
"""The way of the interruption: in a sync or an async client, or by a driver that drops the flow."""
ANSWERS = ("ok", "busy, ok", "lost")
"""The vendor's words during an interrupted send."""
STOPS: Mapping[Way, tuple[type[BaseException], ...]] = {
    "blocking": (KeyboardInterrupt, SystemExit, GeneratorExit),
    "async": (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit),
}
"""The interruptions of each way; each is tried at each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Record how a send through a policy was interrupted at one step, and what followed."""

    what: str
    stop: BaseException | None
    """The exception that interrupted the send; None if the flow was dropped or not interrupted."""
    raised: BaseException | None
    begun: Sequence[str]
    ended: Sequence[tuple[str, Any]]
    """Each outcome that the hooks saw, in order, with the reference of its text."""
    taken: Mapping[str, int]
    """How often the vendor took each text."""
    later: Sequence[str]
    """The outcomes of further texts and of texts that did not leave, sent again."""
    fitting: Sequence[Sequence[str]]
    """The allowed values of ``later``: the outcomes under a policy that never saw the texts that did not leave."""

    def end_of(self, reference: str) -> Any:
        """Return the outcome of the text with this ``reference``: a result or an error.

        None if the send of the text did not begin.
        """
        return dict(self.ended).get(reference)


class Trials:
    """Make the trials of a policy, which are sends that are interrupted at a step, and keep them for all tests.

    Each trial sends through a new client and a new policy, which ``world`` makes. ``messages(shape, word)`` returns the
    messages to send; their references begin with ``word``.
    """

    def __init__(self, world: Callable[..., World], messages: Callable[[Shape, str], Sequence[Message]]) -> None:
        self._world = world
        self._messages = messages
        self._known: dict[tuple[Way, Shape], list[Trial]] = {}
        self._endless: EndlessError | None = None
        self._fitting: dict[object, list[str]] = {}

    def of(self, way: Way, shape: Shape) -> list[Trial]:
        """Interrupt sends in this ``way`` and ``shape`` at each step, and return a Trial for each interruption.

        Every step is tried with every reaction of the vendor in ``ANSWERS``. The trials are made at the first call and
        then kept. Raises EndlessError if a send does not end; all later calls then raise this error, too, without a new
        attempt.
        """
        if self._endless is None and (way, shape) not in self._known:
            try:
                self._known[way, shape] = [trial for words in ANSWERS for trial in self._made(way, shape, words)]
            except EndlessError as error:
                self._endless = error
        if self._endless is not None:
            raise self._endless
        return self._known[way, shape]

    def _made(self, way: Way, shape: Shape, words: str) -> Iterator[Trial]:
        return self._dropped(shape, words) if way == "dropped" else self._struck(way, shape, words)

    def _dropped(self, shape: Shape, words: str) -> Iterator[Trial]:
        for steps in itertools.count():
            world = self._world(Blocking, words)
            goes_on = world.drop(world.flow(shape, self._messages(shape, "kit")), steps)
            yield self._seen(world, shape, f"{shape}, {words!r}, dropped after {steps} steps")
            if not goes_on:
                return

    def _struck(self, way: Way, shape: Shape, words: str) -> Iterator[Trial]:
        count = Strike()
        yield self._strike(way, shape, words, count)
        for at, before in itertools.product(range(1, count.steps + 1), (True, False)):
            turn = 2 * at + before + ANSWERS.index(words)
            stop = STOPS[way][turn % len(STOPS[way])]("x")
            yield self._strike(way, shape, words, Strike(stop, at, before=before))

    def _strike(self, way: Way, shape: Shape, words: str, strike: Strike) -> Trial:
        world = self._world(Async if way == "async" else Blocking, words)
        raised = world.run(world.flow(shape, self._messages(shape, "kit")), strike)
        moment = f"{type(strike.stop).__name__} {'before' if strike.before else 'after'} step {strike.at}"
        what = f"{shape}, {words!r}, {moment if strike.stop is not None else 'not interrupted'} ({way})"
        return self._seen(world, shape, what, strike.stop, raised)

    def _seen(
        self,
        world: World,
        shape: Shape,
        what: str,
        stop: BaseException | None = None,
        raised: BaseException | None = None,
    ) -> Trial:
        begun, ended = world.hooks.begun_and_ended()
        taken, told = dict(world.wire.taken), dict(ended)
        messages = self._messages(shape, "kit")
        again = [message for message in messages if is_refused(told.get(message.reference or ""))]
        held = [(message, is_uncertain(told[message.reference or ""])) for message in messages if message not in again]
        # A closed flow cannot report outcomes: any number of its texts may have left.
        if isinstance(stop, GeneratorExit):
            again, parts = [], [held[:count] for count in range(len(held) + 1)]
        else:
            parts = [held]
        world.wire.words = ["ok"]
        later = world.send_each([*again, *self._more(shape)], _alone(shape))
        world.close()
        return Trial(
            what=what,
            stop=stop,
            raised=raised,
            begun=begun,
            ended=ended,
            taken=taken,
            later=later,
            fitting=[self._whole(shape, part, again) for part in parts],
        )

    def _whole(self, shape: Shape, held: Sequence[tuple[Message, bool]], again: Sequence[Message]) -> list[str]:
        """The outcomes of ``again`` and of further texts after the texts in ``held`` were sent or lost."""
        key = (
            shape,
            tuple((message.reference, lost) for message, lost in held),
            tuple(message.reference for message in again),
        )
        if key not in self._fitting:
            world = self._world()
            for message, lost in held:
                world.wire.words = ["lost" if lost else "ok"]
                world.send_each([message], _alone(shape))
            world.wire.words = ["ok"]
            self._fitting[key] = world.send_each([*again, *self._more(shape)], _alone(shape))
            world.close()
        return self._fitting[key]

    def _more(self, shape: Shape) -> list[Message]:
        """Further texts, for the remaining places."""
        return [message for what in ("more", "most") for message in self._messages(shape, what)[:2]]


def _alone(shape: Shape) -> Shape:
    """The shape of a single further text of the same kind."""
    return "code" if shape == "code" else "text"
