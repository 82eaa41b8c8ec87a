"""Labels of folders: what was set for every document below.

The laws of this file:

1. Of two changes that name one version of a folder's label one is stored. What waited for that
   version falls with it.
2. The label, the job that brings it to the documents, the approval that it used up and the audit
   event are one transaction, under rights that still stand in it.
3. Who is about to go live under what the folder said before is refused, and who went live after the
   job was planned is part of the job: the counters' lock lets one of the two see the other.
4. The versions of a tenant's folders, summed up, count every change: none is ever deleted.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, func, insert, select, update

from acl.records.audit.chain import AuditEvent
from acl.records.audit.log import AuditedPart
from acl.records.database.database import snapshot, transaction
from acl.records.database.errors import FoldersMovedOnError
from acl.records.database.storable import checked_text, from_json, to_json
from acl.records.labels.approvals import use_up
from acl.records.labels.jobs import create_job
from acl.records.labels.steps import drop_waiting, require_folder_version, this_folder
from acl.records.labels.types import NOTHING, ApprovalKind, FolderLabel, NewJob, Provided
from acl.records.tables.heads import lock_heads, require_rights
from acl.records.tables.schema import approvals, documents, folder_labels
from acl.records.tables.types import LIVE


class Folders(AuditedPart):
    """What is set for folders. A folder of which nothing is set any more keeps its version."""

    @snapshot
    def of_tenant(self, connection: Connection, tenant: str) -> tuple[FolderLabel, ...]:
        """Return what is set for the folders of a tenant, in the order of their paths."""
        mine = select(folder_labels).where(folder_labels.c.tenant == tenant)
        return tuple(
            FolderLabel(**{**row, "attributes": from_json(row["attributes"])})
            for row in connection.execute(mine.order_by(folder_labels.c.path)).mappings()
        )

    @transaction
    def put(  # noqa: PLR0913 - what is stored together
        self,
        connection: Connection,
        folder: FolderLabel,
        *,
        expected_version: int,
        job: NewJob,
        event: AuditEvent,
        since: int | None = None,
        provided: Provided = NOTHING,
    ) -> int:
        """Set a folder's label, with the job that brings it to the documents; return the version.

        Args:
            connection: of the transaction.
            folder: as it is to be.
            expected_version: of the folder's label before.
            job: what brings it to the documents.
            event: by whom and when.
            since: a label revision that stood before the job was planned; the documents below the
                folder that changed behind it become part of the job as they are now (law 3).
            provided: the rights, and the approval that it uses up.

        Raises:
            StaleFolderError: it was set by another meanwhile.
            MovedOnError: the rights of `provided` do not stand any more.
            RecordsConflictError: its approval is no longer waiting.
        """
        _store(connection, folder, expected_version)
        lock_heads(connection)
        if provided.approval:
            use_up(connection, provided.approval, folder.path, event)
        waiting = (approvals.c.tenant == folder.tenant) & (approvals.c.about == folder.path)
        drop_waiting(connection, ApprovalKind.FOLDER, waiting)  # law 1
        # Law 3: what went live after the job was planned is part of it.
        arriving = job if since is None else _with_arrived(connection, job, folder, since)
        create_job(connection, arriving, event.time)
        require_rights(connection, provided.under)  # law 2
        self.audit.append_within(connection, event)
        return expected_version + 1


def _store(connection: Connection, folder: FolderLabel, expected_version: int) -> None:
    known = require_folder_version(connection, folder.tenant, folder.path, expected_version)
    new = {
        "attributes": to_json("attributes", folder.attributes),
        "by": checked_text("by", folder.by),
        "at": folder.at,
        "version": expected_version + 1,
    }
    # Of two that set it for the first time at once, the second finds the key taken.
    connection.execute(
        update(folder_labels).where(this_folder(folder.tenant, folder.path)).values(new)
        if known
        else insert(folder_labels).values(tenant=folder.tenant, path=folder.path, **new)
    )


def require_folders(connection: Connection, tenant: str, version: int | None) -> None:
    """Check that nothing was set for a folder since `version` was counted (laws 3 and 4).

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


def _with_arrived(connection: Connection, job: NewJob, folder: FolderLabel, since: int) -> NewJob:
    """Return the job with what changed below behind label revision `since` (law 3)."""
    newer = (documents.c.label_revision > since) & (documents.c.tenant == folder.tenant)
    columns = documents.c.id, documents.c.label_version, documents.c.label
    arrived = {
        document_id: version
        for document_id, version, label in connection.execute(select(*columns).where(LIVE, newer))
        if str(from_json(label).get("path", "")).startswith(folder.path)
    }
    return replace(job, items={**job.items, **arrived})
