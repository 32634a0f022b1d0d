"""List notices about a registry: no mistakes, but possible reasons of later refusals."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date, timedelta

from .contents import Contents, Mistake
from .registry import Registry
from .template import Shape, Template

NO_TEMPLATES = "there are no templates, so every text to India is refused"
_SOON = timedelta(days=30)
_MASK = re.compile(r"X{4,}")


def notices(contents: Contents, registry: Registry, day: date) -> list[Mistake]:
    """Return a notice, with its line, for each template that may lead to refusals, although it is no mistake.

    Such a template is not usable on ``day`` or soon after that day, or has the same text as another template, or looks
    wrong.
    """
    alike: defaultdict[Shape, list[Template]] = defaultdict(list)
    for template in contents.templates:
        alike[template.shape].append(template)
    found = [] if contents.templates else [Mistake(None, NO_TEMPLATES)]
    for template in contents.templates:
        same = [other.label for other in alike[template.shape] if other is not template]
        words = [*_of_template(template, registry, day)]
        if same:
            words.append(f"has the same text as {', '.join(same)}: only a sender id or a template id tells them apart")
        line = contents.lines.get(template.id)
        found += [Mistake(line, f"template {template.label} {remark}") for remark in words]
    return found


def _of_template(template: Template, registry: Registry, day: date) -> list[str]:
    words = []
    if why := template.barred(day, registry.rules_on(day)):
        words.append(why[1])
    elif template.valid_until and template.valid_until - day <= _SOON:
        words.append(f"expires on {template.valid_until}")
    if not registry.entity_of(template):
        words.append("has no entity id, and neither has the file")
    if not template.headers:
        words.append("names no header, so its sender id is not checked")
    if not template.shape.fixed:
        words.append("has no fixed text, so every short text fits it")
    if any(_MASK.search(part) for part in template.shape.fixed):
        words.append("has XXXX as fixed text; if the text varies there, use a variable")
    return words
