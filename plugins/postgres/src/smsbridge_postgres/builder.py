"""Builder: makes and upgrades the tables, and says what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

from . import schema
from .shelf import Shelf
from .words import NO_RIGHT, NO_SCHEMA, READ_ONLY

_MAY_NOT_MAKE = "the user of the database may not make tables: run smsbridge store upgrade as a user that may"
_RIGHTS_ASKED = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
# The words of several rights in one question would ask for any of them.
_LACKING = """SELECT count(*) FROM (
        SELECT has_table_privilege(to_regclass(name)::oid, wanted) AS is_given FROM unnest(%s::text[]) AS name,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted WHERE to_regclass(name) IS NOT NULL
        UNION ALL SELECT has_sequence_privilege('smsbridge_ledger_number_seq', 'USAGE')
    ) AS rights WHERE NOT is_given"""
_READ_ONLY = "SELECT current_setting('transaction_read_only')::boolean"


class Builder(Shelf):
    """Makes, upgrades and checks the tables in a database. The tables may be of any version of smsbridge.

    All methods but :meth:`close` are called within :meth:`together`.
    """

    def upgrade(self) -> int:
        """Make the tables that the database lacks, or upgrade older tables.

        Returns the version of the tables before; 0 if there were none. Raises Unwritable if the tables cannot be made.
        """
        return self._make()

    def problem(self, *, makes: bool) -> str | None:
        """Return why the tables cannot be used; None if no problem is known.

        ``makes`` says that missing tables will be made at the first use. Then missing tables are a problem only if the
        user of the database may not make tables.
        """
        found = self._look()
        if found.problem is not None:
            return found.problem
        if not found.number and not makes:
            return NO_SCHEMA
        if self._says(_READ_ONLY):
            return READ_ONLY
        if found.number:
            return NO_RIGHT if self._says(_LACKING, [schema.tables()]) else None
        return None if self._says(_RIGHTS_ASKED) else _MAY_NOT_MAKE

    def _says(self, query: str, values: Sequence[object] = ()) -> bool:
        (answer,) = self._ask(query, values).fetchone() or (False,)
        return bool(answer)

    def _checked(self, found: schema.Version) -> int:
        return found.number
