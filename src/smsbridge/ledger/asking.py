"""Share the options of the commands ``smsbridge texts ...``, and read the ledger that they are about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from smsbridge.cli import stored
from smsbridge.cli.session import not_empty
from smsbridge.durations import duration

if TYPE_CHECKING:
    from smsbridge.flow import Flow
    from smsbridge.stores.entries import Entry
    from smsbridge.stores.seam import Entries

T = TypeVar("T")
PAGE = 1000
_FOREVER = timedelta(days=36500)
only_account_option = click.option(
    "--account",
    metavar="NAME",
    callback=not_empty,
    help="Only texts sent through this account; default: through any.",
)
path_option = click.option(
    "--path", metavar="FILE", help="The SQLite file; default: that of SMSBRIDGE_LEDGER_STORE, or of SMSBRIDGE_STORE."
)


def opened(account: str | None, path: str | None) -> Entries:
    """Open the ledger in the file ``path``. Without ``path``, open the ledger that the settings of ``account`` name.

    The ledger is closed when the command ends. Raises ConfigurationError if no ledger is set, if it does not exist, or
    if it cannot be used.
    """
    from smsbridge.errors import ConfigurationError
    from smsbridge.stores.choice import part_of

    found = stored.chosen(account, "ledger", path=path)
    found.refuse_unusable("entries", "ledger")
    if found.is_absent:
        raise ConfigurationError(
            f"there is no ledger at {found.name}: it is created with the first text, or by smsbridge texts init"
        )
    entries = part_of(found.store, "entries", found.store.entries(keep=_FOREVER))
    click.get_current_context().call_on_close(entries.close)
    return entries


def asked(flow: Flow[T]) -> T:
    """Run ``flow``, a question to the store of the ledger, and return the answer.

    Raises ConfigurationError if the store cannot be used.
    """
    from smsbridge.errors import ConfigurationError
    from smsbridge.promise import Overdue
    from smsbridge.stores.blocking import at_once
    from smsbridge.stores.entries import Unwritable

    try:
        return at_once(flow)
    except (Unwritable, Overdue) as error:
        problem = str(error)
    raise ConfigurationError(f"the ledger cannot be used: {problem}")


def all_of(entries: Entries, **wanted: Any) -> Iterator[Entry]:
    """Yield all entries of the ledger that match ``wanted``. An entry is the record of a text.

    ``wanted`` holds fields of EntryFilters. The entries are read page by page.
    """
    from smsbridge.stores.entries import EntryFilters

    filters, after = EntryFilters(**wanted), 0
    while True:
        page = asked(entries.page(filters, after=after, limit=PAGE))
        for _, entry in page:
            yield entry
        if len(page) < PAGE:
            return
        after = page[-1][0]


def seconds(age: str | None) -> float | None:
    """Return an age such as ``90d`` in seconds; None for None. Raises click.UsageError if it is no age."""
    if age is None:
        return None
    found = duration(age)
    if found is not None and found <= _FOREVER:
        return found.total_seconds()
    raise click.UsageError("write an age as 90d, 12h or 30m")
