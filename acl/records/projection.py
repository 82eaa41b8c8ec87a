"""The engine as a projection: which labels it does not carry yet, and which points must go.

Both lists survive a crash. Work on them is safe to repeat: an entry leaves its list only when
the engine has acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select, update

from acl.records.database import Database
from acl.records.rows import DOCUMENT_COLUMNS, document_of
from acl.records.schema import documents, point_deletions
from acl.records.types import DocumentRecord, DocumentVersion


class Projection:
    """What is still to be done in the engine."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unprojected(self, *, limit: int = 1000) -> tuple[DocumentRecord, ...]:
        """Return live documents whose label of record the engine is not known to carry."""
        lags = documents.c.projected_label_version < documents.c.label_version
        statement = (
            select(*DOCUMENT_COLUMNS)
            .where(lags, documents.c.live_version > 0)
            .order_by(documents.c.id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return tuple(document_of(row) for row in await connection.execute(statement))

    async def mark_projected(self, document_id: str, label_version: int) -> None:
        """Note that the engine carries this label version; an older note changes nothing."""
        mark = documents.c.projected_label_version
        behind = (mark < label_version) & (documents.c.label_version >= label_version)
        statement = update(documents).where(documents.c.id == document_id, behind)
        async with self._database.writing() as connection:
            await connection.execute(statement.values(projected_label_version=label_version))

    async def point_deletions(self, *, limit: int = 1000) -> tuple[DocumentVersion, ...]:
        """Return versions whose points must go from the engine, the oldest order first."""
        order = point_deletions.c
        statement = (
            select(order.document_id, order.version)
            .order_by(order.requested_at, order.document_id, order.version)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return tuple(DocumentVersion(*row) for row in await connection.execute(statement))

    async def mark_deleted(self, versions: Iterable[DocumentVersion]) -> None:
        """Note that the engine holds no point of these versions any more."""
        async with self._database.writing() as connection:
            for version in versions:
                this = (point_deletions.c.document_id == version.document_id) & (
                    point_deletions.c.version == version.version
                )
                await connection.execute(delete(point_deletions).where(this))
