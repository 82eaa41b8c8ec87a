"""The embedded engine's shard: one directory on disk.

The laws of this file:

1. Every payload index exists before the first point, because the graph is linked along them
   while it is built and never afterwards.
2. The collection's schema and dimension stand beside the shard; another schema is refused.
3. A directory named `shard` is whole. It is made aside and renamed, so that a process that is
   killed while it creates one leaves nothing that looks finished.
4. A write returns when the write-ahead log that holds it is on disk. The log alone outlives the
   process; synced, it outlives the power supply too. A flush of every segment and index, which
   costs ten times as much, comes later (`flush`) and only shortens the next opening.
5. A document is written with its label in one operation, and a label is replaced as a whole.
6. The same filter means the same on every engine. It is rendered by one `match`, closed by
   `assert_never`, and the conformance corpus holds every engine to one oracle.
7. A filter is nested to a bounded depth, so that none exhausts the engine's stack.
8. A vector of another dimension is refused here.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, assert_never

import qdrant_edge as edge

from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition
from acl.labels import AttributeType
from ingest.index.engine import (
    GRAPH,
    TENANT_KEY,
    Candidate,
    DenseLeaf,
    EngineError,
    Leaf,
    Payload,
    Plan,
    Point,
    SparseLeaf,
    Vector,
    is_whole_number,
    pairs,
    resummed,
)

FORMAT: Final = 1
"""Of the directory; another number is refused."""

# Sparse leaves with fewer visible points are scanned point by point, in one order of summation.
# Above it the engine walks posting lists longest first, and how long they are depends on hidden
# points, down to the last bit of a score. It is well above the largest set that is searched
# exactly (retrieval.search.plan).
_SPARSE_SCAN_POINTS: Final = 50_000
# The engine renames files of its log every 32 MB; if it does each time we look, something is wrong.
_SYNC_ROUNDS: Final = 100

MAX_DEPTH: Final = 64


_EdgeCondition: TypeAlias = (
    edge.FieldCondition
    | edge.IsEmptyCondition
    | edge.IsNullCondition
    | edge.HasIdCondition
    | edge.HasVectorCondition
    | edge.NestedCondition
    | edge.Filter
)
_IndexParams: TypeAlias = edge.KeywordIndexParams | edge.IntegerIndexParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a shard is made for."""

    schema: str
    dimension: int
    indexes: Mapping[str, AttributeType]

    @property
    def facts(self) -> dict[str, object]:
        """What stands beside the shard."""
        return {"format": FORMAT, "schema": self.schema, "dimension": self.dimension}


