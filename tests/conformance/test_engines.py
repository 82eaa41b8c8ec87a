"""Every engine answers the same corpus, and `acl.predicate.holds` is the oracle of all."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest
from msgspec.structs import replace

from acl.engine.filter import labelled, to_filter
from acl.engine.payload import DOCUMENT, label_payload
from acl.engine.wire import Filter, MatchAny
from acl.labels import LabelSchema
from acl.predicate import AnyOf, Labelled, Predicate, holds
from ingest.index.edge.client import EdgeEngine
from ingest.index.edge.shard import Collection, Shard
from ingest.index.engine import (
    Candidate,
    DenseLeaf,
    EngineError,
    Leaf,
    Plan,
    Point,
    SparseLeaf,
    VectorEngine,
)
from ingest.index.qdrant import QdrantEngine
from retrieval.search.guarded import guard
from retrieval.search.narrow import Narrowing, Operator, narrow
from tests.conformance import corpus

LABELS = 220
PREDICATES = 100
WIRES = 120

Answer: TypeAlias = Callable[[Filter], Awaitable[set[str]]]


@pytest.fixture(params=["edge", "memory"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorEngine]:
    made: VectorEngine
    if request.param == "edge":
        made = EdgeEngine(tmp_path, dimension=corpus.DIMENSION)
    else:
        made = QdrantEngine.in_memory(dimension=corpus.DIMENSION)
    await made.open(corpus.SCHEMA)
    yield made
    await made.close()


@pytest.fixture
def bare(tmp_path: Path) -> Shard:
    """A shard without any payload index."""
    collection = Collection(schema=corpus.SCHEMA.digest, dimension=corpus.DIMENSION, indexes={})
    return Shard.attach(tmp_path, collection)


async def found(engine: VectorEngine, where: Filter) -> set[str]:
    return {one.id async for one in engine.scroll(where)}


def found_bare(shard: Shard, where: Filter) -> set[str]:
    candidates, following = shard.scroll(where, after=None, limit=10_000)
    assert following is None
    return {one.id for one in candidates}


@cache
def material() -> tuple[list[corpus.Labelling], list[Point], list[Predicate]]:
    rng = random.Random(20)
    labellings = [corpus.labelling(rng) for _ in range(LABELS)]
    noise = [corpus.broken(rng) for _ in range(60)]
    labels = [one.label for one in labellings]
    return labellings, noise, corpus.predicates(rng, labels, number=PREDICATES)


def expected(predicate: Predicate, labellings: list[corpus.Labelling]) -> set[str]:
    return {one.point.id for one in labellings if holds(predicate, one.label)}


def test_the_corpus_is_large_and_no_case_is_trivial() -> None:
    labellings, _, predicates = material()
    sizes = [len(expected(one, labellings)) for one in predicates]

    assert len(labellings) * len(predicates) >= 20_000
    assert all(0 < size < LABELS for size in sizes)
    assert len({type(one) for one in predicates}) >= 8


async def test_every_engine_passes_exactly_what_the_oracle_passes(engine: VectorEngine) -> None:
    labellings, noise, predicates = material()
    await engine.upsert([*(one.point for one in labellings), *noise])

    for predicate in predicates:
        where = to_filter(predicate, corpus.SCHEMA)
        assert await found(engine, where) == expected(predicate, labellings), predicate


def test_without_payload_indexes_the_same_points_pass(bare: Shard) -> None:
    labellings, noise, predicates = material()
    bare.upsert([*(one.point for one in labellings), *noise])

    for predicate in predicates:
        where = to_filter(predicate, corpus.SCHEMA)
        assert found_bare(bare, where) == expected(predicate, labellings), predicate
    bare.close()


async def test_any_wire_filter_means_the_same_on_every_engine(
    engine: VectorEngine, tmp_path: Path
) -> None:
    rng = random.Random(21)
    points = [corpus.labelling(rng).point for _ in range(200)]
    collection = Collection(schema=corpus.SCHEMA.digest, dimension=corpus.DIMENSION, indexes={})
    bare = Shard.attach(tmp_path / "bare", collection)
    await engine.upsert(points)
    bare.upsert(points)

    several = 0
    for _ in range(WIRES):
        where = corpus.wire(rng, depth=2)
        answer = await found(engine, where)
        assert answer == found_bare(bare, where), where
        several += 0 < len(answer) < len(points)
    bare.close()
    assert several > WIRES / 5


async def test_a_point_without_a_whole_label_passes_no_predicate(engine: VectorEngine) -> None:
    rng = random.Random(22)
    await engine.upsert([corpus.broken(rng) for _ in range(120)])
    whole = corpus.labelling(rng)
    await engine.upsert([whole.point])

    for predicate in [Labelled(), *(corpus.predicate(rng, depth=3) for _ in range(150))]:
        allowed = {whole.point.id} if holds(predicate, whole.label) else set()
        assert await found(engine, to_filter(predicate, corpus.SCHEMA)) == allowed, predicate


async def test_a_leaf_returns_nothing_outside_its_filter(engine: VectorEngine) -> None:
    labellings, noise, predicates = material()
    await engine.upsert([*(one.point for one in labellings), *noise])
    rng = random.Random(23)

    for predicate in predicates[:15]:
        where = guard(to_filter(predicate, corpus.SCHEMA), None)
        leaf = DenseLeaf(vector=corpus.vector(rng), filter=where, limit=LABELS)
        words = SparseLeaf(text="apple plum", filter=where, corpus=where, limit=LABELS)
        *dense, sparse = await engine.query([*(replace(leaf, plan=plan) for plan in Plan), words])
        allowed = expected(predicate, labellings)
        assert all({one.id for one in answer} == allowed for answer in dense)
        assert {one.id for one in sparse} <= allowed
        assert all(set(one.payload) == {"document"} for one in dense[0])


async def test_sparse_scores_do_not_count_hidden_points(engine: VectorEngine) -> None:
    rng = random.Random(24)
    mine, theirs = (
        [
            one
            for one in (corpus.labelling(rng) for _ in range(400))
            if one.label.values["tenant"] == tenant
        ]
        for tenant in ("a", "A")
    )
    where = guard(to_filter(AnyOf("tenant", frozenset({"a"})), corpus.SCHEMA), None)
    leaf = SparseLeaf(text="apple medlar", filter=where, corpus=where, limit=1000)
    await engine.upsert([one.point for one in mine])
    (before,) = await engine.query([leaf])
    await engine.upsert([replace(one.point, text="apple medlar") for one in theirs])
    (after,) = await engine.query([leaf])

    assert len(before) > 5
    assert scores(before) == scores(after)


async def test_both_engines_give_the_same_scores(tmp_path: Path) -> None:
    rng = random.Random(25)
    points = [corpus.labelling(rng).point for _ in range(150)]
    edge = EdgeEngine(tmp_path, dimension=corpus.DIMENSION)
    memory = QdrantEngine.in_memory(dimension=corpus.DIMENSION)
    where = guard(to_filter(Labelled(), corpus.SCHEMA), None)
    leaves: list[Leaf] = [
        DenseLeaf(vector=corpus.vector(rng), filter=where, limit=150),
        SparseLeaf(text="quince fig fig", filter=where, corpus=where, limit=150),
    ]
    answers = []
    for one in (edge, memory):
        await one.open(corpus.SCHEMA)
        await one.upsert(points)
        answers.append([scores(found) for found in await one.query(leaves)])
        await one.close()

    for left, right in zip(*answers, strict=True):
        assert left.keys() == right.keys()
        assert left == pytest.approx(right, abs=1e-5)


async def test_words_that_say_nothing_find_nothing(engine: VectorEngine) -> None:
    rng = random.Random(26)
    await engine.upsert([replace(corpus.labelling(rng).point, text="the of") for _ in range(3)])
    where = guard(to_filter(Labelled(), corpus.SCHEMA), None)

    assert await engine.query([SparseLeaf(text="the", filter=where, corpus=where, limit=5)]) == [[]]
    assert await engine.count(where, exact=True) == 3


async def test_a_label_is_replaced_as_a_whole_and_vectors_stay(engine: VectorEngine) -> None:
    rng = random.Random(27)
    before, after = (
        corpus.labelling(rng),
        corpus.SCHEMA.parse(
            {"tenant": "new", "classification": 0, "compartments": [], "place": "x/y"}
        ),
    )
    other = corpus.labelling(rng)
    document = Filter(must=(MatchAny(DOCUMENT, ("mine",)),))
    payload = dict(before.point.payload) | {"document": {"id": "mine", "version": 3}}
    elsewhere = dict(other.point.payload) | {"document": {"id": "theirs", "version": 1}}
    await engine.upsert(
        [replace(before.point, payload=payload), replace(other.point, payload=elsewhere)]
    )
    await engine.set_label(document, label_payload(after, corpus.SCHEMA))

    (held,) = [one async for one in engine.scroll(document)]
    assert held.payload["label"] == label_payload(after, corpus.SCHEMA)
    assert held.payload["document"] == {"id": "mine", "version": 3}
    where = to_filter(AnyOf("tenant", frozenset({"new"})), corpus.SCHEMA)
    (hits,) = await engine.query([DenseLeaf(vector=before.point.dense, filter=where, limit=5)])
    assert [one.id for one in hits] == [before.point.id]
    assert hits[0].score == pytest.approx(1.0, abs=1e-5)


async def test_delete_removes_what_the_filter_passes_and_nothing_else(
    engine: VectorEngine,
) -> None:
    labellings, _, predicates = material()
    await engine.upsert([one.point for one in labellings])
    await engine.delete(to_filter(predicates[0], corpus.SCHEMA))

    left = await found(engine, Filter(must=labelled(corpus.SCHEMA)))
    assert left == {one.point.id for one in labellings} - expected(predicates[0], labellings)


async def test_scroll_walks_in_the_order_of_ids_whatever_the_batch(engine: VectorEngine) -> None:
    rng = random.Random(28)
    points = [corpus.labelling(rng).point for _ in range(57)]
    await engine.upsert(points)
    where = Filter(must=labelled(corpus.SCHEMA))

    for batch in (1, 10, 57, 1000):
        walked = [one.id async for one in engine.scroll(where, batch=batch)]
        assert walked == sorted(one.id for one in points)


async def test_upsert_replaces_a_point_of_the_same_id(engine: VectorEngine) -> None:
    rng = random.Random(29)
    first, second = corpus.labelling(rng), corpus.labelling(rng)
    await engine.upsert([first.point])
    await engine.upsert([replace(second.point, id=first.point.id)])

    (held,) = [one async for one in engine.scroll(Filter(must=labelled(corpus.SCHEMA)))]
    assert held.payload == second.point.payload


async def test_an_estimate_is_near_the_count(engine: VectorEngine) -> None:
    labellings, _, _ = material()
    await engine.upsert([one.point for one in labellings])
    where = to_filter(Labelled(), corpus.SCHEMA)

    assert await engine.count(where, exact=False) == pytest.approx(LABELS, rel=0.2)


async def test_a_refused_call_leaves_the_engine_working(engine: VectorEngine) -> None:
    rng = random.Random(30)
    made = corpus.labelling(rng).point
    with pytest.raises(EngineError):
        await engine.upsert([replace(made, dense=corpus.vector(rng, dimension=3))])
    with pytest.raises(EngineError):
        await engine.upsert([replace(made, id="not a uuid")])
    await engine.upsert([made])
    await engine.ping()
    await engine.optimize()

    assert await found(engine, Filter(must=labelled(corpus.SCHEMA))) == {made.id}


META: tuple[dict[str, object], ...] = (
    {"language": "de", "topics": ["tax", "law"], "pages": 3, "draft": True, "written": 10},
    {"language": "en", "topics": [], "pages": 30, "draft": False, "written": -10},
    {"language": "DE", "pages": 0},
    {},
)

NARROWINGS: tuple[tuple[Narrowing, set[int]], ...] = (
    (Narrowing("language", Operator.EQ, "de"), {0}),
    (Narrowing("language", Operator.NE, "de"), {1, 2}),
    (Narrowing("language", Operator.IN, ["de", "en"]), {0, 1}),
    (Narrowing("language", Operator.NIN, ["de", "en"]), {2}),
    (Narrowing("topics", Operator.EQ, "law"), {0}),
    (Narrowing("topics", Operator.NE, "law"), set()),
    (Narrowing("topics", Operator.NIN, ["other"]), {0}),
    (Narrowing("pages", Operator.EQ, 3), {0}),
    (Narrowing("pages", Operator.NE, 3), {1, 2}),
    (Narrowing("pages", Operator.GT, 3), {1}),
    (Narrowing("pages", Operator.GTE, 3), {0, 1}),
    (Narrowing("pages", Operator.LT, 3), {2}),
    (Narrowing("pages", Operator.LTE, 3), {0, 2}),
    (Narrowing("draft", Operator.EQ, True), {0}),
    (Narrowing("draft", Operator.NE, True), {1}),
    (Narrowing("written", Operator.GTE, "1970-01-01T00:00:00+00:00"), {0}),
    (Narrowing("written", Operator.LT, 0), {1}),
)


async def test_narrowing_means_the_same_on_every_engine(engine: VectorEngine) -> None:
    rng = random.Random(31)
    label = corpus.SCHEMA.parse(corpus.raw_label(rng))
    points = [corpus.point(rng, label, meta) for meta in META]
    await engine.upsert(points)
    permit = to_filter(Labelled(), corpus.SCHEMA)

    for narrowing, places in NARROWINGS:
        where = guard(permit, narrow([narrowing], corpus.SCHEMA))
        assert await found(engine, where) == {points[place].id for place in places}, narrowing


async def test_an_engine_refuses_another_schema(tmp_path: Path) -> None:
    other = LabelSchema.from_toml('[label]\ntenant = { type = "keyword" }')
    first = EdgeEngine(tmp_path, dimension=corpus.DIMENSION)
    await first.open(corpus.SCHEMA)
    with pytest.raises(EngineError, match="another schema"):
        await EdgeEngine(tmp_path, dimension=corpus.DIMENSION).open(other)
    await first.close()
    with pytest.raises(EngineError, match="another schema"):
        await EdgeEngine(tmp_path, dimension=corpus.DIMENSION).open(other)

    memory = QdrantEngine.in_memory(dimension=corpus.DIMENSION)
    await memory.open(corpus.SCHEMA)
    with pytest.raises(EngineError, match="another schema"):
        await memory.open(other)
    await memory.close()


def scores(candidates: list[Candidate]) -> dict[str, float]:
    return {one.id: one.score for one in candidates}
