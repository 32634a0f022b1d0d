"""Exceptions that strike a sending thread at any moment, as those of signal handlers do; ``python -m tests.interruptions --help``."""
