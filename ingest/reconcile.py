"""Records and engine compared, and the engine brought to what the records say.

`Reconciler` looks at every point, at start-up and now and then. `Sweeper` does the small rest while
the service runs: shares that have ended, and labels that the engine is not known to carry.

The laws of this file:

1. The records are right. Nothing is ever taken from the engine into them.
2. A point is right if its version is live and its label is the label of record, whole. What is not
   live, or names no document and version, is deleted; what is mislabelled gets the label of record;
   what is missing is encoded again from the passages of record. Where a document has points beyond
   its passages, or metadata that is not of record, all of its points are made again.
3. A version that is being written is not touched: at start-up none is, and all that are pending
   were left by a process that has ended; later, `begun_before` says which those are. What looks
   wrong is looked at again in the records before it is repaired.
4. Every repair can be repeated, and a run after a run finds nothing.
5. A label of record that cannot be read holds nothing up: it is named, and its points carry a label
   that no filter passes.
6. What was acknowledged reaches the engine while the service runs, without a restart. A round takes
   a bounded number; what fails is passed over until the others had their turn.
7. A share ends at its moment without any of this, because every read excludes it. The sweep keeps
   the records short, the engine narrow, and the history complete.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from acl.engine.payload import (
    COMPLETE,
    DOCUMENT,
    VERSION,
    label_payload,
    meta_payload,
    point_payload,
)
from acl.engine.wire import Filter, MatchExcept, Range
from acl.records import DocumentRecord, DocumentVersion, Passage
from acl.records.audit.chain import AuditEvent, AuditKind
from acl.records.documents.catalog import Inventory
from acl.records.system import Records
from acl.subject import PROGRAM
from ingest.index.engine import Candidate, Point
from ingest.parts import Encoding, Stores
from ingest.project import Projector, declared, points_of_version
from ingest.report import ReconcileReport

_PAGE: Final = 500
_TOGETHER: Final = 50
_ROUND: Final = 500
_HAS_VERSION: Final = Range(VERSION, gte=-(2**53))
_HAS_DOCUMENT: Final = MatchExcept(DOCUMENT, ())
# A point that a search could find carries `complete`; the others were never whole points.
_ANYTHING: Final = (_HAS_VERSION, _HAS_DOCUMENT, Range(COMPLETE, gte=-(2**53)))
_EVERY_POINT: Final = Filter(must=(_HAS_VERSION, _HAS_DOCUMENT))
_NAMELESS: Final = (
    Filter(should=_ANYTHING, must_not=(_HAS_VERSION,)),
    Filter(should=_ANYTHING, must_not=(_HAS_DOCUMENT,)),
)


@dataclass(slots=True)
class _Findings:
    """What a walk over the engine's points found.

    Attributes:
        strays: versions that have points and were not live.
        mislabelled: documents of which a point carries another label than the record.
        points: how many points each live document has, at the version that is live.
        altered: documents of which a point carries other metadata than the record.
        unreadable: documents whose label of record cannot be read.
    """

    strays: set[DocumentVersion] = field(default_factory=set)
    mislabelled: set[str] = field(default_factory=set)
    points: Counter[str] = field(default_factory=Counter)
    altered: set[str] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)


class Reconciler:
    """Finds and repairs every difference between records and engine."""

    def __init__(self, stores: Stores, encoder: Encoding) -> None:
        self._records = stores.records
        self._engine = stores.engine
        self._schema = stores.schema
        self._inventory = Inventory(stores.records.database)
        self._projector = Projector(stores)
        self._encoder = encoder

    async def run(self, *, now: datetime, begun_before: datetime | None = None) -> ReconcileReport:
        """Compare and repair; return what there was to repair.

        Args:
            now: the time.
            begun_before: a time before which no version that is still being written was begun.
                Without it every pending version is given up, which is right at start-up alone.

        Raises:
            EngineError, RecordsError: what was repaired so far is repaired.
        """
        abandoned = await self._records.documents.abandon_pending(  # law 3
            now=now, begun_before=begun_before
        )
        deletions = await self._projector.drain_deletions()
        projected = await self._project(now)
        nameless = await self._delete_nameless()
        findings = await self._walk(now)
        orphans = nameless + await self._delete(findings.strays)  # law 2
        for document_id in sorted(findings.mislabelled):
            await self._projector.project(document_id, at=now)
        return ReconcileReport(
            abandoned=len(abandoned),
            # What was just abandoned is on the list of deletions, too; it is one difference.
            deletions=max(0, deletions - len(abandoned)),
            projected=projected,
            orphans=orphans,
            mislabelled=len(findings.mislabelled),
            surplus=await self._delete_surplus(findings),
            missing=await self._restore(findings, now),
            unreadable=tuple(findings.unreadable),
        )

    async def _project(self, now: datetime) -> int:
        done = 0
        while documents := await self._records.projection.unprojected(limit=_PAGE):
            await self._projector.project_all([one.id for one in documents], at=now)
            done += len(documents)
        return done

    async def _walk(self, now: datetime) -> _Findings:
        findings = _Findings()
        page: list[Candidate] = []
        async for point in self._engine.scroll(_EVERY_POINT):
            page.append(point)
            if len(page) == _PAGE:
                await self._look(page, findings, now)
                page = []
        await self._look(page, findings, now)
        return findings

    async def _look(self, page: Sequence[Candidate], findings: _Findings, now: datetime) -> None:
        versions = {point.id: _version(point) for point in page}
        ids = {version.document_id for version in versions.values()}
        records = await self._records.catalog.labels_of(ids)
        wanted = {one.id: self._label(one, now) for one in records.values()}
        for point in page:
            version = versions[point.id]
            record = records.get(version.document_id)
            if record is None or record.live != version:
                findings.strays.add(version)
                continue
            findings.points[record.id] += 1
            if point.payload.get("label") != wanted[record.id]:
                findings.mislabelled.add(record.id)
            if point.payload.get("meta") != self._meta(record):
                findings.altered.add(record.id)

    def _label(self, record: DocumentRecord, now: datetime) -> object:
        return label_payload(record.label_or_none(self._schema, now), self._schema)

    def _meta(self, record: DocumentRecord) -> object:
        return meta_payload(declared(record.metadata, self._schema))

    async def _delete_nameless(self) -> int:
        """Delete what names no document or no version; no version is ever written like that."""
        found = 0
        for where in _NAMELESS:
            if count := await self._engine.count(where, exact=True):
                await self._engine.delete(where)
                found += count
        return found

    async def _delete_surplus(self, findings: _Findings) -> int:
        """Delete the points of documents that have too many or altered ones; return how many.

        What looks wrong is looked at again first; `_restore` makes the points anew.
        """
        live = await self._records.catalog.labels_of(findings.points)
        found = 0
        for one in live.values():
            suspect = one.id in findings.altered or findings.points[one.id] > one.chunk_count
            if suspect and await self._has_surplus(one):
                await self._projector.delete_points([one.live])
                del findings.points[one.id]
                found += 1
        return found

    async def _has_surplus(self, document: DocumentRecord) -> bool:
        passages = await self._records.catalog.document_passages(document.id)
        known, meta = {one.chunk_id for one in passages}, self._meta(document)
        return any(
            [
                point.id not in known or point.payload.get("meta") != meta
                async for point in self._engine.scroll(points_of_version(document.live))
            ]
        )

    async def _delete(self, strays: set[DocumentVersion]) -> int:
        # In this order: a version that is begun leaves `pending` only to be live or gone.
        pending = await self._inventory.pending()
        live = await self._records.catalog.labels_of({one.document_id for one in strays})
        gone = [  # law 3
            one
            for one in sorted(strays - pending)
            if one.document_id not in live or live[one.document_id].live != one
        ]
        await self._projector.delete_points(gone)
        return len(gone)

    async def _restore(self, findings: _Findings, now: datetime) -> int:
        restored, after = 0, ""
        while page := await self._inventory.documents(after=after, limit=_PAGE):
            for document in page:
                if document.label_or_none(self._schema, now) is None:
                    findings.unreadable.append(document.id)  # law 5
                if findings.points[document.id] != document.chunk_count:
                    restored += await self._encode_missing(document, now)
            after = page[-1].id
        return restored

    async def _encode_missing(self, document: DocumentRecord, now: datetime) -> int:
        there = {point.id async for point in self._engine.scroll(points_of_version(document.live))}
        passages = await self._records.catalog.document_passages(document.id)
        missing = [one for one in passages if one.chunk_id not in there]
        if not missing or missing[0].version != document.live_version:
            return 0
        vectors = await self._encoder.encode_passages([one.text for one in missing])
        await self._engine.upsert(
            [
                Point(one.chunk_id, vector, one.text, self._payload(one, now))
                for one, vector in zip(missing, vectors, strict=True)
            ]
        )
        await self._settle(missing[0], now)
        return len(missing)

    async def _settle(self, passage: Passage, at: datetime) -> None:
        """Look again at what may have changed while its points were being written."""
        live = await self._records.catalog.document(passage.document_id)
        if live is None or live.live_version != passage.version:
            version = DocumentVersion(passage.document_id, passage.version)
            await self._projector.delete_points([version])
        elif live.label_version != passage.document.label_version:
            await self._projector.project(live.id, at=at)

    def _payload(self, passage: Passage, now: datetime) -> dict[str, object]:
        document = passage.document
        return point_payload(
            document.label_or_none(self._schema, now),
            self._schema,
            document=document.id,
            version=passage.version,
            meta=declared(document.metadata, self._schema),
        )


def _version(point: Candidate) -> DocumentVersion:
    document = point.payload["document"]
    return DocumentVersion(str(document["id"]), int(document["version"]))


class Sweeper:
    """Takes out what has ended: the record first, the engine after."""

    def __init__(self, records: Records, projector: Projector) -> None:
        self._records = records
        self._projector = projector
        self._after = ""

    async def sweep(self, *, now: datetime) -> int:
        """Take out every share that ended by `now`; return how many documents had one.

        Raises:
            RecordsError: the rest is found again by the next sweep.
        """
        done = 0
        while due := await self._records.labels.due(now, limit=_TOGETHER):
            for document_id in due:
                await self._records.labels.expire(document_id, _event(document_id, now))  # law 7
            await self._projector.follow_all(due, at=now)
            done += len(due)
        return done

    async def catch_up(self, *, now: datetime) -> int:
        """Bring to the engine labels that it is not known to carry; return how many were tried.

        Raises:
            RecordsError: the rest is found again by the next round.
        """
        behind = await self._records.projection.unprojected(after=self._after, limit=_ROUND)
        ids = [one.id for one in behind]
        for start in range(0, len(ids), _TOGETHER):
            some = ids[start : start + _TOGETHER]
            self._after = some[-1]  # law 6
            if not await self._projector.follow_all(some, at=now):
                return start + len(some)
        if len(ids) < _ROUND:
            self._after = ""
        return len(ids)


def _event(document_id: str, now: datetime) -> AuditEvent:
    return AuditEvent(
        kind=AuditKind.RELABEL,
        time=now,
        subject=PROGRAM,
        decision_id=str(uuid.uuid4()),
        resources=(document_id,),
        detail={"change": "expiry"},
    )
