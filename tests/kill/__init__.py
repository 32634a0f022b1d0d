"""Real processes that send with a ledger, and are killed on the way; ``python -m tests.kill --help``."""
