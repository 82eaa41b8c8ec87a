"""What changing labels costs: until it shows, and what searches feel while many change.

`python -m bench.relabel` relabels one document of 100 passages and searches for it, then changes
every one of many documents in one job while others search. Records and engine are real; vectors are
random, because no label depends on them.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from acl.engine.payload import point_payload
from acl.records import AuditEvent, AuditKind, NewChunk, NewVersion, Records
from acl.subject import Subject
from ingest.index.edge import EdgeEngine
from ingest.index.engine import Point, Vector
from ingest.parts import Stores
from ingest.project import Projector
from retrieval.authority import OPERATOR
from retrieval.decisions import Decisions
from retrieval.label_bulk import BulkDesk
from retrieval.label_requests import LabelRequest
from retrieval.label_selection import Selection
from retrieval.label_views import LabelParts, Target
from retrieval.labels import LabelDesk
from retrieval.search import Searcher, SearchRequest
from retrieval.seeding import seeded
from retrieval.snapshot import SnapshotHolder
from retrieval.standing import Standing
from retrieval.store import Mode, Store

POLICY = Path(__file__).parents[1] / "policy"
DIMENSION = 384
CHUNKS = 100
ASKER = Subject(id="user:reader", tenant="acme", clearance=1)


class Noise:
    """An encoder of random vectors."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)

    async def encode_question(self, text: str) -> Vector:
        """Return some vector."""
        del text
        made: Vector = self.some(1)[0]
        return made

    async def encode_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Return as many vectors as texts."""
        return list(self.some(len(texts)))

    def some(self, count: int) -> npt.NDArray[np.float32]:
        """Return `count` vectors of unit length."""
        made = self._random.standard_normal((count, DIMENSION)).astype(np.float32)
        scaled: Vector = made / np.linalg.norm(made, axis=1, keepdims=True)
        return scaled


@dataclass
class Bench:
    """What is measured."""

    stores: Stores
    searcher: Searcher
    desk: LabelDesk
    noise: Noise

    async def put(self, name: str, chunks: int) -> str:
        """Store a document of so many passages; its points are written by `index`."""
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        words = [f"hotel note {name} part {number}" for number in range(chunks)]
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
            chunks=tuple(NewChunk(1000 * place, text) for place, text in enumerate(words)),
            metadata={"format": "text"},
        )
        now = datetime.now(UTC)
        version = await self.stores.records.documents.begin_version(new, now=now)
        payload = point_payload(
            label, self.stores.schema, document=identity, version=version.version, meta={}
        )
        vectors = await self.noise.encode_passages(words)
        await self.stores.engine.upsert(
            [
                Point(version.chunk_id(place), vector, text, payload)
                for place, (text, vector) in enumerate(zip(words, vectors, strict=True))
            ]
        )
        event = AuditEvent(kind=AuditKind.INGEST, time=now, subject="service:bench")
        await self.stores.records.documents.commit_version(version, event)
        return identity

    async def found(self, query: str) -> int:
        """Search once and return how many hits there are."""
        request = SearchRequest(query=query, top_k=10, mode=Mode.HYBRID)
        return len((await self.searcher.search(ASKER, request, datetime.now(UTC))).hits)

    async def searches(self, count: int) -> list[float]:
        """Return how many milliseconds each of `count` searches took."""
        times = []
        for number in range(count):
            started = time.perf_counter()
            await self.found(f"hotel note {number}")
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


async def one_document(made: Bench, rounds: int) -> None:
    """Print how long a change of a document of many passages takes until it shows."""
    identity = await made.put("large.txt", CHUNKS)
    changed, shown = [], []
    for number in range(rounds):
        readers = [] if number % 2 == 0 else ["group:everyone"]
        started = time.perf_counter()
        await made.desk.change(
            OPERATOR,
            Target(identity, number + 1),
            LabelRequest(values={"readers": readers}),
            now=datetime.now(UTC),
        )
        changed.append(1000 * (time.perf_counter() - started))
        assert bool(await made.found("hotel note large")) is bool(readers)
        shown.append(1000 * (time.perf_counter() - started))
    _print(f"change of {CHUNKS} passages, acknowledged", changed)
    _print("the same, with the search that shows it", shown)


async def many_documents(made: Bench, documents: int) -> None:
    """Print what searches feel while every document changes in one job."""
    for number in range(documents):
        await made.put(f"notes/n{number}.txt", 1)
    before = await made.searches(300)
    bulk = BulkDesk(made.desk)
    request = LabelRequest(values={"compartments": ["board"]})
    selection = Selection(folder="/acme/notes/", tenant="acme")
    started = time.perf_counter()
    begun = await bulk.begin(OPERATOR, selection, request)
    print(f"{'job of ' + str(documents) + ' documents stored':<44} {_since(started):8.2f} s")
    started = time.perf_counter()
    job = asyncio.create_task(bulk.run(begun.job.id))
    during: list[float] = []
    while not job.done():
        during += await made.searches(10)
    assert (await job).pending == 0
    print(f"{'carried out while others search':<44} {_since(started):8.2f} s")
    assert await made.found("hotel note 7") == 0
    _print("search before", before)
    _print("search during", during)


def _since(started: float) -> float:
    return time.perf_counter() - started


def _print(name: str, times: list[float]) -> None:
    p50, p99 = (float(np.quantile(times, share)) for share in (0.5, 0.99))
    print(f"{name:<44} p50 {p50:8.2f} ms   p99 {p99:8.2f} ms   of {len(times)}")


async def run(documents: int) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder)) as made:
            await one_document(made, rounds=40)
            await made.desk.change(
                OPERATOR,
                Target(str(uuid.uuid5(uuid.NAMESPACE_URL, "large.txt")), 41),
                LabelRequest(values={"readers": []}),
                now=datetime.now(UTC),
            )
            await many_documents(made, documents)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    asyncio.run(run(parser.parse_args().documents))


if __name__ == "__main__":
    main()
