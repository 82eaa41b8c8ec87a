"""Writing documents: a version is begun, its points are written, and then it goes live at once.

The laws of this file:

1. A version begins with all its chunks and its own label, and none of it is visible.
2. Going live is one transaction: the version, its label, the end of the old chunks, the release
   from quarantine and the audit event happen together or not at all. Before it, the caller has
   written the version's points with the version's label; so the engine is known to carry it.
3. A label that was changed after a version was begun wins: the version may not go live, because
   it would bring back a label older than the last acknowledged one.
4. Of several versions begun for one document the last one counts; the others cannot go live.
5. Whatever leaves the records goes into the outbox of point deletions in the same transaction.
   A version number is never used again, so that a late deletion cannot hit a newer point.

Every writer of a document first locks its row in `version_counters`, then the document, then the
audit head: one order, no deadlock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update

from acl.labels import Label
from acl.records.audit import AuditLog
from acl.records.audit_types import AuditEvent
from acl.records.database import Database
from acl.records.errors import (
    RecordsConflictError,
    StaleLabelError,
    StaleVersionError,
    UnknownDocumentError,
    UnstorableError,
)
from acl.records.rows import DOCUMENT_COLUMNS, document_of
from acl.records.schema import (
    chunks,
    documents,
    pending_versions,
    point_deletions,
    quarantine,
    version_counters,
)
from acl.records.storable import checked_time, to_json
from acl.records.types import DocumentRecord, DocumentVersion, NewVersion
from acl.records.upsert import upsert

_DESCRIPTION = (
    "title",
    "media_type",
    "metadata",
    "label",
    "label_digest",
    "content_digest",
    "chunk_count",
)


class Documents:
    """The one road by which documents and labels change."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def begin_version(self, new: NewVersion, *, now: datetime) -> DocumentVersion:
        """Store a version and its chunks, not yet visible; replaces one that was pending.

        Raises:
            StaleLabelError: the label of record is not the one that the caller expected.
            RecordsConflictError: the id belongs to another source, or the source to another id.
        """
        now = checked_time("now", now)
        described = _description(new)
        async with self._database.writing() as connection:
            version = await _next_version(connection, new.document_id)
            await _drop_pending(connection, new.document_id, now)
            based_on = await _settle(connection, new, described, now)
            await connection.execute(
                insert(pending_versions).values(
                    document_id=version.document_id,
                    version=version.version,
                    based_on_label_version=based_on,
                    begun_at=now,
                    **described,
                )
            )
            await connection.execute(insert(chunks), _chunk_rows(version, new))
        return version

    async def commit_version(self, version: DocumentVersion, event: AuditEvent) -> DocumentRecord:
        """Make a pending version live, with its label; its points must be in the engine.

        Raises:
            StaleVersionError: the version is not pending any more.
            StaleLabelError: the label was changed after the version was begun.
        """
        async with self._database.writing() as connection:
            await _lock(connection, version.document_id)
            pending = await _pending(connection, version)
            old = await _document(connection, version.document_id)
            _require_label_version(old, pending.based_on_label_version)
            await _go_live(connection, pending, old, event.time)
            await _release(connection, old)
            await self._audit.append_within(connection, event)
            return await _document(connection, version.document_id)

    async def abandon(self, version: DocumentVersion, *, now: datetime) -> None:
        """Give up a version, whether it is still pending or superseded; its points must go.

        Raises:
            StaleVersionError: the version is live.
        """
        now = checked_time("now", now)
        async with self._database.writing() as connection:
            await _lock(connection, version.document_id)
            live = await connection.scalar(
                select(documents.c.live_version).where(documents.c.id == version.document_id)
            )
            if live == version.version:
                raise StaleVersionError(version.document_id, version.version)
            await _drop_pending(connection, version.document_id, now, only=version)
            await _delete_points(connection, version, now)
            unseen = (documents.c.id == version.document_id) & (documents.c.live_version == 0)
            waiting = select(pending_versions.c.document_id).where(
                pending_versions.c.document_id == documents.c.id
            )
            await connection.execute(delete(documents).where(unseen, ~waiting.exists()))

    async def abandon_pending(
        self, *, now: datetime, begun_before: datetime | None = None
    ) -> tuple[DocumentVersion, ...]:
        """Give up every version that a stopped process left half-done; return them.

        Where several processes ingest, pass a time before which none of them can have begun.
        """
        pending = pending_versions.c
        statement = select(pending.document_id, pending.version).order_by(pending.document_id)
        if begun_before is not None:
            bound = checked_time("begun_before", begun_before)
            statement = statement.where(pending.begun_at < bound)
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement)).all()
        left = [DocumentVersion(*row) for row in rows]
        return tuple([one for one in left if await self._abandoned(one, now)])

    async def relabel(
        self,
        document_id: str,
        label: Label,
        *,
        expected_label_version: int,
        event: AuditEvent,
    ) -> int:
        """Change the label of record; return its new version, which the engine must follow.

        Raises:
            UnknownDocumentError: no such live document.
            StaleLabelError: the label was changed meanwhile.
        """
        async with self._database.writing() as connection:
            await _lock(connection, document_id)
            old = await _live(connection, document_id)
            _require_label_version(old, expected_label_version)
            if label.values.get("tenant", old.tenant) != old.tenant:
                raise UnstorableError("the label names another tenant than the document")
            await connection.execute(
                update(documents)
                .where(documents.c.id == document_id)
                .values(
                    label=to_json("label", label.as_json()),
                    label_digest=label.digest,
                    label_version=old.label_version + 1,
                    updated_at=event.time,
                )
            )
            await self._audit.append_within(connection, event)
        return old.label_version + 1

    async def delete_document(
        self, document_id: str, event: AuditEvent
    ) -> tuple[DocumentVersion, ...]:
        """Delete a document with all its chunks; return the versions whose points must go.

        Raises:
            UnknownDocumentError: no such live document.
        """
        async with self._database.writing() as connection:
            await _lock(connection, document_id)
            gone = [(await _live(connection, document_id)).live]
            gone += await _drop_pending(connection, document_id, event.time)
            await _delete_points(connection, gone[0], event.time)
            await connection.execute(delete(documents).where(documents.c.id == document_id))
            await self._audit.append_within(connection, event)
        return tuple(gone)

    async def _abandoned(self, version: DocumentVersion, now: datetime) -> bool:
        try:
            await self.abandon(version, now=now)
        except StaleVersionError:
            return False
        return True


