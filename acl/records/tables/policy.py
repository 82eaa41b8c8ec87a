"""The tables of policies: revisions, and what was proved of them."""

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
    Column("mismatch", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
    CheckConstraint("state IN ('sampled', 'proved', 'refuted')", name="state"),
    CheckConstraint("labels >= 0", name="labels"),
    sqlite_strict=True,
)
