"""Find the template of a text on India's DLT platforms, or the first difference, and the ids to send.

::

    registry = Registry.load("dlt.toml")
    filled = registry.fill("order-shipped", ["17", "Asha"])
    sms.send(Message(to="+919876543210", **filled.fields))

An operator drops a text that differs from its registered template by a single character; smsbridge finds that before
sending.
"""

from __future__ import annotations

from .difference import Change, Difference
from .findings import Barred, Filled, Finding, Match, Near
from .registry import Registry
from .rules import Rules
from .template import Category, Header, State, Template

__all__ = [
    "Barred",
    "Category",
    "Change",
    "Difference",
    "Filled",
    "Finding",
    "Header",
    "Match",
    "Near",
    "Registry",
    "Rules",
    "State",
    "Template",
]
