"""Documents in, labelled points out.

The laws of this file:

1. `ingest` brings the index to what a source holds (`ingest.run`).
2. `delete` takes a document away for good: from readers at once, from the engine soon after.
3. Each is on record, in the transaction that makes it true.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from acl.records import AuditEvent, AuditKind, SourceRecord, UnknownDocumentError
from acl.records.documents.catalog import Inventory
from acl.subject import INGESTION
from ingest.comparison import Comparer, Comparison
from ingest.context import Context, Identities, PipelineSettings, Task
from ingest.label.description import Labeller, making_digest
from ingest.label.label_files import LabelResolver, Statement
from ingest.parts import Stores, Tools
from ingest.project import Projector, event_of
from ingest.report import IngestEvent, IngestReport, Progress
from ingest.run import FORM, Run
from ingest.sources.folder import Found, walk
from ingest.sources.registry import registered

__all__ = ["Pipeline", "PipelineSettings"]


def _now() -> datetime:
    return datetime.now(UTC)


def _listed(root: Path, at: str) -> tuple[list[Found], bool]:
    return list(walk(root, at=at)), root.is_dir()


class Pipeline:
    """The writer. One for a process; runs do not overlap."""

    def __init__(
        self,
        stores: Stores,
        tools: Tools,
        *,
        settings: PipelineSettings | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Put the writer together.

        Raises:
            SourceError: the level for secrets is not one of the schema's.
        """
        self._stores = stores
        self._tools = tools
        self._settings = settings or PipelineSettings()
        self._clock = clock
        self._projector = Projector(stores)
        self._labeller = Labeller(stores.schema, secret_level=self._settings.secret_level)
        self._making = making_digest(stores.schema, model=tools.model, form=FORM)
        self._one_at_a_time = asyncio.Lock()

    async def ingest(  # noqa: PLR0913 - a run has as many sides
        self,
        root: Path,
        *,
        flags: Mapping[str, object],
        on_event: Callable[[IngestEvent], None],
        prune: bool = False,
        sure: bool = False,
        actor: str = INGESTION,
        source: SourceRecord | None = None,
    ) -> IngestReport:
        """Bring the index to what `root` holds.

        Args:
            root: a folder, or one file.
            flags: label attributes that win over everything written in the source, and over what
                is on record of it.
            on_event: told of every step.
            prune: whether documents that are no longer in the source are withdrawn.
            sure: whether that is meant even where it is a large share of them.
            actor: on whose account.
            source: the source that `root` is or is a part of; it goes on record with what is new.

        Raises:
            RecordsConflictError: its name or its root is that of another source.
            SourceError: there is no such folder or file.
            StoppedError: it would harm documents of another source, or remove too many; nothing has
                changed. Or too many would go into quarantine; a few have gone.
            ParserUnavailableError, ModelError, EngineError, RecordsError: no document is to
                blame. What was reported as done is done; another run goes on from there.
        """
        async with self._one_at_a_time:
            found, whole, resolver, said = await self._looked(root, flags, source)
            comparer = Comparer(self._stores, resolver, said, source)
            comparison = await comparer.compare(found, whole=whole)
            if prune and not sure:
                comparison.require_moderate(self._settings.removal_share)
            if source is not None:
                await registered(self._stores.records, source, by=actor)
            task = Task(
                resolver=resolver,
                flags=said,
                actor=actor,
                source=source.id if source else "",
                whole=whole,
                prune=prune,
                sure=sure,
                comparison=comparison,
            )
            progress = Progress(on_event, total=len(found))
            return await Run(self._context(task, progress)).over(found)  # law 1

    def _context(self, task: Task, progress: Progress) -> Context:
        return Context(
            stores=self._stores,
            tools=self._tools,
            settings=self._settings,
            projector=self._projector,
            labeller=self._labeller,
            making=self._making,
            clock=self._clock,
            task=task,
            progress=progress,
            identities=Identities(self._stores.records.sources),
        )

    async def compare(
        self, root: Path, *, flags: Mapping[str, object], source: SourceRecord | None
    ) -> Comparison:
        """Return what a run would find, without changing anything.

        Raises:
            SourceError: there is no such folder or file.
            StoppedError: it would harm documents of another source.
        """
        found, whole, resolver, said = await self._looked(root, flags, source)
        return await Comparer(self._stores, resolver, said, source).compare(found, whole=whole)

    async def _looked(
        self, root: Path, flags: Mapping[str, object], source: SourceRecord | None
    ) -> tuple[list[Found], bool, LabelResolver, Statement]:
        found, whole = await asyncio.to_thread(_listed, root, source.at if source else "")
        label = {**source.label, **flags} if source else dict(flags)
        return found, whole, LabelResolver(root, self._stores.schema), Statement("flags", label)

    async def withdraw(self, document_id: str, event: AuditEvent) -> None:
        """Take a document out of the search; what is known of its label stays.

        Raises:
            UnknownDocumentError: no such live document.
            RecordsError: it could not be recorded, so nothing has changed.
        """
        await self._projector.withdraw(document_id, event)

    async def delete(self, document_id: str, *, actor: str) -> int:
        """Delete a document, live or withdrawn, with everything that was known of its label.

        Returns:
            How many points of it the engine still has; 0 unless it fails at the moment.

        Raises:
            UnknownDocumentError: no such document.
            RecordsError: it could not be recorded, so nothing has changed.
            EngineError: the engine cannot be asked what is left. The document is deleted.
        """
        known = await Inventory(self._stores.records.database).known(document_id)
        if known is None:
            raise UnknownDocumentError(document_id)
        document = known.document
        event = event_of(
            AuditKind.DELETE,
            document_id,
            tenant=document.tenant,
            actor=actor,
            at=self._clock(),
            detail={"uri": document.uri},
        )
        await self._projector.delete(document_id, event)  # law 2
        return await self._projector.remaining(document_id)
