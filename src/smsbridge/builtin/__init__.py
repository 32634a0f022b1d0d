"""Providers that need no account. Each is an ordinary plugin module."""
