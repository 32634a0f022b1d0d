"""The documentation: links, navigation, the content of the reference, and the built site."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

import smsbridge
from manual import BLOCK, DOCS, PAGES, ROOT, text, whole
from pip_setup import plugins_of, providers_of
from smsbridge import errors, hookspecs
from smsbridge.cli import describe
from smsbridge.dlt.codes import ADVICE
from smsbridge.plugins import Plugins
from smsbridge.policies.known import BUILT_IN
from smsbridge.settings import Settings

SOURCE = ROOT / "src" / "smsbridge"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
ANCHOR = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def prose(page: str) -> str:
    """A page without its blocks of code."""
    return BLOCK.sub("", whole(page))


def anchors(page: str) -> set[str]:
    """The anchors of the headings of a page."""
    names = [
        re.sub(r"[^\w\s-]", "", heading.replace("`", "").lower()).strip() for heading in ANCHOR.findall(prose(page))
    ]
    return {re.sub(r"[-\s]+", "-", name) for name in names}


def target(page: str, link: str) -> str:
    """The page to which a link of ``page`` leads."""
    path = link.partition("#")[0]
    return (ROOT / page).parent.joinpath(path).resolve().relative_to(ROOT).as_posix() if path else page


def reference(page: str) -> str:
    return whole(f"docs/reference/{page}.md")


# --- links and navigation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_page_and_a_heading_that_are_there(page):
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        anchor = link.partition("#")[2]
        assert (ROOT / target(page, link)).is_file(), f"{page} links to {link}"
        assert not anchor or anchor in anchors(target(page, link)), (
            f"{page} links to {link}, and there is no such heading"
        )


def named(part: object) -> list[str]:
    """Every page in a part of the navigation."""
    if isinstance(part, str):
        return [f"docs/{part}"]
    return [page for inner in (part.values() if isinstance(part, dict) else part) for page in named(inner)]


def test_every_page_stands_in_the_navigation_once():
    navigation = named(tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"])
    assert sorted(navigation) == sorted(page for page in PAGES if page != "README.md")


def test_every_page_is_linked_from_another():
    linked = {target(page, link) for page in PAGES for link in LINK.findall(prose(page)) if "://" not in link}
    assert {page for page in PAGES if page not in linked} <= {"README.md", "docs/index.md", "docs/changelog.md"}


def test_the_readme_is_a_front_page():
    assert len(text("README.md").splitlines()) <= 200


# --- generated tables, and the content of the reference -------------------------------------------------------------------


def generator():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES)
def test_what_is_generated_is_current(page):
    assert generator().made(text(page)) == text(page), "run: uv run python docs/generate.py"


def test_every_generated_table_has_a_place():
    made = {name for page in PAGES for name in re.findall(r"made by docs/generate\.py: (\S+)", text(page))}
    assert made == set(generator().MADE)


def test_every_public_name_is_in_the_api_reference():
    page = reference("api")
    named_there = set(re.findall(r"^::: smsbridge\.(?:client\.)?(\w+)$", page, re.MULTILINE))
    assert set(smsbridge.__all__) <= named_there
    assert "smsbridge.__version__" in text("docs/start/install.md")


def test_every_setting_is_in_the_reference():
    plugins = Plugins()
    names = [*BUILT_IN, *("console", "file", "memory", "http"), *providers_of()]
    settings = describe.settings(Settings, None)
    settings += [setting for name in names for setting in describe.provider(plugins, name).settings]
    page = reference("settings")
    assert len(settings) > 100
    assert [setting.variable for setting in settings if f"| `{setting.variable}` |" not in page] == []


def test_every_error_is_in_the_reference():
    page = reference("errors")
    classes = [
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, Exception) and not name.startswith("_")
    ]
    assert [name for name in [*classes, "InsecureUrlWarning"] if f"`{name}`" not in page] == []


def reasons() -> set[str]:
    """Every reason in the sources."""
    found = {reason for name in BUILT_IN for reason in Plugins().policies.get(name).advice} | set(ADVICE) | {"opt-out"}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "reason" and isinstance(node.value, ast.Constant):
                found.add(str(node.value.value))
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "Stopped":
                found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return found - {"None"}


def test_every_reason_is_in_the_reference():
    page = reference("reasons")
    assert len(reasons()) >= 40
    assert sorted(reason for reason in reasons() if f"`{reason}`" not in page) == []


def test_every_hook_is_in_the_reference_with_its_arguments():
    page = reference("hooks")
    for name, hook in vars(hookspecs).items():
        if name.startswith("smsbridge_"):
            assert f"`{name}({', '.join(inspect.signature(hook).parameters)})`" in page


def test_every_logger_is_on_the_page_of_logs():
    paths = [*SOURCE.rglob("*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    sources = "".join(path.read_text("utf-8") for path in paths)
    loggers = set(re.findall(r'= logger\("([\w.]+)"\)', sources))
    assert "smsbridge.attempts" in loggers
    assert [name for name in sorted(loggers) if f"| `{name}` |" not in text("docs/going-live/logs.md")] == []


def test_every_policy_and_provider_has_a_page():
    for name in BUILT_IN:
        assert (DOCS / "policies" / f"{name}.md").exists() or (DOCS / "india" / f"{name}.md").exists(), name
    for name in providers_of():
        assert f"plugins/{name}/README.md" in text(f"docs/providers/{name}.md")


def test_the_manual_of_every_plugin_is_on_a_page():
    pages = "".join(path.read_text("utf-8") for path in DOCS.rglob("*.md"))
    assert [name for name in plugins_of() if f'--8<-- "plugins/{name}/README.md"' not in pages] == []


# --- the site -------------------------------------------------------------------------------------------------------------


class Loads(HTMLParser):
    """The addresses that a page loads when it is opened, without its links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in {"canonical", "next", "prev", "alternate"}:
            return
        names = ("href",) if tag == "link" else () if tag == "a" else ("src", "srcset", "data", "poster")
        self.found += [given[name] or "" for name in names if name in given]
        self.found += re.findall(r"url\(([^)]*)\)", given.get("style") or "")


