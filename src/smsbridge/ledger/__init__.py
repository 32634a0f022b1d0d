"""Ledger: each text is recorded before it leaves, so that none is sent twice."""
