"""Policies: providers that hold providers, and change how texts are sent through them.

Each is configured like any provider, works in both clients, and sends through ``attempts``, which alone determines the
outcome of a text.
"""
