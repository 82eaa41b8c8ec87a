"""The tables of policies: revisions, what was proved of them, and roles that are suspended."""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, ForeignKey, Table, Text

from acl.records.tables.core import Moment, Whole, metadata

# Triggers of the migration keep a row as it is; only its activation is added, once.
# A revision of before texts were kept has empty texts, and cannot be activated again.
policy_revisions: Final = Table(
    "policy_revisions",
    metadata,
    Column("revision", Whole, primary_key=True, autoincrement=False),
    Column("base", Whole, nullable=False),
    Column("digest", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("activated_at", Moment, nullable=True),
    Column("activated_by", Text, nullable=False),
    Column("parties", Text, nullable=False, server_default="[]"),
    Column("texts_digest", Text, nullable=False, server_default=""),
    CheckConstraint("revision >= 1 AND base >= 0 AND base < revision", name="numbers"),
    CheckConstraint("length(digest) > 0 AND length(author) > 0", name="filled"),
    sqlite_strict=True,
)

policy_proofs: Final = Table(
    "policy_proofs",
    metadata,
    Column(
        "revision",
        Whole,
        ForeignKey("policy_revisions.revision"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("state", Text, nullable=False),
    Column("labels", Whole, nullable=False),
    Column("done", Whole, nullable=False),
    Column("mismatch", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
    CheckConstraint(
        "state IN ('sampled', 'running', 'proved', 'refuted', 'stopped')", name="state"
    ),
    CheckConstraint("done >= 0 AND done <= labels", name="progress"),
    sqlite_strict=True,
)

# A live label that was compared, with all its neighbours, for every role.
proof_labels: Final = Table(
    "proof_labels",
    metadata,
    Column(
        "revision",
        Whole,
        ForeignKey("policy_revisions.revision"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("profiles_digest", Text, primary_key=True),
    Column("label_digest", Text, primary_key=True),
    sqlite_strict=True,
)

# Whoever reaches one of these is denied everything, until an administrator decides.
suspended_roles: Final = Table(
    "suspended_roles",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("revision", Whole, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Moment, nullable=False),
    CheckConstraint("length(principal) > 0 AND length(reason) > 0", name="filled"),
    sqlite_strict=True,
)
