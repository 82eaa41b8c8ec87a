"""What the records hold, for those who compare it with something else: a source, or the engine.

Nothing of it is for a reader of documents: `pending` names versions that are not visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, select

from acl.records.database.database import Database
from acl.records.database.storable import from_json
from acl.records.labels.types import LabelState
from acl.records.tables.core import documents, pending_versions
from acl.records.tables.rows import DOCUMENT_COLUMNS, document_of
from acl.records.tables.transitions import describe, was_live
from acl.records.tables.types import DocumentRecord, DocumentVersion


class Inventory:
    """The whole stock, whatever the tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def documents(self, *, after: str = "", limit: int = 500) -> tuple[DocumentRecord, ...]:
        """Return live documents in the order of their id, beginning behind `after`."""
        here = (documents.c.live_version > 0) & (documents.c.id > after)
        statement = select(*DOCUMENT_COLUMNS).where(here).order_by(documents.c.id).limit(limit)
        return await self._database.read(_documents, statement)

    async def pending(self) -> frozenset[DocumentVersion]:
        """Return the versions that have begun and are not live."""
        return await self._database.read(_pending)

    async def describe(self, document_id: str, metadata: Mapping[str, object]) -> None:
        """Replace the metadata of a document; neither its label nor any version changes."""
        await self._database.write(describe, document_id, metadata)

    async def known(self, document_id: str) -> LabelState | None:
        """Return a document that is live or was withdrawn, with the origins of its label."""
        return await self._database.read(_known, document_id)


def _documents(connection: Connection, statement: Select[Any]) -> tuple[DocumentRecord, ...]:
    return tuple(document_of(row) for row in connection.execute(statement))


def _pending(connection: Connection) -> frozenset[DocumentVersion]:
    columns = pending_versions.c.document_id, pending_versions.c.version
    return frozenset(DocumentVersion(*row) for row in connection.execute(select(*columns)))


def _known(connection: Connection, document_id: str) -> LabelState | None:
    statement = select(documents.c.origins, *DOCUMENT_COLUMNS)
    row = connection.execute(statement.where(documents.c.id == document_id)).one_or_none()
    if row is None:
        return None
    document = document_of(row[1:])
    found = LabelState(document=document, origins=from_json(row[0]))
    return found if was_live(document) else None
