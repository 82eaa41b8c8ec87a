"""Who stands behind a proposal, digests of policies' texts, and revisions that stay as they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0006"
down_revision: Final = "0005"
branch_labels: Final = None
depends_on: Final = None

FIXED: Final = (
    "revision",
    "base",
    "digest",
    "texts_digest",
    "model",
    "rules",
    "author",
    "parties",
    "reason",
    "created_at",
)
ONCE: Final = ("activated_at", "activated_by")
REASON: Final = "a policy revision never changes"


def upgrade() -> None:
    for table in ("policy_revisions", "label_proposals"):
        parties = sa.Column("parties", sa.Text(), nullable=False, server_default="[]")
        op.add_column(table, parties)
    digest = sa.Column("texts_digest", sa.Text(), nullable=False, server_default="")
    op.add_column("policy_revisions", digest)
    _fill("policy_revisions", "revision", ("author", "model", "rules"), _of_revision)
    _fill("label_proposals", "id", ("by",), lambda row: {"parties": json.dumps([row["by"]])})
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _fill(
    name: str, key: str, read: tuple[str, ...], filled: Callable[[Any], dict[str, str]]
) -> None:
    table = sa.table(name, *map(sa.column, (key, *read, "parties", "texts_digest")))
    bind, columns = op.get_bind(), [table.c[one] for one in (key, *read)]
    for known in bind.scalars(sa.select(table.c[key])).all():
        mine = table.c[key] == known
        row = bind.execute(sa.select(*columns).where(mine)).mappings().one()
        bind.execute(sa.update(table).where(mine).values(filled(row)))


def _of_revision(row: Any) -> dict[str, str]:  # noqa: ANN401 - a row
    """Vouch for the texts as they stand; a name whose tenant was not kept is of every tenant."""
    parts = (row["model"].encode(), row["rules"].encode())
    framed = b"".join(len(one).to_bytes(8, "big") + one for one in parts)
    return {
        "parties": json.dumps([row["author"]]),
        "texts_digest": hashlib.sha256(framed).hexdigest() if row["model"] else "",
    }


def _sqlite_triggers() -> None:
    changed = " OR ".join(f"NEW.{one} IS NOT OLD.{one}" for one in FIXED)
    again = " OR ".join(f"NEW.{one} IS NOT OLD.{one}" for one in ONCE)
    abort = f"BEGIN SELECT RAISE(ABORT, '{REASON}'); END"
    op.execute(
        "CREATE TRIGGER policy_revisions_never_change BEFORE UPDATE ON policy_revisions "
        f"WHEN {changed} OR (OLD.activated_at IS NOT NULL AND ({again})) {abort}"
    )
    op.execute(
        "CREATE TRIGGER policy_revisions_never_go BEFORE DELETE ON policy_revisions " + abort
    )


def _postgresql_triggers() -> None:
    changed = " OR ".join(f"NEW.{one} IS DISTINCT FROM OLD.{one}" for one in FIXED)
    again = " OR ".join(f"NEW.{one} IS DISTINCT FROM OLD.{one}" for one in ONCE)
    op.execute(
        "CREATE FUNCTION policy_revisions_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{REASON}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER policy_revisions_never_change BEFORE UPDATE ON policy_revisions "
        f"FOR EACH ROW WHEN ({changed} OR (OLD.activated_at IS NOT NULL AND ({again}))) "
        "EXECUTE FUNCTION policy_revisions_refuse()"
    )
    for name, event, each in (("go", "DELETE", "ROW"), ("empty", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER policy_revisions_never_{name} BEFORE {event} ON policy_revisions "
            f"FOR EACH {each} EXECUTE FUNCTION policy_revisions_refuse()"
        )
