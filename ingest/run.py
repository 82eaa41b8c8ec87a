"""One run over a source, document by document, resumable at any point.

The laws of this file:

1. A document is unchanged if its bytes, what is written around it, and how documents are made are
   as they were. It is then not even parsed. If its label alone has changed, it is not encoded.
2. Each document goes live by itself. A run that stops has done what it reported; the next one
   finds that unchanged and goes on.
3. A document's own fault puts it into quarantine, and the run goes on. If an earlier version was
   live, it is withdrawn: nobody can say any more that its text and label are right. Only what
   could not be read at all stays as it was, because nothing is known about it.
4. A fault of the engine, the records, the parser or the model is no document's: it ends the run.
5. A document that the source no longer has is reported, and deleted only when that was asked for.
   What could not be looked at is not taken for gone.
6. A label that people changed survives a new text, unless the places say something new; then that
   is the latest word.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from acl.records import (
    AuditEvent,
    AuditKind,
    DocumentRecord,
    NewChunk,
    NewVersion,
    StaleLabelError,
    StaleVersionError,
    UnstorableError,
)
from acl.records.inventory import Inventory
from ingest.errors import IngestError, ParserUnavailableError, SourceError
from ingest.files import read_regular
from ingest.folder_labels import LabelResolver, RawLabel
from ingest.index.engine import EngineError, EngineUnavailableError
from ingest.label_files import Statement
from ingest.labelling import (
    TENANT,
    Described,
    Labeller,
    SourceState,
    inputs_digest,
    moment_of,
    same_description,
    title_of,
)
from ingest.parsed import Parsed
from ingest.parts import Finding, Stores, Tools
from ingest.project import Projector, event_of
from ingest.report import EventKind, IngestEvent, IngestReport, KeptOut, RaisedLabel
from ingest.seen import Seen
from ingest.sources import MAX_FILE_BYTES, Found, SourceFault, SourceFile

FORM: Final = 1
"""Counts up when documents are cut or described in another way, so that each is made anew."""

_DOCUMENTS: Final = uuid.UUID("6c1b7a52-41b5-5d0e-9a57-3b1f0f6f6a10")
_LOG = structlog.stdlib.get_logger("strongroom.ingest")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """How a run works.

    Attributes:
        secret_level: the classification that a document with secrets has at least; `""` leaves
            labels alone.
        batch_chunks: passages that are gathered from several documents before they are encoded.
        optimize_points: so many new points make the engine rebuild its graph at the end.
    """

    secret_level: str = "restricted"
    batch_chunks: int = 128
    optimize_points: int = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one run is asked to do.

    Attributes:
        whole: whether the root is a folder, so that what is not in it can be told to be gone.
    """

    resolver: LabelResolver
    flags: Statement
    on_event: Callable[[IngestEvent], None]
    actor: str
    whole: bool
    prune: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A file whose bytes are at hand, with what stands around them."""

    file: SourceFile
    content: bytes
    digest: str
    modified: datetime
    outer: RawLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A version that waits for its vectors."""

    new: NewVersion
    update: bool
    raised: RaisedLabel | None


@dataclass(slots=True)
class _Tally:
    counts: dict[EventKind, int] = field(default_factory=dict)
    encoded: int = 0
    quarantined: list[KeptOut] = field(default_factory=list)
    failed: list[KeptOut] = field(default_factory=list)
    raised: list[RaisedLabel] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)

    def report(self) -> IngestReport:
        return IngestReport(
            added=self.counts.get(EventKind.ADDED, 0),
            updated=self.counts.get(EventKind.UPDATED, 0),
            relabelled=self.counts.get(EventKind.RELABELLED, 0),
            unchanged=self.counts.get(EventKind.UNCHANGED, 0),
            removed=self.counts.get(EventKind.REMOVED, 0),
            encoded=self.encoded,
            quarantined=tuple(self.quarantined),
            failed=tuple(self.failed),
            raised=tuple(self.raised),
            vanished=tuple(self.vanished),
        )


