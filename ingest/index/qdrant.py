"""A Qdrant cluster as `VectorEngine`, and the client's in-memory mode for tests.

The laws of this file:

1. Writes wait, with strong ordering; reads ask a majority. A read key and a write key are two
   clients, so that a service that only searches holds no key that can write.
2. The server refuses filters on keys that have no index (strict mode).
3. The client's on-disk mode is out of reach: it unpickles what it finds (`path` has no name here).
4. The same filter means the same on every engine. It is rendered by one `match`, closed by
   `assert_never`, and the conformance corpus holds every engine to one oracle.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, Final, TypeVar, assert_never
from urllib.parse import urlsplit

import grpc
import qdrant_edge
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from acl.engine.payload import payload_indexes
from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition
from acl.labels import AttributeType, LabelSchema
from ingest.index.engine import (
    DIMENSION,
    GRAPH,
    TENANT_KEY,
    Candidate,
    DenseLeaf,
    EngineError,
    EngineUnavailableError,
    Leaf,
    Payload,
    Plan,
    Point,
    SparseLeaf,
    is_whole_number,
    pairs,
    resummed,
)

FORMAT: Final = 1

_DURABLY: Final[Mapping[str, Any]] = {"wait": True, "ordering": models.WriteOrdering.STRONG}
_MAJORITY: Final = models.ReadConsistencyType.MAJORITY
_POINTS_PER_REQUEST: Final = 500
_OPTIMIZE_SECONDS: Final = 1800.0
_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
_BUSY_GRPC: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)

# The embedded engine's own tokenizer and weights, so that both engines hold the same vectors.
_BM25: Final = qdrant_edge.Bm25()

_T = TypeVar("_T")


class QdrantEngine:
    """`VectorEngine` on a Qdrant collection. Made by `in_memory` or `on_server`."""

    def __init__(
        self,
        *,
        reader: AsyncQdrantClient,
        writer: AsyncQdrantClient | None,
        local: bool,
        collection: str = "strongroom",
        dimension: int = DIMENSION,
    ) -> None:
        self._reader = reader
        self._writer_or_none = writer
        self._local = local
        self._name = collection
        self._dimension = dimension

    @classmethod
    def in_memory(cls, *, dimension: int = DIMENSION) -> QdrantEngine:
        """Return an engine that forgets; for tests, because it scans everything in Python."""
        client = AsyncQdrantClient(location=":memory:")
        return cls(reader=client, writer=client, local=True, dimension=dimension)

    @classmethod
    def on_server(  # noqa: PLR0913 - two keys are the point
        cls,
        url: str,
        *,
        read_key: str | None = None,
        write_key: str | None = None,
        may_write: bool = True,
        prefer_grpc: bool = False,
        timeout: int = 10,
        collection: str = "strongroom",
        dimension: int = DIMENSION,
    ) -> QdrantEngine:
        """Return an engine on the server at `url`.

        Raises:
            EngineError: `url` is not the address of a server.
        """
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise EngineError(f"`{url}` is not the http or https address of a Qdrant server")

        def client(key: str | None) -> AsyncQdrantClient:
            return AsyncQdrantClient(
                url=url,
                api_key=key,
                prefer_grpc=prefer_grpc,
                timeout=timeout,
                check_compatibility=False,
            )

        writer = client(write_key) if may_write else None  # law 1
        return cls(
            reader=client(read_key),
            writer=writer,
            local=False,
            collection=collection,
            dimension=dimension,
        )

    async def open(self, schema: LabelSchema) -> None:
        """Create the collection with every payload index, or attach to it.

        Raises:
            EngineError: the collection was made for another label schema, dimension or format.
        """
        if not await _called(self._reader.collection_exists(self._name)):
            await self._create_once(schema)
        info = await _called(self._reader.get_collection(self._name))
        found = info.config.metadata or {}
        for name, value in self._facts(schema).items():
            if found.get(name) != value:
                raise EngineError(f"the collection was made for another {name}")
        if self._writer_or_none is not None:
            await self._index(schema, info.payload_schema or {})

    async def upsert(self, points: Sequence[Point]) -> None:
        """Write points, vectors and payload together, in requests of bounded size."""
        for start in range(0, len(points), _POINTS_PER_REQUEST):
            made = [_point_struct(one) for one in points[start : start + _POINTS_PER_REQUEST]]
            await _called(self._writer.upsert(self._name, points=made, **_DURABLY))  # law 1

    async def set_label(self, where: Filter, payload: Payload) -> None:
        """Replace the label of every point in `where`."""
        label = {"label": dict(payload)}
        await _called(
            self._writer.set_payload(self._name, payload=label, points=render(where), **_DURABLY)
        )

    async def delete(self, where: Filter) -> None:
        """Delete every point in `where`."""
        selector = models.FilterSelector(filter=render(where))
        await _called(self._writer.delete(self._name, points_selector=selector, **_DURABLY))

    async def query(self, leaves: Sequence[Leaf]) -> list[list[Candidate]]:
        """Answer each leaf, best first: one request, and one more for each steady leaf."""
        answers = await self._batch([_query_request(leaf, local=self._local) for leaf in leaves])
        for place, leaf in enumerate(leaves):
            if isinstance(leaf, SparseLeaf) and leaf.steady and answers[place]:
                parts = await self._batch(_steady_requests(leaf, answers[place]))
                answers[place] = resummed(answers[place], parts)
        return answers

    async def count(self, where: Filter, *, exact: bool) -> int:
        """Count the points in `where`, or estimate their number."""
        answer = await _called(
            self._reader.count(self._name, count_filter=render(where), exact=exact)
        )
        return int(answer.count)

    async def scroll(self, where: Filter, *, batch: int = 1000) -> AsyncIterator[Candidate]:
        """Walk over every point in `where` in the order of ids."""
        offset: Any = None
        while True:
            records, offset = await _called(
                self._reader.scroll(
                    self._name,
                    scroll_filter=render(where),
                    limit=batch,
                    offset=offset,
                    with_payload=True,
                    consistency=_MAJORITY,
                )
            )
            for record in records:
                yield Candidate(str(record.id), 0.0, record.payload or {})
            if offset is None:
                return

    async def optimize(self) -> None:
        """Wait until the server, which builds its graphs by itself, has nothing left to build.

        Raises:
            EngineUnavailableError: it is still building after half an hour.
        """
        deadline = time.monotonic() + _OPTIMIZE_SECONDS
        while time.monotonic() < deadline:
            info = await _called(self._reader.get_collection(self._name))
            if info.status is models.CollectionStatus.GREEN:
                return
            await asyncio.sleep(1)
        raise EngineUnavailableError("the server is still building its graph")

    async def ping(self) -> None:
        """Return when the server answers for the collection."""
        await _called(self._reader.collection_exists(self._name))

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.close()
        if self._writer_or_none is not None and self._writer_or_none is not self._reader:
            await self._writer_or_none.close()

    async def _batch(self, requests: list[models.QueryRequest]) -> list[list[Candidate]]:
        answers = await _called(
            self._reader.query_batch_points(self._name, requests=requests, consistency=_MAJORITY)
        )
        return [
            [Candidate(str(one.id), one.score, one.payload or {}) for one in answer.points]
            for answer in answers
        ]

    @property
    def _writer(self) -> AsyncQdrantClient:
        if self._writer_or_none is None:
            raise EngineError("this engine was made for reading alone")
        return self._writer_or_none

    def _facts(self, schema: LabelSchema) -> dict[str, object]:
        return {"format": FORMAT, "schema": schema.digest, "dimension": self._dimension}

    async def _create_once(self, schema: LabelSchema) -> None:
        try:
            await self._create(schema)
        except EngineError:
            # Another replica may have been faster; what it made is checked like any other.
            if not await _called(self._reader.collection_exists(self._name)):
                raise

    async def _create(self, schema: LabelSchema) -> None:
        dense = models.VectorParams(size=self._dimension, distance=models.Distance.COSINE)
        sparse = models.SparseVectorParams(modifier=models.Modifier.IDF)
        graph = models.HnswConfigDiff(**GRAPH)
        strict = models.StrictModeConfig(
            enabled=True, unindexed_filtering_retrieve=False, unindexed_filtering_update=False
        )
        await _called(
            self._writer.create_collection(
                self._name,
                vectors_config={"dense": dense},
                sparse_vectors_config={"sparse": sparse},
                hnsw_config=graph,
                strict_mode_config=strict,
                metadata=self._facts(schema),
            )
        )

    async def _index(self, schema: LabelSchema, present: Mapping[str, object]) -> None:
        if self._local:  # It has no payload indexes, and says so each time.
            return
        for key, kind in payload_indexes(schema).items():
            if key not in present:
                await _called(
                    self._writer.create_payload_index(
                        self._name,
                        field_name=key,
                        field_schema=_index_params(key, kind),
                        **_DURABLY,
                    )
                )


async def _called(call: Awaitable[_T]) -> _T:
    """Await `call`; what goes wrong is named without repeating what was sent or stored."""
    try:
        return await call
    except UnexpectedResponse as error:
        status = error.status_code
        kind = EngineUnavailableError if status in _BUSY else EngineError
        raise kind(f"the server answered with status {status}") from error
    except (ApiException, ResourceExhaustedResponse, OSError) as error:
        raise EngineUnavailableError("the server cannot be reached") from error
    except grpc.aio.AioRpcError as error:
        kind = EngineUnavailableError if error.code() in _BUSY_GRPC else EngineError
        raise kind(f"the server answered with status {error.code().name}") from error
    except ValueError as error:
        raise EngineError(f"the client refused the call: {type(error).__name__}") from error


def render(filter_: Filter) -> models.Filter:
    """Return the client's own filter."""
    must, should, must_not = (
        [_condition(condition) for condition in part] or None
        for part in (filter_.must, filter_.should, filter_.must_not)
    )
    return models.Filter(must=must, should=should, must_not=must_not)