def _description(new: NewVersion) -> dict[str, Any]:
    return {
        "title": new.title,
        "media_type": new.media_type,
        "metadata": to_json("metadata", new.metadata),
        "label": to_json("label", new.label.as_json()),
        "label_digest": new.label.digest,
        "content_digest": new.content_digest,
        "chunk_count": len(new.chunks),
    }


def _chunk_rows(version: DocumentVersion, new: NewVersion) -> list[dict[str, Any]]:
    return [
        {
            "id": version.chunk_id(ordinal),
            "document_id": version.document_id,
            "version": version.version,
            "ordinal": ordinal,
            "span_start": chunk.start,
            "span_end": chunk.end,
            "text": chunk.text,
        }
        for ordinal, chunk in enumerate(new.chunks)
    ]


async def _next_version(connection: Connection, document_id: str) -> DocumentVersion:
    """Hand out the next number, which also locks the document, known or not."""
    statement = (
        upsert(connection, version_counters)
        .values(document_id=document_id, last_version=1)
        .on_conflict_do_update(
            index_elements=["document_id"],
            set_={"last_version": version_counters.c.last_version + 1},
        )
        .returning(version_counters.c.last_version)
    )
    return DocumentVersion(document_id, (await connection.execute(statement)).scalar_one())


async def _lock(connection: Connection, document_id: str) -> None:
    mine = version_counters.c.document_id == document_id
    await connection.execute(select(version_counters).where(mine).with_for_update())


