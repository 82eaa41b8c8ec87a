"""Labels of folders: what somebody set for every document below.

The laws of this file:

1. Folder and job are one transaction. Who is about to go live under what the folder said before is
   refused, and who went live after the job was planned is part of the job: the counters' lock lets
   one of the two see the other.
2. The versions of a tenant's folders, summed up, count every change: none is ever deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, insert, select, update

from acl.records.audit import AuditLog
from acl.records.audit_types import AuditEvent
from acl.records.database import Database
from acl.records.errors import FoldersMovedOnError, StaleFolderError
from acl.records.heads import lock_heads
from acl.records.jobs import create_job
from acl.records.label_types import FolderLabel, NewJob
from acl.records.schema import documents
from acl.records.schema_labels import folder_labels
from acl.records.storable import checked_text, from_json, to_json


@dataclass(frozen=True, slots=True)
class _Job:
    """A job, and the label revision that stood before it was planned."""

    planned: NewJob
    since: int | None

    def with_arrived(self, connection: Connection, folder: FolderLabel) -> NewJob:
        """Return the job with what changed below the folder since then (law 1)."""
        if self.since is None:
            return self.planned
        arrived = _arrived(connection, folder, self.since)
        return replace(self.planned, items={**self.planned.items, **arrived})


class Folders:
    """What is set for folders. A folder of which nothing is set any more keeps its version."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def of_tenant(self, tenant: str) -> tuple[FolderLabel, ...]:
        """Return what is set for the folders of a tenant, in the order of their paths."""
        return await self._database.read(_of_tenant, tenant)

    async def put(
        self,
        folder: FolderLabel,
        *,
        expected_version: int,
        job: NewJob,
        event: AuditEvent,
        since: int | None = None,
    ) -> int:
        """Set a folder's label, with the job that brings it to the documents; return the version.

        Args:
            folder: as it is to be.
            expected_version: of the folder's label before.
            job: what brings it to the documents.
            event: by whom and when.
            since: a label revision that stood before the job was planned; the documents below the
                folder that changed behind it become part of the job as they are now (law 1).

        Raises:
            StaleFolderError: it was set by somebody else meanwhile.
        """
        arriving = _Job(job, since)
        return await self._database.write(self._put, folder, expected_version, arriving, event)

    def _put(
        self,
        connection: Connection,
        folder: FolderLabel,
        expected: int,
        job: _Job,
        event: AuditEvent,
    ) -> int:
        this = (folder_labels.c.tenant == folder.tenant) & (folder_labels.c.path == folder.path)
        held = select(folder_labels.c.version).where(this).with_for_update()
        actual = connection.scalar(held) or 0
        if actual != expected:
            raise StaleFolderError(folder.path, expected=expected, actual=actual)
        new = {
            "attributes": to_json("attributes", folder.attributes),
            "by": checked_text("by", folder.by),
            "at": folder.at,
            "version": expected + 1,
        }
        # Of two that set it for the first time at once, the second finds the key taken.
        connection.execute(
            update(folder_labels).where(this).values(new)
            if actual
            else insert(folder_labels).values(tenant=folder.tenant, path=folder.path, **new)
        )
        lock_heads(connection)
        create_job(connection, job.with_arrived(connection, folder), event.time)
        self._audit.append_within(connection, event)
        return expected + 1


def require_folders(connection: Connection, tenant: str, version: int | None) -> None:
    """Check that nothing was set for a folder since `version` was counted (laws 1 and 2).

    `None` stands for what does not rest on folders.

    Raises:
        FoldersMovedOnError: something was.
    """
    if version is None:
        return
    lock_heads(connection)
    total = func.coalesce(func.sum(folder_labels.c.version), 0)
    if connection.scalar(select(total).where(folder_labels.c.tenant == tenant)) != version:
        raise FoldersMovedOnError(tenant)


def _arrived(connection: Connection, folder: FolderLabel, since: int) -> dict[str, int]:
    """Return the documents below a folder that changed behind label revision `since`."""
    newer = (documents.c.label_revision > since) & (documents.c.live_version > 0)
    statement = select(documents.c.id, documents.c.label_version, documents.c.label).where(
        newer, documents.c.tenant == folder.tenant
    )
    return {
        document_id: version
        for document_id, version, label in connection.execute(statement)
        if str(from_json(label).get("path", "")).startswith(folder.path)
    }


def _of_tenant(connection: Connection, tenant: str) -> tuple[FolderLabel, ...]:
    statement = (
        select(folder_labels).where(folder_labels.c.tenant == tenant).order_by(folder_labels.c.path)
    )
    return tuple(
        FolderLabel(**{**row, "attributes": from_json(row["attributes"])})
        for row in connection.execute(statement).mappings()
    )
