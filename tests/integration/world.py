"""A whole installation in one folder: records, engine, pipeline, searcher, under one policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import request_of
from acl.records import AuditKind, DocumentRecord, Records
from acl.subject import Subject
from ingest.index.edge.client import EdgeEngine
from ingest.index.engine import Vector
from ingest.index.qdrant import QdrantEngine
from ingest.parts import Encoding, Parsing, Stores, Tools
from ingest.pipeline import Pipeline, PipelineSettings
from ingest.project import Projector, event_of
from ingest.read.parsed import Parsed
from ingest.reconcile import Reconciler
from ingest.report import IngestEvent, IngestReport
from retrieval.access.documents import DocumentReader
from retrieval.policy.seeding import seeded
from retrieval.rights.decisions import Decisions, PolicySnapshot, SnapshotHolder
from retrieval.rights.standing import Standing
from retrieval.search.search import READ, Hit, Searcher, SearchPage, SearchRequest
from retrieval.search.store import Mode, Store

POLICY = Path(__file__).parents[2] / "policy"
AUDIT_KEY = bytes(range(32))
QUERY_KEY = bytes(range(32, 64))
NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)

ADA = Subject(
    id="user:ada",
    tenant="acme",
    clearance=3,
    compartments=frozenset({"finance", "board"}),
    groups=frozenset({"group:finance"}),
)
BOB = Subject(
    id="user:bob",
    tenant="acme",
    clearance=2,
    compartments=frozenset({"falcon"}),
    groups=frozenset({"group:engineering"}),
)
EVE = Subject(id="user:eve", tenant="acme", clearance=1, groups=frozenset({"group:engineering"}))
LEO = Subject(
    id="user:leo",
    tenant="acme",
    clearance=3,
    compartments=frozenset({"board"}),
    groups=frozenset({"group:legal"}),
)
SAM = Subject(id="user:sam", tenant="acme", clearance=1, groups=frozenset({"group:sales"}))
GUS = Subject(
    id="user:gus",
    tenant="globex",
    clearance=2,
    compartments=frozenset({"finance"}),
    groups=frozenset({"group:finance"}),
)
AGENT = Subject(
    id="user:ada",
    tenant="acme",
    clearance=3,
    compartments=frozenset({"finance", "board"}),
    groups=frozenset({"group:finance"}),
    actors=(
        Subject(
            id="agent:helper",
            tenant="acme",
            clearance=1,
            compartments=frozenset({"finance"}),
            groups=frozenset({"group:finance"}),
        ),
    ),
)
PEOPLE = (ADA, BOB, EVE, LEO, SAM, GUS, AGENT)


@dataclass(slots=True)
class World:
    """What a test holds."""

    records: Records
    engine: EdgeEngine
    snapshots: SnapshotHolder
    standing: Standing
    tools: Tools
    pipeline: Pipeline
    searcher: Searcher
    reader: DocumentReader
    events: list[IngestEvent] = field(default_factory=list)

    @property
    def snapshot(self) -> PolicySnapshot:
        return self.snapshots.pin()

    @property
    def schema(self) -> LabelSchema:
        return self.snapshot.schema

    @property
    def stores(self) -> Stores:
        return Stores(records=self.records, engine=self.engine, schema=self.schema)

    @property
    def reconciler(self) -> Reconciler:
        return Reconciler(self.stores, self.tools.encoder)

    async def ingest(
        self, root: Path, *, prune: bool = False, flags: Mapping[str, object] | None = None
    ) -> IngestReport:
        return await self.pipeline.ingest(
            root, flags=flags or {}, on_event=self.events.append, prune=prune, sure=True
        )

    async def ask(
        self, subject: Subject, query: str, *, top_k: int = 50, mode: Mode = Mode.HYBRID
    ) -> SearchPage:
        request = SearchRequest(query=query, top_k=top_k, mode=mode)
        return await self.searcher.search(subject, request, NOW)

    async def hits(self, subject: Subject, query: str, *, top_k: int = 50) -> tuple[Hit, ...]:
        return (await self.ask(subject, query, top_k=top_k)).hits

    async def uris(self, subject: Subject, query: str) -> set[str]:
        return {hit.uri for hit in await self.hits(subject, query)}

    async def documents(self) -> list[DocumentRecord]:
        found = [
            await self.records.catalog.list_documents(tenant, limit=1000)
            for tenant in ("acme", "globex")
        ]
        return [one for page in found for one in page]

    async def document(self, uri: str, tenant: str = "acme") -> DocumentRecord:
        found = await self.records.catalog.list_documents(tenant, limit=1000)
        return next(one for one in found if one.uri == uri)

    async def relabel(self, uri: str, **changes: object) -> Label:
        document = await self.document(uri)
        label = self.schema.parse({**document.label_json, **changes})
        await relabelled(self.stores, document.id, label, expected=document.label_version)
        return label

    def oracle(self) -> Callable[[Subject, DocumentRecord], bool]:
        """Return Casbin's own decision on one document, under the guard of the tenant."""
        policy = self.snapshot.policy
        casbin = policy.oracle(NOW)

        def permits(subject: Subject, document: DocumentRecord) -> bool:
            return all(
                one.tenant == document.tenant and _enforced(casbin, one, document)
                for one in (subject, *subject.actors)
            )

        def _enforced(casbin: Oracle, subject: Subject, document: DocumentRecord) -> bool:
            request = dict(request_of(policy, subject, READ, NOW))
            request["obj"] = dict(document.label_json)
            return casbin.enforce(*(request[name] for name in policy.names.request[1]))

        return permits


