"""One installation for benches that change rights: real records, real engine, random vectors.

No right depends on vectors, so they are noise. The words are drawn as words of a language are, a
few often and most rarely, because equal passages would be equally good and searched by their ties.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from acl.engine.payload import point_payload
from acl.records import AuditEvent, AuditKind, NewChunk, NewVersion, Records
from acl.subject import Subject
from ingest.index.edge.client import EdgeEngine
from ingest.index.engine import Point, Vector
from ingest.parts import Stores
from ingest.project import Projector
from retrieval.labels.desk import LabelDesk
from retrieval.labels.views import LabelParts
from retrieval.policy.seeding import seeded
from retrieval.rights.decisions import Decisions, SnapshotHolder
from retrieval.rights.standing import Standing
from retrieval.search.search import Searcher, SearchRequest
from retrieval.search.store import Mode, Store

POLICY = Path(__file__).parents[1] / "policy"
DIMENSION: Final = 384
VOCABULARY: Final = 20_000
WORDS: Final = 60
ASKER = Subject(id="user:reader", tenant="acme", clearance=1)


class Noise:
    """An encoder of random vectors, and a writer of random words."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)

    async def encode_question(self, text: str) -> Vector:
        """Return some vector."""
        del text
        made: Vector = self.vectors(1)[0]
        return made

    async def encode_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return as many vectors as texts."""
        return list(self.vectors(len(texts)))

    def vectors(self, count: int) -> npt.NDArray[np.float32]:
        """Return `count` vectors of unit length."""
        made = self._random.standard_normal((count, DIMENSION)).astype(np.float32)
        scaled: Vector = made / np.linalg.norm(made, axis=1, keepdims=True)
        return scaled

    def words(self, count: int) -> str:
        """Return `count` words, each as frequent as its rank says (Zipf)."""
        places = VOCABULARY ** self._random.random(count)
        return " ".join(f"word{int(place)}" for place in places)


@dataclass
class Bench:
    """What is measured."""

    stores: Stores
    searcher: Searcher
    desk: LabelDesk
    noise: Noise

    async def put(self, name: str, chunks: int) -> str:
        """Store a document of so many passages, each of which holds its name; return its id."""
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        texts = [f"{name} {self.noise.words(WORDS)}" for _ in range(chunks)]
        label = self.stores.schema.parse(
            {
                "tenant": "acme",
                "owner": "group:hr",
                "classification": "internal",
                "compartments": [],
                "readers": ["group:everyone"],
                "path": f"/acme/{name}",
            }
        )
        new = NewVersion(
            document_id=identity,
            tenant="acme",
            uri=f"file:{name}",
            title=name,
            media_type="text/plain",
            label=label,
            content_digest="c" * 64,
            chunks=tuple(NewChunk(1000 * place, text) for place, text in enumerate(texts)),
            metadata={"format": "text"},
        )
        now = datetime.now(UTC)
        version = await self.stores.records.documents.begin_version(new, now=now)
        payload = point_payload(
            label, self.stores.schema, document=identity, version=version.version, meta={}
        )
        vectors = await self.noise.encode_passages(texts)
        await self.stores.engine.upsert(
            [
                Point(version.chunk_id(place), vector, text, payload)
                for place, (text, vector) in enumerate(zip(texts, vectors, strict=True))
            ]
        )
        event = AuditEvent(kind=AuditKind.INGEST, time=now, subject="service:bench")
        await self.stores.records.documents.commit_version(version, event)
        return identity

    async def found(self, query: str) -> set[str]:
        """Search once and return the titles of the documents that were found."""
        request = SearchRequest(query=query, top_k=10, mode=Mode.HYBRID)
        page = await self.searcher.search(ASKER, request, datetime.now(UTC))
        return {one.title for one in page.hits}

    async def searches(self, count: int) -> list[float]:
        """Return how many milliseconds each of `count` searches took."""
        times = []
        for _ in range(count):
            question = self.noise.words(4)
            started = time.perf_counter()
            await self.found(question)
            times.append(1000 * (time.perf_counter() - started))
        return times


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """Open an empty installation."""
    async with AsyncExitStack() as stack:
        records = await Records.open(f"sqlite:///{folder / 'records.db'}", bytes(range(32)))
        stack.push_async_callback(records.close)
        snapshot = await seeded(records, POLICY, actor="service:bench", now=datetime.now(UTC))
        engine = EdgeEngine(folder / "engine")
        await engine.open(snapshot.schema)
        stack.push_async_callback(engine.close)
        standing = Standing(records, SnapshotHolder(snapshot))
        stores = Stores(records=records, engine=engine, schema=snapshot.schema)
        noise, decisions = Noise(), Decisions()
        parts = LabelParts(
            records=records, standing=standing, projector=Projector(stores), decisions=decisions
        )
        searcher = Searcher(
            records=records,
            store=Store(engine, snapshot.schema),
            encoder=noise,
            standing=standing,
            query_key=bytes(range(32)),
            decisions=decisions,
        )
        yield Bench(stores, searcher, LabelDesk(parts), noise)


def line(name: str, times: Sequence[float]) -> str:
    """Return one line of figures, in milliseconds."""
    p50, p99 = (float(np.quantile(times, share)) for share in (0.5, 0.99))
    return f"{name:<44} p50 {p50:8.2f} ms   p99 {p99:8.2f} ms   of {len(times)}"
