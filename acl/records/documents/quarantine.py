"""Quarantine: what could not be parsed, scanned or labelled, with the latest reason.

One entry for a source; it goes when a version of that source goes live (`documents`). Names and
reasons are recorded as they are, because a strange name is a reason to be here.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from acl.records.audit.events import AuditEvent
from acl.records.audit.log import AuditedPart
from acl.records.database.database import snapshot, transaction, upsert
from acl.records.database.storable import escaped_text
from acl.records.tables.schema import quarantine
from acl.records.tables.types import MAX_KEY_BYTES, Quarantined


class Quarantine(AuditedPart):
    """The list of what is kept out of the index."""

    @transaction
    def put(  # noqa: PLR0913 - an entry has as many sides
        self,
        connection: Connection,
        *,
        uri: str,
        reason: str,
        content_digest: str,
        event: AuditEvent,
        tenant: str = "",
    ) -> None:
        """Record that a source is kept out; a known one gets the new reason."""
        latest = {
            "reason": escaped_text(reason) or "(no reason)",
            "content_digest": content_digest,
            "last_seen": event.time,
        }
        name = {"tenant": _short(tenant), "uri": _short(uri) or "(no name)"}
        connection.execute(
            upsert(connection, quarantine)
            .values(first_seen=event.time, **name, **latest)
            .on_conflict_do_update(index_elements=list(name), set_=latest)
        )
        self.audit.append_within(connection, event)

    @snapshot
    def entries(
        self, connection: Connection, *, after: int = 0, limit: int = 100
    ) -> tuple[Quarantined, ...]:
        """Return entries in the order in which they came, beginning behind id `after`."""
        newer = quarantine.c.id > after
        statement = select(quarantine).where(newer).order_by(quarantine.c.id).limit(limit)
        return tuple(Quarantined(**row) for row in connection.execute(statement).mappings())


def _short(text: str) -> str:
    """Return what an index can hold; the end of a name tells more than its beginning."""
    return escaped_text(text).encode()[-MAX_KEY_BYTES:].decode(errors="ignore")
