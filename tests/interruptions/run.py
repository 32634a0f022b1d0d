"""Runs many strikes, each at a different moment."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from .strikes import KINDS, NEVER, WAYS
from .world import OUTCOMES, World


@dataclass
class Tally:
    strikes: int = 0
    hits: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self):
        return f"{self.strikes} strikes, {self.hits} of which hit, {len(self.problems)} problems"


class Run:
    """Strikes in worlds under ``folder``. After a problem, it continues in a new world.

    Caps and limits are in a ``store``: ``memory``, where the ledger then is, too, ``sqlite``, or none.
    """

    def __init__(self, folder, store=None):
        self.folder, self.store = folder, store
        self.tally = Tally()
        self.sizes = {}
        self.worlds = itertools.count()
        self.renew()

    def renew(self):
        folder = self.folder / f"world-{next(self.worlds)}"
        folder.mkdir()
        self.world = World(folder, self.store)

    def size(self, scene, outcome, way):
        """The number of moments at which a strike is possible."""
        which = scene, outcome, way
        if which not in self.sizes:
            self.sizes[which] = self.strike(scene, outcome, way, NEVER, KINDS[0]).events
        return self.sizes[which]

    def strike(self, scene, outcome, way, at, kind):
        counter = self.world.strike(scene, outcome, way, at, kind)
        self.tally.strikes += at != NEVER
        self.tally.hits += counter is not None and counter.where is not None
        if self.world.problem is not None:
            self.tally.problems.append(self.world.problem)
            self.renew()
        return counter

    def random(self, random, scenes, ways):
        """A strike at a moment that ``random`` chooses."""
        scene, way = random.choice(scenes), WAYS[random.choice(ways)]
        outcome, kind = random.choice(OUTCOMES), random.choice(KINDS)
        at = random.randint(1, self.size(scene, outcome, way))
        self.strike(scene, outcome, way, at, kind)

    def all(self, scene, outcome, way, kind):
        """A strike at each moment."""
        for at in range(1, self.size(scene, outcome, WAYS[way]) + 1):
            self.strike(scene, outcome, WAYS[way], at, kind)
