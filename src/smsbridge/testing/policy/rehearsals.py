"""Test that rehearsals, such as dry runs, begin with an empty memory and leave a policy's real memory alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smsbridge.flow import Step
from smsbridge.http import HttpRequest
from smsbridge.rehearsal import Rehearsal

from .kit import Kit
from .vendor import Wire
from .world import Elsewhere

_ADVICE = "a policy with a memory of texts needs forget(rehearsal): see smsbridge.rehearsal.Remembering"


class _Rehearsed(Rehearsal):
    """A rehearsal with a vendor that takes everything."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        super().__init__()
        self.wire = Wire(elsewhere=elsewhere)

    def perform(self, step: Step[Any], client: Any) -> Any:
        return self.wire.send(step) if isinstance(step, HttpRequest) else super().perform(step, client)


class Rehearsals(Kit):
    """Test ``forget`` of a policy that remembers texts: a rehearsal, such as a dry run, has its own empty memory."""

    def test_a_rehearsal_leaves_the_real_memory_alone(self) -> None:
        rehearsed, untouched = self.world(), self.world()
        with _Rehearsed(self.answers):
            rehearsed.send_each(self.all_texts("kit"))
            rehearsed.send_each(self.all_texts("rehearsed"))
        ends = [world.send_each([*self.all_texts("kit"), *self.all_texts("more")]) for world in (rehearsed, untouched)]
        assert ends[0] == ends[1], (
            f"after a rehearsal, real texts end as {', '.join(ends[0])}, without it as {', '.join(ends[1])}: {_ADVICE}"
        )
        for reference in rehearsed.wire.taken:
            assert rehearsed.wire.taken[reference] == untouched.wire.taken[reference], (
                f"after a rehearsal, {reference} is sent another number of times than without it: {_ADVICE}"
            )
        rehearsed.close()
        untouched.close()

    def test_a_rehearsal_begins_with_an_empty_memory(self) -> None:
        used, fresh = self.world(), self.world()
        used.send_each(self.all_texts("real"))
        ends = []
        for world in (used, fresh):
            with _Rehearsed(self.answers):
                ends.append(world.send_each(self.all_texts("rehearsed")))
        assert ends[0] == ends[1], (
            f"in a rehearsal after real texts, texts end as {', '.join(ends[0])}; without real texts before, as "
            f"{', '.join(ends[1])}: {_ADVICE}"
        )
        used.close()
        fresh.close()

    def test_a_rehearsal_opens_no_file(self) -> None:
        """A policy in a rehearsal makes and changes no file.

        The test looks at its own working directory, where ``make`` should put the policy's files.
        """
        world = self.world()
        before = _files()
        with _Rehearsed(self.answers):
            world.send_each(self.all_texts())
        assert _files() == before, f"a rehearsal has changed files: {_ADVICE}"
        world.close()


def _files() -> dict[str, tuple[int, int]]:
    """The files of the working directory, with their sizes and the times of their last change."""
    found = {path: path.stat() for path in Path.cwd().rglob("*") if path.is_file()}
    return {path.name: (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}
