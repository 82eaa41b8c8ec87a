"""Labels of folders that wait for a second person."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0010"
down_revision: Final = "0009"
branch_labels: Final = None
depends_on: Final = None

WHOLE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SORTED: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "folder_proposals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("path", SORTED, nullable=False),
        sa.Column("expected_version", WHOLE, nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("asker", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "length(id) = 36 AND length(by) > 0", name=op.f("ck_folder_proposals_filled")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folder_proposals")),
        sqlite_strict=True,
    )
    op.create_index("ix_folder_proposals_path", "folder_proposals", ["tenant", "path"])
