"""One run over a source, document by document, resumable at any point.

The laws of this file:

1. A document is unchanged if its bytes, what is written around it, and how documents are made are
   as they were. It is then not even parsed. If its label alone has changed, it is not encoded.
2. Each document goes live by itself. A run that stops has done what it reported; the next one
   finds that unchanged and goes on.
3. A document's own fault puts it into quarantine (`ingest.exits`), and the run goes on. A fault of
   the engine, the records, the parser or the model is no document's: it ends the run.
4. A label that people changed survives a new text, unless the places say something new; then that
   is the latest word.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from acl.errors import LabelError
from acl.labels import Label
from acl.records import (
    AuditKind,
    DocumentRecord,
    NewChunk,
    NewVersion,
    StaleLabelError,
    UnstorableError,
)
from acl.records.inventory import Inventory
from ingest.batch import Batch, Prepared
from ingest.context import Context, document_id
from ingest.errors import IngestError, ParserUnavailableError, SourceError
from ingest.exits import Exits
from ingest.files import read_regular
from ingest.folder_labels import RawLabel
from ingest.index.engine import EngineError
from ingest.inherit import CLASSIFICATION, Origins, settled, shared
from ingest.labelling import (
    TENANT,
    Described,
    SourceState,
    inputs_digest,
    moment_of,
    same_description,
    title_of,
)
from ingest.parsed import Parsed
from ingest.parts import Finding
from ingest.report import EventKind, IngestReport, RaisedLabel
from ingest.sources import MAX_FILE_BYTES, Found, SourceFault, SourceFile

FORM: Final = 1
"""Counts up when documents are cut or described in another way, so that each is made anew."""

_LOG = structlog.stdlib.get_logger("strongroom.ingest")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A file whose bytes are at hand, with what stands around them."""

    file: SourceFile
    content: bytes
    digest: str
    modified: datetime
    outer: RawLabel

    @property
    def tenant(self) -> str:
        """The tenant as far as it is known before the text is read."""
        said = self.outer.values.get(TENANT)
        return said if isinstance(said, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Understood:
    """A file that was parsed, scanned and described."""

    read: _Read
    parsed: Parsed
    findings: Sequence[Finding]
    described: Described
    state: SourceState


class Run:
    """One run. Made for it, and thrown away after it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tools = context.tools
        self._tally = context.tally
        self._batch = Batch(context)
        self._exits = Exits(context)
        self._inventory = Inventory(context.stores.records.database)

    async def over(self, found: Sequence[Found]) -> IngestReport:
        """Take everything that was found, and return what was done."""
        for one in found:
            match one:
                case SourceFault(uri, reason):
                    self._tally.unclear(uri)
                    await self._exits.keep_out(uri, reason)
                case SourceFile():
                    await self._take(one)
        await self._batch.flush()
        if self._context.task.whole:
            await self._exits.look_for_vanished()
        await self._optimize()
        return self._tally.report()

    async def _take(self, file: SourceFile) -> None:
        try:
            read = await asyncio.to_thread(self._read, file)
        except SourceError as error:
            self._tally.unclear(file.uri)
            await self._exits.keep_out(file.uri, error.reason)
            return
        try:
            await self._settle(read)
        except ParserUnavailableError:
            raise
        except (IngestError, UnstorableError) as error:
            await self._refuse(read, str(error))

    def _read(self, file: SourceFile) -> _Read:
        """Return the file's bytes, and what stands around them.

        Raises:
            SourceError: the file, or a place that says its label, cannot be read.
        """
        try:
            content = read_regular(file.path, limit=MAX_FILE_BYTES)
            modified = moment_of(file.path.lstat().st_mtime)
        except OSError as error:
            raise SourceError("is no longer there") from error
        return _Read(
            file=file,
            content=content,
            digest=hashlib.sha256(content).hexdigest(),
            modified=modified,
            outer=self._context.task.resolver.resolve(file, flags=self._context.task.flags),
        )

    async def _settle(self, read: _Read) -> None:
        known = await self._context.known(read.tenant, read.file.uri)
        if known is not None and self._unchanged(known, read):
            self._tally.present(known.tenant, read.file.uri)
            self._tally.settled(EventKind.UNCHANGED, read.file.uri)
            return
        understood = await self._understood(read)
        tenant = understood.described.tenant
        self._tally.present(tenant, read.file.uri)
        known = await self._context.known(tenant, read.file.uri)
        if known is not None and self._same_text(known, understood):
            await self._follow(known, understood)
        else:
            await self._batch.add(await self._prepared(understood, known))

    def _unchanged(self, known: DocumentRecord, read: _Read) -> bool:
        state = SourceState.of(known)
        return (known.content_digest, state.inputs, state.making) == (
            read.digest,
            inputs_digest(read.outer),
            self._context.making,
        )

    def _same_text(self, known: DocumentRecord, understood: _Understood) -> bool:
        return (
            known.content_digest == understood.read.digest
            and SourceState.of(known).making == self._context.making
            and same_description(known, understood.described)
        )

    async def _understood(self, read: _Read) -> _Understood:
        parsed = await self._tools.parser.parse_bytes(read.file.path.name, read.content)
        raw = self._resolved(read, parsed)
        text = f"{title_of(raw, parsed, read.file.relative)}\n\n{parsed.text}"
        findings = await asyncio.to_thread(self._tools.scanner.scan, text)
        described = self._context.labeller.describe(
            raw, parsed, findings, relative=read.file.relative, modified=read.modified
        )
        state = SourceState(inputs_digest(read.outer), described.label.digest, self._context.making)
        return _Understood(
            read=read, parsed=parsed, findings=findings, described=described, state=state
        )

    def _resolved(self, read: _Read, parsed: Parsed) -> RawLabel:
        if parsed.front_matter is None:
            return read.outer
        task = self._context.task
        return task.resolver.resolve(read.file, front_matter=parsed.front_matter, flags=task.flags)

    async def _follow(self, known: DocumentRecord, understood: _Understood) -> None:
        """Bring the label alone to what the source says now (laws 1 and 4)."""
        state = understood.state
        says_something_new = SourceState.of(known).label != state.label
        if says_something_new:
            label, rules, origins = await self._label(understood, known)
            changes = known.label_digest != label.digest
            if changes and not await self._relabelled(known, label, rules, origins):
                return
        else:
            changes = False
        await self._inventory.describe(known.id, {**known.metadata, **state.as_metadata()})
        kind = EventKind.RELABELLED if changes else EventKind.UNCHANGED
        self._tally.settled(kind, known.uri)

    async def _relabelled(
        self, known: DocumentRecord, label: Label, rules: tuple[str, ...], origins: Origins
    ) -> bool:
        event = self._context.event(
            AuditKind.RELABEL,
            known.tenant,
            known.uri,
            label=label.as_json(),
            secrets=list(rules),
        )
        try:
            await self._context.projector.relabel(
                known.id,
                label,
                expected_version=known.label_version,
                event=event,
                origins=origins.as_json(),
            )
        except StaleLabelError as error:
            self._tally.failed(known.uri, str(error))
            return False
        if raised := self._raised(known.uri, label, rules):
            self._tally.raised(raised)
        return True

    async def _prepared(self, understood: _Understood, known: DocumentRecord | None) -> Prepared:
        read, parsed, described = understood.read, understood.parsed, understood.described
        chunks = await asyncio.to_thread(self._tools.chunker.chunks, parsed.text, parsed.format)
        label, rules, origins = await self._label(understood, known)
        uri = read.file.uri
        new = NewVersion(
            document_id=document_id(described.tenant, uri),
            tenant=described.tenant,
            uri=uri,
            title=described.title,
            media_type=parsed.media_type,
            label=label,
            content_digest=read.digest,
            chunks=tuple(NewChunk(one.start, one.text) for one in chunks),
            metadata={**described.metadata, **understood.state.as_metadata()},
            expected_label_version=known.label_version if known else 0,
            origins=origins.as_json(),
        )
        raised = self._raised(uri, label, rules)
        return Prepared(new=new, update=known is not None, raised=raised)

    async def _label(
        self, understood: _Understood, known: DocumentRecord | None
    ) -> tuple[Label, tuple[str, ...], Origins]:
        """Return the label of a new text (law 4), and where its values come from.

        Shares go on, whoever has the word on the rest; secrets may raise it all the same.
        """
        context, described = self._context, understood.described
        if known is not None and SourceState.of(known).label == understood.state.label:
            return await self._kept(known, understood.findings)
        origins = Origins(source=described.label.as_json(), raised=bool(described.rules))
        folders = await context.stores.records.folders.of_tenant(described.tenant)
        schema, now = context.stores.schema, context.clock()
        shares = [one for one in known.shares if not one.over(now)] if known else ()
        try:
            label, origins = settled(schema, {}, origins, folders)
            label = shared(schema, label, shares)
        except LabelError as error:
            raise SourceError(f"folders and shares make no label of it: {error}") from error
        return label, described.rules, origins

    async def _kept(
        self, known: DocumentRecord, findings: Sequence[Finding]
    ) -> tuple[Label, tuple[str, ...], Origins]:
        """Return the label of record, raised where new secrets ask for it."""
        context = self._context
        state = await context.stores.records.labels.state(known.id)
        label = known.label(context.stores.schema, context.clock())
        raised, rules = context.labeller.raised(label, findings)
        origins = Origins(source=known.label_json) if state is None else Origins.of(state.origins)
        if rules:
            own = origins.own | {CLASSIFICATION}
            origins = replace(origins, own=own, raised=True)
        return raised, rules, origins

    def _raised(self, uri: str, label: Label, rules: tuple[str, ...]) -> RaisedLabel | None:
        return RaisedLabel(uri, self._context.labeller.level(label), rules) if rules else None

    async def _refuse(self, read: _Read, reason: str) -> None:
        if read.tenant:
            self._tally.present(read.tenant, read.file.uri)
        else:
            self._tally.unclear(read.file.uri)
        await self._exits.keep_out(
            read.file.uri, reason, content_digest=read.digest, tenant=read.tenant
        )

    async def _optimize(self) -> None:
        if self._tally.encoded < self._context.settings.optimize_points:
            return
        self._tally.tell(EventKind.OPTIMIZING)
        try:
            await self._context.stores.engine.optimize()
        except EngineError as error:
            # Everything is stored and found; only the graph is not at its best.
            _LOG.warning("engine_not_optimized", error=type(error).__name__)
