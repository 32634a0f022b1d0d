"""A server with every odd behaviour that we know, run against every transport; see ``tests/test_torture.py``.

A behaviour is a line in the table of ``behaviours.py``; a transport is a line in ``kinds.py``.
"""
