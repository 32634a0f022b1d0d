"""The mechanics of the policy kit: what an author supplies, and what the standard tests are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Message
from smsbridge.policies.policy import Finding, Policy
from smsbridge.provider import SmsProvider
from smsbridge.testing.samples import TextSamples
from smsbridge.testing.standard import set_up

from .trials import WAYS, Trial, Trials, Way
from .vendor import WORDS, Async, Blocking, Vendor
from .world import SHAPES, Shape, World


class PolicySamples(TextSamples):
    """What to override: ``make`` always; ``refuses``; ``refuses_after`` where it remembers texts; ``sample`` or ``message``
    where the policy refuses the kit's own; ``answers`` where it asks a service.
    """

    refuses: ClassVar[Mapping[str, Message]] = {}
    """Texts that the policy refuses, by a name of yours."""

    refuses_after: ClassVar[Mapping[str, tuple[Message, Message]]] = {}
    """Two texts, by a name of yours: the second is refused because of the first, and goes through alone.

    It is refused where the first was accepted or may have arrived, and goes through where the first certainly did not
    leave or was refused by the vendor. Those without a reference get one of their own.
    """

    def make(self, inner: SmsProvider) -> Policy:
        """The policy around ``inner``, with a memory of its own that is empty.

        Each call makes a new one; its files, if it has any, are in the working directory, under new names. Let limits be
        scarce but suffice for one batch, so that a place that is not given back shows in the next text. One that goes
        by the time of day needs a clock that stands still.
        """
        self.missing("make(inner)", "your policy around a provider")

    def answers(self, request: HttpRequest) -> HttpResponse:
        """The answer to a request of the policy's own, for one that asks a service before it lets a text through."""
        self.missing("answers(request)", "what the service says that your policy asks")


class Kit(PolicySamples):
    """What the standard tests are made of. Nothing here is for overriding."""

    @pytest.fixture(autouse=True)
    def _contract_setup(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        set_up(request, monkeypatch, tmp_path, self.expected_failures)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One case for each way of driving, each shape, each answer and each sample."""
        cases: Mapping[str, Iterable[Any]] = {
            "way": WAYS,
            "shape": SHAPES,
            "answer": WORDS,
            "refused": list(self.refuses),
            "after": list(self.refuses_after),
        }
        for name in metafunc.fixturenames:
            if name in cases:
                metafunc.parametrize(name, cases[name], ids=str)

    # --- texts --------------------------------------------------------------------------------------------------------

    def batch(self, what: str = "kit") -> list[Message]:
        """As many samples as there are numbers, with references of their own that begin with ``what``."""
        return [self.message(n, reference=f"{what}-{n}") for n in range(len(self.numbers))]

    def messages(self, shape: Shape, what: str = "kit") -> list[Message]:
        """What is sent in this ``shape``."""
        if shape == "code":
            return [self.verification_message(reference=f"{what}-code")]
        return self.batch(what)[: None if shape == "batch" else 1]

    def all_texts(self, what: str = "kit") -> list[Message]:
        """The samples, between them what the policy refuses, and the pairs of ``refuses_after``."""
        refused = [replace(one, reference=f"{what}-refused-{n}") for n, one in enumerate(self.refuses.values())]
        first, *others = self.batch(what)
        pairs = [one for pair in self.refuses_after.values() for one in pair]
        later = [replace(one, reference=f"{what}-after-{n}") for n, one in enumerate(pairs)]
        return [first, *refused, *others, *later]

    # --- worlds -------------------------------------------------------------------------------------------------------

    def policy(self) -> Policy:
        """A policy around the kit's vendor."""
        made: object = self.make(Vendor(account="kit"))
        if not isinstance(made, Policy):
            pytest.fail(f"{type(self).__name__}.make(inner) must return a smsbridge.Policy, not {type(made).__name__}")
        return made

    def findings_of(self, provider: SmsProvider) -> Iterable[Finding]:
        """What ``smsbridge doctor`` says of a ``provider`` that ``make`` has made."""
        return provider.findings() if isinstance(provider, Policy) else ()

    def world(self, kind: type[Blocking | Async] = Blocking, words: str = "ok") -> World:
        """A client that sends through a new policy."""
        return World(self.make, kind, words, self.answers)

    def trials(self, way: Way, shape: Shape) -> list[Trial]:
        """A send in this ``shape`` that was interrupted at each of its steps."""
        if type(self) not in _TRIALS:
            _TRIALS[type(self)] = Trials(self.world, self.messages)
        return _TRIALS[type(self)].of(way, shape)


_TRIALS: dict[type[Kit], Trials] = {}
"""Each is made once, as several tests look at it."""
