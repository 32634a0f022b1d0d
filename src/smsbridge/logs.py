"""The loggers of smsbridge: whatever is logged, a record is one line, bounded, and commands no terminal."""

from __future__ import annotations

import logging

from .display import line


def logger(name: str) -> logging.Logger:
    """The logger ``name``.

    What its records are given, codes and references of others above all, is made fit for a line.
    """
    found = logging.getLogger(name)
    found.addFilter(_fit)  # once, however often
    return found


def _fit(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(map(_shown, record.args))
    for name, value in vars(record).items():
        if isinstance(value, dict):  # the fields of ``extra``
            setattr(record, name, {key: _shown(one) for key, one in value.items()})
    return True


def _shown(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return value if value is None or isinstance(value, int | float) else line(value)
