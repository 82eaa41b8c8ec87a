"""The table of access requests. A row can name a document that does not exist, on purpose."""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, UniqueConstraint

from acl.records.tables.core import Moment, metadata

access_requests: Final = Table(
    "access_requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("asker", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("decided_at", Moment, nullable=True),
    Column("decided_by", Text, nullable=False),
    CheckConstraint("length(id) = 36 AND length(document_id) = 36", name="ids"),
    CheckConstraint("state IN ('open', 'granted', 'refused')", name="state"),
    UniqueConstraint("tenant", "document_id", "asker"),
    Index("ix_access_requests_asker", "tenant", "asker"),
    Index("ix_access_requests_created_at", "tenant", "created_at"),
    sqlite_strict=True,
)
