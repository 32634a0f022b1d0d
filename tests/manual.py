"""The manual for the tests: README.md and the pages of docs/, each page and each block of code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md"))]
BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"\n]+)")?\n(?P<code>.*?)^```$', re.MULTILINE | re.DOTALL
)
"""Marks of another form would not be drawn as code on the site."""
INCLUDED = re.compile(r'^--8<-- "(.*)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: its page, its language, and the name of its file, if it has a title."""

    page: str
    language: str
    title: str | None
    code: str

    @property
    def label(self) -> str:
        """The name of the block in the name of a test."""
        return f"{self.page}: {self.title or self.code.strip().splitlines()[-1][:50]}"


def text(page: str) -> str:
    """The page as it is written."""
    return (ROOT / page).read_text("utf-8")


def whole(page: str) -> str:
    """The page with what it includes, such as the README of a plugin."""
    return INCLUDED.sub(lambda found: (ROOT / found[1]).read_text("utf-8"), text(page))


def blocks(language: str | None = None, page: str | None = None, title: str | None = None) -> list[Block]:
    """The blocks of code in the manual, or only those of a language, page or title."""
    found = [
        Block(page=name, language=match["language"], title=match["title"], code=match["code"])
        for name in ([page] if page else PAGES)
        for match in BLOCK.finditer(whole(name))
    ]
    return [block for block in found if language in (None, block.language) and title in (None, block.title)]


def files(page: str) -> dict[str, str]:
    """The files that a page shows, by name."""
    return {block.title: block.code for block in blocks(page=page) if block.title}


def run_pytest(folder: Path, shown: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Write the files that a page shows into ``folder``, and run the tests among them in a process of their own."""
    for name, code in shown.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, "utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "smsbridge.testing.plugin",
        "--import-mode=prepend",
        str(folder),
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith("SMSBRIDGE_")}
    env |= {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # as a reader has it, but faster
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
