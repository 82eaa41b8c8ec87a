"""What the steps of one run share: its task, its parts, and its progress."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.records import AuditEvent, AuditKind, DocumentRecord
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
    """

    secret_level: str = "restricted"  # noqa: S105 - a level of the schema
    batch_chunks: int = 32
    optimize_points: int = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one run is asked to do.

    Attributes:
        whole: whether the root is a folder, so that what is not in it can be told to be gone.
    """

    resolver: LabelResolver
    flags: Statement
    actor: str
    whole: bool
    prune: bool


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

    async def known(self, tenant: str, uri: str) -> DocumentRecord | None:
        """Return the live document of a source, if there is one."""
        if not tenant:
            return None
        return await self.stores.records.catalog.document(document_id(tenant, uri))

    def event(self, kind: AuditKind, tenant: str, uri: str, **detail: object) -> AuditEvent:
        """Return the audit event of a change to the document of a source."""
        return event_of(
            kind,
            document_id(tenant, uri),
            tenant=tenant,
            actor=self.task.actor,
            at=self.clock(),
            detail={"uri": uri, **detail},
        )


def document_id(tenant: str, uri: str) -> str:
    """Return the id of a source's document: the same for ever, and another for each tenant."""
    return str(uuid.uuid5(_DOCUMENTS, f"{len(tenant)}:{tenant}{uri}"))