async def _settle(
    connection: Connection, new: NewVersion, described: dict[str, Any], now: datetime
) -> int:
    """Make sure of the document's row; return the label version that the new one rests on."""
    try:
        old = await _document(connection, new.document_id)
    except UnknownDocumentError:
        old = await _first_sight(connection, new, described, now)
    if (old.tenant, old.uri) != (new.tenant, new.uri):
        raise RecordsConflictError(f"`{new.document_id}` is the id of another source")
    expected = new.expected_label_version
    if expected is not None:
        _require_label_version(old, expected)
    return _seen_label_version(old)


async def _first_sight(
    connection: Connection, new: NewVersion, described: dict[str, Any], now: datetime
) -> DocumentRecord:
    await connection.execute(
        insert(documents).values(
            id=new.document_id,
            tenant=new.tenant,
            uri=new.uri,
            label_version=1,
            projected_label_version=0,
            live_version=0,
            created_at=now,
            updated_at=now,
            **described,
        )
    )
    return await _document(connection, new.document_id)


async def _document(connection: Connection, document_id: str) -> DocumentRecord:
    statement = select(*DOCUMENT_COLUMNS).where(documents.c.id == document_id).with_for_update()
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise UnknownDocumentError(document_id)
    return document_of(row)


async def _live(connection: Connection, document_id: str) -> DocumentRecord:
    document = await _document(connection, document_id)
    if document.live_version == 0:
        raise UnknownDocumentError(document_id)
    return document


async def _pending(connection: Connection, version: DocumentVersion) -> Row[Any]:
    mine = pending_versions.c.document_id == version.document_id
    this = pending_versions.c.version == version.version
    row = (await connection.execute(select(pending_versions).where(mine, this))).one_or_none()
    if row is None:
        raise StaleVersionError(version.document_id, version.version)
    return row


def _seen_label_version(document: DocumentRecord) -> int:
    return document.label_version if document.live_version else 0


def _require_label_version(document: DocumentRecord, expected: int) -> None:
    actual = _seen_label_version(document)
    if actual != expected:
        raise StaleLabelError(document.id, expected=expected, actual=actual)


async def _go_live(
    connection: Connection, pending: Row[Any], old: DocumentRecord, now: datetime
) -> None:
    changed = bool(old.live_version) and pending.label_digest != old.label_digest
    label_version = old.label_version + changed
    await connection.execute(
        update(documents)
        .where(documents.c.id == old.id)
        .values(
            live_version=pending.version,
            label_version=label_version,
            projected_label_version=label_version,
            updated_at=now,
            **{name: pending._mapping[name] for name in _DESCRIPTION},  # noqa: SLF001 - public API
        )
    )
    mine = pending_versions.c.document_id == old.id
    await connection.execute(delete(pending_versions).where(mine))
    if old.live_version:
        await _drop_chunks(connection, old.live)
        await _delete_points(connection, old.live, now)


async def _drop_pending(
    connection: Connection,
    document_id: str,
    now: datetime,
    *,
    only: DocumentVersion | None = None,
) -> list[DocumentVersion]:
    """Remove what is pending for a document, its chunks included, and order its points away."""
    mine = pending_versions.c.document_id == document_id
    if only is not None:
        mine &= pending_versions.c.version == only.version
    statement = delete(pending_versions).where(mine).returning(pending_versions.c.version)
    numbers = (await connection.execute(statement)).scalars().all()
    dropped = [DocumentVersion(document_id, number) for number in numbers]
    for version in dropped:
        await _drop_chunks(connection, version)
        await _delete_points(connection, version, now)
    return dropped


async def _drop_chunks(connection: Connection, version: DocumentVersion) -> None:
    mine = chunks.c.document_id == version.document_id
    await connection.execute(delete(chunks).where(mine, chunks.c.version == version.version))


async def _delete_points(
    connection: Connection, version: DocumentVersion, now: datetime
) -> None:
    """Order the points of a version away, once."""
    statement = (
        upsert(connection, point_deletions)
        .values(document_id=version.document_id, version=version.version, requested_at=now)
        .on_conflict_do_nothing()
    )
    await connection.execute(statement)


async def _release(connection: Connection, document: DocumentRecord) -> None:
    tenant = or_(quarantine.c.tenant == document.tenant, quarantine.c.tenant == "")
    await connection.execute(delete(quarantine).where(quarantine.c.uri == document.uri, tenant))
