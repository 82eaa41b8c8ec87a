"""Rows to values: the one place where a column's name meets a field's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from acl.records.database.storable import from_json
from acl.records.tables.core import documents
from acl.records.tables.shares import shares_of
from acl.records.tables.types import DocumentRecord

T = TypeVar("T")

# Well below what either driver takes as parameters of one statement.
BATCH: Final = 500

# The order in which `document_of` takes them.
DOCUMENT_COLUMNS: Final = (
    documents.c.id,
    documents.c.tenant,
    documents.c.uri,
    documents.c.title,
    documents.c.media_type,
    documents.c.metadata,
    documents.c.label,
    documents.c.label_digest,
    documents.c.label_version,
    documents.c.projected_label_version,
    documents.c.content_digest,
    documents.c.live_version,
    documents.c.chunk_count,
    documents.c.created_at,
    documents.c.updated_at,
    documents.c.label_revision,
    documents.c.shares,
)


def document_of(row: Sequence[Any]) -> DocumentRecord:
    """Return the document of a row that was selected by `DOCUMENT_COLUMNS`."""
    (
        document_id,
        tenant,
        uri,
        title,
        media_type,
        metadata,
        label,
        label_digest,
        label_version,
        projected_label_version,
        content_digest,
        live_version,
        chunk_count,
        created_at,
        updated_at,
        label_revision,
        shares,
    ) = row
    return DocumentRecord(
        id=document_id,
        tenant=tenant,
        uri=uri,
        title=title,
        media_type=media_type,
        metadata=from_json(metadata),
        label_json=from_json(label),
        label_digest=label_digest,
        label_version=label_version,
        projected_label_version=projected_label_version,
        content_digest=content_digest,
        live_version=live_version,
        chunk_count=chunk_count,
        created_at=created_at,
        updated_at=updated_at,
        label_revision=label_revision,
        shares=shares_of(shares),
    )


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the distinct values, `BATCH` at a time."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), BATCH):
        yield distinct[start : start + BATCH]
