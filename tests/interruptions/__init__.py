"""Raises exceptions in a sending thread at any moment, as signal handlers do; ``python -m tests.interruptions --help``."""
