"""The mechanics of the policy kit: the samples of a policy's author, and the helpers of the standard tests."""

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
    """The samples to override: ``make`` always, and ``refuses``.

    Override ``refuses_after`` if the policy remembers texts, ``sample`` or ``message`` if it refuses the kit's texts,
    and ``answers`` if it asks a service.
    """

    refuses: ClassVar[Mapping[str, Message]] = {}
    """Texts that the policy refuses, by names that you choose."""

    refuses_after: ClassVar[Mapping[str, tuple[Message, Message]]] = {}
    """Pairs of texts, by names that you choose: the policy refuses the second because of the first.

    Alone, the second goes through. The policy must refuse it if the first was accepted or may have arrived, and let it
    through if the first certainly did not leave or was refused by the vendor. Texts without a reference get a new one.
    """

    def make(self, inner: SmsProvider) -> Policy:
        """Make a new policy around ``inner``, with its own empty memory.

        Put the files of the policy, if any, into the working directory, under new names at each call. Set limits that
        suffice for a single batch only, so that the next text shows a place that was not given back. If the policy
        depends on the time of day, stop its clock.
        """
        self.missing("make(inner)", "your policy around a provider")

    def answers(self, request: HttpRequest) -> HttpResponse:
        """The answer to the policy's own request, if it asks a service before it lets a text through."""
        self.missing("answers(request)", "the answer of the service that your policy asks")


class Kit(PolicySamples):
    """Helpers of the standard tests. Do not override them; override ``PolicySamples``."""

    @pytest.fixture(autouse=True)
    def _contract_setup(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        set_up(request, monkeypatch, tmp_path, self.expected_failures)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make one case for each way of driving, each shape, each answer and each sample."""
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
        """One sample for each of ``numbers``; the references begin with ``what``."""
        return [self.message(n, reference=f"{what}-{n}") for n in range(len(self.numbers))]

    def messages(self, shape: Shape, what: str = "kit") -> list[Message]:
        """The messages to send in this ``shape``."""
        if shape == "code":
            return [self.verification_message(reference=f"{what}-code")]
        return self.batch(what)[: None if shape == "batch" else 1]

    def all_texts(self, what: str = "kit") -> list[Message]:
        """The samples, with the texts of ``refuses`` after the first, and the pairs of ``refuses_after`` at the end."""
        refused = [replace(text, reference=f"{what}-refused-{n}") for n, text in enumerate(self.refuses.values())]
        first, *others = self.batch(what)
        pairs = [text for pair in self.refuses_after.values() for text in pair]
        later = [replace(text, reference=f"{what}-after-{n}") for n, text in enumerate(pairs)]
        return [first, *refused, *others, *later]

    # --- worlds -------------------------------------------------------------------------------------------------------

    def policy(self) -> Policy:
        """A policy around the kit's vendor."""
        made: object = self.make(Vendor(account="kit"))
        if not isinstance(made, Policy):
            pytest.fail(f"{type(self).__name__}.make(inner) must return a smsbridge.Policy, not {type(made).__name__}")
        return made

    def findings_of(self, provider: SmsProvider) -> Iterable[Finding]:
        """The findings of a ``provider`` that ``make`` returned, as ``smsbridge doctor`` asks for them."""
        return provider.findings() if isinstance(provider, Policy) else ()

    def world(self, kind: type[Blocking | Async] = Blocking, words: str = "ok") -> World:
        """A client that sends through a new policy."""
        return World(self.make, kind, words, self.answers)

    def trials(self, way: Way, shape: Shape) -> list[Trial]:
        """The trials of a send in this ``shape``, interrupted at each of its steps."""
        if type(self) not in _TRIALS:
            _TRIALS[type(self)] = Trials(self.world, self.messages)
        return _TRIALS[type(self)].of(way, shape)


_TRIALS: dict[type[Kit], Trials] = {}
"""The trials of each class, made once for several tests."""