class Run:
    """One run. Made for it, and thrown away after it."""

    def __init__(  # noqa: PLR0913 - a run is where everything comes together
        self,
        stores: Stores,
        tools: Tools,
        *,
        settings: PipelineSettings,
        projector: Projector,
        labeller: Labeller,
        making: str,
        clock: Callable[[], datetime],
        task: Task,
    ) -> None:
        self._records = stores.records
        self._engine = stores.engine
        self._schema = stores.schema
        self._inventory = Inventory(stores.records.database)
        self._tools = tools
        self._settings = settings
        self._projector = projector
        self._labeller = labeller
        self._making = making
        self._clock = clock
        self._task = task
        self._seen = Seen()
        self._tally = _Tally()
        self._waiting: list[_Prepared] = []
        self._total = 0

    async def over(self, found: Sequence[Found]) -> IngestReport:
        """Take everything that was found, and return what was done."""
        self._total = len(found)
        for one in found:
            match one:
                case SourceFault(uri, reason):
                    self._seen.unknown(uri)
                    await self._keep_out(uri, reason)
                case SourceFile():
                    await self._take(one)
            if sum(len(one.new.chunks) for one in self._waiting) >= self._settings.batch_chunks:
                await self._flush()
        await self._flush()
        if self._task.whole:
            await self._look_for_vanished()
        await self._optimize()
        return self._tally.report()

    async def _take(self, file: SourceFile) -> None:
        try:
            read = await self._read(file)
        except SourceError as error:
            self._seen.unknown(file.uri)
            await self._keep_out(file.uri, error.reason)
            return
        try:
            await self._settle(read)
        except ParserUnavailableError:
            raise
        except (IngestError, UnstorableError) as error:
            await self._withdraw(read, str(error))

    async def _read(self, file: SourceFile) -> _Read:
        """Return the file's bytes, and what stands around them.

        Raises:
            SourceError: the file, or a place that says its label, cannot be read.
        """

        def read() -> _Read:
            content = read_regular(file.path, limit=MAX_FILE_BYTES)
            return _Read(
                file=file,
                content=content,
                digest=hashlib.sha256(content).hexdigest(),
                modified=moment_of(file.path.lstat().st_mtime),
                outer=self._task.resolver.resolve(file, flags=self._task.flags),
            )

        try:
            return await asyncio.to_thread(read)
        except FileNotFoundError as error:
            raise SourceError("is no longer there") from error

    async def _settle(self, read: _Read) -> None:
        inputs = inputs_digest(read.outer)
        known = await self._known(_tenant(read.outer), read.file.uri)
        if known is not None and self._unchanged(known, read, inputs):
            self._settled(EventKind.UNCHANGED, known.tenant, read.file.uri)
            return
        parsed = await self._tools.parser.parse_bytes(read.file.path.name, read.content)
        raw = self._resolved(read, parsed)
        findings = await self._scanned(parsed, title_of(raw, parsed, read.file.relative))
        described = self._labeller.describe(
            raw, parsed, findings, relative=read.file.relative, modified=read.modified
        )
        state = SourceState(inputs, described.label.digest, self._making)
        known = await self._known(described.tenant, read.file.uri)
        if known is not None and self._same_text(known, read, described):
            await self._follow(known, described, state)
        else:
            prepared = await self._prepared(read, parsed, findings, described, state, known)
            self._seen.document(described.tenant, read.file.uri)
            self._waiting.append(prepared)

    def _unchanged(self, known: DocumentRecord, read: _Read, inputs: str) -> bool:
        state = SourceState.of(known)
        return (
            known.content_digest == read.digest
            and state.inputs == inputs
            and state.making == self._making
        )

    def _same_text(self, known: DocumentRecord, read: _Read, described: Described) -> bool:
        return (
            known.content_digest == read.digest
            and SourceState.of(known).making == self._making
            and same_description(known, described)
        )

    def _resolved(self, read: _Read, parsed: Parsed) -> RawLabel:
        if parsed.front_matter is None:
            return read.outer
        return self._task.resolver.resolve(
            read.file, front_matter=parsed.front_matter, flags=self._task.flags
        )

    async def _scanned(self, parsed: Parsed, title: str) -> Sequence[Finding]:
        text = f"{title}\n\n{parsed.text}"
        return await asyncio.to_thread(self._tools.scanner.scan, text)

    async def _follow(
        self, known: DocumentRecord, described: Described, state: SourceState
    ) -> None:
        """Bring the label alone to what the source says now (law 6)."""
        said_something_new = SourceState.of(known).label != state.label
        changes = said_something_new and known.label_digest != state.label
        if changes:
            event = self._event(
                AuditKind.RELABEL, known.id, known.tenant, label=described.label.as_json()
            )
            try:
                await self._projector.relabel(
                    known.id, described.label, expected_version=known.label_version, event=event
                )
            except StaleLabelError as error:
                self._fail(known.tenant, known.uri, str(error))
                return
            self._note_raised(known.uri, described)
        await self._inventory.describe(known.id, {**known.metadata, **state.as_metadata()})
        kind = EventKind.RELABELLED if changes else EventKind.UNCHANGED
        self._settled(kind, known.tenant, known.uri)

    async def _prepared(  # noqa: PLR0913 - everything that is known of a document
        self,
        read: _Read,
        parsed: Parsed,
        findings: Sequence[Finding],
        described: Described,
        state: SourceState,
        known: DocumentRecord | None,
    ) -> _Prepared:
        chunks = await asyncio.to_thread(self._tools.chunker.chunks, parsed.text, parsed.format)
        if not chunks:
            raise SourceError("no text found")
        label, rules = described.label, described.rules
        if known is not None and SourceState.of(known).label == state.label:
            label, rules = self._labeller.raised(known.label(self._schema), findings)
        uri = read.file.uri
        return _Prepared(
            new=NewVersion(
                document_id=document_id(described.tenant, uri),
                tenant=described.tenant,
                uri=uri,
                title=described.title,
                media_type=parsed.media_type,
                label=label,
                content_digest=read.digest,
                chunks=tuple(NewChunk(one.start, one.text) for one in chunks),
                metadata={**described.metadata, **state.as_metadata()},
                expected_label_version=known.label_version if known else 0,
            ),
            update=known is not None,
            raised=RaisedLabel(uri, self._labeller.level(label), rules) if rules else None,
        )

    async def _flush(self) -> None:
        """Encode what waits, and let each document go live by itself."""
        waiting, self._waiting = self._waiting, []
        texts = [chunk.text for one in waiting for chunk in one.new.chunks]
        vectors = []
        for start in range(0, len(texts), self._settings.batch_chunks):
            part = texts[start : start + self._settings.batch_chunks]
            self._tell(EventKind.ENCODING, detail=f"{start + len(part)} of {len(texts)} passages")
            vectors += await self._tools.encoder.encode_passages(part)
        self._tally.encoded += len(vectors)
        at = 0
        for one in waiting:
            size = len(one.new.chunks)
            await self._publish(one, vectors[at : at + size])
            at += size

    async def _publish(self, one: _Prepared, vectors: list[Vector]) -> None:
        new = one.new
        secrets = list(one.raised.rules) if one.raised else []
        event = self._event(
            AuditKind.INGEST, new.document_id, new.tenant, uri=new.uri, secrets=secrets
        )
        try:
            await self._projector.publish(new, vectors, event)
        except EngineUnavailableError:
            raise
        except (StaleLabelError, StaleVersionError, EngineError) as error:
            self._fail(new.tenant, new.uri, str(error))
            return
        if one.raised is not None:
            self._tally.raised.append(one.raised)
        self._settled(EventKind.UPDATED if one.update else EventKind.ADDED, new.tenant, new.uri)
