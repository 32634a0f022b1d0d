"""The loggers of smsbridge: each record is a single line of limited length, and controls no terminal."""

from __future__ import annotations

import logging

from .display import line


def logger(name: str) -> logging.Logger:
    """Return the logger with this name.

    This logger makes the arguments of each record, such as the vendors' codes, safe for a single line of a log.
    """
    found = logging.getLogger(name)
    # A repeated call adds it only once.
    found.addFilter(_fit)
    return found


def _fit(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(map(_shown, record.args))
    for name, value in vars(record).items():
        if isinstance(value, dict):  # the fields of ``extra``
            setattr(record, name, {key: _shown(part) for key, part in value.items()})
    return True


def _shown(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_shown(part) for part in value]
    return value if value is None or isinstance(value, int | float) else line(value)
