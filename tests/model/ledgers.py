"""What survives a crash of the model's process."""

from __future__ import annotations

ledger = None
