"""The system of record: documents, chunks, quarantine, policy revisions, the audit chain."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None

WHOLE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SORTED: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _documents()
    _pending_versions()
    _chunks()
    _version_counters()
    _point_deletions()
    _quarantine()
    _policy_revisions()
    _collection_state()
    _audit_events()
    _audit_head()


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("uri", SORTED, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("label_digest", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.Text(), nullable=False),
        sa.Column("chunk_count", WHOLE, nullable=False),
        sa.Column("label_version", WHOLE, nullable=False),
        sa.Column("projected_label_version", WHOLE, nullable=False),
        sa.Column("live_version", WHOLE, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("updated_at", WHOLE, nullable=False),
        sa.CheckConstraint("chunk_count >= 1", name=op.f("ck_documents_chunk_count")),
        sa.CheckConstraint("label_version >= 1", name=op.f("ck_documents_label_version")),
        sa.CheckConstraint("length(id) = 36", name=op.f("ck_documents_id")),
        sa.CheckConstraint(
            "length(tenant) > 0 AND length(uri) > 0", name=op.f("ck_documents_source")
        ),
        sa.CheckConstraint("live_version >= 0", name=op.f("ck_documents_live_version")),
        sa.CheckConstraint(
            "projected_label_version BETWEEN 0 AND label_version",
            name=op.f("ck_documents_projected_label_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("tenant", "uri", name=op.f("uq_documents_tenant_uri")),
        sqlite_strict=True,
    )
    op.create_index("ix_documents_label_digest", "documents", ["label_digest"], unique=False)
    op.create_index(
        "ix_documents_unprojected",
        "documents",
        ["id"],
        unique=False,
        sqlite_where=sa.text("projected_label_version < label_version"),
        postgresql_where=sa.text("projected_label_version < label_version"),
    )


def _pending_versions() -> None:
    op.create_table(
        "pending_versions",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("label_digest", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.Text(), nullable=False),
        sa.Column("chunk_count", WHOLE, nullable=False),
        sa.Column("based_on_label_version", WHOLE, nullable=False),
        sa.Column("begun_at", WHOLE, nullable=False),
        sa.CheckConstraint(
            "based_on_label_version >= 0", name=op.f("ck_pending_versions_based_on_label_version")
        ),
        sa.CheckConstraint("chunk_count >= 1", name=op.f("ck_pending_versions_chunk_count")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_pending_versions_version")),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
            name=op.f("fk_pending_versions_document_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_pending_versions")),
        sqlite_strict=True,
    )


def _chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.Column("ordinal", WHOLE, nullable=False),
        sa.Column("span_start", WHOLE, nullable=False),
        sa.Column("span_end", WHOLE, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.CheckConstraint("length(id) = 36", name=op.f("ck_chunks_id")),
        sa.CheckConstraint("length(text) = span_end - span_start", name=op.f("ck_chunks_text")),
        sa.CheckConstraint(
            "span_start >= 0 AND span_start < span_end", name=op.f("ck_chunks_span")
        ),
        sa.CheckConstraint("version >= 1 AND ordinal >= 0", name=op.f("ck_chunks_place")),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
            name=op.f("fk_chunks_document_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
        sa.UniqueConstraint(
            "document_id", "version", "ordinal", name=op.f("uq_chunks_document_id_version_ordinal")
        ),
        sqlite_strict=True,
    )


def _version_counters() -> None:
    op.create_table(
        "version_counters",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("last_version", WHOLE, nullable=False),
        sa.CheckConstraint("last_version >= 1", name=op.f("ck_version_counters_last_version")),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_version_counters")),
        sqlite_strict=True,
    )


def _point_deletions() -> None:
    op.create_table(
        "point_deletions",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("version", WHOLE, autoincrement=False, nullable=False),
        sa.Column("requested_at", WHOLE, nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("ck_point_deletions_version")),
        sa.PrimaryKeyConstraint("document_id", "version", name=op.f("pk_point_deletions")),
        sqlite_strict=True,
    )


def _quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", WHOLE, sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.Text(), nullable=False),
        sa.Column("first_seen", WHOLE, nullable=False),
        sa.Column("last_seen", WHOLE, nullable=False),
        sa.CheckConstraint(
            "length(uri) > 0 AND length(reason) > 0", name=op.f("ck_quarantine_filled")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("tenant", "uri", name=op.f("uq_quarantine_tenant_uri")),
        sqlite_strict=True,
    )


def _policy_revisions() -> None:
    op.create_table(
        "policy_revisions",
        sa.Column("revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.CheckConstraint("length(digest) > 0", name=op.f("ck_policy_revisions_digest")),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_policy_revisions_revision")),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_policy_revisions")),
        sqlite_strict=True,
    )


def _collection_state() -> None:
    op.create_table(
        "collection_state",
        sa.Column("id", WHOLE, autoincrement=False, nullable=False),
        sa.Column("label_schema_digest", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_digest", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_collection_state_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection_state")),
        sqlite_strict=True,
    )


def _audit_events() -> None:
    op.create_table(
        "audit_events",
        sa.Column("seq", WHOLE, autoincrement=False, nullable=False),
        sa.Column("time", WHOLE, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "length(previous) = 64 AND length(hash) = 64", name=op.f("ck_audit_events_hashes")
        ),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_audit_events_seq")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_events")),
        sqlite_strict=True,
    )


def _audit_head() -> None:
    op.create_table(
        "audit_head",
        sa.Column("id", WHOLE, autoincrement=False, nullable=False),
        sa.Column("seq", WHOLE, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_single")),
        sa.CheckConstraint(
            "length(hash) = 64 AND length(mac) = 64", name=op.f("ck_audit_head_hashes")
        ),
        sa.CheckConstraint("seq >= 0", name=op.f("ck_audit_head_seq")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
        sqlite_strict=True,
    )
