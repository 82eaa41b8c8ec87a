"""The tables of users and groups. An id is never handed out twice; names may come back.

A membership carries the tenant in both of its foreign keys, so that a member of another tenant
cannot be stored.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    UniqueConstraint,
)

from acl.records.tables.core import Sorted, Whole, metadata, moments, texts, wholes


def _entry(kind: str) -> tuple[Any, ...]:
    """What users and groups have in common."""
    return (
        Column("id", Text, primary_key=True),
        *texts("tenant"),
        Column("identity", Sorted, nullable=False),
        *texts("external_id"),
        *wholes("version"),
        *moments("created_at", "updated_at"),
        CheckConstraint("length(id) = 36", name="id"),
        CheckConstraint("length(tenant) > 0", name="tenant"),
        CheckConstraint(f"substr(identity, 1, {len(kind) + 1}) = '{kind}:'", name="identity"),
        CheckConstraint("version >= 1", name="version"),
        UniqueConstraint("tenant", "identity"),
        UniqueConstraint("id", "tenant"),
    )


directory_users: Final = Table(
    "directory_users",
    metadata,
    *_entry("user"),
    *texts("display_name"),
    *wholes("active"),
    Column("clearance", Whole, nullable=True),
    Column("compartments", Text, nullable=True),
    CheckConstraint("active IN (0, 1)", name="active"),
    CheckConstraint("clearance >= 0", name="clearance"),
    Index("ix_directory_users_external_id", "tenant", "external_id"),
    sqlite_strict=True,
)

directory_groups: Final = Table(
    "directory_groups",
    metadata,
    *_entry("group"),
    Index("ix_directory_groups_external_id", "tenant", "external_id"),
    sqlite_strict=True,
)


def _memberships(name: str, members: str) -> Table:
    """Who is directly in a group; a membership goes with either end."""
    return Table(
        name,
        metadata,
        Column("group_id", Text, primary_key=True),
        Column("member_id", Text, primary_key=True),
        *texts("tenant"),
        ForeignKeyConstraint(
            ["group_id", "tenant"],
            ["directory_groups.id", "directory_groups.tenant"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["member_id", "tenant"], [f"{members}.id", f"{members}.tenant"], ondelete="CASCADE"
        ),
        CheckConstraint("group_id <> member_id", name="other"),
        Index(f"ix_{name}_member_id", "member_id"),
        sqlite_strict=True,
    )


user_memberships: Final = _memberships("directory_user_memberships", "directory_users")
group_memberships: Final = _memberships("directory_group_memberships", "directory_groups")

# How many changes of users and groups each tenant has seen; the lock that orders its writers.
directory_heads: Final = Table(
    "directory_heads",
    metadata,
    Column("tenant", Text, primary_key=True),
    *wholes("changes"),
    CheckConstraint("length(tenant) > 0", name="tenant"),
    CheckConstraint("changes >= 0", name="changes"),
    sqlite_strict=True,
)
