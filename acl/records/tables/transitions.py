"""The steps of a document's life in SQL, each within a transaction that `documents` owns.

Every writer of a document first locks its row in `version_counters`, then the document, then as
`heads` says: one order, no deadlock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from acl.labels import READERS
from acl.records.database.database import upsert
from acl.records.database.errors import (
    RecordsConflictError,
    StaleLabelError,
    StaleVersionError,
    UnknownDocumentError,
)
from acl.records.database.storable import from_json, to_json
from acl.records.tables.heads import bump
from acl.records.tables.schema import (
    DESCRIPTION,
    approvals,
    chunks,
    documents,
    pending_versions,
    point_deletions,
    quarantine,
    version_counters,
)
from acl.records.tables.types import (
    DOCUMENT_COLUMNS,
    DocumentRecord,
    DocumentVersion,
    NewVersion,
    document_of,
    of_version,
    share_columns,
    standing,
)


def description(new: NewVersion) -> dict[str, Any]:
    """Return the columns that say what a version is."""
    return {
        "title": new.title,
        "media_type": new.media_type,
        "metadata": to_json("metadata", new.metadata),
        "label": to_json("label", new.label.as_json()),
        "label_digest": new.label.digest,
        "content_digest": new.content_digest,
        "chunk_count": len(new.chunks),
        "origins": to_json("origins", new.origins or {"source": new.label.as_json()}),
    }


def chunk_rows(version: DocumentVersion, new: NewVersion) -> list[dict[str, Any]]:
    """Return one row for each chunk."""
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


def next_version(connection: Connection, document_id: str) -> DocumentVersion:
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
    return DocumentVersion(document_id, connection.execute(statement).scalar_one())


def lock(connection: Connection, document_id: str) -> None:
    """Hold a known document against other writers until the transaction ends."""
    mine = version_counters.c.document_id == document_id
    connection.execute(select(version_counters).where(mine).with_for_update())


def settle(
    connection: Connection, new: NewVersion, described: dict[str, Any], now: datetime
) -> int:
    """Make sure of the document's row; return the label version that the new one rests on."""
    try:
        old = document_of_record(connection, new.document_id)
    except UnknownDocumentError:
        old = _first_sight(connection, new, described, now)
    if (old.tenant, old.uri, old.source) != (new.tenant, new.uri, new.source):
        raise RecordsConflictError(f"`{new.document_id}` is the id of another source")
    expected = new.expected_label_version
    if expected is not None:
        require_label_version(old, expected)
    return _seen_label_version(old)


def _first_sight(
    connection: Connection, new: NewVersion, described: dict[str, Any], now: datetime
) -> DocumentRecord:
    mine = version_counters.c.document_id == new.document_id
    # A document that was deleted had a label version, which is not used again.
    last = connection.execute(select(version_counters.c.label_version).where(mine)).scalar_one()
    connection.execute(
        insert(documents).values(
            id=new.document_id,
            tenant=new.tenant,
            uri=new.uri,
            label_version=last + 1,
            projected_label_version=0,
            live_version=0,
            source=new.source,
            created_at=now,
            updated_at=now,
            **described,
        )
    )
    return document_of_record(connection, new.document_id)


def document_of_record(connection: Connection, document_id: str) -> DocumentRecord:
    """Return a document, live or only begun (`live_version` 0), and hold its row."""
    statement = select(*DOCUMENT_COLUMNS).where(documents.c.id == document_id).with_for_update()
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise UnknownDocumentError(document_id)
    return document_of(row)


def known_document(connection: Connection, document_id: str) -> DocumentRecord:
    """Return a document that is live or was withdrawn, and hold its row."""
    document = document_of_record(connection, document_id)
    if not was_live(document):
        raise UnknownDocumentError(document_id)
    return document


def live_document(connection: Connection, document_id: str) -> DocumentRecord:
    """Return a live document and hold its row."""
    document = document_of_record(connection, document_id)
    if not document.is_live:
        raise UnknownDocumentError(document_id)
    return document


def hold_label(connection: Connection, document_id: str, expected: int) -> DocumentRecord:
    """Hold a live document, and refuse a decision that was taken on an older label."""
    lock(connection, document_id)
    document = live_document(connection, document_id)
    require_label_version(document, expected)
    return document


