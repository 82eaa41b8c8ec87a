from __future__ import annotations

import random
from typing import Any

import msgspec
import numpy as np
import pytest

from acl.engine.payload import payload_indexes
from acl.engine.wire import Filter, MatchAny
from ingest.frames import FrameError, unpack
from ingest.index.edge.messages import (
    MAX_FRAME,
    PROTOCOL,
    Answers,
    Counted,
    Delete,
    Open,
    Operation,
    Page,
    Query,
    Refused,
    Reply,
    Request,
    SetLabel,
    Upsert,
    number_of,
    pack_reply,
    pack_request,
    unpack_request,
)
from ingest.index.edge.shard import MAX_DEPTH, render
from ingest.index.engine import Candidate, DenseLeaf, EngineError, Plan, SparseLeaf
from tests.conformance import corpus

WHERE = Filter(must=(MatchAny("a", ("x",)),))
PLAIN = ["filter", [["any", "a", ["x"]]], [], []]
VECTOR = np.ones(4, dtype="<f4").tobytes()


def sent(operation: Operation) -> Any:
    """Return an operation as it arrives."""
    return unpack_request(bytes(pack_request(Request(1, operation))[4:])).operation


def travelled(operation: object) -> Any:
    """Return an operation as it arrives; lists stand in for what no class can hold."""
    return unpack_request(msgspec.msgpack.encode([1, operation])).operation


def test_filters_come_back_as_they_went() -> None:
    rng = random.Random(1)
    for _ in range(300):
        where = corpus.wire(rng, depth=3)
        back = sent(Delete(where)).where
        assert back == where
        assert hash(back) == hash(where)


def test_leaves_and_points_come_back_as_they_went() -> None:
    rng = random.Random(2)
    vector = corpus.vector(rng)
    dense = DenseLeaf(vector=vector, filter=WHERE, limit=3, plan=Plan.ACORN, ef=70)
    sparse = SparseLeaf(text="words", filter=WHERE, corpus=WHERE, limit=3, steady=False)
    point = corpus.labelling(rng).point

    back, second = sent(Query([dense, sparse])).leaves
    assert isinstance(back, DenseLeaf)
    assert (back.filter, back.limit, back.plan, back.ef) == (WHERE, 3, Plan.ACORN, 70)
    assert back.vector.tobytes() == vector.tobytes()
    assert second == sparse
    (held,) = sent(Upsert([point])).points
    assert held.dense.tobytes() == point.dense.tobytes()
    assert (held.id, held.text, held.payload) == (point.id, point.text, point.payload)


def test_what_opens_a_collection_comes_back_as_it_went() -> None:
    opening = Open(PROTOCOL, "s", 4, dict(payload_indexes(corpus.SCHEMA)))
    assert sent(opening) == opening


def test_outcomes_come_back_as_they_went() -> None:
    found = [Candidate("i", float(np.float32(0.1)), {"document": {"id": "d"}})]
    for outcome in (Answers([found, []]), Page(found, "i"), Counted(3), Refused("it broke")):
        assert unpack(bytes(pack_reply(7, outcome)[4:]), Reply) == Reply(7, outcome)


def test_an_outcome_that_does_not_fit_into_a_frame_is_told() -> None:
    frame = pack_reply(3, Refused("0" * MAX_FRAME))
    assert unpack(bytes(frame[4:]), Reply) == Reply(
        3, Refused(f"a frame is longer than {MAX_FRAME} bytes")
    )


def nested(depth: int) -> list[Any]:
    where: list[Any] = ["any", "a", ["x"]]
    for _ in range(depth):
        where = ["filter", [where], [], []]
    return where


SHAPE = "no known message"
FILTERS: dict[str, tuple[object, str]] = {
    "nothing": (None, SHAPE),
    "empty": (["filter", [], [], []], "without a positive condition"),
    "negative alone": (["filter", [], [], [["any", "a", ["x"]]]], "without a positive condition"),
    "empty inside": (["filter", [["filter", [], [], []]], [], []], "without a positive condition"),
    "no value": (["filter", [["any", "a", []]], [], []], "no value"),
    "mixed": (["filter", [["any", "a", ["x", 1]]], [], []], "all texts or all integers"),
    "boolean": (["filter", [["any", "a", [True]]], [], []], SHAPE),
    "float": (["filter", [["any", "a", [1.5]]], [], []], SHAPE),
    "except number": (["filter", [["except", "a", [1]]], [], []], SHAPE),
    "no bound": (["filter", [["range", "a", None, None]], [], []], "without a bound"),
    "text bound": (["filter", [["range", "a", "1", None]], [], []], SHAPE),
    "boolean bound": (["filter", [["range", "a", True, None]], [], []], SHAPE),
    "unknown kind": (["filter", [["prefix", "a", "x"]], [], []], SHAPE),
    "too much": (["filter", [["any", "a", ["x"]]], [], [], []], SHAPE),
    "too little": (["filter", [["any", "a", ["x"]]]], "not written out in full"),
    "no second bound": (["filter", [["range", "a", 1]], [], []], "not written out in full"),
    "not a filter": (["any", "a", ["x"]], SHAPE),
}


