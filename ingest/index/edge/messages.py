"""What travels inside a frame: filters, leaves, points and candidates.

The laws of this file:

1. What arrives is rebuilt through the constructors of the wire filter, so that an empty filter
   cannot arrive any more than it can be built. Whatever else is wrong raises `FrameError`.
2. Vectors travel as float32 bytes, finite and of the expected dimension. Scores travel as
   float64, which carries the engine's float32 bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, assert_never

import numpy as np

from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition
from acl.labels import AttributeType
from ingest.index.edge.frames import FrameError, text, whole
from ingest.index.engine import Candidate, DenseLeaf, Leaf, Plan, Point, SparseLeaf, Vector

MAX_DEPTH: Final = 64


def pack_filter(condition: WireCondition) -> list[Any]:
    """Return a condition as a list that begins with its kind."""
    match condition:
        case MatchAny(key, values):
            return ["any", key, list(values)]
        case MatchExcept(key, values):
            return ["except", key, list(values)]
        case Range(key, gte, lte):
            return ["range", key, gte, lte]
        case Filter(must, should, must_not):
            return [
                "filter",
                *([pack_filter(one) for one in part] for part in (must, should, must_not)),
            ]
        case _:
            assert_never(condition)


def unpack_filter(raw: object) -> Filter:
    """Return the filter in `raw`.

    Raises:
        FrameError: it is no filter, an empty one, or nested deeper than `MAX_DEPTH`.
    """
    condition = _condition(raw, MAX_DEPTH)
    if not isinstance(condition, Filter):
        raise FrameError("a condition stands where a filter is expected")
    return condition


def pack_leaf(leaf: Leaf) -> dict[str, Any]:
    """Return a leaf as a map."""
    match leaf:
        case DenseLeaf():
            shape = {"vector": pack_vector(leaf.vector), "plan": str(leaf.plan), "ef": leaf.ef}
        case SparseLeaf():
            corpus = pack_filter(leaf.corpus)
            shape = {"text": leaf.text, "corpus": corpus, "steady": leaf.steady}
        case _:
            assert_never(leaf)
    return {"filter": pack_filter(leaf.filter), "limit": leaf.limit, **shape}


def unpack_leaf(raw: object, *, dimension: int) -> Leaf:
    """Return the leaf in `raw`.

    Raises:
        FrameError: it is none, or its vector has another dimension.
    """
    if not isinstance(raw, dict):
        raise FrameError("a leaf is not a map")
    where, limit = unpack_filter(raw.get("filter")), whole(raw, "limit")
    if limit < 1:
        raise FrameError("the limit of a leaf is not positive")
    if "text" in raw:
        return SparseLeaf(
            text=text(raw, "text"),
            filter=where,
            corpus=unpack_filter(raw.get("corpus")),
            limit=limit,
            steady=raw.get("steady") is not False,
        )
    vector, ef = unpack_vector(raw.get("vector"), dimension=dimension), whole(raw, "ef")
    try:
        plan = Plan(raw.get("plan", ""))
    except (ValueError, TypeError) as error:
        raise FrameError("a dense leaf names no known plan") from error
    return DenseLeaf(vector=vector, filter=where, limit=limit, plan=plan, ef=ef)


def pack_point(point: Point) -> list[Any]:
    """Return a point as a list of its four fields."""
    return [point.id, pack_vector(point.dense), point.text, point.payload]


def unpack_point(raw: object, *, dimension: int) -> Point:
    """Return the point in `raw`.

    Raises:
        FrameError: it is none, or its vector has another dimension.
    """
    match raw:
        case [str(identity), vector, str(passage), dict(payload)]:
            return Point(identity, unpack_vector(vector, dimension=dimension), passage, payload)
        case _:
            raise FrameError("a point is not an id, a vector, a text and a payload")


def pack_candidates(candidates: Sequence[Candidate]) -> list[Any]:
    """Return candidates as lists of id, score and payload."""
    return [[one.id, one.score, one.payload] for one in candidates]


def unpack_candidates(raw: object) -> list[Candidate]:
    """Return the candidates in `raw`.

    Raises:
        FrameError: it is not a list of them.
    """
    if not isinstance(raw, list):
        raise FrameError("the candidates are not a list")
    return [_candidate(one) for one in raw]


def pack_vector(vector: Vector) -> bytes:
    """Return the vector's float32 bytes."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def unpack_vector(raw: object, *, dimension: int) -> Vector:
    """Return the vector in `raw`.

    Raises:
        FrameError: it has another dimension or an entry that is not finite.
    """
    if not isinstance(raw, bytes) or len(raw) != 4 * dimension:
        raise FrameError(f"a vector is not {dimension} float32 numbers")
    vector: Vector = np.frombuffer(raw, dtype="<f4")
    if not np.isfinite(vector).all():
        raise FrameError("a vector holds an entry that is not finite")
    return vector


def unpack_indexes(raw: object) -> dict[str, AttributeType]:
    """Return the payload indexes in `raw`: key to type.

    Raises:
        FrameError: it is not a map of them.
    """
    if not isinstance(raw, dict):
        raise FrameError("the payload indexes are not a map")
    try:
        return {str(key): AttributeType(kind) for key, kind in raw.items()}
    except (ValueError, TypeError) as error:
        raise FrameError("a payload index names no known type") from error


def _condition(raw: object, depth: int) -> WireCondition:
    if depth < 0:
        raise FrameError(f"a filter is nested deeper than {MAX_DEPTH}")
    try:
        return _rebuilt(raw, depth)
    except FrameError:
        raise
    except ValueError as error:
        # The constructors' own sentences: an empty filter, a match on no value, no bound.
        raise FrameError(str(error)) from error


def _rebuilt(raw: object, depth: int) -> WireCondition:
    match raw:
        case ["any", str(key), [*values]]:
            return MatchAny(key, tuple(map(_scalar, values)))
        case ["except", str(key), [*values]]:
            return MatchExcept(key, tuple(map(_text, values)))
        case ["range", str(key), gte, lte]:
            return Range(key, _bound(gte), _bound(lte))
        case ["filter", [*must], [*should], [*must_not]]:
            parts = (must, should, must_not)
            return Filter(*(tuple(_condition(one, depth - 1) for one in part) for part in parts))
        case _:
            raise FrameError("a condition has no known shape")


def _scalar(value: object) -> str | int:
    if not isinstance(value, str | int):
        raise FrameError("a match is on something else than texts or integers")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise FrameError("an exception is something else than a text")
    return value


def _bound(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise FrameError("the bound of a range is not an integer")
    return value


def _candidate(raw: object) -> Candidate:
    match raw:
        case [str(identity), float(score), dict(payload)]:
            return Candidate(identity, score, payload)
        case _:
            raise FrameError("a candidate is not an id, a score and a payload")
