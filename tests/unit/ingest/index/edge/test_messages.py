from __future__ import annotations

import random
from typing import Any

import msgpack
import numpy as np
import pytest

from acl.engine.payload import payload_indexes
from acl.engine.wire import Filter, MatchAny
from ingest.index.edge.frames import FrameError
from ingest.index.edge.messages import (
    MAX_DEPTH,
    pack_candidates,
    pack_filter,
    pack_leaf,
    pack_point,
    pack_vector,
    unpack_candidates,
    unpack_filter,
    unpack_indexes,
    unpack_leaf,
    unpack_point,
    unpack_vector,
)
from ingest.index.engine import Candidate, DenseLeaf, Plan, SparseLeaf
from tests.conformance import corpus

WHERE = Filter(must=(MatchAny("a", ("x",)),))


def travelled(value: object) -> Any:
    return msgpack.unpackb(msgpack.packb(value))


def test_filters_come_back_as_they_went() -> None:
    rng = random.Random(1)
    for _ in range(300):
        where = corpus.wire(rng, depth=3)
        assert unpack_filter(travelled(pack_filter(where))) == where


def test_leaves_points_and_candidates_come_back_as_they_went() -> None:
    rng = random.Random(2)
    vector = corpus.vector(rng)
    dense = DenseLeaf(vector=vector, filter=WHERE, limit=3, plan=Plan.ACORN, ef=70)
    sparse = SparseLeaf(text="words", filter=WHERE, corpus=WHERE, limit=3, steady=False)
    point = corpus.labelling(rng).point
    candidates = [Candidate("i", float(np.float32(0.1)), {"document": {"id": "d"}})]

    back = unpack_leaf(travelled(pack_leaf(dense)), dimension=corpus.DIMENSION)
    assert isinstance(back, DenseLeaf)
    assert (back.filter, back.limit, back.plan, back.ef) == (WHERE, 3, Plan.ACORN, 70)
    assert back.vector.tobytes() == vector.tobytes()
    assert unpack_leaf(travelled(pack_leaf(sparse)), dimension=corpus.DIMENSION) == sparse
    held = unpack_point(travelled(pack_point(point)), dimension=corpus.DIMENSION)
    assert (held.id, held.text, held.payload) == (point.id, point.text, point.payload)
    assert unpack_candidates(travelled(pack_candidates(candidates))) == candidates
    indexes = payload_indexes(corpus.SCHEMA)
    assert unpack_indexes({key: str(kind) for key, kind in indexes.items()}) == indexes


def nested(depth: int) -> list[Any]:
    where: list[Any] = ["any", "a", ["x"]]
    for _ in range(depth):
        where = ["filter", [where], [], []]
    return where


FILTERS: dict[str, tuple[object, str]] = {
    "nothing": (None, "no known shape"),
    "empty": (["filter", [], [], []], "without a positive condition"),
    "negative alone": (["filter", [], [], [["any", "a", ["x"]]]], "without a positive condition"),
    "empty inside": (["filter", [["filter", [], [], []]], [], []], "without a positive condition"),
    "no value": (["filter", [["any", "a", []]], [], []], "no value"),
    "mixed": (["filter", [["any", "a", ["x", 1]]], [], []], "all texts or all integers"),
    "boolean": (["filter", [["any", "a", [True]]], [], []], "all texts or all integers"),
    "float": (["filter", [["any", "a", [1.5]]], [], []], "texts or integers"),
    "except number": (["filter", [["except", "a", [1]]], [], []], "than a text"),
    "no bound": (["filter", [["range", "a", None, None]], [], []], "without a bound"),
    "text bound": (["filter", [["range", "a", "1", None]], [], []], "not an integer"),
    "boolean bound": (["filter", [["range", "a", True, None]], [], []], "not an integer"),
    "unknown kind": (["filter", [["prefix", "a", "x"]], [], []], "no known shape"),
    "not a filter": (["any", "a", ["x"]], "where a filter is expected"),
    "too deep": (nested(MAX_DEPTH + 2), "nested deeper"),
}


@pytest.mark.parametrize(("raw", "message"), FILTERS.values(), ids=FILTERS)
def test_a_broken_filter_is_refused(raw: object, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        unpack_filter(raw)


def test_the_deepest_allowed_filter_passes() -> None:
    assert unpack_filter(nested(MAX_DEPTH))


DENSE = pack_leaf(DenseLeaf(vector=np.ones(4, dtype=np.float32), filter=WHERE, limit=1))

LEAVES: dict[str, tuple[object, str]] = {
    "no map": ([], "not a map"),
    "no filter": ({"limit": 1}, "no known shape"),
    "no limit": (DENSE | {"limit": 0}, "not positive"),
    "another dimension": (DENSE | {"vector": b"0" * 8}, "not 4 float32"),
    "no vector": (DENSE | {"vector": None}, "not 4 float32"),
    "not finite": (
        DENSE | {"vector": pack_vector(np.array([1, np.nan, 0, 0], dtype=np.float32))},
        "not finite",
    ),
    "plan": (DENSE | {"plan": "fast"}, "no known plan"),
    "plan list": (DENSE | {"plan": []}, "no known plan"),
    "no corpus": ({"text": "x", "filter": DENSE["filter"], "limit": 1}, "no known shape"),
    "text": ({"text": 1, "filter": DENSE["filter"], "corpus": DENSE["filter"], "limit": 1}, "text"),
}


@pytest.mark.parametrize(("raw", "message"), LEAVES.values(), ids=LEAVES)
def test_a_broken_leaf_is_refused(raw: object, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        unpack_leaf(raw, dimension=4)


def test_other_broken_values_are_refused() -> None:
    with pytest.raises(FrameError, match="an id, a vector, a text and a payload"):
        unpack_point(["id", b"", "text", []], dimension=4)
    with pytest.raises(FrameError, match="an id, a score and a payload"):
        unpack_candidates([["id", 1, {}]])
    with pytest.raises(FrameError, match="not a list"):
        unpack_candidates(None)
    with pytest.raises(FrameError, match="no known type"):
        unpack_indexes({"a": "vector"})
    with pytest.raises(FrameError, match="not a map"):
        unpack_indexes([])
    with pytest.raises(FrameError, match="not 4 float32"):
        unpack_vector("text", dimension=4)
