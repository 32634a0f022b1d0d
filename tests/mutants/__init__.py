"""Puts small mistakes into the most important code, to see whether tests find them."""
