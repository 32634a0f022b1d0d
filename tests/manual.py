"""The manual for the tests: README.md and the pages of docs/, each page and each block of code."""

from __future__ import annotations

import ast
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


# --- lines about smsbridge ------------------------------------------------------------------------------------------------


def lines_about_smsbridge(shown: Mapping[str, str]) -> int:
    """How many lines of an application's files name smsbridge, or an object that comes from it.

    A name comes from smsbridge if it is imported from there, is assigned from such a name, or is imported from a file where it does; so
    does the parameter of a hook. All lines of a statement count, of a block its head.
    """
    modules = {name.removesuffix(".py").replace("/", "."): ast.parse(code) for name, code in shown.items()}
    names: dict[str, set[str]] = {module: set() for module in modules}
    before = -1
    while before != (before := sum(map(len, names.values()))):
        for module, tree in modules.items():
            for node in ast.walk(tree):
                names[module] |= _names_from(node, names, module)
    return sum(len(_lines(tree, names[module])) for module, tree in modules.items())


def _names_from(node: ast.AST, names: Mapping[str, set[str]], module: str) -> set[str]:
    """The names that a node takes from smsbridge."""
    known = names[module]
    if isinstance(node, ast.Import):
        return {alias.asname or alias.name for alias in node.names if alias.name.split(".")[0] == "smsbridge"}
    if isinstance(node, ast.ImportFrom):
        around = module.split(".")[: -node.level] if node.level else []
        source = ".".join([*around, *([node.module] if node.module else [])])
        ours = source.split(".")[0] == "smsbridge"
        return {alias.asname or alias.name for alias in node.names if ours or alias.name in names.get(source, ())}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        if any(_is_about(decorator, known) for decorator in node.decorator_list) and not isinstance(node, ast.ClassDef):
            return {argument.arg for argument in node.args.args if argument.arg != "self"}
        return set()
    targets: list[ast.AST] = []
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value and _is_about(node.value, known):
        targets = list(node.targets) if isinstance(node, ast.Assign) else [node.target]
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension) and _is_about(node.iter, known):
        targets = [node.target]
    elif isinstance(node, ast.withitem) and node.optional_vars and _is_about(node.context_expr, known):
        targets = [node.optional_vars]
    elif isinstance(node, ast.ExceptHandler) and node.name and node.type and _is_about(node.type, known):
        return {node.name}
    return {
        part.id
        for target in targets
        for part in ast.walk(target)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }


def _is_about(node: ast.AST, known: set[str]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in known for part in ast.walk(node))


def _lines(tree: ast.Module, known: set[str]) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if any((alias.asname or alias.name) in known for alias in node.names):
                found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.stmt | ast.ExceptHandler):
            inner = [part for part in getattr(node, "body", []) if isinstance(part, ast.stmt)]
            head = [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.stmt | ast.ExceptHandler)]
            first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
            last = inner[0].lineno - 1 if inner else node.end_lineno or node.lineno
            if any(_is_about(part, known) for part in head):
                found |= set(range(first, last + 1))
    return found
