"""Test a policy under an interruption at each step: Ctrl-C, a cancellation, the end of the process, a dropped flow."""

from __future__ import annotations

from smsbridge.errors import RefusedError, UncertainError

from .kit import Kit
from .trials import Way
from .world import Shape


class Interruptions(Kit):
    """Test a policy under interruptions: they come before and after each step of a text, a batch and a one-time code.

    The tests run in both clients.
    """

    def test_it_ends_when_it_is_interrupted(self, way: Way, shape: Shape) -> None:
        """A send that is interrupted ends. A policy must not catch the interruption for ever.

        A policy that ignores ``batch.stop`` gets the interruption again and again.
        """
        assert self.trials(way, shape)

    def test_what_interrupts_it_comes_out(self, way: Way, shape: Shape) -> None:
        for trial in self.trials(way, shape):
            if trial.stop is not None:
                came = type(trial.raised).__name__ if trial.raised is not None else "nothing"
                assert type(trial.raised) is type(trial.stop), (
                    f"{trial.what}: {came} came out. Do not catch interruptions; undo changes in `finally`"
                )

    def test_each_text_is_told_once_and_truly(self, way: Way, shape: Shape) -> None:
        for trial in self.trials(way, shape):
            ended = [reference for reference, _ in trial.ended]
            assert sorted(ended) == sorted(trial.begun), (
                f"{trial.what}: the texts {sorted(trial.begun)} began, but hooks saw the ends of {sorted(ended)}"
            )
            for reference, end in trial.ended:
                taken = trial.taken.get(reference, 0)
                assert taken <= 1, f"{trial.what}: {reference} was sent {taken} times"
                assert not (isinstance(end, RefusedError) and taken), (
                    f"{trial.what}: {reference} ended as refused, but was sent. Settle texts by the results of `through`"
                )
                assert taken or isinstance(end, RefusedError | UncertainError), (
                    f"{trial.what}: {reference} ended as accepted, but was not sent"
                )

    def test_what_it_took_for_a_text_that_did_not_leave_is_given_back(self, way: Way, shape: Shape) -> None:
        """A text that was interrupted before it was sent must not count for later texts.

        A text that may have been sent counts as sent.
        """
        for trial in self.trials(way, shape):
            assert trial.later in trial.fitting, (
                f"{trial.what}: later texts ended as {', '.join(trial.later)}. Without the texts that did not leave they "
                f"would end as {' or '.join(', '.join(ends) for ends in trial.fitting)}. Give back the places in `settle` "
                "and `give_back` of a Gate, or in `finally`, once for each text"
            )
