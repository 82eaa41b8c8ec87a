"""A revision that was refuted is decided by Casbin itself; no role is suspended any more."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0012"
down_revision: Final = "0011"
branch_labels: Final = None
depends_on: Final = None

WHOLE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.drop_table("proof_labels")
    op.drop_table("suspended_roles")
    _proofs()
    _heads()


def _proofs() -> None:
    # Made anew, because SQLite changes no check. Only what was refuted has to be kept.
    rows = _rows(
        "SELECT revision, state, labels, mismatch, updated_at FROM policy_proofs "
        "WHERE state = 'refuted'"
    )
    op.drop_table("policy_proofs")
    made = op.create_table(
        "policy_proofs",
        sa.Column("revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("labels", WHOLE, nullable=False),
        sa.Column("mismatch", sa.Text(), nullable=False),
        sa.Column("updated_at", WHOLE, nullable=False),
        sa.CheckConstraint(
            "state IN ('sampled', 'proved', 'refuted')", name=op.f("ck_policy_proofs_state")
        ),
        sa.CheckConstraint("labels >= 0", name=op.f("ck_policy_proofs_labels")),
        sa.ForeignKeyConstraint(
            ["revision"], ["policy_revisions.revision"], name=op.f("fk_policy_proofs_revision")
        ),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_policy_proofs")),
        sqlite_strict=True,
    )
    if rows:
        op.bulk_insert(made, rows)


def _heads() -> None:
    rows = _rows(
        "SELECT id, policy, (SELECT count(*) FROM policy_proofs WHERE revision = policy "
        "AND state = 'refuted') AS refuted, label FROM heads"
    )
    op.drop_table("heads")
    made = op.create_table(
        "heads",
        sa.Column("id", WHOLE, autoincrement=False, nullable=False),
        sa.Column("policy", WHOLE, nullable=False),
        sa.Column("refuted", WHOLE, nullable=False),
        sa.Column("label", WHOLE, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_heads_single")),
        sa.CheckConstraint(
            "policy >= 0 AND refuted IN (0, 1) AND label >= 0", name=op.f("ck_heads_counts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heads")),
        sqlite_strict=True,
    )
    op.bulk_insert(made, rows)


def _rows(statement: str) -> list[dict[str, object]]:
    found = op.get_bind().execute(sa.text(statement))
    return [dict(row._mapping) for row in found]  # noqa: SLF001 - public API
