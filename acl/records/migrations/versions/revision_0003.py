"""Users and groups from an identity provider."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"
branch_labels: Final = None
depends_on: Final = None

WHOLE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SORTED: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _users()
    _groups()
    _memberships("directory_user_memberships", "directory_users")
    _memberships("directory_group_memberships", "directory_groups")


def _users() -> None:
    name = "directory_users"
    op.create_table(
        name,
        *_entry(name, "user"),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("active", WHOLE, nullable=False),
        sa.Column("clearance", WHOLE, nullable=True),
        sa.Column("compartments", sa.Text(), nullable=True),
        sa.CheckConstraint("active IN (0, 1)", name=op.f(f"ck_{name}_active")),
        sa.CheckConstraint("clearance >= 0", name=op.f(f"ck_{name}_clearance")),
        sqlite_strict=True,
    )
    op.create_index(f"ix_{name}_external_id", name, ["tenant", "external_id"], unique=False)


def _groups() -> None:
    name = "directory_groups"
    op.create_table(name, *_entry(name, "group"), sqlite_strict=True)
    op.create_index(f"ix_{name}_external_id", name, ["tenant", "external_id"], unique=False)


def _entry(name: str, kind: str) -> tuple[Any, ...]:
    return (
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("identity", SORTED, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("updated_at", WHOLE, nullable=False),
        sa.CheckConstraint("length(id) = 36", name=op.f(f"ck_{name}_id")),
        sa.CheckConstraint("length(tenant) > 0", name=op.f(f"ck_{name}_tenant")),
        sa.CheckConstraint(
            f"substr(identity, 1, {len(kind) + 1}) = '{kind}:'", name=op.f(f"ck_{name}_identity")
        ),
        sa.CheckConstraint("version >= 1", name=op.f(f"ck_{name}_version")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        sa.UniqueConstraint("tenant", "identity", name=op.f(f"uq_{name}_tenant_identity")),
        sa.UniqueConstraint("id", "tenant", name=op.f(f"uq_{name}_id_tenant")),
    )


def _memberships(name: str, members: str) -> None:
    op.create_table(
        name,
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.CheckConstraint("group_id <> member_id", name=op.f(f"ck_{name}_other")),
        sa.ForeignKeyConstraint(
            ["group_id", "tenant"],
            ["directory_groups.id", "directory_groups.tenant"],
            name=op.f(f"fk_{name}_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["member_id", "tenant"],
            [f"{members}.id", f"{members}.tenant"],
            name=op.f(f"fk_{name}_member_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "member_id", name=op.f(f"pk_{name}")),
        sqlite_strict=True,
    )
    op.create_index(f"ix_{name}_member_id", name, ["member_id"], unique=False)
