"""What the steps of one run share: its task, its parts, and its progress."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.records import AuditEvent, AuditKind, DocumentRecord
from acl.records.documents.sources import Sources
from ingest.comparison import Comparison
from ingest.label.description import Labeller
from ingest.label.label_files import LabelResolver, Statement
from ingest.parts import Stores, Tools
from ingest.project import Projector, event_of
from ingest.report import Progress

_DOCUMENTS: Final = uuid.UUID("6c1b7a52-41b5-5d0e-9a57-3b1f0f6f6a10")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """How a run works.

    Attributes:
        secret_level: the classification that a document with secrets has at least; `""` leaves
            labels alone.
        batch_chunks: passages that are gathered from several documents before they are encoded.
        optimize_points: so many new points make the engine rebuild its graph at the end.
        removal_share: a run that would remove more of its source's documents, from 0 to 1, stops.
    """

    secret_level: str = "restricted"  # noqa: S105 - a level of the schema
    batch_chunks: int = 32
    optimize_points: int = 5000
    removal_share: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one run is asked to do.

    Attributes:
        source: id of the source of record, or `""`.
        whole: whether the root is a folder, so that what is not in it can be told to be gone.
        prune: whether documents that the source no longer has are withdrawn.
        sure: whether taking a large share of the documents away is meant.
        comparison: what the source holds against what is on record.
    """

    resolver: LabelResolver
    flags: Statement
    actor: str
    source: str
    whole: bool
    prune: bool
    sure: bool
    comparison: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One run's surroundings.

    Attributes:
        making: digest of how documents are made.
    """

    stores: Stores
    tools: Tools
    settings: PipelineSettings
    projector: Projector
    labeller: Labeller
    making: str
    clock: Callable[[], datetime]
    task: Task
    progress: Progress
    identities: Identities

    async def known(self, tenant: str, uri: str) -> DocumentRecord | None:
        """Return the live document of a source, if there is one."""
        if not tenant:
            return None
        return await self.stores.records.catalog.document(await self.identities.of(tenant, uri))

    def event(
        self, kind: AuditKind, document_id: str, tenant: str, uri: str, **detail: object
    ) -> AuditEvent:
        """Return the audit event of a change to the document of a source."""
        return event_of(
            kind,
            document_id,
            tenant=tenant,
            actor=self.task.actor,
            at=self.clock(),
            detail={"uri": uri, **detail},
        )


class Identities:
    """The ids of a source's documents, by the names that they bear now.

    A document that is seen for the first time gets an id from its tenant and name, so that a run
    that was killed and begins again makes the same one. A document that was renamed takes its id
    along; whatever comes under its old name later gets the next id.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: dict[tuple[str, str], str] = {}

    async def learn(self, uris: Iterable[str]) -> None:
        """Read the ids of all documents of these names, in whatever tenant."""
        for document in await self._sources.at(uris):
            self._known[document.tenant, document.uri] = document.id

    async def of(self, tenant: str, uri: str) -> str:
        """Return the id of the document of this name, or the one that it would get."""
        name = (tenant, uri)
        if name not in self._known:
            self._known[name] = await self._free(document_id(tenant, uri))
        return self._known[name]

    async def _free(self, made: str) -> str:
        while await self._sources.with_ids([made]):
            made = str(uuid.uuid5(_DOCUMENTS, made))
        return made


def document_id(tenant: str, uri: str) -> str:
    """Return the first id of a document of this name."""
    return str(uuid.uuid5(_DOCUMENTS, f"{len(tenant)}:{tenant}{uri}"))
