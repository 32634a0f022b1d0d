"""Runs the set-up with pip alone, exactly as in docs/contributing.md: in a copy of this clone, with an empty home.

::

    python tests/pip_setup.py                     # with the pip that the page's own line brings
    python tests/pip_setup.py --pip 25.1 26.0     # and with these versions, in turn
    python tests/pip_setup.py --tests             # and the last line too, which runs all tests

Ends with 1 at the first command that fails. Needs git and a package index.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent
_SETUP = re.compile(r"^Or with pip alone:\n\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_KEPT = ("PATH", "LANG", "SSL_CERT_FILE")


def setup() -> list[str]:
    """The commands of the page; the last command runs the tests."""
    found = _SETUP.search((ROOT / "docs/contributing.md").read_text("utf-8"))
    assert found, "the page has no set-up with pip alone"
    return found[1].splitlines()


def plugins_of() -> list[str]:
    """The folders of our own plugins."""
    return sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))


def providers_of() -> list[str]:
    """Those of our own plugins that bring a provider."""
    projects = {name: (ROOT / "plugins" / name / "pyproject.toml").read_text("utf-8") for name in plugins_of()}
    found = {name: tomllib.loads(text)["project"].get("entry-points", {}) for name, text in projects.items()}
    return [name for name, groups in found.items() if "smsbridge" in groups]


def groups_of(command: str) -> set[str]:
    """The names of all packages in the dependency groups of a command."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    words = shlex.split(command)
    todo = [group for option, group in pairwise(words) if option == "--group"]
    names: set[str] = set()
    while todo:
        for wanted in groups[todo.pop()]:
            if isinstance(wanted, dict):
                todo.append(wanted["include-group"])
            elif match := _NAME.match(wanted):
                names.add(match[0].lower())
    return names


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pip", nargs="*", default=[], metavar="VERSION", help="versions of pip to begin with")
    parser.add_argument("--tests", action="store_true", help="run the tests too")
    given = parser.parse_args(arguments)
    for version in given.pip or [None]:
        _say(f"--- pip {version or 'as it comes'}")
        if code := _set_up(version, tests=given.tests):
            return code
    return 0


def _set_up(version: str | None, *, tests: bool) -> int:
    first, *others, last = setup()
    commands = [first, *([f".venv/bin/pip install -q pip=={version}"] if version else []), *others]
    commands.append(last if tests else f"{last} --collect-only -q -n0 --no-header tests/test_house.py")
    with tempfile.TemporaryDirectory(prefix="smsbridge-pip-") as folder:
        clone, home = Path(folder, "clone"), Path(folder, "home")
        home.mkdir()
        _copy(clone)
        # The machine's configuration of pip stays, because it may name another index.
        env = {name: os.environ[name] for name in os.environ if name in _KEPT or name.startswith("PIP_")}
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"  # here, python3 is this Python
        for command in commands:
            _say(f"$ {command}")
            ran = subprocess.run(["bash", "-euc", command], cwd=clone, env=env | {"HOME": str(home)}, check=False)
            if ran.returncode != 0:
                _say(f"failed with {ran.returncode}: {command}")
                return 1
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _copy(clone: Path) -> None:
    """The files of this folder that git knows, in their present state."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, clone / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


if __name__ == "__main__":
    sys.exit(main())
