"""Moment: a time as the ledger keeps it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.utils import timezone


class MomentField(models.Field):
    """A model field for a time in the ledger: seconds since 1970 in SQLite, a ``timestamptz`` in PostgreSQL."""

    # Not a DateTimeField, whose converter for SQLite reads text.

    def from_db_value(self, value: Any, expression: object, connection: object) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return value if timezone.is_aware(value) else timezone.make_aware(value)
        return datetime.fromtimestamp(value, UTC)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002  # Django's signature
        return value.timestamp() if isinstance(value, datetime) and connection.vendor == "sqlite" else value
