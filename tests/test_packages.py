"""The page "Behind other packages": what it shows works with the packages themselves, where they are installed."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest

from manual import ROOT, blocks, files, run_pytest, text

PAGE = "docs/recipes/packages.md"
TESTS = Path(__file__).with_name("packages")
PACKAGES = {
    "django-two-factor-auth": "two_factor",
    "django-allauth": "allauth",
    "Flask-Security": "flask_security",
    "Celery": "celery",
}
"""By the heading on the page: what is imported. The tests of each are a file of ``tests/packages``."""


def file_of(package: str) -> Path:
    return TESTS / f"{package.lower().replace('-', '_')}.py"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_recipe_works_with_the_package(package, tmp_path):
    if importlib.util.find_spec(PACKAGES[package]) is None:
        pytest.skip(f"{package} is not installed: uv sync --group recipes")
    tests = file_of(package)
    done = run_pytest(tmp_path, {**files(PAGE), f"test_{tests.name}": tests.read_text("utf-8")})
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_package_of_the_page_has_its_tests_and_is_installed_for_them():
    headings = [line.removeprefix("## ") for line in text(PAGE).splitlines() if line.startswith("## ")]
    assert headings == list(PACKAGES)
    assert {path.name for path in TESTS.glob("*.py")} == {file_of(package).name for package in PACKAGES}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = {wanted.partition(">")[0] for wanted in groups["dependency-groups"]["recipes"]}
    assert asked == {package.lower() for package in PACKAGES}
    assert "recipes" in groups["tool"]["uv"]["default-groups"]


@pytest.mark.parametrize("shown", [block.title for block in blocks("python", PAGE)])
def test_each_file_of_the_page_is_used_by_a_test(shown):
    name = shown.removesuffix(".py")
    used = [path.read_text("utf-8") for path in TESTS.glob("*.py")] + [block.code for block in blocks("python", PAGE)]
    assert any(f"{word} {name}" in code or f'"{name}.' in code for code in used for word in ("import", "from"))
