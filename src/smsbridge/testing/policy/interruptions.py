"""An interruption at each step: Ctrl-C, a cancellation, the end of the process, a flow that is given up."""

from __future__ import annotations

from smsbridge.errors import RefusedError, UncertainError

from .kit import Kit
from .trials import Way
from .world import Shape


class Interruptions(Kit):
    """In both clients, before and after each step, of one text, a batch and a one-time code."""

    def test_it_ends_when_it_is_interrupted(self, way: Way, shape: Shape) -> None:
        """A policy that never looks at ``batch.stop`` gets the interruption again: it must not be caught for ever."""
        assert self.trials(way, shape)

    def test_what_interrupts_it_comes_out(self, way: Way, shape: Shape) -> None:
        for trial in self.trials(way, shape):
            if trial.stop is not None:
                came = type(trial.raised).__name__ if trial.raised is not None else "nothing"
                assert type(trial.raised) is type(trial.stop), (
                    f"{trial.what}: {came} came out. Catch no interruption: undo in `finally` what has to be undone"
                )

    def test_each_text_is_told_once_and_truly(self, way: Way, shape: Shape) -> None:
        for trial in self.trials(way, shape):
            ended = [reference for reference, _ in trial.ended]
            assert sorted(ended) == sorted(trial.begun), (
                f"{trial.what}: begun were {sorted(trial.begun)}, and told the ends of {sorted(ended)}"
            )
            for reference, end in trial.ended:
                taken = trial.taken.get(reference, 0)
                assert taken <= 1, f"{trial.what}: {reference} was sent {taken} times"
                assert not (isinstance(end, RefusedError) and taken), (
                    f"{trial.what}: {reference} is told as refused, and was sent. Settle texts by what `through` returned"
                )
                assert taken or isinstance(end, RefusedError | UncertainError), (
                    f"{trial.what}: {reference} is told as accepted, and was not sent"
                )

    def test_what_it_took_for_a_text_that_did_not_leave_is_given_back(self, way: Way, shape: Shape) -> None:
        """A text that was interrupted before it left is as if it had never been; one that may have left counts."""
        for trial in self.trials(way, shape):
            assert trial.later in trial.fitting, (
                f"{trial.what}: texts after it ended as {', '.join(trial.later)}. Without those that did not leave it would "
                f"be {' or '.join(', '.join(one) for one in trial.fitting)}. Give back what was taken in `settle` and "
                "`give_back` of a Gate, or in `finally`, once for each text"
            )
