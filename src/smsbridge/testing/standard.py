"""Protect the standard tests of providers and policies: a subclass cannot override or skip them without a reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from smsbridge import snapshot

Tests = Mapping[str, Callable[..., None]]


def tests_of(contract: type) -> Tests:
    """Return the standard tests of the contract class ``contract``, inherited tests included, by name."""
    return {name: getattr(contract, name) for name in dir(contract) if name.startswith("test_")}


def refuse_weaker(cls: Any, standard: Iterable[str], *, kit: type, who: str) -> None:
    """Raise TypeError if ``cls``, a subclass of a contract class, tests less than the contract.

    That is so if ``cls`` overrides one of the ``standard`` tests, expects a failure of an unknown test, or gives no
    reason for an expected failure. Bases of ``cls`` that are subclasses of ``kit`` belong to the contract and may
    define standard tests. ``who`` ("vendor", "policy") is a word for the error message.
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
    """Prepare a contract test: enter the directory ``folder``, and remove settings of smsbridge from the environment.

    ``failures`` maps names of tests that are expected to fail to the reasons. If the test of ``request`` is among them,
    it is marked as an expected failure.
    """
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.upper().startswith(snapshot.PREFIX)]:
        monkeypatch.delenv(name)
    reason = failures.get(request.node.name) or failures.get(request.node.originalname)
    if reason:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
