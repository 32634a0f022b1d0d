"""Standard tests of providers and policies: they cannot be overridden, and each expected failure has a reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from smsbridge import snapshot

Tests = Mapping[str, Callable[..., None]]


def tests_of(contract: type) -> Tests:
    """The standard tests of ``contract``, by name."""
    return {name: getattr(contract, name) for name in dir(contract) if name.startswith("test_")}


def refuse_weaker(cls: Any, standard: Iterable[str], *, kit: type, who: str) -> None:
    """Raise TypeError if ``cls`` overrides a standard test, expects a failure of an unknown test, or gives no reason.

    The bases of ``cls`` that are part of ``kit`` may define standard tests. ``who`` ("vendor", "policy") is for the
    error message.
    """
    names = set(standard)
    for base in cls.__mro__:
        for name in names & vars(base).keys():
            if base is cls or not issubclass(base, kit):
                raise TypeError(
                    f"{cls.__name__} overrides the standard test {name}. If the {who} makes the test impossible, "
                    f'say why: expected_failures = {{"{name}": "..."}}'
                )
    unknown = [name for name in cls.expected_failures if name.partition("[")[0] not in names]
    if unknown:
        raise TypeError(f"{cls.__name__}.expected_failures names no standard test: {', '.join(sorted(unknown))}")
    if not all(isinstance(reason, str) and reason.strip() for reason in cls.expected_failures.values()):
        raise TypeError(f"{cls.__name__}.expected_failures: every expected failure needs a reason")


def set_up(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, folder: Path, failures: Mapping[str, str]
) -> None:
    """Make ``folder`` the working directory, remove our settings from the environment, mark expected ``failures``."""
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.upper().startswith(snapshot.PREFIX)]:
        monkeypatch.delenv(name)
    reason = failures.get(request.node.name) or failures.get(request.node.originalname)
    if reason:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
