"""Access requests."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"
branch_labels: Final = None
depends_on: Final = None

WHOLE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "access_requests",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("asker", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("decided_at", WHOLE, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "length(id) = 36 AND length(document_id) = 36", name=op.f("ck_access_requests_ids")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'granted', 'refused')", name=op.f("ck_access_requests_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_requests")),
        sa.UniqueConstraint(
            "tenant",
            "document_id",
            "asker",
            name=op.f("uq_access_requests_tenant_document_id_asker"),
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_access_requests_asker", "access_requests", ["tenant", "asker"])
