"""The vendors' samples have fixed dates, so in these tests no text is too late by the clock of this machine."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest


@pytest.fixture(autouse=True)
def long_ago(monkeypatch):
    monkeypatch.setattr("smsbridge.attempts.utc_now", lambda: datetime(2000, 1, 1, tzinfo=UTC))
