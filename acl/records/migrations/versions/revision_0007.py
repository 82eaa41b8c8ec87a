"""Proofs count labels, and keep which were compared."""

from __future__ import annotations

import json
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0007"
down_revision: Final = "0006"
branch_labels: Final = None
depends_on: Final = None

WHOLE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "proof_labels",
        sa.Column("revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("profiles_digest", sa.Text(), nullable=False),
        sa.Column("label_digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision"],
            ["policy_revisions.revision"],
            name=op.f("fk_proof_labels_revision"),
        ),
        sa.PrimaryKeyConstraint(
            "revision", "profiles_digest", "label_digest", name=op.f("pk_proof_labels")
        ),
        sqlite_strict=True,
    )
    op.execute("ALTER TABLE policy_proofs RENAME COLUMN pairs TO labels")
    _begin_again()


def _begin_again() -> None:
    """Count nothing as compared; of a revision that was refuted, keep that and why."""
    columns = ("revision", "state", "labels", "done", "mismatch")
    table = sa.table("policy_proofs", *map(sa.column, columns))
    bind = op.get_bind()
    for number, state, mismatch in bind.execute(
        sa.select(table.c.revision, table.c.state, table.c.mismatch)
    ).all():
        refuted = state == "refuted"
        kept = [{"tenant": "", "text": mismatch}] if refuted else []
        bind.execute(
            sa.update(table)
            .where(table.c.revision == number)
            .values(
                state=state if refuted else "sampled",
                labels=0,
                done=0,
                mismatch=json.dumps({"shown": kept}),
            )
        )
