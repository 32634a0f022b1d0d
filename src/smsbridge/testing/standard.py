"""Standard tests, of providers and policies: none is overridden, and each expected failure has its reason."""

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
    """Raise TypeError if ``cls`` overrides a test of ``standard``, or expects a failure of none or without a reason.

    The bases of ``cls`` that are part of ``kit`` may define such tests. ``who`` may make a test impossible.
    """
    names = set(standard)
    for base in cls.__mro__:
        for name in names & vars(base).keys():
            if base is cls or not issubclass(base, kit):
                raise TypeError(
                    f"{cls.__name__} overrides the standard test {name}. If the {who} makes it impossible, say why: "
                    f'expected_failures = {{"{name}": "..."}}'
                )
    unknown = [name for name in cls.expected_failures if name.partition("[")[0] not in names]
    if unknown:
        raise TypeError(f"{cls.__name__}.expected_failures names no standard test: {', '.join(sorted(unknown))}")
    if not all(isinstance(reason, str) and reason.strip() for reason in cls.expected_failures.values()):
        raise TypeError(f"{cls.__name__}.expected_failures: every expected failure needs its reason")


def set_up(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, folder: Path, failures: Mapping[str, str]
) -> None:
    """Make ``folder`` the working directory, leave no settings around, and mark the expected ``failures``."""
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.upper().startswith(snapshot.PREFIX)]:
        monkeypatch.delenv(name)
    reason = failures.get(request.node.name) or failures.get(request.node.originalname)
    if reason:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
