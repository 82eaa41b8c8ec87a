"""The engine as a projection: which labels it does not carry yet, and which points must go.

Both lists survive a crash. Work on them is safe to repeat: an entry leaves its list only when
the engine has acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, select, update

from acl.records.database.database import Database
from acl.records.tables.core import documents, point_deletions
from acl.records.tables.rows import DOCUMENT_COLUMNS, document_of
from acl.records.tables.types import DocumentRecord, DocumentVersion


class Projection:
    """What is still to be done in the engine."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unprojected(
        self, *, after: str = "", limit: int = 1000
    ) -> tuple[DocumentRecord, ...]:
        """Return live documents whose label of record the engine is not known to carry.

        They come in the order of their ids, beginning behind `after`.
        """
        return await self._database.read(_unprojected, after, limit)

    async def mark_projected(self, document_id: str, label_version: int) -> None:
        """Note that the engine carries this label version; an older note changes nothing."""
        await self.mark_all_projected({document_id: label_version})

    async def mark_all_projected(self, versions: Mapping[str, int]) -> None:
        """Note that the engine carries these label versions of these documents."""
        await self._database.write(_mark_projected, versions)

    async def point_deletions(self, *, limit: int = 1000) -> tuple[DocumentVersion, ...]:
        """Return versions whose points must go from the engine, the oldest order first."""
        return await self._database.read(_point_deletions, limit)

    async def mark_deleted(self, versions: Iterable[DocumentVersion]) -> None:
        """Note that the engine holds no point of these versions any more."""
        await self._database.write(_mark_deleted, list(versions))


def _unprojected(connection: Connection, after: str, limit: int) -> tuple[DocumentRecord, ...]:
    lags = documents.c.projected_label_version < documents.c.label_version
    statement = (
        select(*DOCUMENT_COLUMNS)
        .where(lags, documents.c.live_version > 0, documents.c.id > after)
        .order_by(documents.c.id)
        .limit(limit)
    )
    return tuple(document_of(row) for row in connection.execute(statement))


def _mark_projected(connection: Connection, versions: Mapping[str, int]) -> None:
    mark = documents.c.projected_label_version
    # In one order, so that two who mark the same documents do not wait for each other.
    for document_id, label_version in sorted(versions.items()):
        behind = (mark < label_version) & (documents.c.label_version >= label_version)
        statement = update(documents).where(documents.c.id == document_id, behind)
        connection.execute(statement.values(projected_label_version=label_version))


def _point_deletions(connection: Connection, limit: int) -> tuple[DocumentVersion, ...]:
    order = point_deletions.c
    statement = (
        select(order.document_id, order.version)
        .order_by(order.requested_at, order.document_id, order.version)
        .limit(limit)
    )
    return tuple(DocumentVersion(*row) for row in connection.execute(statement))


def _mark_deleted(connection: Connection, versions: list[DocumentVersion]) -> None:
    for version in sorted(versions):
        mine = point_deletions.c.document_id == version.document_id
        this = point_deletions.c.version == version.version
        connection.execute(delete(point_deletions).where(mine, this))
