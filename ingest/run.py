"""One run over a source, document by document, resumable at any point.

The laws of this file:

1. A document is unchanged if its bytes, what is written around it, and how documents are made are
   as they were. It is then not even parsed. If its label alone has changed, it is not encoded.
2. Each document goes live by itself. A run that stops has done what it reported; the next one
   finds that unchanged and goes on.
3. A document's own fault puts it into quarantine, and the run goes on. A fault of the engine, the
   records, the parser or the model is no document's: it ends the run.
4. What the source says of the label, and that it was heard, are stored in one transaction. What
   folders say is what they say when that is stored; if they moved on, the label is made again.
5. A document whose text or label can no longer be vouched for is withdrawn and waits in quarantine
   with the reason. What could not be read at all stays as it was, because nothing is known of it.
6. The writer of a file decides whether its text is found, but not about labels that people set: a
   document that leaves keeps its label, history and shares, and comes back under them.
7. A document whose file was renamed or moved takes the new name before anything else of it is
   looked at; its label, shares and history are those that it had.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from acl.records import (
    AuditEvent,
    AuditKind,
    DocumentRecord,
    FoldersMovedOnError,
    FromSource,
    LabelState,
    NewChunk,
    NewVersion,
    StaleLabelError,
    StaleVersionError,
    UnstorableError,
)
from acl.records.documents.catalog import Inventory
from ingest.context import Context
from ingest.errors import IngestError, ParserUnavailableError, SourceError
from ingest.index.engine import EngineError, EngineUnavailableError, Vector
from ingest.label.description import (
    PAGES,
    Described,
    SourceState,
    inputs_digest,
    moment_of,
    same_description,
    title_of,
)
from ingest.label.inherit import Origins
from ingest.label.label_files import TENANT, RawLabel
from ingest.label.resolution import Resolution, Resolved
from ingest.read.parsed import MAX_FILE_BYTES, Parsed
from ingest.report import EventKind, IngestReport, Overruled, RaisedLabel
from ingest.sources.folder import Found, SourceFault, SourceFile, read_regular
from ingest.withdrawals import Withdrawals

ATTEMPTS: Final = 5
"""So often a label is made again because folders were set meanwhile."""

# What is one document's own matter; the others go on.
_OF_ONE: Final = (FoldersMovedOnError, StaleLabelError, StaleVersionError, UnstorableError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A version that waits for its vectors.

    Attributes:
        raised: why its label was raised, if it was.
        overruled: attributes for which the source says less than what stands.
        again: makes the same version under what folders say at that moment.
    """

    new: NewVersion
    update: bool
    raised: RaisedLabel | None
    overruled: tuple[str, ...]
    again: Callable[[], Awaitable[Prepared]]


