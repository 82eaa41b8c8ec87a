"""Access requests by age, and who got passages of a document."""

from __future__ import annotations

import json
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0011"
down_revision: Final = "0010"
branch_labels: Final = None
depends_on: Final = None

BATCH: Final = 1000


def upgrade() -> None:
    op.create_index("ix_access_requests_created_at", "access_requests", ["tenant", "created_at"])
    reader = sa.Column("reader", sa.Text(), nullable=False, server_default="")
    op.add_column("audit_resources", reader)
    _readers()
    op.create_index("ix_audit_resources_reader", "audit_resources", ["resource", "reader", "seq"])


def _readers() -> None:
    bind, after = op.get_bind(), 0
    statement = sa.text(
        "SELECT seq, body FROM audit_events WHERE seq > :after AND kind IN ('search', 'fetch')"
        " ORDER BY seq LIMIT :many"
    )
    change = sa.text("UPDATE audit_resources SET reader = :reader WHERE seq = :seq")
    while rows := bind.execute(statement, {"after": after, "many": BATCH}).all():
        known = [{"seq": seq, "reader": name} for seq, body in rows if (name := _reader(body))]
        if known:
            bind.execute(change, known)
        after = rows[-1].seq


def _reader(body: str) -> str:
    """Return who got what an event names; of one that was tampered with nobody is known."""
    try:
        event = json.loads(body)
        got = event["outcome"] == "permitted"
        names = [event["subject"], *event["actors"]]
    except (ValueError, KeyError, TypeError):
        return ""
    return json.dumps(names, separators=(",", ":")) if got else ""
