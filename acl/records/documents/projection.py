"""The engine as a projection: what it was made with, and what it must still be told.

The laws of this file:

1. Which labels the engine does not carry yet, and which points must go, survives a crash. Work on
   both lists is safe to repeat: an entry leaves only when the engine has acknowledged.
2. The schema and the model of the collection are stated once; start-up refuses any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from acl.records.database.database import Part, snapshot, transaction, upsert
from acl.records.database.errors import RecordsMismatchError
from acl.records.database.storable import checked_time
from acl.records.tables.schema import collection_state, documents, point_deletions
from acl.records.tables.types import (
    DOCUMENT_COLUMNS,
    LAGS,
    CollectionState,
    DocumentRecord,
    DocumentVersion,
    document_of,
    of_version,
)


class Projection(Part):
    """What is still to be done in the engine."""

    @snapshot
    def unprojected(
        self, connection: Connection, *, after: str = "", limit: int = 1000
    ) -> tuple[DocumentRecord, ...]:
        """Return live documents whose label of record the engine is not known to carry.

        They come in the order of their ids, beginning behind `after`.
        """
        statement = (
            select(*DOCUMENT_COLUMNS)
            .where(LAGS, documents.c.id > after)
            .order_by(documents.c.id)
            .limit(limit)
        )
        return tuple(map(document_of, connection.execute(statement)))

    @transaction
    def mark_all_projected(self, connection: Connection, versions: Mapping[str, int]) -> None:
        """Note that the engine carries these label versions; an older note changes nothing."""
        mark = documents.c.projected_label_version
        # In one order, so that two who mark the same documents do not wait for each other.
        for document_id, label_version in sorted(versions.items()):
            behind = (mark < label_version) & (documents.c.label_version >= label_version)
            statement = update(documents).where(documents.c.id == document_id, behind)
            connection.execute(statement.values(projected_label_version=label_version))

    @snapshot
    def point_deletions(
        self, connection: Connection, *, limit: int = 1000
    ) -> tuple[DocumentVersion, ...]:
        """Return versions whose points must go from the engine, the oldest order first."""
        order = point_deletions.c
        statement = (
            select(order.document_id, order.version)
            .order_by(order.requested_at, order.document_id, order.version)
            .limit(limit)
        )
        return tuple(DocumentVersion(*row) for row in connection.execute(statement))

    @transaction
    def mark_deleted(self, connection: Connection, versions: Iterable[DocumentVersion]) -> None:
        """Note that the engine holds no point of these versions any more."""
        for version in sorted(versions):
            connection.execute(delete(point_deletions).where(of_version(point_deletions, version)))


class Collection(Part):
    """What the collection was made with, stated once."""

    async def require(self, state: CollectionState, *, now: datetime) -> None:
        """State what the collection is made with, or check that it is what was stated first.

        Raises:
            RecordsMismatchError: it was made with something else; the text names what differs.
        """
        stored = await self._stated(state, checked_time("now", now))
        differing = [
            f"`{field.name}` is `{getattr(stored, field.name)}`, not `{getattr(state, field.name)}`"
            for field in fields(state)
            if getattr(stored, field.name) != getattr(state, field.name)
        ]
        if differing:
            raise RecordsMismatchError("the collection was made otherwise: " + "; ".join(differing))

    @transaction
    def _stated(
        self, connection: Connection, state: CollectionState, now: datetime
    ) -> CollectionState:
        """Store `state` unless one is stored; return the one that is."""
        row = {"id": 1, "created_at": now, **asdict(state)}
        first = upsert(connection, collection_state).values(row)
        connection.execute(first.on_conflict_do_nothing())
        columns = [collection_state.c[field.name] for field in fields(state)]
        return CollectionState(**connection.execute(select(*columns)).mappings().one())
