"""What finds audit events again: by document, and by who got it. Derived; the chain is the truth.

`reader` names whoever got passages of the resource by the event, with whom they acted through; it
is empty where nobody got any.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Table, Text

from acl.records.tables.core import Whole, metadata

audit_resources: Final = Table(
    "audit_resources",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("seq", Whole, primary_key=True, autoincrement=False),
    Column("reader", Text, nullable=False, server_default=""),
    Index("ix_audit_resources_reader", "resource", "reader", "seq"),
    sqlite_strict=True,
)
