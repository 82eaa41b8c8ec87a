"""Reading labels of many documents: those below a folder, and what they name.

INVARIANT: nothing here returns a document of which no version is live.
"""

from __future__ import annotations

import json
from typing import Final

from sqlalchemy import ColumnElement, Connection, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB

from acl.records.database.database import Database
from acl.records.database.storable import from_json
from acl.records.labels.types import LabelState
from acl.records.tables.core import documents
from acl.records.tables.rows import DOCUMENT_COLUMNS, document_of

_LIVE: Final = documents.c.live_version > 0


class LabelPages:
    """Labels of many documents, a page at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def below(
        self, tenant: str, folder: str, *, after: str = "", limit: int = 100
    ) -> tuple[LabelState, ...]:
        """Return live documents whose `path` begins so, by uri, beginning behind `after`."""
        return await self._database.read(_below, tenant, folder, after, limit)

    async def named(self, tenant: str, attribute: str) -> frozenset[str]:
        """Return every element that live documents of a tenant have in a set of their labels."""
        return await self._database.read(_named, tenant, attribute)


def _below(
    connection: Connection, tenant: str, folder: str, after: str, limit: int
) -> tuple[LabelState, ...]:
    lies = func.substr(_value(connection, "path"), 1, len(folder)) == folder
    statement = (
        select(documents.c.origins, *DOCUMENT_COLUMNS)
        .where(_LIVE, documents.c.tenant == tenant, documents.c.uri > after, lies)
        .order_by(documents.c.uri)
        .limit(limit)
    )
    return tuple(
        LabelState(document=document_of(row[1:]), origins=from_json(row[0]))
        for row in connection.execute(statement)
    )


def _named(connection: Connection, tenant: str, attribute: str) -> frozenset[str]:
    value = _value(connection, attribute)
    statement = select(value).where(_LIVE, documents.c.tenant == tenant, value.is_not(None))
    found = connection.execute(statement.distinct()).scalars()
    return frozenset(one for text in found for one in json.loads(text))


def _value(connection: Connection, attribute: str) -> ColumnElement[str]:
    """Return a value of the label: a text as it is, anything else as JSON."""
    if connection.dialect.name == "postgresql":
        return cast(documents.c.label, JSONB).op("->>")(attribute)
    return func.json_extract(documents.c.label, f'$."{attribute}"')
