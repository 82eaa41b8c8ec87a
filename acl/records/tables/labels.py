"""The tables of labels: their history, what waits for approval, folders, and jobs."""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text

from acl.records.tables.core import Moment, Sorted, Whole, metadata


def _of_document(*, primary: bool = False) -> Column[str]:
    owner = ForeignKey("documents.id", ondelete="CASCADE")
    return Column("document_id", Text, owner, primary_key=primary, nullable=False)


# What happened to a label goes with its document; the audit keeps that it happened.
label_changes: Final = Table(
    "label_changes",
    metadata,
    _of_document(primary=True),
    Column("label_version", Whole, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("before", Text, nullable=True),
    Column("after", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("change_id", Text, nullable=False),
    CheckConstraint("label_version >= 1", name="label_version"),
    sqlite_strict=True,
)

label_proposals: Final = Table(
    "label_proposals",
    metadata,
    Column("id", Text, primary_key=True),
    _of_document(),
    Column("expected_version", Whole, nullable=False),
    Column("changes", Text, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("parties", Text, nullable=False, server_default="[]"),
    CheckConstraint("length(id) = 36 AND length(by) > 0", name="filled"),
    Index("ix_label_proposals_document_id", "document_id"),
    sqlite_strict=True,
)

folder_labels: Final = Table(
    "folder_labels",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("path", Sorted, primary_key=True),
    Column("attributes", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("version", Whole, nullable=False),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("length(tenant) > 0 AND length(path) > 0", name="filled"),
    sqlite_strict=True,
)

folder_proposals: Final = Table(
    "folder_proposals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("path", Sorted, nullable=False),
    Column("expected_version", Whole, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("asker", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("length(id) = 36 AND length(by) > 0", name="filled"),
    Index("ix_folder_proposals_path", "tenant", "path"),
    sqlite_strict=True,
)

label_jobs: Final = Table(
    "label_jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("asker", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("length(id) = 36", name="id"),
    sqlite_strict=True,
)

# No foreign key to the document: what became of it is told even when it is gone.
label_job_items: Final = Table(
    "label_job_items",
    metadata,
    Column("job_id", Text, ForeignKey("label_jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("document_id", Text, primary_key=True),
    Column("expected_version", Whole, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    CheckConstraint("state IN ('pending', 'done', 'conflict', 'failed')", name="state"),
    sqlite_strict=True,
)
