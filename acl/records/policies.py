"""Policy revisions: which policy took effect when, numbered without a gap from 1."""

from __future__ import annotations

from dataclasses import asdict, replace

from sqlalchemy import Connection, insert, select

from acl.records.audit import AuditLog
from acl.records.audit_types import AuditEvent
from acl.records.database import Database
from acl.records.schema import policy_revisions
from acl.records.storable import checked_text
from acl.records.types import PolicyRevision


class Policies:
    """The list of activations; an older digest may be activated again under a new number."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def activate(self, digest: str, event: AuditEvent) -> PolicyRevision:
        """Record that the policy `digest` takes effect.

        The event is recorded with the new revision and the digest. When that policy is the one
        in effect already, nothing is recorded and its revision is returned.
        """
        checked_text("digest", digest)
        return await self._database.write(self._activate, digest, event)

    async def current(self) -> PolicyRevision | None:
        """Return the revision in effect, or `None` before the first."""
        return await self._database.read(_last)

    async def revisions(self, *, after: int = 0, limit: int = 100) -> tuple[PolicyRevision, ...]:
        """Return revisions in their order, beginning behind `after`."""
        return await self._database.read(_revisions, after, limit)

    def _activate(self, connection: Connection, digest: str, event: AuditEvent) -> PolicyRevision:
        # The end of the audit chain orders activations among themselves, too.
        self._audit.lock(connection)
        last = _last(connection)
        if last is not None and last.digest == digest:
            return last
        revision = PolicyRevision((last.revision if last else 0) + 1, digest, event.time)
        connection.execute(insert(policy_revisions).values(asdict(revision)))
        known = replace(event, policy_revision=revision.revision, policy_digest=digest)
        self._audit.append_within(connection, known)
        return revision


def _revisions(connection: Connection, after: int, limit: int) -> tuple[PolicyRevision, ...]:
    number = policy_revisions.c.revision
    statement = select(policy_revisions).where(number > after).order_by(number).limit(limit)
    return tuple(PolicyRevision(*row) for row in connection.execute(statement))


def _last(connection: Connection) -> PolicyRevision | None:
    statement = select(policy_revisions).order_by(policy_revisions.c.revision.desc()).limit(1)
    row = connection.execute(statement).one_or_none()
    return None if row is None else PolicyRevision(*row)
