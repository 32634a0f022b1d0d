"""Draw trees as lines of text: the providers inside an account, or what each of them would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import describe

if TYPE_CHECKING:
    from ..messages import Foresight
    from ..provider import SmsProvider
    from .output import Output

_HOLDING = ("account", "accounts", "inner")
"""Settings that the tree itself shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Hold a provider or a policy in a tree for ``draw``: ``inside`` has a branch for each provider that it holds.

    ``about`` is a remark that is printed beside the name.
    """

    name: str
    account: str
    about: str = ""
    inside: tuple[Branch, ...] = ()


def of_provider(provider: SmsProvider) -> Branch:
    """Make the tree of ``provider`` and all providers inside it, for ``draw``.

    The remark on a policy shows the settings that the policy was given.
    """
    from ..composite import inside

    held = tuple(map(of_provider, inside(provider)))
    about = _settings(provider) if held else "texts end here" if provider.stub else ""
    return Branch(name=provider.name, account=provider.account, about=about, inside=held)


def of_foresight(view: Foresight) -> Branch:
    """Make the tree of the rehearsed send ``view``: each branch says what its provider would do with the text."""
    passes = view.verdict == "would send" or (view.inside and view.error == view.inside[-1].error)
    about = view.words if passes else f"{view.verdict}: {view.words}"
    return Branch(name=view.provider, account=view.account, about=about, inside=tuple(map(of_foresight, view.inside)))


def draw(out: Output, branch: Branch) -> None:
    """Print ``branch`` and the branches inside it, each indented under the provider that holds it."""
    rows = list(_rows(branch, 1))
    width = max(len(label) for label, _ in rows)
    for label, about in rows:
        out.line(f"{label:<{width}}  {about}".rstrip())


def _rows(branch: Branch, depth: int) -> Iterator[tuple[str, str]]:
    # If the branch below has the same account, only that branch names it.
    below = [held.account for held in branch.inside]
    account = "" if branch.account == branch.name or below == [branch.account] else f" (account {branch.account})"
    yield f"{'  ' * depth}{branch.name}{account}", branch.about
    for held in branch.inside:
        yield from _rows(held, depth + 1)


def _settings(provider: SmsProvider) -> str:
    fields = type(provider).model_fields
    given = provider.model_fields_set - {*_HOLDING}
    names = [name for name in fields if name in given and getattr(provider, name) is not None]
    shown = {
        name: describe.HIDDEN if describe.is_secret(name, fields[name]) else describe.show(getattr(provider, name))
        for name in names
    }
    return ", ".join(f"{name} {value}" for name, value in shown.items())
