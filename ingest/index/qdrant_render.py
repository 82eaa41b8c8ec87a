"""Wire filters, leaves and points in the classes of Qdrant's client.

The law of this file: the same filter means the same on every engine. It is rendered by one
`match`, closed by `assert_never`, and the conformance corpus holds every engine to one oracle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, assert_never

import qdrant_edge
from qdrant_client import models

from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition
from acl.labels import AttributeType
from ingest.index.engine import Candidate, DenseLeaf, Leaf, Plan, Point, SparseLeaf, Terms, pairs

_TENANT: Final = "label.value.tenant"

# The embedded engine's own tokenizer and weights, so that both engines hold the same vectors.
_BM25: Final = qdrant_edge.Bm25()


def render(filter_: Filter) -> models.Filter:
    """Return the client's own filter."""
    return models.Filter(
        must=_all(filter_.must), should=_all(filter_.should), must_not=_all(filter_.must_not)
    )


def search_params(leaf: DenseLeaf) -> models.SearchParams:
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


def index_params(
    key: str, kind: AttributeType
) -> models.KeywordIndexParams | models.IntegerIndexParams:
    """Return the payload index for a key of the declared type."""
    match kind:
        case AttributeType.INTEGER | AttributeType.BOOLEAN | AttributeType.DATETIME:
            # Booleans are stored as 0 and 1, moments as whole seconds (acl.engine.payload).
            integer = models.IntegerIndexType.INTEGER
            return models.IntegerIndexParams(type=integer, lookup=True, range=True)
        case AttributeType.KEYWORD | AttributeType.KEYWORD_SET | AttributeType.PATH:
            keyword = models.KeywordIndexType.KEYWORD
            return models.KeywordIndexParams(
                type=keyword, is_tenant=True if key == _TENANT else None
            )
        case _:
            assert_never(kind)


def _all(conditions: tuple[WireCondition, ...]) -> list[models.Condition] | None:
    return [_condition(one) for one in conditions] or None


def _condition(condition: WireCondition) -> models.Condition:
    match condition:
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


def point_struct(point: Point) -> models.PointStruct:
    """Return a point, its sparse vector made from its text."""
    sparse = _sparse(_BM25.embed_document(point.text))
    vectors = {"dense": point.dense.tolist(), "sparse": sparse}
    return models.PointStruct(id=point.id, vector=vectors, payload=dict(point.payload))


def query_request(leaf: Leaf, *, local: bool) -> models.QueryRequest:
    """Return the query of one leaf; `local` mode is always exact and warns of other wishes."""
    match leaf:
        case DenseLeaf():
            query: Any = leaf.vector.tolist()
            using, params = "dense", None if local else search_params(leaf)
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


def steady_requests(leaf: SparseLeaf, found: Sequence[Candidate]) -> list[models.QueryRequest]:
    """Return the queries that score `found` again by pairs of terms (`ingest.index.engine`)."""
    question = _BM25.embed_query(leaf.text)
    terms = Terms(tuple(question.indices), tuple(question.values))
    these = models.HasIdCondition(has_id=[one.id for one in found])
    corpus = models.IdfCorpusParams(corpus=render(leaf.corpus))
    return [
        models.QueryRequest(
            query=models.NearestQuery(
                nearest=models.SparseVector(indices=list(part.indices), values=list(part.values))
            ),
            using="sparse",
            filter=models.Filter(must=[these, render(leaf.filter)]),
            limit=len(found),
            params=models.SearchParams(idf=corpus),
        )
        for part in pairs(terms)
    ]


def _sparse(vector: qdrant_edge.SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices, values=vector.values)
