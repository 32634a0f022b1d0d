"""Broken policies fail the policy kit, each by the test for its mistake; a healthy policy passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from broken_policies import CATCHES, Calm, Patient, contract
from smsbridge.testing import PolicyContract
from smsbridge.testing.policy.interruptions import Interruptions
from smsbridge.testing.policy.memory import Memory

pytest_plugins = ["pytester"]
TestCalm = contract(Calm)
TestPatient = contract(Patient)


ENDS = "test_it_ends_when_it_is_interrupted"


def test_every_broken_policy_is_caught_by_name(pytester):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(
        test_kit="from broken_policies import CATCHES, contract\n"
        "globals().update({f'Test{kind.__name__}': contract(kind) for kind in CATCHES})"
    )
    wanted = {(f"Test{policy.__name__}", test) for policy, test in CATCHES.items()}
    cases = {name: "[blocking-batch]" for name in vars(Interruptions) if name.startswith("test_")}
    ids = [f"test_kit.py::{case}::{test}{cases.get(test, '')}" for case, test in sorted(wanted)]
    run = pytester.inline_run("-q", "-p", "no:cacheprovider", *ids)
    caught = {
        (case, test.partition("[")[0])
        for report in run.getreports("pytest_runtest_logreport")
        if report.failed and report.when == "call"
        for case, test in [report.nodeid.split("::")[1:]]
    }
    assert caught == wanted


def test_a_policy_that_never_ends_is_caught(pytester, monkeypatch):
    """Runs in a separate process, because its thread never ends."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(
        test_kit="from broken_policies import NeverGivesUp, contract\n"
        "from smsbridge.testing.policy import world\n"
        "world.LONGEST = 1.0\n"
        "TestIt = contract(NeverGivesUp)"
    )
    run = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", f"test_kit.py::TestIt::{ENDS}[blocking-text]", "--tb=line"
    )
    assert run.parseoutcomes() == {"failed": 1}
    run.stdout.fnmatch_lines("*does a loop ignore batch.stop?*")


def test_each_standard_test_catches_a_broken_policy():
    assert {*CATCHES.values(), ENDS} == {name for name in dir(PolicyContract) if name.startswith("test_")}


def test_the_contract_is_not_weakened():
    with pytest.raises(TypeError, match="overrides the standard test test_it_ends"):
        type("TestIt", (PolicyContract,), {"test_it_ends_when_it_is_interrupted": None})
    with pytest.raises(TypeError, match="names no standard test: test_nothing"):
        type("TestIt", (PolicyContract,), {"expected_failures": {"test_nothing": "why"}})
    without_reason = {"test_foresight_changes_nothing": ""}
    with pytest.raises(TypeError, match="needs a reason"):
        type("TestIt", (PolicyContract,), {"expected_failures": without_reason})


def test_what_does_not_apply_is_not_collected():
    class Plain(PolicyContract):
        pass

    always = "test_what_it_remembers_is_reached_by_a_sample"
    pairs = [name for name in vars(Memory) if name.startswith("test_") and name != always]
    assert getattr(Plain, always) is not None
    for cases, names in ((TestCalm, ["test_what_it_refuses_does_not_leave"]), (TestPatient, pairs)):
        for name in names:
            assert getattr(Plain, name) is None
            assert getattr(cases, name) is not None
    assert all(getattr(TestCalm, name) is None for name in pairs)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("pass", "override `make(inner)`, your policy around a provider"),
        ("make = lambda self, inner: inner", "must return a smsbridge.Policy, not Vendor"),
    ],
)
def test_a_missing_policy_is_explained(pytester, body, words):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(
        test_kit=f"from smsbridge.testing import PolicyContract\nclass TestIt(PolicyContract):\n    {body}"
    )
    test = "test_kit.py::TestIt::test_its_place_is_a_place_or_none"
    run = pytester.inline_run("-q", "-p", "no:cacheprovider", test)
    (report,) = [report for report in run.getreports("pytest_runtest_logreport") if report.when == "call"]
    assert words in report.longreprtext