def loads(page: Path) -> list[str]:
    parser = Loads()
    parser.feed(page.read_text("utf-8"))
    return parser.found


def elsewhere(address: str) -> bool:
    return re.match(r"\s*['\"]?(?:[a-z]+:)?//", address) is not None


def test_a_page_that_loads_from_another_host_is_found(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<script src="https://a.example/x.js"></script><img src="//b.example/y"><a href="https://c.example">'
    )
    assert [elsewhere(address) for address in loads(page)] == [True, True]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    if importlib.util.find_spec("zensical") is None:
        pytest.skip("zensical is not installed: uv sync --group docs")
    copy = tmp_path_factory.mktemp("documentation")
    for name in ("docs", "src", "plugins"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("zensical.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, copy / name)
    command = [Path(sys.executable).with_name("zensical"), "build", "--clean"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr, done.stdout + done.stderr
    return copy / "site"


def test_the_site_has_every_page_and_builds_without_a_warning(site):
    for page in PAGES[1:]:
        assert (site / Path(page).relative_to("docs").with_suffix(".html")).is_file(), page
    assert not list(site.rglob("*.py"))


def test_every_block_of_code_is_drawn_as_code(site):
    for page in site.rglob("*.html"):
        assert "```" not in re.sub(r"<code>.*?</code>", "", page.read_text("utf-8"), flags=re.DOTALL), page


def test_the_api_reference_shows_nothing_of_pydantic_and_dataclasses(site):
    page = (site / "reference/api.html").read_text("utf-8")
    assert "valid_until" in page
    assert re.findall(r"\bmodel_\w+|__(?:pydantic|dataclass|match_args|replace|init|eq|repr|hash)\w*__", page) == []


def test_no_page_of_the_site_loads_anything_from_another_host(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) >= len(PAGES) - 1
    assert [(page.name, link) for page in pages for link in loads(page) if elsewhere(link)] == []


def test_no_style_of_the_site_loads_anything_from_another_host(site):
    styles = list(site.rglob("*.css"))
    assert styles
    found = [
        link for path in styles for link in re.findall(r"url\(([^)]*)\)|@import\s+([^;]+);", path.read_text("utf-8"))
    ]
    assert [link for link in found if elsewhere("".join(link))] == []
