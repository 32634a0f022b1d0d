"""PostgreSQL for smsbridge: ``SMSBRIDGE_STORE=postgresql://user:password@host/database``.

The store is opened by its URL, see ``store.py``; psycopg is imported by the first connection.
"""