@pytest.mark.parametrize(("raw", "message"), FILTERS.values(), ids=FILTERS)
def test_a_broken_filter_is_refused(raw: object, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        travelled(["delete", raw])


def test_a_filter_is_rendered_to_a_bounded_depth() -> None:
    assert render(travelled(["delete", nested(MAX_DEPTH)]).where)
    for depth in (MAX_DEPTH + 1, 300):
        with pytest.raises(EngineError, match="nested deeper than 64"):
            render(travelled(["delete", nested(depth)]).where)
    bottomless = b"\x92\x01\x92\xa6delete" + b"\x92\xa6filter\x91" * 100_000
    with pytest.raises(FrameError, match=SHAPE):
        unpack_request(bottomless)


def dense(**changes: object) -> list[object]:
    fields = {"vector": VECTOR, "filter": PLAIN, "limit": 1, "plan": "exact", "ef": 9} | changes
    return ["dense", *fields.values()]


LEAVES: dict[str, tuple[object, str]] = {
    "no list": ({}, SHAPE),
    "no kind": (["other", PLAIN, 1], SHAPE),
    "no filter": (dense(filter=None), SHAPE),
    "empty filter": (dense(filter=["filter", [], [], []]), "without a positive condition"),
    "no limit": (dense(limit=0), SHAPE),
    "negative": (dense(ef=-1), SHAPE),
    "a part of a number": (dense(vector=b"0" * 7), "not float32"),
    "no plan": (["dense", VECTOR, PLAIN, 1], "not written out in full"),
    "no vector": (dense(vector=None), "not float32"),
    "a text as vector": (dense(vector="0" * 16), "not float32"),
    "not finite": (
        dense(vector=np.array([1, np.nan, 0, 0], dtype="<f4").tobytes()),
        "not finite",
    ),
    "plan": (dense(plan="fast"), SHAPE),
    "plan list": (dense(plan=[]), SHAPE),
    "no corpus": (["sparse", "x", PLAIN, None, 1, True], SHAPE),
    "empty corpus": (["sparse", "x", PLAIN, ["filter", [], [], []], 1, True], "positive"),
    "text": (["sparse", 1, PLAIN, PLAIN, 1, True], SHAPE),
    "steady": (["sparse", "x", PLAIN, PLAIN, 1, 1], SHAPE),
}


@pytest.mark.parametrize(("raw", "message"), LEAVES.values(), ids=LEAVES)
def test_a_broken_leaf_is_refused(raw: object, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        travelled(["query", [raw]])


def test_the_leaves_of_these_cases_are_whole_but_for_one_fault() -> None:
    (leaf,) = travelled(["query", [dense()]]).leaves
    assert leaf.vector.tobytes() == VECTOR
    assert travelled(["query", [["sparse", "x", PLAIN, PLAIN, 1, True]]]).leaves == [
        SparseLeaf(text="x", filter=WHERE, corpus=WHERE, limit=1)
    ]


def test_what_a_frame_cannot_carry_is_refused_where_it_is_packed() -> None:
    with pytest.raises(FrameError, match="cannot carry"):
        pack_request(Request(1, SetLabel(WHERE, {"value": object()})))


OPERATIONS: list[object] = [
    ["drop"],
    [],
    "ping",
    ["ping", 1],
    ["upsert", [["id", VECTOR, "text", []]]],
    ["upsert", [["id", VECTOR, "text"]]],
    ["count", PLAIN, 1],
    ["scroll", PLAIN, 3, 1],
    ["scroll", PLAIN, None, 0],
    ["set_label", PLAIN, []],
    ["open", 1, "s", 4, {"a": "vector"}],
    ["open", 1, "s", "4", {}],
    ["open", 1, "s", 4, []],
]


@pytest.mark.parametrize("raw", OPERATIONS)
def test_a_broken_operation_is_refused(raw: object) -> None:
    with pytest.raises(FrameError, match=SHAPE):
        travelled(raw)


@pytest.mark.parametrize(
    "outcome",
    [["fire"], ["answers", None], ["answers", [[["i", "1", {}]]]], ["counted", -1], ["refused", 3]],
)
def test_a_broken_reply_is_refused(outcome: object) -> None:
    with pytest.raises(FrameError, match=SHAPE):
        unpack(msgspec.msgpack.encode([1, outcome]), Reply)


def test_the_number_of_a_broken_request_is_told_where_it_can_be_read() -> None:
    assert number_of(msgspec.msgpack.encode([12, "nonsense"])) == 12
    for broken in (b"\xc1", msgspec.msgpack.encode([-1, ["ping"]]), msgspec.msgpack.encode([True])):
        assert number_of(broken) == 0