def _search_params(leaf: DenseLeaf) -> models.SearchParams:
    """Return the parameters of a dense leaf's plan."""
    match leaf.plan:
        case Plan.EXACT:
            return models.SearchParams(exact=True)
        case Plan.ACORN:
            acorn = models.AcornSearchParams(enable=True, max_selectivity=1.0)
            return models.SearchParams(hnsw_ef=leaf.ef, acorn=acorn)
        case Plan.HNSW:
            return models.SearchParams(hnsw_ef=leaf.ef)
        case _:
            assert_never(leaf.plan)


def _index_params(
    key: str, kind: AttributeType
) -> models.KeywordIndexParams | models.IntegerIndexParams:
    """Return the payload index for a key of the declared type."""
    if is_whole_number(kind):
        integer = models.IntegerIndexType.INTEGER
        return models.IntegerIndexParams(type=integer, lookup=True, range=True)
    keyword = models.KeywordIndexType.KEYWORD
    return models.KeywordIndexParams(type=keyword, is_tenant=True if key == TENANT_KEY else None)


def _condition(condition: WireCondition) -> models.Condition:
    match condition:  # law 4
        case MatchAny(key, values):
            return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))  # type: ignore[arg-type]
        case MatchExcept(key, texts):
            return models.FieldCondition(
                key=key, match=models.MatchExcept(**{"except": list(texts)})
            )
        case Range(key, gte, lte):
            return models.FieldCondition(key=key, range=models.Range(gte=gte, lte=lte))
        case Filter():
            return render(condition)
        case _:
            assert_never(condition)


