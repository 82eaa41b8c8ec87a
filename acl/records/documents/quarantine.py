"""Quarantine: what could not be parsed, scanned or labelled, with the latest reason.

One entry for a source; it goes when a version of that source goes live (`documents`). Names and
reasons are recorded whatever they hold, because a strange name is a reason to be here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from acl.records.audit.events import AuditEvent
from acl.records.audit.log import AuditLog
from acl.records.database.database import Database, upsert
from acl.records.database.storable import escaped_text
from acl.records.tables.core import quarantine
from acl.records.tables.types import MAX_KEY_BYTES, Quarantined


class Quarantine:
    """The list of what is kept out of the index."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def put(
        self, *, uri: str, reason: str, content_digest: str, event: AuditEvent, tenant: str = ""
    ) -> None:
        """Record that a source is kept out; a known one gets the new reason."""
        row = {
            "tenant": _short(tenant),
            "uri": _short(uri) or "(no name)",
            "reason": escaped_text(reason) or "(no reason)",
            "content_digest": content_digest,
            "last_seen": event.time,
        }
        await self._database.write(self._put, row, event)

    async def entries(self, *, after: int = 0, limit: int = 100) -> tuple[Quarantined, ...]:
        """Return entries in the order in which they came, beginning behind id `after`."""
        return await self._database.read(_entries, after, limit)

    def _put(self, connection: Connection, row: dict[str, Any], event: AuditEvent) -> None:
        latest = {name: row[name] for name in ("reason", "content_digest", "last_seen")}
        connection.execute(
            upsert(connection, quarantine)
            .values(first_seen=event.time, **row)
            .on_conflict_do_update(index_elements=["tenant", "uri"], set_=latest)
        )
        self._audit.append_within(connection, event)


def _entries(connection: Connection, after: int, limit: int) -> tuple[Quarantined, ...]:
    newer = quarantine.c.id > after
    statement = select(quarantine).where(newer).order_by(quarantine.c.id).limit(limit)
    return tuple(Quarantined(**dict(row)) for row in connection.execute(statement).mappings())


def _short(text: str) -> str:
    """Return what an index can hold; the end of a name tells more than its beginning."""
    return escaped_text(text).encode()[-MAX_KEY_BYTES:].decode(errors="ignore")
