"""Reading documents: what readers may be shown, and the whole stock.

The laws of this file:

1. `Catalog` returns no row of a version that is not live, and no document of which no version is.
2. A passage comes with its document and label from one statement, so that no write comes between.
3. `Inventory` is for those who compare the records with a source or with the engine. It names what
   is not visible, so nothing of it is for a reader of documents.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, func, or_, select

from acl.records.database.database import PAGE, Part, batches, snapshot, transaction
from acl.records.database.storable import from_json
from acl.records.labels.types import STATE_COLUMNS, LabelState, state_of
from acl.records.tables.schema import chunks, documents, pending_versions
from acl.records.tables.transitions import describe, was_live
from acl.records.tables.types import (
    DOCUMENT_COLUMNS,
    LIVE,
    DistinctLabel,
    DocumentRecord,
    DocumentVersion,
    Passage,
    document_of,
)

_PASSAGES: Final = select(
    chunks.c.id,
    chunks.c.ordinal,
    chunks.c.span_start,
    chunks.c.span_end,
    chunks.c.text,
    *DOCUMENT_COLUMNS,
).join_from(
    chunks,
    documents,
    (documents.c.id == chunks.c.document_id) & (documents.c.live_version == chunks.c.version),
)
_OWN: Final = 5


class Catalog(Part):
    """What is live, read in one snapshot each time."""

    async def document(self, document_id: str) -> DocumentRecord | None:
        """Return the live document, or `None`."""
        return (await self.labels_of([document_id])).get(document_id)

    @snapshot
    def labels_of(
        self, connection: Connection, document_ids: Iterable[str]
    ) -> Mapping[str, DocumentRecord]:
        """Return the live documents among these ids, with their labels of record."""
        found: dict[str, DocumentRecord] = {}
        for batch in batches(document_ids):
            statement = _documents().where(documents.c.id.in_(batch))
            found |= {document.id: document for document in _all(connection, statement)}
        return found

    @snapshot
    def passages(self, connection: Connection, chunk_ids: Iterable[str]) -> Mapping[str, Passage]:
        """Return the chunks of live versions among these ids, each with its document."""
        found: dict[str, Passage] = {}
        for batch in batches(chunk_ids):
            found |= _passages(connection, _PASSAGES.where(chunks.c.id.in_(batch)))
        return found

    @snapshot
    def document_passages(self, connection: Connection, document_id: str) -> tuple[Passage, ...]:
        """Return every passage of a live document in the order of its text."""
        statement = _PASSAGES.where(documents.c.id == document_id).order_by(chunks.c.ordinal)
        return tuple(_passages(connection, statement).values())

    @snapshot
    def list_documents(  # noqa: PLR0913 - a list has as many sides
        self,
        connection: Connection,
        tenant: str,
        *,
        after: str = "",
        limit: int = PAGE,
        labels: Collection[str] | None = None,
        at: datetime | None = None,
    ) -> tuple[DocumentRecord, ...]:
        """Return live documents in the order of their uri, beginning behind `after`.

        Args:
            connection: of the snapshot.
            tenant: whose.
            after: the uri behind which the list begins.
            limit: as many at most.
            labels: digests of the labels that are wanted; None for all.
            at: beside them, documents of which a share had ended by then.
        """
        mine = (documents.c.tenant == tenant) & (documents.c.uri > after)
        if labels is not None:
            carried = documents.c.label_digest.in_(sorted(labels))
            mine &= or_(carried, documents.c.shares_next <= at)
        statement = _documents().where(mine).order_by(documents.c.uri).limit(limit)
        return _all(connection, statement)

    @snapshot
    def count_documents(self, connection: Connection) -> int:
        """Count the live documents of all tenants."""
        return connection.scalar(select(func.count()).select_from(documents).where(LIVE)) or 0

    @snapshot
    def distinct_labels(
        self, connection: Connection, tenant: str | None = None
    ) -> tuple[DistinctLabel, ...]:
        """Return each label that live documents of a tenant, or of all, carry."""
        statement = (
            select(documents.c.label_digest, func.min(documents.c.label), func.count())
            .where(LIVE)
            .group_by(documents.c.label_digest)
            .order_by(documents.c.label_digest)
        )
        if tenant is not None:
            statement = statement.where(documents.c.tenant == tenant)
        return tuple(
            DistinctLabel(digest, from_json(text), count)
            for digest, text, count in connection.execute(statement)
        )

    @snapshot
    def carrying(
        self, connection: Connection, digests: Iterable[str], *, limit: int = PAGE
    ) -> tuple[str, ...]:
        """Return the ids of live documents whose label has one of these digests."""
        found: list[str] = []
        for batch in batches(digests):
            mine = select(documents.c.id).where(LIVE, documents.c.label_digest.in_(batch))
            found += connection.scalars(mine.order_by(documents.c.id).limit(limit - len(found)))
        return tuple(found)


def _documents() -> Select[Any]:
    return select(*DOCUMENT_COLUMNS).where(LIVE)  # law 1


def _all(connection: Connection, statement: Select[Any]) -> tuple[DocumentRecord, ...]:
    return tuple(map(document_of, connection.execute(statement)))


def _passages(connection: Connection, statement: Select[Any]) -> dict[str, Passage]:
    # Passages of one document share its value, so that its label is read once.
    seen: dict[str, DocumentRecord] = {}
    found: dict[str, Passage] = {}
    for row in connection.execute(statement):
        chunk_id, ordinal, start, end, text = row[:_OWN]
        document = seen.get(row[_OWN]) or seen.setdefault(row[_OWN], document_of(row[_OWN:]))
        found[chunk_id] = Passage(
            chunk_id=chunk_id,
            document_id=document.id,
            version=document.live_version,
            ordinal=ordinal,
            start=start,
            end=end,
            text=text,
            document=document,
        )
    return found


def joined(passages: Iterable[Passage]) -> str:
    """Return the text of which these are all passages; the gaps become line ends."""
    parts: list[str] = []
    reached = 0
    for passage in passages:
        parts.append("\n" * (passage.start - reached))
        parts.append(passage.text[max(0, reached - passage.start) :])
        reached = max(reached, passage.end)
    return "".join(parts)


class Inventory(Part):
    """The whole stock, of every tenant (law 3)."""

    @snapshot
    def documents(
        self, connection: Connection, *, after: str = "", limit: int = 500
    ) -> tuple[DocumentRecord, ...]:
        """Return live documents in the order of their id, beginning behind `after`."""
        here = _documents().where(documents.c.id > after).order_by(documents.c.id)
        return _all(connection, here.limit(limit))

    @snapshot
    def pending(self, connection: Connection) -> frozenset[DocumentVersion]:
        """Return the versions that have begun and are not live."""
        columns = pending_versions.c.document_id, pending_versions.c.version
        return frozenset(DocumentVersion(*row) for row in connection.execute(select(*columns)))

    @transaction
    def describe(
        self, connection: Connection, document_id: str, metadata: Mapping[str, object]
    ) -> None:
        """Replace the metadata of a document; neither its label nor any version changes."""
        describe(connection, document_id, metadata)

    @snapshot
    def known(self, connection: Connection, document_id: str) -> LabelState | None:
        """Return a document that is live or was withdrawn, with the origins of its label."""
        statement = select(*STATE_COLUMNS).where(documents.c.id == document_id)
        row = connection.execute(statement).one_or_none()
        state = None if row is None else state_of(row)
        return state if state is not None and was_live(state.document) else None
