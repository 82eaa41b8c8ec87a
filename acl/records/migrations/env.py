"""Runs the migrations on the connection that `acl.records.system` hands over, and on no other.

The caller owns the transaction, so that the tables and the head of the audit chain appear together.
"""

from __future__ import annotations

from alembic import context

from acl.records.tables.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
