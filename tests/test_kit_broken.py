"""Broken providers fail the contract kit, each by the test for its mistake; a healthy provider passes."""

import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ACME = Path(__file__).with_name("acme")


@pytest.fixture(scope="module")
def broken():
    """The module of broken providers. It needs Acme's folders."""
    before = list(sys.path)
    sys.path[:0] = [str(ACME), str(ACME / "tests")]
    import broken as module

    yield module
    sys.path[:] = before


def test_every_broken_provider_is_caught_by_name(broken, pytester):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(
        test_kit="from broken import CATCHES, contract\n"
        "globals().update({f'Test{kind.__name__}': contract(kind) for kind in CATCHES})"
    )
    wanted = {(f"Test{provider.__name__}", test) for provider, tests in broken.CATCHES.items() for test in tests}
    ids = [f"test_kit.py::{case}::{test}" for case, test in sorted(wanted)]
    run = pytester.inline_run("-q", "-p", "no:cacheprovider", *ids)
    caught = {
        (case, test.partition("[")[0])
        for report in run.getreports("pytest_runtest_logreport")
        if report.failed and report.when == "call"
        for case, test in [report.nodeid.split("::")[1:]]
    }
    assert caught == wanted


@pytest.mark.parametrize(
    ("provider", "own"),
    [
        ("SignsParameters", ""),
        ("SendsASharedSecret", 'proof_covers="secret"'),
        ("AcmeProvider", 'proof_covers="body"'),
        ("AcmeProvider", "id_is_reference=True"),
    ],
)
@pytest.mark.usefixtures("broken")
def test_who_covers_what_is_said_passes(pytester, provider, own):
    """Vendors differ; each kind is tested."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(
        test_kit=f"import broken\nwhole = broken.contract(broken.{provider}, {own})\n"
        "TestKit = type('TestKit', (whole,), {'collect': ('webhooks', 'queries', 'batches')})"
    )
    passed, skipped, failed = pytester.inline_run("-q", "-p", "no:cacheprovider").listoutcomes()
    assert len(passed) > 25
    assert not [*skipped, *failed]


def test_a_healthy_twin_passes_everything(pytester):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    run = pytester.runpytest_subprocess(
        "-q", "-c", "tox.ini", "-p", "no:cacheprovider", "--import-mode=importlib", ACME / "tests"
    )
    outcomes = run.parseoutcomes()
    assert outcomes["passed"] > 250
    assert set(outcomes) <= {"passed", "skipped", "warnings"}, run.stdout.str()
