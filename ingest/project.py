"""The records' side and the engine's side of a change, in the one order that is safe.

The laws of this file:

1. A version's points are in the engine, with its label, before it goes live; the points of the
   version before it are deleted afterwards.
2. A label is changed in the record first, then in the engine. A tighter one binds from the first
   step on, because every hit is rechecked; a wider one shows after the second.
3. A label of record that cannot be read goes to the engine as one that no filter passes; it is
   named in the log, and holds nothing else up.
4. A writer of a label to the engine looks at the record again afterwards, and writes again if it
   has changed. So of several writers the last one leaves the label of record behind.
5. A version that cannot go live is abandoned, so that its points are ordered away.
6. What fails after the record is changed is done again by the reconciler, from the record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from acl.engine.payload import DOCUMENT, VERSION, label_payload, point_payload
from acl.engine.wire import Filter, MatchAny
from acl.labels import Label, LabelSchema
from acl.records import (
    AuditEvent,
    AuditKind,
    DocumentRecord,
    DocumentVersion,
    FromSource,
    NewVersion,
    RecordsError,
)
from ingest.index.engine import EngineError, Point, Vector
from ingest.parts import Stores

# Versions in one deletion: the filter stays far below the size at which the engine slows down.
_TOGETHER: Final = 50

_LOG = structlog.stdlib.get_logger("strongroom.ingest")


def points_of_version(version: DocumentVersion) -> Filter:
    """Return the filter for the points of one version."""
    number = MatchAny(VERSION, (version.version,))
    return Filter(must=(MatchAny(DOCUMENT, (version.document_id,)), number))


def declared(metadata: Mapping[str, object], schema: LabelSchema) -> dict[str, object]:
    """Return the metadata that the schema declares: what goes into the engine, and to readers."""
    return {name: metadata[name] for name in schema.metadata if name in metadata}


class Projector:
    """Changes documents in records and engine."""

    def __init__(self, stores: Stores) -> None:
        self._records = stores.records
        self._engine = stores.engine
        self._schema = stores.schema

    async def publish(
        self, new: NewVersion, vectors: Sequence[Vector], event: AuditEvent
    ) -> DocumentRecord:
        """Make `new` the live version of its document (laws 1 and 5).

        Raises:
            StaleLabelError: the label of record is not the one that was expected.
            FoldersMovedOnError: folders do not say any more what the label rests on.
            RecordsError: the version cannot be stored.
            EngineError: its points cannot be written.
        """
        version = await self._records.documents.begin_version(new, now=event.time)
        try:
            await self._engine.upsert(self._points(new, version, vectors))  # law 1
            document = await self._records.documents.commit_version(
                version, event, folders=new.folders
            )
        except Exception:
            await self._give_up(version, now=event.time)  # law 5
            raise
        await self.drain_deletions()
        return document

    async def relabel(
        self,
        document_id: str,
        label: Label,
        *,
        expected_version: int,
        event: AuditEvent,
        said: FromSource | None = None,
    ) -> tuple[int, bool]:
        """Change a label of record; return its version, and whether the engine carries it (law 2).

        Args:
            document_id: which document.
            label: the whole label.
            expected_version: the version of the label that was decided upon.
            event: by whom and when.
            said: what comes with a label that the source says; by default, what moved was set on
                the document.

        Raises:
            UnknownDocumentError: no such live document.
            StaleLabelError: the label was changed meanwhile.
            FoldersMovedOnError: folders do not say any more what the label rests on.
        """
        version = await self._records.documents.relabel(
            document_id,
            label,
            expected_label_version=expected_version,
            event=event,
            said=said,
        )
        return version, await self.follow(document_id, at=event.time)  # law 2

    async def follow(self, document_id: str, *, at: datetime) -> bool:
        """Bring a label that has just changed to the engine; say whether it carries it now.

        What fails here is on the list of the reconciler, and no reason to fail: the label counts.
        """
        return await self.follow_all([document_id], at=at)

    async def follow_all(self, document_ids: Collection[str], *, at: datetime) -> bool:
        """Do the same for several documents; those with one label share one write."""
        try:
            await self.project_all(document_ids, at=at)
        except (EngineError, RecordsError) as error:
            kind = type(error).__name__
            _LOG.warning("labels_not_projected", documents=len(document_ids), error=kind)  # law 6
            return False
        return True

    async def withdraw(self, document_id: str, event: AuditEvent) -> None:
        """Take a document's text away and keep its label for when it is back.

        Raises:
            UnknownDocumentError: no such live document.
        """
        await self._records.documents.withdraw_document(document_id, event)
        await self.drain_deletions()

    async def delete(self, document_id: str, event: AuditEvent) -> None:
        """Delete a document; it is gone for readers at once, and its points soon after.

        Raises:
            UnknownDocumentError: no such document.
        """
        await self._records.documents.delete_document(document_id, event)
        await self.drain_deletions()

    async def remaining(self, document_id: str) -> int:
        """Count the points that the engine has of a document, of whatever version.

        Raises:
            EngineError: the engine failed.
        """
        return await self._engine.count(
            Filter(must=(MatchAny(DOCUMENT, (document_id,)),)), exact=True
        )

    async def project(self, document_id: str, *, at: datetime) -> None:
        """Bring the label of record at `at` to the document's points (law 4)."""
        await self.project_all([document_id], at=at)

    async def project_all(self, document_ids: Collection[str], *, at: datetime) -> None:
        """Bring labels of record at `at` to the points of several documents (law 4)."""
        written: dict[str, int] = {}
        todo = list(document_ids)
        while todo:
            known = await self._records.catalog.labels_of(todo)
            behind = [one for one in known.values() if written.get(one.id) != one.label_version]
            for group in self._alike(behind, at):
                await self._write_label(group, at)
            versions = {one.id: one.label_version for one in behind}
            await self._records.projection.mark_all_projected(versions)
            written |= versions
            todo = [one.id for one in behind]  # law 4

    def _alike(
        self, documents: Collection[DocumentRecord], at: datetime
    ) -> Iterator[list[DocumentRecord]]:
        """Yield the documents in groups that carry one label, none too large for one write."""
        groups: dict[str, list[DocumentRecord]] = {}
        for one in documents:
            label = one.label_or_none(self._schema, at)
            if label is None:
                _LOG.error("label_unreadable", document_id=one.id)  # law 3
            groups.setdefault("" if label is None else label.digest, []).append(one)
        for group in groups.values():
            for start in range(0, len(group), _TOGETHER):
                yield group[start : start + _TOGETHER]

    async def _write_label(self, group: Sequence[DocumentRecord], at: datetime) -> None:
        payload = label_payload(group[0].label_or_none(self._schema, at), self._schema)
        ids = tuple(one.id for one in group)
        await self._engine.set_label(Filter(must=(MatchAny(DOCUMENT, ids),)), payload)

    async def drain_deletions(self) -> int:
        """Delete the points of versions that are gone; return how many versions there were.

        What the engine does not do now stays on the list, and is no reason to fail: such points
        lead to nothing, because no live version has their chunks.
        """
        done = 0
        while versions := await self._records.projection.point_deletions(limit=_TOGETHER):
            try:
                await self.delete_points(versions)
            except EngineError as error:
                _LOG.warning("points_not_deleted", error=type(error).__name__)
                break
            await self._records.projection.mark_deleted(versions)
            done += len(versions)
        return done

    async def delete_points(self, versions: Sequence[DocumentVersion]) -> None:
        """Delete the points of `versions`.

        Raises:
            EngineError: they may still be there.
        """
        for start in range(0, len(versions), _TOGETHER):
            parts = versions[start : start + _TOGETHER]
            await self._engine.delete(Filter(should=tuple(map(points_of_version, parts))))

    def _points(
        self, new: NewVersion, version: DocumentVersion, vectors: Sequence[Vector]
    ) -> list[Point]:
        payload = point_payload(
            new.label,
            self._schema,
            document=version.document_id,
            version=version.version,
            meta=declared(new.metadata, self._schema),
        )
        return [
            Point(version.chunk_id(ordinal), vector, chunk.text, payload)
            for ordinal, (chunk, vector) in enumerate(zip(new.chunks, vectors, strict=True))
        ]

    async def _give_up(self, version: DocumentVersion, *, now: datetime) -> None:
        try:
            await self._records.documents.abandon(version, now=now)
        except RecordsError as error:
            # The reconciler finds it pending; or it is live, and only the answer was lost.
            _LOG.warning("version_not_abandoned", error=type(error).__name__)
            return
        await self.drain_deletions()


def event_of(  # noqa: PLR0913 - an event has as many sides
    kind: AuditKind,
    document_id: str,
    *,
    tenant: str,
    actor: str,
    at: datetime,
    detail: Mapping[str, object],
) -> AuditEvent:
    """Return the event of a change to one document."""
    return AuditEvent(
        kind=kind,
        time=at,
        subject=actor,
        tenant=tenant,
        resources=(document_id,),
        detail=detail,
    )
