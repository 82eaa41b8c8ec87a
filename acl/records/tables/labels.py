"""The tables of labels: their history, what waits for approval, folders, and jobs."""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, text

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

# It can be about a document that does not exist, on purpose: a request for access tells nothing.
approvals: Final = Table(
    "approvals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("about", Sorted, nullable=False),
    Column("version", Whole, nullable=False),
    Column("changes", Text, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("parties", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_at", Moment, nullable=True),
    Column("decided_by", Text, nullable=False),
    CheckConstraint("length(id) = 36 AND length(about) > 0 AND length(by) > 0", name="filled"),
    CheckConstraint("kind IN ('label', 'folder', 'access')", name="kind"),
    CheckConstraint("state IN ('open', 'granted', 'refused')", name="state"),
    Index("ix_approvals_about", "tenant", "kind", "about"),
    Index("ix_approvals_at", "tenant", "at"),
    Index(
        "ix_approvals_access",
        "tenant",
        "by",
        "about",
        unique=True,
        sqlite_where=text("kind = 'access'"),
        postgresql_where=text("kind = 'access'"),
    ),
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
