"""Test how a provider reads unreliable answers: cut, not JSON, or JSON of another shape than the vendor documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smsbridge.errors import QueryError, RefusedError, UncertainError
from smsbridge.http import HttpResponse
from smsbridge.messages import SentMessage, Verification

from .kit import Kit, Operation, describe, needs
from .mutations import ODD_JSON, UNREADABLE, mutants

_NO_ID = ("", "None", "True", "False", "null")


class Unreadable(Kit):
    """Test that after a 2xx answer that cannot be read, the text is uncertain: it may have been sent."""

    @needs("http")
    @pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
    def test_an_unreadable_2xx_is_uncertain(self, sending: Operation, body: bytes) -> None:
        kind = "text/html" if body.startswith(b"<") else "application/json"
        self._must_be_uncertain(sending, HttpResponse(status=200, headers={"content-type": kind}, body=body))

    @needs("http")
    def test_a_cut_answer_is_uncertain(self, sending: Operation) -> None:
        good = sending.answer(self)
        half = good.body[: len(good.body) // 2]
        for body in (half, good.body):
            cut = HttpResponse(status=good.status, headers=good.headers, body=body, complete=False)
            self._must_be_uncertain(sending, cut)
        if _json_of(good) is not None:
            self._must_be_uncertain(sending, HttpResponse(status=good.status, headers=good.headers, body=half))

    @needs("http")
    @pytest.mark.parametrize("body", ODD_JSON.values(), ids=ODD_JSON)
    def test_odd_json_is_never_accepted(self, sending: Operation, body: bytes) -> None:
        for status in (200, 201, 202):
            odd = HttpResponse(status=status, headers={"content-type": "application/json"}, body=body)
            for result in self.run(sending, odd).each():
                assert isinstance(result, RefusedError | UncertainError), (
                    f"the answer {body.decode()} says nothing about a text; it must not end as {describe(result)}"
                )

    @needs("http")
    def test_no_change_to_an_accepting_answer_surprises(self, sending: Operation) -> None:
        """An accepting answer with a missing key or a value of another type must not raise an unexpected error.

        The text is then accepted with a real id, refused or uncertain.
        """
        good = sending.answer(self)
        data = _json_of(good)
        if data is None:
            pytest.skip(f"the sample answer to {sending.name} is not JSON")
        problems = []
        for change, mutant in mutants(data):
            odd = HttpResponse(status=good.status, headers=good.headers, body=json.dumps(mutant).encode())
            for result in self.run(sending, odd, then=HttpResponse(status=500)).each():
                problem = _problem(result)
                if problem:
                    problems.append(f"{change}: {problem}")
        assert not problems, "an answer with one thing changed ended wrongly:\n  " + "\n  ".join(problems[:20])

    @needs("http", "queries")
    def test_no_odd_answer_to_a_query_surprises(self, asking: Operation) -> None:
        good = asking.answer(self)
        bodies = {**UNREADABLE, **ODD_JSON}
        data = _json_of(good)
        bodies |= {change: json.dumps(mutant).encode() for change, mutant in mutants(data)}
        bugs = []
        for change, body in bodies.items():
            outcome = self.run(asking, HttpResponse(status=200, headers=good.headers, body=body))
            if outcome.error is not None and not isinstance(outcome.error, QueryError):
                bugs.append(f"{change}: {describe(outcome.error)}")
        assert not bugs, f"{asking.name} must end in an answer or a QueryError:\n  " + "\n  ".join(bugs[:20])

    @needs("http", "queries")
    def test_an_unreadable_answer_to_a_query_is_no_answer(self, asking: Operation) -> None:
        for name, body in UNREADABLE.items():
            if asking.name == "cancel_verification" and name in {"empty", "blank", "text"}:
                # Some vendors say *cancelled* with an empty 2xx.
                continue
            value = self.run(asking, HttpResponse(status=200, body=body)).value
            assert value is None, f"{asking.name} made {value!r} of an unreadable answer ({name})"
            if asking.name != "cancel_verification":
                error = self.run(asking, HttpResponse(status=200, body=body)).error
                assert error is not None, f"{asking.name} returned None for an unreadable answer ({name}): raise"

    def _must_be_uncertain(self, sending: Operation, answer: HttpResponse) -> None:
        for result in self.run(sending, answer).each():
            assert isinstance(result, UncertainError), (
                "the answer cannot be read, but the vendor may have sent the text: use response.json_object(), which "
                f"raises UncertainError; got {describe(result)}"
            )


def _json_of(answer: HttpResponse) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _problem(result: object) -> str:
    if isinstance(result, RefusedError | UncertainError):
        return ""
    if not isinstance(result, SentMessage | Verification):
        return f"ended as {describe(result)}"
    if not isinstance(result.id, str):
        return f"accepted with the id {result.id!r}, which is no string"
    if result.id.strip() in _NO_ID or result.id[:1] in "[{":
        return f"accepted with the id {result.id!r}, which is no id"
    return ""
