"""Test that ``foresee`` of a policy predicts the outcome of sending, and changes nothing."""

from __future__ import annotations

from datetime import timedelta

from smsbridge.attempts import foresee, utc_now
from smsbridge.messages import Message

from .kit import Kit
from .world import verdict


class Foreseeing(Kit):
    """Test that ``foresee()`` of a policy predicts what the policy does.

    ``smsbridge explain`` and dry runs rely on it.
    """

    def test_what_is_foreseen_is_what_comes(self) -> None:
        """``foresee()`` predicts the outcome of each text, also when earlier texts count against a limit."""
        world = self.world()
        for message in [*self._of_all_kinds("first"), *self._of_all_kinds("second")]:
            seen = foresee(world.provider, message, now=utc_now())
            expected = "accepted" if seen.error is None else verdict(seen.error)
            (came,) = world.send_each([message])
            assert came == expected, (
                f"foresee() predicts {expected} for {message.reference} ({seen.verdict}: {seen.words}), but sending it "
                f"ended as {came}: override foresee() if more than admit() decides"
            )
        world.close()

    def test_foresight_changes_nothing(self) -> None:
        messages = [*self._of_all_kinds("first"), *self._of_all_kinds("second")]
        looked, untouched = self.world(), self.world()
        for message in [*messages, *messages]:
            foresee(looked.provider, message, now=utc_now())
        assert not looked.wire.requests, "foresee() sent a request to the vendor: it must only read"
        ends = [looked.send_each(messages), untouched.send_each(messages)]
        assert ends[0] == ends[1], (
            f"after foresee() the texts end as {', '.join(ends[0])}, without it as {', '.join(ends[1])}: foresee() must "
            "take no place and count nothing"
        )
        looked.close()
        untouched.close()

    def _of_all_kinds(self, what: str) -> list[Message]:
        """The texts that the policy lets through or refuses, and two texts that no provider can send."""
        expired = self.message(reference=f"{what}-expired", valid_until=utc_now() - timedelta(hours=1))
        unsupported = self.message(reference=f"{what}-unsupported", options={"vendor": {"unknown": True}})
        return [*self.all_texts(what), expired, unsupported]
