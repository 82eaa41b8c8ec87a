"""Revisions with their texts, counters of change, and an index of the audit by document."""

from __future__ import annotations

import json
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"
branch_labels: Final = None
depends_on: Final = None

WHOLE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BATCH: Final = 1000


def upgrade() -> None:
    _heads()
    _label_revisions()
    _policy_revisions()
    _policy_proofs()
    _suspended_roles()
    _audit_resources()
    op.create_index("ix_audit_events_time", "audit_events", ["time"], unique=False)


def _heads() -> None:
    table = op.create_table(
        "heads",
        sa.Column("id", WHOLE, autoincrement=False, nullable=False),
        sa.Column("policy", WHOLE, nullable=False),
        sa.Column("suspension", WHOLE, nullable=False),
        sa.Column("directory", WHOLE, nullable=False),
        sa.Column("label", WHOLE, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_heads_single")),
        sa.CheckConstraint(
            "policy >= 0 AND suspension >= 0 AND directory >= 0 AND label >= 0",
            name=op.f("ck_heads_counts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heads")),
        sqlite_strict=True,
    )
    last = op.get_bind().scalar(sa.text("SELECT max(revision) FROM policy_revisions"))
    start = {"id": 1, "policy": last or 0, "suspension": 0, "directory": 0, "label": 0}
    op.bulk_insert(table, [start])


def _label_revisions() -> None:
    column = sa.Column("label_revision", WHOLE, nullable=False, server_default="0")
    op.add_column("documents", column)


def _policy_revisions() -> None:
    old = sa.table(
        "policy_revisions",
        sa.column("revision", WHOLE),
        sa.column("digest", sa.Text()),
        sa.column("created_at", WHOLE),
    )
    rows = [dict(row) for row in op.get_bind().execute(sa.select(old)).mappings()]
    # The names of its constraints are those of the new one.
    op.drop_table("policy_revisions")
    table = op.create_table(
        "policy_revisions",
        sa.Column("revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("base", WHOLE, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("activated_at", WHOLE, nullable=True),
        sa.Column("activated_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "revision >= 1 AND base >= 0 AND base < revision",
            name=op.f("ck_policy_revisions_numbers"),
        ),
        sa.CheckConstraint(
            "length(digest) > 0 AND length(author) > 0", name=op.f("ck_policy_revisions_filled")
        ),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_policy_revisions")),
        sqlite_strict=True,
    )
    op.bulk_insert(table, [_with_texts_unknown(row) for row in rows])


def _with_texts_unknown(row: dict[str, object]) -> dict[str, object]:
    number = row["revision"]
    assert isinstance(number, int)
    return {
        **row,
        "base": number - 1,
        "model": "",
        "rules": "",
        "author": "service:strongroom",
        "reason": "",
        "activated_at": row["created_at"],
        "activated_by": "service:strongroom",
    }


def _policy_proofs() -> None:
    op.create_table(
        "policy_proofs",
        sa.Column("revision", WHOLE, autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("pairs", WHOLE, nullable=False),
        sa.Column("done", WHOLE, nullable=False),
        sa.Column("mismatch", sa.Text(), nullable=False),
        sa.Column("updated_at", WHOLE, nullable=False),
        sa.CheckConstraint(
            "state IN ('sampled', 'running', 'proved', 'refuted', 'stopped')",
            name=op.f("ck_policy_proofs_state"),
        ),
        sa.CheckConstraint("done >= 0 AND done <= pairs", name=op.f("ck_policy_proofs_progress")),
        sa.ForeignKeyConstraint(
            ["revision"], ["policy_revisions.revision"], name=op.f("fk_policy_proofs_revision")
        ),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_policy_proofs")),
        sqlite_strict=True,
    )


def _suspended_roles() -> None:
    op.create_table(
        "suspended_roles",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("revision", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.CheckConstraint(
            "length(principal) > 0 AND length(reason) > 0", name=op.f("ck_suspended_roles_filled")
        ),
        sa.PrimaryKeyConstraint("tenant", "principal", name=op.f("pk_suspended_roles")),
        sqlite_strict=True,
    )


def _audit_resources() -> None:
    table = op.create_table(
        "audit_resources",
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("seq", WHOLE, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("resource", "seq", name=op.f("pk_audit_resources")),
        sqlite_strict=True,
    )
    bind, after = op.get_bind(), 0
    statement = sa.text(
        "SELECT seq, body FROM audit_events WHERE seq > :after ORDER BY seq LIMIT :many"
    )
    while rows := bind.execute(statement, {"after": after, "many": BATCH}).all():
        entries = [
            {"resource": resource, "seq": seq}
            for seq, body in rows
            for resource in dict.fromkeys(_resources(body))
        ]
        op.bulk_insert(table, entries)
        after = rows[-1].seq


def _resources(body: str) -> list[str]:
    """Return the documents that an event names; an event that was tampered with names none."""
    try:
        found = json.loads(body)["resources"]
    except (ValueError, KeyError, TypeError):
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
