"""The rules of the ``http`` provider, which decide what an answer means.

A rule looks at the HTTP status, at a value in the JSON, at the text, or at several of these. Refusals come first, in
order, then the rule that accepts; if no rule matches, the HTTP status decides. The reason why a rule did not match has
two forms: ``why`` quotes nothing of the answer, for errors; ``found`` quotes it, for ``smsbridge doctor``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr, ValidationError, field_validator

from smsbridge import errors
from smsbridge.errors import RefusedError, SendError
from smsbridge.http import HttpResponse, can_refuse

from ._http_answer import Answer, check_path, shown
from ._http_template import meant

_KINDS: dict[str, type[SendError]] = {
    "recipient": errors.RecipientError,
    "content": errors.ContentError,
    "opted-out": errors.OptedOutError,
    "sender": errors.SenderError,
    "authentication": errors.AuthenticationError,
    "funds": errors.FundsError,
    "rate-limited": errors.RateLimitedError,
    "refused": errors.RefusedError,
}
_HINT = "smsbridge doctor --answer explains it"
LONGEST = 2_000
r"""The number of characters that ``matches`` searches: even expressions such as ``\s*OK`` take quadratic time."""
_LOOKS_AHEAD = re.compile(r"\(\?[=!]")
REFERENCE = "{reference}"
"""The value of ``id`` if the gateway knows the text by our reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The result of applying a rule to an answer.

    ``why`` says why the rule did not match, and quotes nothing from the answer. ``found`` says the same with the value
    in the answer and the expected value.
    """

    rule: str
    matched: bool
    why: str
    found: str
    groups: Mapping[str, str] = field(default_factory=dict, repr=False)
    unseen: bool = False
    """Whether the rule might match beyond the characters that it searches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The meaning of an answer: the vendor accepted the text, or ``error`` says why it was not accepted.

    ``id`` is the vendor's id of an accepted text, or None. ``looks`` are the results of all rules that were applied.
    """

    looks: tuple[Look, ...] = ()
    id: str | None = None
    error: SendError | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Rule(BaseModel):
    """A rule that says which answers mean that the vendor accepted the text. All conditions that are set must hold.

    The manual explains each condition.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    group_names: ClassVar[tuple[str, ...]] = ("id",)

    status: tuple[StrictInt, ...] = ()
    path: StrictStr | None = None
    equals: tuple[Any, ...] = ()
    matches: re.Pattern[str] | None = None

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Make a rule from ``data``, a table of the settings. Raises ValueError, whose message quotes no value."""
        for key in data:
            if key not in cls.model_fields:
                raise ValueError(f"there is no key {key!r} in a rule; {meant(key, tuple(cls.model_fields))}")
        try:
            rule = cls(**data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            problem = f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"
        else:
            rule.check()
            return rule
        raise ValueError(problem)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups in the regular expression ``matches``, such as ``id``."""
        return tuple(self.matches.groupindex) if self.matches else ()

    @field_validator("status", "equals", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else [value]

    @field_validator("equals")
    @classmethod
    def _plain(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if not all(value is None or isinstance(value, str | bool | int | float) for value in values):
            raise ValueError("must be texts, numbers, true or false")
        return values

    @field_validator("matches", mode="before")
    @classmethod
    def _regular(cls, value: Any) -> Any:
        try:
            return re.compile(value) if isinstance(value, str) else value
        except re.error as error:
            raise ValueError(f"not a regular expression: {error.msg} at position {error.pos}") from None

    @field_validator("path", "code", "detail", check_fields=False)
    @classmethod
    def _path(cls, value: str | None) -> str | None:
        return value if value is None else check_path(value)

    def check(self) -> None:
        """Raise ValueError if conditions of the rule contradict each other, or if a needed condition is missing."""
        if not (self.status or self.path or self.matches):
            raise ValueError("a rule needs status, path or matches: without them it would always hold")
        if self.equals and self.path is None:
            raise ValueError("equals needs a path: the place of the value that is compared")
        for name in self.groups:
            if name not in self.group_names:
                raise ValueError(f"matches: the group {name!r} has no use; {meant(name, self.group_names)}")
        if not all(map(self.allows, self.status)):
            raise ValueError(f"status: {self._never}")

    def allows(self, status: int) -> bool:
        """Return whether the rule can match an answer with the HTTP status ``status``.

        Only a status in the 200 range can mean that a text was accepted.
        """
        return 200 <= status <= 299

    _usual: ClassVar[str] = "200 to 299"
    _never: ClassVar[str] = "only 200 to 299 can mean that a text was accepted"

    def look(self, name: str, answer: Answer) -> Look:
        """Apply the rule to ``answer``, and return the result. ``name`` is the rule's name in the result."""
        if not (answer.status in self.status if self.status else self.allows(answer.status)):
            wanted = " or ".join(map(str, self.status)) or self._usual
            return Look(rule=name, matched=False, why=f"HTTP {answer.status} is not {wanted}", found="")
        if self.path is None and self.matches is None:
            return Look(rule=name, matched=True, why="", found=f"HTTP {answer.status}")
        value: Any = answer.text
        if self.path is not None:
            value, missing = answer.at(self.path)
            if missing:
                return Look(rule=name, matched=False, why=missing, found=answer.beside(self.path))
        what = "the text" if self.path is None else repr(self.path)
        why, groups, unseen = self._compare(value, what)
        found = f"{what} is {shown(value)}{self._wanted() if why else ''}"
        return Look(rule=name, matched=not why, why=why, found=found, groups=groups, unseen=unseen)

    def _wanted(self) -> str:
        words = [" or ".join(map(shown, self.equals))] if self.equals else []
        words += [f"a match of {self.matches.pattern}"] if self.matches else []
        return f", wanted: {' and '.join(words)}" if words else ""

    def _compare(self, value: Any, what: str) -> tuple[str, dict[str, str], bool]:
        """The reason why ``value`` does not match, or ""; the groups; and whether it was too long to decide."""
        if self.equals and not any(_same(value, wanted) for wanted in self.equals):
            return f"{what} is not in 'equals'", {}, False
        if self.matches is not None:
            text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
            match = None if text is None else _search(self.matches, text)
            if match is not None:
                return "", {name: group for name, group in match.groupdict().items() if group}, False
            unseen = text is not None and len(text) > LONGEST
            part = f"the first {LONGEST} characters of {what} do" if unseen else f"{what} does"
            return f"{part} not match the regular expression", {}, unseen
        if not self.equals and not value:
            return f"{what} is empty, zero, false or null", {}, False
        return "", {}, False


class Refusal(Rule):
    """A rule that says which answers mean that the vendor refused the text, and with which error."""

    group_names: ClassVar[tuple[str, ...]] = ("code", "detail")
    _usual: ClassVar[str] = "200 to 299, or 400 to 499 without time-outs"
    _never: ClassVar[str] = "after a time-out, such as 408 and 504, the text is uncertain, so no rule can refuse by it"

    error: StrictStr | None = None
    reason: StrictStr | None = None
    code: StrictStr | None = None
    detail: StrictStr | None = None

    @field_validator("error")
    @classmethod
    def _kind(cls, value: str | None) -> str | None:
        if value is not None and value not in _KINDS:
            raise ValueError(f"must be one of {', '.join(_KINDS)}")
        return value

    @classmethod
    def read_all(cls, tables: Sequence[Mapping[str, Any]]) -> Iterator[Refusal]:
        """Make a Refusal from each of ``tables``, which come from the settings, and yield them in order.

        Raises ValueError, whose message gives the number of the wrong rule, counted from 1.
        """
        for number, table in enumerate(tables, 1):
            try:
                yield cls.read(table)
            except ValueError as error:
                problem = f"rule {number}: {error}"
                raise ValueError(problem) from None

    def allows(self, status: int) -> bool:
        # A status in a rule is documented by the vendor.
        return can_refuse(status, documented=bool(self.status)) and (bool(self.status) or status // 100 in (2, 4))

    def to_error(self, look: Look, answer: Answer, response: HttpResponse) -> SendError:
        """Make the error of the refusal, with the vendor's code and words from the places that this rule names.

        ``look`` is the result of this rule for ``answer``, which is read from ``response``.
        """
        found = {
            name: look.groups.get(name) or (answer.word(path) if path else None)
            for name, path in (("code", self.code), ("detail", self.detail))
        }
        by_status = type(response.error())
        kind = by_status if issubclass(by_status, RefusedError) else RefusedError
        return response.error(
            _KINDS[self.error] if self.error else kind,
            code=found["code"],
            reason=self.reason,
            detail=found["detail"] or f"{look.rule} holds",
            documented=bool(self.status),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All rules by which the ``http`` provider reads the answers of a vendor.

    ``id`` is the path of the text's id in the answer, or REFERENCE, which means our own reference. If it is None, the
    group ``id`` of the regular expression ``accept.matches`` gives the id, if there is such a group.
    """

    accept: Rule
    id: str | None
    refuse: tuple[Refusal, ...] = ()

    def judge(self, response: HttpResponse) -> Verdict:
        """Apply the rules to the answer ``response``, and return what it means for the text: accepted, or an error."""
        if not response.complete:
            return Verdict(error=response.error(detail="the answer was cut off or too large"))
        answer = Answer(response)
        looks: list[Look] = []
        for number, refusal in enumerate(self.refuse, 1):
            look = refusal.look(f"refuse_if {number}", answer)
            looks.append(look)
            if look.matched:
                return Verdict(looks=tuple(looks), error=refusal.to_error(look, answer, response))
        look = self.accept.look("accept_if", answer)
        looks.append(look)
        unseen = next((seen for seen in looks if seen.unseen), None)
        if unseen is not None and response.ok:
            error = response.error(
                detail=f"{unseen.rule} cannot decide: {unseen.why}, and it searches no further ({_HINT})"
            )
        elif look.matched:
            found, of_id = self._id(look, answer)
            looks.append(of_id)
            if of_id.matched:
                return Verdict(looks=tuple(looks), id=found, raw=answer.raw)
            error = response.error(detail=f"accept_if holds, but without an id: {of_id.why} ({_HINT})")
        elif response.ok:
            others = " and nothing in refuse_if holds" if self.refuse else ""
            error = response.error(detail=f"accept_if does not hold: {look.why}{others} ({_HINT})")
        else:
            error = response.error()
        return Verdict(looks=tuple(looks), error=error)

    def _id(self, look: Look, answer: Answer) -> tuple[str | None, Look]:
        if self.id == REFERENCE:
            return None, Look(rule="id", matched=True, why="", found="the id is our reference")
        if self.id is None and "id" not in self.accept.groups:
            return None, Look(rule="id", matched=True, why="", found="the gateway names no id, so there is none")
        if self.id is None:
            word = look.groups.get("id", "").strip() or None
            why = "" if word else "the group 'id' of what accept_if matches is empty"
            return word, Look(rule="id", matched=word is not None, why=why, found=f"the group 'id' is {shown(word)}")
        word = answer.word(self.id)
        value, why = answer.at(self.id)
        found = answer.beside(self.id) if why else f"{self.id!r} is {shown(value)}"
        if word is None and not why:
            why = f"{self.id!r} is neither text nor a whole number"
        return word, Look(rule="id", matched=word is not None, why=why, found=found)


def _search(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The match of ``pattern`` in the first characters of ``text``, if the rest of the text cannot change it."""
    match = pattern.search(text[:LONGEST])
    if match is None or len(text) <= LONGEST:
        return match
    # The end of the text, above all ``$``, also matches before a last line break.
    return None if match.end() >= LONGEST - 1 or _LOOKS_AHEAD.search(pattern.pattern) else match


def _same(value: Any, wanted: Any) -> bool:
    """Whether two values are equal in JSON: the text 1, the number 1 and true are all different."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return type(value) in (int, float, str, type(None)) and bool(value == wanted)
