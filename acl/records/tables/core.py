"""The tables of documents, counters and the audit: a state the code must not see cannot be stored.

A migration makes them; `tests/integration/records` compares what it made with what stands here.
Text that is sorted on sorts by code point in both databases. JSON is kept as its canonical text.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

from acl.records.database.storable import from_microseconds, to_microseconds

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

metadata: Final = MetaData(naming_convention=NAMING)

# STRICT tables of SQLite know INTEGER alone, which has 64 bits there.
Whole: Final[TypeEngine[int]] = BigInteger().with_variant(Integer(), "sqlite")
Sorted: Final[TypeEngine[str]] = Text().with_variant(Text(collation="C"), "postgresql")


class Moment(TypeDecorator[datetime]):
    """An aware time, kept in microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the integer of the dialect."""
        return dialect.type_descriptor(Whole)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the stored form."""
        del dialect
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ANN401
        """Return the time."""
        del dialect
        return None if value is None else from_microseconds(value)


def texts(*names: str) -> tuple[Column[str], ...]:
    """Return columns of texts that are never missing."""
    return tuple(Column(name, Text, nullable=False) for name in names)


def wholes(*names: str) -> tuple[Column[int], ...]:
    """Return columns of whole numbers that are never missing."""
    return tuple(Column(name, Whole, nullable=False) for name in names)


def moments(*names: str) -> tuple[Column[datetime], ...]:
    """Return columns of times that are never missing."""
    return tuple(Column(name, Moment, nullable=False) for name in names)


def _document_id(*, primary: bool = False) -> Column[str]:
    owner = ForeignKey("documents.id", ondelete="CASCADE")
    return Column("document_id", Text, owner, primary_key=primary, nullable=False)


def _description() -> tuple[Column[Any], ...]:
    """What a version says of a document, whether live or pending."""
    return (
        *texts("title", "media_type", "metadata", "label", "label_digest", "content_digest"),
        *wholes("chunk_count"),
        Column("origins", Text, nullable=False, server_default="{}"),
    )


DESCRIPTION: Final = tuple(column.name for column in _description())

documents: Final = Table(
    "documents",
    metadata,
    Column("id", Text, primary_key=True),
    *texts("tenant"),
    Column("uri", Sorted, nullable=False),
    *_description(),
    *wholes("label_version", "projected_label_version", "live_version"),
    *moments("created_at", "updated_at"),
    Column("label_revision", Whole, nullable=False, server_default="0"),
    Column("shares", Text, nullable=False, server_default="[]"),
    Column("shares_next", Moment, nullable=True),
    CheckConstraint("length(id) = 36", name="id"),
    CheckConstraint("length(tenant) > 0 AND length(uri) > 0", name="source"),
    CheckConstraint("label_version >= 1", name="label_version"),
    CheckConstraint(
        "projected_label_version BETWEEN 0 AND label_version", name="projected_label_version"
    ),
    CheckConstraint("live_version >= 0", name="live_version"),
    CheckConstraint("chunk_count >= 1", name="chunk_count"),
    UniqueConstraint("tenant", "uri"),
    Index("ix_documents_label_digest", "label_digest"),
    Index(
        "ix_documents_shares_next",
        "shares_next",
        sqlite_where=text("shares_next IS NOT NULL"),
        postgresql_where=text("shares_next IS NOT NULL"),
    ),
    Index(
        "ix_documents_unprojected",
        "id",
        sqlite_where=text("projected_label_version < label_version"),
        postgresql_where=text("projected_label_version < label_version"),
    ),
    sqlite_strict=True,
)

