"""Changes of users and groups are counted for each tenant by itself."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0008"
down_revision: Final = "0007"
branch_labels: Final = None
depends_on: Final = None

WHOLE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "directory_heads",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("changes", WHOLE, nullable=False),
        sa.CheckConstraint("length(tenant) > 0", name=op.f("ck_directory_heads_tenant")),
        sa.CheckConstraint("changes >= 0", name=op.f("ck_directory_heads_changes")),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_directory_heads")),
        sqlite_strict=True,
    )
    # Each goes on from the common count, so that no number comes a second time.
    op.execute(
        "INSERT INTO directory_heads (tenant, changes) SELECT known.tenant, heads.directory "
        "FROM (SELECT tenant FROM directory_users UNION SELECT tenant FROM directory_groups) "
        "AS known CROSS JOIN heads"
    )
    _without_the_common_count()


def _without_the_common_count() -> None:
    # Made anew, because SQLite drops no column that a check names.
    connection = op.get_bind()
    row = connection.execute(sa.text("SELECT id, policy, suspension, label FROM heads")).one()
    op.drop_table("heads")
    heads = op.create_table(
        "heads",
        sa.Column("id", WHOLE, autoincrement=False, nullable=False),
        sa.Column("policy", WHOLE, nullable=False),
        sa.Column("suspension", WHOLE, nullable=False),
        sa.Column("label", WHOLE, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_heads_single")),
        sa.CheckConstraint(
            "policy >= 0 AND suspension >= 0 AND label >= 0", name=op.f("ck_heads_counts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heads")),
        sqlite_strict=True,
    )
    op.bulk_insert(heads, [dict(row._mapping)])  # noqa: SLF001 - public API