async def relabelled(
    stores: Stores, document_id: str, label: Label, *, expected: int
) -> tuple[int, bool]:
    """Change a label of record; return its version, and whether the engine carries it."""
    event = event_of(
        AuditKind.RELABEL,
        document_id,
        tenant=str(label.values.get("tenant", "")),
        actor="user:root",
        at=NOW,
        detail={"label": label.as_json()},
    )
    return await Projector(stores).relabel(
        document_id, label, expected_version=expected, event=event
    )


@asynccontextmanager
async def world(
    folder: Path,
    tools: Tools,
    *,
    settings: PipelineSettings | None = None,
    url: str | None = None,
    in_memory: bool = False,
) -> AsyncIterator[World]:
    """Open an installation in `folder`, which may have been used before; records at `url`.

    With `in_memory` no engine's process is started; it takes most of the time.
    """
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        records = await Records.open(url or f"sqlite:///{folder / 'records.db'}", AUDIT_KEY)
        stack.push_async_callback(records.close)
        snapshot = await seeded(records, POLICY, actor="service:test", now=NOW)
        engine = EdgeEngine(folder / "engine")
        if in_memory:
            # The same methods (`tests/conformance/test_engines.py`); only it has no process.
            engine = cast("EdgeEngine", QdrantEngine.in_memory())
        await engine.open(snapshot.schema)
        stack.push_async_callback(engine.close)
        snapshots, decisions = SnapshotHolder(snapshot), Decisions()
        standing = Standing(records, snapshots)
        stores = Stores(records=records, engine=engine, schema=snapshot.schema)
        yield World(
            records=records,
            engine=engine,
            snapshots=snapshots,
            standing=standing,
            tools=tools,
            pipeline=Pipeline(stores, tools, settings=settings, clock=lambda: NOW),
            searcher=Searcher(
                records=records,
                store=Store(engine, snapshot.schema),
                encoder=tools.encoder,
                standing=standing,
                query_key=QUERY_KEY,
                decisions=decisions,
            ),
            reader=DocumentReader(records=records, standing=standing, decisions=decisions),
        )


@dataclass(slots=True)
class CountingParser:
    """A parser, counting."""

    parser: Parsing
    parsed: int = 0

    async def parse_bytes(self, name: str, content: bytes) -> Parsed:
        self.parsed += 1
        return await self.parser.parse_bytes(name, content)


@dataclass(slots=True)
class CountingEncoder:
    """An encoder, counting."""

    encoder: Encoding
    passages: int = 0
    questions: int = 0

    async def encode_question(self, text: str) -> Vector:
        self.questions += 1
        return await self.encoder.encode_question(text)

    async def encode_passages(self, texts: Sequence[str]) -> list[Vector]:
        self.passages += len(texts)
        return await self.encoder.encode_passages(texts)
