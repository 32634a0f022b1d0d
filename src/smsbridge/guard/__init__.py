"""Limit who gets texts, and how often: the guard policy."""
