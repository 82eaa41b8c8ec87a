"""Quarantine: what could not be parsed, scanned or labelled, with the latest reason.

One entry for a source; it goes when a version of that source goes live (`documents`). Names and
reasons are recorded whatever they hold, because a strange name is a reason to be here.
"""

from __future__ import annotations

from sqlalchemy import select

from acl.records.audit import AuditLog
from acl.records.audit_types import AuditEvent
from acl.records.database import Database
from acl.records.schema import quarantine
from acl.records.storable import escaped_text
from acl.records.types import MAX_KEY_BYTES, Quarantined
from acl.records.upsert import upsert


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
        latest = {name: row[name] for name in ("reason", "content_digest", "last_seen")}
        async with self._database.writing() as connection:
            await connection.execute(
                upsert(connection, quarantine)
                .values(first_seen=event.time, **row)
                .on_conflict_do_update(index_elements=["tenant", "uri"], set_=latest)
            )
            await self._audit.append_within(connection, event)

    async def entries(self, *, after: int = 0, limit: int = 100) -> tuple[Quarantined, ...]:
        """Return entries in the order in which they came, beginning behind id `after`."""
        statement = (
            select(quarantine).where(quarantine.c.id > after).order_by(quarantine.c.id).limit(limit)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        return tuple(Quarantined(**dict(row)) for row in rows)


def _short(text: str) -> str:
    """Return what an index can hold; the end of a name tells more than its beginning."""
    return escaped_text(text).encode()[-MAX_KEY_BYTES:].decode(errors="ignore")
