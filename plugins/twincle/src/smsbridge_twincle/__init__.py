"""Twincle."""
