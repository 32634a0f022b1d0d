"""A third party's plugin, as its author and its users meet it: built wheels in an empty environment.

That Acme keeps the contract is proven by its own tests in ``tests/acme``; here the same tests run from the wheels.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACME = ROOT / "tests" / "acme"
BROKEN = {
    "broken_neighbour.py": "raise ImportError('a library that is not there')",
    "smsbridge_broken-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: smsbridge-broken\nVersion: 1.0\n",
    "smsbridge_broken-1.0.dist-info/entry_points.txt": "[smsbridge]\nbroken = broken_neighbour\n",
}


def wheel(project, folder):
    """The wheel of ``project``, built in a copy, so that nothing is left in the tree."""
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", "build", "dist", "*.egg-info")
    copy = folder / project.name
    copy.mkdir(parents=True)
    for one in project.iterdir():
        if one.is_file() and one.suffix in {".toml", ".md", ""}:
            shutil.copy(one, copy)
        elif one.name == "src" or one.name.startswith("smsbridge_"):
            shutil.copytree(one, copy / one.name, ignore=ignored)
    done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=copy)
    return folder


def done(*command, cwd, **variables):
    """Run ``command`` without any setting of smsbridge around; returns what it printed."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SMSBRIDGE_", "PYTHON", "VIRTUAL"))
    }
    ran = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**kept, **variables}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{' '.join(map(str, command))}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


class Environment:
    """An empty environment, and the wheels to put into it."""

    def __init__(self, folder):
        self.folder = folder
        self.wheels = folder / "wheels"
        self.work = folder / "work"
        self.work.mkdir()
        for project in (ROOT, ROOT / "plugins" / "twincle", ACME):
            wheel(project, self.wheels)
        self.uv = shutil.which("uv")
        self.path = folder / "environment"
        make = [self.uv, "venv", "-q", "-p", sys.executable] if self.uv else [sys.executable, "-m", "venv"]
        done(*make, self.path, cwd=folder)
        self.interpreter = self.path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def install(self, *wheels):
        """Install our wheels by their names, possibly with extras, and their dependencies from the index."""
        named = []
        for one in wheels:
            name, bracket, extra = one.partition("[")
            found = next(self.wheels.glob(f"{name}-*.whl"))
            named.append(f"{name.replace('_', '-')}{bracket}{extra} @ {found.as_uri()}")
        installer = (
            [self.uv, "pip", "install", "-q", "-p", self.interpreter]
            if self.uv
            else [self.interpreter, "-m", "pip", "install", "-q"]
        )
        done(*installer, *named, cwd=self.work)

    def python(self, code, **variables):
        return done(self.interpreter, "-c", code, cwd=self.work, **variables).strip()


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    one = Environment(tmp_path_factory.mktemp("wheels"))
    one.install("smsbridge")
    return one


@pytest.fixture(scope="module")
def with_acme(environment):
    """Acme is installed, and beside it a plugin that cannot be imported."""
    environment.install("smsbridge", "smsbridge_acme")
    packages = Path(environment.python("import sysconfig; print(sysconfig.get_path('purelib'))"))
    for name, text in BROKEN.items():
        (packages / name).parent.mkdir(exist_ok=True)
        (packages / name).write_text(text)
    return environment


def test_the_core_alone_sends_through_console(environment):
    assert environment.python("import smsbridge; print(*smsbridge.Plugins().names())") == "console file memory"
    printed = environment.python("import smsbridge; smsbridge.send('+91 98765 43210', 'Hello from the core')")
    assert "Hello from the core" in printed
    assert "+91******3210" in printed
    extras = "from importlib.util import find_spec; print([name for name in ('click', 'pytest', 'aiohttp') if find_spec(name)])"
    assert environment.python(extras) == "[]"


def test_an_installed_plugin_is_found_beside_a_broken_neighbour(with_acme):
    code = "import smsbridge; plugins = smsbridge.Plugins(); print(*plugins.names(), plugins.origin('acme'))"
    assert with_acme.python(code) == "acme broken console file memory smsbridge-acme 1.0"
    code = "import smsbridge; print(smsbridge.SmsClient().provider.capabilities == {'batch', 'status', 'webhooks'})"
    assert with_acme.python(code, SMSBRIDGE_PROVIDER="acme", SMSBRIDGE_ACME_TOKEN="dummy") == "True"
    assert "Hello" in with_acme.python("import smsbridge; smsbridge.send('+919876543210', 'Hello')")


def test_who_asks_for_the_broken_neighbour_is_told_which_plugin_it_is(with_acme):
    code = """
import smsbridge
try:
    smsbridge.SmsClient("broken")
except smsbridge.ConfigurationError as error:
    print(error)
"""
    assert "smsbridge-broken 1.0" in with_acme.python(code)


def test_twincle_comes_as_a_wheel(with_acme):
    with_acme.install("smsbridge", "smsbridge_twincle")
    code = "import smsbridge; print(smsbridge.Plugins().provider_class('twincle').__name__)"
    assert with_acme.python(code) == "TwincleProvider"


def test_the_kit_of_the_wheel_passes_acme(with_acme):
    with_acme.install("smsbridge[testing]", "smsbridge_acme")
    shutil.copy(ACME / "tests" / "test_contract.py", with_acme.work)
    run = done(
        with_acme.interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_contract.py", cwd=with_acme.work
    )
    assert "passed" in run
    assert "failed" not in run
    fixtures = done(
        with_acme.interpreter, "-m", "pytest", "--fixtures", "-q", "-p", "no:cacheprovider", cwd=with_acme.work
    )
    assert "sms_outbox" in fixtures