def pending_version(connection: Connection, version: DocumentVersion) -> Row[Any]:
    """Return the row of a version that may still go live."""
    this = select(pending_versions).where(of_version(pending_versions, version))
    row = connection.execute(this).one_or_none()
    if row is None:
        raise StaleVersionError(version.document_id, version.version)
    return row


def was_live(document: DocumentRecord) -> bool:
    """Say whether a version ever went live: only then has the engine carried a label."""
    return document.projected_label_version > 0


def _seen_label_version(document: DocumentRecord) -> int:
    return document.label_version if was_live(document) else 0


def require_label_version(document: DocumentRecord, expected: int) -> None:
    """Refuse a decision that was taken on an older label."""
    actual = _seen_label_version(document)
    if actual != expected:
        raise StaleLabelError(document.id, expected=expected, actual=actual)


def go_live(
    connection: Connection, pending: Row[Any], old: DocumentRecord, now: datetime, *, counts: bool
) -> bool:
    """Swap description, label and chunks; say whether the label is another, or the first.

    A share ends here if the new label does not name its principal as a reader.

    Args:
        connection: of a transaction that locked the document.
        pending: the version.
        old: the document before it.
        now: the time.
        counts: whether it counts as a change of who may read, even if the label stays.
    """
    changed = was_live(old) and pending.label_digest != old.label_digest
    label_version = old.label_version + changed
    moved = counts or changed or not old.live_version
    connection.execute(
        update(documents)
        .where(documents.c.id == old.id)
        .values(
            live_version=pending.version,
            label_version=label_version,
            projected_label_version=label_version,
            label_revision=bump(connection) if moved else old.label_revision,
            updated_at=now,
            **_shares(pending, old),
            **{name: pending._mapping[name] for name in DESCRIPTION},  # noqa: SLF001 - public API
        )
    )
    mine = pending_versions.c.document_id == old.id
    connection.execute(delete(pending_versions).where(mine))
    if old.live_version:
        _drop_chunks(connection, old.live)
        delete_points(connection, old.live, now)
    return changed or not was_live(old)


def withdraw(connection: Connection, live: DocumentRecord, now: datetime) -> None:
    """Take a live version away and leave what the document is; its row is locked."""
    _drop_chunks(connection, live.live)
    delete_points(connection, live.live, now)
    connection.execute(
        update(documents)
        .where(documents.c.id == live.id)
        .values(live_version=0, label_revision=bump(connection), updated_at=now)
    )


def forget(connection: Connection, known: DocumentRecord) -> None:
    """Delete a document's row, but for the number that its label had reached."""
    counter = update(version_counters).where(version_counters.c.document_id == known.id)
    connection.execute(counter.values(label_version=known.label_version))
    waited = (approvals.c.kind == "label") & (approvals.c.about == known.id)
    connection.execute(delete(approvals).where(waited))
    connection.execute(delete(documents).where(documents.c.id == known.id))


def _shares(pending: Row[Any], old: DocumentRecord) -> dict[str, Any]:
    readers = from_json(pending.label).get(READERS, ())
    return share_columns(standing(old.shares, readers))


def drop_pending(
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
    numbers = connection.execute(statement).scalars().all()
    dropped = [DocumentVersion(document_id, number) for number in numbers]
    for version in dropped:
        _drop_chunks(connection, version)
        delete_points(connection, version, now)
    return dropped


def _drop_chunks(connection: Connection, version: DocumentVersion) -> None:
    connection.execute(delete(chunks).where(of_version(chunks, version)))


def describe(connection: Connection, document_id: str, metadata: Mapping[str, object]) -> None:
    """Replace the metadata of a document; neither its label nor any version changes."""
    mine = documents.c.id == document_id
    connection.execute(update(documents).where(mine).values(metadata=to_json("metadata", metadata)))


def delete_points(connection: Connection, version: DocumentVersion, now: datetime) -> None:
    """Order the points of a version away, once."""
    statement = (
        upsert(connection, point_deletions)
        .values(document_id=version.document_id, version=version.version, requested_at=now)
        .on_conflict_do_nothing()
    )
    connection.execute(statement)


def release(connection: Connection, document: DocumentRecord) -> None:
    """Take the source out of quarantine."""
    tenant = or_(quarantine.c.tenant == document.tenant, quarantine.c.tenant == "")
    connection.execute(delete(quarantine).where(quarantine.c.uri == document.uri, tenant))
