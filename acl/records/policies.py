"""Policy revisions: which policy took effect when, numbered without a gap from 1."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import insert, select

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
        async with self._database.writing() as connection:
            # The end of the audit chain orders activations among themselves, too.
            await self._audit.lock(connection)
            last = await _last(connection)
            if last is not None and last.digest == digest:
                return last
            revision = PolicyRevision((last.revision if last else 0) + 1, digest, event.time)
            await connection.execute(
                insert(policy_revisions).values(
                    revision=revision.revision, digest=digest, created_at=event.time
                )
            )
            known = replace(event, policy_revision=revision.revision, policy_digest=digest)
            await self._audit.append_within(connection, known)
        return revision

    async def current(self) -> PolicyRevision | None:
        """Return the revision in effect, or `None` before the first."""
        async with self._database.reading() as connection:
            return await _last(connection)

    async def revisions(self, *, after: int = 0, limit: int = 100) -> tuple[PolicyRevision, ...]:
        """Return revisions in their order, beginning behind `after`."""
        statement = (
            select(policy_revisions)
            .where(policy_revisions.c.revision > after)
            .order_by(policy_revisions.c.revision)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return tuple(PolicyRevision(*row) for row in await connection.execute(statement))


async def _last(connection: Connection) -> PolicyRevision | None:
    statement = select(policy_revisions).order_by(policy_revisions.c.revision.desc()).limit(1)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else PolicyRevision(*row)