class Batch:
    """Gathers prepared documents until there are passages enough."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: list[Prepared] = []
        self._passages = 0

    async def add(self, prepared: Prepared) -> None:
        """Take a document; when there are passages enough, let everything that waits go live."""
        self._waiting.append(prepared)
        self._passages += len(prepared.new.chunks)
        if self._passages >= self._context.settings.batch_chunks:
            await self.flush()

    async def flush(self) -> None:
        """Encode what waits, and let each document go live by itself.

        Raises:
            EngineUnavailableError, RecordsError: no document is to blame.
        """
        waiting, self._waiting, self._passages = self._waiting, [], 0
        vectors = await self._encoded([one.text for each in waiting for one in each.new.chunks])
        at = 0
        for one in waiting:
            size = len(one.new.chunks)
            await self._publish(one, vectors[at : at + size])
            at += size

    async def _encoded(self, texts: list[str]) -> list[Vector]:
        vectors: list[Vector] = []
        size = self._context.settings.batch_chunks
        for start in range(0, len(texts), size):
            part = texts[start : start + size]
            vectors += await self._context.tools.encoder.encode_passages(part)
            self._context.progress.encoding(len(part))
        return vectors

    async def _publish(self, one: Prepared, vectors: list[Vector]) -> None:
        progress, uri = self._context.progress, one.new.uri
        try:
            live = await self._live(one, vectors)
        except (EngineUnavailableError, ParserUnavailableError):
            raise
        except (*_OF_ONE, EngineError, IngestError) as error:
            progress.failed(uri, str(error))
            return
        if live.raised is not None:
            progress.raised.append(live.raised)
        if live.overruled:
            progress.overruled.append(Overruled(uri, live.overruled))
        progress.settled(EventKind.UPDATED if live.update else EventKind.ADDED, uri)

    async def _live(self, one: Prepared, vectors: list[Vector]) -> Prepared:
        """Let a version go live, made again where folders moved on; return it."""
        for _ in range(ATTEMPTS - 1):
            try:
                await self._context.projector.publish(one.new, vectors, self._event(one))
            except FoldersMovedOnError:
                one = await one.again()
            else:
                return one
        await self._context.projector.publish(one.new, vectors, self._event(one))
        return one

    def _event(self, one: Prepared) -> AuditEvent:
        new, secrets = one.new, list(one.raised.rules) if one.raised else []
        return self._context.event(
            AuditKind.INGEST,
            new.document_id,
            new.tenant,
            new.uri,
            passages=len(new.chunks),
            secrets=secrets,
        )


FORM: Final = 2
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
    secrets: Sequence[str]
    described: Described
    state: SourceState


class Run:
    """One run. Made for it, and thrown away after it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tools = context.tools
        self._progress = context.progress
        self._batch = Batch(context)
        self._withdrawals = Withdrawals(context)
        self._inventory = Inventory(context.stores.records.database)
        self._resolution = Resolution(
            context.stores.records, context.stores.schema, context.labeller, context.clock
        )

    async def over(self, found: Sequence[Found]) -> IngestReport:
        """Take everything that was found, and return what was done."""
        await self._rename()
        await self._context.identities.learn(
            entry.uri for entry in found if isinstance(entry, SourceFile)
        )
        for entry in found:
            match entry:
                case SourceFault(uri, reason):
                    await self._refuse_unread(uri, reason)
                case SourceFile():
                    await self._take(entry)
        await self._batch.flush()
        if self._context.task.whole:
            await self._withdrawals.look_for_vanished()
        await self._optimize()
        return self._progress.report()

    async def _rename(self) -> None:
        """Give documents the names that their files have by now, before anything else (law 7)."""
        for uri, document in self._context.task.comparison.moved.items():
            event = self._context.event(
                AuditKind.MOVE, document.id, document.tenant, uri, before=document.uri
            )
            await self._context.stores.records.sources.move(document.id, uri, event)
            self._progress.renamed.append((document.uri, uri))
            self._progress.tell(EventKind.RENAMED, uri, f"was {document.uri}")

    async def _take(self, file: SourceFile) -> None:
        if candidates := self._context.task.comparison.unclear.get(file.uri):
            await self._refuse_unread(file.uri, _may_be(candidates))
            return
        try:
            read = await asyncio.to_thread(self._read, file)
        except SourceError as error:
            await self._refuse_unread(file.uri, error.reason)
            return
        try:
            await self._settle(read)
        except ParserUnavailableError:
            raise
        except (IngestError, UnstorableError) as error:  # law 3
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
        if known is not None and self._unchanged(known, read):  # law 1
            self._progress.present.add((known.tenant, read.file.uri))
            self._progress.settled(EventKind.UNCHANGED, read.file.uri)
            return
        understood = await self._understood(read)
        tenant = understood.described.tenant
        self._progress.present.add((tenant, read.file.uri))
        known = await self._context.known(tenant, read.file.uri)
        if known is not None and self._same_text(known, understood):
            await self._follow(understood)
        else:
            await self._batch.add(await self._prepared(understood))

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
        secrets = await asyncio.to_thread(self._tools.scanner.scan, text)
        described = self._context.labeller.describe(
            raw, parsed, secrets, relative=read.file.relative, modified=read.modified
        )
        state = SourceState(inputs_digest(read.outer), described.label.digest, self._context.making)
        return _Understood(
            read=read, parsed=parsed, secrets=secrets, described=described, state=state
        )

    def _resolved(self, read: _Read, parsed: Parsed) -> RawLabel:
        if parsed.front_matter is None:
            return read.outer
        task = self._context.task
        return task.resolver.resolve(read.file, front_matter=parsed.front_matter, flags=task.flags)

    async def _follow(self, understood: _Understood) -> None:
        """Bring the label alone to what the source says now (law 4)."""
        for _ in range(ATTEMPTS):
            known = await self._known(understood)
            try:
                if known is not None:
                    await self._followed(known, understood)
            except FoldersMovedOnError:
                continue
            except StaleLabelError as error:
                self._progress.failed(understood.read.file.uri, str(error))
            return
        self._progress.failed(understood.read.file.uri, "folders are being set all the time")

    async def _followed(self, known: LabelState, understood: _Understood) -> None:
        document, state = known.document, understood.state
        metadata = {**document.metadata, **state.as_metadata()}
        kind = EventKind.UNCHANGED
        if SourceState.of(document).label == state.label:
            await self._inventory.describe(document.id, metadata)
        else:
            resolved = await self._resolution.anew(understood.described, known)
            if resolved.label.digest != document.label_digest:
                kind = EventKind.RELABELLED
            if kind is EventKind.RELABELLED or resolved.origins != Origins.of(known.origins):
                await self._relabel(document, resolved, metadata)
            else:
                await self._inventory.describe(document.id, metadata)
            self._tell(document.uri, resolved)
        self._progress.settled(kind, document.uri)

    async def _relabel(
        self, document: DocumentRecord, resolved: Resolved, metadata: dict[str, object]
    ) -> None:
        event = self._context.event(
            AuditKind.RELABEL,
            document.id,
            document.tenant,
            document.uri,
            label=resolved.label.as_json(),
            secrets=list(resolved.rules),
        )
        await self._context.projector.relabel(
            document.id,
            resolved.label,
            expected_version=document.label_version,
            event=event,
            said=FromSource(
                origins=resolved.origins.as_json(), metadata=metadata, folders=resolved.folders
            ),
        )

    def _tell(self, uri: str, resolved: Resolved) -> None:
        if raised := self._raised(uri, resolved):
            self._progress.raised.append(raised)
        if resolved.overruled:
            self._progress.overruled.append(Overruled(uri, resolved.overruled))

    async def _known(self, understood: _Understood) -> LabelState | None:
        """Return what is on record of a document that is live or was withdrawn."""
        identity = await self._identity(understood)
        return await self._inventory.known(identity)

    async def _identity(self, understood: _Understood) -> str:
        return await self._context.identities.of(
            understood.described.tenant, understood.read.file.uri
        )

    async def _prepared(self, understood: _Understood) -> Prepared:
        read, parsed, described = understood.read, understood.parsed, understood.described
        chunks = await asyncio.to_thread(self._tools.chunker.chunks, parsed.text, parsed.format)
        known = await self._known(understood)
        resolved = await self._resolution.of_text(
            described, understood.state, understood.secrets, known
        )
        uri = read.file.uri
        new = NewVersion(
            document_id=await self._identity(understood),
            source=self._context.task.source,
            tenant=described.tenant,
            uri=uri,
            title=described.title,
            media_type=parsed.media_type,
            label=resolved.label,
            content_digest=read.digest,
            chunks=tuple(NewChunk(one.start, one.text) for one in chunks),
            metadata={
                **described.metadata,
                **understood.state.as_metadata(),
                **({PAGES: list(parsed.pages)} if parsed.pages else {}),
            },
            expected_label_version=known.document.label_version if known else 0,
            origins=resolved.origins.as_json(),
            folders=resolved.folders,
        )
        return Prepared(
            new=new,
            update=known is not None and known.document.is_live,
            raised=self._raised(uri, resolved),
            overruled=resolved.overruled,
            again=partial(self._prepared, understood),
        )

    def _raised(self, uri: str, resolved: Resolved) -> RaisedLabel | None:
        rules, level = resolved.rules, self._context.labeller.level(resolved.label)
        return RaisedLabel(uri, level, rules) if rules else None

    async def _refuse_unread(self, uri: str, reason: str) -> None:
        self._progress.unclear.add(uri)  # law 5
        await self._withdrawals.keep_out(uri, reason)

    async def _refuse(self, read: _Read, reason: str) -> None:
        if read.tenant:
            self._progress.present.add((read.tenant, read.file.uri))
        else:
            self._progress.unclear.add(read.file.uri)
        await self._withdrawals.keep_out(
            read.file.uri, reason, content_digest=read.digest, tenant=read.tenant
        )

    async def _optimize(self) -> None:
        if self._progress.encoded < self._context.settings.optimize_points:
            return
        self._progress.tell(EventKind.OPTIMIZING)
        try:
            await self._context.stores.engine.optimize()
        except EngineError as error:
            # Everything is stored and found; only the graph is not at its best.
            _LOG.warning("engine_not_optimized", error=type(error).__name__)


def _may_be(candidates: Sequence[str]) -> str:
    names = " or ".join(f"`{name}`" for name in candidates[:_CANDIDATES])
    return (
        f"has the text of {names}, whose file is gone, and it cannot be told which document it is; "
        "give the file its old name for one run, or change it"
    )


_CANDIDATES: Final = 4
