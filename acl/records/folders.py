"""Labels of folders: what somebody set for every document below."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from acl.records.audit import AuditLog
from acl.records.audit_types import AuditEvent
from acl.records.database import Database
from acl.records.errors import StaleFolderError
from acl.records.jobs import create_job
from acl.records.label_types import FolderLabel, NewJob
from acl.records.schema_labels import folder_labels
from acl.records.storable import checked_text, from_json, to_json


class Folders:
    """What is set for folders. A folder of which nothing is set any more keeps its version."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def of_tenant(self, tenant: str) -> tuple[FolderLabel, ...]:
        """Return what is set for the folders of a tenant, in the order of their paths."""
        return await self._database.read(_of_tenant, tenant)

    async def put(
        self, folder: FolderLabel, *, expected_version: int, job: NewJob, event: AuditEvent
    ) -> int:
        """Set a folder's label, with the job that brings it to the documents; return the version.

        Raises:
            StaleFolderError: it was set by somebody else meanwhile.
        """
        return await self._database.write(self._put, folder, expected_version, job, event)

    def _put(
        self,
        connection: Connection,
        folder: FolderLabel,
        expected: int,
        job: NewJob,
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
        create_job(connection, job, event.time)
        self._audit.append_within(connection, event)
        return expected + 1


def _of_tenant(connection: Connection, tenant: str) -> tuple[FolderLabel, ...]:
    statement = (
        select(folder_labels).where(folder_labels.c.tenant == tenant).order_by(folder_labels.c.path)
    )
    return tuple(
        FolderLabel(**{**row, "attributes": from_json(row["attributes"])})
        for row in connection.execute(statement).mappings()
    )
