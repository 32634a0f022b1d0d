"""The built-in providers pass the contract of all providers, without a vendor that answers."""

# ruff: noqa: RUF012  # samples are class attributes, and tests do not change them

import json

import pytest

from smsbridge.builtin.console import ConsoleProvider
from smsbridge.builtin.file import FileProvider
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.testing import ProviderContract


class TestConsole(ProviderContract):
    provider_class = ConsoleProvider

    @pytest.fixture(autouse=True)
    def _printed(self, capsys):
        self.capsys = capsys

    def output(self):
        lines = self.capsys.readouterr().out.splitlines()
        return [line for line in lines if not line.startswith("│ id ")]


class TestConsoleThatShowsNumbers(TestConsole):
    settings = {"show_numbers": True}


class TestFile(ProviderContract):
    provider_class = FileProvider
    settings = {"path": "texts.jsonl"}

    def output(self):
        path = self.make().path
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [{**json.loads(line), "at": None} for line in lines]


class TestMemory(ProviderContract):
    provider_class = MemoryProvider