# A version that is being written. Its label waits here and takes effect when it goes live.
pending_versions: Final = Table(
    "pending_versions",
    metadata,
    _document_id(primary=True),
    *wholes("version"),
    *_description(),
    *wholes("based_on_label_version"),
    *moments("begun_at"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("based_on_label_version >= 0", name="based_on_label_version"),
    CheckConstraint("chunk_count >= 1", name="chunk_count"),
    sqlite_strict=True,
)

chunks: Final = Table(
    "chunks",
    metadata,
    Column("id", Text, primary_key=True),
    _document_id(),
    *wholes("version", "ordinal", "span_start", "span_end"),
    *texts("text"),
    CheckConstraint("length(id) = 36", name="id"),
    CheckConstraint("version >= 1 AND ordinal >= 0", name="place"),
    CheckConstraint("span_start >= 0 AND span_start < span_end", name="span"),
    CheckConstraint("length(text) = span_end - span_start", name="text"),
    UniqueConstraint("document_id", "version", "ordinal"),
    sqlite_strict=True,
)

# Which version numbers were handed out, and the label version that a deleted document had. A row
# outlives its document, so that no number comes back while points of the old one may linger or
# a decision on its label is still held; and it is the lock that orders a document's writers.
version_counters: Final = Table(
    "version_counters",
    metadata,
    Column("document_id", Text, primary_key=True),
    *wholes("last_version"),
    Column("label_version", Whole, nullable=False, server_default="0"),
    CheckConstraint("last_version >= 1", name="last_version"),
    sqlite_strict=True,
)

# Outbox: versions that are gone here and whose points must still go from the engine.
point_deletions: Final = Table(
    "point_deletions",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("version", Whole, primary_key=True, autoincrement=False),
    *moments("requested_at"),
    CheckConstraint("version >= 1", name="version"),
    sqlite_strict=True,
)

quarantine: Final = Table(
    "quarantine",
    metadata,
    Column("id", Whole, Identity(), primary_key=True),
    *texts("tenant", "uri", "reason", "content_digest"),
    *moments("first_seen", "last_seen"),
    CheckConstraint("length(uri) > 0 AND length(reason) > 0", name="filled"),
    UniqueConstraint("tenant", "uri"),
    sqlite_strict=True,
)

# One row: how far each kind of change has come.
heads: Final = Table(
    "heads",
    metadata,
    Column("id", Whole, primary_key=True, autoincrement=False),
    *wholes("policy", "refuted", "label"),
    CheckConstraint("id = 1", name="single"),
    CheckConstraint("policy >= 0 AND refuted IN (0, 1) AND label >= 0", name="counts"),
    sqlite_strict=True,
)

collection_state: Final = Table(
    "collection_state",
    metadata,
    Column("id", Whole, primary_key=True, autoincrement=False),
    *texts("label_schema_digest", "model_name", "model_digest"),
    *moments("created_at"),
    CheckConstraint("id = 1", name="single"),
    sqlite_strict=True,
)

audit_events: Final = Table(
    "audit_events",
    metadata,
    Column("seq", Whole, primary_key=True, autoincrement=False),
    *wholes("time"),
    *texts("kind", "body", "previous", "hash"),
    CheckConstraint("seq >= 1", name="seq"),
    CheckConstraint("length(previous) = 64 AND length(hash) = 64", name="hashes"),
    Index("ix_audit_events_time", "time"),
    sqlite_strict=True,
)

audit_head: Final = Table(
    "audit_head",
    metadata,
    Column("id", Whole, primary_key=True, autoincrement=False),
    *wholes("seq"),
    *texts("hash", "mac"),
    CheckConstraint("id = 1", name="single"),
    CheckConstraint("seq >= 0", name="seq"),
    CheckConstraint("length(hash) = 64 AND length(mac) = 64", name="hashes"),
    sqlite_strict=True,
)

# Finds events again by document, and by who got it: `reader` names the subject that got passages by
# the event and those it acted through; it is empty where no one did. The chain is the truth.
audit_resources: Final = Table(
    "audit_resources",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("seq", Whole, primary_key=True, autoincrement=False),
    Column("reader", Text, nullable=False, server_default=""),
    Index("ix_audit_resources_reader", "resource", "reader", "seq"),
    sqlite_strict=True,
)
