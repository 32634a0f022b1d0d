"""The DLT policy: it lets only texts through that India's operators deliver, with the ids of their template."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr

from smsbridge.errors import UnsupportedError
from smsbridge.flow import Flow
from smsbridge.messages import Dlt, Message
from smsbridge.policies.gate import Gate
from smsbridge.policies.policy import Finding, Place

from . import Registry, files, notices
from .codes import ADVICE

_CODE = "123456"
"""A sample of a vendor's code, to compare its text with the templates."""


class DltPolicy(Gate):
    """Compares each text to India (+91) with the templates in the file ``registry``, before the text is sent.

    A text that fits a template gets the ids of the template and the entity, and also the sender id if the template has
    only one. Any other text is refused, and the error names the first difference. ``headers`` and ``templates`` list
    the sender ids and template ids that are declared with the vendor of this account. A text that needs others is
    unsupported by this account, so a failover tries the next account. Texts to other countries are not changed.
    """

    name = "dlt"
    place = Place.ACCOUNT
    advice: ClassVar[Mapping[str, str]] = {
        reason: words for reason, words in ADVICE.items() if reason.startswith("dlt")
    }

    registry: Path = Field(description="The file of templates: TOML, or the CSV export of a DLT portal.")
    headers: tuple[str, ...] = Field(default=(), description="Sender ids declared with this vendor; default: all.")
    templates: tuple[str, ...] = Field(
        default=(), description="Ids of templates declared with this vendor; default: all."
    )

    _registry: Registry = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._registry = _loaded(self.registry)

    def findings(self) -> Iterable[Finding]:
        if not files.read(self.registry).templates:
            yield Finding("warning", f"{self.registry}: {notices.NO_TEMPLATES}")

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        yield from ()
        return self._resolved(message, verification=verification)

    def _resolved(self, message: Message, *, verification: bool = False) -> Message:
        if verification and not message.text:
            # The vendor's own words have the vendor's own template.
            return message
        text = message.text.replace("{code}", _CODE) if verification else message.text
        found = self._registry.resolve(replace(message, text=text))
        if found.dlt is None or found.dlt.template_id is None:
            # A text to another country.
            return message
        self._refuse_undeclared(found.sender, found.dlt)
        supports = self.inner.verification_supports if verification else self.inner.supports
        return replace(
            message,
            sender=found.sender if "sender" in supports else message.sender,
            dlt=found.dlt if "dlt" in supports else message.dlt,
        )

    def _refuse_undeclared(self, sender: str | None, dlt: Dlt) -> None:
        if self.headers and sender is not None and sender not in self.headers:
            raise UnsupportedError(
                f"the sender id {sender} is not declared with this account's vendor: "
                "declare it there, and add it to `headers`"
            )
        if self.templates and dlt.template_id not in self.templates:
            raise UnsupportedError(
                f"the DLT template {dlt.template_id} is not declared with this account's vendor: "
                "declare it there, and add it to `templates`"
            )


def _loaded(path: Path) -> Registry:
    """The registry in ``path``, which accounts and clients share until it changes. Raises ConfigurationError."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        # Loading it raises the error.
        changed = 0
    return _load(path.absolute(), changed)


@functools.lru_cache(maxsize=8)
def _load(path: Path, _changed: int) -> Registry:
    return Registry.load(path)
