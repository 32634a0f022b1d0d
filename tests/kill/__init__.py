"""Kills real processes that send with a ledger; ``python -m tests.kill --help``."""
