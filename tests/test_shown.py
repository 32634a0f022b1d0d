"""``help(smsbridge)``: the public names first, and nothing that only dataclasses and pydantic use."""

from __future__ import annotations

import dataclasses
import pydoc
import re
from decimal import Decimal
from unittest.mock import create_autospec

import pytest
from pydantic import BaseModel, SecretStr

import smsbridge
from smsbridge import Message, Money, Settings, SmsProvider
from smsbridge.builtin.memory import MemoryProvider

MACHINERY = re.compile(
    r"\bmodel_\w+|\b__(?:pydantic_\w+|dataclass_\w+|match_args|replace|signature|class_vars|private_attributes)__"
    r"|\b(?:parse_obj|update_forward_refs|from_orm)\b"
)


@pytest.fixture(scope="module")
def shown():
    """What ``python -m pydoc smsbridge`` prints."""
    return pydoc.render_doc(smsbridge, renderer=pydoc.plaintext)


def test_help_names_every_public_name_before_anything_else(shown):
    first = shown.partition("PACKAGE CONTENTS")[0]
    assert [name for name in smsbridge.__all__ if not re.search(rf"\b{name}\b", first)] == []


def test_help_shows_nothing_of_pydantic_and_dataclasses(shown):
    assert [line for line in shown.splitlines() if MACHINERY.search(line)] == []
    assert "inherited from pydantic" not in shown


@pytest.mark.parametrize("line", ["model_config = {}", "__match_args__ = ()", "__replace__(self, /, **changes)"])
def test_a_line_of_machinery_would_be_found(line):
    assert MACHINERY.search(f" |  {line}")


def test_help_shows_what_a_class_is_used_by(shown):
    for line in ("send(self, message: 'Message')", "from_env(", "carry(self, batch", "valid_until", "post_json("):
        assert line in shown, line


def test_what_is_not_shown_works():
    assert dataclasses.replace(Money(amount=Decimal(1), unit="credits"), unit="INR").unit == "INR"
    assert {field.name for field in dataclasses.fields(Message)} <= set(dir(Message))
    assert Settings(timeout=3).model_copy() == Settings(timeout=3)
    assert Settings.model_fields.keys() >= {"provider", "timeout"}


def test_a_mock_of_a_class_has_what_the_class_is_used_by():
    mock = create_autospec(MemoryProvider, instance=True)
    mock.send("a message")
    mock.send.assert_called_once_with("a message")
    assert create_autospec(Message, instance=True, to="+919876543210").to == "+919876543210"


def test_a_provider_of_a_third_party_shows_what_is_its_own():
    class AcmeProvider(SmsProvider):
        name = "acme"
        token: SecretStr

        def send(self, message):
            yield from ()

        def model_area(self):
            """A name of its own."""

    assert {"name", "send", "status", "capabilities", "from_env", "model_area"} <= set(dir(AcmeProvider))
    assert not set(dir(AcmeProvider)) & set(vars(BaseModel))