class Shard:
    """One open shard. The engine allows one opener, and holds the interpreter for each call."""

    def __init__(self, shard: edge.EdgeShard, collection: Collection) -> None:
        self._shard = shard
        self._bm25 = edge.Bm25()
        self._log: Path | None = None
        self.collection = collection
        self.unflushed = 0

    @classmethod
    def attach(cls, directory: Path, collection: Collection) -> Shard:
        """Open the shard in `directory`, or make one.

        Raises:
            EngineError: it was made for another schema, dimension or format.
        """
        home = directory / "shard"
        if not home.exists():
            _make(directory, collection)
        _check(_recorded(directory), collection)
        shard = cls(edge.EdgeShard.load(str(home)), collection)
        shard._log = home / "wal"
        shard.index(collection.indexes)
        return shard

    def index(self, indexes: Mapping[str, AttributeType]) -> None:
        """Create the payload indexes that are missing, and those whose type has changed.

        Only metadata can be missing here: the label's indexes are part of the schema's digest.
        The graph has no links along an index that is made late; recall is then the plan's care.
        """
        present = self._shard.info().payload_schema
        for key, kind in indexes.items():
            wanted = _index_params(key, kind)
            if key in present and present[key].data_type != _data_type(wanted):
                self._shard.update(edge.UpdateOperation.delete_field_index(key))
            elif key in present:
                continue
            self._shard.update(edge.UpdateOperation.create_field_index(key, wanted))
        self._shard.flush()

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points, vectors and payload together."""
        made = [self._point(point) for point in points]
        self._write(edge.UpdateOperation.upsert_points(made), points=len(made))

    def set_label(self, where: Filter, label: Payload) -> None:
        """Replace the label of every point in `where`."""
        payload = {"label": dict(label)}  # law 5
        self._write(edge.UpdateOperation.set_payload_by_filter(render(where), payload))

    def delete(self, where: Filter) -> None:
        """Delete every point in `where`."""
        self._write(edge.UpdateOperation.delete_points_by_filter(render(where)))

    def query(self, leaves: Sequence[Leaf]) -> list[list[Candidate]]:
        """Answer each leaf, best first."""
        answers = self._batch([self._leaf(leaf) for leaf in leaves])
        return [
            self._steady(leaf, found) if isinstance(leaf, SparseLeaf) and leaf.steady else found
            for leaf, found in zip(leaves, answers, strict=True)
        ]

    def count(self, where: Filter, *, exact: bool) -> int:
        """Count the points in `where`."""
        return self._shard.count(edge.CountRequest(exact=exact, filter=render(where)))

    def scroll(
        self, where: Filter, *, after: str | None, limit: int
    ) -> tuple[list[Candidate], str | None]:
        """Return the next `limit` points in the order of ids, and where to go on."""
        request = edge.ScrollRequest(
            offset=after, limit=limit, filter=render(where), with_payload=True
        )
        records, following = self._shard.scroll(request)
        return [_candidate(one, 0.0) for one in records], None if following is None else str(
            following
        )

    def optimize(self) -> None:
        """Build the graph; returns when nothing is left to build."""
        self._shard.optimize()
        self.flush()

    def flush(self) -> None:
        """Write out every segment, so that the log need not be replayed."""
        self._shard.flush()
        self.unflushed = 0

    def close(self) -> None:
        """Flush and let go of the directory."""
        self.flush()
        self._shard.close()

    def _steady(self, leaf: SparseLeaf, found: list[Candidate]) -> list[Candidate]:
        """Score again those that were found, in an order that is always the same."""
        if not found:
            return found
        question = self._bm25.embed_query(leaf.text)
        these: set[edge.PointId] = {one.id for one in found}
        where = edge.Filter(must=[edge.HasIdCondition(these), render(leaf.filter)])
        params = edge.SearchParams(idf=edge.IdfParams(corpus=render(leaf.corpus)))
        parts = [
            edge.QueryRequest(
                limit=len(found),
                query=edge.Query.Nearest(edge.SparseVector(*part), using="sparse"),
                filter=where,
                params=params,
            )
            for part in pairs(question.indices, question.values)
        ]
        return resummed(found, self._batch(parts))

    def _batch(self, requests: list[edge.QueryRequest]) -> list[list[Candidate]]:
        answers = self._shard.query_batch(edge.QueryBatchRequest(requests))
        return [[_candidate(one, one.score) for one in answer] for answer in answers]

    def _write(self, operation: edge.UpdateOperation, *, points: int = 1) -> None:
        self._shard.update(operation)
        self.unflushed += points
        if self._log is not None:
            sync_all(self._log)  # law 4

    def _point(self, point: Point) -> edge.Point:
        vectors = {
            "dense": self._measured(point.dense),
            "sparse": self._bm25.embed_document(point.text),
        }
        return edge.Point(point.id, vectors, dict(point.payload))  # type: ignore[arg-type]

    def _measured(self, vector: Vector) -> Vector:
        if vector.shape != (self.collection.dimension,):  # law 8
            raise EngineError(f"a vector is not {self.collection.dimension} float32 numbers")
        return vector

    def _leaf(self, leaf: Leaf) -> edge.QueryRequest:
        match leaf:
            case DenseLeaf():
                query = edge.Query.Nearest(self._measured(leaf.vector), using="dense")  # type: ignore[arg-type]
                params = _search_params(leaf)
            case SparseLeaf():
                query = edge.Query.Nearest(self._bm25.embed_query(leaf.text), using="sparse")
                params = edge.SearchParams(idf=edge.IdfParams(corpus=render(leaf.corpus)))
            case _:
                assert_never(leaf)
        return edge.QueryRequest(
            limit=leaf.limit,
            query=query,
            filter=render(leaf.filter),
            params=params,
            with_payload=["document"],
        )


def _candidate(found: edge.ScoredPoint | edge.Record, score: float) -> Candidate:
    return Candidate(str(found.id), score, found.payload or {})


def _make(directory: Path, collection: Collection) -> None:
    aside = directory / "shard.new"
    shutil.rmtree(aside, ignore_errors=True)
    shard = Shard(edge.EdgeShard.create(str(aside), _config(collection.dimension)), collection)
    shard.index(collection.indexes)  # law 1
    shard.close()
    _record(directory, collection)
    aside.rename(directory / "shard")  # law 3
    _sync(directory)


def _config(dimension: int) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors={"dense": edge.EdgeVectorParams(size=dimension, distance=edge.Distance.Cosine)},
        sparse_vectors={
            "sparse": edge.EdgeSparseVectorParams(
                modifier=edge.Modifier.Idf, full_scan_threshold=_SPARSE_SCAN_POINTS
            )
        },
        hnsw_config=edge.HnswIndexConfig(**GRAPH),
    )


def _record(directory: Path, collection: Collection) -> None:
    aside = directory / "collection.json.new"
    with aside.open("w") as file:
        json.dump(collection.facts, file)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(directory / "collection.json")


def _recorded(directory: Path) -> dict[str, object]:
    try:
        facts = json.loads((directory / "collection.json").read_text())
    except (OSError, ValueError) as error:
        raise EngineError("`collection.json` beside the shard cannot be read") from error
    return facts if isinstance(facts, dict) else {}


def _check(facts: Mapping[str, object], collection: Collection) -> None:
    for name, value in collection.facts.items():  # law 2
        if facts.get(name) != value:
            raise EngineError(f"the shard was made for another {name}: `{facts.get(name)}`")


def sync_all(directory: Path) -> None:
    """Put every file of a directory on disk while the engine renames and removes some of them.

    A file that is gone when its turn comes may be there under another name, not yet synced, so
    the whole directory is gone through again.

    Raises:
        FileNotFoundError: files keep vanishing, or the directory has.
    """
    for left in reversed(range(_SYNC_ROUNDS)):
        try:
            for file in directory.iterdir():
                _sync(file)
        except FileNotFoundError:
            if not left:
                raise
        else:
            return


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def render(filter_: Filter, depth: int = MAX_DEPTH) -> edge.Filter:
    """Return the engine's own filter.

    Raises:
        EngineError: it is nested deeper than `depth`.
    """
    if not depth:  # law 7
        raise EngineError(f"a filter is nested deeper than {MAX_DEPTH}")
    must, should, must_not = (
        [_condition(condition, depth - 1) for condition in part] or None
        for part in (filter_.must, filter_.should, filter_.must_not)
    )
    return edge.Filter(must=must, should=should, must_not=must_not)


def _condition(condition: WireCondition, depth: int) -> _EdgeCondition:
    match condition:  # law 6
        case MatchAny(key, values):
            return edge.FieldCondition(key, match=edge.MatchAny(list(values)))  # type: ignore[arg-type]
        case MatchExcept(key, texts):
            return edge.FieldCondition(key, match=edge.MatchExcept(list(texts)))
        case Range(key, gte, lte):
            return edge.FieldCondition(key, range=edge.RangeFloat(gte=gte, lte=lte))
        case Filter():
            return render(condition, depth)
        case _:
            assert_never(condition)


def _search_params(leaf: DenseLeaf) -> edge.SearchParams:
    """Return the parameters of a dense leaf's plan."""
    match leaf.plan:
        case Plan.EXACT:
            return edge.SearchParams(exact=True)
        case Plan.ACORN:
            acorn = edge.AcornSearchParams(enable=True, max_selectivity=1.0)
            return edge.SearchParams(hnsw_ef=leaf.ef, acorn=acorn)
        case Plan.HNSW:
            return edge.SearchParams(hnsw_ef=leaf.ef)
        case _:
            assert_never(leaf.plan)


def _index_params(key: str, kind: AttributeType) -> _IndexParams:
    """Return the payload index for a key of the declared type."""
    if is_whole_number(kind):
        return edge.IntegerIndexParams(lookup=True, range=True)
    return edge.KeywordIndexParams(is_tenant=key == TENANT_KEY)


def _data_type(params: _IndexParams) -> edge.PayloadSchemaType:
    """Return the type under which the engine lists such an index."""
    if isinstance(params, edge.IntegerIndexParams):
        return edge.PayloadSchemaType.Integer
    return edge.PayloadSchemaType.Keyword
