"""Built wheels and an empty environment to install them in; for tests."""

import os
import shutil
import subprocess
import sys


def wheel(project, folder):
    """Build the wheel of ``project`` in a copy, so the tree stays clean."""
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", "build", "dist", "*.egg-info")
    copy = folder / project.name
    copy.mkdir(parents=True)
    for path in project.iterdir():
        if path.is_file() and path.suffix in {".toml", ".md", ""}:
            shutil.copy(path, copy)
        elif path.name == "src" or path.name.startswith("smsbridge_"):
            shutil.copytree(path, copy / path.name, ignore=ignored)
    done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=copy)
    return folder


def done(*command, cwd, fails=False, **variables):
    """Run ``command`` without settings of smsbridge. Returns its output. With ``fails``, the command has to fail."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SMSBRIDGE_", "PYTHON", "VIRTUAL"))
    }
    ran = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**kept, **variables}, capture_output=True, text=True, check=False
    )
    assert (ran.returncode != 0) is fails, f"{' '.join(map(str, command))}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


class Environment:
    """An empty environment, and the wheels to install in it."""

    def __init__(self, folder, *projects):
        self.wheels = folder / "wheels"
        self.work = folder / "work"
        self.work.mkdir()
        for project in projects:
            wheel(project, self.wheels)
        self.uv = shutil.which("uv")
        path = folder / "environment"
        make = [self.uv, "venv", "-q", "-p", sys.executable] if self.uv else [sys.executable, "-m", "venv"]
        done(*make, path, cwd=folder)
        self.interpreter = path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def install(self, *wheels):
        """Install our wheels by their names, possibly with extras, and their dependencies from the index."""
        named = []
        for wheel in wheels:
            name, bracket, extra = wheel.partition("[")
            found = next(self.wheels.glob(f"{name}-*.whl"))
            named.append(f"{name.replace('_', '-')}{bracket}{extra} @ {found.as_uri()}")
        installer = (
            [self.uv, "pip", "install", "-q", "-p", self.interpreter]
            if self.uv
            else [self.interpreter, "-m", "pip", "install", "-q"]
        )
        done(*installer, *named, cwd=self.work)

    def python(self, code, **variables):
        return self.run("-c", code, **variables)

    def run(self, *command, **variables):
        """The output of ``python *command``."""
        return done(self.interpreter, *command, cwd=self.work, **variables).strip()

    def command(self, *words, **variables):
        """The output of ``smsbridge *words``."""
        return self.run("-m", "smsbridge", *words, **variables)
