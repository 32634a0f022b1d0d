"""Test batches, many texts in one request: each message gets its own result and never the result of another message."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from smsbridge.attempts import attempt_batch
from smsbridge.errors import RefusedError, UncertainError, UnsupportedError
from smsbridge.http import HttpResponse
from smsbridge.messages import Message, Result
from smsbridge.provider import OPTIONAL_FIELDS, Capability
from smsbridge.testing.samples import Row
from smsbridge.testing.wire import drive

from .kit import BY_NAME, Kit, Outcome, describe, needs

BATCH = BY_NAME["send_batch"]
PLACES = (0, 1, 2)


class Batches(Kit):
    """Test ``send_batch`` of a provider. The tests apply only to a provider that implements ``send_batch``."""

    @needs(Capability.BATCH)
    def test_a_batch_gives_each_message_its_own_result(self) -> None:
        messages = self.batch()
        results = self._results(messages)
        assert [result.index for result in results] == list(range(len(messages)))
        for n, (message, result) in enumerate(zip(messages, results, strict=True)):
            assert result.sent is not None, f"row {n} of the sample answer is not accepted: {describe(result.error)}"
            assert result.sent.to == message.to, (
                f"row {n} has the recipient of another row: use self.accepted(message, id=...) with its own message"
            )
            assert result.sent.reference == message.reference, (
                f"row {n} lost its reference: use self.accepted(message, ...)"
            )
            if self.uses_http():
                assert result.sent.id == self.vendor_id(n), f"row {n} has the id {result.sent.id!r} of another row"

    @needs(Capability.BATCH)
    def test_a_batch_returns_one_result_per_message_by_itself(self) -> None:
        """``send_batch`` itself returns a Result for each message.

        The test runs the provider's flow without a client, because a client would add an uncertain result for each
        missing one.
        """
        messages = self.batch()
        flow = BATCH.raw(self, self.make())
        results = drive(flow, self.wire(self._good(BATCH)))
        assert sorted(result.index for result in results) == list(range(len(messages))), (
            "send_batch must return one Result per message; `index` is the message's place in the batch, from 0"
        )

    @needs(Capability.BATCH, "http")
    def test_a_batch_is_one_request(self) -> None:
        outcome = self.run(BATCH)
        assert len([request for request in outcome.requests if request.sends]) == 1, (
            "a batch must be exactly one request with sends=True"
        )
        found = [text for request in outcome.requests for text in self.texts_in(request)]
        for message in self.batch():
            assert message.text in found, f"the text {message.text!r} is not in the request of its batch"

    @needs(Capability.BATCH, "http")
    @pytest.mark.parametrize("place", PLACES)
    def test_a_refused_row_fails_alone(self, place: int) -> None:
        rows = self._rows(refused=place)
        for n, result in enumerate(self._results(self.batch(), self.accepts_batch(rows))):
            if n == place:
                assert isinstance(result.error, RefusedError), (
                    f"row {n} was refused by the vendor, but ended as {describe(result.error or result.sent)}"
                )
            else:
                self._is_own(n, result)

    @needs(Capability.BATCH, "http")
    @pytest.mark.parametrize("place", PLACES)
    def test_a_missing_row_is_uncertain(self, place: int) -> None:
        rows = self._rows()
        answer = self.accepts_batch([row for n, row in enumerate(rows) if n != place])
        results = self._results(self.batch(), answer)
        assert isinstance(results[place].error, UncertainError), (
            f"the answer has no row for message {place}, so the message is uncertain; got "
            f"{describe(results[place].error or results[place].sent)}"
        )
        self._all_own_or_uncertain(results)

    @needs(Capability.BATCH, "http")
    def test_rows_in_another_order_go_to_their_own_messages(self) -> None:
        rows = self._rows()
        for order in ((2, 1, 0), (1, 2, 0)):
            answer = self.accepts_batch([rows[n] for n in order])
            for n, result in enumerate(self._results(self.batch(), answer)):
                self._is_own(n, result)

    @needs(Capability.BATCH, "http")
    def test_an_extra_row_changes_no_result(self) -> None:
        rows = self._rows()
        other = self.message(to="+919999999999", reference="f" * 32)
        for extra in (rows[1], Row(other, "f" * 32 if self.id_is_reference else "of-another-text")):
            self._all_own_or_uncertain(self._results(self.batch(), self.accepts_batch([extra, *rows])))

    @needs(Capability.BATCH)
    def test_two_texts_to_one_number_are_kept_apart(self) -> None:
        messages = [self.message(n, to=self.numbers[0]) for n in PLACES]
        answer = None
        if self.uses_http():
            answer = self.accepts_batch([Row(message, self.vendor_id(n)) for n, message in enumerate(messages)])
        results = self._results(messages, answer)
        assert len(results) == len(messages)
        self._all_own_or_uncertain(results)

    @needs(Capability.BATCH, "http")
    @pytest.mark.parametrize("field", OPTIONAL_FIELDS)
    def test_a_batch_sends_the_fields_that_a_single_text_sends(self, field: str) -> None:
        self.skip_registered(field)
        value = self.field_values[field][0]
        given = [self.message(n, **{field: value}) for n in PLACES]
        provider = self.make()
        if field not in self._class().supports:
            outcome = self._outcome(given)
            assert all(isinstance(result, UnsupportedError) for result in outcome.each()), (
                f"the provider does not support {field}: refuse a batch with it"
            )
            return
        plain = [self.message(n, **{field: self.field_values[field][1]}) for n in PLACES]
        prints = [self._asked(given), self._asked(plain)]
        assert prints[0] != prints[1], f"two batches that differ in {field} make the same request: send the field"
        mixed = [given[0], plain[1], plain[2]]
        if provider.batch_key(mixed[0]) == provider.batch_key(mixed[1]):
            assert self._asked(mixed) not in prints, (
                f"messages with different values of {field} share a batch, but only one value is sent: make "
                "batch_key(message) differ"
            )

    # --- inside -------------------------------------------------------------------------------------------------------

    def _rows(self, refused: int | None = None) -> list[Row]:
        return [Row(message, None if n == refused else self.vendor_id(n)) for n, message in enumerate(self.batch())]

    def _outcome(self, messages: Sequence[Message], answer: HttpResponse | None = None) -> Outcome:
        return self.run(BATCH, answer, flow=attempt_batch(self.make(), messages), then=HttpResponse(status=500))

    def _results(self, messages: Sequence[Message], answer: HttpResponse | None = None) -> list[Result]:
        outcome = self._outcome(messages, answer)
        assert outcome.error is None, f"the whole batch failed: {describe(outcome.error)}"
        results: list[Result] = outcome.value
        return results

    def _asked(self, messages: Sequence[Message]) -> list[object]:
        return [self.fingerprint(request) for request in self._outcome(messages).requests]

    def _is_own(self, n: int, result: Result) -> None:
        assert result.sent is not None, f"row {n} was accepted by the vendor, but ended as {describe(result.error)}"
        assert result.sent.id == self.vendor_id(n), f"message {n} got the id {result.sent.id!r} of another message"

    def _all_own_or_uncertain(self, results: Sequence[Result]) -> None:
        """Require each accepted message to have its own id; where the answer is unclear, a result may be uncertain."""
        for n, result in enumerate(results):
            if result.sent is not None and self.uses_http():
                assert result.sent.id == self.vendor_id(n), (
                    f"message {n} got the id {result.sent.id!r} of another message"
                )
