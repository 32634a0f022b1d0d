"""The samples that the author of a policy supplies, and the helpers of the standard tests of a policy."""

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
    """List the samples of a policy for its contract tests.

    Always override ``make``; fill ``refuses`` if it refuses texts.

    Override ``refuses_after`` if the policy remembers texts, ``sample`` or ``message`` if it refuses the texts that the
    tests send by default, and ``answers`` if it asks a service.
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
        """Return the answer of a service to ``request``, which the policy makes before it lets a text through."""
        self.missing("answers(request)", "the answer of the service that your policy asks")


class Kit(PolicySamples):
    """Offer the helpers of the standard tests of a policy. Do not override them; override ``PolicySamples``."""

    @pytest.fixture(autouse=True)
    def _contract_setup(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        set_up(request, monkeypatch, tmp_path, self.expected_failures)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test case for each client, kind of send, answer of the vendor, and sample. pytest calls this."""
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
        """Make one sample message for each of the sample ``numbers``. Each reference begins with ``what``."""
        return [self.message(n, reference=f"{what}-{n}") for n in range(len(self.numbers))]

    def messages(self, shape: Shape, what: str = "kit") -> list[Message]:
        """Return the messages for a send of this ``shape``: one text, a batch of texts, or a one-time code.

        Each reference begins with ``what``.
        """
        if shape == "code":
            return [self.verification_message(reference=f"{what}-code")]
        return self.batch(what)[: None if shape == "batch" else 1]

    def all_texts(self, what: str = "kit") -> list[Message]:
        """Return all sample texts. The reference of each begins with ``what``.

        The order is: the first text of the batch, the texts of ``refuses``, the other texts of the batch, the texts of
        ``refuses_after``.
        """
        refused = [replace(text, reference=f"{what}-refused-{n}") for n, text in enumerate(self.refuses.values())]
        first, *others = self.batch(what)
        pairs = [text for pair in self.refuses_after.values() for text in pair]
        later = [replace(text, reference=f"{what}-after-{n}") for n, text in enumerate(pairs)]
        return [first, *refused, *others, *later]

    # --- worlds -------------------------------------------------------------------------------------------------------

    def policy(self) -> Policy:
        """Make a new policy around the simulated vendor. The test fails if ``make`` returns anything but a Policy."""
        made: object = self.make(Vendor(account="kit"))
        if not isinstance(made, Policy):
            pytest.fail(f"{type(self).__name__}.make(inner) must return a smsbridge.Policy, not {type(made).__name__}")
        return made

    def findings_of(self, provider: SmsProvider) -> Iterable[Finding]:
        """Return the findings of ``provider``, which ``make`` has returned.

        They are asked for as ``smsbridge doctor`` does.
        """
        return provider.findings() if isinstance(provider, Policy) else ()

    def world(self, kind: type[Blocking | Async] = Blocking, words: str = "ok") -> World:
        """Make a client of the class ``kind`` that sends through a new policy to a simulated vendor.

        ``words`` are the vendor's reactions, separated by a comma and a space: see ``Wire``.
        """
        return World(self.make, kind, words, self.answers)

    def trials(self, way: Way, shape: Shape) -> list[Trial]:
        """Interrupt a send in this ``shape`` at each of its steps in turn, and return a Trial for each interruption.

        ``way`` says which client sends and how the send is interrupted. The trials of a class are made once and then
        kept.
        """
        if type(self) not in _TRIALS:
            _TRIALS[type(self)] = Trials(self.world, self.messages)
        return _TRIALS[type(self)].of(way, shape)


_TRIALS: dict[type[Kit], Trials] = {}
"""The trials of each class, made once for several tests."""
