"""The built-in providers, which need no account at a vendor. Each is an ordinary plugin module."""
