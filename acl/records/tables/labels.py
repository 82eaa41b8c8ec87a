"""The tables of labels: their history, what waits for approval, folders, and jobs."""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, text

from acl.records.tables.core import Moment, Sorted, Whole, metadata, moments, texts, wholes

# What happened to a label goes with its document; the audit keeps that it happened.
label_changes: Final = Table(
    "label_changes",
    metadata,
    Column("document_id", Text, ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("label_version", Whole, primary_key=True, autoincrement=False),
    *texts("kind"),
    Column("before", Text, nullable=True),
    *texts("after", "by"),
    *moments("at"),
    *texts("reason", "change_id"),
    CheckConstraint("label_version >= 1", name="label_version"),
    sqlite_strict=True,
)

folder_labels: Final = Table(
    "folder_labels",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("path", Sorted, primary_key=True),
    *texts("attributes", "by"),
    *moments("at"),
    *wholes("version"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("length(tenant) > 0 AND length(path) > 0", name="filled"),
    sqlite_strict=True,
)

# It can be about a document that does not exist, on purpose: a request for access tells nothing.
approvals: Final = Table(
    "approvals",
    metadata,
    Column("id", Text, primary_key=True),
    *texts("kind", "tenant"),
    Column("about", Sorted, nullable=False),
    *wholes("version"),
    *texts("changes", "wanted", "by", "parties"),
    *moments("at"),
    *texts("reason", "state"),
    Column("decided_at", Moment, nullable=True),
    *texts("decided_by"),
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
    *texts("tenant", "by", "asker", "request", "reason"),
    *moments("created_at"),
    CheckConstraint("length(id) = 36", name="id"),
    sqlite_strict=True,
)

# No foreign key to the document: what became of it is told even when it is gone.
label_job_items: Final = Table(
    "label_job_items",
    metadata,
    Column("job_id", Text, ForeignKey("label_jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("document_id", Text, primary_key=True),
    *wholes("expected_version"),
    *texts("state", "detail"),
    CheckConstraint("state IN ('pending', 'done', 'conflict', 'failed')", name="state"),
    sqlite_strict=True,
)
