"""What finds audit events again: by document, and by time. Derived; the chain is the truth."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Table, Text

from acl.records.schema import Whole, metadata

audit_resources: Final = Table(
    "audit_resources",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("seq", Whole, primary_key=True, autoincrement=False),
    sqlite_strict=True,
)
