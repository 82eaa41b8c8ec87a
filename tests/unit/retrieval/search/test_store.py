from __future__ import annotations

import inspect
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from acl.engine.filter import to_filter
from acl.engine.wire import Filter
from acl.labels import LabelSchema
from acl.predicate import AnyOf
from ingest.index.engine import Candidate, DenseLeaf, Leaf, Payload, Plan, Point, SparseLeaf
from retrieval.search.guarded import UnguardedQueryError, guard
from retrieval.search.narrow import Narrowing, Operator, narrow
from retrieval.search.plan import PlanSettings
from retrieval.search.store import MAX_LIMIT, Mode, Question, Store
from tests.conformance import corpus
from tests.conformance.corpus import SCHEMA

PERMIT = to_filter(AnyOf("tenant", frozenset({"a"})), SCHEMA)
NARROW = narrow([Narrowing("language", Operator.EQ, "de")], SCHEMA)
QUESTION = Question("apple", corpus.vector(random.Random(1)))
PAYLOAD: Payload = {"document": {"id": "d", "version": 1}}


@dataclass
class Scripted:
    """An engine that holds scored ids, and remembers what it was asked."""

    dense: dict[str, float] = field(default_factory=dict)
    sparse: dict[str, float] = field(default_factory=dict)
    visible: int = 100
    estimate: int = 100
    lost: int = 0
    asked: list[Sequence[Leaf]] = field(default_factory=list)
    counted: list[tuple[Filter, bool]] = field(default_factory=list)

    async def query(self, leaves: Sequence[Leaf]) -> list[list[Candidate]]:
        self.asked.append(leaves)
        return [self._answer(leaf) for leaf in leaves]

    def _answer(self, leaf: Leaf) -> list[Candidate]:
        scores = self.dense if isinstance(leaf, DenseLeaf) else self.sparse
        # Equal scores come in an order that has nothing to do with their ids.
        best = sorted(scores.items(), key=lambda item: (-item[1], hash(item[0]) % 97))
        if isinstance(leaf, DenseLeaf) and leaf.plan is not Plan.EXACT:
            best = best[: max(0, len(best) - self.lost)]
        return [Candidate(name, score, PAYLOAD) for name, score in best[: leaf.limit]]

    async def count(self, where: Filter, *, exact: bool) -> int:
        self.counted.append((where, exact))
        return self.visible if exact else self.estimate

    async def open(self, schema: LabelSchema) -> None: ...
    async def upsert(self, points: Sequence[Point]) -> None: ...
    async def set_label(self, where: Filter, payload: Payload) -> None: ...
    async def delete(self, where: Filter) -> None: ...
    async def optimize(self) -> None: ...
    async def ping(self) -> None: ...
    async def close(self) -> None: ...
    async def scroll(self, where: Filter, *, batch: int = 1000) -> AsyncIterator[Candidate]:
        for _ in (where, batch)[:0]:
            yield Candidate("", 0.0)


def ids(number: int) -> list[str]:
    return [f"{one:04}" for one in range(number)]


async def test_both_leaves_go_in_one_call_inside_policy_and_narrowing() -> None:
    engine = Scripted(dense={"a": 2.0, "b": 1.0}, sparse={"b": 5.0})
    found = await Store(engine, SCHEMA).search(
        PERMIT, QUESTION, mode=Mode.HYBRID, narrowing=NARROW, limit=10
    )
    ((dense, sparse),) = engine.asked

    assert [one.id for one in found] == ["b", "a"]
    assert found[0].document == "d"
    assert isinstance(dense, DenseLeaf)
    assert isinstance(sparse, SparseLeaf)
    assert dense.filter == sparse.filter == guard(PERMIT, NARROW)
    assert sparse.corpus == guard(PERMIT, None)
    assert dense.plan is Plan.EXACT
    assert sparse.steady


async def test_no_signature_has_a_default_filter_and_nothing_takes_ids() -> None:
    for name, method in inspect.getmembers(Store, inspect.isfunction):
        if not name.startswith("_"):
            for parameter in inspect.signature(method).parameters.values():
                assert parameter.default is inspect.Parameter.empty, name
                assert "id" not in parameter.name.split("_"), name


async def test_a_filter_that_is_no_policy_s_never_reaches_the_engine() -> None:
    engine, foreign = Scripted(), Filter(must=(PERMIT,))
    store = Store(engine, SCHEMA)
    with pytest.raises(UnguardedQueryError):
        await store.search(foreign, QUESTION, mode=Mode.DENSE, narrowing=None, limit=1)
    with pytest.raises(UnguardedQueryError):
        await store.plan(foreign, narrowing=None)
    assert not engine.asked
    assert not engine.counted


