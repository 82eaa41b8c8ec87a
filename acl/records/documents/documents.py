"""Writing documents: a version is begun, its points are written, and then it goes live at once.

The laws of this file:

1. A version begins with all its chunks and its own label, and none of it is visible.
2. Going live is one transaction: the version, its label, the end of the old chunks, the release
   from quarantine and the audit event happen together or not at all. Before it, the caller has
   written the version's points with the version's label; so the engine is known to carry it.
3. A label that was changed after a version was begun wins: the version may not go live, because
   it would bring back a label older than the last acknowledged one.
4. Of several versions begun for one document the last one counts; the others cannot go live.
5. What leaves the records goes into the outbox of point deletions in the same transaction.
   A version number is never used again, so that a late deletion cannot hit a newer point. Nor is
   the number of a label, so that no decision on an old one meets another that looks the same.
6. A document that is withdrawn loses its text and keeps its label, where the values come from, its
   shares and its history. It comes back under them. One that is deleted leaves nothing but numbers.
7. A label that was put together from what folders say takes effect only while they say so.
8. A source that could not be parsed, scanned or labelled has one entry in the quarantine, with the
   latest reason. Names and reasons stand there as they are, because a strange name is a reason.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from acl.labels import Label
from acl.records.audit.chain import AuditEvent
from acl.records.audit.log import AuditedPart
from acl.records.database.database import PAGE, snapshot, transaction, upsert
from acl.records.database.errors import StaleVersionError
from acl.records.database.storable import checked_time, escaped_text
from acl.records.labels import steps as label_steps
from acl.records.labels.folders import require_folders
from acl.records.labels.types import ChangeKind, LabelEdit
from acl.records.tables import transitions as step
from acl.records.tables.heads import bump
from acl.records.tables.schema import chunks, documents, pending_versions, quarantine
from acl.records.tables.types import (
    MAX_KEY_BYTES,
    DocumentRecord,
    DocumentVersion,
    FromSource,
    NewVersion,
    Quarantined,
)


class Documents(AuditedPart):
    """The one road by which documents and labels change."""

    @transaction
    def begin_version(
        self, connection: Connection, new: NewVersion, *, now: datetime
    ) -> DocumentVersion:
        """Store a version and its chunks, not yet visible; replaces one that was pending.

        Raises:
            UnstorableError: the label could not be read again.
            StaleLabelError: the label of record is not the one that the caller expected.
            RecordsConflictError: the id belongs to another source, or the source to another id.
        """
        return begin(connection, new, checked_time("now", now))

    @transaction
    def commit_version(
        self,
        connection: Connection,
        version: DocumentVersion,
        event: AuditEvent,
        *,
        folders: int | None = None,
    ) -> DocumentRecord:
        """Make a pending version live, with its label; its points must be in the engine.

        Raises:
            StaleVersionError: the version is not pending any more.
            StaleLabelError: the label was changed after the version was begun.
            FoldersMovedOnError: folders do not say any more what they said at `folders` (law 7).
        """
        step.lock(connection, version.document_id)
        pending = step.pending_version(connection, version)
        old = step.document_of_record(connection, version.document_id)
        origins = label_steps.origins_of(connection, version.document_id)
        step.require_label_version(old, pending.based_on_label_version)  # law 3
        another = step.go_live(connection, pending, old, event.time, counts=folders is not None)
        require_folders(connection, old.tenant, folders)  # law 7
        step.release(connection, old)
        new = step.document_of_record(connection, version.document_id)
        if another:
            label_steps.remember_ingest(connection, old, origins, new, by=event.subject)
        self.audit.append_within(connection, event)
        return new

    @transaction
    def abandon(self, connection: Connection, version: DocumentVersion, *, now: datetime) -> None:
        """Give up a version, whether it is still pending or superseded; its points must go.

        Raises:
            StaleVersionError: the version is live.
        """
        now = checked_time("now", now)
        step.lock(connection, version.document_id)
        mine = documents.c.id == version.document_id
        live = connection.scalar(select(documents.c.live_version).where(mine))
        if live == version.version:
            raise StaleVersionError(version.document_id, version.version)
        step.drop_pending(connection, version.document_id, now, only=version)
        step.delete_points(connection, version, now)  # law 5
        waiting = select(pending_versions).where(pending_versions.c.document_id == documents.c.id)
        first = (documents.c.live_version == 0) & (documents.c.projected_label_version == 0)
        connection.execute(delete(documents).where(mine, first, ~waiting.exists()))

    async def abandon_pending(
        self, *, now: datetime, begun_before: datetime | None = None
    ) -> tuple[DocumentVersion, ...]:
        """Give up every version that a stopped process left half-done; return them.

        Where several processes ingest, pass a time before which none of them can have begun.
        """
        now = checked_time("now", now)
        bound = checked_time("begun_before", begun_before) if begun_before else None
        left = await self._half_done(bound)
        return tuple([version for version in left if await self._abandoned(version, now)])

    @transaction
    def relabel(  # noqa: PLR0913 - a change has as many sides
        self,
        connection: Connection,
        document_id: str,
        label: Label,
        *,
        expected_label_version: int,
        event: AuditEvent,
        said: FromSource | None = None,
    ) -> int:
        """Change the label of record; return its new version, which the engine must follow.

        Args:
            connection: of the transaction.
            document_id: which document.
            label: the whole label; shares of those who are none of its readers end.
            expected_label_version: the version that was decided upon.
            event: by whom and when.
            said: what comes with a label that the source says; by default, what moved was set on
                the document.

        Raises:
            UnstorableError: the label could not be read again.
            UnknownDocumentError: no such live document.
            StaleLabelError: the label was changed meanwhile.
            FoldersMovedOnError: folders do not say any more what the label rests on (law 7).
        """
        old = step.hold_label(connection, document_id, expected_label_version)
        label_steps.require_storable(label)
        known = label_steps.origins_of(connection, document_id)
        edit = LabelEdit(
            document_id=document_id,
            expected_version=expected_label_version,
            label=label,
            shares=old.shares,
            origins=said.origins if said else label_steps.set_on_document(old, label, known),
            kind=ChangeKind.INGEST if said else ChangeKind.RELABEL,
            reason="",
            change_id="",
        )
        version = label_steps.relabel(connection, old, edit, by=event.subject, at=event.time)
        if said is not None:
            step.describe(connection, document_id, said.metadata)
            require_folders(connection, old.tenant, said.folders)
        self.audit.append_within(connection, event)
        return version

    @transaction
    def withdraw_document(
        self, connection: Connection, document_id: str, event: AuditEvent
    ) -> tuple[DocumentVersion, ...]:
        """Take a document's text away and keep its label (law 6); return what must go.

        Raises:
            UnknownDocumentError: no such live document.
        """
        step.lock(connection, document_id)
        live = step.live_document(connection, document_id)
        pending = step.drop_pending(connection, document_id, event.time)
        step.withdraw(connection, live, event.time)
        self.audit.append_within(connection, event)
        return (live.live, *pending)

    @transaction
    def delete_document(
        self, connection: Connection, document_id: str, event: AuditEvent
    ) -> tuple[DocumentVersion, ...]:
        """Delete a document, live or withdrawn, for good; return the versions whose points must go.

        Raises:
            UnknownDocumentError: no such document.
        """
        step.lock(connection, document_id)
        known = step.known_document(connection, document_id)
        pending = step.drop_pending(connection, document_id, event.time)
        live = (known.live,) if known.is_live else ()
        for version in live:
            step.delete_points(connection, version, event.time)
        bump(connection)
        step.forget(connection, known)
        self.audit.append_within(connection, event)
        return (*live, *pending)

    async def _abandoned(self, version: DocumentVersion, now: datetime) -> bool:
        try:
            await self.abandon(version, now=now)
        except StaleVersionError:
            return False
        return True

    @snapshot
    def _half_done(
        self, connection: Connection, begun_before: datetime | None
    ) -> list[DocumentVersion]:
        pending = pending_versions.c
        statement = select(pending.document_id, pending.version).order_by(pending.document_id)
        if begun_before is not None:
            statement = statement.where(pending.begun_at < begun_before)
        return [DocumentVersion(*row) for row in connection.execute(statement)]


def begin(connection: Connection, new: NewVersion, now: datetime) -> DocumentVersion:
    """Store a version and its chunks within the caller's transaction (laws 1 and 4)."""
    label_steps.require_storable(new.label)
    version = step.next_version(connection, new.document_id)
    step.drop_pending(connection, new.document_id, now)  # law 4
    described = step.description(new)
    based_on = step.settle(connection, new, described, now)
    connection.execute(
        insert(pending_versions).values(
            document_id=version.document_id,
            version=version.version,
            based_on_label_version=based_on,
            begun_at=now,
            **described,
        )
    )
    connection.execute(insert(chunks), step.chunk_rows(version, new))
    return version


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
            .on_conflict_do_update(index_elements=list(name), set_=latest)  # law 8
        )
        self.audit.append_within(connection, event)

    @snapshot
    def entries(
        self, connection: Connection, *, after: int = 0, limit: int = PAGE
    ) -> tuple[Quarantined, ...]:
        """Return entries in the order in which they came, beginning behind id `after`."""
        newer = quarantine.c.id > after
        statement = select(quarantine).where(newer).order_by(quarantine.c.id).limit(limit)
        return tuple(Quarantined(**row) for row in connection.execute(statement).mappings())


def _short(text: str) -> str:
    """Return what an index can hold; the end of a name tells more than its beginning."""
    return escaped_text(text).encode()[-MAX_KEY_BYTES:].decode(errors="ignore")
