"""Shares that end, where a label's values come from, its history, folders and jobs."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"
branch_labels: Final = None
depends_on: Final = None

WHOLE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SORTED: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _documents()
    _changes()
    _proposals()
    _folders()
    _jobs()


def _documents() -> None:
    empty = sa.Column("shares", sa.Text(), nullable=False, server_default="[]")
    op.add_column("documents", empty)
    op.add_column("documents", sa.Column("shares_next", WHOLE, nullable=True))
    op.create_index(
        "ix_documents_shares_next",
        "documents",
        ["shares_next"],
        unique=False,
        sqlite_where=sa.text("shares_next IS NOT NULL"),
        postgresql_where=sa.text("shares_next IS NOT NULL"),
    )
    for table in ("documents", "pending_versions"):
        column = sa.Column("origins", sa.Text(), nullable=False, server_default="{}")
        op.add_column(table, column)
        # Until now every value came from the source, as far as anybody remembers.
        op.execute(f"UPDATE {table} SET origins = '{{\"source\":' || label || '}}'")  # noqa: S608 - one of two names


def _changes() -> None:
    op.create_table(
        "label_changes",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("label_version", WHOLE, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("change_id", sa.Text(), nullable=False),
        sa.CheckConstraint("label_version >= 1", name=op.f("ck_label_changes_label_version")),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
            name=op.f("fk_label_changes_document_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("document_id", "label_version", name=op.f("pk_label_changes")),
        sqlite_strict=True,
    )


def _proposals() -> None:
    op.create_table(
        "label_proposals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("expected_version", WHOLE, nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "length(id) = 36 AND length(by) > 0", name=op.f("ck_label_proposals_filled")
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
            name=op.f("fk_label_proposals_document_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_proposals")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_label_proposals_document_id", "label_proposals", ["document_id"], unique=False
    )


def _folders() -> None:
    op.create_table(
        "folder_labels",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("path", SORTED, nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("ck_folder_labels_version")),
        sa.CheckConstraint(
            "length(tenant) > 0 AND length(path) > 0", name=op.f("ck_folder_labels_filled")
        ),
        sa.PrimaryKeyConstraint("tenant", "path", name=op.f("pk_folder_labels")),
        sqlite_strict=True,
    )


def _jobs() -> None:
    op.create_table(
        "label_jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("asker", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.CheckConstraint("length(id) = 36", name=op.f("ck_label_jobs_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_jobs")),
        sqlite_strict=True,
    )
    op.create_table(
        "label_job_items",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("expected_version", WHOLE, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'done', 'conflict', 'failed')",
            name=op.f("ck_label_job_items_state"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["label_jobs.id"],
            name=op.f("fk_label_job_items_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "document_id", name=op.f("pk_label_job_items")),
        sqlite_strict=True,
    )