@pytest.mark.parametrize("mode", [Mode.DENSE, Mode.SPARSE])
@pytest.mark.parametrize("tied", [11, 60, 500])
async def test_equal_scores_at_the_cut_are_all_fetched_before_it_is_made(
    mode: Mode, tied: int
) -> None:
    scores = {"zz": 2.0} | dict.fromkeys(ids(tied), 1.0) | {"low": 0.5}
    engine = Scripted(dense=scores, sparse=scores)
    found = await Store(engine, SCHEMA).search(
        PERMIT, QUESTION, mode=mode, narrowing=None, limit=10
    )

    assert [one.id for one in found] == ["zz", *ids(9)]
    assert 1 < len(engine.asked) < 6


async def test_a_clear_cut_is_asked_for_once() -> None:
    engine = Scripted(dense={name: -float(name) for name in ids(100)})
    found = await Store(engine, SCHEMA).search(
        PERMIT, QUESTION, mode=Mode.DENSE, narrowing=None, limit=10
    )
    assert [one.id for one in found] == ids(10)
    assert len(engine.asked) == 1


async def test_nearly_equal_sparse_scores_at_the_cut_are_fetched_too() -> None:
    scores = {name: 1.0 + 1e-7 * place for place, name in enumerate(ids(50))}
    engine = Scripted(sparse=scores)
    await Store(engine, SCHEMA).search(PERMIT, QUESTION, mode=Mode.SPARSE, narrowing=None, limit=10)
    assert engine.asked[-1][0].limit > 50


async def test_widening_ends_somewhere() -> None:
    engine = Scripted(dense=dict.fromkeys(ids(30_000), 1.0))
    found = await Store(engine, SCHEMA).search(
        PERMIT, QUESTION, mode=Mode.DENSE, narrowing=None, limit=10
    )
    assert len(found) == 10
    assert engine.asked[-1][0].limit == 20_000


SMALL = PlanSettings(exact_points=50, acorn_share=0.5)


async def test_an_estimate_above_the_threshold_is_verified_by_a_count() -> None:
    engine = Scripted(visible=40, estimate=90)
    chosen = await Store(engine, SCHEMA, settings=SMALL).plan(PERMIT, narrowing=None)

    assert chosen.plan is Plan.EXACT
    assert [exact for _, exact in engine.counted] == [False, True]


async def test_counts_are_remembered_for_a_while() -> None:
    now = [0.0]
    engine = Scripted(visible=60, estimate=90)
    store = Store(engine, SCHEMA, settings=SMALL, clock=lambda: now[0])
    for _ in range(3):
        assert (await store.plan(PERMIT, narrowing=None)).plan is Plan.HNSW
    assert [exact for _, exact in engine.counted] == [False, True, True, False, False]
    now[0] = 31.0
    await store.plan(PERMIT, narrowing=None)
    assert sum(exact for _, exact in engine.counted) == 4


async def test_only_so_many_counts_are_remembered() -> None:
    engine = Scripted(visible=60, estimate=90)
    store = Store(engine, SCHEMA, settings=SMALL)
    for number in range(1100):
        permit = to_filter(AnyOf("tenant", frozenset({f"t{number}"})), SCHEMA)
        await store.plan(permit, narrowing=None)
    assert len(store._counts) == 1024


async def test_a_graph_that_comes_back_short_is_asked_again_exactly() -> None:
    engine = Scripted(
        dense={name: -float(name) for name in ids(60)}, visible=60, estimate=60, lost=55
    )
    found = await Store(engine, SCHEMA, settings=SMALL).search(
        PERMIT, QUESTION, mode=Mode.DENSE, narrowing=None, limit=10
    )
    plans = [leaf.plan for (leaf,) in engine.asked if isinstance(leaf, DenseLeaf)]

    assert [one.id for one in found] == ids(10)
    assert plans == [Plan.HNSW, Plan.EXACT]


async def test_sums_are_steady_only_where_that_is_promised() -> None:
    engine = Scripted(sparse={"a": 1.0}, visible=60, estimate=60)
    await Store(engine, SCHEMA, settings=SMALL).search(
        PERMIT, Question("apple", None), mode=Mode.SPARSE, narrowing=None, limit=10
    )
    ((leaf,),) = engine.asked
    assert isinstance(leaf, SparseLeaf)
    assert not leaf.steady


async def test_limits_and_vectors_are_checked() -> None:
    store = Store(Scripted(), SCHEMA)
    for limit in (0, -1, MAX_LIMIT + 1):
        with pytest.raises(ValueError, match="limit"):
            await store.search(PERMIT, QUESTION, mode=Mode.DENSE, narrowing=None, limit=limit)
    with pytest.raises(ValueError, match="needs the question's vector"):
        await store.search(PERMIT, Question("x", None), mode=Mode.HYBRID, narrowing=None, limit=1)
