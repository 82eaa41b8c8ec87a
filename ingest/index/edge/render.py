"""Wire filters, plans and index types in the classes of the embedded engine.

The laws of this file:

1. The same filter means the same on every engine. It is rendered by one `match`, closed by
   `assert_never`, and the conformance corpus holds every engine to one oracle.
2. A filter is nested to a bounded depth, so that none exhausts the engine's stack.
"""

from __future__ import annotations

from typing import Final, TypeAlias, assert_never

import qdrant_edge as edge

from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition
from acl.labels import AttributeType
from ingest.index.engine import DenseLeaf, EngineError, Plan, Terms

MAX_DEPTH: Final = 64

_TENANT: Final = "label.value.tenant"

_EdgeCondition: TypeAlias = (
    edge.FieldCondition
    | edge.IsEmptyCondition
    | edge.IsNullCondition
    | edge.HasIdCondition
    | edge.HasVectorCondition
    | edge.NestedCondition
    | edge.Filter
)
IndexParams: TypeAlias = edge.KeywordIndexParams | edge.IntegerIndexParams


def render(filter_: Filter, depth: int = MAX_DEPTH) -> edge.Filter:
    """Return the engine's own filter.

    Raises:
        EngineError: it is nested deeper than `depth`.
    """
    if not depth:  # law 2
        raise EngineError(f"a filter is nested deeper than {MAX_DEPTH}")
    must, should, must_not = (
        [_condition(condition, depth - 1) for condition in part] or None
        for part in (filter_.must, filter_.should, filter_.must_not)
    )
    return edge.Filter(must=must, should=should, must_not=must_not)


def _condition(condition: WireCondition, depth: int) -> _EdgeCondition:
    match condition:
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


def search_params(leaf: DenseLeaf) -> edge.SearchParams:
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


def sparse(terms: Terms) -> edge.SparseVector:
    """Return terms as a sparse vector."""
    return edge.SparseVector(list(terms.indices), list(terms.values))


def index_params(key: str, kind: AttributeType) -> IndexParams:
    """Return the payload index for a key of the declared type."""
    match kind:
        case AttributeType.INTEGER | AttributeType.BOOLEAN | AttributeType.DATETIME:
            # Booleans are stored as 0 and 1, moments as whole seconds (acl.engine.payload).
            return edge.IntegerIndexParams(lookup=True, range=True)
        case AttributeType.KEYWORD | AttributeType.KEYWORD_SET | AttributeType.PATH:
            return edge.KeywordIndexParams(is_tenant=key == _TENANT)
        case _:
            assert_never(kind)


def data_type(params: IndexParams) -> edge.PayloadSchemaType:
    """Return the type under which the engine lists such an index."""
    if isinstance(params, edge.IntegerIndexParams):
        return edge.PayloadSchemaType.Integer
    return edge.PayloadSchemaType.Keyword