def _point_struct(point: Point) -> models.PointStruct:
    """Return a point, its sparse vector made from its text."""
    sparse = _sparse(_BM25.embed_document(point.text))
    vectors = {"dense": point.dense.tolist(), "sparse": sparse}
    return models.PointStruct(id=point.id, vector=vectors, payload=dict(point.payload))


def _query_request(leaf: Leaf, *, local: bool) -> models.QueryRequest:
    """Return the query of one leaf; `local` mode is always exact and warns of other wishes."""
    match leaf:
        case DenseLeaf():
            query: Any = leaf.vector.tolist()
            using, params = "dense", None if local else _search_params(leaf)
        case SparseLeaf():
            query = _sparse(_BM25.embed_query(leaf.text))
            corpus = models.IdfCorpusParams(corpus=render(leaf.corpus))
            using, params = "sparse", models.SearchParams(idf=corpus)
        case _:
            assert_never(leaf)
    return models.QueryRequest(
        query=models.NearestQuery(nearest=query),
        using=using,
        filter=render(leaf.filter),
        limit=leaf.limit,
        params=params,
        with_payload=["document"],
    )


def _steady_requests(leaf: SparseLeaf, found: Sequence[Candidate]) -> list[models.QueryRequest]:
    """Return the queries that score `found` again by pairs of terms (`ingest.index.engine`)."""
    question = _BM25.embed_query(leaf.text)
    these = models.HasIdCondition(has_id=[one.id for one in found])
    corpus = models.IdfCorpusParams(corpus=render(leaf.corpus))
    return [
        models.QueryRequest(
            query=models.NearestQuery(nearest=models.SparseVector(indices=indices, values=values)),
            using="sparse",
            filter=models.Filter(must=[these, render(leaf.filter)]),
            limit=len(found),
            params=models.SearchParams(idf=corpus),
        )
        for indices, values in pairs(question.indices, question.values)
    ]


def _sparse(vector: qdrant_edge.SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices, values=vector.values)
